"""The streams of a process over SPDY: the protocol ``v4.channel.k8s.io`` as kubectl before 1.31 speaks it.

The client opens a stream for each of ``error``, ``stdin``, ``stdout``, ``stderr`` and ``resize`` that it
wants. To ``channels.serve`` they look like the channels of a WebSocket. Source:
``cri-streaming/pkg/streaming/remotecommand/httpstream.go``.
"""

import asyncio
from collections.abc import Collection

from .channels import CLOSE, ERROR_OUTPUT, INPUT, OUTPUT, RESIZE, STATUS
from .spdy_session import Session, Stream

PROTOCOL = "v4.channel.k8s.io"
CREATION_SECONDS = 30.0  # how long the client may take to open what it wants
MAX_MESSAGES = 16  # that wait to be heard
_CHANNELS = {OUTPUT: "stdout", ERROR_OUTPUT: "stderr", STATUS: "error"}


class ClientStreams:
    """The client's end of an exec or attach, as ``channels`` wants it."""

    def __init__(self, streams: dict[str, Stream]) -> None:
        self._streams = streams
        self._messages: asyncio.Queue[bytes | None] = asyncio.Queue(MAX_MESSAGES)

    async def receive_message(self) -> bytes | None:
        """The next message; None once the client has gone."""
        return await self._messages.get()

    async def send_message(self, message: bytes) -> None:
        """Send one; what the client has no stream for is dropped."""
        stream = self._streams.get(_CHANNELS.get(message[0], ""))
        if stream is not None:
            await stream.write(message[1:])

    async def hear(self, session: Session) -> None:
        """Gather what comes, until the client goes."""
        async with asyncio.TaskGroup() as group:
            hearing = [
                group.create_task(self._hear(channel, self._streams[name]))
                for channel, name in ((INPUT, "stdin"), (RESIZE, "resize"))
                if name in self._streams
            ]
            while await session.accept() is not None:
                pass  # whatever else it opens means nothing
            for task in hearing:
                task.cancel()
        await self._messages.put(None)

    async def _hear(self, channel: int, stream: Stream) -> None:
        while piece := await stream.read():
            await self._messages.put(bytes([channel]) + piece)
        await self._messages.put(bytes([CLOSE, channel]))

    async def close(self) -> None:
        """End every stream, that of the status last."""
        for stream in sorted(self._streams.values(), key=lambda one: one.headers["streamtype"] == "error"):
            await stream.close()


async def accept_streams(session: Session, wanted: Collection[str], *, tty: bool) -> ClientStreams | None:
    """Wait for the streams that belong to what is wanted; None if the client does not open them."""
    expected = {"error", *wanted} - ({"stderr"} if tty else set()) | ({"resize"} if tty else set())
    streams: dict[str, Stream] = {}
    try:
        async with asyncio.timeout(CREATION_SECONDS):
            while expected - streams.keys():
                stream = await session.accept()
                if stream is None:
                    return None
                streams[stream.headers.get("streamtype", "")] = stream
    except TimeoutError:
        return None
    return ClientStreams({name: stream for name, stream in streams.items() if name in expected})
