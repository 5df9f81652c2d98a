"""Addresses and ports that may be given out once: cluster IPs and node ports.

What is taken is a key in the store, written in the same transaction as the Service that takes it and
deleted with the one that gives it back. So two Services can never get the same one, a crash leaves nothing
to repair, and nothing needs to be remembered over a restart.
Source: ``pkg/registry/core/service/ipallocator``, ``portallocator``: the lower band of each range is left
to those who ask for a certain one.
"""

import random
from collections.abc import Callable, Iterable, Iterator
from ipaddress import IPv4Address, IPv4Network

from kube_lite_storage import Store
from kube_lite_storage.types import Compare, Delete, Put

from kube_lite.api.identity import GroupResource, ObjectKey

from .keys import claim_key, storage_key
from .objects import Also
from .stored import Stored

IP_ADDRESSES = GroupResource("networking.k8s.io", "ipaddresses")
MANAGED_BY, OURS = "ipaddress.kubernetes.io/managed-by", "ipallocator.k8s.io"
"""The label of those that only tell of a Service; they follow it, so they may still be there for a moment."""
TRIES = 64  # random picks before the range is searched in order


class RangeFull(Exception):
    """Everything in the range is taken."""


class Pool:
    """Items numbered from 0 that may each be claimed by one owner; see ``ClusterIPs`` and ``NodePorts``.

    ``text`` says what the item of a number is called.
    """

    def __init__(
        self, store: Store, name: str, size: int, source: random.Random, text: Callable[[int], str]
    ) -> None:
        self._store = store
        self._name = name
        self._size = size
        self._source = source
        self._text = text

    def _reserved(self) -> int:
        """How many of the lowest are left to those who ask for them: a sixteenth, 16 to 256."""
        return min(max(16, self._size // 16), 256) if self._size >= 32 else 0

    def pick(self, avoid: Iterable[str] = ()) -> str:
        """Some item that is free now; whoever claims it first gets it.

        Raises:
            RangeFull: there is none.
        """
        shunned = set(avoid)
        for number in self._candidates():
            item = self._text(number)
            if item not in shunned and self.is_free(item):
                return item
        raise RangeFull(self._name)

    def _candidates(self) -> Iterator[int]:
        lowest = self._reserved()
        if lowest < self._size:
            for _ in range(TRIES):
                yield self._source.randrange(lowest, self._size)
        yield from range(lowest, self._size)
        yield from range(lowest)

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
    """The addresses of Services, out of a CIDR; network and broadcast address are left out."""

    def __init__(self, store: Store, cidr: str, source: random.Random) -> None:
        self.network = IPv4Network(cidr)
        first = self.network.network_address + 1
        super().__init__(
            store, "clusterips", self.network.num_addresses - 2, source, lambda number: str(first + number)
        )

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
        """Whether it is an address of the range that can be given out."""
        try:
            address = IPv4Address(text)
        except ValueError:
            return False
        network = self.network
        return address in network and address not in (network.network_address, network.broadcast_address)


class NodePorts(Pool):
    """The ports that Services open on nodes."""

    def __init__(self, store: Store, first: int, last: int, source: random.Random) -> None:
        self.first, self.last = first, last
        super().__init__(store, "nodeports", last - first + 1, source, lambda number: str(first + number))

    def contains(self, port: int) -> bool:
        """Whether the port is in the range."""
        return self.first <= port <= self.last


def together(*parts: Also) -> Also:
    """Several things that are to be written with one object."""
    return Also([c for part in parts for c in part.compares], [w for part in parts for w in part.writes])
