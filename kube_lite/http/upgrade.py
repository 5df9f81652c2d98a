"""Requests for streams that change the protocol, and WebSockets that carry them.

The streams of a container come by the channel protocols v5 and v4, here the server's side.

A binary message is one byte that names the channel, then the bytes:

    0 standard input   1 output   2 error   3 a Status in JSON that ends it   4 size of the terminal
    255 (v5 only) the channel named by the next byte is closed

``v4.base64.channel.k8s.io`` is the same in text messages, a digit and base64, for browsers. Forwarded ports
are SPDY within binary messages, cut anywhere. Clients before 1.31 speak SPDY without WebSocket.
Source: KEP-4006, and ``streaming/pkg/httpstream/wsstream/conn.go``.
"""

import asyncio
from asyncio import StreamReader, StreamWriter
from base64 import b64decode, b64encode
from collections.abc import Sequence
from contextlib import suppress

from aiohttp import WSMsgType
from aiohttp.web_request import BaseRequest
from aiohttp.web_ws import WebSocketResponse

from kube_lite.api.errors import BadRequest

V5 = "v5.channel.k8s.io"
V4 = "v4.channel.k8s.io"
V4_BASE64 = "v4.base64.channel.k8s.io"
PROTOCOLS = (V5, V4, V4_BASE64)
SPDY = "SPDY/3.1"
STREAM_PROTOCOL = "X-Stream-Protocol-Version"
PORT_FORWARD = "portforward.k8s.io"
TUNNELLED = f"{SPDY}+{PORT_FORWARD}"
PIECE_BYTES = 64 * 1024
MAX_MESSAGE_BYTES = 32 * 1024 * 1024  # kubectl sends at most 32 KiB at once; others send what they have
PING_SECONDS = 30.0  # so that a silent shell is not cut by whatever lies between


def wants_spdy(request: BaseRequest) -> bool:
    """Whether the client wants the streams the old way."""
    return request.headers.get("Upgrade", "").lower().startswith("spdy")


def choose_protocol(request: BaseRequest) -> str:
    """The best protocol that both sides speak.

    Raises:
        BadRequest: the request is no upgrade to WebSocket, or none of its protocols is ours.
    """
    return _choose(request, PROTOCOLS)


def refuse_unless_tunnelling(request: BaseRequest) -> None:
    """Refuse who would forward ports in another way than SPDY within WebSocket. Raises ``BadRequest``."""
    _choose(request, (TUNNELLED,))


def _choose(request: BaseRequest, protocols: Sequence[str]) -> str:
    if request.headers.get("Upgrade", "").lower() != "websocket":
        raise BadRequest("Upgrade request required")
    offered = [name.strip() for name in request.headers.get("Sec-WebSocket-Protocol", "").split(",")]
    for protocol in protocols:
        if protocol in offered:
            return protocol
    known = ", ".join(protocols)
    raise BadRequest(f"unable to upgrade: none of the WebSocket protocols is known; known are: {known}")


class Channels:
    """The client's end of a stream: binary channel messages, however they travel."""

    def __init__(self, protocol: str) -> None:
        self._is_text = protocol == V4_BASE64
        self._socket = WebSocketResponse(
            protocols=(protocol,), compress=False, max_msg_size=MAX_MESSAGE_BYTES, heartbeat=PING_SECONDS
        )

    async def accept(self, request: BaseRequest) -> WebSocketResponse:
        """Answer the upgrade; from now on messages flow."""
        await self._socket.prepare(request)
        return self._socket

    async def receive(self) -> bytes | None:
        """The next message, or None when the client has closed."""
        message = await self._socket.receive()
        if message.type is WSMsgType.BINARY:
            return bytes(message.data)
        if message.type is WSMsgType.TEXT:
            text: str = message.data
            return bytes([int(text[:1] or "0")]) + b64decode(text[1:]) if self._is_text else text.encode()
        return None

    async def send(self, message: bytes) -> None:
        """Pass a message on; waits when the client is slow."""
        if self._is_text:
            await self._socket.send_str(f"{message[0]}{b64encode(message[1:]).decode()}")
        else:
            await self._socket.send_bytes(message)

    async def close(self) -> None:
        """Say goodbye; harmless when the client has gone."""
        await self._socket.close()


class Wrapped:
    """A WebSocket whose binary messages are a stream of bytes."""

    def __init__(self) -> None:
        self._socket = WebSocketResponse(
            protocols=(TUNNELLED,), compress=False, max_msg_size=MAX_MESSAGE_BYTES, heartbeat=PING_SECONDS
        )

    async def accept(self, request: BaseRequest) -> WebSocketResponse:
        """Answer the upgrade; from now on messages flow."""
        await self._socket.prepare(request)
        return self._socket

    async def join(self, reader: StreamReader, writer: StreamWriter) -> None:
        """Pass bytes both ways until one side ends."""
        async with asyncio.TaskGroup() as group:
            ways = {group.create_task(self._give(writer)), group.create_task(self._take(reader))}
            _, left = await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
            for way in left:
                way.cancel()

    async def _give(self, writer: StreamWriter) -> None:
        with suppress(ConnectionError):
            async for message in self._socket:
                if message.type is WSMsgType.BINARY:
                    writer.write(message.data)
                    await writer.drain()

    async def _take(self, reader: StreamReader) -> None:
        with suppress(ConnectionError):
            while piece := await reader.read(PIECE_BYTES):
                await self._socket.send_bytes(piece)

    async def close(self) -> None:
        """Say goodbye; harmless when the client has gone."""
        await self._socket.close()
