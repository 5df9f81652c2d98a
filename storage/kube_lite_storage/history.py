"""Events after a revision, read back from the log table in stretches short enough for the event loop."""

from collections.abc import Sequence
from typing import NamedTuple

from . import layout
from .environment import Tables, Transaction
from .errors import Compacted, FutureRevision, StoreDamaged
from .layout import Change
from .reader import bounds_of, sound_version, version_at
from .types import Event, KeyValue, Range

STRETCH_EVENTS = 500
STRETCH_REVISIONS = 2000
"""A stretch ends at whichever comes first; either is one to three milliseconds' work."""


class Stretch(NamedTuple):
    """Events of whole revisions, up to and including ``reached``; ``is_end`` when that was the newest."""

    events: Sequence[Event]
    reached: int
    is_end: bool


class History:
    """The log as events. Used from the thread that reads."""

    def __init__(self, environment: Tables) -> None:
        self._environment = environment
        # The stretch read last, and what it answers: many watchers of one range often begin at one place.
        self._last: tuple[tuple[Range, int, int], Stretch] | None = None

    def check_start(self, after: int) -> None:
        """Raise what a watch after this revision would: ``Compacted`` or ``FutureRevision``."""
        with self._environment.lmdb.begin() as txn:
            self._newest(txn, after)

    def read(self, wanted: Range, after: int) -> Stretch:
        """The next stretch after a revision. Raises ``Compacted``, ``FutureRevision``."""
        with self._environment.lmdb.begin() as txn:
            question = (wanted, after, self._newest(txn, after))
            if self._last is None or self._last[0] != question:
                self._last = question, self._read(txn, *question)
            return self._last[1]

    def _read(self, txn: Transaction, wanted: Range, after: int, newest: int) -> Stretch:
        events: list[Event] = []
        reached, start, end = after, wanted.start, wanted.end
        cursor = txn.cursor(self._environment.log)
        found = cursor.set_range(layout.as_number(after + 1))
        for _ in range(STRETCH_REVISIONS):
            if not found:
                return Stretch(events, newest, True)
            reached = layout.parse_number(cursor.key())
            if not layout.is_sound(cursor.key(), cursor.value()):
                raise StoreDamaged(f"revision {reached} of the log does not match its checksum")
            for change, key in layout.parse_log_row(cursor.value()):
                if start <= key < end:
                    events.append(self._event(txn, reached, change, key))
            if len(events) >= STRETCH_EVENTS:
                break
            found = cursor.next()
        return Stretch(events, reached, reached == newest)

    def _newest(self, txn: Transaction, after: int) -> int:
        compacted, revision = bounds_of(self._environment, txn)
        if after > revision:
            raise FutureRevision(after, revision)
        # One below compacted will do: a watch needs the events that follow, not that revision itself.
        if after + 1 < compacted:
            raise Compacted(after, compacted)
        return revision

    def _event(self, txn: Transaction, revision: int, change: Change, key: bytes) -> Event:
        previous = current = None
        if change is not Change.CREATED:
            ended = txn.get(layout.past_row(key, revision), db=self._environment.past)
            previous = self._opened(ended, revision, key)
        if change is not Change.DELETED:
            current = self._opened(version_at(self._environment, txn, key, revision), revision, key)
        return Event(revision, key, current, previous)

    def _opened(self, raw: bytes | None, revision: int, key: bytes) -> KeyValue:
        if raw is None:
            raise StoreDamaged(f"revision {revision} touched {key!r}, but the version it names is missing")
        return self._environment.versions.opened(sound_version(key, raw))
