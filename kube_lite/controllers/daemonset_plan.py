"""On which nodes a DaemonSet should run, what to make and end there, and its status: without a cluster.

A Pod of a DaemonSet is meant for one node, which its node affinity names until the scheduler has bound it.
Conditions of nodes are tolerated. Keeping one Pod per node comes first; when that is done, an update replaces
old Pods, either by ending them (as many as may be unavailable) or, with ``maxSurge``, by making the new ones
first.

Source: kubernetes/pkg/controller/daemon/daemon_controller.go and update.go.
"""

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from kube_lite.api import meta
from kube_lite.api.identity import Json
from kube_lite.api.placement import matches, untolerated

from . import pods as pod_facts
from .history import REVISION_HASH
from .resources import DAEMON_SET
from .revisions import created
from .rollout import Limits, share_of

TEMPLATE_GENERATION = "deprecated.daemonset.template.generation"  # annotation of the set
GENERATION_LABEL = "pod-template-generation"
NO_EXECUTE = ("NoExecute",)
TOLERATED = (
    ("node.kubernetes.io/not-ready", "NoExecute"),
    ("node.kubernetes.io/unreachable", "NoExecute"),
    ("node.kubernetes.io/disk-pressure", "NoSchedule"),
    ("node.kubernetes.io/memory-pressure", "NoSchedule"),
    ("node.kubernetes.io/pid-pressure", "NoSchedule"),
    ("node.kubernetes.io/unschedulable", "NoSchedule"),
)
TOLERATED_ON_HOST_NETWORK = ("node.kubernetes.io/network-unavailable", "NoSchedule")

PodsByNode = Mapping[str, Sequence[Json]]


class Fit(NamedTuple):
    """Whether a Pod should be made on a node, and whether one that is there may stay."""

    should_run: bool
    may_stay: bool


@dataclass
class Changes:
    """On which nodes to make Pods and which Pods to end; those that have finished are named once more."""

    create: list[str] = field(default_factory=list)
    delete: list[Json] = field(default_factory=list)
    finished: list[Json] = field(default_factory=list)


def fit(owner: Json, node: Json) -> Fit:
    """Whether the set wants a Pod on that node."""
    spec = owner["spec"]["template"]["spec"]
    if spec.get("nodeName") and spec["nodeName"] != node["metadata"]["name"]:
        return Fit(False, False)
    if not matches(spec, node):
        return Fit(False, False)
    taints = (node.get("spec") or {}).get("taints") or ()
    tolerations = with_tolerations(spec)["tolerations"]
    if untolerated(taints, tolerations) is None:
        return Fit(True, True)
    return Fit(False, untolerated(taints, tolerations, NO_EXECUTE) is None)


def with_tolerations(spec: Json) -> Json:
    """A Pod's spec with the tolerations that every Pod of a DaemonSet has."""
    wanted = list(TOLERATED)
    if spec.get("hostNetwork"):
        wanted.append(TOLERATED_ON_HOST_NETWORK)
    tolerations = list(spec.get("tolerations") or ())
    for key, effect in wanted:
        toleration = {"key": key, "operator": "Exists", "effect": effect}
        if toleration not in tolerations:
            tolerations.append(toleration)
    return {**spec, "tolerations": tolerations}


def new_pod(owner: Json, node_name: str, hash_: str) -> Json:
    """A Pod for one node, bound to it by affinity so that the scheduler still has its say."""
    template = owner["spec"]["template"]
    pod = pod_facts.pod_from(owner, DAEMON_SET, template)
    labels = {**(pod["metadata"].get("labels") or {}), REVISION_HASH: hash_}
    generation = meta.annotations_of(owner).get(TEMPLATE_GENERATION)
    if generation:
        labels[GENERATION_LABEL] = generation
    pod["metadata"]["labels"] = labels
    spec = with_tolerations(template["spec"])
    affinity = spec.get("affinity") or {}
    name_is = {"key": "metadata.name", "operator": "In", "values": [node_name]}
    required = {"nodeSelectorTerms": [{"matchFields": [name_is]}]}
    of_node = {
        **(affinity.get("nodeAffinity") or {}),
        "requiredDuringSchedulingIgnoredDuringExecution": required,
    }
    return {**pod, "spec": {**spec, "affinity": {**affinity, "nodeAffinity": of_node}}}


def node_of(pod: Json) -> str:
    """The node a Pod is on or meant for, empty if it does not say."""
    spec = pod["spec"]
    if spec.get("nodeName"):
        return str(spec["nodeName"])
    affinity = (spec.get("affinity") or {}).get("nodeAffinity") or {}
    required = affinity.get("requiredDuringSchedulingIgnoredDuringExecution") or {}
    for term in required.get("nodeSelectorTerms") or ():
        for entry in term.get("matchFields") or ():
            if entry["key"] == "metadata.name" and entry["operator"] == "In" and len(entry["values"]) == 1:
                return str(entry["values"][0])
    return ""


def pods_by_node(pods: Iterable[Json]) -> PodsByNode:
    """The Pods per node, those first that count first; without those that are over and going."""
    found: defaultdict[str, list[Json]] = defaultdict(list)
    for pod in pods:
        if not (pod_facts.is_finished(pod) and meta.is_being_deleted(pod)):
            found[node_of(pod)].append(pod)
    return {node: sorted(there, key=_by_merit) for node, there in found.items()}


def _by_merit(pod: Json) -> tuple[object, ...]:
    return (not pod["spec"].get("nodeName"), *created(pod))


def plan_nodes(owner: Json, nodes: Sequence[Json], by_node: PodsByNode, hash_: str, now: float) -> Changes:
    """Keep one Pod on every node that fits, and none elsewhere."""
    changes = Changes()
    for node in nodes:
        name = node["metadata"]["name"]
        there = by_node.get(name, ())
        fits = fit(owner, node)
        if fits.may_stay:
            _plan_node(owner, name, there, hash_, changes, should_run=fits.should_run, now=now)
        else:
            changes.delete.extend(pod for pod in there if not meta.is_being_deleted(pod))
    known = {node["metadata"]["name"] for node in nodes}
    for name, there in by_node.items():
        if name not in known:  # the scheduler would wait for ever for a node that is no more
            changes.delete.extend(
                pod for pod in there if not pod["spec"].get("nodeName") and not meta.is_being_deleted(pod)
            )
    return changes


def _plan_node(
    owner: Json,
    name: str,
    there: Sequence[Json],
    hash_: str,
    changes: Changes,
    *,
    should_run: bool,
    now: float,
) -> None:
    staying = [pod for pod in there if not meta.is_being_deleted(pod)]
    finished = [pod for pod in staying if pod_facts.is_finished(pod)]
    changes.finished.extend(finished)
    running = [pod for pod in staying if not pod_facts.is_finished(pod)]
    if not there:
        if should_run:
            changes.create.append(name)
        return
    if not limits_of(owner, 1).surge:
        changes.delete.extend(running[1:])
        return
    new = [pod for pod in running if is_updated(pod, hash_)]
    old = [pod for pod in running if not is_updated(pod, hash_)]
    changes.delete.extend(new[1:] + old[1:])
    if new and old and (not pod_facts.is_ready(old[0]) or is_available(owner, new[0], now)):
        changes.delete.append(old[0])


def limits_of(owner: Json, wanted: int) -> Limits:
    """How many Pods may be there twice, or not be there, during an update; percentages are rounded up."""
    strategy = owner["spec"].get("updateStrategy") or {}
    if strategy.get("type") == "OnDelete":
        return Limits(0, 0)
    rolling = strategy.get("rollingUpdate") or {}
    surge = math.ceil(share_of(rolling.get("maxSurge", 0), wanted))
    unavailable = math.ceil(share_of(rolling.get("maxUnavailable", 1), wanted))
    return Limits(surge, 1 if not surge and not unavailable else unavailable)


def plan_update(owner: Json, by_node: PodsByNode, wanted: int, hash_: str, now: float) -> Changes:
    """Replace Pods of old revisions as far as the limits go.

    Args:
        wanted: on how many nodes the set should run.
    """
    if (owner["spec"].get("updateStrategy") or {}).get("type") == "OnDelete":
        return Changes()
    limits = limits_of(owner, wanted)
    if limits.surge:
        return _plan_surge(owner, by_node, limits.surge, hash_, now)
    free: list[Json] = []
    candidates: list[Json] = []
    unavailable = 0
    for there in by_node.values():
        new, old = _new_and_old(there, hash_)
        if len(new) + len(old) != 1:  # the next look at the nodes puts that right
            unavailable += 1
        elif new:
            unavailable += not is_available(owner, new[0], now)
        elif is_available(owner, old[0], now):
            candidates.append(old[0])
        else:
            free.append(old[0])
            unavailable += 1
    return Changes(delete=free + candidates[: max(0, limits.unavailable - unavailable)])


def _plan_surge(owner: Json, by_node: PodsByNode, surge: int, hash_: str, now: float) -> Changes:
    changes = Changes()
    candidates: list[str] = []
    used = 0
    for name, there in by_node.items():
        new, old = _new_and_old(there, hash_)
        if len(new) > 1 or len(old) > 1:
            used += 1
        elif old and not new:
            (candidates if is_available(owner, old[0], now) else changes.create).append(name)
        elif old and new:
            if is_available(owner, new[0], now) or not is_available(owner, old[0], now):
                changes.delete.append(old[0])
            else:
                used += 1
    changes.create.extend(candidates[: max(0, surge - used)])
    return changes


def _new_and_old(there: Iterable[Json], hash_: str) -> tuple[list[Json], list[Json]]:
    alive = [pod for pod in there if not meta.is_being_deleted(pod)]
    new = [pod for pod in alive if is_updated(pod, hash_)]
    return new, [pod for pod in alive if not is_updated(pod, hash_)]


def is_updated(pod: Json, hash_: str) -> bool:
    """Whether a Pod was made from the current template."""
    return bool(meta.labels_of(pod).get(REVISION_HASH) == hash_)


def is_available(owner: Json, pod: Json, now: float) -> bool:
    """It has been ready for long enough."""
    return pod_facts.available_in(pod, owner["spec"].get("minReadySeconds") or 0, now) == 0


def plan_status(
    owner: Json, nodes: Iterable[Json], by_node: PodsByNode, hash_: str, collisions: int, now: float
) -> tuple[Json, float | None]:
    """The status, and in how many seconds another Pod will be available by itself."""
    desired = current = ready = updated = available = misplaced = 0
    waits: list[float] = []
    min_ready = owner["spec"].get("minReadySeconds") or 0
    for node in nodes:
        there = by_node.get(node["metadata"]["name"])
        if not fit(owner, node).should_run:
            misplaced += bool(there)
            continue
        desired += 1
        if not there:
            continue
        current += 1
        wait = pod_facts.available_in(there[0], min_ready, now)
        ready += wait is not None
        available += wait == 0
        updated += is_updated(there[0], hash_)
        waits.extend([wait] if wait else ())
    optional = {
        "updatedNumberScheduled": updated,
        "numberAvailable": available,
        "numberUnavailable": desired - available,
        "observedGeneration": meta.generation(owner),
        "collisionCount": collisions,
    }
    status: Json = {
        "currentNumberScheduled": current,
        "numberMisscheduled": misplaced,
        "desiredNumberScheduled": desired,
        "numberReady": ready,
        **{name: value for name, value in optional.items() if value},
    }
    if meta.conditions_of(owner):
        status["conditions"] = meta.conditions_of(owner)
    return status, min(waits, default=None)
