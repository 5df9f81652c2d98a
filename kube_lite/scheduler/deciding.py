"""One pod and all nodes in, a node out, or the reasons against each.

Rules are asked in upstream's order, and the first that refuses a node tells why. Most of them look at a pod's
spec and one node only, and pods of one template have the same spec; so what they say is kept for each such
*class* of pods and each node, until the node or its pods change, and placing the thousandth pod of a template
costs a comparison of numbers for each node. Rules over several nodes (spread, affinity to pods, volumes) are
worked out for each pod. In large clusters the search ends when enough nodes are found, and the next begins
where it ended.

Source: kubernetes/pkg/scheduler/schedule_one.go.
"""

from collections import Counter, OrderedDict
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import chain, islice
from typing import NamedTuple

import orjson

from kube_lite.api.identity import Json, ObjectKey

from . import affinity, fit, pod_affinity, ports, profiles, scoring, spread, taints, volumes
from .profiles import Profile
from .snapshot import Needs, NodeInfo, Placed, Snapshot, is_choosy

FULL_SCORE = 100
MAX_CLASSES = 128
MIN_NODES = 100  # as many are looked for in any case; upstream's figure
MIN_PERCENTAGE = 5

NO_NODES = "no nodes available to schedule pods"
NO_VICTIMS = "No preemption victims found for incoming pod"
NOT_HELPFUL = "Preemption is not helpful for scheduling"
NEVER = "not eligible due to preemptionPolicy=Never."
NO_CLAIMS = "no new claims to deallocate"
"""What the rule for device claims has to say of a pod without any, before preemption does."""


class Refusal(NamedTuple):
    """Why a pod cannot go to a node, which rule says so, and whether it could help that other pods left."""

    reasons: tuple[str, ...]
    resolvable: bool
    rule: str = ""


class Placement(NamedTuple):
    """Where a pod goes; when ``node`` is empty the rest says why nowhere.

    Attributes:
        impossible: a reason that has nothing to do with any node.
        refusals: by node.
    """

    node: str
    impossible: str = ""
    refusals: Mapping[str, Refusal] = {}

    @property
    def rules(self) -> frozenset[str]:
        """The rules that stood against it."""
        if self.impossible:
            return frozenset({"" if self.impossible == NO_NODES else profiles.BINDING})
        return frozenset(refusal.rule for refusal in self.refusals.values())


class Verdict(NamedTuple):
    """What the rules for one node say of a class of pods, as of a generation of the node."""

    generation: int
    refusal: Refusal | None
    fixed: float = 0.0
    disliked: int = 0
    preferred: int = 0


Refuse = Callable[[NodeInfo], Refusal | None]


class Decider:
    """Decides for one profile.

    Args:
        storage: claims, volumes and classes.
        selector_of: pod → the selector of what it belongs to, or None.
        percentage: see ``profiles.Settings``.
    """

    def __init__(
        self,
        snapshot: Snapshot,
        storage: volumes.Storage,
        profile: Profile,
        selector_of: Callable[[Json], Json | None] = lambda pod: None,
        percentage: int = 0,
    ) -> None:
        self.profile = profile
        self._snapshot = snapshot
        self._storage = storage
        self._selector_of = selector_of
        self._percentage = percentage
        self._classes: OrderedDict[bytes, dict[str, Verdict]] = OrderedDict()
        self._begin = 0

    def place(self, pod: Json, needs: Needs) -> Placement:
        """Choose the best node of those that can take the pod."""
        nodes = self._snapshot.nodes()
        if not nodes:
            return Placement("", NO_NODES)
        try:
            across = self.across(pod)
        except volumes.Impossible as error:
            return Placement("", str(error))
        possible, refusals = self._search(pod, needs, nodes, across)
        if not possible:
            return Placement("", refusals=refusals)
        if len(possible) == 1:
            return Placement(possible[0][0].name)
        return Placement(self._best(pod, possible).name)

    def refuse(self, pod: Json, needs: Needs, info: NodeInfo) -> Refusal | None:
        """Why the pod cannot go to one node as things are now; for those that try what would be if."""
        try:
            across = self.across(pod)
        except volumes.Impossible as error:
            return Refusal((str(error),), resolvable=False, rule=profiles.BINDING)
        return self._judge(pod, needs, info).refusal or _first(across, info)

    def across(self, pod: Json) -> list[Refuse]:
        """The rules that look at more than one node, as far as they have anything to say of this pod.

        Raises:
            volumes.Impossible: the pod cannot go anywhere.
        """
        rules: list[Refuse] = []
        filters, snapshot = self.profile.filters, self._snapshot
        if profiles.BINDING in filters and any(volumes.claim_keys(pod)):
            limits = volumes.Limits(pod, self._storage, lambda key: self._is_used(key, pod))
            rules.append(_named(limits.refusal, profiles.BINDING))
        hard = spread.constraints_of(pod, "DoNotSchedule") if profiles.SPREAD in filters else []
        if hard:
            evenly = spread.Limits(pod, hard, snapshot)
            rules.append(_named(lambda info: evenly.refusal(info.labels), profiles.SPREAD))
        if profiles.POD_AFFINITY in filters and (snapshot.choosy or is_choosy(pod)):
            beside = pod_affinity.Limits(pod, snapshot)
            if not beside.is_idle():
                rules.append(_named(lambda info: beside.refusal(info.labels), profiles.POD_AFFINITY))
        return rules

    def _search(
        self, pod: Json, needs: Needs, nodes: Sequence[NodeInfo], across: Sequence[Refuse]
    ) -> tuple[list[tuple[NodeInfo, Verdict]], dict[str, Refusal]]:
        verdicts = self._verdicts(pod, needs)
        known, fickle = verdicts.get, self._snapshot.has_nominations()
        possible: list[tuple[NodeInfo, Verdict]] = []
        refusals: dict[str, Refusal] = {}
        begin, enough = self._begin % len(nodes), how_many(len(nodes), self._percentage)
        for number, info in enumerate(chain(islice(nodes, begin, None), islice(nodes, begin))):
            verdict = known(info.name)
            if verdict is None or verdict.generation != info.generation or (fickle and info.nominated):
                verdict = verdicts[info.name] = self._judge(pod, needs, info)
            refusal = verdict.refusal
            if refusal is None and across:
                refusal = _first(across, info)
            if refusal is not None:
                refusals[info.name] = refusal
                continue
            possible.append((info, verdict))
            if len(possible) == enough:
                self._begin = begin + number + 1
                break
        return possible, refusals

    def _verdicts(self, pod: Json, needs: Needs) -> dict[str, Verdict]:
        key = class_of(pod, needs)
        found = self._classes.get(key)
        if found is None:
            found = self._classes[key] = {}
            if len(self._classes) > MAX_CLASSES:
                self._classes.popitem(last=False)
        return found

    def _judge(self, pod: Json, needs: Needs, info: NodeInfo) -> Verdict:
        """Ask the rules for one node; pods that others were driven away for count where they are to go."""
        judged = _with_nominated(info, pod) if info.nominated else info
        refusal = self._refuse_alone(pod["spec"], needs, judged)
        if refusal is not None:
            return Verdict(info.generation, refusal)
        weights, spec, node = self.profile.weights, pod["spec"], info.node or {}
        fixed = 0.0
        if profiles.FIT in weights:
            room = scoring.room(self.profile.strategy, needs.usual, judged.allocatable, judged.usually_used)
            fixed += weights[profiles.FIT] * room
        if profiles.BALANCE in weights:
            used, names = judged.usually_used, self.profile.balanced
            fixed += weights[profiles.BALANCE] * scoring.balance(needs.usual, judged.allocatable, used, names)
        if profiles.IMAGES in weights and info.images:
            fixed += weights[profiles.IMAGES] * scoring.images(spec, info.images, self._image_spread(spec))
        disliked = taints.dislikes(node, spec.get("tolerations") or ())
        return Verdict(info.generation, None, fixed, disliked, affinity.preference(spec, node))

    def _refuse_alone(self, spec: Json, needs: Needs, info: NodeInfo) -> Refusal | None:
        filters, node = self.profile.filters, info.node
        assert node is not None  # ``Snapshot.nodes`` leaves the others out
        against = taints.refusal(node, spec.get("tolerations") or ())
        if against:
            rule = profiles.UNSCHEDULABLE if against == taints.UNSCHEDULABLE else profiles.TAINTS
            if rule in filters:
                return Refusal((against,), resolvable=False, rule=rule)
        if profiles.AFFINITY in filters and not affinity.matches(spec, node):
            return Refusal((affinity.MISMATCH,), resolvable=False, rule=profiles.AFFINITY)
        if needs.ports and profiles.PORTS in filters and ports.conflict(needs.ports, info.ports()):
            return Refusal((ports.TAKEN,), resolvable=True, rule=profiles.PORTS)
        if profiles.FIT not in filters:
            return None
        reasons = fit.insufficient(needs.requests, info.allocatable, info.used, len(info.pods))
        if not reasons:
            return None
        hopeful = fit.can_ever_fit(needs.requests, info.allocatable)
        return Refusal(tuple(reasons), resolvable=hopeful, rule=profiles.FIT)

    def _best(self, pod: Json, possible: Sequence[tuple[NodeInfo, Verdict]]) -> NodeInfo:
        """The node with the highest score; of equals the one with fewest pods, then by name."""
        weights = self.profile.weights
        infos = [info for info, _ in possible]
        scores = [verdict.fixed for _, verdict in possible]
        disliked = [verdict.disliked for _, verdict in possible]
        if profiles.TAINTS in weights and any(disliked):
            _add(scores, -weights[profiles.TAINTS], _scaled(disliked))
        preferred = [verdict.preferred for _, verdict in possible]
        if profiles.AFFINITY in weights and any(preferred):
            _add(scores, weights[profiles.AFFINITY], _scaled(preferred))
        for rule, values in ((profiles.SPREAD, self._spread), (profiles.POD_AFFINITY, self._beside)):
            if rule in weights:
                found = values(pod, infos)
                if found is not None:
                    _add(scores, weights[rule], found)
        best = max(scores)
        if scores.count(best) == 1:
            return infos[scores.index(best)]
        equals = [info for info, score in zip(infos, scores, strict=True) if score == best]
        return min(equals, key=lambda info: (len(info.pods), info.name))

    def _spread(self, pod: Json, infos: Sequence[NodeInfo]) -> list[float] | None:
        if pod["spec"].get("topologySpreadConstraints"):
            soft = spread.constraints_of(pod, "ScheduleAnyway")
            return spread.scores(pod, soft, infos, self._snapshot) if soft else None
        selector = self._selector_of(pod) if self.profile.constraints else None
        if selector is None:
            return None
        gentle = spread.default_constraints(pod, selector, self.profile.constraints)
        needs_all = self.profile.needs_all_keys
        return spread.scores(pod, gentle, infos, self._snapshot, needs_all_keys=needs_all)

    def _beside(self, pod: Json, infos: Sequence[NodeInfo]) -> list[float] | None:
        if not self._snapshot.choosy and not is_choosy(pod):
            return None
        return pod_affinity.scores(pod, infos, self._snapshot, self.profile.hard_weight)

    def _image_spread(self, spec: Json) -> dict[str, float]:
        nodes = self._snapshot.nodes()
        containers = [*(spec.get("initContainers") or ()), *spec["containers"]]
        names = {scoring.full_name(container.get("image", "")) for container in containers}
        return {name: sum(name in info.images for info in nodes) / len(nodes) for name in names}

    def _is_used(self, key: ObjectKey, pod: Json) -> bool:
        """Whether a pod that is placed uses a claim."""
        return any(
            key == other
            for info in self._snapshot.nodes()
            for placed in info.pods.values()
            if placed.pod["metadata"]["uid"] != pod["metadata"]["uid"]
            for other, _ in volumes.claim_keys(placed.pod)
        )


def class_of(pod: Json, needs: Needs) -> bytes:
    """What the rules for one node look at in a pod; pods with the same are alike to them."""
    spec = pod["spec"]
    images = [one.get("image") for one in (*(spec.get("initContainers") or ()), *spec["containers"])]
    ports_wanted = [list(port) for port in sorted(needs.ports)]
    parts = (
        needs.requests, needs.usual, ports_wanted, images, spec.get("tolerations"),
        spec.get("nodeSelector"), (spec.get("affinity") or {}).get("nodeAffinity"),
    )  # fmt: skip
    return orjson.dumps(parts)


def how_many(nodes: int, percentage: int = 0) -> int:
    """How many nodes that can take a pod are enough to choose among."""
    if nodes < MIN_NODES or percentage == 100:
        return nodes
    share = percentage or max(MIN_PERCENTAGE, 50 - nodes // 125)
    return max(MIN_NODES, nodes * share // 100)


def failure_message(
    pod: Json, placement: Placement, hopes: Mapping[str, str] | None = None, *, count: int = 0
) -> str:
    """``0/2 nodes are available: 1 Insufficient cpu, 1 node(s) were unschedulable. …, preemption: …``.

    Source: ``FitError.Error`` in kubernetes/pkg/scheduler/framework/types.go.

    Args:
        hopes: node → what preemption found there, where it looked; None when it did what it could.
        count: of all nodes.
    """
    if placement.impossible == NO_NODES:
        return NO_NODES
    refusals = placement.refusals
    if placement.impossible:
        message = f"0/{count} nodes are available: {placement.impossible}."
        refusals = {str(number): Refusal((), resolvable=False) for number in range(count)}
    else:
        count = len(refusals)
        message = _none_of(count, (reason for one in refusals.values() for reason in one.reasons))
    if hopes is None:
        return message
    if pod["spec"].get("preemptionPolicy") == "Never":
        return f"{message} {NO_CLAIMS}, preemption: {NEVER}"
    told = [
        hopes.get(name, NO_VICTIMS) if refusal.resolvable else NOT_HELPFUL
        for name, refusal in refusals.items()
    ]
    return f"{message} {NO_CLAIMS}, preemption: {_none_of(count, told)}"


def _none_of(number: int, reasons: Iterable[str]) -> str:
    counted = sorted(f"{count} {reason}" for reason, count in Counter(reasons).items())
    return f"0/{number} nodes are available: {', '.join(counted)}."


def _with_nominated(info: NodeInfo, pod: Json) -> NodeInfo:
    """The node with the pods that are to come to it and are as important as this one."""
    priority, uid = priority_of(pod), pod["metadata"]["uid"]
    coming = [
        placed
        for other, placed in info.nominated.items()
        if other != uid and other not in info.pods and priority_of(placed.pod) >= priority
    ]
    if not coming:
        return info
    made = info.without(set())
    for placed in coming:
        made.add(Placed(placed.pod, placed.needs, info.name))
    return made


def priority_of(pod: Json) -> int:
    """How important a pod is."""
    return int(pod["spec"].get("priority") or 0)


def _named(refusal: Callable[[NodeInfo], tuple[str, bool] | None], rule: str) -> Refuse:
    def ask(info: NodeInfo) -> Refusal | None:
        found = refusal(info)
        return None if found is None else Refusal((found[0],), resolvable=found[1], rule=rule)

    return ask


def _first(rules: Sequence[Refuse], info: NodeInfo) -> Refusal | None:
    for rule in rules:
        refusal = rule(info)
        if refusal is not None:
            return refusal
    return None


def _scaled(values: Sequence[int]) -> list[float]:
    """The values, the greatest of which becomes 100; they are not all 0."""
    greatest = max(values)
    return [FULL_SCORE * value / greatest for value in values]


def _add(scores: list[float], weight: int, values: Sequence[float]) -> None:
    for place, value in enumerate(values):
        scores[place] += weight * value
