"""Placing pods: 10,000 on 1,000 nodes that do not exist, through the whole API but without sockets."""

import asyncio
import gc
import tempfile
import time
from contextlib import AsyncExitStack
from pathlib import Path

import uvloop
from kube_lite_storage import Store

from kube_lite import kinds
from kube_lite.admission.plugins import default_chain
from kube_lite.api.identity import GroupVersionResource, Json
from kube_lite.auth.user import AUTHENTICATED, MASTERS, User
from kube_lite.cli.serve import GARBAGE
from kube_lite.client.informers import Informers
from kube_lite.client.protocol import EventType
from kube_lite.client.series import SeriesRecorder
from kube_lite.kinds import schemas
from kube_lite.kit.clock import RealClock
from kube_lite.kit.service import running
from kube_lite.scheduler.deciding import Decider
from kube_lite.scheduler.profiles import Profile
from kube_lite.scheduler.scheduler import NODES, PODS, Scheduler
from kube_lite.scheduler.snapshot import Snapshot, needs_of
from kube_lite.scheduler.surroundings import Surroundings
from kube_lite.verbs.local import LocalClient
from kube_lite.verbs.pipeline import Pipeline

NAMESPACES = GroupVersionResource("", "v1", "namespaces")
ACCOUNTS = GroupVersionResource("", "v1", "serviceaccounts")
AT_ONCE = 64
NODE_COUNT, POD_COUNT = 1000, 10_000


def run() -> None:
    """Print the table."""
    decided = uvloop.run(decide())
    gc.collect()
    gc.freeze()
    gc.set_threshold(*GARBAGE)  # as in a server
    made, bound, used = uvloop.run(schedule())
    title = f"scheduling {POD_COUNT:,} pods on {NODE_COUNT:,} nodes"
    print(f"{title:44} pods/s")
    print(f"{'deciding alone':44} {POD_COUNT / decided:8,.0f}")
    print(f"{'decided, bound and told, durable':44} {POD_COUNT / bound:8,.0f}   (target 1,000)")
    print(f"{'creating them before, durable':44} {POD_COUNT / made:8,.0f}")
    print(f"{'processor time of a Pod, decided to told':44} {used / POD_COUNT * 1e3:8,.2f} ms")


async def decide() -> float:
    """Seconds to decide for every pod, nothing written."""
    async with AsyncExitStack() as stack:
        client = await _client(stack)
        informers = Informers(client, RealClock())
        snapshot = Snapshot()
        decider = Decider(snapshot, Surroundings(informers), Profile())
        for number in range(NODE_COUNT):
            snapshot.set_node(node(number))
        pods = [pod(number) for number in range(POD_COUNT)]
        began = time.perf_counter()
        for one in pods:
            needs = needs_of(one)
            snapshot.place(one, decider.place(one, needs).node, needs)
        return time.perf_counter() - began


async def schedule() -> tuple[float, float, float]:
    """Seconds to create every pod, from then until the last is bound, and of the processor for the latter."""
    async with AsyncExitStack() as stack:
        client = await _client(stack)
        clock = RealClock()
        await client.create(NAMESPACES, {"metadata": {"name": "default"}})
        await client.create(ACCOUNTS, {"metadata": {"name": "default"}}, namespace="default")
        made = await _create(client, NODES, [node(number) for number in range(NODE_COUNT)])
        for entry in (await client.list(NODES)).items:
            await client.update(NODES, {**entry, "spec": {**entry["spec"], "taints": None}})
        made = await _create(client, PODS, [pod(number) for number in range(POD_COUNT)])
        informers = Informers(client, clock)
        recorder = SeriesRecorder(client, clock, "default-scheduler", "bench")
        bound = _Bound(informers)
        began, used = time.perf_counter(), time.process_time()
        for service in (informers, recorder, Scheduler(client, informers, clock, recorder)):
            await stack.enter_async_context(running(service))
        await bound.all.wait()
        return made, time.perf_counter() - began, time.process_time() - used


class _Bound:
    """Counts the pods that have a node."""

    def __init__(self, informers: Informers) -> None:
        self.all = asyncio.Event()
        self._count = 0
        informers.informer(PODS).add_handler(self._on_pod)

    def _on_pod(self, event: EventType, old: Json | None, new: Json | None) -> None:
        was, is_now = (bool(pod and pod["spec"].get("nodeName")) for pod in (old, new))
        self._count += is_now - was
        if self._count == POD_COUNT:
            self.all.set()


async def _client(stack: AsyncExitStack) -> LocalClient:
    directory = Path(stack.enter_context(tempfile.TemporaryDirectory()))
    store = await stack.enter_async_context(Store.open(directory / "store"))
    pipeline = Pipeline(
        store=store,
        registry=kinds.builtin(),
        definitions=schemas.definitions().fork(),
        clock=RealClock(),
        admission=default_chain(),
    )
    return LocalClient(pipeline, User("bench", groups=(MASTERS, AUTHENTICATED)))


async def _create(client: LocalClient, resource: GroupVersionResource, objects: list[Json]) -> float:
    waiting = iter(objects)

    async def work() -> None:
        for obj in waiting:
            await client.create(resource, obj, namespace=obj["metadata"].get("namespace", ""))

    began = time.perf_counter()
    async with asyncio.TaskGroup() as group:
        for _ in range(AT_ONCE):
            group.create_task(work())
    return time.perf_counter() - began


def node(number: int) -> Json:
    """One of the nodes, in one of ten zones."""
    name = f"node-{number}"
    labels = {"kubernetes.io/hostname": name, "topology.kubernetes.io/zone": f"zone-{number % 10}"}
    room = {"cpu": "32", "memory": "256Gi", "pods": "110"}
    status = {"capacity": room, "allocatable": room}
    return {"metadata": {"name": name, "labels": labels}, "spec": {}, "status": status}


def pod(number: int) -> Json:
    """One of the pods; ten templates take turns."""
    requests = {"cpu": f"{100 + number % 10}m", "memory": "128Mi"}
    container = {"name": "app", "image": "registry.example/app:1", "resources": {"requests": requests}}
    labels = {"app": f"app-{number % 10}"}
    metadata = {"name": f"pod-{number}", "namespace": "default", "labels": labels, "uid": f"u-{number}"}
    return {"metadata": metadata, "spec": {"containers": [container]}}
