"""Keys that go by themselves: an index by time, swept by the writer's thread between two groups.

A put with a lease adds a row to the table ``leases``: when it is due, and which revision of which key it is
about. Nothing ever updates a row. When it falls due and its key is still at that revision, the key is deleted
like any other, with a revision and an event; when the key was written or deleted since, only the row goes.
So renewing a lease is an ordinary put, and a put without one makes the key permanent.

Moments are those of the clock the store was opened with and outlast a restart: what fell due meanwhile goes
at once. A clock that was moved is noticed within ``LOOK_SECONDS``.
"""

from collections.abc import Callable, Sequence
from contextlib import suppress

from . import layout
from .batch import Batch
from .environment import Environment, Transaction
from .errors import CannotDecrypt
from .types import Delete, Txn

SWEEP_KEYS = 256
"""Rows looked at in one transaction, whose deletions share one revision; a millisecond or two of work."""
LOOK_SECONDS = 1.0
"""How long the writer sleeps at most while there is any lease."""


class Leases:
    """Which keys are due, as the writer's thread knows it; the loop asks for nothing but ``now_ms``."""

    def __init__(self, environment: Environment, now: Callable[[], float]) -> None:
        self._environment = environment
        self._now = now
        with environment.lmdb.begin() as txn:
            self._next_ms = self._first_ms(txn)

    def now_ms(self) -> int:
        """The moment that leases are counted from."""
        return int(self._now() * 1000)

    def timeout(self) -> float | None:
        """How long to wait for other work before looking again: seconds, None for ever."""
        if self._next_ms is None:
            return None
        return min(max(self._next_ms - self.now_ms(), 0) / 1000, LOOK_SECONDS)

    def is_due(self) -> bool:
        """Whether ``sweep`` has something to do."""
        return self._next_ms is not None and self._next_ms <= self.now_ms()

    def added(self, batch: Batch) -> None:
        """Take note of a batch that has been committed."""
        if batch.leases:
            soonest = min(layout.parse_number(row[:8]) for row, _ in batch.leases)
            self._next_ms = soonest if self._next_ms is None else min(soonest, self._next_ms)

    def sweep(self) -> Batch:
        """Delete what is due, ``SWEEP_KEYS`` at most, in one transaction of its own."""
        environment = self._environment
        with environment.writing() as txn:
            due = self._take_due(txn)
            present: dict[bytes, bytes | None] = dict.fromkeys(sorted(due))
            present.update(txn.cursor(environment.now).getmulti(list(present)))
            batch = Batch(environment.number(txn, layout.REVISION_ROW), present, environment.versions)
            expired = [
                Delete(key)
                for key, revision in due.items()
                if (raw := present[key]) is not None and layout.version_revision(raw) == revision
            ]
            _delete(batch, expired)
            environment.note(txn, batch.write(environment, txn))
            next_ms = self._first_ms(txn)
        self._next_ms = next_ms
        return batch

    def _take_due(self, txn: Transaction) -> dict[bytes, int]:
        """Remove rows that are due; the newest revision they name of each key, soonest first."""
        due: dict[bytes, int] = {}
        now_ms = self.now_ms()
        cursor = txn.cursor(self._environment.leases)
        cursor.first()
        for _ in range(SWEEP_KEYS):
            if not cursor.key():  # behind the last row
                break
            expires_ms, key = layout.parse_lease_row(cursor.key())
            if expires_ms > now_ms:
                break
            due[key] = max(layout.parse_number(cursor.value()[:8]), due.get(key, 0))
            cursor.delete()
        return due

    def _first_ms(self, txn: Transaction) -> int | None:
        cursor = txn.cursor(self._environment.leases)
        return layout.parse_lease_row(cursor.key())[0] if cursor.first() else None


def _delete(batch: Batch, expired: Sequence[Delete]) -> None:
    """In one revision, or in one each when a value cannot be decrypted: that one stays, without a lease."""
    try:
        batch.apply(Txn((), expired))
    except CannotDecrypt:
        for delete in expired:
            with suppress(CannotDecrypt):
                batch.apply(Txn((), [delete]))
