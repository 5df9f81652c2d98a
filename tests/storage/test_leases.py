"""Keys that expire: when, how watchers hear of it, and what keeps them."""

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
from kube_lite_storage import Compare, Delete, Event, Put, Range, Store, Txn
from kube_lite_storage.leases import SWEEP_KEYS

ALL = Range(b"\0", b"\xff")


class Moved:
    """A time of day that stands still until it is moved."""

    def __init__(self) -> None:
        self.seconds = 1_000_000.0

    def __call__(self) -> float:
        return self.seconds


@pytest.fixture
def now() -> Moved:
    return Moved()


@pytest.fixture
async def store(tmp_path: Path, now: Moved) -> AsyncIterator[Store]:
    async with Store.open(tmp_path, durable=False, keep_seconds=None, now=now) as opened:
        yield opened
        assert opened.check() == []


async def until(claim: Callable[[], bool], store: Store) -> None:
    """Wait for it, with other writes meanwhile: each lets the writer look at the clock."""
    async with asyncio.timeout(10):
        while not claim():
            await store.commit(Txn([], [Put(b"other", b"")]))


async def test_a_key_goes_when_its_lease_has_run_out_and_not_before(store: Store, now: Moved) -> None:
    await store.commit(Txn([], [Put(b"a", b"1", lease_seconds=60), Put(b"b", b"2")]))
    now.seconds += 59
    for _ in range(5):
        await store.commit(Txn([], [Put(b"other", b"")]))
    assert store.get(b"a") is not None
    now.seconds += 1.5
    await until(lambda: store.get(b"a") is None, store)
    assert store.get(b"b") is not None
    before = store.get(b"a", at=2)
    assert before is not None
    assert before.value == b"1"


@pytest.mark.parametrize("seconds", [-1.0, 1e300, float("nan")])
async def test_a_lease_of_impossible_length_is_refused_before_it_is_queued(
    store: Store, seconds: float
) -> None:
    with pytest.raises(ValueError, match="lease"):
        await store.commit(Txn([], [Put(b"a", b"", lease_seconds=seconds)]))


async def test_watchers_hear_of_it_as_of_any_deletion(store: Store, now: Moved) -> None:
    await store.commit(Txn([], [Put(b"a", b"last words", lease_seconds=1)]))
    with store.watch(Range.prefix(b"a"), after=2) as watch:
        now.seconds += 2
        async with asyncio.timeout(10):  # the writer looks by itself
            (event,) = await anext(watch)
    assert (event.key, event.current, event.revision) == (b"a", None, 3)
    assert event.previous is not None
    assert event.previous.value == b"last words"


async def test_writing_a_key_again_renews_its_lease_or_ends_it(store: Store, now: Moved) -> None:
    await store.commit(Txn([], [Put(b"renewed", b"", lease_seconds=60), Put(b"kept", b"", lease_seconds=60)]))
    await store.commit(Txn([], [Put(b"gone", b"", lease_seconds=60)]))
    now.seconds += 50
    await store.commit(Txn([], [Put(b"renewed", b"", lease_seconds=60), Put(b"kept", b"")]))
    await store.commit(Txn([], [Delete(b"gone")]))
    await store.commit(Txn([Compare(b"gone", 0)], [Put(b"gone", b"is back")]))
    now.seconds += 20
    await store.commit(Txn([], [Put(b"soon", b"", lease_seconds=1)]))
    now.seconds += 2
    await until(lambda: store.get(b"soon") is None, store)
    assert store.count(ALL) == 4
    now.seconds += 60
    await until(lambda: store.get(b"renewed") is None, store)
    assert [item.key for item in store.list(ALL).items] == [b"gone", b"kept", b"other"]


async def test_what_ran_out_while_the_store_was_closed_goes_when_it_is_opened(
    tmp_path: Path, now: Moved
) -> None:
    async with Store.open(tmp_path, durable=False, now=now) as store:
        await store.commit(Txn([], [Put(b"a", b"", lease_seconds=60), Put(b"b", b"", lease_seconds=600)]))
    now.seconds += 100
    async with Store.open(tmp_path, durable=False, now=now) as store:
        with store.watch(ALL, after=2) as watch:
            async with asyncio.timeout(10):
                (event,) = await anext(watch)
        assert (event.key, event.current) == (b"a", None)
        assert store.get(b"b") is not None
        assert store.check() == []


async def test_many_keys_go_in_batches_each_of_one_revision(store: Store, now: Moved) -> None:
    keys = [b"%05d" % number for number in range(2 * SWEEP_KEYS + 10)]
    await store.commit(Txn([], [Put(key, b"", lease_seconds=60) for key in keys]))
    with store.watch(ALL, after=2) as watch:
        now.seconds += 61
        events: list[Event] = []
        async with asyncio.timeout(10):
            while len(events) < len(keys):
                events += await anext(watch)
    assert {event.key for event in events} == set(keys)
    assert {event.revision for event in events} == {3, 4, 5}


async def test_a_lease_that_was_compacted_away_still_ends(store: Store, now: Moved) -> None:
    await store.commit(Txn([], [Put(b"a", b"", lease_seconds=60)]))
    await store.commit(Txn([], [Put(b"b", b"")]))
    await store.compact(3)
    now.seconds += 61
    await until(lambda: store.get(b"a") is None, store)
