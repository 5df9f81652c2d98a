"""Connections that change their protocol, passed on byte by byte: WebSocket, SPDY and whatever comes.

The other server is dialled first and its answer waited for, because only before the client's connection is
given away can the client be told what went wrong. From then on neither side's bytes are looked at, and each
side waits for the other.
"""

import asyncio
import os
import ssl
from asyncio import IncompleteReadError, LimitOverrunError, StreamReader, StreamWriter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from typing import NamedTuple, cast

from aiohttp.abc import AbstractStreamWriter
from aiohttp.web_request import BaseRequest
from aiohttp.web_response import StreamResponse
from multidict import CIMultiDict

from kube_lite.api.errors import ApiError, BadRequest
from kube_lite.api.service_addresses import Address
from kube_lite.kit.takeover import taken_over

from .call import Call
from .listener import Connection
from .relay import DIAL_SECONDS
from .reply import STATUS_LINES, Reply

PIECE_BYTES = 64 * 1024
MAX_HEAD_BYTES = 64 * 1024
MAX_REFUSAL_BYTES = 1024 * 1024
SWITCHING = 101


class Head(NamedTuple):
    """The head of an answer: as it came, and read."""

    raw: bytes
    code: int
    headers: CIMultiDict[str]


class Tunnelled(StreamResponse):
    """Stands for an answer that has been sent, on a connection that is over."""

    def __init__(self) -> None:
        super().__init__(status=SWITCHING)
        self.force_close()

    async def prepare(self, request: BaseRequest) -> AbstractStreamWriter | None:
        """It has been sent."""
        return None

    async def write_eof(self, data: bytes = b"") -> None:
        """It has been sent."""


class Way(NamedTuple):
    """The way to another server.

    Attributes:
        host: the name that its certificate has to have.
        unreachable: makes the answer when nobody is there, of a few words why.
    """

    address: Address
    tls: ssl.SSLContext
    host: str
    unreachable: Callable[[str], ApiError]


async def tunnel(call: Call, way: Way, path: str, headers: CIMultiDict[str]) -> StreamResponse:
    """Let client and server speak to each other until one of them ends, or show how the server refuses.

    Args:
        path: what the server is asked for, escaped, with its query.
        headers: of the request, without those about the connection.

    Raises:
        ApiError: nobody answers; see ``Way.unreachable``.
        BadRequest: the request has a body, which nobody would look at.
    """
    request = call.request
    if request.can_read_body:
        raise BadRequest("a request that changes the protocol can have no body")
    async with switched(request.method, way, path, request.headers["Upgrade"], headers) as (
        head,
        there,
        to_them,
    ):
        if head.code != SWITCHING:
            return await refusal(call, head, there)
        return await _joined(request, head, there, to_them)


@asynccontextmanager
async def switched(
    method: str, way: Way, path: str, protocol: str, headers: CIMultiDict[str]
) -> AsyncIterator[tuple[Head, StreamReader, StreamWriter]]:
    """Ask a server to change the protocol: its answer, and the connection for the length of the block.

    Raises:
        ApiError: nobody answers; see ``Way.unreachable``.
    """
    address = way.address
    where = f"dial tcp {address.host}:{address.port}"
    try:
        async with asyncio.timeout(DIAL_SECONDS):
            there, to_them = await asyncio.open_connection(
                address.host, address.port, ssl=way.tls, server_hostname=way.host, limit=MAX_HEAD_BYTES
            )
            to_them.write(_head_of(method, path, address, protocol, headers))
            head = read_head(await there.readuntil(b"\r\n\r\n"))
    except TimeoutError as error:
        raise way.unreachable(f"{where}: i/o timeout") from error
    except (OSError, IncompleteReadError, LimitOverrunError, ValueError) as error:
        raise way.unreachable(f"{where}: {_why(error)}") from error
    try:
        yield head, there, to_them
    finally:
        to_them.transport.abort()


async def _joined(
    request: BaseRequest, head: Head, there: StreamReader, to_them: StreamWriter
) -> StreamResponse:
    """Take the client's connection from HTTP, and give it back closed."""
    connection = cast(Connection, request.protocol)  # the only kind that the listener makes
    transport = request.transport
    if transport is None or transport.is_closing():
        raise ConnectionResetError("the client has gone")
    try:
        with taken_over(transport, PIECE_BYTES) as (here, to_us):
            to_us.write(head.raw)
            async with asyncio.timeout(None) as deadline:
                with connection.stream(deadline):
                    await _pump(here, to_us, there, to_them)
    except TimeoutError:
        if not deadline.expired():
            raise
    return Tunnelled()


async def _pump(here: StreamReader, to_us: StreamWriter, there: StreamReader, to_them: StreamWriter) -> None:
    """Pass bytes both ways until one side ends; what that side sent before has then been passed on."""

    async def pass_on(source: StreamReader, sink: StreamWriter) -> None:
        with suppress(ConnectionError, ssl.SSLError):
            while piece := await source.read(PIECE_BYTES):
                sink.write(piece)
                await sink.drain()

    async with asyncio.TaskGroup() as group:
        ways = {group.create_task(pass_on(here, to_them)), group.create_task(pass_on(there, to_us))}
        _, left = await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        for way in left:
            way.cancel()


async def refusal(call: Call, head: Head, there: StreamReader) -> StreamResponse:
    """The answer as it is, as far as its length is told."""
    size = head.headers.get("Content-Length", "0")
    body = b""
    if size.isdecimal() and 0 < int(size) <= MAX_REFUSAL_BYTES:
        with suppress(IncompleteReadError, ConnectionError, TimeoutError):
            async with asyncio.timeout(DIAL_SECONDS):
                body = await there.readexactly(int(size))
    return Reply(body, head.code, call.headers(head.headers.get("Content-Type", "")))


def _head_of(method: str, path: str, address: Address, protocol: str, headers: CIMultiDict[str]) -> bytes:
    """The head of the request. Raises ``ValueError`` for a value that would break out of its line."""
    host = address.url.removeprefix("https://")
    lines = [f"{method} {path} HTTP/1.1", f"Host: {host}", "Connection: Upgrade", f"Upgrade: {protocol}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    if any("\r" in line or "\n" in line for line in lines):
        raise ValueError("net/http: invalid header field value")
    return ("\r\n".join(lines) + "\r\n\r\n").encode("utf-8", "surrogateescape")


def read_head(raw: bytes) -> Head:
    """Read the head of an answer. Raises ``ValueError`` if it is none."""
    first, *lines = raw.decode("latin-1").strip().split("\r\n")
    version, _, rest = first.partition(" ")
    code = rest[:3]
    if not version.startswith("HTTP/1.") or not code.isdecimal() or int(code) not in STATUS_LINES:
        raise ValueError("malformed HTTP response")
    headers: CIMultiDict[str] = CIMultiDict()
    for line in lines:
        name, _, value = line.partition(":")
        headers.add(name.strip(), value.strip())
    return Head(raw, int(code), headers)


def _why(error: Exception) -> str:
    if isinstance(error, OSError) and not isinstance(error, ssl.SSLError) and (error.errno or 0) > 0:
        return f"connect: {os.strerror(error.errno or 0).lower()}"
    return "EOF" if isinstance(error, IncompleteReadError) else str(error)
