"""Power loss between any two of the writes that the kernel was asked for, with sectors out of order."""

import random
from itertools import pairwise
from pathlib import Path

import pytest
from kube_lite_storage import Range, Store

from .recording import Barrier, Disk, Said, can_record, recorded

pytestmark = pytest.mark.skipif(not can_record(), reason="needs strace and the right to trace")

COMMITS = 60
MIXTURES = 2
"""Tried after each write and each barrier."""
ALL = Range(b"\0", b"\xff")

WRITE = """
import asyncio, os, random, sys
from pathlib import Path
from kube_lite_storage import Delete, Put, Store, Txn

def writes(number):
    chance = random.Random(number)
    names = chance.sample([b"%02d" % each for each in range(12)], 3)
    size = 200_000 if number % 20 == 19 else chance.randrange(6000)
    return [Put(names[0], b"%d" % number * size), Put(names[1], b"%d" % number), Delete(names[2])]

async def main():
    async with Store.open(Path(sys.argv[1]), keep_seconds=None, initial_bytes=1 << 19) as store:
        for number in range(int(sys.argv[2])):
            revision = await store.commit(Txn([], writes(number)))
            os.write(2, b"told %d" % revision)
            if number % 9 == 8:
                await store.compact(revision - 3)
                os.write(2, b"compacted %d" % (revision - 3))

if __name__ == "__main__":
    asyncio.run(main())
"""


def states() -> dict[int, dict[bytes, bytes]]:
    """What the program has written by each revision."""
    program: dict[str, object] = {"__name__": "program"}
    exec(WRITE, program)
    content: dict[bytes, bytes] = {}
    found: dict[int, dict[bytes, bytes]] = {1: {}}
    for number in range(COMMITS):
        for write in program["writes"](number):  # type: ignore[operator]
            content.pop(write.key, None)
            if hasattr(write, "value"):
                content[write.key] = write.value
        found[number + 2] = dict(content)
    return found


def look(path: Path, data: bytes) -> tuple[int, int, dict[bytes, bytes]]:
    """Revision, compacted revision and content of a store that was left like this; it is sound."""
    path.mkdir(exist_ok=True)
    for old in path.iterdir():
        old.unlink()
    (path / "data.mdb").write_bytes(data)
    with Store.open_read_only(path) as view:
        assert view.check() == []
        return view.revision, view.compacted, {item.key: item.value for item in view.list(ALL).items}


def test_without_power_at_any_moment_everything_acknowledged_is_there(tmp_path: Path) -> None:
    data = tmp_path / "store" / "data.mdb"
    steps = recorded(WRITE, [str(data.parent), str(COMMITS)], data, tmp_path / "log")
    chance, allowed = random.Random(7), states()
    told = {"told": 1, "compacted": 0}
    disk, is_made, tried = Disk(), False, 0
    for step in steps:
        if isinstance(step, Said):
            told[step.word], is_made = step.number, True
            continue
        disk.apply(step)
        if not is_made:  # before the first acknowledgement there need not be a store
            continue
        for _ in range(MIXTURES):
            revision, compacted, content = look(tmp_path / "left", disk.left(chance))
            assert told["told"] <= revision <= told["told"] + 1
            assert compacted >= told["compacted"]
            assert content == allowed[revision]
            tried += 1
    assert told["told"] == COMMITS + 1
    assert tried > COMMITS * MIXTURES * 4


def test_power_may_be_lost_again_while_the_last_commit_is_recovered(tmp_path: Path) -> None:
    data = tmp_path / "store" / "data.mdb"
    steps = recorded(WRITE, [str(data.parent), "8"], data, tmp_path / "log")
    disk = Disk()
    for step in steps:
        if not isinstance(step, Said):
            disk.apply(step)
    left = disk.certain
    expected = look(tmp_path / "left", left)
    assert expected[0] == 9
    data.write_bytes(left)
    chance, again = random.Random(8), Disk(left)
    for step in recorded(WRITE, [str(data.parent), "0"], data, tmp_path / "log"):
        if not isinstance(step, Said):
            again.apply(step)
            for _ in range(MIXTURES):
                assert look(tmp_path / "left", again.left(chance)) == expected


def test_a_commit_takes_one_sync(tmp_path: Path) -> None:
    data = tmp_path / "store" / "data.mdb"
    steps = recorded(WRITE, [str(data.parent), "8"], data, tmp_path / "log")
    spoken = [place for place, step in enumerate(steps) if isinstance(step, Said)]
    for before, after in pairwise(spoken):
        assert sum(isinstance(step, Barrier) for step in steps[before:after]) == 1
