"""Kill a writing process again and again, and look at what is left each time.

    python -m tests.storage.crashing DIRECTORY ROUNDS [SEED]

Each round forks a process that writes, watches, compacts and lets keys expire. It ends by SIGKILL: at some
moment, or at a step of a commit that was drawn before. What it was told lies in memory that is shared
with the parent, which then opens the store. Prints the number of rounds that went well as the last line; the
first one that did not ends the run with what was wrong.

Writer ``i`` writes its number ``n`` under two keys in one transaction, or deletes both when ``n`` is a
multiple of five. So at any time both say the same, and that is the last number it was told of or the next.
"""

import asyncio
import itertools
import mmap
import os
import random
import signal
import struct
import sys
import time
from pathlib import Path

from kube_lite_storage import Compare, Delete, Put, Range, Store, StoreMissing, StoreView, Txn

WRITERS = 6
STEPS = (
    "nothing written",
    "present written",
    "past written",
    "log written",
    "revision written",
    "noted",
    "committed",
    "published",
    "compaction begun",
    "forgetting",
    "forgotten",
)
NEW_STORE_ROUNDS = 100  # a store is left for a new one after so many, so that first starts are killed too


class Told:
    """What the child was told, in memory it shares with the parent: each writer's number, and revisions."""

    def __init__(self) -> None:
        self._memory = mmap.mmap(-1, 8 * (WRITERS + 3))

    def __getitem__(self, place: int) -> int:
        number: int = struct.unpack_from("Q", self._memory, 8 * place)[0]
        return number

    def __setitem__(self, place: int, number: int) -> None:
        struct.pack_into("Q", self._memory, 8 * place, number)

    def clear(self) -> None:
        self._memory[:] = bytes(len(self._memory))


ACKNOWLEDGED, WATCHED, COMPACTED = WRITERS, WRITERS + 1, WRITERS + 2


def keys(writer: int) -> tuple[bytes, bytes]:
    return b"a/%d" % writer, b"b/%d" % writer


async def write(store: Store, told: Told, writer: int) -> None:
    first, second = keys(writer)
    for number in itertools.count(told[writer] + 1):
        if number == told[writer] + 1 and (found := store.get(first)) and int(found.value[:20]) == number:
            told[writer] = number  # written before the end, though nobody was told
            continue
        value = b"%020d" % number + b"x" * (number * 37 % 3000)
        writes = (
            [Delete(first), Delete(second)] if number % 5 == 0 else [Put(first, value), Put(second, value)]
        )
        found = store.get(first)
        revision = await store.commit(Txn([Compare(first, found.revision if found else 0)], writes))
        told[ACKNOWLEDGED] = max(told[ACKNOWLEDGED], revision)
        told[writer] = number
        if number % 3 == 0:
            await store.commit(Txn([], [Put(b"lease/%d/%d" % (writer, number), b"", lease_seconds=0.01)]))


async def watch(store: Store, told: Told) -> None:
    with store.watch(Range(b"\0", b"\xff"), after=store.revision) as watching:
        async for events in watching:
            told[WATCHED] = events[-1].revision


async def compact(store: Store, told: Told) -> None:
    while True:
        target = store.revision
        await store.compact(target)
        told[COMPACTED] = target
        await asyncio.sleep(0.003)


async def child(path: Path, told: Told, step: str, nth: int) -> None:
    async with Store.open(path, initial_bytes=1 << 18, keep_seconds=None) as store:
        hits = itertools.count(1)

        def reached(name: str) -> None:
            if name == step and next(hits) == nth:
                os.kill(os.getpid(), signal.SIGKILL)

        store._environment.reached = reached
        async with asyncio.TaskGroup() as group:
            group.create_task(watch(store, told))
            group.create_task(compact(store, told))
            for writer in range(WRITERS):
                group.create_task(write(store, told, writer))


def verify(view: StoreView, told: Told) -> list[str]:
    problems = view.check()
    for name, floor, found in (
        ("acknowledged", told[ACKNOWLEDGED], view.revision),
        ("told to a watcher", told[WATCHED], view.revision),
        ("compacted", told[COMPACTED], view.compacted),
    ):
        if found < floor:
            problems.append(f"revision {floor} was {name}, but the store is at {found}")
    for writer in range(WRITERS):
        found_both = [view.get(key) for key in keys(writer)]
        values = [found and int(found.value[:20]) for found in found_both]
        allowed = [None if number % 5 == 0 else number for number in (told[writer], told[writer] + 1)]
        if values[0] != values[1] or values[0] not in allowed:
            problems.append(f"writer {writer} was told {told[writer]}, its keys say {values}")
        if values[0] == allowed[1]:
            told[writer] += 1  # done, though nobody was told; the next round goes on from there
    return problems


def one_round(path: Path, told: Told, chance: random.Random) -> list[str]:
    step = chance.choice(STEPS) if chance.random() < 0.6 else ""
    nth = chance.randrange(1, 12)
    wait = 2.0 if step else chance.random() * 0.04
    process = os.fork()
    if process == 0:
        try:
            asyncio.run(child(path, told, step, nth))
        finally:
            os._exit(70)  # a child ends by a signal or not at all
    deadline = time.monotonic() + wait
    ended, status = 0, 0
    while time.monotonic() < deadline and not ended:
        ended, status = os.waitpid(process, os.WNOHANG)
        time.sleep(0.001)
    if not ended:
        os.kill(process, signal.SIGKILL)
        _, status = os.waitpid(process, 0)
    if not os.WIFSIGNALED(status):
        return ["the writing process failed"]
    try:
        with Store.open_read_only(path) as view:
            return verify(view, told)
    except StoreMissing as error:  # it was killed before it had made one
        return [] if told[ACKNOWLEDGED] == 0 else [str(error)]


def main() -> int:
    directory, rounds = Path(sys.argv[1]), int(sys.argv[2])
    seed = int(sys.argv[3]) if len(sys.argv) > 3 else random.randrange(1 << 32)
    chance, told = random.Random(seed), Told()
    written = 0
    for number in range(rounds):
        if number % NEW_STORE_ROUNDS == 0:
            told.clear()
        problems = one_round(directory / f"{number // NEW_STORE_ROUNDS}", told, chance)
        if problems:
            print(f"seed {seed}, round {number}: " + "; ".join(problems))
            return 1
        if (number + 1) % NEW_STORE_ROUNDS == 0 or number + 1 == rounds:
            written += told[ACKNOWLEDGED]
    print(f"{written} revisions written")
    print(rounds)
    return 0


if __name__ == "__main__":
    sys.exit(main())
