"""Histories of clients that ran at the same time, held against what a single copy could have answered.

Also the classes of errors that etcd has had in its past and that one node can have, each by name.
"""

import asyncio
import itertools
import random
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from kube_lite_storage import (
    Compacted,
    Compare,
    CompareFailed,
    Delete,
    Event,
    KeyValue,
    Put,
    Range,
    Store,
    Txn,
)
from kube_lite_storage.watch import QUEUE_EVENTS

from .linearizability import NEVER, Operation, is_linearizable
from .watch_rules import Given, Watched, broken_rules

ALL = Range(b"\0", b"\xff")


@pytest.mark.parametrize(
    ("history", "is_possible"),
    [
        pytest.param([("put", 0, 1, "a"), ("get", 2, 3, "a")], True, id="a read after a write"),
        pytest.param([("put", 0, 1, "a"), ("get", 2, 3, None)], False, id="a stale read"),
        pytest.param(
            [("put", 0, 9, "a"), ("get", 1, 2, "a"), ("get", 3, 4, "a")], True, id="seen before told"
        ),
        pytest.param(
            [("put", 0, 9, "a"), ("get", 1, 2, "a"), ("get", 3, 4, None)], False, id="seen, then gone"
        ),
        pytest.param([("put", 0, NEVER, "a"), ("get", 5, 6, "a")], True, id="never told, yet done"),
        pytest.param([("put", 0, NEVER, "a"), ("get", 5, 6, None)], True, id="never told, not done"),
        pytest.param(
            [("put", 0, 1, "a"), ("put", 2, NEVER, "b"), ("get", 3, 4, "b"), ("get", 5, 6, "a")],
            False,
            id="a write that was undone",
        ),
        pytest.param(
            [("put", 0, 5, "a"), ("put", 0, 5, "b"), ("get", 6, 7, "a"), ("get", 8, 9, "b")],
            False,
            id="two orders of two writes",
        ),
    ],
)
def test_the_checker_tells_possible_histories_from_impossible_ones(
    history: Sequence[tuple[str, float, float, object]], is_possible: bool
) -> None:
    operations = [
        Operation("k", name, began, ended, value=value, answer=value) for name, began, ended, value in history
    ]
    assert is_linearizable(operations) is is_possible


class Recorder:
    """Clients of one store whose calls and answers are written down under one clock."""

    def __init__(self, store: Store, seed: int) -> None:
        self.store = store
        self.chance = random.Random(seed)
        self.ticks: Iterator[int] = itertools.count()
        self.history: list[Operation] = []
        self.values = itertools.count(1)

    async def client(self, operations: int) -> None:
        for _ in range(operations):
            key = self.chance.choice("xyz")
            await self.chance.choice([self.get, self.put, self.swap, self.swap])(key)
            if self.chance.random() < 0.5:
                await asyncio.sleep(0)

    def read(self, key: str) -> KeyValue | None:
        """In one of the ways there are."""
        name = key.encode()
        if self.chance.random() < 0.5:
            return self.store.get(name)
        return next((item for item in self.store.list(ALL).items if item.key == name), None)

    async def get(self, key: str) -> None:
        began = next(self.ticks)
        found = self.read(key)
        answer = None if found is None else int(found.value)
        self.history.append(Operation(key, "get", began, next(self.ticks), answer=answer))

    async def put(self, key: str) -> None:
        value, began, ended = next(self.values), next(self.ticks), NEVER
        try:
            async with asyncio.timeout(self.chance.choice([0.0005, None])):
                await self.store.commit(Txn([], [Put(key.encode(), b"%d" % value)]))
            ended = next(self.ticks)
        except TimeoutError:
            pass  # it may have been done
        self.history.append(Operation(key, "put", began, ended, value=value))

    async def swap(self, key: str) -> None:
        found = self.store.get(key.encode())
        expected = None if found is None else int(found.value)
        await asyncio.sleep(0)
        is_deletion = self.chance.random() < 0.3
        value = None if is_deletion else next(self.values)
        write = Delete(key.encode()) if value is None else Put(key.encode(), b"%d" % value)
        began = next(self.ticks)
        try:
            await self.store.commit(Txn([Compare(key.encode(), found.revision if found else 0)], [write]))
            answer = True
        except CompareFailed:
            answer = False
        ended = next(self.ticks)
        self.history.append(
            Operation(key, "swap", began, ended, value=value, expected=expected, answer=answer)
        )


@pytest.mark.parametrize("seed", range(8))
async def test_concurrent_clients_see_one_copy_that_changes_at_one_moment(tmp_path: Path, seed: int) -> None:
    async with Store.open(tmp_path, keep_seconds=None) as store:
        recorder = Recorder(store, seed)
        async with asyncio.TaskGroup() as group:
            for _ in range(5):
                group.create_task(recorder.client(30))
        assert store.check() == []
    assert len(recorder.history) == 150
    assert is_linearizable(recorder.history)


class Watcher:
    """Watches a range, in one of several manners, and writes down all it is given."""

    def __init__(self, store: Store, wanted: Range, seed: int) -> None:
        self.store, self.wanted, self.chance = store, wanted, random.Random(seed)
        self.began = store.revision
        self.given: list[Given] = []
        self.joints: list[int] = []

    @property
    def record(self) -> Watched:
        return Watched(self.wanted, self.began, self.given, self.joints)

    async def run(self, until: asyncio.Event) -> None:
        """Watch to the end of everything, begun again now and then where it was."""
        reached = self.began
        while not (until.is_set() and reached >= self.store.revision):
            self.joints.append(len(self.given))
            with self.store.watch(self.wanted, after=reached) as watch:
                for _ in range(self.chance.randrange(1, 30)):
                    for _ in range(self.chance.choice([0, 0, 0, 50])):  # a slow reader
                        await asyncio.sleep(0)
                    before = watch.progress
                    try:
                        async with asyncio.timeout(0.05):
                            events = await anext(watch)
                    except TimeoutError:
                        reached = watch.progress
                        break
                    reached = watch.progress
                    self.given.append(Given(before, events, reached))


@pytest.mark.parametrize("seed", range(3))
async def test_watchers_of_all_manners_are_given_what_happened_and_nothing_else(
    store: Store, seed: int
) -> None:
    chance, is_over = random.Random(seed), asyncio.Event()

    async def write(name: bytes) -> None:
        for number in range(60):
            keys = [b"%c/%b" % (letter, name) for letter in chance.sample(b"abc", chance.randrange(1, 4))]
            await store.commit(
                Txn([], [Delete(key) if chance.random() < 0.2 else Put(key, b"%d" % number) for key in keys])
            )

    ranges = [ALL, Range.prefix(b"a/"), Range(b"a/3", b"b/5"), Range.prefix(b"nothing")]
    watchers = [Watcher(store, wanted, place) for place, wanted in enumerate(ranges * 3)]
    async with asyncio.TaskGroup() as watching:
        for watcher in watchers:
            watching.create_task(watcher.run(is_over))
        async with asyncio.TaskGroup() as writing:
            for number in range(8):
                writing.create_task(write(b"%d" % number))
        is_over.set()
    history = await everything(store, after=1)
    assert len(history) > 400
    for watcher in watchers:
        assert broken_rules(watcher.record, history) == []
    assert sum(len(watcher.joints) for watcher in watchers) > len(watchers), "some were begun again"


def test_the_rules_see_each_kind_of_wrong_watch() -> None:
    def event(revision: int, key: bytes = b"a") -> Event:
        return Event(revision, key, None, None)

    history = [event(2), event(3), event(3, b"b"), event(4)]

    def rules(*given: tuple[int, list[Event], int], wanted: Range = ALL) -> str:
        return "; ".join(broken_rules(Watched(wanted, 1, [Given(*each) for each in given]), history))

    assert rules((1, history, 4)) == ""
    assert "not ordered" in rules((1, [event(3), event(2)], 3))
    assert "not unique" in rules((1, [event(2)], 2), (2, [event(2)], 2))
    assert "in two parts" in rules((1, [event(2), event(3)], 3), (3, [event(3, b"b"), event(4)], 4))
    assert "not complete" in rules((1, [event(2)], 2), (2, [event(4)], 4))
    assert "not bookmarkable" in rules((2, [event(2)], 2))
    assert "not filtered" in rules((1, history, 4), wanted=Range(b"a", b"b"))
    assert "never happened" in rules((1, [event(2), event(2, b"z")], 2))


async def everything(store: Store, *, after: int) -> list[Event]:
    """All that happened, as a late watcher reads it."""
    events: list[Event] = []
    with store.watch(ALL, after=after) as watch:
        async with asyncio.timeout(20):
            while watch.progress < store.revision:
                events += await anext(watch)
    return events


# Errors that etcd has had: each was found by its robustness tests or by users.


async def test_acknowledged_write_lost_on_crash(tmp_path: Path) -> None:
    """An answer before the commit was on the disk (etcd 3.5.0 to 3.5.2, issue 13766)."""
    order: list[str] = []
    async with Store.open(tmp_path, keep_seconds=None) as store:
        store._environment.reached = order.append
        for number in range(3):
            await store.commit(Txn([], [Put(b"a", b"%d" % number)]))
            order.append("told")
    assert [step for step in order if step in ("committed", "told")] == ["committed", "told"] * 3


async def test_watch_event_lost_under_starvation(store: Store) -> None:
    """A watcher that fell behind and caught up again skipped what came in between (etcd issue 17529)."""
    with store.watch(ALL, after=1) as watch:
        await store.commit(Txn([], [Put(b"first", b"")]))
        events = list(await anext(watch))
        for _ in range(3):  # each time more than it can queue, while it is not allowed to run
            async with asyncio.TaskGroup() as group:
                for number in range(QUEUE_EVENTS + 50):
                    group.create_task(store.commit(Txn([], [Put(b"%d" % (number % 7), b"")])))
            events += await anext(watch)
        async with asyncio.timeout(20):
            while watch.progress < store.revision:
                events += await anext(watch)
    assert [event.revision for event in events] == list(range(2, store.revision + 1))


async def test_event_dropped_when_compacting_on_delete(store: Store) -> None:
    """Compacting at a deletion made watchers from there miss it, or the key come back (etcd issue 18089)."""
    await store.commit(Txn([], [Put(b"a", b"1")]))
    await store.commit(Txn([], [Delete(b"a")]))
    await store.commit(Txn([], [Put(b"b", b"")]))
    await store.compact(3)
    with store.watch(ALL, after=2) as watch:
        events = await anext(watch)
    assert [(event.key, event.current is None) for event in events] == [(b"a", True), (b"b", False)]
    assert store.get(b"a") is store.get(b"a", at=3) is None


async def test_missing_delete_at_the_compaction_revision(store: Store) -> None:
    """Both the deletion and what came later stay, whether the watcher began before or after compacting."""
    await store.commit(Txn([], [Put(b"a", b"1")]))
    with store.watch(ALL, after=2) as early:
        await store.commit(Txn([], [Delete(b"a")]))
        await store.compact(3)
        with store.watch(ALL, after=2) as late:
            assert list(await anext(late)) == list(await anext(early))
    with pytest.raises(Compacted), store.watch(ALL, after=1):
        pass


async def test_progress_mark_ahead_of_events(store: Store) -> None:
    """A bookmark told a revision whose events came after it (etcd issue 15220)."""
    with store.watch(Range.prefix(b"a/"), after=1) as watch:
        for number in range(200):
            waiting = [store.commit(Txn([], [Put(b"%c/%d" % (letter, number), b"")])) for letter in b"ab"]
            async with asyncio.TaskGroup() as group:
                tasks = [group.create_task(each) for each in waiting]
            promised = watch.progress
            assert promised < tasks[0].result(), "the event of a/ lies in the queue"
            (event,) = await anext(watch)
            assert event.revision > promised
            assert watch.progress >= event.revision


async def test_revision_goes_back_after_a_restart(tmp_path: Path) -> None:
    """A server that restarted gave out a revision for the second time."""
    newest = 1
    for _ in range(5):
        async with Store.open(tmp_path, keep_seconds=None) as store:
            assert store.revision == newest
            newest = await store.commit(Txn([], [Put(b"a", b"")]))
            await store.compact(newest)


async def test_stale_read_after_an_acknowledged_write(store: Store) -> None:
    """A read that began after a write was acknowledged did not see it."""
    for number in range(200):
        revision = await store.commit(Txn([], [Put(b"a", b"%d" % number)]))
        found = store.get(b"a")
        assert found is not None
        assert (found.value, found.revision, store.revision) == (b"%d" % number, revision, revision)
