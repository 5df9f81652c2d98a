"""What drivers publish, read once: slices of pools, and the devices in them.

A slice never changes; what replaces it is another record. So what selectors say of its devices may be kept
with it, and is worked out once for all pods and nodes.
"""

from collections.abc import Mapping
from functools import cached_property
from typing import Any, NamedTuple

from kube_lite.api.identity import Json
from kube_lite.api.quantity import Quantity, parse_quantity

SINCE_ALL = 36
"""The minor release from which on everything below is on by default."""


class Features(NamedTuple):
    """What of device allocation a release has switched on by default.

    Source: pkg/features/kube_features.go.
    """

    partitionable: bool = True
    taints: bool = True
    binding_conditions: bool = True
    consumable: bool = True
    extended_resources: bool = True

    @classmethod
    def of_release(cls, minor: int) -> "Features":
        """Those of release 1.``minor``."""
        return cls(*[minor >= SINCE_ALL] * len(cls._fields))


class DeviceId(NamedTuple):
    """What a device is called in allocations."""

    driver: str
    pool: str
    device: str

    def __str__(self) -> str:
        return "/".join(self)


class PoolId(NamedTuple):
    """What a pool is called."""

    driver: str
    pool: str

    def __str__(self) -> str:
        return "/".join(self)


class Capacity(NamedTuple):
    """How much of something a device has, and how much of it may be asked for at a time."""

    value: Quantity
    policy: Json | None


Counters = Mapping[tuple[str, str], int]
"""Counter set and counter → billionths."""


class Device:
    """One device of a slice.

    Attributes:
        facts: as the driver has put it.
        matches: text of a selector → what it says of the device: a truth, or an error.
    """

    def __init__(self, facts: Json, slice: "Slice") -> None:
        self.facts = facts
        self.slice = slice
        self.id = DeviceId(slice.pool.driver, slice.pool.pool, facts["name"])
        self.is_shareable: bool = facts.get("allowMultipleAllocations") is True
        self.matches: dict[str, bool | Exception] = {}
        self.variables: Any = None  # of the selectors; see there

    @property
    def placed(self) -> Json:
        """What says on which nodes it is: the device itself, or its slice."""
        return self.facts if self.slice.is_mixed else self.slice.spec

    @cached_property
    def capacities(self) -> Mapping[str, Capacity]:
        """By name, as the driver calls them."""
        return {
            name: Capacity(parse_quantity(entry["value"]), entry.get("requestPolicy"))
            for name, entry in (self.facts.get("capacity") or {}).items()
        }

    @cached_property
    def counters(self) -> Counters:
        """What it takes of the counters it shares with others."""
        return {
            (consumed["counterSet"], name): parse_quantity(counter["value"]).nanos
            for consumed in self.facts.get("consumesCounters") or ()
            for name, counter in (consumed.get("counters") or {}).items()
        }

    def attribute(self, name: str) -> Json | None:
        """The attribute of a full name: ``gpu.example.com/model``; the driver's own may have no domain."""
        attributes = self.facts.get("attributes") or {}
        if name in attributes:
            found: Json = attributes[name]
            return found
        domain, _, short = name.partition("/")
        return attributes.get(short) if domain == self.id.driver else None


class Slice:
    """A ResourceSlice.

    Attributes:
        count: how many slices its pool has in its generation.
        is_mixed: each device says for itself on which nodes it is.
    """

    def __init__(self, document: Json) -> None:
        self.spec: Json = document["spec"]
        pool = self.spec["pool"]
        self.name: str = document["metadata"]["name"]
        self.pool = PoolId(self.spec["driver"], pool["name"])
        self.generation: int = pool.get("generation") or 0
        self.count: int = pool.get("resourceSliceCount") or 0
        self.is_mixed: bool = self.spec.get("perDeviceNodeSelection") is True
        self.shared_counters: list[Json] = self.spec.get("sharedCounters") or []
        self.devices = tuple(Device(facts, self) for facts in self.spec.get("devices") or ())


class InUse:
    """What allocated claims hold.

    Attributes:
        devices: those that somebody has for itself.
        shared: those that several may have, with what is taken of their capacities.
    """

    def __init__(self) -> None:
        self.devices: dict[DeviceId, int] = {}
        self.shared: dict[DeviceId, dict[str, Quantity]] = {}
        self._shares: dict[DeviceId, int] = {}

    def has(self, device: DeviceId) -> bool:
        """Whether anybody has any of it."""
        return device in self.devices or device in self.shared

    def add(self, allocation: Json) -> None:
        """Count the devices of an allocation; those for admins are not taken from anybody."""
        self._change(allocation, 1)

    def remove(self, allocation: Json) -> None:
        """Count them no longer."""
        self._change(allocation, -1)

    def _change(self, allocation: Json, sign: int) -> None:
        for result in (allocation.get("devices") or {}).get("results") or ():
            if result.get("adminAccess"):
                continue
            device = DeviceId(result["driver"], result["pool"], result["device"])
            if result.get("shareID"):
                self._change_share(device, result.get("consumedCapacity") or {}, sign)
                continue
            count = self.devices.get(device, 0) + sign
            if count > 0:
                self.devices[device] = count
            else:
                self.devices.pop(device, None)

    def _change_share(self, device: DeviceId, consumed: Mapping[str, str], sign: int) -> None:
        shares = self._shares.get(device, 0) + sign
        if shares <= 0:
            self._shares.pop(device, None)
            self.shared.pop(device, None)
            return
        self._shares[device] = shares
        taken = self.shared.setdefault(device, {})
        for name, text in consumed.items():
            amount = parse_quantity(text)
            taken[name] = taken.get(name, Quantity(0)) + (amount if sign > 0 else -amount)
