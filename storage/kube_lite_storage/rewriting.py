"""Encrypting anew everything whose key or scheme is not the one of today, while the store serves.

Rows are changed where they lie, in ``now`` and ``past``: the value is the same, so there is no revision, no
event, and nobody has to be told. The writer's thread does one step between two groups. Each step notes in the
same transaction how far it came, so whoever dies in the middle goes on there, and a step done twice changes
nothing the second time.
"""

from collections.abc import Callable
from typing import NamedTuple

from . import layout
from .environment import Environment, Transaction
from .errors import CannotDecrypt, StoreDamaged

ROWS = 1000
"""Most rows a step looks at, and ``REWRITES`` most that it writes; either is one or two milliseconds."""
REWRITES = 100
BEGIN = b"n"
"""A position is ``n`` and a row of ``now``, or ``p`` and a row of ``past``: the row to go on with."""


Visit = Callable[[bytes, bytes, bool], None]
"""Gets a key, a value as it is stored, and whether a newer version has replaced it."""


class Step(NamedTuple):
    """What one step did. ``position`` is where the next begins; None when all is done."""

    position: bytes | None
    rewritten: int
    unreadable: int
    reason: str
    """Why one of the unreadable ones is; they stay as they are."""


def position_of(environment: Environment) -> bytes | None:
    """How far a rewriting that has not ended came; None when there is none."""
    with environment.lmdb.begin() as txn:
        raw = txn.get(layout.REWRITING_ROW, db=environment.meta)
    if raw is None:
        return None
    return raw[:-4] if layout.is_sound(layout.REWRITING_ROW, raw) else BEGIN


def rewrite_step(environment: Environment, position: bytes) -> Step:
    """Do the rows from ``position`` on. Raises ``CannotEncrypt``; then nothing was changed."""
    versions = environment.versions
    rewritten = unreadable = 0
    reason = ""
    with environment.writing() as txn:
        walk = _Walk(environment, txn, position)
        for key, raw in walk:
            try:
                if not layout.is_sound(key, raw):  # a new checksum would hide that
                    raise StoreDamaged(f"{key!r}: the stored version does not match its checksum")
                renewed = versions.renewed(key, raw)
            except (CannotDecrypt, StoreDamaged) as error:
                unreadable, reason = unreadable + 1, str(error)
                continue
            if renewed is not None:
                walk.replace(renewed)
                rewritten += 1
                if rewritten == REWRITES:
                    walk.stop()
        if walk.position is None:
            txn.delete(layout.REWRITING_ROW, db=environment.meta)
        else:
            row = layout.sealed(layout.REWRITING_ROW, walk.position)
            txn.put(layout.REWRITING_ROW, row, db=environment.meta)
        return Step(walk.position, rewritten, unreadable, reason)


def survey_step(environment: Environment, position: bytes, visit: Visit) -> bytes | None:
    """Show the rows from ``position`` on; where to go on, None at the end."""
    with environment.lmdb.begin() as txn:
        walk = _Walk(environment, txn, position)
        for key, raw in walk:
            visit(key, layout.parse_version(key, raw).value, walk.is_past)
        return walk.position


class _Walk:
    """Up to ``ROWS`` rows of both tables as key and version; ``position`` is then where it ended."""

    def __init__(self, environment: Environment, txn: Transaction, position: bytes) -> None:
        self.is_past = position[:1] != BEGIN
        self._tables = (txn.cursor(environment.now), txn.cursor(environment.past))
        self._found = self._seek(position[1:])
        self._left = ROWS
        self.position: bytes | None = position

    def __iter__(self) -> "_Walk":
        return self

    def __next__(self) -> tuple[bytes, bytes]:
        if not self._found and not self.is_past:
            self.is_past = True
            self._found = self._seek(b"")
        if not self._found:
            self.position = None
            raise StopIteration
        row = self._cursor.key()
        self.position = (b"p" if self.is_past else b"n") + row
        if self._left == 0:
            raise StopIteration
        self._left -= 1
        raw, self._row = self._cursor.value(), row
        self._found = self._cursor.next()
        return (layout.parse_past_row(row)[0] if self.is_past else row), raw

    def replace(self, raw: bytes) -> None:
        """Put another version where the last one was."""
        cursor = self._cursor
        cursor.set_key(self._row)
        cursor.put(self._row, raw)
        self._found = cursor.next()

    def stop(self) -> None:
        """Give no more rows."""
        self._left = 0

    @property
    def _cursor(self):  # type: ignore[no-untyped-def] # LMDB's own types say bytes or memoryview everywhere
        return self._tables[self.is_past]

    def _seek(self, row: bytes) -> bool:
        found: bool = self._cursor.set_range(row) if row else self._cursor.first()
        return found
