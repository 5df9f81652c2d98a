"""Objects → bytes in Kubernetes' protobuf, by the table of ``messages``.

A message's writers are made when it is first met: a mapping from JSON names to functions that append pieces
to a list, so that writing walks the object once and looks up one name per field. What an object says is
written, zeros included; what it does not say is left out, which readers take for the same. Fields without
a number (``kind`` and ``apiVersion`` of items, whatever nobody knows) are passed over.

Numbers, texts and lengths are as upstream's generated code writes them, down to the two empty fields that end
an envelope.
"""

import base64
import struct
from collections.abc import Callable, Iterable
from functools import lru_cache
from typing import Any

import orjson

from kube_lite.api.identity import Json
from kube_lite.api.times import parse_duration, parse_moment

from .messages import FIXED64, LENGTH, MAGIC, VARINT, Field, fields_of, message_of, table

EMPTY_ENCODINGS = b"\x1a\0\x22\0"  # contentEncoding and contentType of ``runtime.Unknown``
SMALL = tuple(bytes((number,)) for number in range(128))

Pieces = list[bytes]
Write = Callable[[Any, Pieces], None]


def encode(obj: Json) -> bytes:
    """An object in its envelope. ``has_message`` of its kind holds."""
    message = _message(message_of(obj["apiVersion"], obj["kind"]))
    pieces: Pieces = []
    message.write(obj, pieces)
    return envelope(obj["apiVersion"], obj["kind"], b"".join(pieces))


def encode_list(api_version: str, kind: str, metadata: Json, items: Iterable[bytes]) -> bytes:
    """A list whose items are bytes of ``encode_item`` already."""
    fields = {field.name: number for number, field in fields_of(message_of(api_version, kind)).items()}
    pieces: Pieces = []
    _message(message_of(api_version, kind)).write({"metadata": metadata}, pieces)
    mark = SMALL[fields["items"] << 3 | LENGTH]
    for item in items:
        pieces += (mark, varint(len(item)), item)
    return envelope(api_version, kind, b"".join(pieces))


def encode_item(api_version: str, kind: str, obj: Json) -> bytes:
    """An object as it stands in a list: without envelope."""
    pieces: Pieces = []
    _message(message_of(api_version, kind)).write(obj, pieces)
    return b"".join(pieces)


def envelope(api_version: str, kind: str, raw: bytes) -> bytes:
    """What says of a message which kind it is."""
    names = _entry(1, api_version.encode()) + _entry(2, kind.encode())
    return b"".join((MAGIC, _entry(1, names), b"\x12", varint(len(raw)), raw, EMPTY_ENCODINGS))


def encode_event(kind: str, enveloped: bytes) -> bytes:
    """A ``WatchEvent`` around an object, behind its length in four bytes: a frame of a watch."""
    event = _entry(1, kind.encode()) + _entry(2, _entry(1, enveloped))
    return len(event).to_bytes(4, "big") + event


def varint(number: int) -> bytes:
    """Seven bits a byte, the lowest first; negative numbers as two's complement of 64 bits."""
    if 0 <= number < 128:
        return SMALL[number]
    number &= 0xFFFFFFFFFFFFFFFF
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)


def _entry(number: int, raw: bytes) -> bytes:
    return SMALL[number << 3 | LENGTH] + varint(len(raw)) + raw


class _Message:
    """The writers of one message by JSON name; those of inline messages are found through their parents."""

    def __init__(self, name: str) -> None:
        self._fields: dict[str, Write] = {}
        self._inline: dict[str, tuple[bytes, _Message]] = {}
        for number, field in fields_of(name).items():
            if field.is_inline:
                below = _message(field.code[1:])
                self._inline |= dict.fromkeys(below.names(), (varint(number << 3 | LENGTH), below))
            else:
                self._fields[field.name] = _field_writer(number, field)

    def names(self) -> Iterable[str]:
        """Every JSON name that is written here or in an inline message below."""
        return (*self._fields, *self._inline)

    def write(self, obj: Json, pieces: Pieces) -> None:
        """Append the fields of ``obj``."""
        inline: dict[bytes, tuple[_Message, Json]] | None = None
        for name, value in obj.items():
            if value is None:
                continue
            write = self._fields.get(name)
            if write is not None:
                write(value, pieces)
            elif name in self._inline:
                mark, below = self._inline[name]
                inline = inline or {}
                inline.setdefault(mark, (below, {}))[1][name] = value
        if inline is not None:
            for mark, (below, part) in inline.items():
                _write_below(below, part, mark, pieces)


@lru_cache(maxsize=2048)
def _message(name: str) -> _Message:
    return _Message(name)


def _write_below(message: _Message, obj: Json, mark: bytes, pieces: Pieces) -> None:
    inner: Pieces = []
    message.write(obj, inner)
    raw = b"".join(inner)
    pieces += (mark, varint(len(raw)), raw)


def _field_writer(number: int, field: Field) -> Write:
    code = field.code
    if code[0] == "[":
        return _list_writer(_value_writer(number, code[1:]))
    if code[0] == "{":
        return _map_writer(number, _value_writer(2, code[1:]))
    return _value_writer(number, code)


def _list_writer(write: Write) -> Write:
    def write_list(values: Any, pieces: Pieces) -> None:
        for value in values:
            write(value, pieces)

    return write_list


def _map_writer(number: int, write: Write) -> Write:
    mark = varint(number << 3 | LENGTH)

    def write_map(values: Any, pieces: Pieces) -> None:
        for key, value in values.items():
            inner: Pieces = [_entry(1, key.encode())]
            if value is not None:  # a moment that has not come
                write(value, inner)
            raw = b"".join(inner)
            pieces += (mark, varint(len(raw)), raw)

    return write_map


def _value_writer(number: int, code: str) -> Write:
    """The function that writes one value, a list's element or a map's value included."""
    kind = code[0]
    mark = varint(number << 3 | _WIRE_TYPES.get(kind, LENGTH))
    if kind == "@":
        return _message_writer(mark, code[1:])
    if kind == "(":
        return _wrapped_list_writer(mark, table()[code][1:])
    if kind == "|":
        return _alternatives_writer(mark, code)
    make = _SCALARS[kind]
    if kind in _WIRE_TYPES:

        def write_number(value: Any, pieces: Pieces) -> None:
            pieces += (mark, make(value))

        return write_number

    def write_bytes(value: Any, pieces: Pieces) -> None:
        raw = make(value)
        pieces += (mark, varint(len(raw)), raw)

    return write_bytes


def _message_writer(mark: bytes, name: str) -> Write:
    def write_message(value: Any, pieces: Pieces) -> None:
        _write_below(_message(name), value, mark, pieces)  # looked up late: messages may contain themselves

    return write_message


def _wrapped_list_writer(mark: bytes, item: str) -> Write:
    write = _list_writer(_value_writer(1, item))

    def write_wrapped(values: Any, pieces: Pieces) -> None:
        inner: Pieces = []
        write(values, inner)
        raw = b"".join(inner)
        pieces += (mark, varint(len(raw)), raw)

    return write_wrapped


def _alternatives_writer(mark: bytes, message: str) -> Write:
    """A list, an object or a boolean, each in its own field; an object allows what a boolean could forbid."""
    writers = {field.code[0]: _field_writer(number, field) for number, field in fields_of(message).items()}

    def write_one(value: Any, pieces: Pieces) -> None:
        inner: Pieces = []
        if "b" in writers:
            writers["b"](value is not False, inner)
        if isinstance(value, list):
            writers["["](value, inner)
        elif isinstance(value, dict):
            writers["@"](value, inner)
        raw = b"".join(inner)
        pieces += (mark, varint(len(raw)), raw)

    return write_one


@lru_cache(maxsize=4096)  # the same few moments stand in many objects and managedFields
def _moment(text: str) -> bytes:
    moment = parse_moment(text)
    seconds = int(moment.replace(microsecond=0).timestamp())
    return b"\x08" + varint(seconds) + b"\x10" + varint(moment.microsecond * 1000)


@lru_cache(maxsize=4096)
def _whole_moment(text: str) -> bytes:
    return b"\x08" + varint(int(parse_moment(text).replace(microsecond=0).timestamp())) + b"\x10\0"


def _duration(text: str) -> bytes:
    return b"\x08" + varint(round(parse_duration(text) * 1e9))


def _int_or_string(value: int | str) -> bytes:
    if isinstance(value, str):
        return b"\x08\x01\x10\0" + _entry(3, value.encode())
    return b"\x08\0\x10" + varint(value) + b"\x1a\0"


_WIRE_TYPES = {"i": VARINT, "b": VARINT, "f": FIXED64}

_SCALARS: dict[str, Callable[[Any], bytes]] = {
    "s": str.encode,
    "i": varint,
    "b": lambda value: SMALL[bool(value)],
    "f": lambda value: struct.pack("<d", value),
    "y": base64.b64decode,
    "T": _whole_moment,
    "U": _moment,
    "D": _duration,
    "Q": lambda value: _entry(1, str(value).encode()),
    "O": _int_or_string,
    "R": lambda value: b"" if value is None else _entry(1, orjson.dumps(value)),
    "F": lambda value: _entry(1, orjson.dumps(value)),
}
