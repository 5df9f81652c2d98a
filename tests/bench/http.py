"""Requests a second over TLS on 16 connections, beside a bare handler that answers the same bytes."""

import asyncio
import json
import statistics
from typing import Any, NamedTuple

from aiohttp import ClientSession, TCPConnector

from .server import Server, cpu_seconds, load, started
from .yardsticks import Bare, bare_http

CONNECTIONS = 16
SECONDS = 1.0
LAPS = 5
LISTED = 1000
MAPS = "/api/v1/namespaces/default/configmaps"
PODS = "/api/v1/namespaces/default/pods"
CONFIG_MAP: dict[str, Any] = {
    "apiVersion": "v1",
    "kind": "ConfigMap",
    "metadata": {"name": "c-{n}"},
    "data": {"k": "v" * 600},
}
POD: dict[str, Any] = {
    "apiVersion": "v1",
    "kind": "Pod",
    "metadata": {"name": "p-{n}", "labels": {"app": "bench"}},
    "spec": {
        "containers": [
            {
                "name": "main",
                "image": "localhost/host",
                "command": ["sleep", "infinity"],
                "env": [{"name": "COLOR", "value": "green"}],
                "ports": [{"containerPort": 80}],
                "resources": {"requests": {"cpu": "100m", "memory": "64Mi"}},
                "readinessProbe": {"httpGet": {"path": "/", "port": 80}},
            }
        ]
    },
}
PLANS: dict[str, dict[str, Any]] = {
    "get a ConfigMap": {"path": f"{MAPS}/read"},
    "list 1,000 ConfigMaps": {"path": MAPS, "connections": 2},
    "create a ConfigMap": {"path": MAPS, "method": "POST", "body": json.dumps(CONFIG_MAP)},
    "create a Pod": {"path": PODS, "method": "POST", "body": json.dumps(POD)},
}
REAL = {
    "get a ConfigMap": ("2,700-5,300", "0.18-0.30"),
    "create a ConfigMap": ("1,200-2,400", "0.11-0.17"),
    "create a Pod": ("650-1,300", "0.06-0.12"),
}
"""A real control plane on two such cores: requests a second, and over its own bare yardstick."""


class Lap(NamedTuple):
    """``ratio`` is of requests a second, ``cpu_ratio`` of processor time, which others' load changes less."""

    per_second: float
    median_ms: float
    p99_ms: float
    bare: float
    ratio: float
    cpu_ratio: float
    failures: float


def run() -> None:
    """Measure and print a table."""
    with started("--parts", "api") as server:
        answers = asyncio.run(_prepare(server))
        with bare_http(server.directory / "pki", answers) as bare:
            rows = [(name, _measure(server, bare, plan)) for name, plan in PLANS.items()]
    print(
        f"{f'HTTP, {CONNECTIONS} connections, TLS':<28}{'per s':>9}{'median':>10}{'p99':>10}{'bare/s':>10}",
        end="",
    )
    print(f"{'ratio':>8}{'by CPU':>8}   real control plane")
    for name, lap in rows:
        real = REAL.get(name)
        beside = f"{real[0]}/s, ratio {real[1]}" if real else ""
        waits = f"{lap.median_ms:>8.2f}ms{lap.p99_ms:>8.2f}ms"
        print(f"{name:<28}{lap.per_second:>9,.0f}{waits}{lap.bare:>10,.0f}", end="")
        print(f"{lap.ratio:>8.2f}{lap.cpu_ratio:>8.2f}   {beside}")
        if lap.failures:
            print(f"    {lap.failures} of the answers were errors")


def _measure(server: Server, bare: Bare, plan: dict[str, Any]) -> Lap:
    """The median of every figure over laps of the yardstick and of the server in turns."""
    laps = []
    for number in range(1, LAPS + 1):
        settings: dict[str, Any] = {"seconds": SECONDS, "connections": CONNECTIONS, **plan}
        yardstick, bare_cpu = _lap(server, bare.port, bare.pid, settings)
        settings["first"] = number * 1_000_000
        ours, cpu = _lap(server, server.port, server.process.pid, settings)
        speed, best = ours["per_second"], yardstick["per_second"]
        waits = ours["median_ms"], ours["p99_ms"]
        laps.append(Lap(speed, *waits, best, speed / best, bare_cpu / cpu, ours["failures"]))
    return Lap(*map(statistics.median, zip(*laps, strict=True)))


def _lap(server: Server, port: int, pid: int, settings: dict[str, Any]) -> tuple[dict[str, Any], float]:
    """What the load found, and the processor time of a request."""
    before = cpu_seconds(pid)
    found = load(server, port, **settings)
    return found, (cpu_seconds(pid) - before) / found["answered"]


async def _prepare(server: Server) -> dict[str, str]:
    """Make what is read, and learn the bytes that the yardstick shall answer."""
    async with ClientSession(server.url, connector=TCPConnector(ssl=server.tls(), limit=32)) as http:
        return await answers_of(http, listed=LISTED)


async def answers_of(http: ClientSession, listed: int) -> dict[str, str]:
    """Make one object of each kind, ``listed`` ConfigMaps in all, and return what requests are answered."""
    account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "default"}}
    await _post(http, "/api/v1/namespaces/default/serviceaccounts", account)
    await _post(http, MAPS, _named(CONFIG_MAP, "read"))
    async with asyncio.TaskGroup() as group:
        for number in range(listed - 1):
            group.create_task(_post(http, MAPS, _named(CONFIG_MAP, f"listed-{number}")))
    created = await _post(http, PODS, _named(POD, "one"))
    async with http.get(f"{MAPS}/read") as response:
        read = await response.text()
    async with http.get(MAPS) as response:
        whole_list = await response.text()
    return {
        f"GET {MAPS}/read": read,
        f"GET {MAPS}": whole_list,
        f"POST {MAPS}": read,
        f"POST {PODS}": created,
    }


def _named(obj: dict[str, Any], name: str) -> dict[str, Any]:
    return {**obj, "metadata": {**obj["metadata"], "name": name}}


async def _post(http: ClientSession, path: str, obj: dict[str, Any]) -> str:
    async with http.post(path, json=obj) as response:
        text = await response.text()
        if response.status not in (201, 409):
            raise RuntimeError(text)
        return text
