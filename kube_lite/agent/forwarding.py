"""Ports of a Pod, passed on over SPDY: the protocol ``portforward.k8s.io``.

For each connection the client opens two streams with the same ``requestid``: ``data``, which carries it both
ways, and ``error``, on which is told why it could not be had. Source: ``pkg/kubelet/server``
(``cri-streaming/pkg/streaming/portforward/httpstream.go``).
"""

import asyncio
import socket
from collections.abc import Awaitable, Callable
from contextlib import suppress

from kube_lite_runtime.errors import RuntimeFailure

from .spdy_session import PIECE_BYTES, Session, Stream

PROTOCOL = "portforward.k8s.io"
MAX_PORT = 65535

Dial = Callable[[int], Awaitable[socket.socket]]
"""A connection to a port of the Pod. Raises ``RuntimeFailure``."""


async def serve_ports(session: Session, dial: Dial, told: str) -> None:
    """Pass connections on until the client goes.

    Args:
        told: what failures call the Pod: ``pod web, uid 1-2-3``.
    """
    halves: dict[str, Stream] = {}
    async with asyncio.TaskGroup() as group:
        connections: set[asyncio.Task[None]] = set()
        while (stream := await session.accept()) is not None:
            request, is_data = _request_of(stream), stream.headers.get("streamtype") == "data"
            other = halves.pop(request, None)
            if other is None:
                halves[request] = stream
                continue
            data, error = (stream, other) if is_data else (other, stream)
            task = group.create_task(_pass_on(data, error, dial, told))
            connections.add(task)
            task.add_done_callback(connections.discard)
        for task in connections:
            task.cancel()


def _request_of(stream: Stream) -> str:
    """Which connection it is for; clients that do not say open the error's stream first, then the data's."""
    number = stream.number - 2 if stream.headers.get("streamtype") == "data" else stream.number
    return stream.headers.get("requestid") or str(number)


async def _pass_on(data: Stream, error: Stream, dial: Dial, told: str) -> None:
    port = stream_port(data)
    try:
        if port is None:
            await error.write(f"unable to parse port {data.headers.get('port', '')!r}".encode())
            return
        try:
            connected = await dial(port)
        except RuntimeFailure as failure:
            await error.write(f"error forwarding port {port} to {told}: {failure}".encode())
            return
        reader, writer = await asyncio.open_connection(sock=connected)
        try:
            await _join(data, reader, writer)
        finally:
            writer.transport.abort()
    finally:
        await data.close()
        await error.close()


def stream_port(stream: Stream) -> int | None:
    """The port that is asked for; None if that is none."""
    text = stream.headers.get("port", "")
    return int(text) if text.isascii() and text.isdigit() and 0 < int(text) <= MAX_PORT else None


async def _join(data: Stream, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Pass bytes both ways until the Pod is done; the client may be done before, and still listen."""

    async def to_pod() -> None:
        with suppress(ConnectionError):
            while piece := await data.read():
                writer.write(piece)
                await writer.drain()
            writer.write_eof()

    async with asyncio.TaskGroup() as group:
        sending = group.create_task(to_pod())
        with suppress(ConnectionError):
            while piece := await reader.read(PIECE_BYTES):
                await data.write(piece)
        sending.cancel()
