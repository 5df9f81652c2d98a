"""Virtual servers as sockets of this process; no root needed."""

import asyncio
import errno
import socket
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from typing import Any

import pytest
from kube_lite_runtime.network import forwarder
from kube_lite_runtime.network.forwarder import Forwarder, loopback_place
from kube_lite_runtime.network.services import ANY_LOCAL, Endpoint, VirtualServer


@asynccontextmanager
async def endpoint(name: str) -> AsyncIterator[Endpoint]:
    """A server that answers its name and all it was sent, once the sender has said all."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(name.encode() + b":" + await reader.read())
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        yield Endpoint("127.0.0.1", server.sockets[0].getsockname()[1])


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def server(
    *endpoints: Endpoint, port: int, address: str = "10.96.0.10", sticky: bool = False
) -> VirtualServer:
    return VirtualServer(address, port, "tcp", endpoints, sticky)


async def ask(address: str, port: int, content: bytes = b"hello") -> str:
    async with asyncio.timeout(10):
        reader, writer = await asyncio.open_connection(address, port)
        try:
            writer.write(content)
            writer.write_eof()
            return (await reader.read()).decode()
        finally:
            writer.close()


async def test_endpoints_take_turns() -> None:
    port = free_port()
    async with endpoint("a") as a, endpoint("b") as b, Forwarder() as backend:
        await backend.apply([server(a, b, port=port)])
        assert [await ask("127.96.0.10", port) for _ in range(4)] == [
            "a:hello",
            "b:hello",
            "a:hello",
            "b:hello",
        ]


async def test_a_sticky_client_comes_to_the_same_endpoint() -> None:
    port = free_port()
    async with endpoint("a") as a, endpoint("b") as b, Forwarder() as backend:
        await backend.apply([server(a, b, port=port, sticky=True)])
        assert len({await ask("127.96.0.10", port) for _ in range(4)}) == 1


async def test_an_endpoint_that_refuses_is_passed_over() -> None:
    port = free_port()
    async with endpoint("a") as a, Forwarder() as backend:
        await backend.apply([server(Endpoint("127.0.0.1", free_port()), a, port=port)])
        assert [await ask("127.96.0.10", port) for _ in range(2)] == ["a:hello", "a:hello"]


async def test_without_endpoints_a_connection_is_reset_and_a_closed_server_refuses() -> None:
    port = free_port()
    async with Forwarder() as backend:
        await backend.apply([server(port=port)])
        with pytest.raises(ConnectionError):
            await ask("127.96.0.10", port)
        await backend.apply([])
        with pytest.raises(ConnectionRefusedError):
            await ask("127.96.0.10", port)


async def test_large_answers_come_whole_and_connections_outlive_a_change_of_endpoints() -> None:
    port = free_port()
    content = b"x" * 3_000_000
    async with endpoint("a") as a, endpoint("b") as b, Forwarder() as backend:
        await backend.apply([server(a, port=port)])
        reader, writer = await asyncio.open_connection("127.96.0.10", port)
        writer.write(content)
        await writer.drain()
        await backend.apply([server(b, port=port)])
        assert await ask("127.96.0.10", port) == "b:hello"
        writer.write_eof()
        assert await reader.read() == b"a:" + content
        writer.close()


async def test_a_node_port_answers_on_every_address() -> None:
    port = free_port()
    async with endpoint("a") as a, Forwarder() as backend:
        await backend.apply([server(a, port=port, address=ANY_LOCAL)])
        assert await ask("127.0.0.1", port) == await ask("127.5.5.5", port) == "a:hello"


async def test_what_cannot_be_opened_is_told_and_keeps_nothing_else_from_working() -> None:
    port = free_port()
    async with AsyncExitStack() as stack:
        a = await stack.enter_async_context(endpoint("a"))
        taken = stack.enter_context(socket.create_server(("127.96.0.11", 0)))
        taken_port = taken.getsockname()[1]
        backend = await stack.enter_async_context(Forwarder())
        udp = VirtualServer("10.96.0.10", port, "udp", (a,))
        await backend.apply([server(a, port=taken_port, address="10.96.0.11"), server(a, port=port), udp])
        assert await ask("127.96.0.10", port) == "a:hello"
        assert f"127.96.0.11:{taken_port}: EADDRINUSE" in backend.limits
        assert "only TCP" in backend.limits
        taken.close()
        await backend.apply([server(a, port=taken_port, address="10.96.0.11")])
        assert await ask("127.96.0.11", taken_port) == "a:hello"
        assert "EADDRINUSE" not in backend.limits


async def test_a_port_that_only_root_may_open_answers_at_a_higher_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    start_server = asyncio.start_server

    async def as_ordinary_user(*args: Any, **options: Any) -> asyncio.Server:
        if args[2] < 1024:
            raise PermissionError(errno.EACCES, "Permission denied")
        return await start_server(*args, **options)

    async with endpoint("a") as a, Forwarder() as backend:
        monkeypatch.setattr(asyncio, "start_server", as_ordinary_user)
        await backend.apply([server(a, port=80), server(a, port=443), server(port=8443)])
        assert await ask("127.96.0.10", 8080) == "a:hello"
        assert "127.96.0.10:80: answers at port 8080 instead" in backend.limits
        assert "127.96.0.10:443: EACCES" in backend.limits, "8443 is another server's"


async def test_connections_beyond_the_limit_are_turned_away(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(forwarder, "MAX_CONNECTIONS", 0)
    port = free_port()
    async with endpoint("a") as a, Forwarder() as backend:
        await backend.apply([server(a, port=port)])
        with pytest.raises(ConnectionError):
            assert not await ask("127.96.0.10", port)


async def test_leaving_cuts_what_is_connected() -> None:
    port = free_port()
    async with endpoint("a") as a:
        async with Forwarder() as backend:
            await backend.apply([server(a, port=port)])
            reader, writer = await asyncio.open_connection("127.96.0.10", port)
            writer.write(b"half a request")
            await ask("127.96.0.10", port)  # by now the first is forwarded too
        async with asyncio.timeout(10):
            with suppress(ConnectionError):
                assert await reader.read() == b""
        writer.close()


def test_an_address_is_moved_to_loopback_with_its_last_three_numbers() -> None:
    assert loopback_place(server(port=80)) == ("127.96.0.10", 80)
    assert loopback_place(server(port=80, address="127.96.0.12")) == ("127.96.0.12", 80)
    assert loopback_place(server(port=30080, address=ANY_LOCAL)) == ("0.0.0.0", 30080)
