"""The two pages at the head of LMDB's file, looked at before LMDB maps it.

LMDB trusts its file: reading a page that was cut off ends the process with SIGBUS, instead of an error. So
the file is held against what its newest meta page says before it is opened. A file that is shorter than
that may still be whole, because pages that were taken and given back in one transaction are counted but never
written; then a child process reads everything that can be reached, and its death is the answer.

Layout, as LMDB 0.9 has it on 64 bits: 16 bytes of page header, then magic and version (4 each), address,
map size (8 each), two table records of 48 bytes whose first word is the page size, the last page, and the
number of the transaction. Source: ``MDB_meta`` in mdb.c.
"""

import struct
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

from .errors import StoreDamaged

MAGIC = 0xBEEFC0DE
VERSIONS = (1, 999)  # released, and as some distributions build it
_META = struct.Struct("<16xIIQQI92xQQ")
_PAGE_SIZES = [1 << shift for shift in range(9, 17)]


class Meta(NamedTuple):
    """What one meta page says."""

    page_bytes: int
    last_page: int
    transaction: int


def examine(data: Path) -> None:
    """Raise ``StoreDamaged`` when ``data`` is no LMDB file, or one whose end is missing."""
    size = data.stat().st_size
    meta = newest_meta(data)
    if meta is None:
        raise StoreDamaged(f"{data} is not a store: neither of its two head pages is LMDB's")
    wanted = (meta.last_page + 1) * meta.page_bytes
    if size < wanted and not is_readable(data):
        raise StoreDamaged(f"{data} was cut off: it holds {size} of {wanted} bytes; restore a snapshot")


def newest_meta(data: Path) -> Meta | None:
    """The meta page that LMDB will go by; None when there is none."""
    with data.open("rb") as file:
        found = [_parse(file.read(_META.size))]
        for page_bytes in [found[0].page_bytes] if found[0] else _PAGE_SIZES:
            file.seek(page_bytes)
            found.append(_parse(file.read(_META.size)))
    return max((meta for meta in found if meta), key=lambda meta: meta.transaction, default=None)


def _parse(raw: bytes) -> Meta | None:
    if len(raw) < _META.size:
        return None
    magic, version, _, _, page_bytes, last_page, transaction = _META.unpack(raw)
    if magic != MAGIC or version not in VERSIONS or page_bytes not in _PAGE_SIZES:
        return None
    return Meta(page_bytes, last_page, transaction)


def is_readable(data: Path) -> bool:
    """Whether a process survives reading all of it."""
    program = [sys.executable, "-c", _WALK, str(data)]
    return subprocess.run(program, capture_output=True, check=False).returncode == 0


_WALK = """
import sys, lmdb
with lmdb.open(sys.argv[1], subdir=False, readonly=True, lock=False, max_dbs=16) as env, env.begin() as txn:
    for name in list(txn.cursor().iternext(values=False)):
        for row in txn.cursor(env.open_db(name, txn=txn, create=False)):
            pass
"""
