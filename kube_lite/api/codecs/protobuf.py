"""Bytes in Kubernetes' protobuf → objects: an envelope that names the kind, and messages by the table.

Without ``*`` or ``!`` in the table a zero on the wire means that nothing was said, and the field is left out,
as in JSON. Fields that the table does not have are of a newer release and are passed over.
Source: the envelope is ``runtime.Unknown`` behind four bytes (``runtime/serializer/protobuf``).
"""

import base64
import struct
from collections.abc import Iterator
from typing import Any

import orjson

from kube_lite.api.identity import Json
from kube_lite.api.times import format_duration, format_time

from . import Decoded, DecodeError
from .messages import FIXED32, FIXED64, LENGTH, MAGIC, VARINT, Field, fields_of, message_of, table

MAX_DEPTH = 100  # messages within messages; real objects need a dozen, schemas of custom resources more

Wire = int | bytes


def decode(body: bytes) -> Decoded:
    """Read an enveloped object.

    Raises:
        DecodeError: it is no envelope, names a kind that is not in the table, or is cut short.
    """
    if not body.startswith(MAGIC):
        raise DecodeError(
            "provided data does not appear to be a protobuf message, expected prefix [107 56 115 0]"
        )
    api_version = kind = ""
    raw = b""
    for number, value in _entries(body[len(MAGIC) :]):
        if number == 1 and isinstance(value, bytes):
            names = {inner: text for inner, text in _entries(value) if isinstance(text, bytes)}
            api_version, kind = _text(names.get(1, b"")), _text(names.get(2, b""))
        elif number == 2 and isinstance(value, bytes):
            raw = value
    message = message_of(api_version, kind)
    if message not in table():
        raise DecodeError(f'no kind "{kind}" is registered for version "{api_version}" in protobuf')
    obj: Json = {"kind": kind, "apiVersion": api_version}
    _read_message(message, raw, obj, 0)
    return Decoded(obj)


def _read_message(message: str, raw: bytes, into: Json, depth: int) -> None:
    if depth > MAX_DEPTH:
        raise DecodeError("messages are nested too deeply")
    known = fields_of(message)
    for number, value in _entries(raw):
        field = known.get(number)
        if field is None:
            continue  # of a newer release than the table
        if field.is_inline and isinstance(value, bytes):
            _read_message(field.code[1:], value, into, depth + 1)
        else:
            _read_field(field, value, into, depth)


def _read_field(field: Field, value: Wire, into: Json, depth: int) -> None:
    code = field.code
    if code[0] == "[":
        into.setdefault(field.name, []).append(_read_value(code[1:], value, depth))
    elif code[0] == "{":
        entry = dict(_entries(_as_bytes(value)))
        key = _text(_as_bytes(entry.get(1, b"")))
        into.setdefault(field.name, {})[key] = _read_value(code[1:], entry.get(2, _zero(code[1:])), depth)
    else:
        read = _read_value(code, value, depth)
        if read or (field.keeps_zero and read is not None):
            into[field.name] = read


def _zero(code: str) -> Wire:
    return 0 if code in ("i", "b", "f") else b""


def _read_value(code: str, value: Wire, depth: int) -> Any:
    kind = code[0]
    if kind == "@":
        inner: Json = {}
        _read_message(code[1:], _as_bytes(value), inner, depth + 1)
        return inner
    if kind == "(":
        item = table()[code][1:]
        return [_read_value(item, entry, depth + 1) for _, entry in _entries(_as_bytes(value))]
    if kind == "|":
        return _read_alternatives(code, _as_bytes(value), depth)
    return _SCALARS[kind](value)


def _read_alternatives(message: str, raw: bytes, depth: int) -> Any:
    """What was said: a list before an object before a boolean, as upstream's types print themselves."""
    if depth > MAX_DEPTH:
        raise DecodeError("messages are nested too deeply")
    known, said = fields_of(message), dict[str, Any]()
    for number, value in _entries(raw):
        field = known.get(number)
        if field is None:
            continue
        if field.code[0] == "[":
            said.setdefault("[", []).append(_read_value(field.code[1:], value, depth + 1))
        else:
            said[field.code[0]] = _read_value(field.code, value, depth + 1)
    return next((said[kind] for kind in "[@b" if kind in said), None)


def _integer(value: Wire) -> int:
    if not isinstance(value, int):
        raise DecodeError("a number was expected")
    return value - (1 << 64) if value >= 1 << 63 else value


def _double(value: Wire) -> float:
    if isinstance(value, int) or len(value) != 8:
        raise DecodeError("a number of eight bytes was expected")
    number: float = struct.unpack("<d", value)[0]
    return number


def _text(value: Wire) -> str:
    try:
        return _as_bytes(value).decode()
    except UnicodeDecodeError as error:
        raise DecodeError(f"a text is not UTF-8: {error.reason}") from error


def _base64(value: Wire) -> str:
    return base64.b64encode(_as_bytes(value)).decode()


def _quantity(value: Wire) -> str:
    return _text(dict(_entries(_as_bytes(value))).get(1, b""))


def _int_or_string(value: Wire) -> int | str:
    entry = dict(_entries(_as_bytes(value)))
    return _text(entry.get(3, b"")) if entry.get(1, 0) == 1 else _integer(entry.get(2, 0))


def _moment(value: Wire) -> tuple[int, int] | None:
    """Seconds and nanoseconds; None for an empty message, which is Go's zero time."""
    entry = dict(_entries(_as_bytes(value)))
    return (_integer(entry.get(1, 0)), _integer(entry.get(2, 0))) if entry else None


def _time(value: Wire) -> str | None:
    moment = _moment(value)
    return None if moment is None else _whole(moment[0])


def _micro_time(value: Wire) -> str | None:
    moment = _moment(value)
    if moment is None:
        return None
    return f"{_whole(moment[0])[:-1]}.{moment[1] // 1000 % 1_000_000:06}Z"


def _whole(seconds: int) -> str:
    try:
        return format_time(seconds)
    except (ValueError, OverflowError, OSError) as error:  # the year has not four digits
        raise DecodeError(f"a moment is out of range: {error}") from error


def _duration(value: Wire) -> str:
    return format_duration(_integer(dict(_entries(_as_bytes(value))).get(1, 0)) / 1e9)


def _raw(value: Wire) -> Any:
    raw = _as_bytes(dict(_entries(_as_bytes(value))).get(1, b""))
    try:
        return orjson.loads(raw) if raw else None
    except orjson.JSONDecodeError as error:
        raise DecodeError(f"embedded JSON: {error}") from error


_SCALARS = {
    "s": _text,
    "i": _integer,
    "b": lambda value: bool(value),
    "f": _double,
    "y": _base64,
    "T": _time,
    "U": _micro_time,
    "D": _duration,
    "Q": _quantity,
    "O": _int_or_string,
    "R": _raw,
    "F": _raw,
}


def _as_bytes(value: Wire) -> bytes:
    if not isinstance(value, bytes):
        raise DecodeError("a text or message was expected")
    return value


def _entries(raw: bytes) -> Iterator[tuple[int, Wire]]:
    """The fields of a message as they stand: number, and an integer or bytes."""
    position, end = 0, len(raw)
    while position < end:
        tag, position = _varint(raw, position)
        number, wire_type = tag >> 3, tag & 7
        if wire_type == VARINT:
            value, position = _varint(raw, position)
            yield number, value
            continue
        if wire_type == LENGTH:
            length, position = _varint(raw, position)
        elif wire_type in (FIXED64, FIXED32):
            length = 8 if wire_type == FIXED64 else 4
        else:
            raise DecodeError(f"wire type {wire_type} is not used")
        if length > end - position:
            raise DecodeError("unexpected EOF")
        yield number, raw[position : position + length]
        position += length


def _varint(raw: bytes, position: int) -> tuple[int, int]:
    value = shift = 0
    while position < len(raw) and shift < 70:
        byte = raw[position]
        position += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value & 0xFFFFFFFFFFFFFFFF, position
        shift += 7
    raise DecodeError("unexpected EOF")
