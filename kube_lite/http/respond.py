"""Bodies → responses: small ones in one write, large ones in pieces, compressed when that pays.

A body is a list of pieces so that a list of a thousand objects is never copied into one string. The TLS layer
copies whatever it could not send at once, so pieces are kept near 128 KiB and each waits for the one before:
in one write the same bytes take five times as long. Compressing is done by a thread of its own, because at a
megabyte it would hold the event loop for many milliseconds.
"""

import zlib
from asyncio import get_running_loop, sleep
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor

from aiohttp.web_response import StreamResponse
from multidict import CIMultiDict

from kube_lite.api.errors import ApiError, NotAcceptable

from .call import Call
from .chunks import Chunks
from .negotiate import PLAIN, Route, negotiate
from .reply import Reply
from .represent import encode, with_pretty

PIECE_BYTES = 128 * 1024
STREAMED_FROM = 1024 * 1024  # beyond it the length of a list is not waited for
COMPRESSED_FROM = 128 * 1024  # upstream's threshold: below it compressing costs more than it saves
TEXT = "text/plain; charset=utf-8"


class Responder:
    """Sends answers; owns the thread that compresses."""

    def __init__(self) -> None:
        self._compressor = ThreadPoolExecutor(1, thread_name_prefix="http-compress")

    def close(self) -> None:
        """Let the thread go."""
        self._compressor.shutdown(wait=False, cancel_futures=True)

    async def send(
        self,
        call: Call,
        code: int,
        body: bytes | Sequence[bytes],
        content_type: str,
        warnings: Iterable[str] = (),
        extra: Mapping[str, str] | None = None,
    ) -> StreamResponse:
        """Answer with a body; a large one has been sent when this returns.

        Args:
            warnings: texts of ``Warning`` headers.
            extra: headers that only this answer has.
        """
        headers = call.headers(content_type, warnings)
        if extra:
            headers = CIMultiDict(headers)
            headers.update(extra)
        if isinstance(body, bytes) and len(body) < COMPRESSED_FROM:
            return Reply(body, code, headers)
        pieces = [body] if isinstance(body, bytes) else body
        return await self._send_large(call, code, pieces, CIMultiDict(headers))

    async def send_text(
        self, call: Call, text: Iterator[bytes], content_type: str, warnings: Iterable[str]
    ) -> StreamResponse:
        """Answer with a text of unknown length; no more of it is taken than the client keeps up with."""
        pieces: list[bytes] = []
        size = 0
        for piece in text:
            pieces.append(piece)
            size += len(piece)
            if size >= STREAMED_FROM and call.request.version >= (1, 1):
                break
        else:
            return await self.send(call, 200, pieces, content_type, warnings)
        response = Chunks(200, call.headers(content_type, warnings))
        is_compressed = accepts_gzip(call.request.headers.get("Accept-Encoding", ""))
        if is_compressed:
            response.headers["Content-Encoding"] = "gzip"
            response.headers["Vary"] = "Accept-Encoding"
        whole = _followed(pieces, text)
        try:
            await response.send(call.request, self._compressed(whole) if is_compressed else _blocks(whole))
        except ApiError as error:  # too late to tell: only an answer that ends early can
            if call.request.transport is not None:
                call.request.transport.abort()
            raise ConnectionAbortedError("a list could not be gone on with") from error
        return response

    async def _compressed(self, pieces: Iterable[bytes]) -> AsyncIterator[Sequence[bytes]]:
        packer = zlib.compressobj(1, zlib.DEFLATED, 16 + zlib.MAX_WBITS)
        loop = get_running_loop()
        for piece in pieces:
            packed = await loop.run_in_executor(self._compressor, packer.compress, piece)
            if packed:
                yield (packed,)
        yield (packer.flush(),)

    async def _send_large(
        self, call: Call, code: int, pieces: Sequence[bytes], headers: CIMultiDict[str]
    ) -> StreamResponse:
        size = sum(map(len, pieces))
        if size >= COMPRESSED_FROM and accepts_gzip(call.request.headers.get("Accept-Encoding", "")):
            headers["Content-Encoding"] = "gzip"
            headers["Vary"] = "Accept-Encoding"
            pieces = await get_running_loop().run_in_executor(self._compressor, compress, pieces)
            size = sum(map(len, pieces))
        if size < PIECE_BYTES:
            return Reply(b"".join(pieces), code, headers)
        response = StreamResponse(status=code, headers=headers)
        response.content_length = size
        await response.prepare(call.request)
        for piece in cut(pieces):
            await response.write(piece)
        await response.write_eof()
        return response


def _followed(pieces: list[bytes], text: Iterator[bytes]) -> Iterator[bytes]:
    """All of it; what was taken is held no longer than it is sent."""
    pieces.reverse()
    while pieces:
        yield pieces.pop()
    yield from text


async def _blocks(pieces: Iterable[bytes]) -> AsyncIterator[Sequence[bytes]]:
    """The pieces, some at a time; others get their turn, also if the client takes all of it at once."""
    block: list[bytes] = []
    size = 0
    for piece in pieces:
        block.append(piece)
        size += len(piece)
        if size >= STREAMED_FROM:
            yield block
            block, size = [], 0
            await sleep(0)
    if block:
        yield block


def compress(pieces: Sequence[bytes]) -> list[bytes]:
    """The pieces as one gzip stream; level 1, as upstream, because the network here is fast."""
    packer = zlib.compressobj(1, zlib.DEFLATED, 16 + zlib.MAX_WBITS)
    packed = [packer.compress(piece) for piece in cut(pieces)]
    packed.append(packer.flush())
    return packed


def cut(pieces: Iterable[bytes]) -> Iterable[bytes]:
    """The same bytes in pieces of about ``PIECE_BYTES``: small ones joined, large ones divided."""
    waiting: list[bytes] = []
    size = 0
    for piece in pieces:
        if len(piece) >= PIECE_BYTES:
            if waiting:
                yield b"".join(waiting)
                waiting, size = [], 0
            if len(piece) <= 2 * PIECE_BYTES:
                yield piece
                continue
            yield from (piece[start : start + PIECE_BYTES] for start in range(0, len(piece), PIECE_BYTES))
            continue
        waiting.append(piece)
        size += len(piece)
        if size >= PIECE_BYTES:
            yield b"".join(waiting)
            waiting, size = [], 0
    if waiting:
        yield b"".join(waiting)


def accepts_gzip(accept_encoding: str) -> bool:
    """Whether an ``Accept-Encoding`` header names gzip and does not rule it out."""
    for text in accept_encoding.split(","):
        name, _, parameters = text.strip().partition(";")
        if name.strip() == "gzip":
            return "q=0" not in parameters.replace(" ", "").split(";") and "q=0.0" not in parameters
    return False


def text_response(call: Call, code: int, text: str) -> Reply:
    """An answer in plain text, for paths that are no API."""
    response = Reply(text.encode(), code, call.headers(TEXT))
    response.headers["X-Content-Type-Options"] = "nosniff"
    return response


def status_response(call: Call, error: ApiError) -> Reply:
    """What a failed request is told: a ``metav1.Status``, in JSON where the client's wish cannot be met."""
    headers = call.request.headers
    try:
        form = negotiate(headers.get("Accept", ""), route=Route.NONE, has_cbor=call.has_cbor)
    except NotAcceptable:
        form = PLAIN
    form = with_pretty(form, call.address.query, headers.get("User-Agent", ""))
    body = encode(error.status(), form)
    response = Reply(body, error.code, call.headers(form.media_type, error.warnings))
    if error.retry_after is not None:
        response.headers["Retry-After"] = str(error.retry_after)
    if error.code == 401:
        response.headers["Www-Authenticate"] = 'Basic realm="kubernetes-master"'
    return response
