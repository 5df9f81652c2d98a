"""DER, the bytes that certificates are made of: as much as it takes to write one, and to read whom one names.

A value is a tag, a length and a content, which may be values again:

    sequence(integer(5), text("hi"))  =  30 07  02 01 05  0c 02 68 69

The library that knows all of it takes longer to load than a start takes for everything about certificates
that is not their keys and signatures; those are left to it.

Source: X.690; what certificates have of it is in RFC 5280.
"""

import base64
from collections.abc import Iterator
from datetime import datetime
from typing import NamedTuple

BOOLEAN, INTEGER, BIT_STRING, OCTET_STRING, OBJECT = 0x01, 0x02, 0x03, 0x04, 0x06
UTF8_STRING, PRINTABLE_STRING, IA5_STRING = 0x0C, 0x13, 0x16
UTC_TIME, GENERALIZED_TIME = 0x17, 0x18
SEQUENCE, SET = 0x30, 0x31
CONTEXT, CONSTRUCTED = 0x80, 0x20
ENCODINGS = {UTF8_STRING: "utf-8", PRINTABLE_STRING: "ascii", IA5_STRING: "ascii"}
"""Of the texts that can be read here."""
LINE = 64  # letters in a line of PEM


def value(tag: int, content: bytes) -> bytes:
    """One value of a sort that has no function of its own here."""
    size = len(content)
    if size < 0x80:
        return bytes((tag, size)) + content
    length = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return bytes((tag, 0x80 | len(length))) + length + content


def sequence(*values: bytes) -> bytes:
    """Values in order."""
    return value(SEQUENCE, b"".join(values))


def set_of(one: bytes) -> bytes:
    """A set of one value, which needs no sorting."""
    return value(SET, one)


def integer(number: int) -> bytes:
    """A number ≥ 0."""
    return value(INTEGER, number.to_bytes(number.bit_length() // 8 + 1, "big"))


def boolean(truth: bool) -> bytes:
    """True or false."""
    return value(BOOLEAN, b"\xff" if truth else b"\x00")


def octets(content: bytes) -> bytes:
    """Bytes."""
    return value(OCTET_STRING, content)


def bits(content: bytes, unused: int = 0) -> bytes:
    """Bits, of which the last byte leaves the lowest ``unused`` out."""
    return value(BIT_STRING, bytes((unused,)) + content)


def text(words: str) -> bytes:
    """A text."""
    return value(UTF8_STRING, words.encode())


def object_id(dotted: str) -> bytes:
    """The name of something: ``2.5.4.3``."""
    first, second, *rest = map(int, dotted.split("."))
    content = bytearray((first * 40 + second,))
    for number in rest:
        digits = [number & 0x7F]
        while number := number >> 7:
            digits.append(0x80 | number & 0x7F)
        content += bytes(reversed(digits))
    return value(OBJECT, bytes(content))


def time(moment: datetime) -> bytes:
    """A moment (UTC) to the second, in the form that its year demands (RFC 5280, 4.1.2.5)."""
    if moment.year < 2050:
        return value(UTC_TIME, moment.strftime("%y%m%d%H%M%SZ").encode())
    return value(GENERALIZED_TIME, moment.strftime("%Y%m%d%H%M%SZ").encode())


def tagged(number: int, content: bytes, *, holds_values: bool = True) -> bytes:
    """What a structure tells from its neighbours by number alone; ``holds_values``: rather than bytes."""
    return value(CONTEXT | (CONSTRUCTED if holds_values else 0) | number, content)


def as_pem(label: str, der: bytes) -> bytes:
    """As text: ``-----BEGIN CERTIFICATE-----`` and so on (RFC 7468)."""
    letters = base64.b64encode(der).decode()
    lines = [letters[start : start + LINE] for start in range(0, len(letters), LINE)]
    return "\n".join([f"-----BEGIN {label}-----", *lines, f"-----END {label}-----", ""]).encode()


class Value(NamedTuple):
    """One value that was read; ``whole`` has tag and length, too."""

    tag: int
    content: bytes
    whole: bytes


def read_values(content: bytes) -> Iterator[Value]:
    """What a content is made of.

    Raises:
        ValueError: it ends too early, or has a length that DER would not write.
    """
    at = 0
    while at < len(content):
        start, tag = at, content[at]
        size, at = _read_length(content, at + 1)
        if at + size > len(content):
            raise ValueError("a value is cut short")
        yield Value(tag, content[at : at + size], content[start : at + size])
        at += size


def _read_length(content: bytes, at: int) -> tuple[int, int]:
    if at >= len(content):
        raise ValueError("a value has no length")
    size = content[at]
    if size < 0x80:
        return size, at + 1
    after = at + 1 + (size & 0x7F)
    size = int.from_bytes(content[at + 1 : after], "big")
    if size < 0x80 or after > len(content):
        raise ValueError("a length is malformed")
    return size, after


def subject_of(certificate: bytes) -> bytes:
    """The name of whom a certificate is for, as a value.

    Raises:
        ValueError: this is no certificate.
    """
    fields = _fields(_at(_fields(certificate), 0).whole)  # the first is what was signed
    after_version = fields[1:] if fields and fields[0].tag == CONTEXT | CONSTRUCTED else fields
    return _at(after_version, 4).whole  # after serial number, algorithm, issuer and validity


def read_name(name: bytes) -> Iterator[tuple[bytes, str]]:
    """The parts of a name: what each says, as ``object_id`` has it, and its text.

    Raises:
        ValueError: this is no name, or has a text that cannot be read here.
    """
    for group in _fields(name):
        for part in read_values(group.content):
            pair = _fields(part.whole)
            said = _at(pair, 1)
            if said.tag not in ENCODINGS:
                raise ValueError(f"texts of sort {said.tag} are not read")
            yield pair[0].whole, said.content.decode(ENCODINGS[said.tag])


def _fields(whole: bytes) -> list[Value]:
    """The values in a sequence that is all there is."""
    found = list(read_values(whole))
    if len(found) != 1 or found[0].tag != SEQUENCE:
        raise ValueError("a sequence is wanted")
    return list(read_values(found[0].content))


def _at(values: list[Value], number: int) -> Value:
    if number >= len(values):
        raise ValueError("a value is missing")
    return values[number]
