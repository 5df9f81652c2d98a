"""A bit that changed on the disk is said, or was in a place that means nothing; it is never data."""

import subprocess
import sys
from pathlib import Path

from kube_lite_storage import Delete, Put, Store, Txn

FLIPS = 100

FLIP = """
import os, random, signal, sys
from pathlib import Path
from kube_lite_storage import Range, Store, StoreError

ALL = Range(b"\\0", b"\\xff")

def content(path):
    with Store.open_read_only(path) as view:
        problems = view.check()
        if problems:
            return None
        oldest, newest = view.compacted, view.revision
        return newest, [view.list(ALL, at=at).items for at in (oldest, (oldest + newest) // 2, newest)]

def look(path):
    try:
        return 0 if content(path) is None else 1 if content(path) == expected else 2
    except Exception as error:
        print(type(error).__name__, error)
        return 0

source, flips = Path(sys.argv[1]), int(sys.argv[2])
expected = content(source)
assert expected is not None
raw = (source / "data.mdb").read_bytes()
target = source.parent / "flipped"
target.mkdir()
chance = random.Random(7)
seen = {"told": 0, "died": 0, "harmless": 0, "SILENT": 0}
for number in range(flips):
    place, bit = chance.randrange(len(raw)), chance.randrange(8)
    flipped = bytearray(raw)
    flipped[place] ^= 1 << bit
    (target / "data.mdb").write_bytes(flipped)
    (target / "lock.mdb").unlink(missing_ok=True)
    child = os.fork()
    if child == 0:
        signal.setitimer(signal.ITIMER_REAL, 1)  # a page that refers to itself is read for ever
        os._exit(look(target))
    _, status = os.waitpid(child, 0)
    name = "died" if os.WIFSIGNALED(status) else ("told", "harmless", "SILENT")[os.WEXITSTATUS(status)]
    seen[name] += 1
    if name == "SILENT":
        print("byte", place, "bit", bit, "page", place // 4096)
print(seen["told"], seen["died"], seen["harmless"], seen["SILENT"])
"""


async def test_a_changed_bit_is_told_or_meant_nothing(tmp_path: Path) -> None:
    async with Store.open(tmp_path / "store", durable=False, keep_seconds=None) as store:
        for number in range(120):
            name = b"/pods/%03d" % (number * 7 % 40)
            writes = [
                Put(name, b"value %d " % number * 40, b"header"),
                Put(b"leased", b"", lease_seconds=1e6),
            ]
            await store.commit(Txn([], writes))
            if number % 9 == 8:
                await store.commit(Txn([], [Delete(name)]))
        await store.compact(40)
    command = [sys.executable, "-c", FLIP, str(tmp_path / "store"), str(FLIPS)]
    answer = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    told, died, harmless, silent = map(int, answer.splitlines()[-1].split())
    assert silent == 0, answer
    assert told + died + harmless == FLIPS
    assert told > FLIPS // 10
