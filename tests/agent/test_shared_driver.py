"""Several nodes on one driver: each sees what is its own, and nothing is nobody's."""

import asyncio
from collections.abc import AsyncIterator, Callable

import pytest
import pytest_asyncio
from kube_lite_runtime.driver import Driver
from kube_lite_runtime.fake import FakeDriver, Reply, Script
from kube_lite_runtime.types import ContainerSpec, ContainerState, SandboxSpec

from kube_lite.agent.probes import AnswersProbes
from kube_lite.agent.shared_driver import NodeDriver
from tests.contracts.driver_contract import DriverContract

NODES = ("one", "two")
POD = SandboxSpec(namespace="default", name="web", uid="0b7f", labels={"app": "web"})
CONTAINER = ContainerSpec(name="c", image="busybox", labels={"app": "web"})
WITHIN = 10.0


class Entered(NodeDriver):
    """A view that enters what it shares, as the suite for drivers expects of one."""

    async def __aenter__(self) -> "Entered":
        await self._driver.__aenter__()
        return self

    async def __aexit__(self, *failure: object) -> None:
        await self._driver.__aexit__(*failure)


@pytest.mark.parametrize("node", NODES)
class TestBesideAnotherNode(DriverContract):
    @pytest.fixture
    def image(self) -> str:
        return "busybox"

    @pytest_asyncio.fixture
    async def reopen(self, node: str) -> Callable[[], Driver]:
        shared = FakeDriver(images=["busybox"], pullable=[])
        error = 'exec: "no-such-command": executable file not found in $PATH'
        for match, script in {
            "stubborn": Script(ignores_stop_signal=True, lines=["ready"]),
            "fails": Script(exit_after=0, exit_codes=(3,)),
            "talks": Script(lines=("one", "two")),
            "missing": Script(start_error=error),
            "stays": Script(
                exec=lambda command: Reply(code=int(command == ["false"]), copy_input=command == ["cat"])
            ),
        }.items():
            shared.script(match, script)
        for other in NODES:
            if other != node:
                await run(NodeDriver(shared, other, NODES))
        return lambda: Entered(shared, node, NODES)


@pytest_asyncio.fixture
async def shared() -> AsyncIterator[FakeDriver]:
    async with FakeDriver() as driver:
        yield driver


async def run(driver: Driver) -> ContainerState:
    sandbox = await driver.create_sandbox(POD)
    made = await driver.create_container(sandbox.id, CONTAINER)
    return await driver.start_container(made.id)


async def seen_by(driver: Driver) -> tuple[set[str], set[str]]:
    """Ids of sandboxes and containers."""
    sandboxes, containers = await driver.list_sandboxes(), await driver.list_containers()
    return {one.id for one in sandboxes}, {one.id for one in containers}


async def test_what_was_made_before_there_were_several_is_the_first_ones(shared: FakeDriver) -> None:
    old = await run(shared)
    views = [NodeDriver(shared, node, NODES) for node in NODES]
    assert [await seen_by(view) for view in views] == [({old.sandbox_id}, {old.id}), (set(), set())]


async def test_what_a_node_made_is_the_first_ones_when_that_node_runs_no_more(shared: FakeDriver) -> None:
    left = await run(NodeDriver(shared, "two", NODES))
    assert await seen_by(NodeDriver(shared, "one", ["one"])) == ({left.sandbox_id}, {left.id})
    assert await seen_by(NodeDriver(shared, "other", ["other", "one"])) == ({left.sandbox_id}, {left.id})
    assert await seen_by(NodeDriver(shared, "one", ["other", "one"])) == (set(), set())


async def test_a_node_hears_of_its_own_containers_only_and_without_the_mark(shared: FakeDriver) -> None:
    one, two = (NodeDriver(shared, node, NODES) for node in NODES)
    async with two.events() as events, asyncio.timeout(WITHIN):
        await run(one)
        mine = await run(two)
        heard = await anext(aiter(events))
    assert (heard.id, dict(heard.labels)) == (mine.id, {"app": "web"})
    states = [mine, await two.container_state(mine.id), *await two.list_containers()]
    assert [dict(state.labels) for state in states] == [{"app": "web"}] * 3


async def test_probes_are_answered_where_the_shared_driver_answers_them(shared: FakeDriver) -> None:
    view = NodeDriver(shared, "two", NODES)
    assert isinstance(view, AnswersProbes)
    assert await view.probe_network((await run(view)).id)
