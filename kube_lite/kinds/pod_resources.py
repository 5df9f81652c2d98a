"""What a pod's requests and limits say about it as a whole."""

from collections.abc import Iterator

from kube_lite.api.identity import Json
from kube_lite.api.quantity import Quantity, parse_quantity

QUALITY_RESOURCES = ("cpu", "memory")
ZERO = Quantity.of(0)


def quality_of_service(spec: Json) -> str:
    """By which pods are chosen when a node runs short: ``Guaranteed``, ``Burstable`` or ``BestEffort``.

    Guaranteed pods limit every container's cpu and memory to what it requests; best-effort pods name neither.
    Source: ``ComputePodQOS`` in kubernetes/pkg/apis/core/helper/qos.
    """
    asked = False
    guaranteed = True
    for resources in _resources(spec):
        requests, limits = resources.get("requests") or {}, resources.get("limits") or {}
        for name in QUALITY_RESOURCES:
            request, limit = _amount(requests, name), _amount(limits, name)
            asked = asked or bool(request) or bool(limit)
            guaranteed = guaranteed and bool(limit) and request in (limit, ZERO)
    if not asked:
        return "BestEffort"
    return "Guaranteed" if guaranteed else "Burstable"


def _resources(spec: Json) -> Iterator[Json]:
    """What counts: the pod's own resources if it has any, else those of its containers."""
    whole = spec.get("resources") or {}
    if any((whole.get(side) or {}).keys() & set(QUALITY_RESOURCES) for side in ("requests", "limits")):
        yield whole
        return
    for container in (*spec.get("containers", ()), *spec.get("initContainers", ())):
        yield container.get("resources") or {}


def _amount(resources: Json, name: str) -> Quantity:
    return parse_quantity(resources[name]) if name in resources else ZERO
