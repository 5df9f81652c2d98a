"""The server's side of a SPDY connection: streams that clients open, each to be read and written.

One task reads the connection and sorts what comes. It stops while a stream has more waiting than it may,
since clients know no other way to be slowed down; then the other streams wait, too.
"""

import asyncio
from asyncio import StreamReader, StreamWriter
from collections import deque
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress

from kube_lite.kit import spdy

PIECE_BYTES = 64 * 1024
MAX_WAITING_BYTES = 1024 * 1024
MAX_STREAMS = 1000  # of one connection at the same time


class Stream:
    """One stream. ``headers`` is what the client said of it."""

    def __init__(self, number: int, headers: Mapping[str, str], session: "Session") -> None:
        self.number = number
        self.headers = headers
        self._session = session
        self._pieces: deque[bytes] = deque()
        self._size = 0
        self._changed = asyncio.Event()
        self._room = asyncio.Event()
        self._has_ended = self._is_closed = False

    async def read(self) -> bytes:
        """The next piece; empty once the client has ended it."""
        while not self._pieces and not self._has_ended:
            self._changed.clear()
            await self._changed.wait()
        if not self._pieces:
            return b""
        piece = self._pieces.popleft()
        self._size -= len(piece)
        self._room.set()
        return piece

    async def write(self, content: bytes) -> None:
        """Send a piece; returns when there is room for more. Nothing happens once the stream is closed."""
        for start in range(0, len(content), PIECE_BYTES):
            if self._is_closed:
                return
            await self._session.send(spdy.data(self.number, content[start : start + PIECE_BYTES]))

    async def close(self) -> None:
        """Nothing more will be sent."""
        if not self._is_closed:
            self._is_closed = True
            self._session.leave(self)
            await self._session.send(spdy.data(self.number, b"", is_last=True))

    async def take(self, content: bytes, *, is_last: bool) -> None:
        """A piece has come; waits while there are too many."""
        if content and not self._is_closed:
            self._pieces.append(content)
            self._size += len(content)
        self._has_ended = self._has_ended or is_last
        self._changed.set()
        while self._size > MAX_WAITING_BYTES and not self._is_closed:
            self._room.clear()
            await self._room.wait()

    def end(self) -> None:
        """The client is done with it, or gone."""
        self._has_ended = self._is_closed = True
        self._changed.set()
        self._room.set()


class Session:
    """The streams of one connection, as clients open them."""

    def __init__(self, reader: StreamReader, writer: StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self._framing = spdy.Framing()
        self._streams: dict[int, Stream] = {}
        self._opened: asyncio.Queue[Stream | None] = asyncio.Queue()

    async def accept(self) -> Stream | None:
        """The next stream that is opened; None when there will be none."""
        return await self._opened.get()

    async def send(self, frame: bytes) -> None:
        """Send a frame; a client that has gone hears nothing."""
        with suppress(ConnectionError):
            self._writer.write(frame)
            await self._writer.drain()

    def leave(self, stream: Stream) -> None:
        """We send no more on it; what still comes is thrown away."""
        stream.end()
        self._streams.pop(stream.number, None)

    async def run(self) -> None:
        """Read until the client goes or speaks nonsense."""
        try:
            while received := await self._reader.read(PIECE_BYTES):
                for frame in self._framing.feed(received):
                    await self._hear(frame)
        except (spdy.SpdyError, ConnectionError):
            pass  # either way nobody is there to talk to
        finally:
            self._opened.put_nowait(None)
            for stream in self._streams.values():
                stream.end()

    async def _hear(self, frame: spdy.Frame) -> None:
        if isinstance(frame, spdy.Opened):
            await self._open(frame)
        elif isinstance(frame, spdy.Ping):
            await self.send(spdy.ping(frame.number))
        elif isinstance(frame, spdy.Data):
            if stream := self._streams.get(frame.stream):
                await stream.take(frame.content, is_last=frame.is_last)
        elif isinstance(frame, spdy.Reset):
            if stream := self._streams.pop(frame.stream, None):
                stream.end()
        else:
            self._opened.put_nowait(None)

    async def _open(self, frame: spdy.Opened) -> None:
        if len(self._streams) >= MAX_STREAMS or frame.stream in self._streams:
            await self.send(spdy.reset(frame.stream, spdy.REFUSED))
            return
        stream = self._streams[frame.stream] = Stream(frame.stream, frame.headers, self)
        if frame.is_last:
            await stream.take(b"", is_last=True)
        await self.send(self._framing.reply(frame.stream))
        self._opened.put_nowait(stream)


@asynccontextmanager
async def spoken(reader: StreamReader, writer: StreamWriter) -> AsyncIterator[Session]:
    """Speak SPDY over a connection, for the length of the block."""
    session = Session(reader, writer)
    async with asyncio.TaskGroup() as group:
        running = group.create_task(session.run())
        try:
            yield session
        finally:
            running.cancel()
