"""No room: on the disk, in a limit, on a file system that cannot be written to."""

import asyncio
import os
import signal
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

import pytest
from kube_lite_storage import Delete, Put, Range, Store, StoreFull, StoreNotWritable, Txn

ALL = Range(b"\0", b"\xff")


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 12 MB."""
    mount = tmp_path / "disk"
    mount.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=12m", "tmpfs", str(mount)]
    if subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("needs the right to mount a file system")
    yield mount
    subprocess.run(["umount", "-l", mount], check=True)


async def fill(store: Store) -> int:
    """Put until there is no room; how many fitted."""
    for number in range(100_000):
        try:
            await store.commit(Txn([], [Put(b"%06d" % number, b"x" * 50_000)]))
        except StoreFull:
            return number
    raise AssertionError("never full")


@pytest.mark.needs_root
async def test_a_full_disk_refuses_puts_but_reads_deletes_and_compacts(small_disk: Path) -> None:
    path = small_disk / "store"
    async with Store.open(path, keep_seconds=None) as store:
        written = await fill(store)
        assert written > 50
        with store.watch(ALL, after=store.revision) as watch:
            for number in range(written // 2):
                assert store.get(b"%06d" % number) is not None
                await store.commit(Txn([], [Delete(b"%06d" % number)]))
            assert len(await anext(watch)) >= 1
        assert not (path / "ballast").exists(), "it was thrown, for LMDB needs room even to delete"
        assert await store.compact(store.revision) > 0
        await store.commit(Txn([], [Put(b"again", b"x" * 50_000)]))
        assert store.check() == []
    async with Store.open(path, keep_seconds=None) as store:
        assert store.count(ALL) == written - written // 2 + 1
        assert store.check() == []


@pytest.mark.needs_root
async def test_a_full_disk_that_is_cleared_by_somebody_else_is_written_to_again(small_disk: Path) -> None:
    (small_disk / "other").write_bytes(b"x" * (2 << 20))
    async with Store.open(small_disk / "store", keep_seconds=None) as store:
        written = await fill(store)
        (small_disk / "other").unlink()
        await store.commit(Txn([], [Put(b"again", b"x" * 50_000)]))
        assert store.count(ALL) == written + 1
        await store.compact(store.revision)
        assert (small_disk / "store" / "ballast").exists()


@pytest.mark.needs_root
async def test_a_snapshot_that_does_not_fit_leaves_no_trace(small_disk: Path, tmp_path: Path) -> None:
    async with Store.open(tmp_path / "store", durable=False) as store:
        for number in range(300):
            await store.commit(Txn([], [Put(b"%06d" % number, b"x" * 50_000)]))
        for copy in (store.snapshot(small_disk / "snapshot"), store.fork(small_disk / "fork")):
            with pytest.raises(StoreFull):
                await copy
        assert [path.name for path in small_disk.rglob("*") if path.is_file()] == ["lock"]
        await store.commit(Txn([], [Put(b"more", b"")]))


@pytest.mark.needs_root
async def test_a_read_only_file_system_is_named_and_can_be_looked_at(small_disk: Path) -> None:
    path = small_disk / "store"
    async with Store.open(path) as store:
        await store.commit(Txn([], [Put(b"a", b"1")]))
    subprocess.run(["mount", "-o", "remount,ro", small_disk], check=True)
    with pytest.raises(StoreNotWritable, match="cannot be written"):
        async with Store.open(path):
            pass
    with pytest.raises(StoreNotWritable, match="cannot be made"):
        async with Store.open(small_disk / "new"):
            pass
    with Store.open_read_only(path) as view:
        assert view.get(b"a") is not None
        assert view.check() == []


def test_a_limit_on_the_size_of_files_is_a_full_store(tmp_path: Path) -> None:
    program = textwrap.dedent(
        """
        import asyncio, resource, sys
        from pathlib import Path
        from kube_lite_storage import Delete, Put, Store, StoreFull, Txn

        async def main():
            async with Store.open(Path(sys.argv[1]), keep_seconds=None) as store:
                resource.setrlimit(resource.RLIMIT_FSIZE, (3 << 20, 3 << 20))
                number = 0
                try:
                    while True:
                        await store.commit(Txn([], [Put(b"%d" % number, b"x" * 50_000)]))
                        number += 1
                except StoreFull:
                    pass
                assert store.get(b"3") is not None
                assert store.check() == []
                resource.setrlimit(resource.RLIMIT_FSIZE, (3 << 20, 3 << 20))
                print(number)

        asyncio.run(main())
        """
    )
    answer = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path)], capture_output=True, text=True, check=True
    )
    assert int(answer.stdout) > 20


async def test_one_who_dies_while_it_looks_does_not_pin_the_file(tmp_path: Path) -> None:
    reader = (
        "import sys, time; from pathlib import Path; from kube_lite_storage.environment import ReadOnly\n"
        "txn = ReadOnly(Path(sys.argv[1])).lmdb.begin(); print('reading', flush=True); time.sleep(60)"
    )
    async with Store.open(tmp_path, durable=False, keep_seconds=0.05) as store:
        await store.commit(Txn([], [Put(b"a", b"x" * 50_000)]))
        with subprocess.Popen(
            [sys.executable, "-c", reader, str(tmp_path)], stdout=subprocess.PIPE
        ) as process:
            assert process.stdout is not None
            await asyncio.to_thread(process.stdout.readline)
            os.kill(process.pid, signal.SIGKILL)
        async with asyncio.timeout(20):
            while str(process.pid) in store._environment.lmdb.readers():
                await store.commit(Txn([], [Put(b"a", b"x" * 50_000)]))
            await store.compact(store.revision)
            before = store.status().used_bytes
            for _ in range(40):
                for _ in range(10):
                    await store.commit(Txn([], [Put(b"a", b"x" * 50_000)]))
                await store.compact(store.revision)
        assert store.status().used_bytes < before + (8 << 20)  # a pinned file would hold all 20 MB
