"""Who would have to leave so that a more important pod can come.

On each node that refuses the pod for reasons that others could take away with them, all less important pods
are thought away; if the pod fits then, they are let back one by one, the most important first, as long as it
still fits. Who cannot come back is a victim. The node is chosen whose victims are missed least.

Source: kubernetes/pkg/scheduler/framework/preemption and plugins/defaultpreemption.
"""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from kube_lite.api import meta
from kube_lite.api.identity import Json
from kube_lite.api.selectors import label_selector
from kube_lite.api.times import parse_time

from .deciding import NO_VICTIMS, Decider, Placement
from .judging import priority_of
from .snapshot import Needs, NodeInfo, Placed, Snapshot

MAX_CANDIDATES = 100  # nodes that are tried; upstream's least


class Eviction(NamedTuple):
    """A node and who has to leave it."""

    node: str
    victims: list[Json]
    violations: int
    """How many of them a disruption budget would keep."""


class Found(NamedTuple):
    """The best eviction, or for each node that was tried why there is none."""

    best: Eviction | None
    hopes: dict[str, str]


def plan_preemption(
    pod: Json,
    needs: Needs,
    placement: Placement,
    snapshot: Snapshot,
    decider: Decider,
    budgets: Iterable[Json],
) -> Found:
    """Look for a node where less important pods could make room. The snapshot is as before afterwards."""
    hopes: dict[str, str] = {}
    found: list[Eviction] = []
    relevant = list(budgets)
    for name, refusal in placement.refusals.items():
        info = snapshot.node(name)
        if not refusal.resolvable or info is None:
            continue
        if len(found) >= MAX_CANDIDATES:
            break
        eviction = _try(pod, needs, info, snapshot, decider, relevant)
        if isinstance(eviction, str):
            hopes[name] = eviction
        else:
            found.append(eviction)
    return Found(min(found, key=_regret, default=None), hopes)


def is_eligible(pod: Json, snapshot: Snapshot) -> bool:
    """Whether a pod may drive others away now; not while those it drove away are still ending."""
    if pod["spec"].get("preemptionPolicy") == "Never":
        return False
    info = snapshot.node((pod.get("status") or {}).get("nominatedNodeName") or "")
    if info is None:
        return True
    priority = priority_of(pod)
    return not any(
        meta.is_being_deleted(placed.pod) and priority_of(placed.pod) < priority
        for placed in info.pods.values()
    )


def _try(
    pod: Json, needs: Needs, info: NodeInfo, snapshot: Snapshot, decider: Decider, budgets: Sequence[Json]
) -> Eviction | str:
    priority = priority_of(pod)
    lesser = [placed for placed in info.pods.values() if priority_of(placed.pod) < priority]
    if not lesser:
        return NO_VICTIMS
    for placed in lesser:
        snapshot.displace(placed.pod["metadata"]["uid"])
    try:
        refusal = decider.refuse(pod, needs, info)
        if refusal is not None:
            return refusal.reasons[0]
        kept, free = _by_budget(sorted(lesser, key=_importance), budgets)
        victims = [placed for placed in kept if not _comes_back(placed, pod, needs, info, snapshot, decider)]
        violations = len(victims)
        victims += [placed for placed in free if not _comes_back(placed, pod, needs, info, snapshot, decider)]
        return Eviction(info.name, [placed.pod for placed in victims], violations)
    finally:
        for placed in lesser:
            snapshot.place(placed.pod, placed.node, placed.needs)


def _comes_back(
    placed: Placed, pod: Json, needs: Needs, info: NodeInfo, snapshot: Snapshot, decider: Decider
) -> bool:
    """Let one back in, unless the pod would not fit any more."""
    snapshot.place(placed.pod, placed.node, placed.needs)
    if decider.refuse(pod, needs, info) is None:
        return True
    snapshot.displace(placed.pod["metadata"]["uid"])
    return False


def _by_budget(pods: Sequence[Placed], budgets: Sequence[Json]) -> tuple[list[Placed], list[Placed]]:
    """The pods that a disruption budget would keep, and those that none would; both in order."""
    left = {budget["metadata"]["uid"]: _allowed(budget) for budget in budgets}
    kept: list[Placed] = []
    free: list[Placed] = []
    for placed in pods:
        metadata = placed.pod["metadata"]
        violates = False
        for budget in budgets:
            if budget["metadata"]["namespace"] != metadata["namespace"] or not metadata.get("labels"):
                continue
            if not label_selector(budget["spec"].get("selector")).matches_object(placed.pod):
                continue
            if metadata["name"] in ((budget.get("status") or {}).get("disruptedPods") or {}):
                continue  # counted already
            left[budget["metadata"]["uid"]] -= 1
            violates = violates or left[budget["metadata"]["uid"]] < 0
        (kept if violates else free).append(placed)
    return kept, free


def _allowed(budget: Json) -> int:
    return int((budget.get("status") or {}).get("disruptionsAllowed") or 0)


def _importance(placed: Placed) -> tuple[int, float]:
    """The most important first: by priority, then who has run longest."""
    return -priority_of(placed.pod), _started(placed.pod)


def _started(pod: Json) -> float:
    since = (pod.get("status") or {}).get("startTime") or pod["metadata"].get("creationTimestamp")
    return parse_time(since) if since else float("inf")


def _regret(eviction: Eviction) -> tuple[float, ...]:
    """What is lost with an eviction, the gravest first."""
    priorities = [priority_of(pod) for pod in eviction.victims]
    highest = max(priorities, default=0)
    longest = min((_started(pod) for pod in eviction.victims if priority_of(pod) == highest), default=0.0)
    # Priorities may be negative; upstream shifts them so that more victims never weigh less.
    total = sum(priority + 2**31 for priority in priorities)
    return eviction.violations, highest, total, len(eviction.victims), -longest
