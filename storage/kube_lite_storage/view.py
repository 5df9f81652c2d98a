"""A store that is only looked at, possibly while another process writes to it."""

import builtins
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import lmdb

from . import check, snapshot
from .environment import ReadOnly
from .reader import Reader
from .snapshot import Snapshot
from .types import KeyValue, Page, Parts, Range

Result = TypeVar("Result")


class StoreView:
    """What ``Store.open_read_only`` gives: the reads of ``Store``, each of the newest commit of the writer.

    It belongs to one thread.
    """

    def __init__(self, tables: ReadOnly) -> None:
        self._tables = tables
        self._reader = Reader(tables)

    @property
    def revision(self) -> int:
        """The newest revision."""
        return self._following(self._reader.bounds).revision

    @property
    def compacted(self) -> int:
        """The oldest revision that can still be read."""
        return self._following(self._reader.bounds).compacted

    def get(self, key: bytes, *, at: int | None = None) -> KeyValue | None:
        """As ``Store.get``."""
        return self._following(lambda: self._reader.get(key, at))

    def list(self, wanted: Range, *, at: int | None = None, limit: int = 0, parts: Parts = "all") -> Page:
        """As ``Store.list``."""
        return self._following(lambda: self._reader.list(wanted, at, limit, parts))

    def check(self) -> builtins.list[str]:
        """As ``Store.check``."""
        return self._following(lambda: check.broken_invariants(self._tables))

    def snapshot(self, path: Path) -> Snapshot:
        """As ``Store.snapshot``, but it blocks."""
        return self._following(lambda: snapshot.save(self._tables, path))

    def _following(self, read: Callable[[], Result]) -> Result:
        """Read, with a map as large as the writer's has become: a transaction that would need more of it
        does not begin, and none is open then.
        """
        while True:
            try:
                return read()
            except lmdb.MapResizedError:
                self._tables.lmdb.set_mapsize(0)
