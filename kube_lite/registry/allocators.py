"""Addresses and ports that may be given out once: cluster IPs and node ports.

What is taken is a key in the store, written in the same transaction as the Service that takes it and
deleted with the one that gives it back. So two Services can never get the same one, a crash leaves nothing
to repair, and nothing needs to be remembered over a restart.
Source: ``pkg/registry/core/service/ipallocator``, ``portallocator``: the lower band of each range is left
to those who ask for a certain one (KEP-3070, KEP-3668).
"""

import random
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator
from ipaddress import IPv4Address, IPv4Network
from typing import NamedTuple

from kube_lite_storage import Store
from kube_lite_storage.types import Compare, Delete, Put

from kube_lite.api.identity import GroupResource, ObjectKey

from .keys import claim_key, storage_key
from .objects import Also
from .service_ranges import ServiceRanges
from .stored import Stored

IP_ADDRESSES = GroupResource("networking.k8s.io", "ipaddresses")
MANAGED_BY, OURS = "ipaddress.kubernetes.io/managed-by", "ipallocator.k8s.io"
"""The label of those that only tell of a Service; they follow it, so they may still be there for a moment."""
TRIES = 64  # random picks before the range is searched in order


class RangeFull(Exception):
    """Everything in the range is taken."""


class Span(NamedTuple):
    """Items in a row, numbered from 0.

    Attributes:
        reserved: how many of the lowest are left to those who ask for them.
        text: what the item of a number is called.
    """

    size: int
    reserved: int
    text: Callable[[int], str]


def lower_band(size: int, part: int, most: int) -> int:
    """How much of a range is left to those who ask for a certain item: its ``part``, 16 to ``most``."""
    return min(max(16, size // part), most) if size > 16 else 0


class Pool(ABC):
    """Items that may each be claimed by one owner; see ``ClusterIPs`` and ``NodePorts``."""

    def __init__(self, store: Store, name: str, source: random.Random) -> None:
        self._store = store
        self._name = name
        self._source = source

    @abstractmethod
    def spans(self) -> Iterable[Span]:
        """What there is to give out, in the order in which to do so."""

    def pick(self, avoid: Iterable[str] = ()) -> str:
        """Some item that is free now; whoever claims it first gets it.

        Raises:
            RangeFull: there is none.
        """
        shunned = set(avoid)
        for span in self.spans():
            for number in self._candidates(span):
                item = span.text(number)
                if item not in shunned and self.is_free(item):
                    return item
        raise RangeFull

    def _candidates(self, span: Span) -> Iterator[int]:
        lowest = span.reserved
        if lowest < span.size:
            for _ in range(TRIES):
                yield self._source.randrange(lowest, span.size)
        yield from range(lowest, span.size)
        yield from range(min(lowest, span.size))

    def is_free(self, item: str) -> bool:
        """Whether nobody has claimed it."""
        return self._store.get(claim_key(self._name, item)) is None

    def claims(self, items: Iterable[str], owner: str) -> Also:
        """What claims the items when it is written with their owner's object."""
        keys = [claim_key(self._name, item) for item in items]
        return Also([Compare(key, 0) for key in keys], [Put(key, owner.encode()) for key in keys])

    def releases(self, items: Iterable[str]) -> Also:
        """What gives the items back."""
        return Also((), [Delete(claim_key(self._name, item)) for item in items])

    def owns(self, key: bytes) -> str | None:
        """The item whose claim has that key, or None if it is another pool's."""
        prefix = claim_key(self._name, "")
        return key.removeprefix(prefix).decode() if key.startswith(prefix) else None


class ClusterIPs(Pool):
    """The addresses of Services; of each range network and broadcast address are left out.

    Args:
        cidr: the range that the server was started with.
    """

    def __init__(self, store: Store, cidr: str, source: random.Random) -> None:
        super().__init__(store, "clusterips", source)
        self._ranges = ServiceRanges(store, cidr)

    def spans(self) -> Iterable[Span]:
        """The ranges that are ready, in no order: none is better than another."""
        networks = self._ranges.ready()
        return map(_span_of, self._source.sample(networks, len(networks)))

    def is_free(self, item: str) -> bool:
        """Whether no Service has it, and nobody has made an IPAddress to keep it for another purpose."""
        if not super().is_free(item):
            return False
        kept = self._store.get(storage_key(IP_ADDRESSES, ObjectKey("", item)))
        return (
            kept is None
            or Stored(kept.value, kept.revision, kept.header).facts.labels.get(MANAGED_BY) == OURS
        )

    def contains(self, text: str) -> bool:
        """Whether it is an address of a range that can be given out."""
        try:
            address = IPv4Address(text)
        except ValueError:
            return False
        return any(
            address in network and address not in (network.network_address, network.broadcast_address)
            for network in self._ranges.ready()
        )


class NodePorts(Pool):
    """The ports that Services open on nodes."""

    def __init__(self, store: Store, first: int, last: int, source: random.Random) -> None:
        super().__init__(store, "nodeports", source)
        self.first, self.last = first, last

    def spans(self) -> Iterable[Span]:
        """The one range."""
        size = self.last - self.first + 1
        yield Span(size, lower_band(size, 32, 128), lambda number: str(self.first + number))

    def contains(self, port: int) -> bool:
        """Whether the port is in the range."""
        return self.first <= port <= self.last


def together(*parts: Also) -> Also:
    """Several things that are to be written with one object."""
    return Also([c for part in parts for c in part.compares], [w for part in parts for w in part.writes])


def _span_of(network: IPv4Network) -> Span:
    first, size = network.network_address + 1, network.num_addresses
    return Span(max(size - 2, 0), lower_band(size, 16, 256), lambda number: str(first + number))
