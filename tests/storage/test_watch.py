"""Watches: from any revision, without gap or repeat, whatever the reader's pace."""

import asyncio
import contextlib
from pathlib import Path

import pytest
from kube_lite_storage import (
    Compacted,
    Delete,
    Event,
    FutureRevision,
    Put,
    Range,
    Store,
    StoreClosed,
    Txn,
    Watch,
)
from kube_lite_storage.history import STRETCH_REVISIONS
from kube_lite_storage.watch import QUEUE_EVENTS

ALL = Range(b"\0", b"\xff")


async def put(store: Store, *keys: bytes, value: bytes = b"") -> int:
    return await store.commit(Txn([], [Put(key, value) for key in keys]))


async def take(watch: Watch, until: int) -> list[Event]:
    """Events until everything up to revision ``until`` has been delivered."""
    events: list[Event] = []
    async with asyncio.timeout(10):
        async for batch in watch:
            assert batch
            events += batch
            if watch.progress >= until:
                break
    return events


async def test_a_watch_tells_what_was_and_what_is(store: Store) -> None:
    await put(store, b"a", value=b"1")
    with store.watch(ALL, after=1) as watch:
        await put(store, b"a", value=b"2")
        await store.commit(Txn([], [Delete(b"a")]))
        events = await take(watch, store.revision)
    told = [
        (
            event.revision,
            event.previous.value if event.previous else None,
            event.current.value if event.current else None,
        )
        for event in events
    ]
    assert told == [(2, None, b"1"), (3, b"1", b"2"), (4, b"2", None)]


async def test_history_and_live_events_are_the_same(store: Store) -> None:
    with store.watch(ALL, after=1) as live:
        reader = asyncio.ensure_future(take(live, 5))
        await put(store, b"a", value=b"1")
        await put(store, b"a", b"b", value=b"2")
        await store.commit(Txn([], [Delete(b"a"), Put(b"b", b"3")]))
        await put(store, b"a", value=b"4")
        told_live = await reader
    with store.watch(ALL, after=1) as late:
        assert await take(late, 5) == told_live
    assert len(told_live) == 6


async def test_a_watch_hears_only_of_its_range(store: Store) -> None:
    with store.watch(Range.prefix(b"/b/"), after=1) as watch:
        await put(store, b"/a/x", b"/b/x", b"/c/x")
        await put(store, b"/a/x")
        await put(store, b"/b/y")
        assert [event.key for event in await take(watch, 4)] == [b"/b/x", b"/b/y"]


@pytest.mark.parametrize("after", [1, 40, 99, 100])
async def test_watches_begun_while_others_write_miss_nothing_and_repeat_nothing(
    store: Store, after: int
) -> None:
    for number in range(100):
        await put(store, b"k", value=b"%d" % number)

    async def write() -> None:
        for number in range(100):
            await put(store, b"k", value=b"%d" % number)

    async with asyncio.TaskGroup() as group:
        group.create_task(write())
        await asyncio.sleep(0)
        with store.watch(ALL, after=after) as watch:
            events = await take(watch, 201)
    assert [event.revision for event in events] == list(range(after + 1, 202))


async def test_a_revision_is_delivered_whole(store: Store) -> None:
    wide = [b"%03d" % number for number in range(700)]
    await put(store, *wide)
    await put(store, *wide)
    with store.watch(ALL, after=1) as watch:
        async with asyncio.timeout(10):
            first = await anext(watch)
            assert ({event.revision for event in first}, len(first)) == ({2}, 700)
            assert watch.progress == 2
            second = await anext(watch)
            assert ({event.revision for event in second}, len(second)) == ({3}, 700)


async def test_a_slow_watcher_goes_back_to_history_and_gets_everything_once(store: Store) -> None:
    with store.watch(ALL, after=1) as watch:
        await put(store, b"first")
        first = await take(watch, 2)
        for _ in range(3 * QUEUE_EVENTS // 500 + 1):
            await put(store, *(b"%03d" % number for number in range(500)))
        assert watch._queue == type(watch._queue)(), "the queue was given up, not kept growing"
        last = store.revision
        events = first + await take(watch, last)
        assert sorted({event.revision for event in events}) == list(range(2, last + 1))
        assert len(events) == 1 + 500 * (last - 2)


async def test_a_quiet_watch_that_is_flooded_later_does_not_need_its_distant_past(store: Store) -> None:
    with store.watch(Range.prefix(b"/b/"), after=1) as watch:
        await put(store, b"/b/x")
        await take(watch, 2)
        waiting = asyncio.ensure_future(anext(watch))
        for _ in range(10):
            await put(store, b"/a/x")
        await store.compact(store.revision)
        await put(store, *(b"/b/%04d" % number for number in range(QUEUE_EVENTS + 1)))
        async with asyncio.timeout(10):
            assert len(await waiting) == QUEUE_EVENTS + 1


async def test_a_watcher_whose_history_is_compacted_is_told(store: Store) -> None:
    with store.watch(ALL, after=1) as watch:
        await take_nothing_yet(store, watch)
        for _ in range(4):
            await put(store, *(b"%03d" % number for number in range(500)))
        await store.compact(store.revision)
        with pytest.raises(Compacted):
            await take(watch, store.revision)


async def take_nothing_yet(store: Store, watch: Watch) -> None:
    """Bring the watch to the present, so that it queues."""
    await put(store, b"begin")
    await take(watch, store.revision)


async def test_a_watch_cannot_begin_before_what_is_kept_nor_after_what_is(store: Store) -> None:
    for _ in range(5):
        await put(store, b"a")
    await store.compact(4)
    with pytest.raises(Compacted), store.watch(ALL, after=2):
        pass
    with pytest.raises(FutureRevision), store.watch(ALL, after=7):
        pass
    with store.watch(ALL, after=3) as watch:
        events = await take(watch, 6)
    assert [event.revision for event in events] == [4, 5, 6]
    assert all(event.previous for event in events)


async def test_a_deletion_at_the_compacted_revision_is_still_told_with_what_was_deleted(store: Store) -> None:
    await put(store, b"a", value=b"last words")
    await store.commit(Txn([], [Delete(b"a")]))
    await store.compact(3)
    with store.watch(ALL, after=2) as watch:
        (event,) = await take(watch, 3)
    assert event.current is None
    assert event.previous is not None
    assert event.previous.value == b"last words"


async def test_progress_moves_on_without_events_for_this_watcher(store: Store) -> None:
    with store.watch(Range.prefix(b"/b/"), after=1) as watch:
        reader = asyncio.ensure_future(anext(watch))
        async with asyncio.timeout(10):
            while await put(store, b"/a/x") and watch.progress < 5:
                await asyncio.sleep(0)
            assert watch.progress == store.revision
            await put(store, b"/b/x")
            (event,) = await reader
        assert event.revision == watch.progress == store.revision


async def test_progress_never_passes_what_lies_in_the_queue(store: Store) -> None:
    with store.watch(ALL, after=1) as watch:
        await take_nothing_yet(store, watch)
        await put(store, b"a")
        await put(store, b"b")
        assert watch.progress == 2
        await anext(watch)
        assert watch.progress == 4


async def test_a_long_stretch_of_others_history_is_passed_over(store: Store) -> None:
    async with asyncio.TaskGroup() as group:
        for _ in range(STRETCH_REVISIONS + 100):
            group.create_task(put(store, b"/a/x"))
    await put(store, b"/b/x")
    with store.watch(Range.prefix(b"/b/"), after=1) as watch:
        assert [event.key for event in await take(watch, store.revision)] == [b"/b/x"]


async def test_closing_the_store_ends_its_watches(tmp_path: Path) -> None:
    async with Store.open(tmp_path, durable=False) as store:
        watch = store.watch(ALL, after=1)
        watch.__enter__()
        reader = asyncio.ensure_future(anext(watch))
        await put(store, b"a")
        await reader
        reader = asyncio.ensure_future(anext(watch))
        await asyncio.sleep(0)
    with pytest.raises(StoreClosed):
        await reader
    watch.__exit__()


async def test_a_thousand_watchers_of_one_range_share_the_writers_and_the_hubs_work(store: Store) -> None:
    watches = [store.watch(ALL, after=1) for _ in range(1000)]
    with contextlib.ExitStack() as stack:
        readers = [asyncio.ensure_future(anext(stack.enter_context(watch))) for watch in watches]
        await asyncio.sleep(0)
        await put(store, b"a")
        told = [await reader for reader in readers]
        await put(store, b"b")
        while watches[0].progress < 2:
            await asyncio.sleep(0)
        told += [await anext(watch) for watch in watches]
    assert len({id(batch[-1]) for batch in told}) <= 3, "they were given the same events, not copies"
    assert store._hub._watchers == {}, "nothing is left of watchers that have gone"
