"""Opening, locking, growing and running out of room."""

import asyncio
import itertools
import stat
import subprocess
import sys
from pathlib import Path

import lmdb
import pytest
from kube_lite_storage import (
    Delete,
    FormatUnknown,
    Put,
    Range,
    Store,
    StoreDamaged,
    StoreFull,
    StoreLocked,
    Txn,
    environment,
    layout,
)

ALL = Range(b"\0", b"\xff")


async def test_only_the_owner_can_look_into_the_data(tmp_path: Path) -> None:
    async with Store.open(tmp_path / "deep" / "store", durable=False):
        assert stat.S_IMODE((tmp_path / "deep" / "store").stat().st_mode) == 0o700
        modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "deep/store").iterdir()}
    assert modes == {"data.mdb": 0o600, "lock.mdb": 0o600, "lock": 0o600}


async def test_a_second_process_is_refused_and_told_which_is_the_first(tmp_path: Path) -> None:
    program = (
        "import asyncio, sys; from pathlib import Path; from kube_lite_storage import Store, StoreLocked\n"
        "async def main():\n"
        "    try:\n"
        "        async with Store.open(Path(sys.argv[1])): print('opened')\n"
        "    except StoreLocked as error: print(error)\n"
        "asyncio.run(main())"
    )
    command = [sys.executable, "-c", program, str(tmp_path)]
    async with Store.open(tmp_path, durable=False):
        with pytest.raises(StoreLocked):
            async with Store.open(tmp_path, durable=False):
                pass
        answer = await asyncio.to_thread(subprocess.check_output, command, text=True)
        assert "is in use by process" in answer
    assert await asyncio.to_thread(subprocess.check_output, command, text=True) == "opened\n"


async def test_the_map_grows_under_writers_readers_and_a_watch(tmp_path: Path) -> None:
    async with Store.open(tmp_path, durable=False, initial_bytes=1 << 17) as store:
        with store.watch(ALL, after=1) as watch:
            async with asyncio.TaskGroup() as group:
                for number in range(200):
                    group.create_task(store.commit(Txn([], [Put(b"%03d" % number, b"x" * 50_000)])))
            seen = 0
            async for events in watch:
                seen += len(events)
                assert store.count(ALL) == 200
                if seen == 200:
                    break
        assert store.check() == []
    assert (tmp_path / "data.mdb").stat().st_size > 200 * 50_000


async def test_a_full_store_refuses_puts_but_reads_deletes_and_compacts(tmp_path: Path) -> None:
    small = 1 << 20
    async with Store.open(
        tmp_path, durable=False, keep_seconds=None, initial_bytes=small, max_bytes=small
    ) as store:
        written = await fill(store)
        assert 10 < written < 21
        for number in range(written):
            assert store.get(b"%03d" % number) is not None
            await store.commit(Txn([], [Delete(b"%03d" % number)]))
        assert await store.compact(store.revision) == 50_000 * (written - 1)
        await store.commit(Txn([], [Put(b"a", b"x" * 50_000)]))
        assert store.check() == []


async def fill(store: Store) -> int:
    """Put until there is no room; how many fitted."""
    for number in itertools.count():
        try:
            await store.commit(Txn([], [Put(b"%03d" % number, b"x" * 50_000)]))
        except StoreFull:
            return number
    raise AssertionError("never full")


async def test_data_of_a_newer_format_is_refused_untouched(tmp_path: Path) -> None:
    async with Store.open(tmp_path, durable=False):
        pass
    with lmdb.open(str(tmp_path), max_dbs=8) as env, env.begin(write=True) as txn:
        txn.put(layout.FORMAT_ROW, layout.as_number(layout.FORMAT + 1), db=env.open_db(layout.META, txn=txn))
    with pytest.raises(FormatUnknown):
        async with Store.open(tmp_path, durable=False):
            pass


async def test_a_file_that_is_no_store_is_refused(tmp_path: Path) -> None:
    (tmp_path / "data.mdb").write_bytes(b"not a database" * 1000)
    with pytest.raises(StoreDamaged):
        async with Store.open(tmp_path, durable=False):
            pass
    (tmp_path / "data.mdb").unlink()
    async with Store.open(tmp_path, durable=False) as store:  # and the lock was let go
        assert store.revision == 1


async def test_check_names_what_is_broken(tmp_path: Path) -> None:
    async with Store.open(tmp_path, durable=False, keep_seconds=None) as store:
        await store.commit(Txn([], [Put(b"a", b"1")]))
        await store.commit(Txn([], [Put(b"a", b"2")]))
    opened = environment.Environment(tmp_path, durable=False)
    with opened.lmdb.begin(write=True) as txn:
        txn.delete(layout.past_row(b"a", 3), db=opened.past)
        opened.put_number(txn, layout.REVISION_ROW, 7)
        txn.put(b"b", layout.as_version(b"b", 2, 2, b"", b""), db=opened.now)
    opened.close()
    async with Store.open(tmp_path, durable=False, keep_seconds=None) as store:
        problems = "\n".join(store.check())
    assert "what it ended is missing" in problems
    assert "the log ends at 3" in problems
    assert "b'b': version 2 is not in the log" in problems


LOOK = """
import sys
from pathlib import Path
from kube_lite_storage import Range, Store
with Store.open_read_only(Path(sys.argv[1])) as view:
    while True:
        print(len(view.list(Range.prefix(b"/")).items), view.revision, view.check(), flush=True)
        sys.stdin.readline() or sys.exit()
"""


async def test_one_who_looks_follows_a_store_that_outgrows_its_map(tmp_path: Path) -> None:
    async with Store.open(tmp_path, durable=False, initial_bytes=1 << 18) as store:
        first = store.status().map_bytes
        await store.commit(Txn([], [Put(b"/0", b"")]))
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-c",
            LOOK,
            str(tmp_path),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
        )
        assert process.stdin is not None
        assert process.stdout is not None
        assert await process.stdout.readline() == b"1 2 []\n"
        for number in range(1, 4):
            while store.status().map_bytes < first << 2 * number + 2:
                await store.commit(
                    Txn([], [Put(b"/%d" % number, b"x" * 100_000), Put(b"/x", b"y" * 100_000)])
                )
            process.stdin.write(b"\n")
            assert await process.stdout.readline() == b"%d %d []\n" % (number + 2, store.revision)
        process.stdin.close()
        assert await process.wait() == 0
