"""What devices are still to be had, while a search takes some and gives them back, the last one first.

Beside the devices themselves it is parts of those that several may have, counters that devices of a pool
take from together (partitions of one card), and what constraints have seen so far.
"""

from collections.abc import Hashable, Sequence

from kube_lite.api.identity import Json
from kube_lite.api.placement import untolerated
from kube_lite.api.quantity import Quantity

from .capacities import consumption, is_left
from .errors import Unworkable
from .pools import Pool
from .records import Device, Features, InUse
from .wishes import Taken, Wish, Wishes


class Holdings:
    """Of one search.

    Args:
        claims: those that the search is for; their numbers are those of ``take``.
        in_use: what claims had before.
    """

    def __init__(self, claims: Sequence[Wishes], in_use: InUse, features: Features) -> None:
        self._claims = claims
        self._in_use = in_use
        self._features = features
        self._takers: dict[Device, set[int]] = {}
        self._shares: dict[Device, list[dict[str, Quantity]]] = {}
        self._values: list[list[list[Json]]] = [[[] for _ in claim.constraints] for claim in claims]
        self._drawn: dict[tuple[Pool, tuple[str, str]], int] = {}
        self._draws: list[bool] = []
        self._is_overdrawn: dict[Pool, bool] = {}

    def is_taken(self, device: Device, claim: int, wish: Wish) -> bool:
        """Whether somebody has it for himself; admins mind only what they have in the same claim."""
        takers = self._takers.get(device) or ()
        if wish.is_for_admin:
            return claim in takers
        return bool(takers) or device.id in self._in_use.devices

    def share_of(self, wish: Wish, device: Device) -> dict[str, Quantity] | None:
        """What a request takes of its capacities; None where they do not have it."""
        if not self._features.consumable:
            return {}
        before = (self._in_use.shared.get(device.id) or {}, *self._shares.get(device, ()))
        taken = consumption(wish.asked, device.capacities)
        return taken if taken is not None and is_left(taken, device.capacities, *before) else None

    def plan(self, claim: int, wish: Wish, device: Device, pool: Pool) -> Taken | None:
        """The device for the request, if it is free, tolerated and fits with those that were taken.

        Raises:
            Unworkable: the request is for all devices, and a constraint is against that.
        """
        if self.is_taken(device, claim, wish):
            return None
        share = self.share_of(wish, device)
        if share is None or not self._has_counters(device, pool):
            return None
        if self._features.taints and untolerated(device.facts.get("taints") or (), wish.tolerations):
            return None
        for constraint, values in zip(self._claims[claim].constraints, self._values[claim], strict=True):
            if not constraint.concerns(wish):
                continue
            if constraint.allows(device.attribute(constraint.attribute), values):
                continue
            if wish.wants_all:
                why = f"cannot add device {device.id} because a claim constraint would not be satisfied"
                raise Unworkable(f"claim {wish.claim}, request {wish.short_name}: {why}")
            return None
        return Taken(wish, device, share if self._is_shareable(device) else None)

    def take(self, claim: int, taken: Taken, pool: Pool) -> None:
        """Count a device that was planned for."""
        device = taken.device
        draws = taken.share is None or not self._is_out(device)
        self._draws.append(draws)
        if draws:
            self._draw(device, pool, 1)
        if taken.share is None:
            self._takers.setdefault(device, set()).add(claim)
        else:
            self._shares.setdefault(device, []).append(taken.share)
        for constraint, values in zip(self._claims[claim].constraints, self._values[claim], strict=True):
            if constraint.concerns(taken.wish):
                value = device.attribute(constraint.attribute)
                assert value is not None  # the constraint allowed it
                values.append(value)

    def give_back(self, claim: int, taken: Taken, pool: Pool) -> None:
        """Count the device no longer that was taken last."""
        device = taken.device
        if self._draws.pop():
            self._draw(device, pool, -1)
        if taken.share is None:
            self._takers[device].discard(claim)
        else:
            self._shares[device].pop()
        for constraint, values in zip(self._claims[claim].constraints, self._values[claim], strict=True):
            if constraint.concerns(taken.wish):
                values.pop()

    def state_of(self, device: Device) -> Hashable:
        """Who has it."""
        return device.id in self._in_use.devices, frozenset(self._takers.get(device, ()))

    def _is_shareable(self, device: Device) -> bool:
        return device.is_shareable and self._features.consumable

    def _is_out(self, device: Device) -> bool:
        """Whether somebody has a part of it, so that what it takes from counters is taken already."""
        return device.id in self._in_use.shared or bool(self._shares.get(device))

    def _has_counters(self, device: Device, pool: Pool) -> bool:
        """Whether what the device takes from the counters of its pool is left."""
        if not device.counters or (self._is_shareable(device) and self._is_out(device)):
            return True
        if pool not in self._is_overdrawn:
            self._is_overdrawn[pool] = self._draw_for_others(pool)
        if self._is_overdrawn[pool]:
            return False
        return all(
            self._drawn.get((pool, counter), 0) + amount <= pool.counters[counter]
            for counter, amount in device.counters.items()
        )

    def _draw_for_others(self, pool: Pool) -> bool:
        """Count what allocated devices take; True when that is more than there is."""
        for device in pool.everything():
            if self._in_use.has(device.id):
                self._draw(device, pool, 1)
        return any(self._drawn.get((pool, name), 0) > most for name, most in pool.counters.items())

    def _draw(self, device: Device, pool: Pool, sign: int) -> None:
        for counter, amount in device.counters.items():
            key = (pool, counter)
            self._drawn[key] = self._drawn.get(key, 0) + sign * amount
