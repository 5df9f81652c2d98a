"""Connections that change their protocol, passed on byte by byte: WebSocket, SPDY and whatever comes.

The other server is dialled first and its answer waited for, because only before the client's connection is
given away can the client be told what went wrong. From then on neither side's bytes are looked at, and each
side waits for the other.
"""

import asyncio
import os
import ssl
from asyncio import IncompleteReadError, LimitOverrunError, StreamReader, StreamWriter
from contextlib import suppress
from typing import NamedTuple, cast

from aiohttp.abc import AbstractStreamWriter
from aiohttp.web_request import BaseRequest
from aiohttp.web_response import StreamResponse
from multidict import CIMultiDict

from kube_lite.api.errors import BadRequest, ServiceUnavailable
from kube_lite.api.service_addresses import Address

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


async def tunnel(
    call: Call, address: Address, tls: ssl.SSLContext, host: str, headers: CIMultiDict[str]
) -> StreamResponse:
    """Let client and server speak to each other until one of them ends, or show how the server refuses.

    Args:
        host: the name that the server's certificate has to have.
        headers: of the request, without those about the connection.

    Raises:
        ServiceUnavailable: nobody answers.
        BadRequest: the request has a body, which nobody would look at.
    """
    request = call.request
    if request.can_read_body:
        raise BadRequest("a request that changes the protocol can have no body")
    where = f"dial tcp {address.host}:{address.port}"
    try:
        async with asyncio.timeout(DIAL_SECONDS):
            there, to_them = await asyncio.open_connection(
                address.host, address.port, ssl=tls, server_hostname=host, limit=MAX_HEAD_BYTES
            )
            to_them.write(_head_of(request, address, headers))
            head = read_head(await there.readuntil(b"\r\n\r\n"))
    except TimeoutError as error:
        raise _unreachable(f"{where}: i/o timeout") from error
    except (OSError, IncompleteReadError, LimitOverrunError, ValueError) as error:
        raise _unreachable(f"{where}: {_why(error)}") from error
    try:
        if head.code != SWITCHING:
            return await _refusal(call, head, there)
        return await _joined(request, head, there, to_them)
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
    here = StreamReader(limit=PIECE_BYTES)
    protocol = asyncio.StreamReaderProtocol(here)
    transport.set_protocol(protocol)
    protocol.connection_made(transport)
    to_us = StreamWriter(transport, protocol, here, asyncio.get_running_loop())
    try:
        to_us.write(head.raw)
        async with asyncio.timeout(None) as deadline:
            with connection.stream(deadline):
                await _pump(here, to_us, there, to_them)
    except TimeoutError:
        if not deadline.expired():
            raise
    finally:
        transport.set_protocol(connection)
        transport.close()
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


async def _refusal(call: Call, head: Head, there: StreamReader) -> StreamResponse:
    """The answer as it is, as far as its length is told."""
    size = head.headers.get("Content-Length", "0")
    body = b""
    if size.isdecimal() and 0 < int(size) <= MAX_REFUSAL_BYTES:
        with suppress(IncompleteReadError, ConnectionError, TimeoutError):
            async with asyncio.timeout(DIAL_SECONDS):
                body = await there.readexactly(int(size))
    return Reply(body, head.code, call.headers(head.headers.get("Content-Type", "")))


def _head_of(request: BaseRequest, address: Address, headers: CIMultiDict[str]) -> bytes:
    """The head of the request. Raises ``ValueError`` for a value that would break out of its line."""
    host = address.url.removeprefix("https://")
    lines = [f"{request.method} {request.raw_path} HTTP/1.1", f"Host: {host}", "Connection: Upgrade"]
    lines += [f"Upgrade: {request.headers['Upgrade']}"]
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


def _unreachable(why: str) -> ServiceUnavailable:
    return ServiceUnavailable(f"error trying to reach service: {why}")
