"""The frozen records that every other file of the store speaks in."""

from collections.abc import Sequence
from typing import Literal, NamedTuple, TypeAlias

Parts: TypeAlias = Literal["all", "headers", "keys"]
"""What a range read gives of each version; the other parts come back empty and are not read from the file."""


class KeyValue(NamedTuple):
    """One version of one key.

    ``value`` is what a reader wants whole, ``header`` a few bytes that say enough about it to decide whether
    it is wanted; the store looks into neither. ``created`` is the revision at which the key came into being,
    ``revision`` the one at which it got this value.
    """

    key: bytes
    value: bytes
    header: bytes
    created: int
    revision: int


class Range(NamedTuple):
    """Keys from ``start`` (included) to ``end`` (not included), in byte order."""

    start: bytes
    end: bytes

    @classmethod
    def prefix(cls, prefix: bytes) -> "Range":
        """All keys that begin with ``prefix``, which must not be empty nor all ``0xff``.

        >>> Range.prefix(b"/pods/")
        Range(start=b'/pods/', end=b'/pods0')
        """
        stem = prefix.rstrip(b"\xff")
        return cls(prefix, stem[:-1] + bytes([stem[-1] + 1]))


class Page(NamedTuple):
    """What a range read gives: items in key order as of ``revision``; ``more`` if a limit cut it short."""

    items: Sequence[KeyValue]
    revision: int
    more: bool


class Joined(NamedTuple):
    """Values of a range as text: ``number`` of them in ``pieces`` that follow each other.

    ``rest`` is what was not reached of the range, None when it was read to its end.
    """

    pieces: Sequence[bytes]
    number: int
    revision: int
    rest: Range | None


class Status(NamedTuple):
    """How much a store holds: keys, replaced ``versions`` still kept, and bytes.

    ``used_bytes`` is what the file takes, ``map_bytes`` what it may take before the map grows. Where it is
    not ``durable`` a write may be acknowledged before it is on the disk.
    """

    revision: int
    compacted: int
    keys: int
    versions: int
    used_bytes: int
    map_bytes: int
    durable: bool


class Compare(NamedTuple):
    """A condition: ``key`` is now at ``revision``; 0 means that it must not exist."""

    key: bytes
    revision: int


class Put(NamedTuple):
    """Write ``value``.

    ``splice`` is a byte offset in ``value`` at which the store inserts the transaction's revision in decimal
    digits, because an object carries its own revision and only the writer knows it; −1 inserts nothing.

    ``lease_seconds`` after it was written the key is deleted, unless it is written again by then; 0 keeps it.
    """

    key: bytes
    value: bytes
    header: bytes = b""
    splice: int = -1
    lease_seconds: float = 0


class Delete(NamedTuple):
    """Forget the key's value. Deleting what is not there is no write and makes no event.

    With a ``revision`` the key must be at it, or not be there any more, so the same delete may be asked for
    twice; else ``RevisionMismatch``.
    """

    key: bytes
    revision: int = 0


class Txn(NamedTuple):
    """All ``writes`` in one revision if every one of ``compares`` holds, else nothing at all."""

    compares: Sequence[Compare]
    writes: Sequence[Put | Delete]


class Event(NamedTuple):
    """One change as watchers see it.

    ``current`` is None for a deletion, ``previous`` is None when the key came into being. ``revision`` is the
    transaction's; several events may share it, and a watcher gets those together.
    """

    revision: int
    key: bytes
    current: KeyValue | None
    previous: KeyValue | None
