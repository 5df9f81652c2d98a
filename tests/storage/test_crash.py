"""Whatever moment the writing process is killed at, what it was told is durable is there."""

import asyncio
import random
import subprocess
import sys
from pathlib import Path

from kube_lite_storage import Store

ROUNDS = 20

WRITER = """
import asyncio, itertools, sys
from pathlib import Path
from kube_lite_storage import Delete, Put, Store, Txn

async def write(store, name):
    for number in itertools.count():
        key = f"{sys.argv[2]}/{name}/{number}".encode()
        await store.commit(Txn([], [Put(key, b"x" * 2000), Put(b"shared", key)]))
        if number % 5 == 4:
            await store.commit(Txn([], [Delete(key)]))
        sys.stdout.write(f"{name} {number}\\n")
        sys.stdout.flush()

async def compact(store):
    while True:
        await store.compact(store.revision)
        await asyncio.sleep(0.005)

async def main():
    async with Store.open(Path(sys.argv[1]), initial_bytes=1 << 20) as store, asyncio.TaskGroup() as group:
        group.create_task(compact(store))
        for name in "abcdefgh":
            group.create_task(write(store, name))

asyncio.run(main())
"""


async def test_killed_at_any_moment_every_acknowledged_write_is_there(tmp_path: Path) -> None:
    chance = random.Random(4)
    acknowledged: dict[tuple[int, str], int] = {}
    newest = 0
    for lap in range(ROUNDS):
        for line in await asyncio.to_thread(write_and_kill, tmp_path, lap, chance.randrange(1, 120)):
            name, number = line.split()
            acknowledged[lap, name] = int(number)
        async with Store.open(tmp_path, durable=False, keep_seconds=None) as store:
            assert store.check() == []
            assert store.revision > newest
            newest = store.revision
            for (then, name), last in acknowledged.items():
                for each in range(last + 1):
                    is_there = store.get(f"{then}/{name}/{each}".encode()) is not None
                    assert is_there == (each % 5 != 4), (lap, then, name, each)
    assert len(acknowledged) > ROUNDS


def write_and_kill(path: Path, lap: int, lines: int) -> list[str]:
    """Let a process write until it has acknowledged so many writes, kill it, and give all it acknowledged."""
    command = [sys.executable, "-c", WRITER, str(path), str(lap)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        heard = [process.stdout.readline() for _ in range(lines)]
        process.kill()
        heard += process.stdout.readlines()
    return [line for line in heard if line.endswith("\n")]
