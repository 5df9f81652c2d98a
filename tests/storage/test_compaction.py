"""What compaction keeps and what it forgets."""

import asyncio
import itertools
from collections import deque
from pathlib import Path

import pytest
from kube_lite_storage import Delete, FutureRevision, Put, Range, Store, Txn, environment, layout
from kube_lite_storage.compaction import (
    BATCH_KEYS,
    BATCH_REVISIONS,
    Sample,
    forget_batch,
    plan_by_size,
    plan_compaction,
)

ALL = Range(b"\0", b"\xff")


async def with_example(store: Store) -> None:
    """``a`` written at 2 and 4 and deleted at 6, ``b`` in between."""
    for write in (
        Put(b"a", b"1"),
        Put(b"b", b""),
        Put(b"a", b"22"),
        Put(b"b", b""),
        Delete(b"a"),
        Put(b"b", b""),
    ):
        await store.commit(Txn([], [write]))


@pytest.mark.parametrize(
    ("compacted", "shown", "heard"),
    [
        pytest.param(3, [b"1", b"22", b"22", None, None], [4, 6], id="what revision 3 shows is kept"),
        pytest.param(4, [b"22", b"22", None, None], [4, 6], id="a version replaced before is not"),
        pytest.param(6, [None, None], [6], id="a watch from 6 still hears of the deletion"),
        pytest.param(7, [None], [], id="nothing of a is left"),
    ],
)
async def test_compaction_keeps_what_can_still_be_asked_for(
    store: Store, compacted: int, shown: list[bytes | None], heard: list[int]
) -> None:
    await with_example(store)
    await store.compact(compacted)
    assert store.compacted == compacted
    found = [store.get(b"a", at=at) for at in range(compacted, 8)]
    assert [version and version.value for version in found] == shown
    with store.watch(ALL, after=compacted - 1) as watch:
        events = await anext(watch)
    assert [event.revision for event in events if event.key == b"a"] == heard


async def test_it_answers_how_much_it_forgot_and_the_second_time_nothing(store: Store) -> None:
    await with_example(store)
    assert await store.compact(7) == 3
    assert await store.compact(7) == 0
    assert await store.compact(3) == 0
    assert store.compacted == 7


async def test_the_future_cannot_be_compacted(store: Store) -> None:
    with pytest.raises(FutureRevision):
        await store.compact(2)


async def test_writers_are_served_between_the_batches_of_a_long_compaction(store: Store) -> None:
    await write_many(store, 10 * BATCH_REVISIONS)
    compaction = asyncio.ensure_future(store.compact(store.revision))
    served = 0
    while not compaction.done():
        await store.commit(Txn([], [Put(b"other", b"")]))
        served += 1
    assert served > 1
    assert await compaction > 0


async def test_a_compaction_that_died_half_way_is_finished_when_the_store_is_opened(tmp_path: Path) -> None:
    async with Store.open(tmp_path, durable=False, keep_seconds=None) as store:
        await write_many(store, 3 * BATCH_REVISIONS)
        newest = store.revision
    opened = environment.Environment(tmp_path, durable=False)
    with opened.lmdb.begin(write=True) as txn:
        opened.put_number(txn, layout.COMPACTED_ROW, newest)
        assert forget_batch(opened, txn).more
    opened.close()
    async with Store.open(tmp_path, durable=False, keep_seconds=None) as store:
        assert store.check() == []
        await store.compact(newest)
        assert store.check() == []
    opened = environment.Environment(tmp_path, durable=False)
    with opened.lmdb.begin() as txn:
        assert opened.number(txn, layout.FORGOTTEN_ROW) == newest
        assert txn.stat(opened.past)["entries"] == txn.stat(opened.log)["entries"] == 1
    opened.close()


async def test_old_versions_go_by_themselves(tmp_path: Path) -> None:
    async with (
        Store.open(tmp_path, durable=False, keep_seconds=0.05) as store,
        asyncio.timeout(10),
    ):
        while store.compacted < 10:
            await store.commit(Txn([], [Put(b"a", b"")]))
        assert store.check() == []


async def test_much_history_goes_by_itself_before_its_time(tmp_path: Path) -> None:
    moments = itertools.count(step=100.0)  # each look finds that it is time for the next
    async with (
        Store.open(
            tmp_path,
            durable=False,
            keep_seconds=1e9,
            keep_bytes=1 << 20,
            monotonic=lambda: next(moments),
        ) as store,
        asyncio.timeout(10),
    ):
        while store.compacted == 0:
            await store.commit(Txn([], [Put(b"a", b"x" * 20_000)]))
        assert store.revision > 40
        assert store.compacted <= store.revision
        assert store.check() == []


async def test_a_batch_ends_early_when_revisions_are_wide(store: Store) -> None:
    wide = [Put(b"%03d" % number, b"") for number in range(BATCH_KEYS)]
    for _ in range(5):
        await store.commit(Txn([], wide))
    environment, newest = store._environment, store.revision
    left: list[int] = []

    def forget() -> None:
        with environment.writing() as txn:
            environment.put_number(txn, layout.COMPACTED_ROW, newest)
            assert forget_batch(environment, txn).more
            left.append(txn.stat(environment.log)["entries"])

    await store._writer.call(forget)
    assert left == [4]
    await store.compact(store.revision)


def test_the_plan_by_size_lets_the_older_half_go() -> None:
    assert plan_by_size(100, 100, compacted=10, revision=50) == 0
    assert plan_by_size(101, 100, compacted=10, revision=50) == 30


def test_the_plan_keeps_what_is_young() -> None:
    samples = deque([Sample(0, 5), Sample(10, 8), Sample(20, 9)])
    assert plan_compaction(samples, now=29, keep_seconds=30) == 0
    assert plan_compaction(samples, now=45, keep_seconds=30) == 8
    assert plan_compaction(samples, now=46, keep_seconds=30) == 0
    assert plan_compaction(samples, now=60, keep_seconds=30) == 9


async def write_many(store: Store, count: int) -> None:
    async with asyncio.TaskGroup() as group:
        for number in range(count):
            group.create_task(store.commit(Txn([], [Put(b"a", b"%d" % number)])))
