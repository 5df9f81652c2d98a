"""The headers of ranges that are asked for by what is in them, kept between two questions.

Reading ten thousand headers takes as long as it takes to touch a page of the file for each. So they are
kept, with the revision they are of; before they are used again the log says which keys have changed since,
and those are read anew. What is kept is bounded in number and given up when it was not asked for lately.
"""

from bisect import bisect_left
from typing import NamedTuple

from . import layout
from .environment import Tables, Transaction
from .types import KeyValue, Range

KEPT_HEADERS = 40_000
"""Of all ranges together; some ten to twenty MB."""
LOOK_BACK_REVISIONS = 1000
"""How far the log is read to see what has changed: two milliseconds."""


class Kept(NamedTuple):
    """Keys in order, and the header of each."""

    revision: int
    keys: list[bytes]
    headers: list[bytes]


class Headers:
    """To be used from the thread that reads."""

    def __init__(self, tables: Tables) -> None:
        self._tables = tables
        self._kept: dict[Range, Kept] = {}

    def of(self, txn: Transaction, wanted: Range) -> Kept:
        """The headers of a range as they are in this snapshot, whose transaction gives views."""
        revision = self._tables.number(txn, layout.REVISION_ROW)
        kept = self._kept.pop(wanted, None)
        changed = None if kept is None else changed_keys(self._tables, txn, wanted, kept.revision, revision)
        if kept is None or changed is None:
            kept = self._read(txn, wanted, revision)
        else:
            for key in changed:
                self._renew(txn, kept, key)
            kept = kept._replace(revision=revision)
        self._kept[wanted] = kept
        while len(self._kept) > 1 and sum(len(each.keys) for each in self._kept.values()) > KEPT_HEADERS:
            del self._kept[next(iter(self._kept))]
        if len(kept.keys) > KEPT_HEADERS:
            del self._kept[wanted]
        return kept

    def _read(self, txn: Transaction, wanted: Range, revision: int) -> Kept:
        cursor, end = txn.cursor(self._tables.now), wanted.end
        kept = Kept(revision, [], [])
        if cursor.set_range(wanted.start):
            for view, row in cursor.iternext():
                key = bytes(view)
                if key >= end:
                    break
                kept.keys.append(key)
                kept.headers.append(layout.header_of(row))
        return kept

    def _renew(self, txn: Transaction, kept: Kept, key: bytes) -> None:
        keys, headers = kept.keys, kept.headers
        place = bisect_left(keys, key)
        is_known = place < len(keys) and keys[place] == key
        row = txn.get(key, db=self._tables.now)
        if row is None:
            if is_known:
                del keys[place], headers[place]
        elif is_known:
            headers[place] = layout.header_of(row)
        else:
            keys.insert(place, key)
            headers.insert(place, layout.header_of(row))


def version_now(tables: Tables, txn: Transaction, key: bytes) -> KeyValue:
    """The version of a key that is there, as it is stored."""
    return layout.parse_version(key, bytes(txn.get(key, db=tables.now)))


def changed_keys(
    tables: Tables, txn: Transaction, wanted: Range, after: int, revision: int
) -> set[bytes] | None:
    """Keys of a range that were touched after a revision; None when the log cannot say, or not soon."""
    if after == revision:
        return set()
    cursor = txn.cursor(tables.log)
    if revision - after > LOOK_BACK_REVISIONS or not cursor.set_key(layout.as_number(after + 1)):
        return None  # or that part of the log is forgotten
    start, end = wanted
    changed: set[bytes] = set()
    for row, raw in cursor.iternext():
        if not layout.is_sound(bytes(row), raw):
            return None
        changed.update(key for _, key in layout.parse_log_row(bytes(raw)) if start <= key < end)
    return changed
