"""What a group of transactions changes in the tables: decided first, then written in a few calls.

All keys a group mentions are read beforehand, so each transaction is either refused whole, by its conditions,
or cannot fail any more. Later ones in the group see what earlier ones did.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from . import layout
from .errors import CompareFailed, KeyExists, KeyMissing, RevisionMismatch, StoreError
from .layout import Change, Rows, Touched
from .types import Compare, Delete, Event, KeyValue, Put, Txn
from .versions import Versions

if TYPE_CHECKING:
    from .environment import Environment, Transaction


class Commit(NamedTuple):
    """One revision and all it changed, for the watchers."""

    revision: int
    events: Sequence[Event]


class Batch:
    """Rows to write after ``apply`` was called for each transaction of a group, in order."""

    def __init__(
        self, revision: int, present: dict[bytes, bytes | None], versions: Versions, now_ms: int = 0
    ) -> None:
        """``present`` has the raw version, or None, of every key that is mentioned; it is taken over.

        ``now_ms`` is the moment from which leases count.
        """
        self.revision = revision
        self.commits: list[Commit] = []
        self.changed: set[bytes] = set()
        """Keys whose row in ``now`` differs from what was found; ``present`` has their new content."""
        self.past: list[tuple[bytes, bytes]] = []
        self.log: list[tuple[bytes, bytes]] = []
        self.leases: list[tuple[bytes, bytes]] = []
        self.present = present
        self._versions = versions
        self._now_ms = now_ms

    def apply(self, txn: Txn) -> int:
        """Add one transaction; its revision, or the current one when it changes nothing.

        Raises ``KeyExists``, ``KeyMissing``, ``RevisionMismatch``, ``CannotEncrypt``, ``CannotDecrypt``; then
        nothing was added.
        """
        for compare in txn.compares:
            self._check(compare)
        revision = self.revision + 1
        steps = [step for write in txn.writes if (step := self._step(revision, write)) is not None]
        if not steps:
            return self.revision
        for event, raw in steps:  # nothing can fail from here on
            key, previous = event.key, self.present[event.key]
            self.present[key] = raw
            self.changed.add(key)
            if previous is not None:
                self.past.append((layout.past_row(key, revision), previous))
        for write in txn.writes:
            if type(write) is Put and write.lease_seconds:
                expires_ms = self._now_ms + int(write.lease_seconds * 1000)
                row = layout.lease_row(expires_ms, write.key)
                self.leases.append((row, layout.sealed(row, layout.as_number(revision))))
        events = [event for event, _ in steps]
        self.revision = revision
        log_row = layout.as_log_row(revision, [touched(event) for event in events])
        self.log.append((layout.as_number(revision), log_row))
        self.commits.append(Commit(revision, events))
        return revision

    def _check(self, compare: Compare) -> None:
        raw = self.present[compare.key]
        found = 0 if raw is None else layout.version_revision(raw)
        if found != compare.revision:
            failure: type[CompareFailed] = RevisionMismatch
            if compare.revision == 0:
                failure = KeyExists
            elif raw is None:
                failure = KeyMissing
            raise failure(compare.key, compare.revision, found)

    def _step(self, revision: int, write: Put | Delete) -> tuple[Event, bytes | None] | None:
        """What a write makes of its key, as event and as row; None when it changes nothing."""
        key = write.key
        before = self.present[key]
        previous = None if before is None else self._versions.glimpsed(key, before)
        if isinstance(write, Delete):
            if write.revision and previous is not None and previous.revision != write.revision:
                raise RevisionMismatch(key, write.revision, previous.revision)
            return None if previous is None else (Event(revision, key, None, previous), None)
        value = write.value
        if write.splice >= 0:
            value = b"%b%d%b" % (value[: write.splice], revision, value[write.splice :])
        created = revision if previous is None else previous.created
        current = KeyValue(key, value, write.header, created, revision)
        return Event(revision, key, current, previous), self._versions.as_row(current)

    def write(self, environment: "Environment", txn: "Transaction") -> bytes:
        """Put the rows into the tables. Returns what belongs into the journal, if anything does."""
        if not self.commits:
            return b""
        now = [(key, self.present[key]) for key in sorted(self.changed)]
        rows = Rows(self.revision, now, self.past, self.log, self.leases)
        write_rows(environment, txn, rows)
        return b"" if environment.journal is None else layout.as_record(txn.id() - 1, rows)


class Written(NamedTuple):
    """A group whose rows lie in a transaction that has yet to be committed.

    ``outcomes`` has the revision, or the refusal, of each of its transactions; ``record`` is for the journal.
    """

    batch: Batch
    outcomes: Sequence[int | StoreError]
    record: bytes


def write_group(environment: "Environment", txn: "Transaction", group: Sequence[Txn], now_ms: int) -> Written:
    """Do a group of transactions, in order, within one of LMDB's."""
    keys = keys_of(group)
    present: dict[bytes, bytes | None] = dict.fromkeys(keys)
    present.update(txn.cursor(environment.now).getmulti(keys))
    revision = environment.number(txn, layout.REVISION_ROW)
    batch = Batch(revision, present, environment.versions, now_ms)
    outcomes: list[int | StoreError] = []
    for each in group:
        try:
            outcomes.append(batch.apply(each))
        except StoreError as error:
            outcomes.append(error)
    return Written(batch, outcomes, batch.write(environment, txn))


def write_rows(environment: "Environment", txn: "Transaction", rows: Rows) -> None:
    """Put what a commit consists of into the tables."""
    environment.reached("nothing written")
    puts = []
    for key, raw in rows.now:
        if raw is not None:
            puts.append((key, raw))
        else:
            txn.delete(key, db=environment.now)
    # Few calls with many rows: each call lets the interpreter go, and must win it back from the loop.
    txn.cursor(environment.now).putmulti(puts)
    environment.reached("present written")
    if rows.past:
        txn.cursor(environment.past).putmulti(rows.past)
    environment.reached("past written")
    txn.cursor(environment.log).putmulti(rows.log, append=True)
    environment.reached("log written")
    if rows.leases:
        txn.cursor(environment.leases).putmulti(rows.leases)
    environment.put_number(txn, layout.REVISION_ROW, rows.revision)
    environment.reached("revision written")


def touched(event: Event) -> Touched:
    """The event as the log has it."""
    if event.current is None:
        return Touched(Change.DELETED, event.key)
    return Touched(Change.CREATED if event.previous is None else Change.REPLACED, event.key)


def keys_of(txns: Sequence[Txn]) -> list[bytes]:
    """Every key these transactions mention, sorted, once."""
    keys = {compare.key for txn in txns for compare in txn.compares}
    keys.update(write.key for txn in txns for write in txn.writes)
    return sorted(keys)


def has_puts(txn: Txn) -> bool:
    """Whether it needs more room than it frees."""
    return any(not isinstance(write, Delete) for write in txn.writes)
