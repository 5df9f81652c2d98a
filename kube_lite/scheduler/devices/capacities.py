"""How much of a device's capacities a request takes.

Where several may have a device, each takes a part of its capacities: what it asks for, rounded up to what the
device gives out at a time, or a default. A device that only one may have just must have as much.

Source: ``consumable_capacity.go`` of k8s.io/dynamic-resource-allocation/structured/internal/incubating.
"""

from collections.abc import Mapping

from kube_lite.api.identity import Json
from kube_lite.api.quantity import BINARY, Quantity, parse_quantity

from .records import Capacity

Amounts = Mapping[str, Quantity]


def consumption(asked: Amounts, capacities: Mapping[str, Capacity]) -> dict[str, Quantity] | None:
    """What a request takes of a device's capacities, or None when the device cannot give it so.

    Args:
        asked: by the names of capacities; what is not asked for is taken by default.
    """
    if not asked.keys() <= capacities.keys():
        return None
    taken = {name: _taken(asked.get(name), capacity) for name, capacity in capacities.items()}
    if any(_is_against(taken[name], capacity.policy) for name, capacity in capacities.items()):
        return None
    return taken


def is_left(taken: Amounts, capacities: Mapping[str, Capacity], *before: Amounts) -> bool:
    """Whether it can be taken in addition to what was taken before."""
    for name, amount in taken.items():
        total = amount.nanos + sum(other[name].nanos for other in before if name in other)
        if total > capacities[name].value.nanos:
            return False
    return True


def _taken(asked: Quantity | None, capacity: Capacity) -> Quantity:
    policy = capacity.policy or {}
    if asked is None:
        return parse_quantity(policy["default"]) if policy.get("default") is not None else capacity.value
    valid = policy.get("validRange") or {}
    if valid.get("min") is not None:
        return _rounded(asked, parse_quantity(valid["min"]), valid.get("step"))
    for text in policy.get("validValues") or ():
        if asked <= parse_quantity(text):
            return parse_quantity(text)
    return asked


def _rounded(asked: Quantity, least: Quantity, step: str | None) -> Quantity:
    """The least, or as many whole steps more as are needed."""
    if asked < least:
        return least
    width = parse_quantity(step).value if step is not None else 0
    if width <= 0:
        return asked
    steps = -((least.value - asked.value) // width)
    return Quantity.of(least.value + steps * width, BINARY)


def _is_against(amount: Quantity, policy: Json | None) -> bool:
    """Whether a device does not give out so much, or not in such steps."""
    if policy is None or (policy.get("default") is not None and amount == parse_quantity(policy["default"])):
        return False
    valid = policy.get("validRange")
    if valid is not None:
        if valid.get("max") is not None and amount > parse_quantity(valid["max"]):
            return True
        least, width = (parse_quantity(valid.get(field) or "0").value for field in ("min", "step"))
        return width > 0 and bool((amount.value - least) % width)
    values = policy.get("validValues") or ()
    return bool(values) and not any(amount == parse_quantity(text) for text in values)
