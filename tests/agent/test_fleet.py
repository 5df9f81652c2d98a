import random
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

from kube_lite.agent.fleet import ANNOTATION, FakeNodes, FakePods, plan_node, plan_pod
from kube_lite.agent.resources import LEASES, NODES, PODS
from kube_lite.api import meta
from kube_lite.api.identity import Json
from kube_lite.client.informers import Informers
from kube_lite.controllers.resources import NAMESPACES
from kube_lite.kit.clock import ManualClock
from kube_lite.kit.service import Service, running
from tests.controllers.harness import World, world

NOW = 1_700_000_000.0
CONTAINER = {"name": "c", "image": "i"}


def node(name: str = "n1", **status: object) -> Json:
    return {"metadata": {"name": name, "annotations": {ANNOTATION: "true"}}, "spec": {}, "status": status}


def test_a_node_is_made_ready_with_the_capacity_it_was_given() -> None:
    status = plan_node(node(capacity={"cpu": "2"}), "v1.36.1", NOW)
    assert status is not None
    assert status["allocatable"] == {"cpu": "2"}
    assert meta.is_condition_true({"status": status}, "Ready")


def test_one_that_says_that_it_is_not_ready_stays_so_and_one_that_says_nothing_does_not() -> None:
    def saying(state: str) -> Json:
        return node(conditions=[{"type": "Ready", "status": state}])

    assert plan_node(saying("False"), "v1.36.1", NOW) is None
    assert plan_node(saying("Unknown"), "v1.36.1", NOW) is not None


def test_pods_run_and_those_of_jobs_succeed() -> None:
    pod: Json = {"metadata": {"name": "p"}, "spec": {"containers": [CONTAINER]}}
    runs = plan_pod(pod, "198.18.0.1", NOW)
    assert runs is not None
    assert (runs["phase"], meta.is_condition_true({"status": runs}, "Ready")) == ("Running", True)
    assert plan_pod({**pod, "status": runs}, "198.18.0.2", NOW) is None
    owner = {"kind": "Job", "name": "j", "uid": "j", "controller": True}
    ends = plan_pod({**pod, "metadata": {"name": "p", "ownerReferences": [owner]}}, "198.18.0.1", NOW)
    assert ends is not None
    assert (ends["phase"], meta.is_condition_true({"status": ends}, "Ready")) == ("Succeeded", False)


@asynccontextmanager
async def playing(it: World) -> AsyncIterator[None]:
    async with AsyncExitStack() as stack:
        informers = Informers(it.client, it.clock)
        parts: list[Service] = [
            informers,
            FakeNodes(it.client, informers, it.clock, "v1.36.1", random.Random(1)),
            FakePods(it.client, informers, it.clock),
        ]
        for part in parts:
            await stack.enter_async_context(running(part))
        yield


async def test_pods_on_such_a_node_run_and_end_and_its_lease_stays_fresh(tmp_path: Path) -> None:
    clock = ManualClock()
    async with world(tmp_path, clock=clock, only=["serviceaccounts"]) as it:
        await it.client.create(NAMESPACES, {"metadata": {"name": "kube-node-lease"}})
        await it.until_account()
        async with playing(it):
            await it.client.create(NODES, node())
            await it.create(
                PODS,
                {
                    "metadata": {"name": "web"},
                    "spec": {"nodeName": "n1", "containers": [{"name": "c", "image": "i"}]},
                },
            )

            async def runs() -> bool:
                return bool((await it.get(PODS, "web"))["status"]["phase"] == "Running")

            await it.until(runs)

            async def is_held() -> bool:
                return await it.find(LEASES, "n1", "kube-node-lease") is not None

            await it.until(is_held)
            first = (await it.get(LEASES, "n1", "kube-node-lease"))["spec"]["renewTime"]
            await clock.advance(60)

            async def is_renewed() -> bool:
                found = await it.get(LEASES, "n1", "kube-node-lease")
                return bool(found["spec"]["renewTime"] > first)

            await it.until(is_renewed)
            await it.delete(PODS, "web")
            await it.until_gone(PODS, "web")
