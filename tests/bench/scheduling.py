"""Placing pods: 10,000 on 1,000 nodes that do not exist, through the whole API but without sockets."""

import asyncio
import tempfile
import time
from contextlib import AsyncExitStack
from pathlib import Path

from kube_lite_storage import Store

from kube_lite import kinds
from kube_lite.admission.plugins import default_chain
from kube_lite.api.identity import GroupVersionResource, Json
from kube_lite.auth.user import AUTHENTICATED, MASTERS, User
from kube_lite.client.informers import Informers
from kube_lite.client.recorder import Recorder
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
    decided = asyncio.run(decide())
    made, bound = asyncio.run(schedule())
    title = f"scheduling {POD_COUNT:,} pods on {NODE_COUNT:,} nodes"
    print(f"{title:44} pods/s")
    print(f"{'deciding alone':44} {POD_COUNT / decided:8,.0f}")
    print(f"{'decided, bound and told, durable':44} {POD_COUNT / bound:8,.0f}   (target 1,000)")
    print(f"{'creating them before, durable':44} {POD_COUNT / made:8,.0f}")


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


async def schedule() -> tuple[float, float]:
    """Seconds to create every pod, and from then until the last is bound."""
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
        recorder = Recorder(client, clock, "default-scheduler")
        began = time.perf_counter()
        for service in (informers, recorder, Scheduler(client, informers, clock, recorder)):
            await stack.enter_async_context(running(service))
        pods = informers.informer(PODS)
        while sum(bool(one["spec"].get("nodeName")) for one in pods.list()) < POD_COUNT:
            await asyncio.sleep(0.05)
        return made, time.perf_counter() - began


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
