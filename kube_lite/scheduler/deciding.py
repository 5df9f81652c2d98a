"""One pod and all nodes in, a node out, or the reasons against each.

Rules are asked in upstream's order, and the first that refuses a node tells why. Most of them look at a pod's
spec and one node only, and pods of one template have the same spec; so what they say is kept for each such
*class* of pods and each node, until the node or its pods change, and placing the thousandth pod of a template
costs a comparison of numbers for each node. Rules over several nodes (spread, affinity to pods, volumes) are
worked out for each pod. In large clusters the search ends when enough nodes are found, and the next begins
where it ended; and once pods that are alike keep coming, their nodes are kept in order (``ranking.py``), so
that nothing has to be searched.

Source: kubernetes/pkg/scheduler/schedule_one.go.
"""

from collections import Counter, OrderedDict
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import chain, islice
from typing import TYPE_CHECKING, NamedTuple

import orjson

from kube_lite.api.identity import Json, ObjectKey

from . import affinity, pod_affinity, profiles, spread, volumes
from .devices.errors import Failed, Nowhere
from .judging import Judge, Refusal, Verdict
from .profiles import Profile
from .ranking import Ranking, Weights
from .snapshot import Needs, NodeInfo, Snapshot, is_choosy

if TYPE_CHECKING:
    from .devices.claims import Attempt
    from .devices.rule import ClaimRule

FULL_SCORE = 100
MAX_CLASSES = 128
MAX_RANKED = 100_000  # nodes in all rankings together, at some 200 bytes each
MIN_RANKINGS = 4
MIN_NODES = 100  # as many are looked for in any case; upstream's figure
MIN_PERCENTAGE = 5

NO_NODES = "no nodes available to schedule pods"
NO_VICTIMS = "No preemption victims found for incoming pod"
NOT_HELPFUL = "Preemption is not helpful for scheduling"
NEVER = "not eligible due to preemptionPolicy=Never."
NOT_READ = "not found"
"""What the rule for device claims says, and preemption with it nothing, of a pod that an earlier rule has
refused for every node: it never came to read the pod."""


class Placement(NamedTuple):
    """Where a pod goes; when ``node`` is empty the rest says why nowhere.

    Attributes:
        impossible: a reason that has nothing to do with any node.
        refusals: by node.
        against: the rule whose reason ``impossible`` is.
    """

    node: str
    impossible: str = ""
    refusals: Mapping[str, Refusal] = {}
    against: str = ""

    @property
    def rules(self) -> frozenset[str]:
        """The rules that stood against it."""
        if self.impossible:
            return frozenset({self.against})
        return frozenset(refusal.rule for refusal in self.refusals.values())


class Gentle(NamedTuple):
    """The soft spread constraints of a pod; see ``spread.scores``."""

    constraints: Sequence[spread.Constraint] = ()
    needs_all_keys: bool = True


Refuse = Callable[[NodeInfo], Refusal | None]


class Decider:
    """Decides for one profile.

    Args:
        storage: claims, volumes and classes.
        selector_of: pod → the selector of what it belongs to, or None.
        percentage: see ``profiles.Settings``.
        devices: the rule for device claims, where there are such.
    """

    def __init__(
        self,
        snapshot: Snapshot,
        storage: volumes.Storage,
        profile: Profile,
        selector_of: Callable[[Json], Json | None] = lambda pod: None,
        percentage: int = 0,
        devices: "ClaimRule | None" = None,
    ) -> None:
        self.profile = profile
        self._devices = devices if profiles.CLAIMS in profile.filters else None
        self._snapshot = snapshot
        self._judge = Judge(snapshot, profile)
        self._storage = storage
        self._selector_of = selector_of
        self._percentage = percentage
        self._classes: OrderedDict[bytes, dict[str, Verdict]] = OrderedDict()
        self._rankings: OrderedDict[tuple[object, ...], Ranking | None] = OrderedDict()
        self._departures = 0
        self._begin = 0

    def place(self, pod: Json, needs: Needs) -> Placement:
        """Choose the best node of those that can take the pod."""
        nodes = self._snapshot.nodes()
        if not nodes:
            return Placement("", NO_NODES)
        if profiles.AFFINITY in self.profile.filters and affinity.named_nodes(pod["spec"]) == frozenset():
            return Placement("", affinity.CONFLICT, against=profiles.AFFINITY)
        try:
            across = self.across(pod, needs)
        except volumes.Impossible as error:
            return Placement("", str(error), against=profiles.BINDING)
        except Nowhere as error:
            return Placement("", str(error), against=profiles.CLAIMS)
        self._forget_departed()
        gentle = self._gentle(pod)
        first = "" if across else self._first(pod, needs, gentle)
        if first:
            return Placement(first)
        possible, refusals = self._search(pod, needs, nodes, across)
        if not possible:
            return Placement("", refusals=refusals)
        if len(possible) == 1:
            return Placement(possible[0][0].name)
        return Placement(self._best(pod, possible, gentle, self.attempt(pod, needs)).name)

    def refuse(self, pod: Json, needs: Needs, info: NodeInfo) -> Refusal | None:
        """Why the pod cannot go to one node as things are now; for those that try what would be if."""
        try:
            across = self.across(pod, needs)
            return self._judge.judge(pod, needs, info).refusal or _first(across, info)
        except volumes.Impossible as error:
            return Refusal((str(error),), resolvable=False, rule=profiles.BINDING)
        except (Nowhere, Failed) as error:
            return Refusal((str(error),), resolvable=False, rule=profiles.CLAIMS)

    def attempt(self, pod: Json, needs: Needs) -> "Attempt | None":
        """What is found out about the device claims of the pod that is being placed; None if it has none.

        Raises:
            Nowhere: the pod cannot go anywhere.
        """
        return None if self._devices is None else self._devices.attempt(pod, needs.requests)

    def across(self, pod: Json, needs: Needs) -> list[Refuse]:
        """The rules that look at more than one node, as far as they have anything to say of this pod.

        Raises:
            volumes.Impossible: the pod cannot go anywhere.
            Nowhere: the same, because of its device claims.
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
        attempt = self.attempt(pod, needs)
        if attempt is not None:
            rules.append(_named(lambda info: _without_devices(attempt, info), profiles.CLAIMS))
        return rules

    def _first(self, pod: Json, needs: Needs, gentle: Gentle) -> str:
        """The best of all nodes, if they are in order for pods like this one; else an empty text."""
        snapshot, nodes = self._snapshot, self._snapshot.nodes()
        fickle = snapshot.has_nominations() or snapshot.choosy or is_choosy(pod)
        if len(nodes) < MIN_NODES or fickle or not spread.are_plain(pod, gentle.constraints):
            return ""
        name = class_of(pod, needs)
        ranking = self._ranking((name, *gentle.constraints), gentle, len(nodes))
        if ranking is None:
            return ""
        verdicts = self._verdicts(name)
        ranking.update(lambda info: self._verdict(verdicts, pod, needs, info))
        return ranking.best(how_many(len(nodes), self._percentage))

    def _ranking(self, key: tuple[object, ...], gentle: Gentle, nodes: int) -> Ranking | None:
        """The ranking of a key that was asked for not long ago: to make one for a single pod costs more."""
        rankings, weights = self._rankings, self.profile.weights
        if key not in rankings:
            rankings[key] = None
            if len(rankings) > max(MIN_RANKINGS, MAX_RANKED // nodes):
                rankings.popitem(last=False)
            return None
        rankings.move_to_end(key)
        found = rankings[key]
        if found is None:
            names = (profiles.TAINTS, profiles.AFFINITY, profiles.SPREAD)
            found = rankings[key] = Ranking(
                self._snapshot, gentle.constraints, Weights(*(weights.get(name, 0) for name in names)),
                needs_all_keys=gentle.needs_all_keys,
            )  # fmt: skip
        return found

    def _forget_departed(self) -> None:
        """A node that comes back under the name of one that has gone is another."""
        if self._departures != self._snapshot.departures:
            self._departures = self._snapshot.departures
            self._classes.clear()
            self._rankings.clear()

    def _search(
        self, pod: Json, needs: Needs, nodes: Sequence[NodeInfo], across: Sequence[Refuse]
    ) -> tuple[list[tuple[NodeInfo, Verdict]], dict[str, Refusal]]:
        verdicts = self._verdicts(class_of(pod, needs))
        known, fickle = verdicts.get, self._snapshot.has_nominations()
        possible: list[tuple[NodeInfo, Verdict]] = []
        refusals: dict[str, Refusal] = {}
        begin, enough = self._begin % len(nodes), how_many(len(nodes), self._percentage)
        for number, info in enumerate(chain(islice(nodes, begin, None), islice(nodes, begin))):
            verdict = known(info.name)
            if verdict is None or verdict.generation != info.generation or (fickle and info.nominated):
                verdict = verdicts[info.name] = self._judge.judge(pod, needs, info, verdict)
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

    def _verdicts(self, name: bytes) -> dict[str, Verdict]:
        found = self._classes.get(name)
        if found is None:
            found = self._classes[name] = {}
            if len(self._classes) > MAX_CLASSES:
                self._classes.popitem(last=False)
        return found

    def _verdict(self, verdicts: dict[str, Verdict], pod: Json, needs: Needs, info: NodeInfo) -> Verdict:
        verdict = verdicts.get(info.name)
        if verdict is None or verdict.generation != info.generation:
            verdict = verdicts[info.name] = self._judge.judge(pod, needs, info, verdict)
        return verdict

    def _best(
        self, pod: Json, possible: Sequence[tuple[NodeInfo, Verdict]], gentle: Gentle,
        attempt: "Attempt | None" = None,
    ) -> NodeInfo:  # fmt: skip
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
        if gentle.constraints:
            constraints, needs_all = gentle
            found = spread.scores(pod, constraints, infos, self._snapshot, needs_all_keys=needs_all)
            _add(scores, weights[profiles.SPREAD], found)
        if profiles.POD_AFFINITY in weights:
            wished = self._beside(pod, infos)
            if wished is not None:
                _add(scores, weights[profiles.POD_AFFINITY], wished)
        if attempt is not None and profiles.CLAIMS in weights:
            earlier = [attempt.score(info.node or {}) for info in infos]
            if any(earlier):
                _add(scores, weights[profiles.CLAIMS], _scaled(earlier))
        best = max(scores)
        if scores.count(best) == 1:
            return infos[scores.index(best)]
        equals = [info for info, score in zip(infos, scores, strict=True) if score == best]
        return min(equals, key=lambda info: (len(info.pods), info.name))

    def _gentle(self, pod: Json) -> Gentle:
        if profiles.SPREAD not in self.profile.weights:
            return Gentle()
        if pod["spec"].get("topologySpreadConstraints"):
            return Gentle(spread.constraints_of(pod, "ScheduleAnyway"))
        selector = self._selector_of(pod) if self.profile.constraints else None
        if selector is None:
            return Gentle()
        given = self.profile.constraints
        return Gentle(spread.default_constraints(pod, selector, given), self.profile.needs_all_keys)

    def _beside(self, pod: Json, infos: Sequence[NodeInfo]) -> list[float] | None:
        if not self._snapshot.choosy and not is_choosy(pod):
            return None
        return pod_affinity.scores(pod, infos, self._snapshot, self.profile.hard_weight)

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
        spec.get("nodeSelector"), (spec.get("affinity") or {}).get("nodeAffinity"), sorted(needs.delegated),
    )  # fmt: skip
    return orjson.dumps(parts)


def how_many(nodes: int, percentage: int = 0) -> int:
    """How many nodes that can take a pod are enough to choose among."""
    if nodes < MIN_NODES or percentage == 100:
        return nodes
    share = percentage or max(MIN_PERCENTAGE, 50 - nodes // 125)
    return max(MIN_NODES, nodes * share // 100)


def failure_message(
    pod: Json, placement: Placement, hopes: Mapping[str, str] | None = None, *, count: int = 0,
    claims: str = "",
) -> str:  # fmt: skip
    """``0/2 nodes are available: 1 Insufficient cpu, 1 node(s) were unschedulable. …, preemption: …``.

    Source: ``FitError.Error`` in kubernetes/pkg/scheduler/framework/types.go.

    Args:
        hopes: node → what preemption found there, where it looked; None when it did what it could.
        count: of all nodes.
        claims: what is done about the device claims of the pod; empty where there are no such.
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
    if claims == NOT_READ:
        return f"{message} {claims}"
    if hopes is None:
        return message
    message = f"{message} {claims}," if claims else message
    if pod["spec"].get("preemptionPolicy") == "Never":
        return f"{message} preemption: {NEVER}"
    told = [
        hopes.get(name, NO_VICTIMS) if refusal.resolvable else NOT_HELPFUL
        for name, refusal in refusals.items()
    ]
    return f"{message} preemption: {_none_of(count, told)}"


def _none_of(number: int, reasons: Iterable[str]) -> str:
    counted = sorted(f"{count} {reason}" for reason, count in Counter(reasons).items())
    return f"0/{number} nodes are available: {', '.join(counted)}."


def _without_devices(attempt: "Attempt", info: NodeInfo) -> tuple[str, bool] | None:
    found = attempt.on(info.node or {})
    return (found, False) if isinstance(found, str) else None


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
