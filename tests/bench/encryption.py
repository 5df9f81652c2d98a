"""What encryption costs: a value alone, and in a store beside the same store without."""

import asyncio
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from kube_lite_storage import Cipher, Put, Range, Store, Txn
from kube_lite_storage.cipher import FirstWrites, Identity, Provider
from kube_lite_storage.envelope import Envelope
from kube_lite_storage.keyring import LocalKeys
from kube_lite_storage.static_keys import AesCbc, AesGcm, SecretBox

VALUE = b"x" * 1000
KEY = b"/secrets/default/a-secret"
ALL = Range.prefix(b"/bench/")
WRITERS = 64


def run() -> None:
    """Measure and print two tables."""
    print(f"{'values of 1,000 bytes, µs':<34}{'encrypt':>10}{'decrypt':>10}{'bytes more':>12}")
    providers: dict[str, Provider] = {
        "envelope (the default)": envelope(),
        "aesgcm": AesGcm("key", b"k" * 32),
        "aescbc": AesCbc("key", b"k" * 32, bool),
        "secretbox": SecretBox("key", b"k" * 32),
    }
    for name, provider in providers.items():
        stored = provider.encrypt(KEY, VALUE)
        writing = microseconds(lambda each=provider: each.encrypt(KEY, VALUE))  # type: ignore[misc]
        reading = microseconds(lambda each=provider, raw=stored: each.decrypt(KEY, raw))  # type: ignore[misc]
        print(f"{name:<34}{writing:>10.1f}{reading:>10.1f}{len(stored) - len(VALUE):>12}")
    print()
    figures = {
        name: asyncio.run(in_store(cipher))
        for name, cipher in {
            "no cipher": None,
            "identity": FirstWrites([Identity(), envelope()]),
            "envelope": FirstWrites([envelope()]),
        }.items()
    }
    print(f"{'in a store, values of 1,000 bytes':<34}" + "".join(f"{name:>12}" for name in figures))
    for row in figures["no cipher"]:
        print(f"{row:<34}" + "".join(f"{column[row]:>12,.1f}" for column in figures.values()))


def envelope() -> Envelope:
    """The default scheme with a key in memory."""
    return Envelope("kube-lite", LocalKeys([b"k" * 32], "memory"))


async def in_store(cipher: Cipher | None) -> dict[str, float]:
    """One column of the second table."""
    figures = {}
    keys = [b"/bench/%05d" % number for number in range(5000)]
    with tempfile.TemporaryDirectory() as directory:
        async with Store.open(Path(directory) / "s", durable=False, cipher=cipher) as store:
            rest = iter(keys)

            async def write() -> None:
                for key in rest:
                    await store.commit(Txn([], [Put(key, VALUE)]))

            start = time.perf_counter()
            async with asyncio.TaskGroup() as group:
                for _ in range(WRITERS):
                    group.create_task(write())
            figures[f"writes/s, {WRITERS} writers, no fsync"] = len(keys) / (time.perf_counter() - start)
            start = time.perf_counter()
            store.list(ALL)
            figures["list of 5,000, first time, ms"] = (time.perf_counter() - start) * 1e3
            store.list(ALL, limit=1000)
            figures["list of 1,000 again, ms"] = microseconds(lambda: store.list(ALL, limit=1000), 20) / 1e3
            store.get(keys[0])
            figures["get again, µs"] = microseconds(lambda: store.get(keys[0]))
    return figures


def microseconds(work: Callable[[], Any], times: int = 2000) -> float:
    """The best of several runs, for one call."""
    runs = []
    for _ in range(5):
        start = time.perf_counter()
        for _ in range(times):
            work()
        runs.append((time.perf_counter() - start) / times)
    return min(runs) * 1e6


if __name__ == "__main__":
    run()
