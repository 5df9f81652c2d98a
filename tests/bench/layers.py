"""Processor time of a request, layer by layer, in a server that serves real connections over TLS.

The server runs in this process with the functions of every layer wrapped, rounds of it and of the bare
handler in turns. What no layer claims is HTTP, TLS and the event loop; other threads are the writer's.

Rows are too large: to read a thread's clock is a system call, and it costs more between other work than where
its cost was found out. What a request takes when nobody looks is measured by itself.
"""

import asyncio
import gc
import importlib
import json
import statistics
import sys
import time
from contextlib import ExitStack
from typing import Any

import uvloop
from aiohttp import ClientSession, TCPConnector

from kube_lite import Cluster
from kube_lite.cli.serve import GARBAGE
from kube_lite.kit.pki import Pair, client_context

from .http import CONFIG_MAP, CONNECTIONS, MAPS, POD, PODS, answers_of
from .meter import Meter
from .server import load_command
from .yardsticks import Bare, bare_http

SECONDS = 1.0
ROUNDS = 6
LAYERS = (
    ("authentication", "kube_lite.http.entrance:Entrance.user_of"),
    ("authorization", "kube_lite.verbs.pipeline:Pipeline.authorize"),
    ("verbs", "kube_lite.verbs.pipeline:Pipeline.handle"),
    ("decode", "kube_lite.verbs.writing:Writing.read"),
    ("defaulting", "kube_lite.kinds.base:Kind.default"),
    ("ownership", "kube_lite.verbs.owning:record"),
    ("ownership", "kube_lite.verbs.owning:put"),
    ("admission", "kube_lite.admission.chain:Chain.mutate"),
    ("admission", "kube_lite.admission.chain:Chain.validate"),
    ("validation", "kube_lite.kinds.base:Kind.validate"),
    ("validation", "kube_lite.kinds.base:Kind.warnings"),
    ("read", "kube_lite.registry.objects:Objects.get"),
    ("encode", "kube_lite.registry.objects:encode"),
    ("encode", "kube_lite.registry.objects:as_stored"),
    ("commit", "kube_lite.registry.objects:Objects.create"),
    ("commit, rows", "kube_lite_storage.writer:Writer._hand_over"),
    ("commit, told", "kube_lite_storage.writer:Writer.tell"),
)
"""A layer and a function that is its; kinds that override a hook of ``Kind`` are wrapped as well."""
HTTP, WRITER, TOTAL, BARE = "HTTP and TLS", "store's writer thread", "altogether", "bare HTTP"
PLAIN = "altogether, not looked into"
ORDER = (HTTP, *dict.fromkeys(layer for layer, _ in LAYERS), WRITER, TOTAL, PLAIN, BARE)


def run() -> None:
    """Measure and print a table."""
    columns = uvloop.run(_measure())
    print(f"{'processor time, µs':<28}" + "".join(f"{name:>20}" for name in columns))
    for layer in ORDER:
        figures = "".join(f"{column.get(layer, 0):>20,.1f}" for column in columns.values())
        print(f"{layer:<28}{figures}")


async def _measure() -> dict[str, dict[str, float]]:
    plans: dict[str, dict[str, Any]] = {
        "get ConfigMap": {"path": f"{MAPS}/read"},
        "create ConfigMap": {"path": MAPS, "method": "POST", "body": json.dumps(CONFIG_MAP)},
        "create Pod": {"path": PODS, "method": "POST", "body": json.dumps(POD)},
    }
    rounds: dict[str, list[dict[str, float]]] = {name: [] for name in plans}
    async with Cluster(parts="api") as cluster:
        gc.freeze()  # as the command does, or a third of a write's time would go into what start-up made
        gc.set_threshold(*GARBAGE)
        pki = cluster.directory / "pki"
        tls = client_context(pki / "ca.crt", Pair(pki / "admin.crt", pki / "admin.key"))
        async with ClientSession(cluster.url, connector=TCPConnector(ssl=tls)) as http:
            answers = await answers_of(http, listed=1)
        with bare_http(pki, answers) as bare:
            for number in range(1, ROUNDS + 1):
                for name, plan in plans.items():
                    rounds[name].append(await _round(cluster, bare, plan, number * 100_000))
    return {name: _medians(found[1:]) for name, found in rounds.items()}  # the first imports and fills caches


async def _round(cluster: Cluster, bare: Bare, plan: dict[str, Any], first: int) -> dict[str, float]:
    meter = Meter()
    with ExitStack() as stack:
        for owner, name, layer in _hooks():
            stack.enter_context(meter.measuring(owner, name, layer))
        whole, loop = time.process_time(), time.thread_time()
        requests = await _load(cluster, cluster.server.port, plan, first)
        loop = (time.thread_time() - loop) * 1e6 - meter.overhead()
        whole = (time.process_time() - whole) * 1e6 - meter.overhead()
    layers = meter.microseconds()
    rest = loop - sum(layers.values())
    found = {**layers, HTTP: rest, WRITER: whole - loop, TOTAL: whole}
    found = {layer: spent / requests for layer, spent in found.items()}
    whole = time.process_time()
    requests = await _load(cluster, cluster.server.port, plan, first + 50_000)
    found[PLAIN] = (time.process_time() - whole) * 1e6 / requests
    before = bare.cpu_seconds()
    requests = await _load(cluster, bare.port, plan, first)
    return {**found, BARE: (bare.cpu_seconds() - before) * 1e6 / requests}


def _medians(rounds: list[dict[str, float]]) -> dict[str, float]:
    names = {name for each in rounds for name in each}
    return {name: statistics.median(each.get(name, 0) for each in rounds) for name in names}


def _hooks() -> list[tuple[Any, str, str]]:
    """Every function of ``LAYERS`` with its owner, overrides included."""
    hooks = []
    for layer, place in LAYERS:
        module, _, path = place.partition(":")
        *owners, name = path.split(".")
        owner: Any = importlib.import_module(module)
        for each in owners:
            owner = getattr(owner, each)
        hooks.append((owner, name, layer))
        if isinstance(owner, type):
            hooks += [(kind, name, layer) for kind in _subclasses(owner) if name in vars(kind)]
    return hooks


def _subclasses(kind: type[Any]) -> list[type]:
    found: list[type] = []
    for direct in kind.__subclasses__():
        found.append(direct)
        found.extend(_subclasses(direct))
    return found


async def _load(cluster: Cluster, port: int, plan: dict[str, Any], first: int) -> float:
    """Have another process ask as fast as it can. Returns how many were answered."""
    settings = {"seconds": SECONDS, "connections": CONNECTIONS, "first": first, **plan}
    command = load_command(cluster.directory / "pki", port, **settings)
    process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    said, _ = await process.communicate()
    if process.returncode:
        sys.exit("the load generator has failed")
    found = json.loads(said)
    if found["failures"]:
        raise RuntimeError(f"{found['failures']} of the answers were errors")
    return float(found["answered"])
