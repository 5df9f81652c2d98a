import asyncio

from kube_lite.kit.backoff import Backoff
from kube_lite.kit.clock import ManualClock
from kube_lite.kit.workqueue import WorkQueue


def queue_of(clock: ManualClock, *, initial: float = 1.0) -> WorkQueue[str]:
    return WorkQueue(clock, Backoff(initial, 60.0))


async def test_a_key_that_is_added_twice_waits_once() -> None:
    queue = queue_of(ManualClock())
    for key in ("a", "b", "a"):
        queue.add(key)
    assert [await queue.get(), await queue.get()] == ["a", "b"]
    assert len(queue) == 0


async def test_a_key_that_changes_while_it_is_worked_on_comes_back_when_it_is_done() -> None:
    queue = queue_of(ManualClock())
    queue.add("a")
    key = await queue.get()
    queue.add("a")
    assert len(queue) == 0, "nobody else may get it meanwhile"
    queue.done(key)
    assert await queue.get() == "a"


async def test_of_two_delays_the_earlier_counts_and_the_key_comes_once() -> None:
    clock = ManualClock()
    async with queue_of(clock) as queue:
        queue.add_after("a", 10)
        queue.add_after("a", 5)
        queue.add_after("a", 20)
        await asyncio.sleep(0)
        await clock.advance(5)
        assert await queue.get() == "a"
        queue.done("a")
        await clock.advance(30)
        assert len(queue) == 0


async def test_a_delay_asked_for_before_the_queue_runs_is_kept() -> None:
    clock = ManualClock()
    queue = queue_of(clock)
    queue.add_after("a", 3)
    async with queue:
        await asyncio.sleep(0)
        await clock.advance(3)
        assert await queue.get() == "a"


async def test_repeated_failures_wait_longer_until_forgotten() -> None:
    clock = ManualClock()
    waits = []
    async with queue_of(clock) as queue:
        for turn in range(4):
            if turn == 3:
                queue.forget("a")
            queue.add_rate_limited("a")
            await asyncio.sleep(0)
            before = clock.monotonic()
            while not len(queue):
                await clock.advance(1)
            waits.append(clock.monotonic() - before)
            queue.done(await queue.get())
    assert waits == [1, 2, 4, 1]


async def test_leaving_the_queue_drops_delays_instead_of_waiting_for_them() -> None:
    async with queue_of(ManualClock()) as queue:
        queue.add_after("a", 1000)
    assert len(queue) == 0


async def test_how_long_keys_wait_and_are_worked_on_is_noted() -> None:
    clock = ManualClock()
    async with queue_of(clock) as queue:
        for key in ("a", "b", "a"):
            queue.add(key)
        await clock.advance(2)
        taken = await queue.get()
        await clock.advance(30)
        assert queue.under_way() == [30]
        queue.done(taken)
        queue.add_rate_limited(taken)
        assert (queue.adds, queue.retries, len(queue)) == (2, 1, 1)
        assert (sum(queue.waited[:-1]), queue.waited[-1]) == (1, 2)
        assert (sum(queue.worked[:-1]), queue.worked[-1]) == (1, 30)
        assert queue.under_way() == []


async def test_thousands_of_delays_take_no_more_tasks_than_one() -> None:
    clock = ManualClock()
    async with WorkQueue[int](clock) as queue:
        before = len(asyncio.all_tasks())
        for number in range(3000):
            queue.add_after(number, 3000 - number)
        queue.add_after(2999, 0.5)
        await clock.advance(0)
        assert len(asyncio.all_tasks()) == before + 1
        await clock.advance(1)
        assert (len(queue), await queue.get()) == (1, 2999)
        await clock.advance(9)
        assert len(queue) == 9
        await clock.advance(3000)
        assert len(queue) == 2999
