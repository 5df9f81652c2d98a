"""How long an event is under way, from the call that writes it to the watcher that has it, under load."""

import asyncio
import time
from pathlib import Path

from kube_lite_storage import Put, Range, Store, Txn

SECONDS = 3.0
LOADS = ((100, 2000), (1000, 500))
"""Watchers of one range, and writes a second."""
ALL = Range.prefix(b"/load/")


async def figures(path: Path) -> dict[str, float]:
    """For each load the median and 99th percentile, and what it takes; durable writes of 1,000 bytes.

    On a busy machine the delays are the scheduler's; the share of a core is ours.
    """
    found = {}
    for watchers, rate in LOADS:
        async with Store.open(path.with_name(f"{path.name}{watchers}")) as store:
            began = time.process_time()
            delays = await _delays(store, watchers, rate)
            busy = time.process_time() - began
        name = f"{watchers:,} watchers, {rate:,} writes/s: delivery"
        found[f"{name}, p50, ms"] = delays[len(delays) // 2] * 1e3
        found[f"{name}, p99, ms"] = delays[len(delays) * 99 // 100] * 1e3
        found[f"{watchers:,} watchers, {rate:,} writes/s: % of a core"] = busy / SECONDS * 100
    return found


async def _delays(store: Store, watchers: int, rate: int) -> list[float]:
    total = int(rate * SECONDS)
    began: dict[bytes, float] = {}
    delays: list[float] = []

    async def watch(is_measured: bool) -> None:
        left = total
        with store.watch(ALL, after=1) as watching:
            async for events in watching:
                if is_measured:
                    now = time.perf_counter()
                    delays.extend(now - began[event.key] for event in events)
                left -= len(events)
                if left == 0:
                    return

    async def write(key: bytes) -> None:
        began[key] = time.perf_counter()
        await store.commit(Txn([], [Put(key, b"x" * 1000)]))

    async with asyncio.TaskGroup() as group:
        for number in range(watchers):  # the last ones are woken last
            group.create_task(watch(number >= watchers - 10))
        await asyncio.sleep(0.1)
        start = time.perf_counter()
        for number in range(total):
            ahead = start + number / rate - time.perf_counter()
            if ahead > 0.001:
                await asyncio.sleep(ahead)
            elif number % 50 == 49:
                await asyncio.sleep(0)
            group.create_task(write(b"/load/%d" % number))
    return sorted(delays)
