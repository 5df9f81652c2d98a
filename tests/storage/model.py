"""A dict with history that behaves like the store: what it should do, in the fewest words."""

from collections.abc import Sequence

from kube_lite_storage import (
    Compacted,
    CompareFailed,
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

    @property
    def revision(self) -> int:
        return len(self.snapshots) - 1

    def commit(self, txn: Txn) -> int:
        for key, expected in txn.compares:
            found = self.snapshots[-1][key].revision if key in self.snapshots[-1] else 0
            if found != expected:
                raise self._failure(key, expected, found)
        after = dict(self.snapshots[-1])
        revision = self.revision + 1
        events = []
        for write in txn.writes:
            previous = after.pop(write.key, None)
            if isinstance(write, Put):
                created = previous.created if previous else revision
                after[write.key] = KeyValue(write.key, write.value, write.header, created, revision)
            if previous or isinstance(write, Put):
                events.append(Event(revision, write.key, after.get(write.key), previous))
        if events:
            self.snapshots.append(after)
            self.events += events
        return self.revision

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
