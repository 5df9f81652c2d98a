"""The node's own API over TLS, as the API server uses it."""

import asyncio
import json
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest_asyncio
from aiohttp import ClientSession, TCPConnector, WSMsgType
from kube_lite_runtime.fake import FakeDriver, Reply, Script

from kube_lite.agent.resources import NODES
from kube_lite.kit.clock import ManualClock
from kube_lite.kit.pki import Authority, client_context, server_context

from .world import NODE, World, agent_on, container, state, world_in

BOX = {"name": "c", "image": "busybox:1.37"}


@dataclass
class Site:
    world: World
    driver: FakeDriver
    clock: ManualClock
    api: ClientSession
    stranger: ClientSession
    nobody: ClientSession


@pytest_asyncio.fixture
async def site(tmp_path: Path) -> AsyncIterator[Site]:
    clock = ManualClock()
    driver = FakeDriver(clock)
    authority = Authority(tmp_path / "pki", "ca", time.time)
    serving = server_context(authority.serving("node", ["127.0.0.1"]), authority.files.certificate)
    caller = authority.client("api", "kube-apiserver-kubelet-client")
    other = authority.client("other", "somebody")
    root = authority.files.certificate
    async with world_in(tmp_path, clock) as world, agent_on(world, driver, tls=serving) as agent:
        url = f"https://127.0.0.1:{agent.port}"
        async with (
            ClientSession(url, connector=TCPConnector(ssl=client_context(root, caller))) as api,
            ClientSession(url, connector=TCPConnector(ssl=client_context(root, other))) as stranger,
            ClientSession(url, connector=TCPConnector(ssl=client_context(root))) as nobody,
        ):
            yield Site(world, driver, clock, api, stranger, nobody)


async def log(site: Site, name: str = "web", query: str = "") -> tuple[int, str]:
    async with site.api.get(f"/containerLogs/default/{name}/c{query}") as response:
        return response.status, await response.text()


async def converse(
    site: Site, path: str, *messages: bytes, protocol: str = "v5.channel.k8s.io"
) -> list[tuple[int, bytes]]:
    """Send the messages; everything that comes back until the node closes."""
    heard = []
    async with site.api.ws_connect(path, protocols=[protocol]) as socket:
        assert socket.protocol == protocol
        for message in messages:
            await socket.send_bytes(message)
        async for answer in socket:
            assert answer.type is WSMsgType.BINARY
            heard.append((answer.data[0], answer.data[1:]))
    return heard


async def test_only_the_api_server_is_answered(site: Site) -> None:
    statuses = []
    for session in (site.api, site.stranger, site.nobody):
        async with session.get("/healthz") as response:
            statuses.append(response.status)
    assert statuses == [200, 403, 401]


async def test_the_node_says_where_its_api_listens(site: Site) -> None:
    node = await site.world.client.get(NODES, NODE)
    port = node["status"]["daemonEndpoints"]["kubeletEndpoint"]["Port"]
    async with site.api.get(f"https://127.0.0.1:{port}/healthz") as response:
        assert await response.text() == "ok"


async def test_pods_of_the_node_are_listed(site: Site) -> None:
    await site.world.create({"containers": [BOX]})
    await site.world.until_ready()
    async with site.api.get("/pods") as response:
        listed = await response.json()
    assert [pod["metadata"]["name"] for pod in listed["items"]] == ["web"]


async def test_a_log_can_be_read_from_its_end_and_with_times(site: Site) -> None:
    site.driver.script("c", Script(lines=("a1", "a2", "a3")))
    await site.world.create({"containers": [BOX]})
    await site.world.until_ready()
    assert await log(site) == (200, "a1\na2\na3\n")
    assert await log(site, query="?tailLines=2") == (200, "a2\na3\n")
    assert await log(site, query="?limitBytes=4") == (200, "a1\na")
    assert await log(site, query="?tailLines=1&timestamps=true") == (
        200,
        "2023-11-14T22:13:20.000000000Z a3\n",
    )
    assert await log(site, query="?sinceTime=2024-01-01T00:00:00Z") == (200, "")


async def test_the_log_of_the_life_before_is_kept(site: Site) -> None:
    site.driver.script("c", Script(lines=("dying",), exit_after=1, exit_codes=(3,)))
    await site.world.create({"containers": [BOX]})
    await site.world.until(lambda pod: "running" in state(pod))
    status, text = await log(site, query="?previous=true")
    assert (status, text) == (400, 'previous terminated container "c" in pod "web" not found\n')
    await site.clock.advance(1)
    await site.world.until(lambda pod: container(pod)["restartCount"] == 1)
    assert await log(site, query="?previous=true") == (200, "dying\n")


async def test_a_container_that_waits_has_no_log_yet(site: Site) -> None:
    await site.world.create({"containers": [{**BOX, "image": "Bad:Name:1"}]})
    await site.world.until(lambda pod: state(pod).get("waiting", {}).get("reason") == "InvalidImageName")
    told = 'container "c" in pod "web" is waiting to start: InvalidImageName\n'
    assert await log(site) == (400, told)


async def test_a_followed_log_ends_with_its_container(site: Site) -> None:
    site.driver.script("c", Script(lines=("one",)))
    await site.world.create({"containers": [BOX], "restartPolicy": "Never"})
    await site.world.until_ready()
    (running,) = await site.driver.list_containers()
    async with site.api.get("/containerLogs/default/web/c?follow=true") as response:
        assert await response.content.readline() == b"one\n"
        site.driver.end(running.id, 0)
        assert await response.content.read() == b""


async def test_pods_that_come_and_go_while_the_agent_stops_do_no_harm(tmp_path: Path) -> None:
    clock = ManualClock()
    driver = FakeDriver(clock)
    authority = Authority(tmp_path / "pki", "ca", time.time)
    serving = server_context(authority.serving("node", ["127.0.0.1"]), authority.files.certificate)
    caller = client_context(authority.files.certificate, authority.client("api", "kube-apiserver"))
    async with world_in(tmp_path, clock) as world, asyncio.TaskGroup() as group:
        async with agent_on(world, driver, tls=serving) as agent:
            await world.create({"containers": [BOX]})
            await world.until_ready()
            session = ClientSession(connector=TCPConnector(ssl=caller))
            url = f"https://127.0.0.1:{agent.port}/containerLogs/default/web/c?follow=true"
            response = await session.get(url)  # somebody who reads on makes the agent's end take a while
            group.create_task(world.create({"containers": [BOX]}, name="late"))
            group.create_task(world.delete())
        response.close()
        await session.close()
    assert [state.name for state in await driver.list_sandboxes()] == ["web"]


async def test_a_command_tells_both_its_outputs_and_its_exit_code(site: Site) -> None:
    site.driver.script("c", Script(exec=lambda command: Reply(7, b"out\n", b"err\n")))
    await site.world.create({"containers": [BOX]})
    await site.world.until_ready()
    heard = await converse(site, "/exec/default/web/c?command=sh&command=x&stdout=true&stderr=true")
    assert heard[:2] == [(1, b"out\n"), (2, b"err\n")]
    status = json.loads(heard[2][1])
    assert (heard[2][0], status["reason"]) == (3, "NonZeroExitCode")
    assert status["details"]["causes"] == [{"reason": "ExitCode", "message": "7"}]


async def test_input_goes_to_the_command_until_its_channel_is_closed(site: Site) -> None:
    site.driver.script("c", Script(exec=lambda command: Reply(copy_input=True)))
    await site.world.create({"containers": [BOX]})
    await site.world.until_ready()
    path = "/exec/default/web/c?command=cat&stdin=true&stdout=true"
    heard = await converse(site, path, b"\x00in", b"\xff\x00")
    assert heard[0] == (1, b"in")
    assert json.loads(heard[1][1])["status"] == "Success"


async def test_a_command_that_is_not_there_is_told_in_the_status(site: Site) -> None:
    site.driver.script("c", Script(exec=lambda command: Reply(code=None)))
    await site.world.create({"containers": [BOX]})
    await site.world.until_ready()
    path = "/exec/default/web/c?command=nosuch&stdout=true"
    ((channel, body),) = await converse(site, path, protocol="v4.channel.k8s.io")
    assert channel == 3
    assert "executable file not found" in json.loads(body)["message"]


async def test_there_is_nothing_to_execute_in_a_pod_that_is_not_here(site: Site) -> None:
    async with site.api.get("/exec/default/none/c?command=ls") as response:
        assert (response.status, await response.text()) == (404, 'pod "none" does not exist\n')
