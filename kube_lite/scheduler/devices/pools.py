"""Which devices a node can use: the newest generation of each pool, as far as it is whole and makes sense.

A driver replaces the slices of a pool one by one, so there may be old ones and new ones of it at a time. Of a
pool of which slices are still missing nothing is given out, and one that contradicts itself (two devices of
one name, counters that nobody has) is not used. Pools come by name, and those last whose devices have to be
made ready before a pod can be bound.

Source: ``pools_incubating.go`` of k8s.io/dynamic-resource-allocation/structured/internal/incubating.
"""

from collections.abc import Iterable, Sequence
from functools import cached_property

from kube_lite.api.identity import Json
from kube_lite.api.placement import term_matches
from kube_lite.api.quantity import parse_quantity

from .records import Counters, Device, Features, PoolId, Slice


class Pool:
    """The devices of a pool that a node can use.

    Attributes:
        is_incomplete: not all of its slices are there yet.
        fault: why nothing of it can be used, if so.
        slices: in order, those with devices that this or another node can use.
    """

    def __init__(
        self,
        id: PoolId,
        slices: Sequence[Slice] = (),
        others: Sequence[Slice] = (),
        *,
        incomplete: bool = False,
    ) -> None:
        self.id = id
        self.is_incomplete = incomplete
        self.slices = [each for each in slices if not each.shared_counters]
        self._counting = [each for each in slices if each.shared_counters]
        self._others = others

    @cached_property
    def fault(self) -> str:
        """In upstream's words."""
        names: set[str] = set()
        for each in self.slices:
            for device in each.devices:
                if device.id.device in names:
                    return f"duplicate device name {device.id.device}"
                names.add(device.id.device)
        sets = [counters["name"] for each in self._counting for counters in each.shared_counters]
        for name in sets:
            if sets.count(name) > 1:
                return f"duplicate counter set name {name}"
        return next(filter(None, (_unknown(device, self.counters, sets) for device in self.everything())), "")

    @cached_property
    def counters(self) -> Counters:
        """All that there is of each counter."""
        return {
            (counters["name"], name): parse_quantity(counter["value"]).nanos
            for each in self._counting
            for counters in each.shared_counters
            for name, counter in (counters.get("counters") or {}).items()
        }

    @cached_property
    def makes_ready(self) -> bool:
        """Whether a device of it has to be made ready before a pod is bound."""
        return any("bindingConditions" in device.facts for each in self.slices for device in each.devices)

    def everything(self) -> Iterable[Device]:
        """Also the devices that only other nodes can use, which may take from the same counters."""
        for each in (*self.slices, *self._others):
            yield from each.devices


def _unknown(device: Device, counters: Counters, sets: Sequence[str]) -> str:
    """What a device takes from and nobody has."""
    for name, counter in device.counters:
        if name not in sets:
            return f"counter set {name} not found"
        if (name, counter) not in counters:
            return f"counter {counter} not found in counter set {name}"
    return ""


class Catalogue:
    """Every slice there is, found by node and by pool."""

    def __init__(self, slices: Iterable[Slice] = (), features: Features = Features()) -> None:  # noqa: B008
        self.features = features
        self._by_node: dict[str, dict[str, Slice]] = {}
        self._for_several: dict[str, Slice] = {}
        self._by_pool: dict[PoolId, dict[str, Slice]] = {}
        self._slices: dict[str, Slice] = {}
        self._pools: dict[tuple[PoolId, tuple[str, ...]], Pool] = {}
        for each in slices:
            self.set(each)

    def set(self, slice: Slice) -> None:
        """A slice is there, or has changed."""
        self.remove(slice.name)
        if not self.features.partitionable and (slice.is_mixed or slice.shared_counters):
            return
        self._slices[slice.name] = slice
        self._by_pool.setdefault(slice.pool, {})[slice.name] = slice
        self._place(slice)[slice.name] = slice

    def remove(self, name: str) -> None:
        """A slice is gone; unknown ones are no error."""
        self._pools.clear()
        slice = self._slices.pop(name, None)
        if slice is None:
            return
        self._place(slice).pop(name, None)
        of_pool = self._by_pool[slice.pool]
        del of_pool[name]
        if not of_pool:
            del self._by_pool[slice.pool]

    def _place(self, slice: Slice) -> dict[str, Slice]:
        node = slice.spec.get("nodeName")
        if not node or slice.shared_counters:
            return self._for_several
        return self._by_node.setdefault(node, {})

    def pools(self, node: Json) -> list[Pool]:
        """Those with something for a node, in the order in which to take from them."""
        relevant: dict[PoolId, list[Slice]] = {}
        here = self._by_node.get(node["metadata"]["name"], {}).values()
        for slice in (*here, *self._for_several.values()):
            if _is_for(slice, node):
                _add(relevant, slice)
        pools = [self._pool(id, slices) for id, slices in sorted(relevant.items())]
        found = [pool for pool in pools if pool is not None]
        return sorted(found, key=lambda pool: not pool.is_incomplete and pool.makes_ready)

    def _pool(self, id: PoolId, slices: list[Slice]) -> Pool | None:
        """None for a pool of which a newer generation has nothing for the node."""
        ordered = sorted(slices, key=lambda each: each.name)
        key = (id, tuple(each.name for each in ordered))
        pool = self._pools.get(key)
        if pool is None:
            generation, count = ordered[0].generation, ordered[0].count
            every = self._by_pool[id].values()
            if any(each.generation > generation for each in every):
                return None
            current = [each for each in every if each.generation == generation]
            if len(current) != count:
                return Pool(id, incomplete=True)
            others = [each for each in current if each not in ordered]
            pool = self._pools[key] = Pool(id, ordered, others)
        return pool


def _add(pools: dict[PoolId, list[Slice]], slice: Slice) -> None:
    """Only the newest generation counts."""
    known = pools.setdefault(slice.pool, [])
    if known and slice.generation < known[0].generation:
        return
    if known and slice.generation > known[0].generation:
        known.clear()
    known.append(slice)


def _is_for(slice: Slice, node: Json) -> bool:
    if slice.shared_counters:
        return True  # wherever the devices are that take from them
    if slice.is_mixed:
        return any(is_on(device.facts, node) for device in slice.devices)
    return is_on(slice.spec, node)


def is_on(placed: Json, node: Json) -> bool:
    """Whether a slice's spec, or a device of a slice that leaves it to its devices, is for a node."""
    if placed.get("nodeName"):
        return bool(placed["nodeName"] == node["metadata"]["name"])
    if placed.get("allNodes"):
        return True
    selector = placed.get("nodeSelector")
    return selector is not None and selects(selector, node)


def selects(selector: Json, node: Json) -> bool:
    """Whether a node selector is for a node."""
    return any(term_matches(term, node) for term in selector.get("nodeSelectorTerms") or ())
