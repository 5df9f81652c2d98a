"""One sync for a commit: the last commits, noted where LMDB's own sync takes them along.

LMDB makes a commit durable in two steps, each a sync of its own: the data pages, then the head page that
names them. Without the second (``metasync=False``) its file is never unsound, because every sync is still
between a commit's pages and its head page; but the newest head page may be lost with the power, and one
commit with it.
The journal makes up for that one. Before a commit is synced its rows are written, with a checksum, into room
that lies in the same file, so the same sync takes both to the disk. When a store is opened at LMDB's
transaction T and finds a record that follows T, the head page was lost, and the rows are written again.

The room is the value of a row that LMDB keeps in pages of its own and, since it is never written again, never
moves; we write to those pages in the file. It has two places, taken in turns by the number of the transaction
a record follows: until a commit is synced, the head page of the one before may still be missing. A commit
that does not fit, and every other write (compaction, encrypting anew), gets its second sync as ever.

A commit that fails takes its record back before anybody is told. A snapshot's journal is empty: LMDB counts
its transactions from one again, so a record that was copied might some day follow one of them.
"""

import mmap
import os
from pathlib import Path
from typing import TYPE_CHECKING

from . import layout
from .ballast import is_full
from .batch import write_rows
from .errors import StoreDamaged
from .layout import Rows

if TYPE_CHECKING:
    from .environment import Environment, Tables, Transaction

PLACE_BYTES = 128 << 10
"""Room for one record; beyond it a second sync costs less than writing everything twice."""
_MARK_BYTES = 32  # random, so that it is nowhere else in the file
_NOTHING = bytes(16)


class Journal:
    """The room in an open data file. Its methods are the writer's thread's."""

    def __init__(self, data: Path, mark: bytes) -> None:
        """``mark`` is what the room begins with. Raises ``StoreDamaged``, ``OSError``."""
        self._descriptor = os.open(data, os.O_RDWR | os.O_CLOEXEC)
        self._directory = data.parent
        self._touched = -1
        """Where something of the commit under way was written, all of it or not."""
        self._is_noted = False
        try:
            self._start = _find(self._descriptor, data, mark)
        except BaseException:
            os.close(self._descriptor)
            raise

    def note(self, base: int, record: bytes) -> None:
        """Put down the record of what follows LMDB's transaction ``base``, if there is room for it."""
        if len(record) > PLACE_BYTES:
            return
        self._touched = self._place(base)
        try:
            self._is_noted = os.pwrite(self._descriptor, record, self._touched) == len(record)
        except OSError as error:  # some file systems write nothing in place
            if not is_full(error, self._directory):
                raise

    def take_noted(self) -> bool:
        """Whether the commit that has just ended was noted."""
        is_noted = self._is_noted
        self._touched, self._is_noted = -1, False
        return is_noted

    def withdraw(self) -> None:
        """Take back what was noted of a commit that failed, for good."""
        place = self._touched
        self._touched, self._is_noted = -1, False
        if place >= 0:
            os.pwrite(self._descriptor, _NOTHING, place)
            os.fdatasync(self._descriptor)

    def close(self) -> None:
        """Close the file."""
        os.close(self._descriptor)

    def _place(self, base: int) -> int:
        return self._start + base % 2 * PLACE_BYTES


def _find(descriptor: int, data: Path, mark: bytes) -> int:
    """Where the first place is in the file."""
    with mmap.mmap(descriptor, 0, prot=mmap.PROT_READ) as content:
        at = content.find(mark)
    if at < 0:
        raise StoreDamaged(f"{data} has lost its journal")
    return at + _MARK_BYTES


def make_room(environment: "Environment", txn: "Transaction") -> None:
    """Make the row, if it is not there."""
    if txn.get(layout.JOURNAL_ROW, db=environment.meta) is None:
        room = os.urandom(_MARK_BYTES) + bytes(2 * PLACE_BYTES)
        txn.put(layout.JOURNAL_ROW, room, db=environment.meta)


def lost_commit(environment: "Tables") -> Rows | None:
    """The commit that follows the newest one in the file, if it was noted whole."""
    with environment.lmdb.begin(buffers=True) as txn:
        room = txn.get(layout.JOURNAL_ROW, db=environment.meta)
        if room is None:
            return None
        base = txn.id()
        start = _MARK_BYTES + base % 2 * PLACE_BYTES
        place = room[start : start + PLACE_BYTES]
        rows = layout.parse_record(place) if layout.record_base(place) == base else None
        newest = bytes(txn.get(layout.REVISION_ROW, db=environment.meta))
    if rows is None or rows.log[0][0] != layout.as_number(layout.parse_number(newest[:8]) + 1):
        return None
    return rows


def recover(environment: "Environment") -> None:
    """Write again what was acknowledged and is missing, and see to it that it never will be again."""
    while (rows := lost_commit(environment)) is not None:
        with environment.lmdb.begin(write=True) as txn:
            write_rows(environment, txn, rows)
    if environment.durable:
        environment.lmdb.sync(True)


def open_journal(environment: "Environment", data: Path) -> Journal:
    """The journal of a store that has the row."""
    return Journal(data, _mark_of(environment) or b"")


def clear_copied(environment: "Tables", descriptor: int, copy: Path) -> None:
    """Empty the journal in a copy of the data file."""
    mark = _mark_of(environment)
    if mark is not None:
        os.pwrite(descriptor, bytes(2 * PLACE_BYTES), _find(descriptor, copy, mark))


def _mark_of(environment: "Tables") -> bytes | None:
    with environment.lmdb.begin() as txn:
        room = txn.get(layout.JOURNAL_ROW, db=environment.meta)
        return None if room is None else bytes(room[:_MARK_BYTES])
