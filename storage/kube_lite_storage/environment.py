"""Open, size, grow and close the LMDB environment, and keep a second process out.

The lock is ``flock`` on a file of its own, because LMDB itself lets many processes write in turn, and our
writer keeps the newest revision in memory. The map is address space, not memory: it begins small and is
doubled when a commit does not fit, up to a limit; a reserve beyond the limit lets deletes and compaction
through when everything else is refused.
"""

import fcntl
import os
from pathlib import Path
from typing import Any, TypeAlias

import lmdb

from . import layout
from .errors import FormatUnknown, StoreDamaged, StoreLocked
from .upgrade import upgrade

Transaction: TypeAlias = Any
"""An LMDB transaction. Its own types say bytes or memoryview everywhere, and we only ever ask for bytes."""

INITIAL_MAP_BYTES = 64 << 20
MAX_MAP_BYTES = 64 << 30
RESERVE_BYTES = 64 << 20
"""Room for deletes and compaction once the limit is reached."""


class Environment:
    """The open data file. Reads and ``grow`` belong to one thread, write transactions to the writer's."""

    def __init__(
        self,
        path: Path,
        *,
        durable: bool = True,
        initial_bytes: int = INITIAL_MAP_BYTES,
        max_bytes: int = MAX_MAP_BYTES,
    ) -> None:
        """Open, or make, the store in directory ``path``.

        Raises ``StoreLocked``, ``StoreDamaged``, ``FormatUnknown``.
        """
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.path = path
        self.durable = durable
        self.max_bytes = max_bytes
        self._lock = _lock(path / "lock")
        try:
            self._open(initial_bytes)
        except BaseException:
            os.close(self._lock)
            raise

    def _open(self, initial_bytes: int) -> None:
        data = self.path / "data.mdb"
        size = data.stat().st_size if data.exists() else 0
        self.map_bytes = _whole_pages(max(initial_bytes, size))
        try:
            self.lmdb: Any = lmdb.open(
                str(self.path),
                map_size=self.map_bytes,
                max_dbs=len(layout.TABLES),
                mode=0o600,
                sync=self.durable,
                metasync=self.durable,
                meminit=False,
                max_spare_txns=4,
            )
        except lmdb.Error as error:
            raise StoreDamaged(f"{data} cannot be opened: {error}") from error
        try:
            self._open_tables(data)
        except BaseException:
            self.lmdb.close()
            raise

    def _open_tables(self, data: Path) -> None:
        try:
            with self.lmdb.begin(write=True) as txn:
                self.meta, self.now, self.past, self.log, self.leases = (
                    self.lmdb.open_db(table, txn=txn) for table in layout.TABLES
                )
                if txn.get(layout.FORMAT_ROW, db=self.meta) is None:
                    for row, number in (
                        (layout.REVISION_ROW, layout.FIRST_REVISION),
                        (layout.COMPACTED_ROW, 0),
                        (layout.FORGOTTEN_ROW, 0),
                        (layout.FORMAT_ROW, layout.FORMAT),
                    ):
                        txn.put(row, layout.as_number(number), db=self.meta)
                found = self.number(txn, layout.FORMAT_ROW)
                if found > layout.FORMAT:
                    raise FormatUnknown(
                        f"{data} has format {found}; this program understands up to {layout.FORMAT}"
                    )
                if found < layout.FORMAT:
                    upgrade(self, txn, found)
        except lmdb.Error as error:
            raise StoreDamaged(f"{data} is not a sound store: {error}") from error

    def number(self, txn: Transaction, row: bytes) -> int:
        """A row of ``meta``. Raises ``StoreDamaged`` when it is missing."""
        raw = txn.get(row, db=self.meta)
        if raw is None:
            raise StoreDamaged(f"{self.path}: the row {row.decode()!r} is missing")
        return layout.parse_number(raw)

    def grow(self, *, into_reserve: bool = False) -> bool:
        """Double the map, within the limit; False when there is no more to be had.

        No transaction of any kind may be open in this process.
        """
        limit = self.max_bytes + (RESERVE_BYTES if into_reserve else 0)
        wanted = _whole_pages(min(self.map_bytes * 2, limit))
        if wanted <= self.map_bytes:
            return False
        self.lmdb.set_mapsize(wanted)
        self.map_bytes = wanted
        return True

    def close(self) -> None:
        """Close the file and let other processes in. No transaction may be open."""
        self.lmdb.close()
        os.close(self._lock)


def _lock(path: Path) -> int:
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        holder = os.pread(descriptor, 32, 0).decode(errors="replace").strip() or "unknown"
        os.close(descriptor)
        raise StoreLocked(f"{path.parent} is in use by process {holder}") from error
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
    return descriptor


def _whole_pages(size: int) -> int:
    """LMDB wants a multiple of the page size; 64 KiB is one on every machine."""
    return (size + 0xFFFF) & ~0xFFFF
