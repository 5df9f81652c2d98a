"""The few parts of protocol buffers that encrypted values and key services need.

A message is a row of fields, each a number and a kind in one varint, then the content: kind 0 is a varint,
kind 2 is a length and so many bytes. ``as_field(1, b"ab")`` is ``0a 02 61 62``.
"""

from collections.abc import Iterator, Mapping

_VARINT, _BYTES = 0, 2


def as_varint(number: int) -> bytes:
    """Seven bits a byte, the low ones first; the high bit says that more follow."""
    parts = bytearray()
    while number > 0x7F:
        parts.append(number & 0x7F | 0x80)
        number >>= 7
    parts.append(number)
    return bytes(parts)


def parse_varint(raw: bytes, at: int) -> tuple[int, int]:
    """The number at an offset, and the offset behind it. Raises ``ValueError``."""
    number = shift = 0
    while True:
        if at >= len(raw) or shift > 63:
            raise ValueError("a number is cut short")
        part = raw[at]
        number |= (part & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if part < 0x80:
            return number, at


def as_field(number: int, content: bytes | int) -> bytes:
    """One field; an empty one is left out, as proto3 does."""
    if not content:
        return b""
    if isinstance(content, int):
        return as_varint(number << 3 | _VARINT) + as_varint(content)
    return as_varint(number << 3 | _BYTES) + as_varint(len(content)) + content


def parse_fields(raw: bytes) -> Iterator[tuple[int, bytes | int]]:
    """Number and content of each field, in order. Raises ``ValueError``."""
    at = 0
    while at < len(raw):
        tag, at = parse_varint(raw, at)
        if tag & 7 == _VARINT:
            number, at = parse_varint(raw, at)
            yield tag >> 3, number
        elif tag & 7 == _BYTES:
            length, at = parse_varint(raw, at)
            if at + length > len(raw):
                raise ValueError("a field is cut short")
            yield tag >> 3, raw[at : at + length]
            at += length
        else:
            raise ValueError(f"a field of kind {tag & 7} is not expected")


def bytes_of(fields: Mapping[int, bytes | int], number: int) -> bytes:
    """The content of a field that holds bytes; empty when it is not there."""
    content = fields.get(number, b"")
    return content if isinstance(content, bytes) else b""


def as_map(number: int, entries: Mapping[str, bytes]) -> bytes:
    """``map<string, bytes>``: a message with key and value for each entry."""
    return b"".join(
        as_field(number, as_field(1, name.encode()) + as_field(2, content))
        for name, content in sorted(entries.items())
    )


def parse_map(raw: bytes, number: int) -> dict[str, bytes]:
    """The entries of a map field. Raises ``ValueError``."""
    entries = {}
    for field, content in parse_fields(raw):
        if field == number and isinstance(content, bytes):
            entry = dict(parse_fields(content))
            entries[bytes_of(entry, 1).decode()] = bytes_of(entry, 2)
    return entries
