"""CBOR (RFC 8949) as Kubernetes speaks it: what stands in it is what would stand in JSON.

Written texts are byte strings, because that is what clients in Go expect; read are both sorts. Bytes under a
tag that says "to be base64 later" are the text that JSON would have. An object stands behind the tag
of self-described CBOR, by which it is told from anything else; readers do without. Stricter than JSON: keys
that occur twice, numbers without end and values that JSON does not know are refused outright.

Source: KEP-4222, ``apimachinery/pkg/runtime/serializer/cbor`` (``internal/modes``), whose texts of refusals
are those of fxamacker/cbor.
"""

import base64
import math
import struct
from collections.abc import Callable
from typing import Any

from kube_lite.api.identity import Json

from . import Decoded, DecodeError

PREFIX = b"\xd9\xd9\xf7"
"""The head of tag 55799."""
MAX_DEPTH = 200
"""Values within values; real objects need a dozen. The reference allows 10,000, Python's stack does not."""

_UNSIGNED, _NEGATIVE, _BYTES, _TEXT, _ARRAY, _MAP, _TAG, _SIMPLE = range(8)
_INDEFINITE = -1
_BREAK: Any = object()
_GO_TYPES = (
    "positive integer", "negative integer", "byte string", "UTF-8 text string", "array", "map", "tag",
    "primitives",
)  # fmt: skip
_LATER: dict[int, Callable[[bytes], str]] = {
    21: lambda raw: base64.urlsafe_b64encode(raw).rstrip(b"=").decode(),
    22: lambda raw: base64.b64encode(raw).decode(),
    23: lambda raw: raw.hex().upper(),
}
"""Tags of RFC 8949, 3.4.5.2 → the text that bytes will be later."""
_FLOATS = {25: (">e", 2), 26: (">f", 4), 27: (">d", 8)}
_FLOAT, _INTEGERS = struct.Struct(">d"), ((24, ">BB"), (25, ">BH"), (26, ">BI"), (27, ">BQ"))


def decode(body: bytes) -> Decoded:
    """Read one value.

    Raises:
        DecodeError: it is not well-formed, not valid, or holds what JSON could not.
    """
    if not body:
        raise DecodeError("EOF")
    reader = _Reader(body)
    value = reader.value(0)
    if value is _BREAK:
        raise DecodeError('cbor: unexpected "break" code')
    if reader.position < len(body):
        left = len(body) - reader.position
        raise DecodeError(f"cbor: {left} bytes of extraneous data starting at index {reader.position}")
    return Decoded(value)


def encode(value: Any) -> bytes:
    """A self-described value."""
    out = bytearray(PREFIX)
    _write(value, out)
    return bytes(out)


def encode_event(kind: str, body: bytes) -> bytes:
    """A watch event; ``body`` is an encoded object."""
    out = bytearray(PREFIX)
    _write_head(_MAP, 2, out)
    for text in ("type", kind, "object"):
        _write(text, out)
    return bytes(out) + body


class _Reader:
    def __init__(self, body: bytes) -> None:
        self._body = body
        self.position = 0

    def value(self, depth: int) -> Any:
        """The next value, or ``_BREAK``."""
        if depth > MAX_DEPTH:
            raise DecodeError(f"cbor: exceeded max nested level {MAX_DEPTH}")
        sort, number, short = self._head()
        if sort in (_UNSIGNED, _NEGATIVE):
            return self._integer(sort, number)
        if sort in (_BYTES, _TEXT):
            return self._decoded(sort, self._string(sort, number))
        if sort == _ARRAY:
            return self._array(number, depth)
        if sort == _MAP:
            return self._map(number, depth)
        if sort == _TAG:
            return self._tagged(number, depth)
        return self._simple(number, short)

    def _take(self, size: int) -> bytes:
        end = self.position + size
        if end > len(self._body):
            raise DecodeError("unexpected EOF")
        taken = self._body[self.position : end]
        self.position = end
        return taken

    def _head(self) -> tuple[int, int, int]:
        """The sort, the number that follows (``_INDEFINITE`` for none), and how that was written."""
        first = self._take(1)[0]
        sort, short = first >> 5, first & 31
        if short < 24:
            return sort, short, short
        if short < 28:
            return sort, int.from_bytes(self._take(1 << (short - 24))), short
        if short == 31 and sort in (_BYTES, _TEXT, _ARRAY, _MAP, _SIMPLE):
            return sort, _INDEFINITE, short
        raise DecodeError(f"cbor: invalid additional information {short} for type {_GO_TYPES[sort]}")

    @staticmethod
    def _integer(sort: int, number: int) -> int:
        value = number if sort == _UNSIGNED else -1 - number
        if number >= 1 << 63:
            raise DecodeError(
                f"cbor: cannot unmarshal {_GO_TYPES[sort]} into Go value of type int64 "
                f"({value} overflows Go's int64)"
            )
        return value

    def _string(self, sort: int, size: int) -> bytes:
        if size != _INDEFINITE:
            return self._take(size)
        chunks: list[bytes] = []
        while True:
            own, length, short = self._head()
            if own == _SIMPLE and short == 31:
                return b"".join(chunks)
            if own != sort or length == _INDEFINITE:
                raise DecodeError(
                    f"cbor: wrong element type {_GO_TYPES[own]} for indefinite-length {_GO_TYPES[sort]}"
                )
            chunks.append(self._take(length))

    @staticmethod
    def _decoded(sort: int, raw: bytes) -> str:
        try:
            return raw.decode()
        except UnicodeDecodeError:
            if sort == _TEXT:
                raise DecodeError("cbor: invalid UTF-8 string") from None
            return raw.decode(errors="replace")  # as every text that was not checked

    def _array(self, size: int, depth: int) -> list[Any]:
        found: list[Any] = []
        while size == _INDEFINITE or len(found) < size:
            value = self.value(depth + 1)
            if value is _BREAK:
                if size != _INDEFINITE:
                    raise DecodeError('cbor: unexpected "break" code')
                break
            found.append(value)
        return found

    def _map(self, size: int, depth: int) -> Json:
        found: Json = {}
        index = 0
        while index != size:
            key = self.value(depth + 1)
            if key is _BREAK and size == _INDEFINITE:
                break
            if not isinstance(key, str):
                raise DecodeError(
                    f"cbor: map key is of type {type(key).__name__} and cannot be decoded to string"
                )
            value = self.value(depth + 1)
            if value is _BREAK:
                raise DecodeError('cbor: unexpected "break" code')
            if key in found:
                raise DecodeError(f'cbor: found duplicate map key "{key}" at map element index {index}')
            found[key] = value
            index += 1
        return found

    def _tagged(self, tag: int, depth: int) -> Any:
        if tag in _LATER:
            sort, number, _ = self._head()
            if sort == _BYTES:
                return _LATER[tag](self._string(sort, number))
            raise DecodeError(
                f"cbor: tag number {tag} must be followed by byte string, got {_GO_TYPES[sort]}"
            )
        if tag in (2, 3):
            raise DecodeError("cbor: data item of cbor type tag is not accepted by protocol: bignum")
        return self.value(depth + 1)

    def _simple(self, number: int, short: int) -> Any:
        if short in _FLOATS:
            form, size = _FLOATS[short]
            value: float = struct.unpack(form, number.to_bytes(size))[0]
            if not math.isfinite(value):
                what = "NaN" if math.isnan(value) else "infinity"
                raise _not_accepted(f"floating-point {what}")
            return value
        if short == 31:
            return _BREAK
        if short < 24 and number in (20, 21, 22):
            return (False, True, None)[number - 20]
        raise _not_accepted(f"simple value {number} is not recognized")


def _not_accepted(why: str) -> DecodeError:
    return DecodeError(f"cbor: data item of cbor type primitives is not accepted by protocol: {why}")


def _write(value: Any, out: bytearray) -> None:
    if isinstance(value, str):
        raw = value.encode()
        _write_head(_BYTES, len(raw), out)
        out += raw
    elif isinstance(value, dict):
        _write_head(_MAP, len(value), out)
        for key, below in value.items():
            _write(key, out)
            _write(below, out)
    elif isinstance(value, list | tuple):
        _write_head(_ARRAY, len(value), out)
        for below in value:
            _write(below, out)
    elif value is None or isinstance(value, bool):
        out.append(0xF6 if value is None else 0xF5 if value else 0xF4)
    elif isinstance(value, int):
        _write_head(_NEGATIVE if value < 0 else _UNSIGNED, -1 - value if value < 0 else value, out)
    else:
        out.append(0xFB)
        out += _FLOAT.pack(value)


def _write_head(sort: int, number: int, out: bytearray) -> None:
    if number < 24:
        out.append(sort << 5 | number)
        return
    for index, (short, form) in enumerate(_INTEGERS):
        if number < 1 << (8 << index):
            out += struct.pack(form, sort << 5 | short, number)
            return
    raise ValueError(f"{number} is too large a number")
