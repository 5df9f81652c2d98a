"""Open, size, grow and close the LMDB environment, and keep a second process out.

The lock is ``flock`` on a file of its own, because LMDB itself lets many processes write in turn, and our
writer keeps the newest revision in memory. The map is address space, not memory: it begins small and is
doubled when a commit does not fit, up to a limit; a reserve beyond the limit lets deletes and compaction
through when everything else is refused.
"""

import errno
import fcntl
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import Any, TypeAlias

import lmdb

from . import layout
from .ballast import Ballast, is_full
from .errors import (
    FormatUnknown,
    StoreDamaged,
    StoreError,
    StoreFull,
    StoreLocked,
    StoreMissing,
    StoreNotWritable,
)
from .journal import Journal, lost_commit, make_room, open_journal, recover
from .metapages import examine
from .upgrade import upgrade
from .versions import Versions

Transaction: TypeAlias = Any
"""An LMDB transaction. Its own types say bytes or memoryview everywhere, and we only ever ask for bytes."""

INITIAL_MAP_BYTES = 64 << 20
MAX_MAP_BYTES = 64 << 30
RESERVE_BYTES = 64 << 20
"""Room for deletes and compaction once the limit is reached."""


class Tables:
    """An open data file, however it was opened: its tables and numbers."""

    lmdb: Any
    meta: Any
    now: Any
    past: Any
    log: Any
    leases: Any

    def __init__(self, path: Path) -> None:
        self.path = path
        self.copying = threading.Lock()
        """Held while the map is read outside the loop's thread; it may not be resized then."""
        self.reached: Callable[[str], None] = _nothing
        """Told of each step of a commit, by name; a test ends the process there."""
        self.versions = Versions(None)
        """How versions lie in the rows, encrypted or not; replaced before the first one is read."""

    def open_tables(self, txn: Transaction) -> None:
        """Open the tables, or make them in a write transaction; None when there may be none: handles that are
        opened within a read end with it.
        """
        self.meta, self.now, self.past, self.log, self.leases = (
            self.lmdb.open_db(table, txn=txn, create=txn is not None) for table in layout.TABLES
        )

    def check_owner(self, txn: Transaction, *, may_be_empty: bool) -> None:
        """Raise ``StoreDamaged`` when the tables are another program's, ``StoreMissing`` without any."""
        names = set(txn.cursor().iternext(values=False))
        if not names and not may_be_empty:
            raise StoreMissing(f"{self.path} holds no store yet")
        if names and layout.META not in names:
            raise StoreDamaged(f"{self.path} holds another program's database, not a store")

    def number(self, txn: Transaction, row: bytes) -> int:
        """A row of ``meta``. Raises ``StoreDamaged`` when it is missing or not what was written."""
        raw = txn.get(row, db=self.meta)
        number = None if raw is None else layout.parse_meta_row(row, raw)
        if number is None:
            raise StoreDamaged(f"{self.path}: the row {row.decode()!r} is missing or damaged")
        return number

    def put_number(self, txn: Transaction, row: bytes, number: int) -> None:
        """Write a row of ``meta``."""
        txn.put(row, layout.as_meta_row(row, number), db=self.meta)

    def used_bytes(self) -> int:
        """How far the pages in use, or free for use, reach in the file."""
        used: int = (self.lmdb.info()["last_pgno"] + 1) * self.lmdb.stat()["psize"]
        return used


class Environment(Tables):
    """The data file of the one who writes.

    Reads and ``grow`` belong to one thread, write transactions to the writer's. What is between the beginning
    and the end of one may be done by either, while the other leaves it alone: it is only the lock, taken and
    given back at its ends, that LMDB ties to a thread.
    """

    def __init__(
        self,
        path: Path,
        *,
        durable: bool = True,
        initial_bytes: int = INITIAL_MAP_BYTES,
        max_bytes: int = MAX_MAP_BYTES,
    ) -> None:
        """Open, or make, the store in directory ``path``.

        Raises ``StoreLocked``, ``StoreNotWritable``, ``StoreDamaged``, ``FormatUnknown``.
        """
        try:
            path.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise StoreNotWritable(f"{path} cannot be made: {error.strerror}") from error
        super().__init__(path)
        _keep_freed_memory()
        self.durable = durable
        self.max_bytes = max_bytes
        self.ballast = Ballast(path / "ballast", is_wanted=durable)
        self.journal: Journal | None = None
        """Of a durable store; what is noted in it needs no second sync."""
        self._lock = take_lock(path / "lock")
        try:
            self.ballast.load()
            self._open(initial_bytes)
        except BaseException:
            os.close(self._lock)
            raise

    def _open(self, initial_bytes: int) -> None:
        data = self.path / "data.mdb"
        size = data.stat().st_size if data.exists() else 0
        if size:
            examine(data)
        self.map_bytes = _whole_pages(max(initial_bytes, size))
        try:
            self.lmdb = lmdb.open(
                str(self.path),
                map_size=self.map_bytes,
                max_dbs=len(layout.TABLES),
                mode=0o600,
                sync=self.durable,
                metasync=False,  # ``writing`` does it, for what is not in the journal
                # Or the ends of pages carry what this process's memory held before: plain text of values.
                meminit=True,
                max_spare_txns=4,
            )
        except lmdb.Error as error:
            raise _opening_failure(data, error) from error
        try:
            while not self._fit_tables(data):
                self.lmdb.set_mapsize(self.map_bytes * 2)  # beyond the limit if need be, for an upgrade
                self.map_bytes *= 2
            if self.durable:
                self.journal = open_journal(self, data)
                if not size:
                    _sync_names(self.path)
        except BaseException:
            if self.journal is not None:
                self.journal.close()
            self.lmdb.close()
            raise

    def _fit_tables(self, data: Path) -> bool:
        """Open or make the tables, upgraded and with nothing missing; False when the map is too small."""
        try:
            with self.lmdb.begin(write=True) as txn:
                self.check_owner(txn, may_be_empty=True)
                self.open_tables(txn)
                if txn.get(layout.FORMAT_ROW, db=self.meta) is None:
                    for row, number in (
                        (layout.REVISION_ROW, layout.FIRST_REVISION),
                        (layout.COMPACTED_ROW, 0),
                        (layout.FORGOTTEN_ROW, 0),
                        (layout.FORMAT_ROW, layout.FORMAT),
                    ):
                        self.put_number(txn, row, number)
                found = self.number(txn, layout.FORMAT_ROW)
                if found > layout.FORMAT:
                    raise FormatUnknown(
                        f"{data} has format {found}; this program understands up to {layout.FORMAT}"
                    )
                if found < layout.FORMAT:
                    upgrade(self, txn, found)
                if self.durable:
                    make_room(self, txn)
            recover(self)
        except lmdb.MapFullError:
            return False
        except lmdb.Error as error:
            raise _opening_failure(data, error) from error
        return True

    @contextmanager
    def writing(self) -> Iterator[Transaction]:
        """A write transaction, on the disk when the block has ended well."""
        txn = self.begin()
        try:
            yield txn
        except BaseException:
            self.abort(txn)
            raise
        self.commit(txn)

    def begin(self) -> Transaction:
        """A write transaction; ``commit`` or ``abort`` end it, in the thread that began it."""
        return self.lmdb.begin(write=True)

    def note(self, txn: Transaction, record: bytes) -> None:
        """Note in the journal what is about to be committed, so that it needs no second sync."""
        if record and self.journal is not None:
            self.journal.note(txn.id() - 1, record)
            self.reached("noted")

    def commit(self, txn: Transaction) -> None:
        """Bring what was written to the disk, and end the transaction either way."""
        number = txn.id()
        try:
            txn.commit()
        except BaseException:
            self.abort(txn)
            raise
        if self.journal is None or self.journal.take_noted():
            return
        if self.lmdb.info()["last_txnid"] == number:  # else nothing was written
            self.lmdb.sync(True)

    def abort(self, txn: Transaction) -> None:
        """Undo what was written and noted, and end the transaction, if it has not ended yet."""
        with suppress(lmdb.Error):
            txn.abort()
        if self.journal is not None:
            self.journal.withdraw()

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
        if self.journal is not None:
            self.journal.close()
        self.lmdb.close()
        os.close(self._lock)


def _sync_names(path: Path) -> None:
    """Have a new directory, and what is in it, found under its name after the power was lost."""
    for directory in (path, path.parent):
        with suppress(OSError):  # it may be closed to us, and not every file system can
            descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)


def _nothing(step: str) -> None:
    pass


@cache
def _keep_freed_memory() -> None:
    """Let the C library keep up to 62 MB that were freed, for the whole process.

    A list of 10,000 values of 5 KB takes 50 MB for a moment. glibc gives that back at once and is given it
    again, zeroed, page by page, for the next list: three quarters of its time. Freeing a large block, of
    which no page was touched, is how it learns better (mallopt(3): the dynamic M_MMAP_THRESHOLD); other C
    libraries do not care. Once is enough; the second time such a block would be among those kept, and zeroed.
    """
    bytes(31 << 20)


class ReadOnly(Tables):
    """The data file of one who only looks, beside the one who writes or without any."""

    def __init__(self, path: Path) -> None:
        """Open the store in directory ``path``.

        Raises ``StoreMissing``, ``StoreDamaged``, ``FormatUnknown``.
        """
        super().__init__(path)
        data = path / "data.mdb"
        if not data.exists() or not data.stat().st_size:
            raise StoreMissing(f"{path} holds no store")
        examine(data)
        try:
            self.lmdb = lmdb.open(str(path), readonly=True, create=False, max_dbs=len(layout.TABLES))
        except lmdb.Error as error:
            raise _opening_failure(data, error) from error
        try:
            with self.lmdb.begin() as txn:
                self.check_owner(txn, may_be_empty=False)
            self.open_tables(None)
            with self.lmdb.begin() as txn:
                found = self.number(txn, layout.FORMAT_ROW)
            if found != layout.FORMAT:
                raise FormatUnknown(f"{data} has format {found}, this program's is {layout.FORMAT}")
        except lmdb.NotFoundError as error:
            self.lmdb.close()
            raise FormatUnknown(
                f"{data} is older than this program; opening it to write upgrades it"
            ) from error
        except lmdb.Error as error:
            self.lmdb.close()
            raise _opening_failure(data, error) from error
        except BaseException:
            self.lmdb.close()
            raise

    def lacks_a_commit(self) -> bool:
        """Whether one is noted that the tables do not have: lost with the power, or just being written."""
        return lost_commit(self) is not None

    def close(self) -> None:
        """Close the file."""
        self.lmdb.close()


def _opening_failure(data: Path, error: lmdb.Error) -> StoreError:
    if isinstance(error, lmdb.ReadonlyError | lmdb.LockError) or not os.access(data.parent, os.W_OK):
        return StoreNotWritable(f"{data.parent} cannot be written to: {error}")
    if is_full(error, data.parent):
        return StoreFull(f"{data.parent} has no room to open the store: {error}")
    return StoreDamaged(f"{data} is not a sound store: {error}")


@contextmanager
def as_lock(path: Path) -> Iterator[None]:
    """Keep others from opening the store for the length of the block. Raises ``StoreLocked``."""
    descriptor = take_lock(path)
    try:
        yield
    finally:
        os.close(descriptor)


def take_lock(path: Path) -> int:
    """The descriptor that holds the lock until it is closed. Raises ``StoreLocked``."""
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        if error.errno in (errno.EROFS, errno.EACCES):
            raise StoreNotWritable(f"{path.parent} cannot be written to: {error.strerror}") from error
        raise
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        holder = os.pread(descriptor, 32, 0).decode(errors="replace").strip() or "unknown"
        os.close(descriptor)
        raise StoreLocked(f"{path.parent} is in use by process {holder}") from error
    with suppress(OSError):  # a full disk; the number is only for the message
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
    return descriptor


def _whole_pages(size: int) -> int:
    """LMDB wants a multiple of the page size; 64 KiB is one on every machine."""
    return (size + 0xFFFF) & ~0xFFFF
