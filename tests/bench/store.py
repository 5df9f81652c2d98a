"""What the store costs, beside raw LMDB doing the same work in the same run."""

import asyncio
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import lmdb
from kube_lite_storage import Compare, Put, Range, Store, Txn

VALUE = b"x" * 1000
KEYS = [b"/bench/%06d" % number for number in range(10_000)]
ALL = Range.prefix(b"/bench/")
WRITERS = 64


def run() -> None:
    """Measure and print a table; each row's last column is ours over raw LMDB."""
    with tempfile.TemporaryDirectory() as directory:
        raw = _raw(Path(directory) / "raw")
        ours = asyncio.run(_ours(Path(directory) / "store"))
    print(f"{'store, values of 1,000 bytes':<44}{'ours':>12}{'raw LMDB':>12}{'ratio':>8}")
    for name, figure in ours.items():
        yardstick = raw.get(name)
        beside = f"{yardstick:>12,.1f}{figure / yardstick:>8.2f}" if yardstick else ""
        print(f"{name:<44}{figure:>12,.1f}{beside}")


GET = "get, µs"
LIST = "list of 1,000, µs"
COUNT = "count of 10,000, µs"
PAST = "list of 1,000 at an old revision, µs"
ALONE = "writes/s, one writer, durable"
GROUP = f"writes/s, {WRITERS} writers, durable"
LOADED = f"writes/s, {WRITERS} writers, 50 watches"
DELAY = "from a write to a watcher that has it, µs"
OPEN = "open an existing store, ms"


def _raw(path: Path) -> dict[str, float]:
    figures = {}
    path.mkdir()
    with lmdb.open(str(path), map_size=1 << 30, max_dbs=2) as env:
        table = env.open_db(b"now")

        def write(keys: list[bytes]) -> None:
            with env.begin(table, write=True) as txn:
                for key in keys:
                    txn.put(key, VALUE)

        def get() -> None:
            with env.begin(table) as txn:
                txn.get(KEYS[500])

        def walk() -> None:
            with env.begin(table) as txn:
                cursor = txn.cursor()
                cursor.set_range(KEYS[0])
                rows = []
                for row in cursor.iternext():
                    rows.append(row)
                    if len(rows) == 1000:
                        break

        def count() -> None:
            with env.begin(table) as txn:
                sum(1 for _ in txn.cursor().iternext(values=False))

        groups = [KEYS[at : at + WRITERS] for at in range(0, len(KEYS), WRITERS)]
        start = time.perf_counter()
        for group in groups:
            write(group)
        figures[GROUP] = len(KEYS) / (time.perf_counter() - start)
        start = time.perf_counter()
        for key in KEYS[:500]:
            write([key])
        figures[ALONE] = 500 / (time.perf_counter() - start)
        figures[GET] = _microseconds(get, 5000)
        figures[LIST] = _microseconds(walk, 50)
        figures[COUNT] = _microseconds(count, 20)
    return figures


async def _ours(path: Path) -> dict[str, float]:
    figures = {}
    async with Store.open(path, keep_seconds=None) as store:
        figures[GROUP] = await _writes_per_second(store, KEYS)
        start = time.perf_counter()
        for number in range(500):
            await store.commit(Txn([], [Put(b"/alone/%d" % number, VALUE)]))
        figures[ALONE] = 500 / (time.perf_counter() - start)
        figures[GET] = _microseconds(lambda: store.get(KEYS[500]), 5000)
        figures[LIST] = _microseconds(lambda: store.list(ALL, limit=1000), 50)
        figures[COUNT] = _microseconds(lambda: store.count(ALL), 20)
        then = store.revision
        figures[LOADED] = await _with_watches(store)
        figures[DELAY] = await _delay(store)
        figures[PAST] = _microseconds(lambda: store.list(ALL, at=then, limit=1000), 20)
    start = time.perf_counter()
    async with Store.open(path):
        figures[OPEN] = (time.perf_counter() - start) * 1e3
    return figures


async def _writes_per_second(store: Store, keys: list[bytes]) -> float:
    rest = iter(keys)

    async def write() -> None:
        for key in rest:
            found = store.get(key)
            await store.commit(Txn([Compare(key, found.revision if found else 0)], [Put(key, VALUE)]))

    start = time.perf_counter()
    async with asyncio.TaskGroup() as group:
        for _ in range(WRITERS):
            group.create_task(write())
    return len(keys) / (time.perf_counter() - start)


async def _with_watches(store: Store) -> float:
    keys = KEYS[:5000]
    last = store.revision + len(keys)

    async def follow(number: int) -> None:
        wanted = ALL if number < 10 else Range.prefix(b"/other/%d/" % number)
        with store.watch(wanted, after=store.revision) as watch:
            async for _ in watch:
                if watch.progress >= last:
                    return

    async with asyncio.TaskGroup() as group:
        followers = [group.create_task(follow(number)) for number in range(50)]
        await asyncio.sleep(0)
        rate = await _writes_per_second(store, keys)
        for follower in followers[10:]:
            follower.cancel()
    return rate


async def _delay(store: Store) -> float:
    """From the moment a write is asked for to the moment a watcher has the event in hand; fsync included."""
    delays = []
    with store.watch(ALL, after=store.revision) as watch:
        for _ in range(200):
            reader = asyncio.ensure_future(anext(watch))
            start = time.perf_counter()
            await store.commit(Txn([], [Put(KEYS[0], VALUE)]))
            await reader
            delays.append(time.perf_counter() - start)
    return sorted(delays)[len(delays) // 2] * 1e6


def _microseconds(work: Callable[[], Any], times: int) -> float:
    """The median of several runs, for one call."""
    runs = []
    for _ in range(5):
        start = time.perf_counter()
        for _ in range(times):
            work()
        runs.append((time.perf_counter() - start) / times)
    return sorted(runs)[2] * 1e6


if __name__ == "__main__":
    run()
