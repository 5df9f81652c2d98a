"""Large clusters on nodes that do not exist: a program of its own as users start it, asked over HTTPS."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

from kube_lite.api import meta
from kube_lite.api.identity import GroupVersionResource, Json
from kube_lite.client.informer import Informer
from kube_lite.client.informers import Informers
from kube_lite.client.kubeconfig import access, load
from kube_lite.client.remote import RemoteClient
from kube_lite.kit.clock import RealClock
from kube_lite.kit.service import running

from .scheduling import node
from .server import Server, cpu_seconds, started

NODES = GroupVersionResource("", "v1", "nodes")
PODS = GroupVersionResource("", "v1", "pods")
MAPS = GroupVersionResource("", "v1", "configmaps")
ACCOUNTS = GroupVersionResource("", "v1", "serviceaccounts")
DEPLOYMENTS = GroupVersionResource("apps", "v1", "deployments")
FAKE = {"kube-lite.io/fake": "true"}
AT_ONCE = 32
IDLE_SECONDS = 10.0
PATIENCE = 300.0


def run() -> None:
    """Measure and print a table, the parts of it as they are found."""
    print(f"{'nodes that do not exist':<52}{'found':>12}   target", flush=True)
    for measure in (_small, _large):
        for name, figure, target in asyncio.run(measure()):
            print(f"{name:<52}{figure:>12}   {target}", flush=True)


class Cluster:
    """A running server and what is known of it."""

    def __init__(self, server: Server, client: RemoteClient, informers: Informers) -> None:
        self.server = server
        self.client = client
        self.informers = informers

    async def create(self, resource: GroupVersionResource, objects: Iterable[Json]) -> None:
        """Create many, so many at a time."""
        waiting = iter(objects)

        async def work() -> None:
            for obj in waiting:
                await self.client.create(resource, obj, namespace=obj["metadata"].get("namespace", ""))

        async with asyncio.TaskGroup() as group:
            for _ in range(AT_ONCE):
                group.create_task(work())

    async def until(self, informer: Informer, count: int, counts: Callable[[Json], bool]) -> None:
        """Wait until so many objects are as they should be."""
        async with asyncio.timeout(PATIENCE):
            while sum(map(counts, informer.list())) != count:
                await asyncio.sleep(0.05)

    def memory(self) -> str:
        """Private memory of the server."""
        text = Path(f"/proc/{self.server.process.pid}/smaps_rollup").read_text()
        private = sum(int(line.split()[1]) for line in text.splitlines() if line.startswith("Private"))
        return f"{private / 1000:,.0f} MB"

    def turns(self) -> int:
        """How often its threads have been woken so far."""
        total = 0
        for status in Path(f"/proc/{self.server.process.pid}/task").glob("*/status"):
            lines = status.read_text().splitlines()
            total += sum(int(line.split()[1]) for line in lines if line.startswith("voluntary_ctxt"))
        return total


@asynccontextmanager
async def _cluster(nodes: int) -> AsyncIterator[tuple[Cluster, float]]:
    """A cluster with so many nodes, and the seconds until all were ready."""
    async with AsyncExitStack() as stack:
        server = stack.enter_context(started("--parts", "api,controllers,scheduler"))
        config = load(server.directory / "kubeconfig")
        client = await stack.enter_async_context(RemoteClient(access(config)))
        informers = Informers(client, RealClock())
        await stack.enter_async_context(running(informers))
        cluster = Cluster(server, client, informers)
        await cluster.until(
            informers.informer(ACCOUNTS), 1, lambda one: one["metadata"]["namespace"] == "default"
        )
        began = time.perf_counter()
        made = (node(number) for number in range(nodes))
        await cluster.create(
            NODES, ({**one, "metadata": {**one["metadata"], "annotations": FAKE}} for one in made)
        )
        await cluster.until(informers.informer(NODES), nodes, _is_ready)
        yield cluster, time.perf_counter() - began


async def _small() -> list[tuple[str, str, str]]:
    async with _cluster(20) as (cluster, _):
        seconds = await _deploy(cluster, "web", 1000)
        rows = [("Deployment of 1,000, created to Running", _s(seconds), "3 s")]
        await cluster.client.delete(DEPLOYMENTS, "web", namespace="default")
        await cluster.until(cluster.informers.informer(PODS), 0, lambda pod: True)
        rows.append(("10,000 dependents collected", _s(await _collect(cluster)), "10 s"))
        for number in range(50):
            await _deploy(cluster, f"idle-{number}", 1)
        await asyncio.sleep(5.0)
        turns, used = cluster.turns(), cpu_seconds(cluster.server.process.pid)
        await asyncio.sleep(IDLE_SECONDS)
        share = 100 * (cpu_seconds(cluster.server.process.pid) - used) / IDLE_SECONDS
        woken = (cluster.turns() - turns) / IDLE_SECONDS
        rows.append(("idle with 50 Deployments: processor", f"{share:.1f} %", "0.3 %"))
        rows.append(("idle with 50 Deployments: wake-ups a second", f"{woken:.1f}", "5"))
        return rows


async def _large() -> list[tuple[str, str, str]]:
    async with _cluster(5000) as (cluster, seconds):
        pid = cluster.server.process.pid
        used = cpu_seconds(pid)
        rows = [("5,000 nodes, created to Ready", _s(seconds), "20 s")]
        rows.append(("the same, processor time of each", f"{used / 5:.1f} ms", ""))
        try:
            running_after = _s(await _deploy(cluster, "web", 10_000))
        except TimeoutError:
            running_after = f"> {_s(PATIENCE)}"
        rows.append(("10,000 Pods on them, created to Running", running_after, "20 s"))
        rows.append(("the same, processor time of each", f"{(cpu_seconds(pid) - used) / 10:.1f} ms", ""))
        rows.append(("private memory with both", cluster.memory(), "1,000 MB"))
        return rows


async def _deploy(cluster: Cluster, name: str, replicas: int) -> float:
    labels = {"app": name}
    container = {"name": "app", "image": "registry.example/app:1"}
    template = {"metadata": {"labels": labels}, "spec": {"containers": [container]}}
    spec = {"replicas": replicas, "selector": {"matchLabels": labels}, "template": template}
    began = time.perf_counter()
    await cluster.client.create(DEPLOYMENTS, {"metadata": {"name": name}, "spec": spec}, namespace="default")
    pods = cluster.informers.informer(PODS)
    await cluster.until(pods, replicas, lambda pod: _runs(pod) and meta.labels_of(pod).get("app") == name)
    return time.perf_counter() - began


async def _collect(cluster: Cluster) -> float:
    owner = await cluster.client.create(MAPS, {"metadata": {"name": "owner"}}, namespace="default")
    reference = {"apiVersion": "v1", "kind": "ConfigMap", "name": "owner", "uid": owner["metadata"]["uid"]}
    metadata = {"namespace": "default", "ownerReferences": [reference], "labels": {"owned": "yes"}}
    await cluster.create(MAPS, ({"metadata": {**metadata, "name": f"d-{n}"}} for n in range(10_000)))
    maps = cluster.informers.informer(MAPS)
    await cluster.until(maps, 10_000, _is_owned)
    began = time.perf_counter()
    await cluster.client.delete(MAPS, "owner", namespace="default", propagation="Background")
    await cluster.until(maps, 0, _is_owned)
    return time.perf_counter() - began


def _is_owned(obj: Json) -> bool:
    return meta.labels_of(obj).get("owned") == "yes"


def _is_ready(obj: Json) -> bool:
    return meta.is_condition_true(obj, "Ready")


def _runs(pod: Json) -> bool:
    return bool((pod.get("status") or {}).get("phase") == "Running")


def _s(seconds: float) -> str:
    return f"{seconds:.1f} s"
