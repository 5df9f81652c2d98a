"""Big lists to their last byte, beside a bare handler that writes the same bytes in pieces; and memory."""

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from aiohttp import ClientSession, TCPConnector

from .server import Server, cpu_seconds, load, started
from .yardsticks import Bare, bare_http

PODS = 10_000
HELD = 30_000
"""Objects of which half are Pods, when memory is looked at."""
WRITERS = 32
NAMESPACE = "/api/v1/namespaces/default"
ALL = f"{NAMESPACE}/pods"
PAGE = f"{ALL}?limit=500"
NOTHING = f"{ALL}?labelSelector=app%3Dno-such-app"
Row = tuple[str, dict[str, Any], dict[str, Any], str]


def run() -> None:
    """Measure and print a table."""
    with started("--parts", "api") as server:
        answers = asyncio.run(_prepare(server))
        pod_bytes = len(answers[f"GET {ALL}"]) / PODS
        empty = _resident_mb(server.process.pid)
        with bare_http(server.directory / "pki", answers) as bare:
            rows = list(_measure(server, bare))
        listed = _resident_mb(server.process.pid)
        asyncio.run(_fill_up(server))
        held = _resident_mb(server.process.pid)
    title = f"lists, {PODS:,} Pods of {pod_bytes:,.0f} bytes"
    print(f"{title:<38}{'median':>9}{'p99':>9}{'bare':>9}{'ratio':>7}{'CPU':>9}{'bare':>9}   target")
    for name, ours, yardstick, target in rows:
        median, best = ours["median_ms"], yardstick["median_ms"]
        waits = f"{median:>7.1f}ms{ours['p99_ms']:>7.1f}ms{best:>7.1f}ms{median / best:>7.2f}"
        print(f"{name:<38}{waits}{ours['cpu_ms']:>7.1f}ms{yardstick['cpu_ms']:>7.1f}ms   {target}")
        if ours["failures"]:
            print(f"    {ours['failures']} of the answers were errors")
    print(f"{'resident memory, 10,000 Pods, before lists':<38}{empty:>8.0f}MB")
    print(f"{'the same, after lists':<38}{listed:>8.0f}MB")
    print(f"{f'with {HELD:,} objects':<38}{held:>8.0f}MB{'150 MB':>39}")


def _measure(server: Server, bare: Bare) -> Iterator[Row]:
    plans = [
        ("all, to the last byte", ALL, 6.0, "ratio 1.3"),
        ("limit=500", PAGE, 2.0, "4 ms"),
        ("a label that no Pod has", NOTHING, 2.0, "10 ms"),
    ]
    for name, path, seconds, target in plans:
        settings: dict[str, Any] = {"path": path, "seconds": seconds, "connections": 1}
        figures = []
        for pid, port in ((server.process.pid, server.port), (bare.pid, bare.port)):
            before = cpu_seconds(pid)
            found = load(server, port, **settings)
            answered = found["per_second"] * seconds
            figures.append({**found, "cpu_ms": (cpu_seconds(pid) - before) / answered * 1e3})
        yield name, figures[0], figures[1], target


async def _prepare(server: Server) -> dict[str, str]:
    """Make the Pods, and learn the bytes that the yardstick shall answer."""
    async with _client(server) as http:
        account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "default"}}
        await _post(http, f"{NAMESPACE}/serviceaccounts", account)
        await _post_all(http, ALL, [pod(number) for number in range(PODS)])
        answers = {}
        for path in (ALL, PAGE, NOTHING):
            async with http.get(path) as response:
                answers[f"GET {path}"] = await response.text()
    return answers


async def _fill_up(server: Server) -> None:
    async with _client(server) as http:
        await _post_all(http, ALL, [pod(number) for number in range(PODS, HELD // 2)])
        await _post_all(http, f"{NAMESPACE}/configmaps", [config_map(number) for number in range(HELD // 2)])


def _client(server: Server) -> ClientSession:
    return ClientSession(server.url, connector=TCPConnector(ssl=server.tls(), limit=WRITERS))


async def _post_all(http: ClientSession, path: str, objects: list[dict[str, Any]]) -> None:
    rest = iter(objects)

    async def post() -> None:
        for obj in rest:
            await _post(http, path, obj)

    async with asyncio.TaskGroup() as group:
        for _ in range(WRITERS):
            group.create_task(post())


async def _post(http: ClientSession, path: str, obj: dict[str, Any]) -> None:
    async with http.post(path, json=obj) as response:
        if response.status not in (201, 409):
            raise RuntimeError(await response.text())
        await response.read()


def pod(number: int) -> dict[str, Any]:
    """A Pod as charts write them; with what the server adds it takes about 7.8 KB."""
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": f"web-{number:05}-7d4b9c6f8d-x{number % 97:02}",
            "labels": {
                "app.kubernetes.io/name": "web",
                "app.kubernetes.io/instance": f"web-{number % 40}",
                "pod-template-hash": "7d4b9c6f8d",
            },
            "annotations": {"checksum/config": f"{number:064x}", "prometheus.io/scrape": "true"},
        },
        "spec": {
            "containers": [_container("main", number), _container("sidecar", number)],
            "volumes": [
                {"name": "config", "configMap": {"name": f"web-{number % 40}"}},
                {"name": "cache", "emptyDir": {"sizeLimit": "64Mi"}},
            ],
        },
    }


def _container(name: str, number: int) -> dict[str, Any]:
    probe = {"httpGet": {"path": "/healthz", "port": "http"}, "periodSeconds": 10, "timeoutSeconds": 3}
    return {
        "name": name,
        "image": f"registry.example/team/{name}:1.{number % 9}.3",
        "args": ["--config=/etc/web/config.yaml", "--listen=:8080"],
        "env": [{"name": f"SETTING_{each}", "value": f"value of setting {each}"} for each in range(5)],
        "ports": [{"name": "http", "containerPort": 8080 if name == "main" else 9090}],
        "resources": {
            "requests": {"cpu": "100m", "memory": "128Mi"},
            "limits": {"cpu": "500m", "memory": "256Mi"},
        },
        "livenessProbe": probe,
        "readinessProbe": probe,
        "volumeMounts": [
            {"name": "config", "mountPath": "/etc/web"},
            {"name": "cache", "mountPath": "/var/cache/web"},
        ],
    }


def config_map(number: int) -> dict[str, Any]:
    """A ConfigMap of 2 KB."""
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": f"settings-{number:05}", "labels": {"app.kubernetes.io/name": "web"}},
        "data": {"config.yaml": f"number: {number}\n" + "setting: value\n" * 110},
    }


def _resident_mb(pid: int) -> float:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    anonymous = next(line for line in lines if line.startswith("RssAnon:"))
    return int(anonymous.split()[1]) / 1024
