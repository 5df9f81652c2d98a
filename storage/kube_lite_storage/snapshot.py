"""A store in one file: made while it serves, held against its checksum before anything is restored from it.

The file is a compacted copy of ``data.mdb``, as of one revision, with a trailer behind it::

    …data…  "kube-lite store\\n"  format  revision  compacted  taken (ms)  length of data  SHA-256 of all that
            16 bytes              8       8         8          8           8               32

It comes into being under a temporary name in its own directory and gets its name when it is on the disk, so
a file of that name is always whole. What is encrypted in the store is encrypted in the snapshot; the keys are
not in it.
"""

import hashlib
import os
import struct
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

import lmdb

from . import layout
from .ballast import as_store_full
from .environment import Tables, as_lock
from .errors import FormatUnknown, SnapshotDamaged, StoreError
from .journal import clear_copied

MAGIC = b"kube-lite store\n"
_NUMBERS = struct.Struct(">16sQQQQQ")
_DIGEST_BYTES = 32
_TRAILER_BYTES = _NUMBERS.size + _DIGEST_BYTES
_PIECE = 1 << 20


class Snapshot(NamedTuple):
    """What a snapshot file says of itself; ``taken`` is in seconds since the epoch."""

    format: int
    revision: int
    compacted: int
    taken: float
    data_bytes: int


def save(environment: Tables, path: Path, *, now: Callable[[], float] = time.time) -> Snapshot:
    """Write a snapshot of an open store to ``path``, replacing what is there. It blocks.

    Raises ``StoreFull``, ``OSError``; then nothing of that name was touched.
    """
    with as_store_full(path.parent), _emerging(path) as (descriptor, temporary):
        with environment.copying:
            environment.lmdb.copyfd(descriptor, compact=True)
        clear_copied(environment, descriptor, temporary)
        length = os.fstat(descriptor).st_size
        revision, compacted = _bounds_in(temporary)
        taken_ms = int(now() * 1000)
        numbers = _NUMBERS.pack(MAGIC, layout.FORMAT, revision, compacted, taken_ms, length)
        digest = hashlib.sha256()
        with temporary.open("rb") as copied:
            while piece := copied.read(_PIECE):
                digest.update(piece)
        digest.update(numbers)
        os.lseek(descriptor, length, os.SEEK_SET)
        os.write(descriptor, numbers + digest.digest())
    return Snapshot(layout.FORMAT, revision, compacted, taken_ms / 1000, length)


def inspect(path: Path) -> Snapshot:
    """Read a snapshot whole and hold it against its checksum.

    Raises ``SnapshotDamaged``, ``FormatUnknown``, ``OSError``.
    """
    return _pour(path, lambda piece: None)


def restore(path: Path, directory: Path) -> Snapshot:
    """Make a store of a snapshot, in a directory that has none.

    Raises:
        SnapshotDamaged: the file is no snapshot, or not what was written; the directory is as before.
        FormatUnknown: a newer program wrote it.
        StoreError: there is a store in the directory already.
        StoreFull: there is no room for it.
        StoreLocked: somebody is just making one.
    """
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    with as_lock(directory / "lock"):
        target = directory / "data.mdb"
        if target.exists():
            raise StoreError(f"{directory} holds a store already; restore into an empty directory")
        with as_store_full(directory), _emerging(target) as (descriptor, _):
            found = _pour(path, lambda piece: _write_all(descriptor, piece))
        (directory / "lock.mdb").unlink(missing_ok=True)  # readers of whatever was here before
    return found


def _pour(path: Path, take: Callable[[bytes], None]) -> Snapshot:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        left = os.fstat(file.fileno()).st_size - _TRAILER_BYTES
        if left < 0:
            raise SnapshotDamaged(f"{path} is not a snapshot of a store: it is too short")
        file.seek(left)
        numbers, told = file.read(_NUMBERS.size), file.read(_DIGEST_BYTES)
        magic, number, revision, compacted, taken_ms, length = _NUMBERS.unpack(numbers)
        if magic != MAGIC:
            raise SnapshotDamaged(f"{path} is not a snapshot of a store, or its end is missing")
        if number > layout.FORMAT:
            raise FormatUnknown(f"{path} has format {number}; this program understands up to {layout.FORMAT}")
        if length != left:
            raise SnapshotDamaged(f"{path} should hold {length} bytes and holds {left}")
        file.seek(0)
        while left and (piece := file.read(min(_PIECE, left))):
            left -= len(piece)
            digest.update(piece)
            take(piece)
    digest.update(numbers)
    if digest.digest() != told:
        raise SnapshotDamaged(f"{path} does not match its checksum; it was changed after it was written")
    return Snapshot(number, revision, compacted, taken_ms / 1000, length)


def _bounds_in(data: Path) -> tuple[int, int]:
    """The newest and the compacted revision of a copy."""
    with (
        lmdb.open(str(data), subdir=False, readonly=True, lock=False, max_dbs=len(layout.TABLES)) as copy,
        copy.begin() as txn,
    ):
        meta = copy.open_db(layout.META, txn=txn, create=False)
        revision, compacted = (
            layout.parse_meta_row(row, txn.get(row, db=meta) or b"") or 0
            for row in (layout.REVISION_ROW, layout.COMPACTED_ROW)
        )
    return revision, compacted


@contextmanager
def _emerging(path: Path) -> Iterator[tuple[int, Path]]:
    """A temporary file, 0600, that is synced and becomes ``path`` when the block ends well, else goes."""
    descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    temporary = Path(name)
    try:
        try:
            yield descriptor, temporary
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        temporary.replace(path)
    except BaseException:
        with suppress(FileNotFoundError):
            temporary.unlink()
        raise
    directory = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)


def _write_all(descriptor: int, piece: bytes) -> None:
    view = memoryview(piece)
    while view:
        view = view[os.write(descriptor, view) :]
