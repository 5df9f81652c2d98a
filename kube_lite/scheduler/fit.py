"""Requests against what is left: what a pod needs, and whether a node has it.

Amounts are whole numbers, cpu in thousandths and everything else in its own unit, so that sums are exact
and cheap.
"""

from collections.abc import Mapping
from functools import lru_cache

from kube_lite.api.identity import Json
from kube_lite.api.quantity import parse_quantity

Amounts = Mapping[str, int]

MEBI = 1024 * 1024
USUAL = {"cpu": 100, "memory": 200 * MEBI}
"""What a container that requests nothing is taken to use, when nodes are compared and not when filled."""

TOO_MANY_PODS = "Too many pods"


def requests_of(pod: Json) -> dict[str, int]:
    """What a pod takes from its node: ``{"cpu": 250, "memory": 67108864}``.

    Init containers run one after the other and before the others, so only the largest of them counts; those
    that keep running (sidecars) count like containers, and for every init container that follows them.
    Source: ``PodRequests`` in kubernetes' ``component-helpers/resource``.
    """
    return _total(pod["spec"], {})


def usual_requests_of(pod: Json) -> dict[str, int]:
    """The same, with usual amounts for containers that do not say."""
    return _total(pod["spec"], USUAL)


def _total(spec: Json, usual: Amounts) -> dict[str, int]:
    running: dict[str, int] = {}
    for container in spec.get("containers", ()):
        _add(running, _amounts(container, usual))
    started: dict[str, int] = {}  # by the sidecars so far
    highest: dict[str, int] = {}
    for container in spec.get("initContainers", ()):
        own = _amounts(container, usual)
        if container.get("restartPolicy") == "Always":
            _add(running, own)
            _add(started, own)
            _raise_to(highest, started)
        else:
            _raise_to(highest, {name: own.get(name, 0) + started.get(name, 0) for name in {*own, *started}})
    _raise_to(running, highest)
    whole = (spec.get("resources") or {}).get("requests")
    if whole:
        running.update(_parse(whole))
    _add(running, _parse(spec.get("overhead") or {}))
    return {name: amount for name, amount in running.items() if amount}


def _amounts(container: Json, usual: Amounts) -> dict[str, int]:
    requests = (container.get("resources") or {}).get("requests") or {}
    return {**usual, **_parse(requests)}


def _parse(quantities: Mapping[str, str | int]) -> dict[str, int]:
    return {name: amount_of(name, str(quantity)) for name, quantity in quantities.items()}


@lru_cache(maxsize=1024)  # pods of one template ask for the same
def amount_of(name: str, quantity: str) -> int:
    """A quantity in whole units of its resource."""
    parsed = parse_quantity(quantity)
    return parsed.milli_value if name == "cpu" else parsed.value


def _add(total: dict[str, int], amounts: Amounts) -> None:
    for name, amount in amounts.items():
        total[name] = total.get(name, 0) + amount


def _raise_to(total: dict[str, int], least: Amounts) -> None:
    for name, amount in least.items():
        total[name] = max(total.get(name, 0), amount)


def allocatable_of(node: Json) -> dict[str, int]:
    """What a node has for pods; its capacity where it does not say."""
    status = node.get("status", {})
    return _parse(status.get("allocatable") or status.get("capacity") or {})


def insufficient(requests: Amounts, allocatable: Amounts, used: Amounts, pods: int) -> list[str]:
    """Why a pod does not fit on a node, one reason per resource; empty when it does."""
    reasons = [TOO_MANY_PODS] if pods + 1 > allocatable.get("pods", 0) else []
    for name, amount in requests.items():
        if amount > allocatable.get(name, 0) - used.get(name, 0):
            reasons.append(f"Insufficient {name}")
    return reasons


def can_ever_fit(requests: Amounts, allocatable: Amounts) -> bool:
    """Whether the pod would fit if the node were empty."""
    return all(amount <= allocatable.get(name, 0) for name, amount in requests.items())
