"""The journal makes up for a head page that did not reach the disk, and for nothing else."""

import errno
from pathlib import Path
from typing import Any

import pytest
from kube_lite_storage import Put, Range, Store, StoreClosed, StoreFull, StoreNotWritable, Txn, restore
from kube_lite_storage.snapshot import save

HEAD_PAGES = 2 * 4096
ALL = Range(b"\0", b"\xff")


async def left_without_the_last_head_page(path: Path) -> None:
    """A store with ``a`` and ``b``, whose second commit lacks the page that names its tree."""
    data = path / "data.mdb"
    async with Store.open(path, keep_seconds=None) as store:
        await store.commit(Txn([], [Put(b"a", b"one")]))
        heads = data.read_bytes()[:HEAD_PAGES]
        await store.commit(Txn([], [Put(b"b", b"two")]))
    with data.open("r+b") as file:
        file.write(heads)


def keys(path: Path) -> list[bytes]:
    with Store.open_read_only(path) as view:
        assert view.check() == []
        return [item.key for item in view.list(ALL).items]


async def test_a_commit_whose_head_page_is_missing_is_there_again_for_writers_and_readers(
    tmp_path: Path,
) -> None:
    await left_without_the_last_head_page(tmp_path / "one")
    async with Store.open(tmp_path / "one") as store:
        assert [item.key for item in store.list(ALL).items] == [b"a", b"b"]
    await left_without_the_last_head_page(tmp_path / "two")
    assert keys(tmp_path / "two") == [b"a", b"b"]


async def test_a_reader_who_may_not_complete_the_last_commit_does_not_hide_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await left_without_the_last_head_page(tmp_path)

    def refuse(path: Path) -> int:
        raise StoreNotWritable(f"{path} cannot be written to")

    monkeypatch.setattr("kube_lite_storage.environment.take_lock", refuse)
    with pytest.raises(StoreNotWritable):
        keys(tmp_path)


async def test_a_commit_that_failed_after_it_was_noted_stays_undone(tmp_path: Path) -> None:
    async with Store.open(tmp_path, keep_seconds=None) as store:
        await store.commit(Txn([], [Put(b"a", b"one")]))

        def fail(step: str) -> None:
            if step == "noted":
                raise StoreFull("no room to commit")

        store._environment.reached = fail
        with pytest.raises(StoreClosed):
            await store.commit(Txn([], [Put(b"b", b"two")]))
    assert keys(tmp_path) == [b"a"]
    async with Store.open(tmp_path) as store:
        assert [item.key for item in store.list(ALL).items] == [b"a"]


async def test_without_room_for_the_journal_a_commit_is_synced_twice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(descriptor: int, content: bytes, offset: int) -> int:
        raise OSError(errno.ENOSPC, "no space left on device")

    async with Store.open(tmp_path, keep_seconds=None) as store:
        await store.commit(Txn([], [Put(b"a", b"one")]))
        monkeypatch.setattr("kube_lite_storage.journal.os.pwrite", refuse)
        synced: list[int] = []
        monkeypatch.setattr(store._environment, "lmdb", _Counting(store._environment.lmdb, synced))
        await store.commit(Txn([], [Put(b"b", b"two")]))
        assert synced == [1]
        monkeypatch.undo()
    assert keys(tmp_path) == [b"a", b"b"]


class _Counting:
    """LMDB's environment, with its syncs counted."""

    def __init__(self, lmdb: Any, synced: list[int]) -> None:
        self._lmdb = lmdb
        self._synced = synced

    def sync(self, force: bool) -> None:
        self._synced.append(1)
        self._lmdb.sync(force)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._lmdb, name)


async def test_a_snapshot_has_nothing_of_the_commit_that_was_under_way(tmp_path: Path) -> None:
    async with Store.open(tmp_path / "store", keep_seconds=None) as store:
        await store.commit(Txn([], [Put(b"a", b"one")]))

        def copy(step: str) -> None:
            if step == "noted":
                save(store._environment, tmp_path / "snapshot")

        store._environment.reached = copy
        await store.commit(Txn([], [Put(b"b", b"two")]))
    restore(tmp_path / "snapshot", tmp_path / "again")
    assert keys(tmp_path / "again") == [b"a"]
    async with Store.open(tmp_path / "again") as store:
        await store.commit(Txn([], [Put(b"c", b"three")]))
    assert keys(tmp_path / "again") == [b"a", b"c"]


async def test_a_store_that_was_not_durable_becomes_so(tmp_path: Path) -> None:
    async with Store.open(tmp_path, durable=False) as store:
        await store.commit(Txn([], [Put(b"a", b"one")]))
        assert store._environment.journal is None
    await left_without_the_last_head_page(tmp_path)
    assert keys(tmp_path) == [b"a", b"b"]
