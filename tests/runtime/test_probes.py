"""One probe at a time, against real sockets."""

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest
from kube_lite_runtime.fake import FakeDriver, Reply, Script
from kube_lite_runtime.probes import Outcome, probe_exec, probe_grpc, probe_http, probe_tcp
from kube_lite_runtime.types import ContainerSpec, SandboxSpec


@asynccontextmanager
async def server(answer: Callable[[asyncio.StreamReader], Awaitable[bytes]]) -> AsyncIterator[int]:
    """A server that sends what ``answer`` says and hangs up; its port."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(await answer(reader))
        writer.close()

    listening = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with listening:
        yield listening.sockets[0].getsockname()[1]


@asynccontextmanager
async def http_server(answers: dict[str, str]) -> AsyncIterator[tuple[int, list[str]]]:
    """A server that answers each path with a status line and headers; its port, and the requests it got."""
    requests: list[str] = []

    async def answer(reader: asyncio.StreamReader) -> bytes:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        requests.append(head)
        return f"HTTP/1.1 {answers[head.split()[1]]}\r\nContent-Length: 0\r\n\r\n".encode()

    async with server(answer) as port:
        yield port, requests


def free_port() -> int:

    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


@pytest.mark.parametrize(
    ("status", "outcome", "message"),
    [
        pytest.param("200 OK", Outcome.SUCCESS, "", id="fine"),
        pytest.param("399 Odd", Outcome.SUCCESS, "", id="the last good one"),
        pytest.param("404 Not Found", Outcome.FAILURE, "HTTP probe failed with statuscode: 404", id="bad"),
        pytest.param("500 Oops", Outcome.FAILURE, "HTTP probe failed with statuscode: 500", id="broken"),
    ],
)
async def test_an_http_probe_goes_by_the_status_code(status: str, outcome: Outcome, message: str) -> None:
    async with http_server({"/": status}) as (port, _):
        assert await probe_http("127.0.0.1", port) == (outcome, message)


async def test_an_http_probe_sends_what_it_was_told() -> None:
    async with http_server({"/healthz?full=1": "200 OK"}) as (port, requests):
        headers = [("Host", "example.com"), ("X-Probe", "yes")]
        await probe_http(
            "127.0.0.1", port, path="/healthz?full=1", headers=headers, user_agent="kube-probe/1.36"
        )
    lines = requests[0].split("\r\n")
    assert lines[0] == "GET /healthz?full=1 HTTP/1.1"
    assert {"Host: example.com", "X-Probe: yes", "User-Agent: kube-probe/1.36"} <= set(lines)
    assert sum(line.startswith("Host:") for line in lines) == 1


async def test_a_redirect_on_the_same_host_is_followed_and_one_elsewhere_is_enough() -> None:
    near = "302 Found\r\nLocation: /there"
    far = "302 Found\r\nLocation: http://elsewhere.example/"
    async with http_server({"/": near, "/there": "500 Oops", "/far": far}) as (port, _):
        assert (await probe_http("127.0.0.1", port)).outcome is Outcome.FAILURE
        assert (await probe_http("127.0.0.1", port, path="/far")).outcome is Outcome.SUCCESS


async def test_a_port_where_nobody_listens_is_told_as_go_does() -> None:
    port = free_port()
    refused = f"dial tcp 127.0.0.1:{port}: connect: connection refused"
    assert await probe_tcp("127.0.0.1", port, 1) == (Outcome.FAILURE, refused)
    assert await probe_http("127.0.0.1", port) == (
        Outcome.FAILURE,
        f'Get "http://127.0.0.1:{port}/": {refused}',
    )


async def test_a_server_that_says_nothing_is_given_up() -> None:
    silent = asyncio.Event()

    async def answer(reader: asyncio.StreamReader) -> bytes:
        await silent.wait()
        return b""

    async with server(answer) as port:
        assert (await probe_tcp("127.0.0.1", port, 1)).outcome is Outcome.SUCCESS
        result = await probe_http("127.0.0.1", port, within=0.05)
        silent.set()
    assert result.outcome is Outcome.FAILURE
    assert "context deadline exceeded" in result.message


async def test_what_is_no_http_is_a_failure() -> None:
    async def answer(reader: asyncio.StreamReader) -> bytes:
        return b"220 mail.example.com ESMTP\r\n\r\n"

    async with server(answer) as port:
        result = await probe_http("127.0.0.1", port)
    assert result.outcome is Outcome.FAILURE
    assert "malformed HTTP response" in result.message


def frame(kind: int, flags: int, stream: int, content: bytes) -> bytes:
    return len(content).to_bytes(3, "big") + bytes([kind, flags]) + stream.to_bytes(4, "big") + content


@pytest.mark.parametrize(
    ("message", "outcome", "told"),
    [
        pytest.param(b"\x08\x01", Outcome.SUCCESS, "service healthy", id="serving"),
        pytest.param(
            b"\x08\x02", Outcome.FAILURE, 'service unhealthy (responded with "NOT_SERVING")', id="not serving"
        ),
        pytest.param(b"", Outcome.FAILURE, 'service unhealthy (responded with "UNKNOWN")', id="unknown"),
    ],
)
async def test_a_grpc_probe_reads_the_health_answer(message: bytes, outcome: Outcome, told: str) -> None:
    heard: list[bytes] = []

    async def answer(reader: asyncio.StreamReader) -> bytes:
        heard.append(await reader.readuntil(b"\x00\x00\x00\x00\x05\x0a\x03web"))  # the request's message
        body = b"\x00" + len(message).to_bytes(4, "big") + message
        return frame(4, 0, 0, b"") + frame(1, 4, 1, b"\x88") + frame(0, 0, 1, body) + frame(1, 5, 1, b"")

    async with server(answer) as port:
        assert await probe_grpc("127.0.0.1", port, "web", 1) == (outcome, told)
    assert heard[0].startswith(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
    assert b"/grpc.health.v1.Health/Check" in heard[0]


async def test_a_server_without_the_health_service_fails_a_grpc_probe() -> None:
    async def answer(reader: asyncio.StreamReader) -> bytes:
        await reader.readuntil(b"/grpc.health.v1.Health/Check")
        return frame(4, 0, 0, b"") + frame(1, 5, 1, b"\x88")

    async with server(answer) as port:
        result = await probe_grpc("127.0.0.1", port, "", 1)
    assert result == (Outcome.FAILURE, "error: this server does not implement the grpc health protocol")


@pytest.mark.parametrize(
    ("reply", "outcome", "message"),
    [
        pytest.param(Reply(0, b"ok\n"), Outcome.SUCCESS, "ok", id="success"),
        pytest.param(Reply(1, b"a\n", b"b\n"), Outcome.FAILURE, "a\nb", id="failure tells both outputs"),
        pytest.param(
            Reply(None), Outcome.FAILURE, '"cat": executable file not found in $PATH', id="no such command"
        ),
    ],
)
async def test_an_exec_probe_goes_by_the_exit_code(reply: Reply, outcome: Outcome, message: str) -> None:
    async with FakeDriver() as driver:
        driver.script("c", Script(exec=lambda command: reply))
        sandbox = await driver.create_sandbox(SandboxSpec("default", "web", "u"))
        made = await driver.create_container(sandbox.id, ContainerSpec("c", "busybox"))
        await driver.start_container(made.id)
        assert await probe_exec(driver, made.id, ["cat"], 1) == (outcome, message)
        driver.end(made.id, 0)
        assert (await probe_exec(driver, made.id, ["cat"], 1)).outcome is Outcome.UNKNOWN
