"""What a machine without power leaves of the data file: every mixture of pages that LMDB's barriers allow.

A commit is: data pages written where nothing refers to them, a barrier, one of the two head pages written, a
barrier. Without power before the first barrier any of the data pages may have reached the disk, whole or in
part (a sector of 512 bytes is written whole or not at all); after it all of them have, and the head page is
the old one or the new. ``test_lmdb_writes_as_assumed`` holds that against what the kernel was asked.
"""

import random
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest
from kube_lite_storage import Delete, Put, Range, Store, StoreDamaged, Txn
from kube_lite_storage.view import StoreView

ALL = Range(b"\0", b"\xff")
PAGE, SECTOR, HEAD_PAGES = 4096, 512, 2
COMMITS = 30
STATES = 8
"""Mixtures tried before each commit's first barrier."""


@pytest.fixture
async def images(tmp_path: Path) -> list[bytes]:
    """The data file after each commit of LMDB's; forgetting has commits of its own."""
    chance = random.Random(5)
    data = tmp_path / "store" / "data.mdb"
    found: list[bytes] = []

    def reached(step: str) -> None:
        if step in ("committed", "compaction begun", "forgotten"):
            found.append(data.read_bytes())

    async with Store.open(tmp_path / "store", keep_seconds=None) as store:
        store._environment.reached = reached
        for number in range(COMMITS):
            names = [b"%02d" % chance.randrange(20) for _ in range(3)]
            writes: list[Put | Delete] = [Put(name, b"x" * chance.randrange(9000)) for name in {*names[:2]}]
            if names[2] not in names[:2]:
                writes.append(Delete(names[2]))
            await store.commit(Txn([], writes))
            if number % 7 == 6:
                await store.compact(store.revision - 2)
    return found


def view_of(tmp_path: Path, data: bytes) -> Iterator[StoreView]:
    path = tmp_path / "left"
    shutil.rmtree(path, ignore_errors=True)
    path.mkdir()
    (path / "data.mdb").write_bytes(data)
    with Store.open_read_only(path) as view:
        yield view


def changed_sectors(before: bytes, after: bytes) -> list[int]:
    return [
        place
        for place in range(0, len(after), SECTOR)
        if before[place : place + SECTOR] != after[place : place + SECTOR]
    ]


def mixed(before: bytes, after: bytes, places: list[int]) -> bytes:
    """``before`` with these sectors of ``after``; what was never written reads as zeros."""
    data = bytearray(before.ljust(len(after), b"\0"))
    for place in places:
        data[place : place + SECTOR] = after[place : place + SECTOR]
    return bytes(data)


def content_of(tmp_path: Path, data: bytes) -> object:
    for view in view_of(tmp_path, data):
        problems = view.check()
        if problems:
            raise StoreDamaged("; ".join(problems))
        return view.revision, view.compacted, view.list(ALL).items
    raise AssertionError("it could not be opened")


def test_without_power_at_any_barrier_the_store_is_the_last_one_acknowledged_or_the_next(
    images: list[bytes], tmp_path: Path
) -> None:
    chance = random.Random(6)
    tried = 0
    for before, after in pairwise(images):
        changed = changed_sectors(before, after)
        body = [place for place in changed if place >= HEAD_PAGES * PAGE]
        heads = [place for place in changed if place < HEAD_PAGES * PAGE]
        expected = content_of(tmp_path, before)
        mixtures = [chance.sample(body, chance.randrange(len(body) + 1)) for _ in range(STATES)]
        for places in (*mixtures, body):
            assert content_of(tmp_path, mixed(before, after, places)) == expected
            tried += 1
        assert content_of(tmp_path, mixed(before, after, body + heads)) == content_of(tmp_path, after)
    assert tried >= (COMMITS - 1) * (STATES + 1)


def test_the_simulation_would_see_a_head_page_that_overtakes_its_data(
    images: list[bytes], tmp_path: Path
) -> None:
    before, after = images[:2]
    heads = [place for place in changed_sectors(before, after) if place < HEAD_PAGES * PAGE]
    with pytest.raises(StoreDamaged):
        content_of(tmp_path, mixed(before, after, heads))


WRITE = """
import asyncio, sys
from pathlib import Path
from kube_lite_storage import Put, Store, Txn

async def main():
    async with Store.open(Path(sys.argv[1]), keep_seconds=None) as store:
        for number in range(20):
            print("asked", file=sys.stderr, flush=True)
            await store.commit(Txn([], [Put(b"%d" % number, b"x" * 2000)]))
            print("told", file=sys.stderr, flush=True)

asyncio.run(main())
"""


@pytest.mark.skipif(shutil.which("strace") is None, reason="needs strace")
def test_lmdb_writes_as_assumed(tmp_path: Path) -> None:
    calls = "openat,write,writev,pwrite64,pwritev,fdatasync,fsync,msync"
    log = tmp_path / "calls"
    command = ["strace", "-f", "-e", f"trace={calls}", "-o", str(log), sys.executable, "-c", WRITE]
    ran = subprocess.run([*command, str(tmp_path / "store")], capture_output=True, text=True, check=False)
    if "ptrace" in ran.stderr:
        pytest.skip("needs the right to trace")
    assert ran.returncode == 0, ran.stderr
    lines = log.read_text().splitlines()
    synced = {line.split()[-1] for line in lines if "data.mdb" in line and "O_DSYNC" in line}
    (head,) = synced  # the descriptor through which head pages go to the disk before the call returns
    commits, order = 0, ""
    for line in lines:
        if '"asked' in line:
            order = ""
        elif '"told' in line:
            assert re.fullmatch(r"w+sh", order), "data, barrier, head page"
            commits += 1
        elif re.search(r" (pwrite64|pwritev|writev)\(", line):
            is_head = re.search(rf"\({head},", line) is not None
            order += "h" if is_head else "w"
        elif "fdatasync(" in line:
            order += "s"
    assert commits == 20
