"""Pods on real processes: one, fifty, and what they cost when nothing happens. Real figures need root."""

import asyncio
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from aiohttp import ClientSession, TCPConnector

from .server import Server, cpu_seconds, started

REPLICAS = 50
IDLE_SECONDS = 10.0
PATIENCE = 120.0
PODS = "/api/v1/namespaces/default/pods"
DEPLOYMENTS = "/apis/apps/v1/namespaces/default/deployments"
SPEC = {
    "containers": [
        {
            "name": "main",
            "image": "localhost/host",
            "command": ["sleep", "infinity"],
            "resources": {"requests": {"cpu": "1m", "memory": "1Mi"}},
        }
    ],
    "terminationGracePeriodSeconds": 0,
}

Json = dict[str, Any]


def run() -> None:
    """Measure and print a table."""
    with started("--parts", "all") as server:
        rows = asyncio.run(_measure(server))
    print(f"{'Pods':<44}{'found':>12}   target   real control plane")
    for name, figure, beside in rows:
        print(f"{name:<44}{figure:>12}   {beside}")


async def _measure(server: Server) -> list[tuple[str, str, str]]:
    rows = [("all parts ready", _ms(server.seconds), "")]
    pid = server.process.pid
    async with ClientSession(server.url, connector=TCPConnector(ssl=server.tls())) as http:
        await _until(http, "/api/v1/namespaces/default/serviceaccounts", lambda obj: True)
        waits = sorted([await _one(http, f"one-{number}") for number in range(5)])
        rows.append(("one Pod, created to Ready (median of 5)", _ms(waits[2]), "0.20 s   0.48 s"))
        rows.append((f"memory of the server, before {REPLICAS} Pods", f"{_memory(pid):.0f} MB", ""))
        rows.append((f"Deployment of {REPLICAS}, created to ready", _ms(await _many(http)), "4 s      8.6 s"))
        await asyncio.sleep(2.0)  # let the last status writes go through
        beside = "120 MB   790 MB + 13.5 MB a Pod"
        rows.append((f"memory of the server, with {REPLICAS} Pods", f"{_memory(pid):.0f} MB", beside))
        rows.append((f"idle CPU with {REPLICAS} Pods", await _idle(pid), "1 %      5.3 %"))
        began = time.perf_counter()
        await _delete(http, f"{DEPLOYMENTS}/many")
        rows.append((f"{REPLICAS} Pods deleted and gone", _ms(time.perf_counter() - began), ""))
    return rows


async def _one(http: ClientSession, name: str) -> float:
    began = time.perf_counter()
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": SPEC}
    await _create(http, PODS, pod)
    await _until(http, f"{PODS}?fieldSelector=metadata.name%3D{name}", _is_ready)
    seconds = time.perf_counter() - began
    async with http.delete(f"{PODS}/{name}") as response:
        await response.read()
    return seconds


async def _many(http: ClientSession) -> float:
    labels = {"app": "many"}
    template = {"metadata": {"labels": labels}, "spec": SPEC}
    spec = {"replicas": REPLICAS, "selector": {"matchLabels": labels}, "template": template}
    began = time.perf_counter()
    deployment = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "many"}, "spec": spec}
    await _create(http, DEPLOYMENTS, deployment)
    await _until(
        http,
        f"{DEPLOYMENTS}?fieldSelector=metadata.name%3Dmany",
        lambda obj: obj.get("status", {}).get("readyReplicas") == REPLICAS,
    )
    return time.perf_counter() - began


async def _delete(http: ClientSession, path: str) -> None:
    async with http.delete(path) as response:
        await response.read()
    async with asyncio.timeout(PATIENCE):
        while True:
            async with http.get(PODS, params={"labelSelector": "app=many"}) as response:
                if not (await response.json())["items"]:
                    return
            await asyncio.sleep(0.05)


async def _create(http: ClientSession, path: str, obj: Json) -> None:
    async with http.post(path, json=obj) as response:
        if response.status != 201:
            raise RuntimeError(await response.text())


async def _until(http: ClientSession, path: str, wanted: Callable[[Json], bool]) -> None:
    """Watch until an object is as it should be."""
    mark = "&" if "?" in path else "?"
    async with asyncio.timeout(PATIENCE), http.get(f"{path}{mark}watch=true") as response:
        async for line in response.content:
            if wanted(json.loads(line)["object"]):
                return
    raise RuntimeError(f"the watch of {path} ended early")


def _is_ready(pod: Json) -> bool:
    conditions = pod.get("status", {}).get("conditions") or ()
    return any(entry["type"] == "Ready" and entry["status"] == "True" for entry in conditions)


def _memory(pid: int) -> float:
    """Resident megabytes of the server's process."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024
    return 0.0


async def _idle(pid: int) -> str:
    before = cpu_seconds(pid)
    await asyncio.sleep(IDLE_SECONDS)
    return f"{(cpu_seconds(pid) - before) / IDLE_SECONDS * 100:.1f} %"


def _ms(seconds: float) -> str:
    return f"{seconds * 1000:,.0f} ms"
