"""A dict with history that behaves like the store: what it should do, in the fewest words."""

from collections.abc import Sequence

from kube_lite_storage import (
    Compacted,
    CompareFailed,
    Delete,
    Event,
    FutureRevision,
    KeyExists,
    KeyMissing,
    KeyValue,
    Put,
    Range,
    RevisionMismatch,
    Txn,
)


class Model:
    """All snapshots and all events, kept for ever; ``compacted`` only forbids."""

    def __init__(self) -> None:
        self.snapshots: list[dict[bytes, KeyValue]] = [{}, {}]
        self.events: list[Event] = []
        self.compacted = 0
        self.now = 1_000_000
        self.leases: list[tuple[int, bytes, int]] = []
        """When it runs out, of which key, and at which revision."""

    @property
    def revision(self) -> int:
        return len(self.snapshots) - 1

    def commit(self, txn: Txn) -> int:
        for key, expected in txn.compares:
            found = self.snapshots[-1][key].revision if key in self.snapshots[-1] else 0
            if found != expected:
                raise self._failure(key, expected, found)
        for write in txn.writes:
            present = self.snapshots[-1].get(write.key)
            if (
                isinstance(write, Delete)
                and write.revision
                and present
                and present.revision != write.revision
            ):
                raise RevisionMismatch(write.key, write.revision, present.revision)
        after = dict(self.snapshots[-1])
        revision = self.revision + 1
        events = []
        for write in txn.writes:
            previous = after.pop(write.key, None)
            if isinstance(write, Put):
                created = previous.created if previous else revision
                if write.lease_seconds:
                    self.leases.append((self.now + int(write.lease_seconds), write.key, revision))
                after[write.key] = KeyValue(write.key, write.value, write.header, created, revision)
            if previous or isinstance(write, Put):
                events.append(Event(revision, write.key, after.get(write.key), previous))
        if events:
            self.snapshots.append(after)
            self.events += events
        return self.revision

    def expire(self) -> None:
        """Delete every key whose lease has run out and that was not written since."""
        due = sorted(lease for lease in self.leases if lease[0] <= self.now)
        self.leases = [lease for lease in self.leases if lease[0] > self.now]
        newest = {key: revision for _, key, revision in sorted(due, key=lambda lease: lease[2])}
        gone = [
            key
            for key in dict.fromkeys(key for _, key, _ in due)
            if key in self.snapshots[-1] and self.snapshots[-1][key].revision == newest[key]
        ]
        self.commit(Txn([], [Delete(key) for key in gone]))

    @staticmethod
    def _failure(key: bytes, expected: int, found: int) -> CompareFailed:
        if expected == 0:
            return KeyExists(key, expected, found)
        return (RevisionMismatch if found else KeyMissing)(key, expected, found)

    def list(self, wanted: Range, at: int) -> Sequence[KeyValue]:
        if at > self.revision:
            raise FutureRevision(at, self.revision)
        if at < self.compacted:
            raise Compacted(at, self.compacted)
        shown = self.snapshots[at]
        return [shown[key] for key in sorted(shown) if wanted.start <= key < wanted.end]

    def watch(self, wanted: Range, after: int) -> Sequence[Event]:
        if after > self.revision:
            raise FutureRevision(after, self.revision)
        if after + 1 < self.compacted:
            raise Compacted(after, self.compacted)
        return [
            event
            for event in self.events
            if event.revision > after and wanted.start <= event.key < wanted.end
        ]
