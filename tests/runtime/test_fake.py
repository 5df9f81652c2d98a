import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from kube_lite_runtime.driver import Driver
from kube_lite_runtime.errors import ContainerFailed, ImageMissing, NotRunning, PullFailed
from kube_lite_runtime.fake import FakeDriver, Reply, Script
from kube_lite_runtime.types import ContainerSpec, ContainerState, SandboxSpec, State

from kube_lite.kit.clock import ManualClock

POD = SandboxSpec(namespace="default", name="web", uid="u1")


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest_asyncio.fixture
async def driver(clock: ManualClock) -> AsyncIterator[FakeDriver]:
    async with FakeDriver(clock) as entered:
        yield entered


async def started(driver: FakeDriver, spec: ContainerSpec) -> ContainerState:
    sandbox = await driver.create_sandbox(POD)
    container = await driver.create_container(sandbox.id, spec)
    return await driver.start_container(container.id)


def test_it_is_a_driver() -> None:
    driver: Driver = FakeDriver()
    assert driver.abilities().driver == "fake"


async def test_a_container_without_a_script_runs_until_it_is_stopped(
    driver: FakeDriver, clock: ManualClock
) -> None:
    container = await started(driver, ContainerSpec("c", "busybox"))
    await clock.advance(100_000)
    assert (await driver.container_state(container.id)).state is State.RUNNING
    await driver.stop_container(container.id, 30)
    ended = await driver.container_state(container.id)
    assert ended.exit is not None
    assert ended.exit.code == 143


async def test_a_scripted_container_ends_at_its_time_with_the_code_of_its_life(
    driver: FakeDriver, clock: ManualClock
) -> None:
    driver.script("busybox", Script(exit_after=5, exit_codes=(3, 0)))
    container = await started(driver, ContainerSpec("c", "busybox", attempt=1))
    await clock.advance(4)
    assert (await driver.container_state(container.id)).state is State.RUNNING
    await clock.advance(1)
    ended = await driver.container_state(container.id)
    assert (ended.state, ended.exit and ended.exit.code) == (State.EXITED, 0)
    assert ended.finished_at - ended.started_at == 5


async def test_one_that_ignores_its_signal_is_killed_after_the_grace(
    driver: FakeDriver, clock: ManualClock
) -> None:
    driver.script("c", Script(ignores_stop_signal=True))
    container = await started(driver, ContainerSpec("c", "busybox"))
    async with asyncio.TaskGroup() as group:
        stopping = group.create_task(driver.stop_container(container.id, 10))
        await asyncio.sleep(0)
        await clock.advance(9)
        assert not stopping.done()
        await clock.advance(1)
    ended = await driver.container_state(container.id)
    assert ended.exit is not None
    assert ended.exit.code == 137


async def test_a_slow_listener_sees_the_newest_state_of_each_container(driver: FakeDriver) -> None:
    async with driver.events() as events:
        first = await started(driver, ContainerSpec("a", "busybox"))
        second = await started(driver, ContainerSpec("b", "busybox"))
        driver.end(first.id, 7)
        seen = {state.id: state.state for state in [await anext(events), await anext(events)]}
    assert seen == {first.id: State.EXITED, second.id: State.RUNNING}


async def test_log_lines_stand_in_a_cri_log_file(driver: FakeDriver, tmp_path: Path) -> None:
    driver.script("c", Script(lines=("hello",)))
    await started(driver, ContainerSpec("c", "busybox", log_path=tmp_path / "c" / "0.log"))
    assert (tmp_path / "c" / "0.log").read_text() == "2023-11-14T22:13:20.000000000Z stdout F hello\n"


async def test_an_exec_answers_as_scripted_and_may_copy_its_input(driver: FakeDriver) -> None:
    driver.script("c", Script(exec=lambda command: Reply(code=4, stdout=b"out\n", copy_input=True)))
    container = await started(driver, ContainerSpec("c", "busybox"))
    async with await driver.exec(container.id, ["cat"], stdin=True) as session:
        await session.write(b"in")
        await session.close_input()
        written = [chunk.content async for chunk in session.output()]
        assert (written, (await session.wait()).code) == ([b"out\n", b"in"], 4)


async def test_nothing_is_executed_in_a_container_that_has_ended(driver: FakeDriver) -> None:
    container = await started(driver, ContainerSpec("c", "busybox"))
    driver.end(container.id, 0)
    with pytest.raises(NotRunning):
        await driver.exec(container.id, ["true"])


async def test_a_start_error_is_told_and_leaves_an_ended_container(driver: FakeDriver) -> None:
    driver.script("c", Script(start_error='"/no/such": no such file'))
    with pytest.raises(ContainerFailed, match="no such file"):
        await started(driver, ContainerSpec("c", "busybox"))
    (container,) = await driver.list_containers()
    assert container.state is State.EXITED


async def test_containers_and_their_timers_outlive_whoever_used_the_driver(clock: ManualClock) -> None:
    driver = FakeDriver(clock)
    driver.script("c", Script(exit_after=10))
    async with driver:
        container = await started(driver, ContainerSpec("c", "busybox"))
    async with driver:
        assert (await driver.container_state(container.id)).state is State.RUNNING
        await clock.advance(10)
        assert (await driver.container_state(container.id)).state is State.EXITED


async def test_an_absent_image_must_be_pulled_and_may_not_be_found(clock: ManualClock) -> None:
    async with FakeDriver(clock, images=(), pullable=("there:1",)) as driver:
        with pytest.raises(ImageMissing):
            await started(driver, ContainerSpec("c", "there:1"))
        with pytest.raises(PullFailed):
            await driver.pull_image("elsewhere:1")
        await driver.pull_image("there:1")
        assert (await started(driver, ContainerSpec("c", "there:1"))).state is State.RUNNING


async def test_a_removed_sandbox_takes_its_containers_along(driver: FakeDriver) -> None:
    container = await started(driver, ContainerSpec("c", "busybox"))
    await driver.remove_sandbox(container.sandbox_id)
    await driver.remove_sandbox(container.sandbox_id)
    assert (await driver.list_containers(), await driver.list_sandboxes()) == ([], [])
