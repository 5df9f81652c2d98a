"""From nothing to an API that answers: as a process, and as a second cluster in one process."""

import asyncio
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from .server import as_users_have_it, started

ROUNDS = 5
IMPORTS = "import gc; gc.disable(); import uvloop, kube_lite.cli.serve, kube_lite.cluster.compose"


Times = list[tuple[float, float]]
"""Seconds on the wall, and of the processor, which do not suffer from what else the machine does."""


def run() -> None:
    """Measure and print a table."""
    rows = [
        ("python -c pass", _python("pass"), "yardstick"),
        ("import aiohttp.web", _python("import aiohttp.web"), "yardstick"),
        ("import kube_lite.http.app", _python("import kube_lite.http.app"), "target 150 ms"),
        ("all imports of a start, as it does", _python(IMPORTS), "nothing is collected meanwhile"),
        ("API ready, new data directory", _fresh(), "target 300 ms; a real control plane 2,200 ms"),
        ("API ready, started again", _again(), "target 300 ms"),
        ("second cluster in a process", asyncio.run(_second()), "target 30 ms"),
    ]
    print(f"{'start-up':<34}{'median':>10}{'best':>10}{'processor':>12}")
    for name, times, beside in rows:
        walls = [wall for wall, _ in times]
        used = statistics.median(cpu for _, cpu in times)
        figures = f"{_ms(statistics.median(walls))}{_ms(min(walls))}  {_ms(used)}"
        print(f"{name:<34}{figures}   {beside}")


def _ms(seconds: float) -> str:
    return f"{seconds * 1000:>7,.0f} ms"


def _python(program: str) -> Times:
    return [_timed([sys.executable, "-c", program]) for _ in range(ROUNDS)]


def _timed(command: list[str]) -> tuple[float, float]:
    before, began = os.times(), time.perf_counter()
    subprocess.run(command, check=True, capture_output=True, env=as_users_have_it())
    after = os.times()
    used = after.children_user + after.children_system - before.children_user - before.children_system
    return time.perf_counter() - began, used


def _fresh() -> Times:
    times = []
    for _ in range(ROUNDS):
        with started("--parts", "api") as server:
            times.append((server.seconds, server.cpu_seconds))
    return times


def _again() -> Times:
    times = []
    with tempfile.TemporaryDirectory() as directory:
        for _ in range(ROUNDS + 1):
            with started("--parts", "api", directory=Path(directory)) as server:
                times.append((server.seconds, server.cpu_seconds))
    return times[1:]


async def _second() -> Times:
    from kube_lite import Cluster

    times = []
    async with Cluster(parts="api"):
        for _ in range(ROUNDS):
            began, used = time.perf_counter(), time.process_time()
            async with Cluster(parts="api"):
                times.append((time.perf_counter() - began, time.process_time() - used))
    return times
