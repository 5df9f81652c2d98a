"""Watches over HTTP: one JSON frame a line, as long as the client likes, at most as long as was agreed.

In protobuf a frame is a ``WatchEvent`` behind its length, and holds the object in an envelope of its own; in
CBOR frames follow each other without anything between them (RFC 8742). A
frame is made once per event and form and kept with the event, so that a thousand watchers cost one encoding.
Each write waits until the client has taken most of what was sent before; a client that takes nothing stops
its own watch only, and the store cuts that off with its bounded queue.

What can be told only in the stream is told as an ``ERROR`` event with a Status: above all 410, after which
clients list again. A WebSocket client gets the same frames as messages, those in protobuf without length.
"""

import asyncio
import random
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import cast

from aiohttp.web_response import StreamResponse

from kube_lite.api.errors import ApiError, BadRequest, Expired, Gone, NotAcceptable, Timeout
from kube_lite.api.resource import Resource
from kube_lite.verbs.request import Change

from .call import Call
from .listener import Connection
from .negotiate import CBOR, CBOR_STREAM, JSON, PLAIN, PROTOBUF, Form
from .represent import encode, event_object, included

STREAMED = ("application/json;stream=watch", "application/vnd.kubernetes.protobuf;stream=watch")
_CALLED = {JSON: JSON, PROTOBUF: STREAMED[1], CBOR: CBOR_STREAM}
LONGEST_SECONDS = 1800.0  # without timeoutSeconds a watch ends after this to twice this, as upstream

Changes = AbstractAsyncContextManager[AsyncIterator[Change]]


class Framer:
    """Changes of one resource → frames in one form.

    Tables are made anew for each watcher: their ages are of the moment, and only the first carries columns.
    """

    def __init__(self, row: Resource, form: Form, query: Mapping[str, str], now: Callable[[], float]) -> None:
        if form.media_type not in _CALLED:
            raise NotAcceptable(f"only the following media types are accepted: {', '.join(STREAMED)}")
        if form.kind == "Table":
            included(query)  # what cannot be made is refused before anything is told
        self._row = row
        self._form = form._replace(pretty=False)  # a frame is a line
        self._query = query
        self._now = now
        self._media_type = form.media_type
        self._key = f"{form.media_type}/{form.kind}/{form.version}"
        self._is_first = True

    @property
    def content_type(self) -> str:
        """What the frames are called."""
        return _CALLED[self._media_type]

    def frame(self, change: Change) -> bytes:
        """What tells of a change."""
        if self._form.kind == "Table":
            return self._make(change)
        frame = change.encoded.get(self._key)
        if frame is None:
            frame = change.encoded[self._key] = self._make(change)
        return frame

    def _make(self, change: Change) -> bytes:
        if self._form == PLAIN:
            body = change.stored.raw
        else:
            with_columns, self._is_first = self._is_first, False
            made = event_object(
                change, self._form, self._row, self._query, self._now(), with_columns=with_columns
            )
            body = encode(made, self._form)
        return self._framed(change.type, body)

    def error(self, error: ApiError) -> bytes:
        """The frame that tells why a watch ends."""
        return self._framed("ERROR", encode(error.status(), self._form))

    def message(self, frame: bytes) -> str | bytes:
        """A frame as a message of a WebSocket, which has a length of its own."""
        if self._media_type == CBOR:
            return frame
        return frame[4:] if self._media_type == PROTOBUF else frame.decode()

    def _framed(self, kind: str, body: bytes) -> bytes:
        if self._media_type == CBOR:
            from kube_lite.api.codecs import cbor

            return cbor.encode_event(kind, body)
        if self._media_type == PROTOBUF:
            from kube_lite.api.codecs.protobuf_writing import encode_event

            return encode_event(kind, body)
        return b'{"type":"%s","object":%s}\n' % (kind.encode(), body)


def timeout_of(query: Mapping[str, str]) -> float:
    """How long the watch may last, in seconds.

    Raises:
        BadRequest: ``timeoutSeconds`` is no number.
    """
    text = query.get("timeoutSeconds") or "0"
    try:
        seconds = int(text)
    except ValueError:
        raise BadRequest(f'strconv.ParseInt: parsing "{text}": invalid syntax') from None
    if seconds > 0:
        return float(seconds)
    return LONGEST_SECONDS * (1 + random.random())  # spread, so that clients do not come back all at once


class _Chunks:
    """Frames as chunks of an ordinary response."""

    def __init__(self, call: Call, framer: Framer) -> None:
        self._request = call.request
        self.response = StreamResponse(headers=call.headers(framer.content_type))
        self.response.enable_chunked_encoding()

    async def begin(self) -> None:
        await self.response.prepare(self._request)

    @asynccontextmanager
    async def listening(self, deadline: asyncio.Timeout) -> AsyncIterator[None]:
        yield  # a client that goes is noticed by its connection

    async def send(self, frame: bytes) -> None:
        await self.response.write(frame)

    async def end(self) -> None:
        await self.response.write_eof()


class _Messages:
    """Frames as messages of a WebSocket."""

    def __init__(self, call: Call, framer: Framer) -> None:
        from aiohttp.web_ws import WebSocketResponse  # few clients watch this way

        self._request = call.request
        self._framer = framer
        self.response = WebSocketResponse()

    async def begin(self) -> None:
        await self.response.prepare(self._request)

    @asynccontextmanager
    async def listening(self, deadline: asyncio.Timeout) -> AsyncIterator[None]:
        """Somebody must read, or pings stay unanswered and a farewell unnoticed."""
        try:
            async with asyncio.TaskGroup() as group:
                reader = group.create_task(self._read(deadline))
                try:
                    yield
                finally:
                    reader.cancel()
        except BaseExceptionGroup as failures:
            raise failures.exceptions[0] from None

    async def _read(self, deadline: asyncio.Timeout) -> None:
        async for _ in self.response:
            pass  # clients have nothing to say
        deadline.reschedule(asyncio.get_running_loop().time())

    async def send(self, frame: bytes) -> None:
        message = self._framer.message(frame)
        if isinstance(message, str):
            await self.response.send_str(message)
        else:
            await self.response.send_bytes(message)

    async def end(self) -> None:
        await self.response.close()


async def serve_watch(
    call: Call, changes: Changes, framer: Framer, count: Callable[[int], None]
) -> StreamResponse:
    """Tell everything that ``changes`` yields until the time is up or the client goes.

    Args:
        count: called with the size of each event that was told.

    Raises:
        ApiError: the watch could not begin, and nothing has been sent.
    """
    is_websocket = call.request.headers.get("Upgrade", "").lower() == "websocket"
    out = _Messages(call, framer) if is_websocket else _Chunks(call, framer)
    connection = cast(Connection, call.request.protocol)  # the only kind that the listener makes
    try:
        async with asyncio.timeout(timeout_of(call.address.query)) as deadline:
            with connection.stream(deadline):
                await _tell(changes, framer, out, deadline, count)
    except TimeoutError:
        if not deadline.expired():
            raise
    if call.request.transport is not None:
        if not out.response.prepared:
            await out.begin()
        await out.end()
    return out.response


async def _tell(
    changes: Changes,
    framer: Framer,
    out: _Chunks | _Messages,
    deadline: asyncio.Timeout,
    count: Callable[[int], None],
) -> None:
    try:
        async with changes as stream:
            await out.begin()
            async with out.listening(deadline):
                async for change in stream:
                    frame = framer.frame(change)
                    await out.send(frame)
                    count(len(frame))
    except (Expired, Gone, Timeout) as error:  # told in the stream even when the watch could not begin
        if not out.response.prepared:
            await out.begin()
        await out.send(framer.error(error))
    except ApiError as error:
        if not out.response.prepared:
            raise
        await out.send(framer.error(error))
