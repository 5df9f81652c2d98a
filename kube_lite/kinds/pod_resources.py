"""What a pod's requests and limits say about it as a whole."""

from kube_lite.api.identity import Json
from kube_lite.api.quantity import Quantity, parse_quantity

QUALITY_RESOURCES = ("cpu", "memory")
ZERO = Quantity.of(0)


def quality_of_service(spec: Json) -> str:
    """By which pods are chosen when a node runs short: ``Guaranteed``, ``Burstable`` or ``BestEffort``.

    Guaranteed pods limit every container's cpu and memory to what it requests; best-effort pods name neither.
    Source: ``ComputePodQOS`` in kubernetes/pkg/apis/core/helper/qos.
    """
    whole = spec.get("resources")
    if whole is None:
        parts = [
            container.get("resources") or {}
            for kind in ("containers", "initContainers")
            for container in spec.get(kind) or ()
        ]
    else:
        parts = [whole]
    requests, limits = _sum(parts, "requests"), _sum(parts, "limits")
    if not requests and not limits:
        return "BestEffort"
    bounded = all(len(_sum([part], "limits")) == len(QUALITY_RESOURCES) for part in parts)
    return "Guaranteed" if bounded and requests == limits else "Burstable"


def _sum(parts: list[Json], kind: str) -> dict[str, Quantity]:
    sums: dict[str, Quantity] = {}
    for part in parts:
        amounts = part.get(kind) or {}
        for name in QUALITY_RESOURCES:
            amount = parse_quantity(amounts[name]) if name in amounts else ZERO
            if amount > ZERO:
                sums[name] = sums[name] + amount if name in sums else amount
    return sums
