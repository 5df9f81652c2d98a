"""Point and range reads, at the present or any revision still kept, each in one consistent snapshot.

A read transaction is opened and closed within one call, so that none is ever held while the file is resized
and none pins pages. Everything is copied out of the map: 1,000 versions of 1 KB in well under a millisecond.
"""

import heapq
from bisect import bisect_left
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from operator import indexOf, itemgetter
from typing import Any, NamedTuple, TypeAlias

from . import layout
from .environment import Tables, Transaction
from .errors import Compacted, FutureRevision, StoreDamaged
from .headers import Headers, changed_keys, version_now
from .joining import Wish, join_now, join_rows
from .types import Joined, KeyValue, Page, Parts, Range

COUNTS = 64
"""Ranges whose number of keys is remembered."""


class Bounds(NamedTuple):
    """The oldest and the newest revision that a snapshot can be asked for."""

    compacted: int
    revision: int


def bounds_of(environment: Tables, txn: Transaction) -> Bounds:
    """The bounds of this snapshot."""
    return Bounds(environment.number(txn, layout.COMPACTED_ROW), environment.number(txn, layout.REVISION_ROW))


def version_at(environment: Tables, txn: Transaction, key: bytes, at: int) -> bytes | None:
    """The raw version of ``key`` that revision ``at`` shows."""
    stem = layout.past_stem(key)
    cursor = txn.cursor(environment.past)
    raw: bytes | None
    if cursor.set_range(stem + layout.as_number(at + 1)) and bytes(cursor.key()).startswith(stem):
        raw = cursor.value()
    else:
        raw = txn.get(key, db=environment.now)
    return raw if raw is not None and layout.version_revision(raw) <= at else None


def sound_version(key: bytes, raw: bytes) -> KeyValue:
    """A version, held against its checksum. Raises ``StoreDamaged``."""
    item = layout.parse_sound(key, raw)
    if item is None:
        raise StoreDamaged(f"{key!r}: the stored version does not match its checksum; restore a snapshot")
    return item


Parser: TypeAlias = Callable[[Iterable[tuple[Any, Any]]], list[KeyValue]]
PARSERS: dict[Parts, Parser] = {
    "all": layout.parse_versions,
    "headers": layout.parse_headers,
    "keys": layout.parse_keys,
}


class Reader:
    """Reads. To be used from the thread that may grow the environment, and from no other."""

    def __init__(self, environment: Tables) -> None:
        self._environment = environment
        self._lmdb = environment.lmdb
        self._now = environment.now
        self._headers = Headers(environment)
        self._counts: dict[Range, tuple[int, int]] = {}

    def bounds(self) -> Bounds:
        """What may be asked for now."""
        with self._lmdb.begin() as txn:
            return bounds_of(self._environment, txn)

    def get(self, key: bytes, at: int | None) -> KeyValue | None:
        """One key. Raises ``Compacted``, ``FutureRevision``."""
        if at is None:
            with self._lmdb.begin(self._now) as txn:
                raw = txn.get(key)
        else:
            with self._lmdb.begin() as txn:
                self._resolve(txn, at)
                raw = version_at(self._environment, txn, key, at)
        return None if raw is None else self._environment.versions.opened(sound_version(key, raw))

    def list(self, wanted: Range, at: int | None, limit: int, parts: Parts = "all") -> Page:
        """Keys of a range in order. Raises ``Compacted``, ``FutureRevision``."""
        # Without copies a row is two views into the map; parts that nobody asked for stay untouched.
        with self._lmdb.begin(buffers=parts != "all") as txn:
            is_present, revision = self._resolve(txn, at, wanted)
            if is_present:
                items = PARSERS[parts](self._some_now(txn, wanted, limit))
                if items and items[-1].key >= wanted.end:
                    del items[bisect_left(items, wanted.end, key=itemgetter(0)) :]
            else:
                rows = self._rows_at(txn, wanted, revision)
                items = PARSERS[parts](islice(rows, limit + 1) if limit else rows)
        more = 0 < limit < len(items)
        if more:
            del items[limit:]
        if parts == "all":
            items = self._environment.versions.all_opened(items)
        return Page(items, revision, more)

    def choose(self, wanted: Range, at: int | None, limit: int, having: Callable[[bytes], bool]) -> Page:
        """Keys whose header meets a condition. Raises ``Compacted``, ``FutureRevision``."""
        with self._lmdb.begin(buffers=True) as txn:
            is_present, revision = self._resolve(txn, at, wanted)
            if is_present and not limit:
                _, keys, headers = self._headers.of(txn, wanted)
                chosen = [key for key, header in zip(keys, headers, strict=True) if having(header)]
                items, more = [version_now(self._environment, txn, key) for key in chosen], False
            else:
                rows = self._some_now(txn, wanted, 0) if is_present else self._rows_at(txn, wanted, revision)
                items = layout.parse_chosen(rows, having, limit)
                more = 0 < limit == len(items) and next(rows, None) is not None
        return Page(self._environment.versions.all_opened(items), revision, more)

    def join(self, wanted: Range, at: int | None, wish: Wish) -> Joined:
        """Values as text; see ``Store.join``. Raises ``Compacted``, ``FutureRevision``."""
        with self._lmdb.begin(buffers=True) as txn:
            is_present, revision = self._resolve(txn, at, wanted)
            if is_present:
                pieces, number, rest = join_now(self._environment, txn, wanted, wish)
            else:
                rows = self._rows_at(txn, wanted, revision)
                pieces, number, rest = join_rows(self._environment, rows, wanted.end, wish)
        return Joined(pieces, number, revision, rest)

    def behind(self, wanted: Range, number: int, at: int | None) -> Range | None:
        """What of a range follows its first keys. Raises ``Compacted``, ``FutureRevision``."""
        with self._lmdb.begin(buffers=True) as txn:
            is_present, revision = self._resolve(txn, at, wanted)
            if is_present:
                cursor = txn.cursor(self._now)
                keys = cursor.iternext(values=False) if cursor.set_range(wanted.start) else iter(())
            else:
                keys = (key for key, _ in self._rows_at(txn, wanted, revision))
            last_and_next = [bytes(key) for key in islice(keys, number - 1, number + 1)]
        if len(last_and_next) < 2 or last_and_next[1] >= wanted.end:
            return None
        return Range(last_and_next[0] + b"\0", wanted.end)

    def count(self, wanted: Range, at: int | None) -> int:
        """How many keys ``list`` would give. Raises ``Compacted``, ``FutureRevision``."""
        with self._lmdb.begin(buffers=True) as txn:
            is_present, revision = self._resolve(txn, at, wanted)
            if not is_present:
                return sum(1 for _ in self._rows_at(txn, wanted, revision))
            newest = self._environment.number(txn, layout.REVISION_ROW)
            then, count = self._counts.pop(wanted, (0, 0))
            if not then or changed_keys(self._environment, txn, wanted, then, newest) != set():
                count = self._count_now(txn, wanted)
            self._counts[wanted] = newest, count
            if len(self._counts) > COUNTS:
                del self._counts[next(iter(self._counts))]
            return count

    def _resolve(self, txn: Transaction, at: int | None, wanted: Range | None = None) -> tuple[bool, int]:
        """Whether ``at`` shows the snapshot's present, at least of that range, and the revision meant."""
        if at is None:
            return True, self._environment.number(txn, layout.REVISION_ROW)
        compacted, revision = bounds_of(self._environment, txn)
        if at > revision:
            raise FutureRevision(at, revision)
        if at < compacted:
            raise Compacted(at, compacted)
        is_present = at == revision or (
            wanted is not None and changed_keys(self._environment, txn, wanted, at, revision) == set()
        )
        return is_present, at

    def _some_now(self, txn: Transaction, wanted: Range, limit: int) -> Iterator[tuple[Any, Any]]:
        """The rows of a range, walked without a step of the interpreter; with a limit, beyond its end."""
        count = limit + 1 if limit else self._count_now(txn, wanted)
        cursor = txn.cursor(self._now)
        if wanted.end <= wanted.start or not cursor.set_range(wanted.start):
            return iter(())
        return islice(cursor.iternext(), count)

    def _count_now(self, txn: Transaction, wanted: Range) -> int:
        cursor = txn.cursor(self._now)
        end = cursor.key() if cursor.set_range(wanted.end) else None
        if wanted.end <= wanted.start or not cursor.set_range(wanted.start):
            return 0
        keys = cursor.iternext(values=False)
        if end is not None:
            return indexOf(keys, end)  # the walk and the comparison both without a step of the interpreter
        last: deque[tuple[int, bytes]] = deque(enumerate(keys, 1), maxlen=1)
        return last[0][0]

    def _rows_at(self, txn: Transaction, wanted: Range, at: int) -> Iterator[tuple[Any, Any]]:
        """Raw versions that revision ``at`` shows, in the order of keys."""
        newest = self._environment.number(txn, layout.REVISION_ROW)
        changed = changed_keys(self._environment, txn, wanted, at, newest)
        if changed is not None:
            return self._rows_but(txn, wanted, at, deque(sorted(changed)))
        return heapq.merge(
            self._rows_now(txn, wanted, at), self._rows_past(txn, wanted, at), key=lambda row: bytes(row[0])
        )

    def _rows_but(
        self, txn: Transaction, wanted: Range, at: int, changed: deque[bytes]
    ) -> Iterator[tuple[Any, Any]]:
        """The rows of ``now``, but those of keys that have ``changed`` since as ``at`` shows them."""
        for key, row in self._some_now(txn, wanted, 0):
            while changed and changed[0] < bytes(key):
                yield from self._row_at(txn, changed.popleft(), at)
            if changed and changed[0] == key:
                yield from self._row_at(txn, changed.popleft(), at)
            else:
                yield key, row
        for left in changed:
            yield from self._row_at(txn, left, at)

    def _row_at(self, txn: Transaction, key: bytes, at: int) -> Iterator[tuple[bytes, Any]]:
        row = version_at(self._environment, txn, key, at)
        if row is not None:
            yield key, row

    def _rows_now(self, txn: Transaction, wanted: Range, at: int) -> Iterator[tuple[Any, Any]]:
        """Raw versions of ``now`` that were written by ``at``."""
        for row in self._some_now(txn, wanted, 0):
            if layout.version_revision(row[1]) <= at:
                yield row

    def _rows_past(self, txn: Transaction, wanted: Range, at: int) -> Iterator[tuple[bytes, bytes]]:
        """Raw versions that revision ``at`` shows and a later one ended.

        A key is given by this or by ``_rows_now``, never by both.
        """
        cursor = txn.cursor(self._environment.past)
        suffix = layout.as_number(at + 1)
        found = cursor.set_range(layout.past_bound(wanted.start))
        while found:
            key, ended = layout.parse_past_row(bytes(cursor.key()))
            if key >= wanted.end:
                return
            stem = layout.past_stem(key)
            if ended > at or (cursor.set_range(stem + suffix) and bytes(cursor.key()).startswith(stem)):
                raw = cursor.value()
                if layout.version_revision(raw) <= at:
                    yield key, raw
            found = cursor.set_range(layout.after_stem(stem))
