"""Reading and writing through the store's public face."""

import asyncio
import time
from pathlib import Path

import pytest
from kube_lite_storage import (
    Compacted,
    Compare,
    CompareFailed,
    Delete,
    FutureRevision,
    KeyExists,
    KeyMissing,
    KeyTooLong,
    KeyValue,
    Put,
    Range,
    RevisionMismatch,
    Store,
    StoreClosed,
    Txn,
    headers,
)

ALL = Range(b"\0", b"\xff")


async def put(store: Store, key: bytes, value: bytes = b"value") -> int:
    return await store.commit(Txn([], [Put(key, value)]))


async def delete(store: Store, key: bytes) -> int:
    return await store.commit(Txn([], [Delete(key)]))


async def test_an_empty_store_is_at_revision_1_and_its_first_write_makes_2(store: Store) -> None:
    assert (store.revision, store.compacted) == (1, 0)
    assert await put(store, b"a") == 2
    assert store.revision == 2


async def test_a_key_remembers_when_it_came_into_being_until_it_is_deleted(store: Store) -> None:
    await put(store, b"a", b"one")
    await put(store, b"a", b"two")
    assert store.get(b"a") == KeyValue(b"a", b"two", b"", created=2, revision=3)
    await delete(store, b"a")
    await put(store, b"a", b"three")
    assert store.get(b"a") == KeyValue(b"a", b"three", b"", created=5, revision=5)


async def test_the_header_comes_back_beside_the_value(store: Store) -> None:
    await store.commit(Txn([], [Put(b"a", b"value", b"header")]))
    found = store.get(b"a")
    assert found is not None
    assert (found.header, found.value) == (b"header", b"value")


async def test_the_revision_is_spliced_into_the_value(store: Store) -> None:
    revision = await store.commit(Txn([], [Put(b"a", b'{"v":""}', splice=6)]))
    found = store.get(b"a")
    assert found is not None
    assert found.value == b'{"v":"%d"}' % revision


@pytest.mark.parametrize(
    ("compare", "failure"),
    [
        pytest.param(Compare(b"here", 0), KeyExists, id="should be new but is there"),
        pytest.param(Compare(b"gone", 2), KeyMissing, id="should be there but is not"),
        pytest.param(Compare(b"here", 9), RevisionMismatch, id="is there at another revision"),
    ],
)
async def test_a_condition_that_does_not_hold_stops_the_whole_transaction(
    store: Store, compare: Compare, failure: type[CompareFailed]
) -> None:
    await put(store, b"here")
    with pytest.raises(failure):
        await store.commit(Txn([Compare(b"here", 2), compare], [Put(b"other", b""), Delete(b"here")]))
    assert store.revision == 2
    assert [item.key for item in store.list(ALL).items] == [b"here"]


async def test_all_writes_of_a_transaction_share_one_revision(store: Store) -> None:
    await put(store, b"a")
    revision = await store.commit(Txn([Compare(b"a", 2)], [Put(b"b", b""), Put(b"c", b""), Delete(b"a")]))
    assert [(item.key, item.revision) for item in store.list(ALL).items] == [(b"b", 3), (b"c", 3)]
    assert revision == store.revision == 3


async def test_deleting_what_is_not_there_makes_no_revision(store: Store) -> None:
    await put(store, b"a")
    assert await delete(store, b"b") == 2
    assert store.revision == 2


async def test_a_deletion_of_one_version_may_be_asked_for_twice(store: Store) -> None:
    await put(store, b"a")
    revision = await put(store, b"a")
    with pytest.raises(RevisionMismatch):
        await store.commit(Txn([], [Put(b"b", b""), Delete(b"a", revision - 1)]))
    assert store.revision == revision
    assert await store.commit(Txn([], [Delete(b"a", revision)])) == revision + 1
    assert await store.commit(Txn([], [Delete(b"a", revision)])) == revision + 1
    await put(store, b"a", b"another one")
    with pytest.raises(RevisionMismatch):
        await store.commit(Txn([], [Delete(b"a", revision)]))


async def test_a_transaction_that_names_a_key_twice_is_refused(store: Store) -> None:
    with pytest.raises(ValueError, match="once"):
        await store.commit(Txn([], [Put(b"a", b""), Delete(b"a")]))


@pytest.mark.parametrize("key", [b"", b"x" * 502, b"\0" * 300], ids=["empty", "long", "long when escaped"])
async def test_a_key_that_cannot_be_stored_is_refused_before_it_is_queued(store: Store, key: bytes) -> None:
    with pytest.raises(KeyTooLong):
        await put(store, key)


async def test_the_longest_key_survives_being_replaced_and_deleted(store: Store) -> None:
    key = b"x" * 501
    await put(store, key, b"old")
    await put(store, key, b"new")
    await delete(store, key)
    before = store.get(key, at=2)
    assert before is not None
    assert before.value == b"old"


@pytest.fixture(params=[headers.LOOK_BACK_REVISIONS, 0], ids=["by the log", "by the past"])
def both_ways(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """What an older revision shows is found in two ways: a recent one by what has changed since."""
    monkeypatch.setattr(headers, "LOOK_BACK_REVISIONS", request.param)


@pytest.mark.usefixtures("both_ways")
async def test_every_revision_can_be_read_as_it_was(store: Store) -> None:
    await put(store, b"a", b"1")
    await put(store, b"b", b"1")
    await put(store, b"a", b"2")
    await delete(store, b"b")

    def seen(at: int) -> dict[bytes, bytes]:
        page = store.list(ALL, at=at)
        assert page.revision == at
        assert store.count(ALL, at=at) == len(page.items)
        for item in page.items:
            assert store.get(item.key, at=at) == item
        return {item.key: item.value for item in page.items}

    assert seen(1) == {}
    assert seen(2) == {b"a": b"1"}
    assert seen(3) == {b"a": b"1", b"b": b"1"}
    assert seen(4) == {b"a": b"2", b"b": b"1"}
    assert seen(5) == {b"a": b"2"}


@pytest.mark.usefixtures("both_ways")
async def test_keys_or_headers_alone_can_be_read_at_any_revision(store: Store) -> None:
    await store.commit(Txn([], [Put(b"a", b"value", b"header"), Put(b"b", b"value"), Put(b"c", b"value")]))
    await put(store, b"a", b"newer")
    await delete(store, b"c")
    headers = store.list(ALL, at=2, parts="headers", limit=2)
    assert headers.more
    assert headers.items == [KeyValue(b"a", b"", b"header", 2, 2), KeyValue(b"b", b"", b"", 2, 2)]
    assert store.list(ALL, parts="keys").items == [
        KeyValue(b"a", b"", b"", 2, 3),
        KeyValue(b"b", b"", b"", 2, 2),
    ]
    assert all(type(item.key) is bytes for item in store.list(ALL, at=2, parts="keys").items)


async def test_counting_stops_at_the_end_of_the_range_even_where_it_is_no_key(store: Store) -> None:
    for key in (b"a", b"b/1", b"b/2", b"c"):
        await put(store, key)
    for start, end, count in (
        (b"a", b"c", 3),
        (b"b", b"b0", 2),
        (b"b", b"z", 3),
        (b"x", b"z", 0),
        (b"c", b"a", 0),
    ):
        wanted = Range(start, end)
        assert store.count(wanted) == len(store.list(wanted).items) == count


async def test_keys_with_zero_bytes_keep_their_order_and_their_past(store: Store) -> None:
    keys = [b"a", b"a\0", b"a\0\0", b"a\0b", b"a\0\xff", b"ab"]
    for key in keys:
        await put(store, key, b"old")
    then = store.revision
    for key in keys:
        await put(store, key, b"new")
    assert [item.key for item in store.list(ALL).items] == keys
    assert [(item.key, item.value) for item in store.list(ALL, at=then).items] == [(k, b"old") for k in keys]


async def test_pages_of_one_revision_join_to_the_whole_while_others_write(store: Store) -> None:
    for number in range(10):
        await put(store, b"/k/%d" % number, b"old")
    page = store.list(Range.prefix(b"/k/"), limit=4)
    read, at = list(page.items), page.revision
    while page.more:
        await delete(store, read[-1].key)
        await put(store, b"/k/9", b"new")
        await put(store, b"/k/%da" % len(read), b"new")
        page = store.list(Range(read[-1].key + b"\0", b"/k0"), at=at, limit=4)
        read += page.items
    assert [(item.key, item.value) for item in read] == [(b"/k/%d" % n, b"old") for n in range(10)]


async def test_a_limit_that_is_just_met_leaves_no_more(store: Store) -> None:
    await put(store, b"a")
    await put(store, b"b")
    assert not store.list(ALL, limit=2).more
    assert store.list(ALL, limit=1).more


async def test_a_revision_that_has_not_happened_cannot_be_read(store: Store) -> None:
    for ask in (lambda: store.get(b"a", at=2), lambda: store.list(ALL, at=2), lambda: store.count(ALL, at=2)):
        with pytest.raises(FutureRevision):
            ask()


async def test_a_compacted_revision_cannot_be_read(store: Store) -> None:
    await put(store, b"a")
    await put(store, b"a")
    await store.compact(3)
    with pytest.raises(Compacted) as caught:
        store.get(b"a", at=2)
    assert (caught.value.revision, caught.value.compacted) == (2, 3)


async def test_of_many_writers_racing_for_a_key_one_wins_each_round(store: Store) -> None:
    async def raise_counter() -> int:
        lost = 0
        while True:
            found = store.get(b"counter")
            value, revision = (int(found.value), found.revision) if found else (0, 0)
            txn = Txn([Compare(b"counter", revision)], [Put(b"counter", b"%d" % (value + 1))])
            try:
                await store.commit(txn)
            except (RevisionMismatch, KeyExists):
                lost += 1
            else:
                return lost

    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(raise_counter()) for _ in range(30)]
    found = store.get(b"counter")
    assert found is not None
    assert (found.value, store.revision) == (b"30", 31)
    assert sum(task.result() for task in tasks) > 0


async def test_transactions_of_one_group_get_a_revision_each_in_the_order_they_came(store: Store) -> None:
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(put(store, b"%04d" % number)) for number in range(1000)]
    assert [task.result() for task in tasks] == list(range(2, 1002))


async def test_a_cancelled_commit_leaves_the_others_alone(store: Store) -> None:
    async with asyncio.TaskGroup() as group:
        first, cancelled, last = (group.create_task(put(store, key)) for key in (b"a", b"b", b"c"))
        await asyncio.sleep(0)
        cancelled.cancel()
    assert first.result() < last.result() == store.revision
    assert store.get(b"c") is not None


async def test_what_was_acknowledged_is_there_after_opening_again(tmp_path: Path) -> None:
    async with Store.open(tmp_path, durable=False) as store:
        await put(store, b"a", b"1")
        await put(store, b"a", b"2")
        kept = store.list(ALL)
    async with Store.open(tmp_path, durable=False) as store:
        assert store.list(ALL) == kept
        before = store.get(b"a", at=2)
        assert before is not None
        assert before.value == b"1"
        assert await put(store, b"b") == 4
        assert store.check() == []


async def test_a_closed_store_says_so(tmp_path: Path) -> None:
    async with Store.open(tmp_path, durable=False) as store:
        watch = store.watch(ALL, after=1)
    with pytest.raises(StoreClosed):
        store.get(b"a")
    with pytest.raises(StoreClosed):
        await put(store, b"a")
    with pytest.raises(StoreClosed), watch:
        pass
    with pytest.raises(StoreClosed):
        await store.compact(1)


async def test_commits_queued_when_the_store_closes_are_still_made(tmp_path: Path) -> None:
    async with Store.open(tmp_path, durable=False) as store, asyncio.TaskGroup() as group:
        tasks = [group.create_task(put(store, b"%d" % number)) for number in range(50)]
        await asyncio.sleep(0)
    assert max(task.result() for task in tasks) == 51
    async with Store.open(tmp_path, durable=False) as store:
        assert store.count(ALL) == 50


async def test_a_loop_that_is_never_idle_does_not_starve_the_writer(store: Store) -> None:
    is_over = False

    async def spin() -> None:
        while not is_over:
            until = time.perf_counter() + 0.0003
            while time.perf_counter() < until:
                pass
            await asyncio.sleep(0)

    async with asyncio.timeout(10), asyncio.TaskGroup() as group:
        group.create_task(spin())
        for number in range(100):
            await put(store, b"%d" % number)
        is_over = True
