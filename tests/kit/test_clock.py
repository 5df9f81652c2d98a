import asyncio

from kube_lite.kit.clock import ManualClock


async def test_sleepers_wake_in_the_order_in_which_they_fall_due() -> None:
    clock, woken = ManualClock(), []

    async def sleeper(seconds: float) -> None:
        await clock.sleep(seconds)
        woken.append((seconds, clock.monotonic()))

    async with asyncio.TaskGroup() as group:
        for seconds in (3.0, 1.0, 2.0):
            group.create_task(sleeper(seconds))
        await clock.advance(10.0)
    assert woken == [(1.0, 1.0), (2.0, 2.0), (3.0, 3.0)]


async def test_who_should_have_woken_while_nothing_ran_wakes_late() -> None:
    clock, woken = ManualClock(), []

    async def sleeper() -> None:
        await clock.sleep(1.0)
        woken.append(clock.monotonic())

    async with asyncio.TaskGroup() as group:
        group.create_task(sleeper())
        await asyncio.sleep(0)
        clock.jump(60.0)
        assert not woken
        await clock.advance(0.0)
    assert woken == [60.0]


async def test_who_sleeps_for_the_rest_of_a_time_has_reached_it() -> None:
    clock, rounds = ManualClock(), 0

    async def sleeper(due: float) -> None:
        nonlocal rounds
        while clock.monotonic() < due:
            rounds += 1
            await clock.sleep(due - clock.monotonic())

    async with asyncio.TaskGroup() as group, asyncio.timeout(10):
        for number in range(100):
            group.create_task(sleeper(0.1 + number / 7))
        await clock.advance(0.1)
        await clock.advance(20.0)
    assert rounds < 400


async def test_time_stands_still_while_work_is_done_elsewhere() -> None:
    clock = ManualClock()
    loop = asyncio.get_running_loop()
    under_way: set[asyncio.Future[None]] = set()
    done_at = []

    async def settle() -> bool:
        if not under_way:
            return False
        await asyncio.wait(under_way)
        return True

    async def worker() -> None:
        while True:
            await clock.sleep(10.0)
            answer = loop.create_future()
            under_way.add(answer)
            loop.call_later(0.001, answer.set_result, None)  # as a thread would
            await answer
            under_way.discard(answer)
            done_at.append(clock.monotonic())

    release = clock.awaits(settle)
    async with asyncio.TaskGroup() as group:
        task = group.create_task(worker())
        await clock.advance(35.0)
        assert done_at == [10.0, 20.0, 30.0]
        release()
        await clock.advance(10.0)
        assert done_at == [10.0, 20.0, 30.0], "nobody waits for it any more"
        task.cancel()
