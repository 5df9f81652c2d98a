"""The scheduler on the whole API: a real store, the real pipeline, no nodes that do anything."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest
from kube_lite_storage import Store

from kube_lite import kinds
from kube_lite.admission.plugins import default_chain
from kube_lite.api.errors import ServiceUnavailable
from kube_lite.api.identity import GroupVersionResource, Json
from kube_lite.api.meta import condition
from kube_lite.auth.user import AUTHENTICATED, MASTERS, User
from kube_lite.client.informers import Informers
from kube_lite.client.series import SeriesRecorder
from kube_lite.kinds.schemas import definitions
from kube_lite.kit.clock import RealClock
from kube_lite.kit.service import running
from kube_lite.scheduler.scheduler import NODES, PODS, Scheduler
from kube_lite.scheduler.volumes import SELECTED_NODE
from kube_lite.verbs.local import LocalClient
from kube_lite.verbs.pipeline import Pipeline

NAMESPACES = GroupVersionResource("", "v1", "namespaces")
EVENTS = GroupVersionResource("", "v1", "events")
PRIORITIES = GroupVersionResource("scheduling.k8s.io", "v1", "priorityclasses")
CLAIMS = GroupVersionResource("", "v1", "persistentvolumeclaims")
CLASSES = GroupVersionResource("storage.k8s.io", "v1", "storageclasses")
SECONDS = 10.0  # how long a condition may take before a test fails
HASTE = 20.0
UNSURE = ("Unschedulable", "no nodes available to schedule pods")


class FastClock(RealClock):
    """Time for the scheduler's back-off, so that a second of it does not cost the tests one."""

    def monotonic(self) -> float:
        return super().monotonic() * HASTE

    async def sleep(self, seconds: float) -> None:
        await super().sleep(seconds / HASTE)


class FlakyClient(LocalClient):
    """A client whose next bindings fail as often as a test says."""

    failures = 0
    bound = 0

    async def create(
        self,
        resource: GroupVersionResource,
        obj: Json,
        *,
        namespace: str = "",
        name: str = "",
        subresource: str = "",
    ) -> Json:
        if subresource == "binding":
            if self.failures:
                self.failures -= 1
                raise ServiceUnavailable("not now")
            self.bound += 1
        return await super().create(resource, obj, namespace=namespace, name=name, subresource=subresource)


class World:
    def __init__(self, client: FlakyClient, store: Store) -> None:
        self.client = client
        self.store = store

    async def add_node(self, name: str, *, cpu: str = "4", pods: str = "110", **spec: Any) -> None:
        allocatable = {"cpu": cpu, "memory": "8Gi", "pods": pods}
        status = {"capacity": allocatable, "allocatable": allocatable}
        made = await self.client.create(NODES, {"metadata": {"name": name}, "spec": spec, "status": status})
        kept = [taint for taint in made["spec"].get("taints", ()) if "not-ready" not in taint["key"]]
        await self.client.update(NODES, {**made, "spec": {**made["spec"], "taints": kept}})

    async def add_pod(self, name: str, *, cpu: str = "", **spec: Any) -> None:
        resources = {"requests": {"cpu": cpu}} if cpu else {}
        container = {"name": "c", "image": "i", "resources": resources}
        obj = {"metadata": {"name": name}, "spec": {"containers": [container], **spec}}
        await self.client.create(PODS, obj, namespace="default")

    async def node_of(self, name: str) -> str:
        pod = await self.client.get(PODS, name, namespace="default")
        return str(pod["spec"].get("nodeName", ""))

    async def why(self, name: str) -> tuple[str, str]:
        """Reason and message of the condition that says why a pod has no node."""
        found = condition(await self.client.get(PODS, name, namespace="default"), "PodScheduled") or {}
        return found.get("reason", ""), found.get("message", "")

    async def until(self, holds: Callable[[], Awaitable[bool]]) -> None:
        async with asyncio.timeout(SECONDS):
            while not await holds():
                await asyncio.sleep(0.002)

    async def until_bound(self, name: str, node: str) -> None:
        async def bound() -> bool:
            return await self.node_of(name) == node

        await self.until(bound)

    async def until_refused(self, name: str, reason: str = "Unschedulable") -> None:
        async def refused() -> bool:
            return (await self.why(name))[0] == reason

        await self.until(refused)

    async def messages(self, reason: str) -> list[str]:
        events = (await self.client.list(EVENTS, namespace="default")).items
        return [event["message"] for event in events if event["reason"] == reason]


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    clock = RealClock()
    async with AsyncExitStack() as stack:
        store = await stack.enter_async_context(Store.open(tmp_path / "store", durable=False))
        pipeline = Pipeline(
            store=store,
            registry=kinds.builtin(),
            definitions=definitions(),
            clock=clock,
            admission=default_chain(),
        )
        client = FlakyClient(pipeline, User("test", groups=(MASTERS, AUTHENTICATED)))
        await client.create(NAMESPACES, {"metadata": {"name": "default"}})
        account = {"metadata": {"name": "default"}}
        await client.create(GroupVersionResource("", "v1", "serviceaccounts"), account, namespace="default")
        informers = Informers(client, clock)
        recorder = SeriesRecorder(client, clock, "default-scheduler", "host")
        for service in (informers, recorder, Scheduler(client, informers, FastClock(), recorder)):
            await stack.enter_async_context(running(service))
        yield World(client, store)


async def test_a_pod_is_bound_and_it_is_told(world: World) -> None:
    await world.add_node("n1")
    await world.add_pod("web")
    await world.until_bound("web", "n1")

    async def told() -> bool:
        return await world.messages("Scheduled") == ["Successfully assigned default/web to n1"]

    await world.until(told)


async def test_without_nodes_a_pod_waits_and_says_why_until_there_is_one(world: World) -> None:
    await world.add_pod("web")
    await world.until_refused("web")
    assert await world.why("web") == UNSURE
    assert await world.messages("FailedScheduling") == [UNSURE[1]]
    await world.add_node("n1")
    await world.until_bound("web", "n1")


async def test_a_pod_gets_the_room_that_another_leaves(world: World) -> None:
    await world.add_node("n1", cpu="1")
    await world.add_pod("first", cpu="1")
    await world.until_bound("first", "n1")
    await world.add_pod("second", cpu="1")
    await world.until_refused("second")
    assert (await world.why("second"))[1].startswith("0/1 nodes are available: 1 Insufficient cpu.")
    await world.client.delete(PODS, "first", namespace="default", grace_seconds=0)
    await world.until_bound("second", "n1")


async def test_a_node_that_is_uncordoned_takes_pods_again(world: World) -> None:
    await world.add_node("n1", unschedulable=True)
    await world.add_pod("web")
    await world.until_refused("web")
    await world.client.patch(NODES, "n1", {"spec": {"unschedulable": None}})
    await world.until_bound("web", "n1")


async def test_a_burst_is_placed_quickly_and_never_beyond_what_fits(world: World) -> None:
    await world.add_node("n1", pods="40")
    await world.add_node("n2", pods="40")
    for number in range(80):
        await world.add_pod(f"p{number}")

    async def all_bound() -> bool:
        pods = (await world.client.list(PODS, namespace="default")).items
        return all(pod["spec"].get("nodeName") for pod in pods)

    await world.until(all_bound)
    pods = (await world.client.list(PODS, namespace="default")).items
    names = [pod["spec"]["nodeName"] for pod in pods]
    assert (names.count("n1"), names.count("n2")) == (40, 40)
    assert world.client.bound == 80


async def test_a_refused_binding_gives_the_room_back_and_is_tried_again(world: World) -> None:
    world.client.failures = 1
    await world.add_node("n1", cpu="1")
    await world.add_pod("web", cpu="1")
    await world.until_bound("web", "n1")
    assert world.client.bound == 1


async def test_a_pod_that_somebody_else_has_bound_still_takes_its_room(world: World) -> None:
    await world.add_pod("web", cpu="1")
    await world.until_refused("web")
    target = {"metadata": {"name": "web"}, "target": {"kind": "Node", "name": "n1"}}
    await world.client.create(PODS, target, namespace="default", name="web", subresource="binding")
    await world.add_node("n1", cpu="1")
    await world.add_pod("late", cpu="1")
    await world.until_refused("late")
    assert (await world.why("late"))[1].startswith("0/1 nodes are available: 1 Insufficient cpu.")


@pytest.mark.parametrize(
    "spec",
    [
        pytest.param({"schedulerName": "somebody-else"}, id="another scheduler's"),
        pytest.param({"schedulingGates": [{"name": "wait"}]}, id="gated"),
    ],
)
async def test_a_pod_that_is_not_to_be_placed_is_left_alone(world: World, spec: Json) -> None:
    await world.add_node("n1")
    await world.add_pod("other", **spec)
    await world.add_pod("web")
    await world.until_bound("web", "n1")  # the other was there first, and would have been first
    assert await world.node_of("other") == ""


async def test_a_pod_is_placed_once_its_gates_are_open(world: World) -> None:
    await world.add_node("n1")
    await world.add_pod("gated", schedulingGates=[{"name": "wait"}])
    await world.until_refused("gated", "SchedulingGated")
    await world.client.patch(PODS, "gated", {"spec": {"schedulingGates": None}}, namespace="default")
    await world.until_bound("gated", "n1")


async def test_a_pod_that_fits_does_not_wait_for_one_that_does_not(world: World) -> None:
    await world.add_pod("small", cpu="1")
    await world.until_refused("small")
    await world.add_pod("toobig", cpu="64")
    await world.until_refused("toobig")
    await world.add_node("n1", cpu="1")
    await world.until_bound("small", "n1")
    assert await world.node_of("toobig") == ""


async def test_nothing_is_written_while_nothing_changes(world: World) -> None:
    await world.add_node("n1", cpu="1")
    await world.add_pod("toobig", cpu="8")
    await world.until_refused("toobig")

    async def told() -> bool:
        return bool(await world.messages("FailedScheduling"))

    await world.until(told)
    before = world.store.revision
    for _ in range(200):
        await asyncio.sleep(0)
    assert world.store.revision == before


async def test_a_more_important_pod_drives_others_away_and_gets_their_room(world: World) -> None:
    high = {"metadata": {"name": "high"}, "value": 1000}
    await world.client.create(PRIORITIES, high)
    await world.add_node("n1", cpu="1")
    await world.add_pod("lesser", cpu="1", terminationGracePeriodSeconds=30)
    await world.until_bound("lesser", "n1")
    await world.add_pod("vip", cpu="1", priorityClassName="high")

    async def leaving() -> bool:
        return (
            "deletionTimestamp" in (await world.client.get(PODS, "lesser", namespace="default"))["metadata"]
        )

    await world.until(leaving)
    lesser = await world.client.get(PODS, "lesser", namespace="default")
    target = condition(lesser, "DisruptionTarget") or {}
    assert target["reason"] == "PreemptionByScheduler"
    vip = await world.client.get(PODS, "vip", namespace="default")
    assert vip["status"]["nominatedNodeName"] == "n1"
    assert await world.why("vip") == ("Unschedulable", "0/1 nodes are available: 1 Insufficient cpu.")
    await world.client.delete(PODS, "lesser", namespace="default", grace_seconds=0)
    await world.until_bound("vip", "n1")


async def test_a_claim_that_waits_is_told_the_node_and_waited_for(world: World) -> None:
    later = {"provisioner": "example.com/disk", "volumeBindingMode": "WaitForFirstConsumer"}
    await world.client.create(CLASSES, {"metadata": {"name": "later"}, **later})
    spec = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}
    claim = {"metadata": {"name": "data"}, "spec": {**spec, "storageClassName": "later"}}
    await world.client.create(CLAIMS, claim, namespace="default")
    await world.add_node("n1")
    volumes = [{"name": "data", "persistentVolumeClaim": {"claimName": "data"}}]
    await world.add_pod("web", volumes=volumes)

    async def is_asked() -> bool:
        found = await world.client.get(CLAIMS, "data", namespace="default")
        return (found["metadata"].get("annotations") or {}).get(SELECTED_NODE) == "n1"

    await world.until(is_asked)
    assert await world.node_of("web") == ""
    found = await world.client.get(CLAIMS, "data", namespace="default")
    status = {**found, "status": {"phase": "Bound"}}
    await world.client.update(CLAIMS, status, namespace="default", subresource="status")
    await world.until_bound("web", "n1")
