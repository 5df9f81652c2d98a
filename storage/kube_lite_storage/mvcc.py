"""The store: every version of every key under one global revision, over a reader, a writer and the watchers.

Reads are answered at once in the caller's thread, which is the event loop's; writes are awaited until they
are durable. A read sees the newest commit, also one whose writer has not yet been told.
"""

import builtins
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from functools import partial
from pathlib import Path

from . import check, fork, layout, snapshot
from .cipher import Cipher
from .copies import Copies
from .environment import INITIAL_MAP_BYTES, MAX_MAP_BYTES, Environment, ReadOnly
from .errors import FutureRevision, KeyTooLong, StoreClosed, StoreLocked
from .history import History
from .joining import Wish
from .reader import Reader
from .rewriting import BEGIN, Step, Visit, position_of, rewrite_step, survey_step
from .snapshot import Snapshot
from .types import Compare, Delete, Joined, KeyValue, Page, Parts, Put, Range, Status, Txn
from .versions import Versions
from .view import StoreView
from .watch import Hub, Watch
from .writer import Writer

KEEP_SECONDS = 300.0
"""How long a replaced version can still be read by default; as long as upstream's API server keeps it."""
KEEP_BYTES = 1 << 30
"""How much room replaced versions may take by default before the older half goes early."""

MAX_LEASE_SECONDS = 1e10
"""Three hundred years; more would not fit into the index."""


class Store:
    """An open store; made by ``Store.open``. Belongs to the event loop, and the thread, that opened it."""

    def __init__(
        self,
        environment: Environment,
        *,
        keep_seconds: float | None,
        keep_bytes: int,
        monotonic: Callable[[], float],
        now: Callable[[], float],
    ) -> None:
        self._environment = environment
        self._reader = Reader(environment)
        self._history = History(environment)
        self._hub = Hub(self._reader.bounds().revision)
        self._writer = Writer(
            environment,
            self._hub.publish,
            self._hub.close,
            keep_seconds=keep_seconds,
            keep_bytes=keep_bytes,
            monotonic=monotonic,
            now=now,
        )
        self._copies = Copies()
        self._now = now
        self._is_open = True

    @classmethod
    @asynccontextmanager
    async def open(
        cls,
        path: Path,
        *,
        durable: bool = True,
        keep_seconds: float | None = KEEP_SECONDS,
        keep_bytes: int = KEEP_BYTES,
        monotonic: Callable[[], float] = time.monotonic,
        now: Callable[[], float] = time.time,
        initial_bytes: int = INITIAL_MAP_BYTES,
        max_bytes: int = MAX_MAP_BYTES,
        cipher: Cipher | None = None,
    ) -> AsyncIterator["Store"]:
        """Open, or make, the store in directory ``path`` for the length of the block.

        Args:
            path: made with mode 0700 if it is not there.
            durable: False leaves writing back to the operating system: for tests, or data nobody will miss.
            keep_seconds: replaced versions are forgotten by themselves after this time; None keeps them until
                ``compact``.
            keep_bytes: half of the history goes when replaced versions take more than this, however young.
            monotonic: the time by which they age, in seconds; asked from the writer's thread.
            now: the time of day by which leases run out, in seconds; asked from both threads.
            initial_bytes: address space to begin with; it grows by itself.
            max_bytes: beyond this size a put raises ``StoreFull``.
            cipher: encrypts values before they are written; without one they are kept, and read, as they are.

        Raises:
            StoreLocked: another process (or this one) has it open.
            StoreNotWritable: the directory, or its file system, is read-only.
            StoreDamaged: what lies there is not a sound store.
            FormatUnknown: a newer program wrote it.
        """
        environment = Environment(path, durable=durable, initial_bytes=initial_bytes, max_bytes=max_bytes)
        environment.versions = Versions(cipher)
        try:
            store = cls(
                environment, keep_seconds=keep_seconds, keep_bytes=keep_bytes, monotonic=monotonic, now=now
            )
            store._writer.start()
            try:
                yield store
            finally:
                store._is_open = False
                await store._copies.wait()
                await store._writer.close()
        finally:
            environment.close()

    @property
    def revision(self) -> int:
        """The newest revision; 1 for an empty store."""
        return self._read().bounds().revision

    @property
    def compacted(self) -> int:
        """The oldest revision that can still be read; 0 before the first compaction."""
        return self._read().bounds().compacted

    def get(self, key: bytes, *, at: int | None = None) -> KeyValue | None:
        """The version of ``key`` at a revision, by default the newest.

        Raises ``Compacted``, ``FutureRevision``.
        """
        return self._read().get(key, at)

    def list(self, wanted: Range, *, at: int | None = None, limit: int = 0, parts: Parts = "all") -> Page:
        """The keys of a range in byte order, at most ``limit`` of them unless it is 0.

        ``parts`` says how much of each is read: everything, all but the value, or the key and its revisions.

        To go on after a page that was cut short, ask for what follows its last key, ``at`` its revision.
        Raises ``Compacted``, ``FutureRevision``.
        """
        return self._read().list(wanted, at, limit, parts)

    def choose(
        self, wanted: Range, having: Callable[[bytes], bool], *, at: int | None = None, limit: int = 0
    ) -> Page:
        """As ``list``, but only versions whose header meets a condition; nothing else of others is read.

        ``more`` says that keys follow the last one chosen, not that one of them would be.
        """
        return self._read().choose(wanted, at, limit, having)

    def join(
        self,
        wanted: Range,
        *,
        opening: bytes,
        before: bytes,
        at: int | None = None,
        limit: int = 0,
        most_bytes: int = sys.maxsize,
    ) -> Joined:
        """The values of a range as one text, in pieces that are copied once, from the file into the text.

        Each value loses ``opening``, or its first byte where it begins otherwise, and gets ``before`` in its
        place. It ends behind ``limit`` values, or somewhat after ``most_bytes``.

        Raises ``Compacted``, ``FutureRevision``.
        """
        return self._read().join(wanted, at, Wish(limit, most_bytes, opening, before))

    def behind(self, wanted: Range, number: int, *, at: int | None = None) -> Range | None:
        """What of a range follows its first ``number`` ≥ 1 keys, as ``join`` tells it; None for nothing.

        Raises ``Compacted``, ``FutureRevision``.
        """
        return self._read().behind(wanted, number, at)

    def count(self, wanted: Range, *, at: int | None = None) -> int:
        """How many keys the range has at a revision. Raises ``Compacted``, ``FutureRevision``."""
        return self._read().count(wanted, at)

    async def commit(self, txn: Txn) -> int:
        """Do all writes of ``txn``, or none, and return its revision once it is durable.

        A transaction that changes nothing makes no revision; the current one is returned. A caller that is
        cancelled cannot know whether it was done.

        Raises:
            KeyExists, KeyMissing, RevisionMismatch: the first condition that fails; nothing was written.
            StoreFull: there is no room; deletes still work.
            KeyTooLong: no key may be empty or longer than about 500 bytes.
        """
        _check(txn)
        return await self._writer.submit(txn)

    async def settle(self) -> bool:
        """Wait until every write under way is answered, and told to watchers; whether there was one."""
        return await self._writer.settle()

    def watch(self, wanted: Range, *, after: int) -> Watch:
        """Every change of the range after a revision, without gap or repeat, then each as it is committed.

        Entering raises ``Compacted`` when events after that revision are forgotten already, and
        ``FutureRevision`` when the revision has not happened yet.
        """
        return Watch(self._hub, self._history, wanted, after)

    async def compact(self, revision: int) -> int:
        """Forget every version that a newer one had already replaced before ``revision``, and its events.

        With ``a`` written at 2 and 4, and deleted at 6:

            compact(3)  keeps a@2, a@4, a@6     (a@2 is still what revision 3 shows)
            compact(4)  keeps a@4, a@6
            compact(6)  keeps a@6               (a watch from 6 must still hear of the deletion)
            compact(7)  keeps nothing of a

        Events of ``revision`` itself keep what they replaced, as their ``previous``, until they go. Reads and
        watches that ask for less than ``revision`` raise ``Compacted`` from now on. Calling it again, or with
        less, changes nothing.

        Returns:
            bytes of values forgotten. The file keeps its size; LMDB reuses the pages.

        Raises:
            FutureRevision: ``revision`` has not happened yet.

        Source: etcd's rule, by example in etcd server/storage/mvcc/key_index.go (type keyIndex).
        """
        if revision > self.revision:
            raise FutureRevision(revision, self.revision)
        return await self._writer.compact(revision)

    async def snapshot(self, path: Path) -> Snapshot:
        """Write a consistent copy of the store to the file ``path``, while it serves.

        Only a write that makes the file grow by half as much again has to wait for the copy.
        """
        self._read()
        await self._writer.make_room()
        self._read()  # it may have been closed meanwhile
        return await self._copies.run(lambda: snapshot.save(self._environment, path, now=self._now))

    async def fork(self, directory: Path) -> None:
        """Make ``directory`` an independent store with the same content, revisions and history, for tests.

        It is not synced: a machine that loses power may lose it.

        Raises:
            StoreError: there is a store already.
        """
        self._read()
        await self._writer.call(lambda: fork.fork(self._environment, directory))

    def encrypt_with(self, cipher: Cipher) -> None:
        """Encrypt with another cipher from now on; what it cannot read is lost to readers."""
        self._environment.versions.cipher = cipher

    @property
    def rewriting(self) -> bytes | None:
        """Where an encrypting anew goes on that was begun and has not ended; None when there is none."""
        self._read()
        return position_of(self._environment)

    async def rewrite(self, position: bytes = BEGIN) -> Step:
        """Encrypt the next rows anew that would be written otherwise today, without a revision or event.

        A step takes about two milliseconds; go on with the ``position`` it returns, until that is None.
        Raises ``CannotEncrypt``, ``StoreFull``.
        """
        self._read()
        done: builtins.list[Step] = []
        environment = self._environment
        await self._writer.call(lambda: done.append(rewrite_step(environment, position)))
        return done[-1]

    async def survey(self, visit: Visit) -> None:
        """Show every version kept to ``visit``, as it is stored; it is called in the writer's thread.

        Versions written meanwhile may or may not be among them.
        """
        self._read()
        position: bytes | None = BEGIN
        while position is not None:
            places: builtins.list[bytes | None] = []
            await self._writer.call(partial(self._survey_step, position, visit, places))
            position = places[-1]

    def _survey_step(self, position: bytes, visit: Visit, places: "builtins.list[bytes | None]") -> None:
        places.append(survey_step(self._environment, position, visit))

    def status(self) -> Status:
        """How much there is, and how safe it is."""
        bounds = self._read().bounds()
        environment = self._environment
        with environment.lmdb.begin() as txn:
            keys, kept = (txn.stat(table)["entries"] for table in (environment.now, environment.past))
        used_bytes = environment.used_bytes()
        return Status(
            bounds.revision,
            bounds.compacted,
            keys=keys,
            versions=kept,
            used_bytes=used_bytes,
            map_bytes=environment.map_bytes,
            durable=environment.durable,
        )

    @staticmethod
    @contextmanager
    def open_read_only(path: Path) -> "Iterator[StoreView]":
        """Look into the store in directory ``path``, also while another process writes to it.

        Raises:
            StoreMissing: there is none.
            StoreDamaged, FormatUnknown: as ``open``.
            StoreNotWritable: power was lost while it was written to, and the last commit cannot be completed.
        """
        tables = ReadOnly(path)
        if tables.lacks_a_commit():
            tables.close()
            with suppress(StoreLocked):  # whoever writes to it is just writing that one
                Environment(path).close()
            tables = ReadOnly(path)
        try:
            yield StoreView(tables)
        finally:
            tables.close()

    def check(self) -> builtins.list[str]:
        """Walk every table; each broken invariant in words. Empty when the store is sound."""
        self._read()
        return check.broken_invariants(self._environment)

    def _read(self) -> Reader:
        if not self._is_open:
            raise StoreClosed("the store is closed")
        return self._reader


def _check(txn: Txn) -> None:
    if len(txn.writes) > 1 and len({write.key for write in txn.writes}) < len(txn.writes):
        raise ValueError("a transaction may write each key once")
    entry: Compare | Put | Delete
    for entry in (*txn.compares, *txn.writes):
        if not layout.fits_as_key(entry.key):
            raise KeyTooLong(entry.key)
        if type(entry) is Put and not 0 <= entry.lease_seconds <= MAX_LEASE_SECONDS:
            raise ValueError(f"a lease of {entry.lease_seconds} seconds is none")
