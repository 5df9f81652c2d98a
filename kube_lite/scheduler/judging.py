"""What the rules that look at one node alone say of it: whether it can take a pod, and what it is worth.

Much of that stays as long as the node does, whatever pods come and go: taints, affinity, images. So a
verdict keeps what lasts, and only requests and ports are looked at again when the pods of a node change.
"""

from typing import NamedTuple

from kube_lite.api.identity import Json

from . import affinity, fit, ports, profiles, scoring, taints
from .profiles import Profile
from .snapshot import Needs, NodeInfo, Placed, Snapshot


class Refusal(NamedTuple):
    """Why a pod cannot go to a node, which rule says so, and whether it could help that other pods left."""

    reasons: tuple[str, ...]
    resolvable: bool
    rule: str = ""


class Lasting(NamedTuple):
    """What the rules for one node say of a class of pods, whatever pods are on the node."""

    node: Json
    refusal: Refusal | None
    images: float = 0.0
    disliked: int = 0
    preferred: int = 0


class Verdict(NamedTuple):
    """What the rules for one node say of a class of pods, as of a generation of the node."""

    generation: int
    refusal: Refusal | None
    fixed: float
    disliked: int
    preferred: int
    lasting: Lasting


class Judge:
    """Asks the rules of one profile."""

    def __init__(self, snapshot: Snapshot, profile: Profile) -> None:
        self._snapshot = snapshot
        self._profile = profile

    def judge(self, pod: Json, needs: Needs, info: NodeInfo, before: Verdict | None = None) -> Verdict:
        """Ask the rules for one node; pods that others were driven away for count where they are to go.

        Args:
            before: what was said last of the node and pods of this class.
        """
        judged = _with_nominated(info, pod) if info.nominated else info
        spec, node = pod["spec"], info.node
        assert node is not None  # ``Snapshot.nodes`` leaves the others out
        lasting = before.lasting if before is not None else None
        if lasting is None or lasting.node is not node:
            lasting = self._lasting(spec, info, node)
        refusal = lasting.refusal or self._refuse_for_now(needs, judged)
        if refusal is not None:
            return Verdict(info.generation, refusal, 0.0, 0, 0, lasting)
        weights, fixed = self._profile.weights, 0.0
        if profiles.FIT in weights:
            room = scoring.room(self._profile.strategy, needs.usual, judged.allocatable, judged.usually_used)
            fixed += weights[profiles.FIT] * room
        if profiles.BALANCE in weights:
            used, names = judged.usually_used, self._profile.balanced
            fixed += weights[profiles.BALANCE] * scoring.balance(needs.usual, judged.allocatable, used, names)
        if lasting.images:
            fixed += lasting.images
        return Verdict(info.generation, None, fixed, lasting.disliked, lasting.preferred, lasting)

    def _lasting(self, spec: Json, info: NodeInfo, node: Json) -> Lasting:
        weights, tolerations = self._profile.weights, spec.get("tolerations") or ()
        refusal = self._refuse_for_good(spec, node)
        if refusal is not None:
            return Lasting(node, refusal)
        images = 0.0
        if profiles.IMAGES in weights and info.images:
            images = weights[profiles.IMAGES] * scoring.images(spec, info.images, self._image_spread(spec))
        return Lasting(
            node, None, images, taints.dislikes(node, tolerations), affinity.preference(spec, node)
        )

    def _refuse_for_good(self, spec: Json, node: Json) -> Refusal | None:
        """What no pod's leaving would change."""
        filters = self._profile.filters
        if profiles.AFFINITY in filters and spec.get("affinity"):
            named = affinity.named_nodes(spec)
            if named is not None and node["metadata"]["name"] not in named:
                return Refusal((affinity.NOT_NAMED,), resolvable=False, rule=profiles.AFFINITY)
        against = taints.refusal(node, spec.get("tolerations") or ())
        if against:
            rule = profiles.UNSCHEDULABLE if against == taints.UNSCHEDULABLE else profiles.TAINTS
            if rule in filters:
                return Refusal((against,), resolvable=False, rule=rule)
        if profiles.AFFINITY in filters and not affinity.matches(spec, node):
            return Refusal((affinity.MISMATCH,), resolvable=False, rule=profiles.AFFINITY)
        return None

    def _refuse_for_now(self, needs: Needs, info: NodeInfo) -> Refusal | None:
        filters = self._profile.filters
        if needs.ports and profiles.PORTS in filters and ports.conflict(needs.ports, info.ports()):
            return Refusal((ports.TAKEN,), resolvable=True, rule=profiles.PORTS)
        if profiles.FIT not in filters:
            return None
        requests = needs.requests
        if needs.delegated:  # devices stand in for what the node does not have
            absent = {name for name in needs.delegated if not info.allocatable.get(name)}
            requests = {name: amount for name, amount in requests.items() if name not in absent}
        reasons = fit.insufficient(requests, info.allocatable, info.used, len(info.pods))
        if not reasons:
            return None
        hopeful = fit.can_ever_fit(requests, info.allocatable)
        return Refusal(tuple(reasons), resolvable=hopeful, rule=profiles.FIT)

    def _image_spread(self, spec: Json) -> dict[str, float]:
        nodes = self._snapshot.nodes()
        containers = [*(spec.get("initContainers") or ()), *spec["containers"]]
        names = {scoring.full_name(container.get("image", "")) for container in containers}
        return {name: sum(name in info.images for info in nodes) / len(nodes) for name in names}


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
