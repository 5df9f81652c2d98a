"""Walk every table and say in words which invariant is broken; nothing is ever repaired here.

What holds in a sound store, with C the revision up to which it is forgotten and R the newest:

- ``log`` has a row for every revision from max(C, 2) to R, and none beyond;
- a log row that replaced or deleted a key has that key's row in ``past``, one that created it has not;
- every row of ``past`` is named by a log row;
- the versions of a key follow each other: each was written before it ended, and by the revision that ended
  the one before it unless that was a deletion;
- every version, log row, lease and number matches its checksum;
- a lease names a revision that has happened;
- a version in ``now`` is the last thing the log tells of its key, unless that is forgotten.
"""

import struct
from collections.abc import Iterator

import lmdb

from . import layout
from .environment import Tables, Transaction
from .errors import StoreDamaged
from .layout import Change


def broken_invariants(environment: Tables) -> list[str]:
    """Each in words; empty when the store is sound."""
    found: list[str] = []
    with environment.lmdb.begin() as txn:
        try:
            found.extend(_Walk(environment, txn).problems())
        except (StoreDamaged, lmdb.Error, struct.error, ValueError, TypeError) as error:
            # What it stumbled over is no row of ours at all, so there is nothing better to be said.
            found.append(f"the tables cannot be read to their end: {type(error).__name__}: {error}")
    return found


class _Walk:
    def __init__(self, environment: Tables, txn: Transaction) -> None:
        self.environment = environment
        self.txn = txn
        self.revision = environment.number(txn, layout.REVISION_ROW)
        self.compacted = environment.number(txn, layout.COMPACTED_ROW)
        self.forgotten = environment.number(txn, layout.FORGOTTEN_ROW)
        self.named: set[bytes] = set()
        """Rows of ``past`` that the log names."""
        self.last: dict[bytes, tuple[int, Change]] = {}
        """The newest thing the log tells of each key."""

    def problems(self) -> Iterator[str]:
        if not self.forgotten <= self.compacted <= self.revision:
            yield f"forgotten {self.forgotten}, compacted {self.compacted}, newest {self.revision}: no order"
        yield from self._log()
        yield from self._past()
        yield from self._now()
        yield from self._leases()

    def _log(self) -> Iterator[str]:
        expected: int | None = None
        for row, raw in self.txn.cursor(self.environment.log):
            revision = layout.parse_number(row)
            if expected is None:
                expected = revision
                if revision > max(self.compacted, layout.FIRST_REVISION + 1):
                    yield f"the log begins at {revision}, after compacted {self.compacted}"
                if revision < self.forgotten:
                    yield f"the log begins at {revision}, before forgotten {self.forgotten}"
            if revision != expected:
                yield f"the log jumps to {revision} where {expected} was due"
            expected = revision + 1
            if not layout.is_sound(row, raw):
                yield f"revision {revision} of the log does not match its checksum"
                continue
            touched = layout.parse_log_row(raw)
            if not touched:
                yield f"revision {revision} touched nothing"
            for change, key in touched:
                yield from self._touched(revision, change, key)
        newest = layout.FIRST_REVISION if expected is None else expected - 1
        if newest != self.revision and not (expected is None and self.forgotten > self.revision):
            yield f"the log ends at {newest}, the newest revision is {self.revision}"

    def _touched(self, revision: int, change: Change, key: bytes) -> Iterator[str]:
        before = self.last.get(key)
        self.last[key] = (revision, change)
        if before is not None and (change is Change.CREATED) != (before[1] is Change.DELETED):
            yield f"{key!r}: {change.name} at {revision} cannot follow {before[1].name} at {before[0]}"
        row = layout.past_row(key, revision)
        raw = self.txn.get(row, db=self.environment.past)
        if change is Change.CREATED:
            if raw is not None:
                yield f"{key!r}: created at {revision}, yet an older version ended there"
            return
        self.named.add(row)
        if raw is None:
            yield f"{key!r}: {change.name} at {revision}, but what it ended is missing"
            return
        if not layout.is_sound(key, raw):
            yield f"{key!r}: the version that ended at {revision} does not match its checksum"
            return
        version = layout.parse_version(key, raw)
        if not 0 < version.created <= version.revision < revision:
            yield f"{key!r}: version {version.revision} (created {version.created}) ended at {revision}"
        if before is not None and version.revision != before[0]:
            yield f"{key!r}: {revision} ended version {version.revision}, not {before[0]} which came before"

    def _past(self) -> Iterator[str]:
        for row in self.txn.cursor(self.environment.past).iternext(values=False):
            if row not in self.named:
                key, ended = layout.parse_past_row(row)
                yield f"{key!r}: the version that ended at {ended} is named by no log row"

    def _now(self) -> Iterator[str]:
        present = set()
        for key, raw in self.txn.cursor(self.environment.now):
            present.add(key)
            if not layout.is_sound(key, raw):
                yield f"{key!r}: the version that is there now does not match its checksum"
                continue
            version = layout.parse_version(key, raw)
            if not layout.FIRST_REVISION < version.created <= version.revision <= self.revision:
                yield f"{key!r}: created {version.created}, written {version.revision}, now {self.revision}"
            told = self.last.get(key)
            if told is None:
                if version.revision >= max(self.forgotten, self.compacted):
                    yield f"{key!r}: version {version.revision} is not in the log"
            elif told[1] is Change.DELETED or told[0] != version.revision:
                yield f"{key!r}: present at {version.revision}, but the log says {told[1].name} at {told[0]}"
        for key, (revision, change) in self.last.items():
            if change is not Change.DELETED and key not in present:
                yield f"{key!r}: {change.name} at {revision}, but it is not there"

    def _leases(self) -> Iterator[str]:
        for row, raw in self.txn.cursor(self.environment.leases):
            _, key = layout.parse_lease_row(row)
            if not layout.is_sound(row, raw):
                yield f"{key!r}: a lease does not match its checksum"
                continue
            named = layout.parse_number(raw[:8])
            if named > self.revision:
                yield f"{key!r}: a lease names {named}, the newest revision is {self.revision}"
