"""Which rules decide, and with which weights: a pod and the nodes in, a placement or the reasons against it
out.

A rule that keeps a pod away says why, in the words that upstream's users know. Some reasons could be helped
by removing other pods (*resolvable*), some could not, and the message says which. Source: the default
profile of kubernetes/pkg/scheduler/apis/config/v1/default_plugins.go.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from kube_lite.api.identity import Json

from . import affinity, fit, ports, taints
from .snapshot import Needs, NodeInfo

TAINT_WEIGHT = 3
AFFINITY_WEIGHT = 2
FULL_SCORE = 100

NO_NODES = "no nodes available to schedule pods"
NO_VICTIMS = "No preemption victims found for incoming pod"
NOT_HELPFUL = "Preemption is not helpful for scheduling"
NEVER = "not eligible due to preemptionPolicy=Never."
NO_CLAIMS = "no new claims to deallocate"
"""What the rule for device claims has to say of a pod without any, before preemption does."""


class Refusal(NamedTuple):
    """Why a pod cannot go to a node, and whether that could change if other pods left."""

    reasons: tuple[str, ...]
    resolvable: bool


class Placement(NamedTuple):
    """Where a pod goes; ``message`` says why nowhere when ``node`` is empty."""

    node: str
    message: str = ""


def plan_placement(pod: Json, needs: Needs, nodes: Sequence[NodeInfo]) -> Placement:
    """Choose the best node of those that can take the pod."""
    if not nodes:
        return Placement("", NO_NODES)
    refusals: list[Refusal] = []
    possible: list[NodeInfo] = []
    for info in nodes:
        refusal = refuse(pod, needs, info)
        if refusal is None:
            possible.append(info)
        else:
            refusals.append(refusal)
    if not possible:
        return Placement("", failure_message(pod, refusals))
    return Placement(_best(pod, needs, possible).name)


def refuse(pod: Json, needs: Needs, info: NodeInfo) -> Refusal | None:
    """The first rule that keeps the pod away from a node, in the order in which upstream asks them."""
    spec, node = pod["spec"], info.node
    assert node is not None  # ``Snapshot.nodes`` leaves the others out
    against = taints.refusal(node, spec.get("tolerations") or ())
    if against:
        return Refusal((against,), resolvable=False)
    if not affinity.matches(spec, node):
        return Refusal((affinity.MISMATCH,), resolvable=False)
    if needs.ports and ports.conflict(needs.ports, info.ports()):
        return Refusal((ports.TAKEN,), resolvable=True)
    reasons = fit.insufficient(needs.requests, info.allocatable, info.used, len(info.pods))
    if reasons:
        return Refusal(tuple(reasons), resolvable=fit.can_ever_fit(needs.requests, info.allocatable))
    return None


def failure_message(pod: Json, refusals: Sequence[Refusal]) -> str:
    """``0/2 nodes are available: 1 Insufficient cpu, 1 node(s) were unschedulable. …, preemption: …``.

    Source: ``FitError.Error`` in kubernetes/pkg/scheduler/framework/types.go.
    """
    message = _none_of(len(refusals), (reason for refusal in refusals for reason in refusal.reasons))
    if pod["spec"].get("preemptionPolicy") == "Never":
        return f"{message} {NO_CLAIMS}, preemption: {NEVER}"
    hopes = (NO_VICTIMS if refusal.resolvable else NOT_HELPFUL for refusal in refusals)
    return f"{message} {NO_CLAIMS}, preemption: {_none_of(len(refusals), hopes)}"


def _none_of(number: int, reasons: Iterable[str]) -> str:
    counted = sorted(f"{count} {reason}" for reason, count in Counter(reasons).items())
    return f"0/{number} nodes are available: {', '.join(counted)}."


def _best(pod: Json, needs: Needs, possible: Sequence[NodeInfo]) -> NodeInfo:
    """The node with the highest score; of equals the one with fewest pods, then by name."""
    if len(possible) == 1:
        return possible[0]
    spec = pod["spec"]
    tolerations = spec.get("tolerations") or ()
    disliked = _scaled([taints.dislikes(info.node or {}, tolerations) for info in possible])
    preferred = _scaled([affinity.preference(spec, info.node or {}) for info in possible])
    scores = {
        info.name: (
            fit.score(needs.usual, info.allocatable, info.usually_used)
            + TAINT_WEIGHT * (FULL_SCORE - disliked[place])
            + AFFINITY_WEIGHT * preferred[place]
        )
        for place, info in enumerate(possible)
    }
    return min(possible, key=lambda info: (-scores[info.name], len(info.pods), info.name))


def _scaled(values: Sequence[int]) -> list[float]:
    """The values, the greatest of which becomes 100."""
    greatest = max(values)
    return [FULL_SCORE * value / greatest if greatest else 0.0 for value in values]
