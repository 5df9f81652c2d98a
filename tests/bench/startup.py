"""From nothing to an API that answers: as a process, and as a second cluster in one process."""

import asyncio
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from .server import started

ROUNDS = 5


def run() -> None:
    """Measure and print a table."""
    rows = [
        ("python -c pass", _python("pass"), "yardstick"),
        ("import aiohttp.web", _python("import aiohttp.web"), "yardstick"),
        ("import kube_lite.http.app", _python("import kube_lite.http.app"), ""),
        ("API ready, new data directory", _fresh(), "target 0.50 s; a real control plane 2.2 s"),
        ("API ready, started again", _again(), "target 0.50 s"),
        ("second cluster in a process", asyncio.run(_second()), "target 0.03 s"),
    ]
    print(f"{'start-up':<34}{'median':>10}{'best':>10}")
    for name, seconds, beside in rows:
        print(
            f"{name:<34}{statistics.median(seconds) * 1000:>7.0f} ms{min(seconds) * 1000:>7.0f} ms   {beside}"
        )


def _python(program: str) -> list[float]:
    return [_timed([sys.executable, "-c", program]) for _ in range(ROUNDS)]


def _timed(command: list[str]) -> float:
    began = time.perf_counter()
    subprocess.run(command, check=True, capture_output=True)
    return time.perf_counter() - began


def _fresh() -> list[float]:
    seconds = []
    for _ in range(ROUNDS):
        with started("--parts", "api") as server:
            seconds.append(server.seconds)
    return seconds


def _again() -> list[float]:
    seconds = []
    with tempfile.TemporaryDirectory() as directory:
        for _ in range(ROUNDS + 1):
            with started("--parts", "api", directory=Path(directory)) as server:
                seconds.append(server.seconds)
    return seconds[1:]


async def _second() -> list[float]:
    from kube_lite import Cluster

    seconds = []
    async with Cluster(parts="api"):
        for _ in range(ROUNDS):
            began = time.perf_counter()
            async with Cluster(parts="api"):
                seconds.append(time.perf_counter() - began)
    return seconds
