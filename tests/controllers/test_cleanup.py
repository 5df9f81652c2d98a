from pathlib import Path

import pytest

from kube_lite.api import meta
from kube_lite.api.identity import Json
from kube_lite.api.times import format_time
from kube_lite.controllers.finished_jobs import seconds_left
from kube_lite.controllers.pod_cleanup import plan_old_pods
from kube_lite.controllers.resources import JOBS, NODES, PODS
from kube_lite.kit.clock import ManualClock

from .harness import World, job, world
from .objects import NOW, pod

FINALIZER = "test/held"


@pytest.mark.parametrize(
    ("spec", "condition", "left"),
    [
        pytest.param({"ttlSecondsAfterFinished": 60}, "Complete", 50, id="a while yet"),
        pytest.param({"ttlSecondsAfterFinished": 5}, "Failed", 0, id="its time has come"),
        pytest.param({}, "Complete", None, id="it may stay"),
        pytest.param({"ttlSecondsAfterFinished": 0}, "Suspended", None, id="it is not over"),
    ],
)
def test_a_job_goes_when_its_time_has_come(spec: Json, condition: str, left: float | None) -> None:
    made = job(**spec)
    entry = {"type": condition, "status": "True", "lastTransitionTime": format_time(NOW - 10)}
    made["status"] = {"conditions": [entry]}
    assert seconds_left(made, NOW) == left


def test_evicted_and_old_pods_go_first() -> None:
    evicted = pod("evicted", phase="Failed")
    evicted["status"]["reason"] = "Evicted"
    old = pod("old", phase="Succeeded", created="2023-11-14T21:00:00Z")
    pods = [pod("young", phase="Succeeded"), old, evicted]
    assert plan_old_pods(pods, 1) == [evicted, old]
    assert plan_old_pods(pods, 3) == []


async def test_a_finished_job_is_deleted_with_its_pods_after_its_time(tmp_path: Path) -> None:
    clock = ManualClock()
    async with world(tmp_path, clock=clock) as it:
        await it.create(JOBS, job(ttlSecondsAfterFinished=30))

        async def has_pod() -> bool:
            return len(await it.list(PODS)) == 1

        await it.until(has_pod)
        [only] = await it.list(PODS)
        done = {"status": {"phase": "Succeeded"}}
        await it.client.patch(PODS, only["metadata"]["name"], done, namespace="default", subresource="status")

        async def is_complete() -> bool:
            return meta.is_condition_true(await it.get(JOBS, "sum"), "Complete")

        await it.until(is_complete)
        await clock.advance(29)
        assert await it.find(JOBS, "sum") is not None
        await clock.advance(2)
        await it.until_gone(JOBS, "sum")
        assert await it.list(PODS) == []


async def place(it: World, node: str) -> Json:
    """A running Pod on a node."""
    made = {
        "metadata": {"name": "web"},
        "spec": {"nodeName": node, "containers": [{"name": "c", "image": "x"}]},
    }
    return await it.create(PODS, made)


async def test_pods_of_a_node_that_is_no_more_fail_and_go_but_not_at_once(tmp_path: Path) -> None:
    clock = ManualClock()
    async with world(tmp_path, clock=clock, only=["pod-cleanup", "serviceaccounts"]) as it:
        await it.create(NODES, {"metadata": {"name": "n7"}}, "")
        made = await place(it, "n7")
        await it.client.patch(PODS, "web", {"metadata": {"finalizers": [FINALIZER]}}, namespace="default")
        await clock.advance(60)
        assert not meta.is_being_deleted(await it.get(PODS, "web"))
        await it.client.delete(NODES, "n7")
        await clock.advance(30)
        assert not meta.is_being_deleted(await it.get(PODS, "web"))
        await clock.advance(11)

        async def has_failed() -> bool:
            return meta.is_being_deleted(await it.get(PODS, "web"))

        await it.until(has_failed)
        gone = await it.get(PODS, "web")
        assert gone["metadata"]["uid"] == made["metadata"]["uid"]
        assert gone["status"]["phase"] == "Failed"
        entry = meta.condition(gone, "DisruptionTarget")
        assert entry is not None
        assert (entry["reason"], entry["message"]) == ("DeletionByPodGC", "PodGC: node no longer exists")


async def test_pods_that_end_on_a_node_out_of_service_go_at_once(tmp_path: Path) -> None:
    taint = {"key": "node.kubernetes.io/out-of-service", "effect": "NoExecute"}
    async with world(tmp_path, only=["pod-cleanup", "serviceaccounts"]) as it:
        await it.create(NODES, {"metadata": {"name": "n7"}, "spec": {"taints": [taint]}}, "")
        await place(it, "n7")
        await it.delete(PODS, "web")
        await it.until_gone(PODS, "web")
