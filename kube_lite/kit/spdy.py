"""SPDY/3.1: many streams over one connection, as frames and no more.

A frame is a head of eight bytes and a body. Those that control streams hold names and values, which each
direction compresses with one memory for all of the connection, so frames must be read in the order in which
they came; those that carry data hold bytes. Nobody who still speaks it keeps to windows, so they are not here
either: whoever has read too much stops reading.

    control   1 | 3 (15 bits) | type (16)     data   0 | stream (31)
              flags (8) | length (24)                flags (8) | length (24)

Source: the draft "SPDY Protocol - Draft 3.1", and moby/spdystream, what Go programs speak.
"""

import struct
import zlib
from collections.abc import Iterator, Mapping
from typing import NamedTuple, TypeAlias

MAX_HEADER_BYTES = 64 * 1024  # of the names and values of one frame, packed or not
REFUSED = 3
"""Why a stream is reset: it was not taken."""

_OPEN, _REPLY, _RESET, _SETTINGS, _PING, _GO_AWAY, _HEADERS, _WINDOW = 1, 2, 3, 4, 6, 7, 8, 9
_LAST = 1
_HEAD = struct.Struct(">II")
_NUMBER = struct.Struct(">I")
_STREAM = 0x7FFFFFFF


class SpdyError(Exception):
    """What came is no SPDY; there is no going on."""


class Opened(NamedTuple):
    """The other side begins a stream; nothing follows on it if ``is_last``."""

    stream: int
    headers: Mapping[str, str]
    is_last: bool


class Data(NamedTuple):
    """A piece of what a stream carries."""

    stream: int
    content: bytes
    is_last: bool


class Reset(NamedTuple):
    """A stream is over in both directions."""

    stream: int


class Ping(NamedTuple):
    """To be sent back as it is."""

    number: int


class GoAway(NamedTuple):
    """The other side begins no more streams."""


Frame: TypeAlias = Opened | Data | Reset | Ping | GoAway


class Framing:
    """Bytes ↔ frames, for one connection."""

    def __init__(self) -> None:
        self._unpack = zlib.decompressobj(zdict=DICTIONARY)
        self._pack = zlib.compressobj(zdict=DICTIONARY)
        self._waiting = bytearray()
        self._stream = 0
        self._left = 0
        self._is_last = False

    def feed(self, received: bytes) -> Iterator[Frame]:
        """Read what came; large data comes in the pieces that it comes in.

        Raises:
            SpdyError
        """
        self._waiting += received
        while True:
            if self._left:
                if not self._waiting:
                    return
                yield self._piece()
            elif (frame := self._next()) is not None:
                yield frame
            elif not self._left:
                return

    def _piece(self) -> Data:
        content = bytes(self._waiting[: self._left])
        del self._waiting[: len(content)]
        self._left -= len(content)
        return Data(self._stream, content, self._is_last and not self._left)

    def _next(self) -> Frame | None:
        """The frame that is there, whole; None if it is not, or if data begins."""
        while len(self._waiting) >= _HEAD.size:
            first, second = _HEAD.unpack_from(self._waiting)
            flags, length = second >> 24, second & 0xFFFFFF
            if not first >> 31:
                del self._waiting[: _HEAD.size]
                self._stream, self._left, self._is_last = first & _STREAM, length, bool(flags & _LAST)
                return None if length else Data(self._stream, b"", self._is_last)
            if first >> 16 & 0x7FFF != 3:
                raise SpdyError(f"version {first >> 16 & 0x7FFF} of SPDY is not spoken")
            if length > MAX_HEADER_BYTES:
                raise SpdyError(f"a frame that controls has {length} bytes")
            if len(self._waiting) < _HEAD.size + length:
                return None
            body = bytes(self._waiting[_HEAD.size : _HEAD.size + length])
            del self._waiting[: _HEAD.size + length]
            frame = self._control(first & 0xFFFF, flags, body)
            if frame is not None:
                return frame
        return None

    def _control(self, kind: int, flags: int, body: bytes) -> Frame | None:
        try:
            if kind == _OPEN:
                stream = _NUMBER.unpack_from(body)[0] & _STREAM
                return Opened(stream, self._headers(body[10:]), bool(flags & _LAST))
            if kind in (_REPLY, _HEADERS):
                stream = _NUMBER.unpack_from(body)[0] & _STREAM
                self._headers(body[4:])  # the memory of the compression goes on
                return Data(stream, b"", True) if flags & _LAST else None
            if kind == _RESET:
                return Reset(_NUMBER.unpack_from(body)[0] & _STREAM)
            if kind == _PING:
                return Ping(_NUMBER.unpack_from(body)[0])
        except (struct.error, zlib.error, UnicodeDecodeError) as error:
            raise SpdyError(f"a frame of type {kind}: {error}") from error
        return GoAway() if kind == _GO_AWAY else None

    def _headers(self, packed: bytes) -> dict[str, str]:
        block = self._unpack.decompress(packed, MAX_HEADER_BYTES)
        if self._unpack.unconsumed_tail:
            raise SpdyError(f"headers of more than {MAX_HEADER_BYTES} bytes")
        (count,) = _NUMBER.unpack_from(block)
        found: dict[str, str] = {}
        at = _NUMBER.size
        for _ in range(count):
            name, at = _text(block, at)
            found[name.lower()], at = _text(block, at)
        return found

    def reply(self, stream: int) -> bytes:
        """A stream that was opened is taken."""
        packed = self._pack.compress(_NUMBER.pack(0)) + self._pack.flush(zlib.Z_SYNC_FLUSH)
        return _frame(_REPLY, _NUMBER.pack(stream) + packed)

    def open(self, stream: int, headers: Mapping[str, str]) -> bytes:
        """Begin a stream; clients number theirs 1, 3, 5 …"""
        texts = [text.encode() for pair in headers.items() for text in pair]
        block = _NUMBER.pack(len(headers)) + b"".join(_NUMBER.pack(len(text)) + text for text in texts)
        packed = self._pack.compress(block) + self._pack.flush(zlib.Z_SYNC_FLUSH)
        return _frame(_OPEN, _NUMBER.pack(stream) + bytes(6) + packed)


def data(stream: int, content: bytes, *, is_last: bool = False) -> bytes:
    """A piece of what a stream carries, at most 16 MiB."""
    return _HEAD.pack(stream, is_last << 24 | len(content)) + content


def reset(stream: int, why: int) -> bytes:
    """End a stream in both directions."""
    return _frame(_RESET, _HEAD.pack(stream, why))


def ping(number: int) -> bytes:
    """Ask for a sign of life, or give it."""
    return _frame(_PING, _NUMBER.pack(number))


def _frame(kind: int, body: bytes) -> bytes:
    return _HEAD.pack(1 << 31 | 3 << 16 | kind, len(body)) + body


def _text(block: bytes, at: int) -> tuple[str, int]:
    (length,) = _NUMBER.unpack_from(block, at)
    end = at + _NUMBER.size + length
    if end > len(block):
        raise SpdyError("headers are cut short")
    return block[at + _NUMBER.size : end].decode(), end


_WORDS = (
    "options|head|post|put|delete|trace|accept|accept-charset|accept-encoding|accept-language|acc"
    "ept-ranges|age|allow|authorization|cache-control|connection|content-base|content-encoding|co"
    "ntent-language|content-length|content-location|content-md5|content-range|content-type|date|e"
    "tag|expect|expires|from|host|if-match|if-modified-since|if-none-match|if-range|if-unmodified"
    "-since|last-modified|location|max-forwards|pragma|proxy-authenticate|proxy-authorization|ran"
    "ge|referer|retry-after|server|te|trailer|transfer-encoding|upgrade|user-agent|vary|via|warni"
    "ng|www-authenticate|method|get|status|200 OK|version|HTTP/1.1|url|public|set-cookie|keep-ali"
    "ve|origin"
)
_PHRASES = (
    "10010120120220520630030230330430530630740240540640740840941041141241341441541641750250450520"
    "3 Non-Authoritative Information204 No Content301 Moved Permanently400 Bad Request401 Unautho"
    "rized403 Forbidden404 Not Found500 Internal Server Error501 Not Implemented503 Service Unava"
    "ilableJan Feb Mar Apr May Jun Jul Aug Sept Oct Nov Dec 00:00:00 Mon, Tue, Wed, Thu, Fri, Sat"
    ", Sun, GMTchunked,text/html,image/png,image/jpg,image/gif,application/xml,application/xhtml+"
    "xml,text/plain,text/javascript,publicprivatemax-age=gzip,deflate,sdchcharset=utf-8charset=is"
    "o-8859-1,utf-,*,enq=0."
)
DICTIONARY = (
    b"".join(_NUMBER.pack(len(word)) + word.encode() for word in _WORDS.split("|")) + _PHRASES.encode()
)
"""What both sides' compressions know from the start (2.6.10.1)."""
