"""Find devices for the claims of a pod on one node, or find that there are none. A pure function.

Claim after claim, request after request, device after device is taken in order; where it goes on no further,
the last one is given back and the next is tried. So every way is tried in the end, and the first that works
is taken: drivers say by the names of pools and slices what they would rather give. Devices that nothing in
the claims can tell apart are tried once, so that a request for eight of sixteen alike fails at once; and the
whole has a budget, since there are claims that would take years.

Source: ``allocator_incubating.go`` of k8s.io/dynamic-resource-allocation/structured/internal/incubating.
"""

from collections.abc import Hashable, Iterator, Sequence

import orjson

from kube_lite.api.identity import Json

from .errors import Unavailable, Unworkable
from .holdings import Holdings
from .pools import Catalogue, Pool, is_on
from .records import Device, InUse
from .wishes import MAX_DEVICES, Taken, Wish, Wishes

EFFORT = 50_000
"""How many devices may be looked at again for one pod, on all nodes together; half a second or so."""
OUT_OF_EFFORT = "timed out trying to allocate devices"


class _TooMany(Exception):
    """More devices than a claim can be given, whichever are taken."""


class Effort:
    """What is left of a budget, of which only what is done again is paid."""

    def __init__(self, left: int = EFFORT) -> None:
        self._left = left
        self._free = 0

    def begin(self, devices: int) -> None:
        """With a new node, all of whose devices may be looked at twice for nothing."""
        self._free = 2 * devices

    def spend(self) -> None:
        """Look at one more device.

        Raises:
            Unavailable: it is used up.
        """
        if self._free:
            self._free -= 1
            return
        self._left -= 1
        if self._left < 0:
            raise Unavailable(OUT_OF_EFFORT)


def plan_allocation(
    claims: Sequence[Wishes], node: Json, catalogue: Catalogue, in_use: InUse, effort: Effort
) -> list[list[Taken]] | None:
    """The devices of each claim, or None when there are not enough.

    Raises:
        Unworkable: something is wrong with a claim, whatever the node.
        Unavailable: why not on this node.
    """
    search = _Search(claims, node, catalogue, in_use, effort)
    try:
        if search.run():
            return search.results
    except _TooMany:
        raise Unworkable("allocation max size exceeded") from None
    except RecursionError:
        raise Unavailable(OUT_OF_EFFORT) from None
    if any(pool.fault for pool in search.pools if not pool.is_incomplete):
        raise Unavailable("invalid resource pools were encountered")
    return None


class _Search:
    """One try; ``results`` grows and shrinks as devices are taken and given back."""

    def __init__(
        self, claims: Sequence[Wishes], node: Json, catalogue: Catalogue, in_use: InUse, effort: Effort
    ) -> None:
        self.pools = catalogue.pools(node)
        self.results: list[list[Taken]] = [[] for _ in claims]
        self._claims = claims
        self._features = catalogue.features
        self._effort = effort
        self._holdings = Holdings(claims, in_use, catalogue.features)
        usable = [pool for pool in self.pools if not pool.is_incomplete and not pool.fault]
        self._devices = [(device, pool) for pool in usable for device in _devices_on(pool, node)]
        effort.begin(len(self._devices))
        self._every: dict[tuple[int, str], list[tuple[Device, Pool]]] = {}
        self._looks: dict[Device, Hashable] = {}
        for number, claim in enumerate(claims):
            self._check_size(number, claim)

    def run(self) -> bool:
        """Whether there is a way."""
        return not self._claims or self._request(0, 0)

    def _check_size(self, number: int, claim: Wishes) -> None:
        least = 0
        for request in claim.requests:
            least += min(
                len(self._all_for(number, wish)) if wish.wants_all else wish.count for wish in request
            )
        if least > MAX_DEVICES:
            why = f"number of requested devices {least} exceeds the claim limit of {MAX_DEVICES}"
            raise Unworkable(f"claim {claim.name}: {why}")

    def _all_for(self, number: int, wish: Wish) -> list[tuple[Device, Pool]]:
        """The devices that a request for all of them means."""
        found = self._every.get((number, wish.name))
        if found is not None:
            return found
        here = f"claim {wish.claim}, request {wish.short_name}: asks for all devices, but resource pool"
        for pool in self.pools:
            if pool.is_incomplete:
                raise Unworkable(f"{here} {pool.id} is currently being updated")
            if pool.fault:
                raise Unworkable(f"{here} {pool.id} is currently invalid")
        found = self._every[number, wish.name] = [
            (device, pool)
            for device, pool in self._devices
            if self._selects(wish, device) and self._holdings.share_of(wish, device) is not None
        ]
        return found

    def _request(self, claim: int, request: int) -> bool:
        requests = self._claims[claim].requests
        if request == len(requests):
            return self._next_claim(claim + 1)
        ways = requests[request]
        if not ways[0].alternative:
            return self._next(claim, request, ways[0], 0, 0)
        exceeded = True
        for way in ways:
            try:
                if self._next(claim, request, way, 0, 0):
                    return True
            except _TooMany:  # another may want fewer
                continue
            exceeded = False
        if exceeded:
            raise _TooMany
        return False

    def _next_claim(self, claim: int) -> bool:
        if claim == len(self._claims):
            return True
        try:
            return self._request(claim, 0)
        except _TooMany:  # with other devices before, an alternative that wants fewer may do
            return False

    def _next(self, claim: int, request: int, wish: Wish, done: int, start: int) -> bool:
        """Take one more device for a request, not before ``start``, and all that is to follow."""
        every = self._all_for(claim, wish) if wish.wants_all else None
        wanted = wish.count if every is None else len(every)
        if not wanted:
            return False
        if done >= wanted:
            return self._request(claim, request + 1)
        if len(self.results[claim]) + wanted - done > MAX_DEVICES:
            raise _TooMany
        if every is not None:
            self._effort.spend()
            return self._take(claim, request, wish, done, *every[done], start=0)
        return self._choose(claim, request, wish, done, start)

    def _choose(self, claim: int, request: int, wish: Wish, done: int, start: int) -> bool:
        failed: set[Hashable] = set()
        for place in range(start, len(self._devices)):
            self._effort.spend()
            device, pool = self._devices[place]
            if self._holdings.is_taken(device, claim, wish) or not self._selects(wish, device):
                continue
            looks = self._looks_of(device), self._holdings.state_of(device)
            if looks in failed:
                continue
            if self._take(claim, request, wish, done, device, pool, start=place + 1):
                return True
            failed.add(looks)
        return False

    def _take(
        self, claim: int, request: int, wish: Wish, done: int, device: Device, pool: Pool, *, start: int
    ) -> bool:
        taken = self._holdings.plan(claim, wish, device, pool)
        if taken is None:
            return False
        self._holdings.take(claim, taken, pool)
        self.results[claim].append(taken)
        found = False
        try:
            found = self._next(claim, request, wish, done + 1, start)
        finally:
            if not found:
                self.results[claim].pop()
                self._holdings.give_back(claim, taken, pool)
        return found

    def _selects(self, wish: Wish, device: Device) -> bool:
        if device.facts.get("bindingConditions") and not self._features.binding_conditions:
            return False
        return wish.selects(device, has_shares=self._features.consumable)

    def _looks_of(self, device: Device) -> Hashable:
        """The same for devices of which one does if the other does, as far as these claims can tell."""
        looks = self._looks.get(device)
        if looks is None:
            looks = self._looks[device] = self._look_at(device)
        return looks

    def _look_at(self, device: Device) -> Hashable:
        if device.is_shareable:
            return device.id  # others may have parts of it
        wishes = [wish for claim in self._claims for request in claim.requests for wish in request]
        try:
            chosen = [self._selects(wish, device) for wish in wishes]
        except Unworkable:
            return device.id
        facts = [device.facts.get(field) for field in ("taints", "capacity", "consumesCounters")]
        values = [device.attribute(each.attribute) for claim in self._claims for each in claim.constraints]
        pool = device.slice.pool if device.counters else ()
        return orjson.dumps([chosen, facts, values, list(pool)], option=orjson.OPT_SORT_KEYS)


def _devices_on(pool: Pool, node: Json) -> Iterator[Device]:
    for each in pool.slices:
        for device in each.devices:
            if not each.is_mixed or is_on(device.facts, node):
                yield device
