"""Kubernetes' protobuf: an envelope that names the kind, and messages read by a table of field numbers.

The table, ``fields.txt``, has a line per message: its name (``core.v1.Volume``) and for each field
``number:JSON name:type``. Letters of types: ``s`` string, ``i`` integer, ``b`` boolean, ``f`` double, ``y``
bytes, ``T`` Time, ``U`` MicroTime, ``D`` Duration, ``Q`` Quantity, ``O`` int-or-string, ``R`` raw JSON,
``F`` FieldsV1, ``@name`` a message, ``(name`` a list in a message of its own. Before them ``[`` is a list,
``{`` a map from strings, ``*`` a pointer (its zero is said, not left out), ``!`` always written, ``&`` a
message whose fields stand in its parent. Numbers never change between releases, so one table serves all.

Without ``*`` or ``!`` a zero on the wire means that nothing was said, and the field is left out, as in JSON.
Source: the field numbers, names and pointers of the published types in k8s.io/api and k8s.io/apimachinery;
the envelope is ``runtime.Unknown`` behind the four bytes ``k8s\\0`` (``runtime/serializer/protobuf``).
"""

import base64
import struct
from collections.abc import Iterator, Mapping
from functools import lru_cache
from importlib.resources import files
from typing import Any, NamedTuple

import orjson

from kube_lite.api.identity import Json, parse_api_version
from kube_lite.api.times import format_duration, format_micro_time, format_time

from . import Decoded, DecodeError

MAGIC = b"k8s\0"
MAX_DEPTH = 64  # messages within messages; real objects need a dozen
VARINT, FIXED64, LENGTH, FIXED32 = 0, 1, 2, 5
OPTIONS = ("DeleteOptions", "CreateOptions", "UpdateOptions", "PatchOptions", "GetOptions", "ListOptions")

Wire = int | bytes


class Field(NamedTuple):
    """One entry of the table, with its marks taken apart."""

    name: str
    code: str
    keeps_zero: bool
    is_inline: bool


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


def message_of(api_version: str, kind: str) -> str:
    """``apps/v1``, ``Deployment`` → ``apps.v1.Deployment``; groups by their first word, options by none."""
    if kind in OPTIONS or (api_version, kind) == ("v1", "Status"):
        return f"meta.v1.{kind}"
    group, version = parse_api_version(api_version)
    return f"{group.partition('.')[0] or 'core'}.{version}.{kind}"


@lru_cache(maxsize=1)
def table() -> Mapping[str, str]:
    """The lines of the table by message, their fields still as text."""
    lines = files(__package__).joinpath("fields.txt").read_text().splitlines()
    return {name: fields for name, _, fields in (line.partition(" ") for line in lines)}


@lru_cache(maxsize=2048)
def fields_of(message: str) -> Mapping[int, Field]:
    """The fields of one message by number."""
    return dict(map(_parse_field, table()[message].split()))


def _parse_field(text: str) -> tuple[int, Field]:
    number, name, code = text.split(":", 2)
    marks = code[: len(code) - len(code.lstrip("*!&"))]
    return int(number), Field(name, code[len(marks) :], bool(set(marks) & {"*", "!"}), "&" in marks)


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
    return _SCALARS[kind](value)


def _integer(value: Wire) -> int:
    if not isinstance(value, int):
        raise DecodeError("a number was expected")
    return value - (1 << 64) if value >= 1 << 63 else value


def _double(value: Wire) -> float:
    packed = struct.pack("<Q", value) if isinstance(value, int) else value
    number: float = struct.unpack("<d", packed)[0]
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
    return None if moment is None else format_time(moment[0])


def _micro_time(value: Wire) -> str | None:
    moment = _moment(value)
    return None if moment is None else format_micro_time(moment[0] + moment[1] / 1e9)


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
