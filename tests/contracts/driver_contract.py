"""What every runtime driver must do. A test class inherits ``DriverContract`` and gives it three fixtures.

``reopen`` makes a driver over the same state, as a restarted server would; ``image`` is one that is present.
Containers are known by their names: a driver that runs nothing must be told beforehand what these do.

    stays          runs until it is stopped, and ends on its stop signal
    stubborn       ignores its stop signal, writes "ready" to stdout, and runs
    fails          ends at once with 3
    talks          writes "one" and "two" to stdout, then stays
    missing        its command does not exist
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
import pytest_asyncio
from kube_lite_runtime.driver import Driver
from kube_lite_runtime.errors import (
    ContainerFailed,
    ImageMissing,
    NoSuchContainer,
    NoSuchSandbox,
    NotRunning,
    PullFailed,
)
from kube_lite_runtime.streams import Session
from kube_lite_runtime.types import ContainerSpec, ContainerState, SandboxSpec, State

COMMANDS = {
    "stays": "trap 'exit 0' TERM; while :; do sleep 0.02; done",
    "stubborn": "trap '' TERM; echo ready; while :; do sleep 0.02; done",
    "fails": "exit 3",
    "talks": "echo one; echo two; trap 'exit 0' TERM; while :; do sleep 0.02; done",
}
WITHIN = 20.0
POD = SandboxSpec(
    namespace="default", name="web", uid="0b7f", labels={"app": "web"}, annotations={"note": "x"}
)


class DriverContract:
    @pytest_asyncio.fixture
    async def driver(self, reopen: Callable[[], Driver]) -> AsyncIterator[Driver]:
        async with reopen() as driver:
            yield driver

    async def test_a_sandbox_is_ready_when_made_and_known_until_removed(self, driver: Driver) -> None:
        made = await driver.create_sandbox(POD)
        assert made.ready
        assert (made.namespace, made.name, made.uid) == ("default", "web", "0b7f")
        assert dict(made.labels) == {"app": "web"}
        assert dict(made.annotations) == {"note": "x"}
        assert [sandbox.id for sandbox in await driver.list_sandboxes()] == [made.id]
        await driver.remove_sandbox(made.id)
        assert list(await driver.list_sandboxes()) == []

    async def test_two_sandboxes_have_different_addresses(self, driver: Driver) -> None:
        one, two = await driver.create_sandbox(POD), await driver.create_sandbox(POD)
        assert len({*one.addresses, *two.addresses}) == 2

    async def test_a_container_is_created_then_runs_then_has_exited(self, driver: Driver, image: str) -> None:
        created = await made(driver, image, "stays")
        assert created.state is State.CREATED
        running = await driver.start_container(created.id)
        assert running.state is State.RUNNING
        assert running.pid > 0
        await driver.stop_container(created.id, WITHIN)
        ended = await driver.container_state(created.id)
        assert ended.state is State.EXITED
        assert ended.exit is not None
        assert created.created_at <= ended.started_at <= ended.finished_at

    async def test_a_container_that_ignores_its_stop_signal_is_killed(
        self, driver: Driver, image: str, tmp_path: Path
    ) -> None:
        log = tmp_path / "0.log"
        container = await started(driver, image, "stubborn", log)
        await until(lambda: log.exists() and "ready" in log.read_text())
        await driver.stop_container(container.id, 0.1)
        ended = await driver.container_state(container.id)
        assert ended.exit is not None
        assert (ended.exit.code, ended.exit.signal) == (137, 9)

    async def test_its_end_is_told_with_its_exit_code(self, driver: Driver, image: str) -> None:
        async with driver.events() as events, asyncio.timeout(WITHIN):
            container = await started(driver, image, "fails")
            async for state in events:
                if state.id == container.id and state.state is State.EXITED:
                    break
        assert state.exit is not None
        assert state.exit.code == 3

    async def test_a_missing_command_fails_the_start_and_leaves_an_ended_container(
        self, driver: Driver, image: str
    ) -> None:
        container = await made(driver, image, "missing")
        with pytest.raises(ContainerFailed) as caught:
            await driver.start_container(container.id)
        assert caught.value.step == "exec"
        ended = await driver.container_state(container.id)
        assert ended.state is State.EXITED
        assert ended.exit is not None
        assert ended.exit.code == 128
        assert "not found" in ended.exit.message

    async def test_a_missing_image_is_told_when_the_container_is_created(self, driver: Driver) -> None:
        with pytest.raises(ImageMissing):
            await made(driver, "nowhere.example/none:1", "stays")

    async def test_an_image_that_cannot_be_fetched_is_told_by_its_name(self, driver: Driver) -> None:
        with pytest.raises(PullFailed, match=r"nowhere\.example/none:1"):
            await driver.pull_image("nowhere.example/none:1")

    async def test_the_log_has_what_was_written(self, driver: Driver, image: str, tmp_path: Path) -> None:
        log = tmp_path / "logs" / "c" / "0.log"
        await started(driver, image, "talks", log)
        await until(lambda: log.exists() and log.read_text().count("\n") == 2)
        lines = [line.split(" ", 3) for line in log.read_text().splitlines()]
        assert [line[1:] for line in lines] == [["stdout", "F", "one"], ["stdout", "F", "two"]]
        assert all(line[0].endswith("Z") for line in lines)

    async def test_an_exec_gets_its_input_and_gives_its_output(self, driver: Driver, image: str) -> None:
        container = await started(driver, image, "stays")
        async with await driver.exec(container.id, ["cat"], stdin=True) as session:
            await session.write(b"hello\n")
            await session.close_input()
            assert await output_of(session) == b"hello\n"
            assert (await session.wait()).code == 0

    async def test_an_exec_tells_its_exit_code(self, driver: Driver, image: str) -> None:
        container = await started(driver, image, "stays")
        async with await driver.exec(container.id, ["false"]) as session:
            assert await output_of(session) == b""
            assert (await session.wait()).code == 1

    async def test_nothing_is_executed_in_a_container_that_has_ended(
        self, driver: Driver, image: str
    ) -> None:
        container = await started(driver, image, "stays")
        await driver.stop_container(container.id, WITHIN)
        with pytest.raises(NotRunning):
            await driver.exec(container.id, ["true"])
        with pytest.raises(NotRunning):
            await driver.attach(container.id)

    async def test_stopping_a_sandbox_ends_its_containers_and_takes_no_more(
        self, driver: Driver, image: str
    ) -> None:
        container = await started(driver, image, "stays")
        await driver.stop_sandbox(container.sandbox_id)
        assert (await driver.container_state(container.id)).state is State.EXITED
        assert [sandbox.ready for sandbox in await driver.list_sandboxes()] == [False]
        with pytest.raises(NoSuchSandbox):
            await driver.create_container(container.sandbox_id, spec_of(image, "stays"))

    async def test_removing_a_sandbox_removes_its_containers(self, driver: Driver, image: str) -> None:
        container = await started(driver, image, "stays")
        await driver.remove_sandbox(container.sandbox_id)
        assert list(await driver.list_containers()) == []

    async def test_removing_a_running_container_ends_it(self, driver: Driver, image: str) -> None:
        container = await started(driver, image, "stays")
        await driver.remove_container(container.id)
        with pytest.raises(NoSuchContainer):
            await driver.container_state(container.id)

    async def test_everything_can_be_repeated(self, driver: Driver, image: str) -> None:
        container = await started(driver, image, "stays")
        for _ in range(2):
            await driver.stop_container(container.id, WITHIN)
            await driver.stop_sandbox(container.sandbox_id)
        for _ in range(2):
            await driver.remove_container(container.id)
            await driver.remove_sandbox(container.sandbox_id)

    async def test_what_nobody_made_is_not_known(self, driver: Driver, image: str) -> None:
        with pytest.raises(NoSuchContainer):
            await driver.container_state("none")
        with pytest.raises(NoSuchContainer):
            await driver.start_container("none")
        with pytest.raises(NoSuchSandbox):
            await driver.create_container("none", spec_of(image, "stays"))

    async def test_containers_outlive_the_driver_that_started_them(
        self, reopen: Callable[[], Driver], image: str
    ) -> None:
        async with reopen() as first:
            container = await started(first, image, "stays")
        async with reopen() as second:
            found = await second.container_state(container.id)
            assert (found.state, found.pid) == (State.RUNNING, container.pid)
            assert [sandbox.id for sandbox in await second.list_sandboxes()] == [container.sandbox_id]
            await second.stop_container(container.id, WITHIN)
            assert (await second.container_state(container.id)).state is State.EXITED

    async def test_what_it_cannot_do_is_explained(self, driver: Driver) -> None:
        abilities = driver.abilities()
        lacking = {
            name for name in ("isolation", "pod_network", "limits", "images") if not getattr(abilities, name)
        }
        assert set(abilities.reasons) == lacking
        assert all(abilities.reasons.values())


def spec_of(image: str, name: str, log: Path | None = None) -> ContainerSpec:
    script = COMMANDS.get(name)
    command = ["/bin/sh", "-c", script] if script else ["no-such-command"]
    return ContainerSpec(name=name, image=image, command=command, log_path=log)


async def made(driver: Driver, image: str, name: str, log: Path | None = None) -> ContainerState:
    sandbox = await driver.create_sandbox(POD)
    return await driver.create_container(sandbox.id, spec_of(image, name, log))


async def started(driver: Driver, image: str, name: str, log: Path | None = None) -> ContainerState:
    container = await made(driver, image, name, log)
    return await driver.start_container(container.id)


async def output_of(session: Session) -> bytes:
    return b"".join([chunk.content async for chunk in session.output()])


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(WITHIN):
        while not holds():
            await asyncio.sleep(0.01)
