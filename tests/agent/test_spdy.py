"""The node's API over SPDY: what kubectl before 1.31 speaks, and every kubectl that forwards ports."""

import asyncio
import json
import socket
import ssl
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import pytest_asyncio
from kube_lite_runtime.errors import DialFailed
from kube_lite_runtime.fake import FakeDriver, Reply, Script

from kube_lite.kit import spdy
from kube_lite.kit.clock import ManualClock
from kube_lite.kit.pki import Authority, client_context, server_context

from .test_server import BOX
from .world import World, agent_on, world_in

V4 = "v4.channel.k8s.io"
PORTS = "portforward.k8s.io"


class ListeningDriver(FakeDriver):
    """A pod that echoes at one port, in capitals, until its client has said everything."""

    port = 0

    async def dial(self, sandbox_id: str, port: int) -> socket.socket:
        assert sandbox_id in {sandbox.id for sandbox in await self.list_sandboxes()}
        if port != 80:
            raise DialFailed(f"dial tcp4 127.0.0.1:{port}: connect: connection refused")
        opened = socket.socket()
        opened.setblocking(False)
        await asyncio.get_running_loop().sock_connect(opened, ("127.0.0.1", self.port))
        return opened


@dataclass
class Client:
    """A client's side of one SPDY connection."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    framing: spdy.Framing = field(default_factory=spdy.Framing)
    heard: dict[int, bytes] = field(default_factory=dict)
    ended: set[int] = field(default_factory=set)
    pings: list[int] = field(default_factory=list)
    number: int = -1

    def open(self, **headers: str) -> int:
        self.number += 2
        self.heard[self.number] = b""
        self.writer.write(self.framing.open(self.number, headers))
        return self.number

    def send(self, stream: int, content: bytes, *, is_last: bool = False) -> None:
        self.writer.write(spdy.data(stream, content, is_last=is_last))

    async def listen(self, *streams: int) -> None:
        """Until those streams have ended, or the connection has."""
        async with asyncio.timeout(10):
            while not self.ended.issuperset(streams) and (received := await self.reader.read(65536)):
                for frame in self.framing.feed(received):
                    if isinstance(frame, spdy.Data):
                        self.heard[frame.stream] += frame.content
                        self.ended |= {frame.stream} if frame.is_last else set()
                    elif isinstance(frame, spdy.Ping):
                        self.pings.append(frame.number)


@dataclass
class Site:
    world: World
    driver: ListeningDriver
    port: int
    tls: ssl.SSLContext

    @asynccontextmanager
    async def speaking(self, path: str, protocol: str) -> AsyncIterator[Client]:
        head, reader, writer = await self.ask(path, protocol)
        assert head.startswith("HTTP/1.1 101 ")
        assert f"X-Stream-Protocol-Version: {protocol}" in head
        try:
            yield Client(reader, writer)
        finally:
            writer.close()

    async def ask(self, path: str, protocol: str) -> tuple[str, asyncio.StreamReader, asyncio.StreamWriter]:
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port, ssl=self.tls)
        writer.write(
            f"POST {path} HTTP/1.1\r\nHost: node\r\nConnection: Upgrade\r\nUpgrade: SPDY/3.1\r\n"
            f"X-Stream-Protocol-Version: {protocol}\r\nContent-Length: 0\r\n\r\n".encode()
        )
        async with asyncio.timeout(10):
            return (await reader.readuntil(b"\r\n\r\n")).decode(), reader, writer


def answer(command: Sequence[str]) -> Reply:
    return Reply(3, stdout=b"hello") if command[0] == "greet" else Reply(copy_input=True)


async def capitals(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while piece := await reader.read(65536):
        writer.write(piece.upper())
        await writer.drain()
    writer.write(b"!")
    writer.close()


@pytest_asyncio.fixture
async def site(tmp_path: Path) -> AsyncIterator[Site]:
    clock = ManualClock()
    driver = ListeningDriver(clock)
    authority = Authority(tmp_path / "pki", "ca", time.time)
    serving = server_context(authority.serving("node", ["127.0.0.1"]), authority.files.certificate)
    caller = client_context(authority.files.certificate, authority.client("api", "kube-apiserver"))
    async with world_in(tmp_path, clock) as world, agent_on(world, driver, tls=serving) as agent:
        listener = await asyncio.start_server(capitals, "127.0.0.1", 0)
        driver.port = listener.sockets[0].getsockname()[1]
        driver.script("c", Script(exec=answer))
        await world.create({"containers": [BOX]})
        await world.until_ready()
        yield Site(world, driver, agent.port, caller)
        listener.close()


async def test_a_command_speaks_over_a_stream_of_its_own_and_ends_with_a_status(site: Site) -> None:
    async with site.speaking("/exec/default/web/c?command=greet&output=1&error=1", V4) as client:
        error, out, err = (client.open(streamtype=name) for name in ("error", "stdout", "stderr"))
        await client.listen(error, out, err)
    assert (client.heard[out], client.heard[err]) == (b"hello", b"")
    status = json.loads(client.heard[error])
    assert status["details"]["causes"] == [{"reason": "ExitCode", "message": "3"}]


async def test_input_ends_when_its_stream_does(site: Site) -> None:
    async with site.speaking("/exec/default/web/c?command=cat&input=1&output=1", V4) as client:
        error, given, out = (client.open(streamtype=name) for name in ("error", "stdin", "stdout"))
        client.send(given, b"one ")
        client.send(given, b"two", is_last=True)
        client.writer.write(spdy.ping(1))
        await client.listen(error, out)
    assert client.heard[out] == b"one two"
    assert json.loads(client.heard[error])["status"] == "Success"
    assert client.pings == [1]


@pytest.mark.parametrize(
    ("path", "protocol", "head"),
    [
        ("/exec/default/web/c?command=cat&output=1", "v9.channel.k8s.io", "HTTP/1.1 403 "),
        ("/exec/default/web/nope?command=cat&output=1", V4, "HTTP/1.1 404 "),
        ("/portForward/default/nope/uid", PORTS, "HTTP/1.1 404 "),
        ("/portForward/default/web/uid", V4, "HTTP/1.1 403 "),
    ],
)
async def test_what_cannot_be_had_is_refused_before_the_protocol_changes(
    site: Site, path: str, protocol: str, head: str
) -> None:
    told, _, writer = await site.ask(path, protocol)
    writer.close()
    assert told.startswith(head)


async def test_ports_are_forwarded_each_connection_on_its_own(site: Site) -> None:
    async with site.speaking("/portForward/default/web/uid", PORTS) as client:
        streams = []
        for request in ("0", "1"):
            error = client.open(streamtype="error", port="80", requestid=request)
            data = client.open(streamtype="data", port="80", requestid=request)
            client.send(error, b"", is_last=True)
            streams.append(data)
        first, second = streams
        client.send(second, b"b" * 100_000, is_last=True)
        await client.listen(second)
        client.send(first, b"a", is_last=True)
        await client.listen(first)
    assert client.heard[second] == b"B" * 100_000 + b"!"
    assert client.heard[first] == b"A!"


async def test_a_port_where_nothing_listens_is_told_on_the_stream_for_errors(site: Site) -> None:
    async with site.speaking("/portForward/default/web/uid", PORTS) as client:
        error = client.open(streamtype="error", port="81")  # as old clients do it, without a request's id
        data = client.open(streamtype="data", port="81")
        await client.listen(error, data)
        bad = client.open(streamtype="error", port="http", requestid="1")
        await client.listen(bad, client.open(streamtype="data", port="http", requestid="1"))
    uid = (await site.world.get())["metadata"]["uid"]
    told = client.heard[error].decode()
    assert told.startswith("error forwarding port 81 to pod web, uid ")
    assert uid in told
    assert told.endswith("dial tcp4 127.0.0.1:81: connect: connection refused")
    assert client.heard[bad] == b"unable to parse port 'http'"


async def test_a_client_that_speaks_nonsense_is_left(site: Site) -> None:
    async with site.speaking("/portForward/default/web/uid", PORTS) as client:
        client.writer.write(b"\x80\x02\x00\x01" + bytes(64))
        async with asyncio.timeout(10):
            assert await client.reader.read() == b""
