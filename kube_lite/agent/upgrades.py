"""Requests to the node's API that become conversations: over a WebSocket, or SPDY the old way.

kubectl speaks WebSocket from 1.31 on and SPDY before; API servers pass the latter on as it is, also ports
that a client forwards over a WebSocket.
"""

import asyncio
from collections.abc import AsyncIterator, Collection, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Protocol

from aiohttp.http_websocket import WSMsgType
from aiohttp.web_request import BaseRequest
from aiohttp.web_response import StreamResponse
from aiohttp.web_ws import WebSocketResponse

from kube_lite.kit.takeover import taken_over

from .channels import PROTOCOLS, Socket
from .spdy_channels import PROTOCOL as V4
from .spdy_channels import accept_streams
from .spdy_session import PIECE_BYTES, Session, spoken

MAX_MESSAGE_BYTES = 32 * 1024 * 1024
SPDY = "spdy/3.1"


class Refused(Exception):
    """A request that is not served, with its HTTP code."""

    def __init__(self, code: int, text: str) -> None:
        super().__init__(text)
        self.code = code


class Client(Protocol):
    """Who asked for the streams of a process. ``response`` is for aiohttp, when all is over."""

    response: StreamResponse

    def talking(self) -> AbstractAsyncContextManager[Socket]:
        """Change the protocol and talk, for the length of the block. Raises ``ConnectionError``."""
        ...


def client_of(request: BaseRequest, wanted: Collection[str], *, tty: bool) -> Client:
    """The client's end of an exec or attach, not yet changed over.

    Raises:
        Refused: it wants no protocol that is spoken here.
    """
    upgrade = request.headers.get("Upgrade", "").lower()
    if upgrade == SPDY:
        choose(request, (V4,))
        return _SpdyClient(request, wanted, tty=tty)
    if upgrade != "websocket":
        raise Refused(400, "Upgrade request required")
    offered = {word.strip() for word in request.headers.get("Sec-WebSocket-Protocol", "").split(",")}
    if not offered & set(PROTOCOLS):
        raise Refused(400, f"unable to upgrade: none of {', '.join(PROTOCOLS)} is offered")
    return _WebSocketClient(request)


class _WebSocketClient:
    """A WebSocket as ``channels`` wants it."""

    def __init__(self, request: BaseRequest) -> None:
        self._request = request
        self._socket = WebSocketResponse(protocols=PROTOCOLS, compress=False, max_msg_size=MAX_MESSAGE_BYTES)
        self.response: StreamResponse = self._socket

    @asynccontextmanager
    async def talking(self) -> AsyncIterator[Socket]:
        await self._socket.prepare(self._request)
        yield self
        await self._socket.close()

    async def receive_message(self) -> bytes | None:
        message = await self._socket.receive()
        if message.type is WSMsgType.BINARY:
            return bytes(message.data)
        return str(message.data).encode() if message.type is WSMsgType.TEXT else None

    async def send_message(self, message: bytes) -> None:
        if not self._socket.closed:
            await self._socket.send_bytes(message)


class _SpdyClient:
    def __init__(self, request: BaseRequest, wanted: Collection[str], *, tty: bool) -> None:
        self._request = request
        self._wanted = wanted
        self._tty = tty
        self.response = upgraded()

    @asynccontextmanager
    async def talking(self) -> AsyncIterator[Socket]:
        async with upgraded_to_spdy(self._request, (V4,)) as session:
            streams = await accept_streams(session, self._wanted, tty=self._tty)
            if streams is None:
                raise ConnectionResetError("the client has not opened its streams")
            async with asyncio.TaskGroup() as group:
                hearing = group.create_task(streams.hear(session))
                yield streams
                await streams.close()
                hearing.cancel()


def upgraded() -> StreamResponse:
    """Stands for an answer that was sent; nobody sends it on a connection that is closed."""
    return StreamResponse(status=101)


def choose(request: BaseRequest, protocols: Sequence[str]) -> str:
    """The best of our protocols that the client offers in ``X-Stream-Protocol-Version``.

    Raises:
        Refused: there is none.
    """
    offered = {
        name.strip()
        for line in request.headers.getall("X-Stream-Protocol-Version", [])
        for name in line.split(",")
    }
    for protocol in protocols:
        if protocol in offered:
            return protocol
    raise Refused(
        403,
        f"unable to upgrade: unable to negotiate protocol: client supports {sorted(offered)}, "
        f"server accepts {list(protocols)}",
    )


@asynccontextmanager
async def upgraded_to_spdy(request: BaseRequest, protocols: Sequence[str]) -> AsyncIterator[Session]:
    """Speak SPDY on the request's connection, for the length of the block; then it is closed.

    Raises:
        Refused: the request does not ask for that.
    """
    if request.headers.get("Upgrade", "").lower() != SPDY:
        raise Refused(400, "Upgrade request required")
    protocol = choose(request, protocols)
    transport = request.transport
    if transport is None or transport.is_closing():
        raise ConnectionResetError("the client has gone")
    with taken_over(transport, PIECE_BYTES) as (reader, writer):
        writer.write(
            b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: SPDY/3.1\r\n"
            b"X-Stream-Protocol-Version: %s\r\n\r\n" % protocol.encode()
        )
        async with spoken(reader, writer) as session:
            yield session
