"""Values as one text: each is copied once, out of the map into the piece that will be sent.

The present is read in chunks of about ``PIECE_BYTES``, with as little as possible done for each row: views of
the rows, their openings compared all at once, and one join. Whatever is not as usual (a value that is
encrypted or begins otherwise, or an older revision) goes row by row.
"""

from bisect import bisect_left
from collections.abc import Iterable, Sequence
from itertools import accumulate, islice
from typing import Any, NamedTuple

from . import layout
from .cipher import MARK
from .environment import Tables, Transaction
from .types import Range

PIECE_BYTES = 192 << 10
"""How long a piece gets; longer ones take the TLS layer longer, which copies what it has not sent."""
_FIRST_ROWS, _MOST_ROWS = 4, 1024
_MOST_BYTES = 4 * PIECE_BYTES


class Wish(NamedTuple):
    """What ``Store.join`` was asked for."""

    limit: int
    most_bytes: int
    opening: bytes
    before: bytes


class Text(NamedTuple):
    """As ``Joined``."""

    pieces: list[bytes]
    number: int
    rest: Range | None


def join_now(tables: Tables, txn: Transaction, wanted: Range, wish: Wish) -> Text:
    """The values of a range as they are now; ``txn`` gives views."""
    pieces: list[bytes] = []
    count = joined_bytes = 0
    rows_wanted, start = _FIRST_ROWS, wanted.start
    cursor = txn.cursor(tables.now)
    # A value that is encrypted must not be taken for one that begins with ``opening``.
    may_be_hidden = tables.versions.cipher is not None and MARK.startswith(wish.opening[: len(MARK)])
    while start < wanted.end and cursor.set_range(start):
        if wish.limit:
            rows_wanted = min(rows_wanted, wish.limit - count)
        rows = list(islice(cursor.iternext(keys=False), rows_wanted))
        last = bytes(cursor.key())
        if not last or last >= wanted.end:
            rows = rows[: _count(tables, txn, Range(start, wanted.end), len(rows))]
            last = b""
        sizes = list(accumulate(map(len, rows)))
        if sizes and sizes[-1] > _MOST_BYTES:  # values have become larger than those before
            rows = rows[: bisect_left(sizes, _MOST_BYTES) + 1]
            last = bytes(_pairs(tables, txn, start, len(rows))[-1][0])
        if rows:
            usual = None if may_be_hidden else layout.values_behind(rows, wish.opening)
            unusual = () if usual else _values(tables, _pairs(tables, txn, start, len(rows)), wish.opening)
            pieces.append(wish.before.join((b"", *(usual or unusual))))
            count += len(rows)
            joined_bytes += len(pieces[-1])
            rows_wanted = min(PIECE_BYTES * len(rows) // len(pieces[-1]) + 1, _MOST_ROWS)
        if not last:
            return Text(pieces, count, None)
        start = last + b"\0"
        if joined_bytes >= wish.most_bytes or count == wish.limit:
            has_more = cursor.set_range(start) and bytes(cursor.key()) < wanted.end
            return Text(pieces, count, Range(start, wanted.end) if has_more else None)
    return Text(pieces, count, None)


def join_rows(tables: Tables, rows: Iterable[tuple[Any, Any]], end: bytes, wish: Wish) -> Text:
    """The same for any versions, with their keys and in their order."""
    pieces: list[bytes] = []
    waiting: list[bytes] = []
    waiting_bytes = joined_bytes = count = 0
    rest = None
    for row in rows:
        if joined_bytes >= wish.most_bytes or (wish.limit and count == wish.limit):
            rest = Range(bytes(row[0]), end)
            break
        waiting += _values(tables, [row], wish.opening)
        waiting_bytes += len(waiting[-1])
        joined_bytes += len(waiting[-1])
        count += 1
        if waiting_bytes >= PIECE_BYTES:
            pieces.append(wish.before.join((b"", *waiting)))
            waiting, waiting_bytes = [], 0
    if waiting:
        pieces.append(wish.before.join((b"", *waiting)))
    return Text(pieces, count, rest)


def _values(tables: Tables, rows: Iterable[tuple[Any, Any]], opening: bytes) -> list[bytes]:
    opened = tables.versions.opened
    values = (opened(layout.parse_version(bytes(key), bytes(row))).value for key, row in rows)
    return [value[len(opening) :] if value.startswith(opening) else value[1:] for value in values]


def _pairs(tables: Tables, txn: Transaction, start: bytes, count: int) -> Sequence[tuple[Any, Any]]:
    cursor = txn.cursor(tables.now)
    cursor.set_range(start)
    return list(islice(cursor.iternext(), count))


def _count(tables: Tables, txn: Transaction, wanted: Range, most: int) -> int:
    """How many of the first rows of a range lie in it."""
    cursor = txn.cursor(tables.now)
    if not cursor.set_range(wanted.start):
        return 0
    return sum(bytes(key) < wanted.end for key in islice(cursor.iternext(values=False), most))
