"""Tables and byte encodings: the only file that knows what a stored byte means.

``now`` holds the newest version of every key that exists. When a write at revision R replaces or deletes a
version, the old one moves to ``past`` under the key and R, the revision that *ended* it; ``log`` says for
each revision which keys it touched. So each value lies in the file once, a list of the present walks one
table, and forgetting revision R means removing ``log[R]`` and the few ``past[key, R]`` it names: nothing else
refers to them. With ``a`` written at 2 and 4, and deleted at 6::

    now                past                       log
    (nothing)          (a, 4) → a as of 2         2 → created a
                       (a, 6) → a as of 4         4 → replaced a
                                                  6 → deleted a

``a`` at revision 5 is the first row of ``past`` for ``a`` that ended after 5, if it was written by then; when
there is none it is ``now[a]``, on the same condition.
"""

import struct
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from enum import IntEnum
from functools import partial
from typing import NamedTuple

import msgpack

from .types import KeyValue

FORMAT = 3
"""Number of this encoding; a program refuses data with a number above its own."""

META, NOW, PAST, LOG, LEASES = b"meta", b"now", b"past", b"log", b"leases"
TABLES = (META, NOW, PAST, LOG, LEASES)

# Rows of ``meta``; each is one number.
FORMAT_ROW = b"format"
REVISION_ROW = b"revision"
"""The newest revision."""
COMPACTED_ROW = b"compacted"
"""The oldest revision that may be read."""
FORGOTTEN_ROW = b"forgotten"
"""Revisions below this one have left the tables; behind ``compacted`` while a compaction is under way."""

REWRITING_ROW = b"rewriting"
"""Where an encrypting anew that is under way goes on; not a number, and gone when it has ended."""

JOURNAL_ROW = b"journal"
"""Room for the last two commits; see ``journal``. Written around LMDB, so it has no seal."""

FIRST_REVISION = 1
"""Of an empty store. Not 0, because Kubernetes gives the resourceVersion ``"0"`` a meaning of its own."""

_NUMBER = struct.Struct(">Q")
_HEAD = struct.Struct(">QQI")
_HEADER_BYTES = struct.Struct(">16xI")
_SEAL = struct.Struct("<I")
_SOUND = 0x2144DF1C  # the CRC-32 of anything that is followed by its own CRC-32, little end first
_RECORD = struct.Struct("<QII")
_END_OF_KEY = b"\0\0"
# A named tuple's own constructor is a third of the cost of a long list.
_make_version = partial(tuple.__new__, KeyValue)
_KEY_LIMIT = 511  # of LMDB as it is built everywhere


class Change(IntEnum):
    """What a revision did to a key."""

    CREATED = 0
    REPLACED = 1
    DELETED = 2


class Touched(NamedTuple):
    """One key of a log row."""

    change: Change
    key: bytes


class Rows(NamedTuple):
    """What one commit writes: rows by table, in the order of keys; None in ``now`` takes the row away."""

    revision: int
    now: list[tuple[bytes, bytes | None]]
    past: list[tuple[bytes, bytes]]
    log: list[tuple[bytes, bytes]]
    leases: list[tuple[bytes, bytes]]


def as_number(value: int) -> bytes:
    """Eight bytes that sort as the number does."""
    return _NUMBER.pack(value)


def as_meta_row(name: bytes, value: int) -> bytes:
    """A number of ``meta``, sealed with its name; that of the format is bare, for every program to read."""
    return _NUMBER.pack(value) if name == FORMAT_ROW else sealed(name, _NUMBER.pack(value))


def parse_meta_row(name: bytes, raw: bytes) -> int | None:
    """The reverse of ``as_meta_row``; None when the row is not what was written."""
    if name != FORMAT_ROW and not is_sound(name, raw):
        return None
    return parse_number(raw[:8])


def parse_number(raw: bytes) -> int:
    """The reverse of ``as_number``."""
    number: int = _NUMBER.unpack(raw)[0]
    return number


def as_version(key: bytes, created: int, revision: int, header: bytes, value: bytes) -> bytes:
    """One version as it lies in ``now`` and ``past``.

    Created, revision, header's length, header, value, sealed with the key.
    """
    return sealed(key, b"".join((_HEAD.pack(created, revision, len(header)), header, value)))


def sealed(key: bytes, raw: bytes) -> bytes:
    """``raw`` with a seal behind it, the CRC-32 of ``key`` and ``raw``."""
    return raw + _SEAL.pack(zlib.crc32(raw, zlib.crc32(key)))


def is_sound(key: bytes, raw: bytes | memoryview) -> bool:
    """Whether both still are what they were sealed as."""
    return len(raw) >= 4 and zlib.crc32(raw, zlib.crc32(key)) == _SOUND


def parse_version(key: bytes, raw: bytes) -> KeyValue:
    """The reverse of ``as_version``."""
    created, revision, length = _HEAD.unpack_from(raw)
    middle = 20 + length
    return _make_version((key, raw[middle:-4], raw[20:middle], created, revision))


def parse_sound(key: bytes, raw: bytes) -> KeyValue | None:
    """As ``parse_version``, or None when the version is not what was written."""
    if zlib.crc32(raw, zlib.crc32(key)) != _SOUND:
        return None
    created, revision, length = _HEAD.unpack_from(raw)
    middle = 20 + length
    return _make_version((key, raw[middle:-4], raw[20:middle] if length else b"", created, revision))


def parse_versions(rows: Iterable[tuple[bytes, bytes]]) -> list[KeyValue]:
    """As ``parse_version``, for many rows: without a call for each.

    Slicing copies a value once more; yet views into the map, copied once, are slower even at 5 KB.
    """
    unpack, make = _HEAD.unpack_from, _make_version
    items: list[KeyValue] = []
    add = items.append
    for key, raw in rows:
        created, revision, length = unpack(raw)
        if length:
            middle = 20 + length
            add(make((key, raw[middle:-4], raw[20:middle], created, revision)))
        else:
            add(make((key, raw[20:-4], b"", created, revision)))
    return items


def parse_headers(rows: Iterable[tuple[memoryview, memoryview]]) -> list[KeyValue]:
    """Versions without their values, of which no byte is touched."""
    unpack, make = _HEAD.unpack_from, tuple.__new__
    items = []
    for key, raw in rows:
        created, revision, length = unpack(raw)
        items.append(make(KeyValue, (bytes(key), b"", bytes(raw[20 : 20 + length]), created, revision)))
    return items


def parse_keys(rows: Iterable[tuple[memoryview, memoryview]]) -> list[KeyValue]:
    """Versions without value and header."""
    unpack, make = _HEAD.unpack_from, tuple.__new__
    items = []
    for key, raw in rows:
        created, revision, _ = unpack(raw)
        items.append(make(KeyValue, (bytes(key), b"", b"", created, revision)))
    return items


def header_of(row: memoryview) -> bytes:
    """The header of a version."""
    return row[20 : 20 + _HEADER_BYTES.unpack_from(row)[0]].tobytes()


def parse_chosen(
    rows: Iterator[tuple[memoryview, memoryview]], having: Callable[[bytes], bool], limit: int
) -> list[KeyValue]:
    """Versions whose header meets a condition; of the others nothing but the header is touched.

    With a limit it stops behind the last one.
    """
    header_bytes, unpack, make = _HEADER_BYTES.unpack_from, _HEAD.unpack_from, tuple.__new__
    items: list[KeyValue] = []
    for key, row in rows:
        header = bytes(row[20 : 20 + header_bytes(row)[0]])
        if having(header):
            created, revision, length = unpack(row)
            items.append(
                make(KeyValue, (bytes(key), bytes(row[20 + length : -4]), header, created, revision))
            )
            if len(items) == limit:
                break
    return items


def values_behind(rows: Sequence[memoryview], opening: bytes) -> list[memoryview] | None:
    """The values of versions without what each begins with; None when one begins otherwise."""
    header_bytes, length = _HEADER_BYTES.unpack_from, len(opening)
    starts = [20 + header_bytes(row)[0] for row in rows]
    found = b"".join([row[start : start + length] for row, start in zip(rows, starts, strict=True)])
    if found != opening * len(rows):
        return None
    return [row[start + length : -4] for row, start in zip(rows, starts, strict=True)]


def version_revision(raw: bytes | memoryview) -> int:
    """The revision that wrote a version."""
    revision: int = _NUMBER.unpack_from(raw, 8)[0]
    return revision


def version_created(raw: bytes) -> int:
    """The revision at which its key came into being."""
    created: int = _NUMBER.unpack_from(raw)[0]
    return created


def past_stem(key: bytes) -> bytes:
    """What all rows of ``past`` for this key begin with, and no other's.

    A zero byte in the key is followed by 0xff and the key ended by two zeros, which keeps the order of keys.
    """
    return (key.replace(b"\0", b"\0\xff") if b"\0" in key else key) + _END_OF_KEY


def past_row(key: bytes, ended: int) -> bytes:
    """Where the version of ``key`` that revision ``ended`` replaced or deleted lies in ``past``."""
    return past_stem(key) + _NUMBER.pack(ended)


def past_bound(key: bytes) -> bytes:
    """The place in ``past`` before the first row of ``key`` and of every greater key."""
    return key.replace(b"\0", b"\0\xff") if b"\0" in key else key


def after_stem(stem: bytes) -> bytes:
    """The place in ``past`` after the last row of the key with this stem."""
    return stem[:-1] + b"\x01"


def parse_past_row(row: bytes) -> tuple[bytes, int]:
    """The key and the revision that ended the version."""
    stem = row[:-10]
    return stem.replace(b"\0\xff", b"\0") if b"\0" in stem else stem, parse_number(row[-8:])


def lease_row(expires_ms: int, key: bytes) -> bytes:
    """A row of ``leases``; its value is the revision it is about, sealed."""
    return _NUMBER.pack(expires_ms) + key


def parse_lease_row(row: bytes) -> tuple[int, bytes]:
    """The reverse of ``lease_row``."""
    return parse_number(row[:8]), row[8:]


def as_log_row(revision: int, touched: Sequence[Touched]) -> bytes:
    """What one revision did, flat: change, key, change, key, …; sealed with the revision."""
    packed: bytes = msgpack.packb([part for change, key in touched for part in (int(change), key)])
    return sealed(_NUMBER.pack(revision), packed)


def parse_log_row(raw: bytes) -> list[Touched]:
    """The reverse of ``as_log_row``."""
    flat = iter(msgpack.unpackb(raw[:-4]))
    return [Touched(Change(change), key) for change, key in zip(flat, flat, strict=True)]


def as_record(base: int, rows: Rows) -> bytes:
    """What the journal keeps of a commit: ``base``, length, CRC-32 of both and all the rest, msgpack."""
    packed: bytes = msgpack.packb(rows)
    seal = zlib.crc32(packed, zlib.crc32(_RECORD.pack(base, len(packed), 0)))
    return _RECORD.pack(base, len(packed), seal) + packed


def record_base(raw: memoryview) -> int:
    """The number of LMDB's transaction that the record in this place, if it is one, follows."""
    base: int = _RECORD.unpack_from(raw)[0]
    return base


def parse_record(raw: memoryview) -> Rows | None:
    """The reverse of ``as_record``, whatever lies behind it; None when it was not written to its end."""
    base, length, seal = _RECORD.unpack_from(raw)
    packed = raw[_RECORD.size : _RECORD.size + length]
    if len(packed) < length or zlib.crc32(packed, zlib.crc32(_RECORD.pack(base, length, 0))) != seal:
        return None
    revision, *tables = msgpack.unpackb(packed)
    now, past, log, leases = ([(key, row) for key, row in table] for table in tables)
    return Rows(revision, now, past, log, leases)


def fits_as_key(key: bytes) -> bool:
    """Whether every table can hold it."""
    return 0 < len(key) <= _KEY_LIMIT - 10 - key.count(0)
