"""Topology spread constraints: pods of a sort evenly over zones, nodes, or whatever a label tells apart.

A constraint with ``DoNotSchedule`` refuses a node when its domain would have too many more pods than the one
with fewest; one with ``ScheduleAnyway`` only prefers. Pods without constraints that belong to a workload have
two gentle ones by default, over nodes and over zones.

Source: kubernetes/pkg/scheduler/framework/plugins/podtopologyspread; KEP-895.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from kube_lite.api import meta
from kube_lite.api.identity import Json
from kube_lite.api.placement import matches, untolerated
from kube_lite.api.selectors import label_selector

from .snapshot import NodeInfo, Snapshot, Sort, sort_of

HOSTNAME = "kubernetes.io/hostname"
ZONE = "topology.kubernetes.io/zone"
MISMATCH = "node(s) didn't match pod topology spread constraints"
MISSING_LABEL = f"{MISMATCH} (missing required label)"
FULL_SCORE = 100


class Constraint(NamedTuple):
    """One constraint of one pod."""

    key: str
    max_skew: int
    sort: Sort
    counts_itself: bool
    min_domains: int
    honors_affinity: bool
    honors_taints: bool


def constraints_of(pod: Json, when: str) -> list[Constraint]:
    """The pod's own constraints of one kind: ``DoNotSchedule`` or ``ScheduleAnyway``."""
    return [
        _constraint(pod, entry)
        for entry in pod["spec"].get("topologySpreadConstraints") or ()
        if entry["whenUnsatisfiable"] == when
    ]


def default_constraints(pod: Json, selector: Json, defaults: Iterable[Json]) -> list[Constraint]:
    """The constraints that a pod has because it belongs to something with this selector."""
    return [_constraint(pod, {**entry, "labelSelector": selector}) for entry in defaults]


SYSTEM_DEFAULTS: Sequence[Json] = (
    {"maxSkew": 3, "topologyKey": HOSTNAME, "whenUnsatisfiable": "ScheduleAnyway"},
    {"maxSkew": 5, "topologyKey": ZONE, "whenUnsatisfiable": "ScheduleAnyway"},
)


def _constraint(pod: Json, entry: Json) -> Constraint:
    labels, selector = meta.labels_of(pod), entry.get("labelSelector")
    same = {key: labels[key] for key in entry.get("matchLabelKeys") or () if key in labels}
    if same and selector is not None:
        selector = {**selector, "matchLabels": {**(selector.get("matchLabels") or {}), **same}}
    sort = sort_of(selector, frozenset({pod["metadata"]["namespace"]}))
    return Constraint(
        entry["topologyKey"],
        entry["maxSkew"],
        sort,
        _matches(selector, pod),
        entry.get("minDomains") or 1,
        entry.get("nodeAffinityPolicy", "Honor") == "Honor",
        entry.get("nodeTaintsPolicy", "Ignore") == "Honor",
    )


def _matches(selector: Json | None, pod: Json) -> bool:
    return label_selector(selector).matches_object(pod)


class Limits:
    """What the hard constraints of one pod say of nodes, as things are now."""

    def __init__(self, pod: Json, constraints: Sequence[Constraint], snapshot: Snapshot) -> None:
        self._constraints = constraints
        keys = [constraint.key for constraint in constraints]
        having_all = [info for info in snapshot.nodes() if all(key in info.labels for key in keys)]
        self._counts = [_by_domain(pod, constraint, having_all, snapshot) for constraint in constraints]
        self._least = [
            0 if len(counts) < constraint.min_domains else min(counts.values(), default=0)
            for constraint, counts in zip(constraints, self._counts, strict=True)
        ]

    def refusal(self, labels: Mapping[str, str]) -> tuple[str, bool] | None:
        """Why not a node with these labels, and whether it could help that others leave; None if it may."""
        for constraint, counts, least in zip(self._constraints, self._counts, self._least, strict=True):
            domain = labels.get(constraint.key)
            if domain is None:
                return MISSING_LABEL, False
            skew = counts.get(domain, 0) + constraint.counts_itself - least
            if skew > constraint.max_skew:
                return MISMATCH, True
        return None


def scores(
    pod: Json, constraints: Sequence[Constraint], infos: Sequence[NodeInfo], snapshot: Snapshot, *,
    needs_all_keys: bool = True,
) -> list[float]:  # fmt: skip
    """0 to 100 for each node: how little it has of what should be spread."""
    keys = [constraint.key for constraint in constraints]
    ignored = {info.name for info in infos if needs_all_keys and not all(key in info.labels for key in keys)}
    counted = [info for info in infos if info.name not in ignored]
    raw = dict.fromkeys((info.name for info in counted), 0.0)
    for constraint in constraints:
        counts = _for_scores(pod, constraint, snapshot)
        size = len(counted)
        if constraint.key != HOSTNAME:
            size = len({info.labels.get(constraint.key) for info in counted} - {None})
        weight = math.log(size + 2)
        for info in counted:
            domain = info.labels.get(constraint.key)
            if domain is not None:
                place = info.name if constraint.key == HOSTNAME else domain
                raw[info.name] += counts.get(place, 0) * weight + (constraint.max_skew - 1)
    least, most = min(raw.values(), default=0.0), max(raw.values(), default=0.0)
    if not most:
        return [0.0 if info.name in ignored else float(FULL_SCORE) for info in infos]
    return [
        0.0 if info.name in ignored else FULL_SCORE * (most + least - raw[info.name]) / most for info in infos
    ]


def _for_scores(pod: Json, constraint: Constraint, snapshot: Snapshot) -> Mapping[str, int]:
    """What a constraint counts: by node for that of nodes, by domain for the others."""
    tally = snapshot.tally(constraint.sort)
    if constraint.key == HOSTNAME:
        return tally.by_node
    if are_plain(pod, (constraint,)):
        return tally.by_domain(constraint.key)
    return _by_domain(pod, constraint, snapshot.nodes(), snapshot)


def are_plain(pod: Json, constraints: Iterable[Constraint]) -> bool:
    """Whether constraints count the pods on all nodes, whatever the pod asks for and the nodes refuse."""
    asks = _asks(pod)
    return not any(one.honors_taints or (one.honors_affinity and asks) for one in constraints)


def _asks(pod: Json) -> bool:
    spec = pod["spec"]
    return bool(spec.get("nodeSelector") or (spec.get("affinity") or {}).get("nodeAffinity"))


def _by_domain(
    pod: Json, constraint: Constraint, infos: Iterable[NodeInfo], snapshot: Snapshot
) -> dict[str, int]:
    """Domain → how many pods of the sort are in it, over the nodes that the constraint looks at."""
    counts: dict[str, int] = {}
    on = snapshot.tally(constraint.sort).by_node
    spec = pod["spec"]
    asks = _asks(pod)
    for info in infos:
        domain = info.labels.get(constraint.key)
        if domain is None or info.node is None:
            continue
        if asks and constraint.honors_affinity and not matches(spec, info.node):
            continue
        if constraint.honors_taints:
            taints = (info.node.get("spec") or {}).get("taints") or ()
            if untolerated(taints, spec.get("tolerations") or ()) is not None:
                continue
        counts[domain] = counts.get(domain, 0) + on.get(info.name, 0)
    return counts
