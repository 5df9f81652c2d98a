"""Debian's etcd-server, where it is installed, on the same disk: what a Python program gets from it.

Requests are protobuf messages of two or three fields, written by hand, over gRPC. Much of the time is the
client's and the socket's, which an embedded store does not have; that is the point of the comparison, but no
judgement of etcd.
"""

import asyncio
import shutil
import socket
import subprocess
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

VALUE = b"x" * 1000


def is_there() -> bool:
    """Whether there is an etcd, and a gRPC to talk to it."""
    try:
        import grpc.aio  # noqa: F401
    except ImportError:
        return False
    return shutil.which("etcd") is not None


async def figures(directory: Path, keys: Sequence[bytes], writers: int) -> dict[str, float]:
    """Writes a second by one and by many writers, and the microseconds of a get and of a list of 1,000."""
    async with _running(directory) as channel:
        put = channel.unary_unary("/etcdserverpb.KV/Put")
        get = channel.unary_unary("/etcdserverpb.KV/Range")
        found = {"one": 200 / await _timed(_write(put, iter(keys[:200])))}
        rest = iter(keys[:5000])
        start = time.perf_counter()
        async with asyncio.TaskGroup() as group:
            for _ in range(writers):
                group.create_task(_write(put, rest))
        found["many"] = 5000 / (time.perf_counter() - start)
        found["get"] = await _timed(_ask(get, _field(1, keys[500]), 300)) / 300 * 1e6
        ranged = _field(1, keys[0]) + _field(2, keys[1000])
        found["list"] = await _timed(_ask(get, ranged, 20)) / 20 * 1e6
    return found


async def _write(put: Any, keys: Any) -> None:
    for key in keys:
        await put(_field(1, key) + _field(2, VALUE))


async def _ask(get: Any, request: bytes, times: int) -> None:
    for _ in range(times):
        await get(request)


async def _timed(work: Any) -> float:
    start = time.perf_counter()
    await work
    return time.perf_counter() - start


def _field(number: int, value: bytes) -> bytes:
    length, size = b"", len(value)
    while size > 127:
        length, size = length + bytes([size & 127 | 128]), size >> 7
    return bytes([number << 3 | 2]) + length + bytes([size]) + value


@asynccontextmanager
async def _running(directory: Path) -> AsyncIterator[Any]:
    import grpc.aio

    ports = []
    for _ in range(2):
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            ports.append(probe.getsockname()[1])
    client, peer = (f"http://127.0.0.1:{port}" for port in ports)
    command = ["etcd", "--data-dir", str(directory), "--log-level", "error"]
    command += ["--listen-client-urls", client, "--advertise-client-urls", client]
    command += ["--listen-peer-urls", peer, "--initial-advertise-peer-urls", peer]
    command += ["--initial-cluster", f"default={peer}"]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        async with grpc.aio.insecure_channel(f"127.0.0.1:{ports[0]}") as channel:
            await channel.channel_ready()
            await channel.unary_unary("/etcdserverpb.KV/Put")(
                _field(1, b"first"), wait_for_ready=True, timeout=30
            )
            yield channel
    finally:
        process.kill()
        process.wait()
