"""Copies of a store: made while it serves, refused when they are not what was written."""

import asyncio
import subprocess
import sys
from pathlib import Path

import lmdb
import pytest
from kube_lite_storage import (
    Delete,
    Put,
    Range,
    SnapshotDamaged,
    Store,
    StoreDamaged,
    StoreError,
    StoreLocked,
    StoreMissing,
    Txn,
    environment,
    inspect,
    restore,
)

ALL = Range(b"\0", b"\xff")


async def with_history(store: Store) -> None:
    for number in range(50):
        await store.commit(Txn([], [Put(b"%02d" % (number % 10), b"x" * 3000, b"h")]))
    await store.commit(Txn([], [Delete(b"03"), Put(b"leased", b"", lease_seconds=60)]))
    await store.compact(20)


async def test_a_restored_snapshot_is_the_store_at_its_revision(store: Store, tmp_path: Path) -> None:
    await with_history(store)
    kept, before = store.list(ALL), store.list(ALL, at=30)
    taken = await store.snapshot(tmp_path / "snapshot")
    await store.commit(Txn([], [Put(b"later", b"")]))
    assert (taken.revision, taken.compacted) == (kept.revision, 20)
    assert inspect(tmp_path / "snapshot") == taken == restore(tmp_path / "snapshot", tmp_path / "again")
    async with Store.open(tmp_path / "again", keep_seconds=None) as again:
        assert again.list(ALL) == kept
        assert again.list(ALL, at=30) == before
        assert again.check() == []
        assert await again.commit(Txn([], [Put(b"other", b"")])) == taken.revision + 1
    assert {path.name for path in tmp_path.iterdir()} == {"store", "snapshot", "again"}


async def test_a_snapshot_under_load_has_whole_revisions_and_stops_nobody(tmp_path: Path) -> None:
    async with Store.open(tmp_path / "store", durable=False, initial_bytes=1 << 17) as store:
        is_over = False

        async def write() -> None:
            while not is_over:  # the map grows meanwhile, again and again
                pair = [Put(b"a/%d" % store.revision, b"x" * 9000), Put(b"b/%d" % store.revision, b"")]
                await store.commit(Txn([], pair))

        async with asyncio.TaskGroup() as group:
            group.create_task(write())
            for number in range(5):
                taken = await store.snapshot(tmp_path / f"{number}")
                assert taken.revision <= store.revision
            is_over = True
    for number in range(5):
        restore(tmp_path / f"{number}", tmp_path / f"again{number}")
        with Store.open_read_only(tmp_path / f"again{number}") as view:
            assert view.check() == []
            assert view.revision == inspect(tmp_path / f"{number}").revision
            pages = [view.list(Range.prefix(prefix), parts="keys").items for prefix in (b"a/", b"b/")]
            assert [item.key[1:] for item in pages[0]] == [item.key[1:] for item in pages[1]]


@pytest.mark.parametrize("place", [0, 5000, 0.5, -20, -60, -88])
async def test_a_snapshot_with_one_bit_changed_is_refused(store: Store, tmp_path: Path, place: float) -> None:
    await with_history(store)
    file = tmp_path / "snapshot"
    await store.snapshot(file)
    raw = bytearray(file.read_bytes())
    raw[int(place * len(raw)) if 0 < place < 1 else int(place)] ^= 4
    file.write_bytes(raw)
    with pytest.raises(SnapshotDamaged):
        inspect(file)
    with pytest.raises(SnapshotDamaged):
        restore(file, tmp_path / "again")
    assert [path.name for path in (tmp_path / "again").iterdir()] == ["lock"]


@pytest.mark.parametrize("length", [0, 50, 4096, -1])
async def test_a_snapshot_that_was_cut_off_or_is_something_else_is_refused(
    store: Store, tmp_path: Path, length: int
) -> None:
    await store.snapshot(tmp_path / "snapshot")
    (tmp_path / "cut").write_bytes((tmp_path / "snapshot").read_bytes()[:length])
    (tmp_path / "foreign").write_bytes(b"something else" * 1000)
    for name in ("cut", "foreign"):
        with pytest.raises(SnapshotDamaged):
            inspect(tmp_path / name)


async def test_a_store_is_never_restored_or_forked_over(store: Store, tmp_path: Path) -> None:
    await store.snapshot(tmp_path / "snapshot")
    with pytest.raises(StoreLocked):
        restore(tmp_path / "snapshot", tmp_path / "store")
    restore(tmp_path / "snapshot", tmp_path / "again")
    with pytest.raises(StoreError, match="holds a store already"):
        restore(tmp_path / "snapshot", tmp_path / "again")
    with pytest.raises(StoreError, match="holds a store already"):
        await store.fork(tmp_path / "again")


async def test_a_snapshot_that_cannot_be_written_leaves_nothing(store: Store, tmp_path: Path) -> None:
    with pytest.raises(OSError, match="No such file"):
        await store.snapshot(tmp_path / "missing" / "snapshot")
    assert [path.name for path in tmp_path.iterdir()] == ["store"]


async def test_a_store_that_is_closed_during_a_snapshot_finishes_it(tmp_path: Path) -> None:
    async with Store.open(tmp_path / "store", durable=False, keep_seconds=None) as store:
        await with_history(store)
        snapshot = asyncio.ensure_future(store.snapshot(tmp_path / "snapshot"))
        while not store._copies._running:
            await asyncio.sleep(0)
    assert inspect(tmp_path / "snapshot") == await snapshot


async def test_a_fork_goes_its_own_way(store: Store, tmp_path: Path) -> None:
    await with_history(store)
    kept, before = store.list(ALL), store.list(ALL, at=30)
    await store.fork(tmp_path / "fork")
    await store.commit(Txn([], [Put(b"only here", b"")]))
    async with Store.open(tmp_path / "fork", durable=False, keep_seconds=None) as fork:
        assert fork.list(ALL) == kept
        assert fork.list(ALL, at=30) == before
        await fork.commit(Txn([], [Delete(b"01"), Put(b"only there", b"")]))
        assert fork.check() == []
        assert store.get(b"01") is not None
        assert store.get(b"only there") is None
        assert fork.get(b"only here") is None


async def test_forks_under_load_are_sound(store: Store, tmp_path: Path) -> None:
    is_over = False

    async def write() -> None:
        while not is_over:
            await store.commit(Txn([], [Put(b"%d" % (store.revision % 50), b"x" * 2000)]))

    async with asyncio.TaskGroup() as group:
        for _ in range(4):
            group.create_task(write())
        for number in range(10):
            await store.fork(tmp_path / f"{number}")
        is_over = True
    for number in range(10):
        with Store.open_read_only(tmp_path / f"{number}") as view:
            assert view.check() == []


async def test_one_who_only_looks_is_let_in_beside_the_writer(tmp_path: Path) -> None:
    program = (
        "import sys; from pathlib import Path; from kube_lite_storage import Store\n"
        "with Store.open_read_only(Path(sys.argv[1])) as view:\n"
        "    found = view.get(b'01').revision\n"
        "    print(view.revision, view.check(), found, view.snapshot(Path(sys.argv[2])).revision)"
    )
    async with Store.open(tmp_path / "store", durable=False, keep_seconds=None) as store:
        await with_history(store)
        command = [sys.executable, "-c", program, str(tmp_path / "store"), str(tmp_path / "snapshot")]
        answer = await asyncio.to_thread(subprocess.check_output, command, text=True)
        assert answer == f"{store.revision} [] 43 {store.revision}\n"
        await store.commit(Txn([], [Put(b"more", b"")]))
    with Store.open_read_only(tmp_path / "store") as view:
        assert view.revision == 53


def test_one_who_only_looks_makes_nothing(tmp_path: Path) -> None:
    with pytest.raises(StoreMissing), Store.open_read_only(tmp_path / "none"):
        pass
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("is_writer", [False, True], ids=["to look", "to write"])
async def test_another_programs_database_is_refused_untouched(tmp_path: Path, is_writer: bool) -> None:
    with lmdb.open(str(tmp_path), max_dbs=1) as env, env.begin(write=True) as txn:
        txn.put(b"k", b"v", db=env.open_db(b"theirs", txn=txn))
    before = (tmp_path / "data.mdb").read_bytes()
    open_it = environment.Environment if is_writer else environment.ReadOnly
    with pytest.raises(StoreDamaged, match="another program"):
        open_it(tmp_path)
    assert (tmp_path / "data.mdb").read_bytes() == before


async def test_status_says_how_much_there_is_and_how_safe_it_is(store: Store, tmp_path: Path) -> None:
    await with_history(store)
    status = store.status()
    assert (status.revision, status.compacted, status.keys, status.durable) == (52, 20, 10, False)
    assert 0 < status.versions <= 41
    assert 0 < status.used_bytes <= (tmp_path / "store" / "data.mdb").stat().st_size <= status.map_bytes
