"""Controllers that are killed after every few writes still get there, and do nothing twice."""

from pathlib import Path

from kube_lite.api import meta
from kube_lite.controllers.job_plan import FINALIZER
from kube_lite.controllers.resources import (
    CONTROLLER_REVISIONS,
    DAEMON_SETS,
    JOBS,
    NODES,
    PODS,
    STATEFUL_SETS,
)

from .harness import World, daemon_set, image, job, stateful_set, world
from .kills import survive


async def end_pods(it: World) -> None:
    """Every Pod succeeds."""
    for pod in await it.list(PODS):
        if pod["status"]["phase"] == "Pending":
            name = pod["metadata"]["name"]
            done = {"status": {"phase": "Succeeded"}}
            await it.client.patch(PODS, name, done, namespace="default", subresource="status")


async def run_pods(it: World) -> None:
    """Every Pod runs, and those that should end do."""
    for pod in await it.list(PODS):
        if meta.is_being_deleted(pod):
            name = pod["metadata"]["name"]
            await it.client.delete(PODS, name, namespace="default", grace_seconds=0)
        elif pod["status"]["phase"] == "Pending":
            await it.set_ready(pod)


async def test_a_job_counts_every_pod_once(tmp_path: Path) -> None:
    async with world(tmp_path, only=[]) as it:
        await it.create(JOBS, job(completions=9, parallelism=4))

    async def is_done(it: World) -> bool:
        return meta.is_condition_true(await it.get(JOBS, "sum"), "Complete")

    await survive(tmp_path, end_pods, is_done)
    async with world(tmp_path, only=[]) as it:
        assert (await it.get(JOBS, "sum"))["status"]["succeeded"] == 9
        pods = await it.list(PODS)
        assert len(pods) == 9
        assert not any(meta.has_finalizer(pod, FINALIZER) for pod in pods)


async def test_a_stateful_set_is_updated(tmp_path: Path) -> None:
    async with world(tmp_path, only=[]) as it:
        await it.create(STATEFUL_SETS, stateful_set(replicas=3))
    for version in ("web:1", "web:2"):

        async def is_done(it: World, version: str = version) -> bool:
            status = (await it.get(STATEFUL_SETS, "db")).get("status") or {}
            images = [pod["spec"]["containers"][0]["image"] for pod in await it.list(PODS)]
            return images == [version] * 3 and status.get("availableReplicas") == 3

        await survive(tmp_path, run_pods, is_done)
        async with world(tmp_path, only=[]) as it:
            await it.merge(STATEFUL_SETS, "db", image("web:2"))
    async with world(tmp_path, only=[]) as it:
        assert len(await it.list(CONTROLLER_REVISIONS)) == 2


async def test_a_daemon_set_never_has_two_pods_on_a_node(tmp_path: Path) -> None:
    ready = {"conditions": [{"type": "Ready", "status": "True"}]}
    async with world(tmp_path, only=[]) as it:
        for name in ("n1", "n2", "n3"):
            await it.create(NODES, {"metadata": {"name": name}, "status": ready}, "")
        await it.create(DAEMON_SETS, daemon_set())
    for version in ("web:1", "web:2"):

        async def is_done(it: World, version: str = version) -> bool:
            status = (await it.get(DAEMON_SETS, "agent")).get("status") or {}
            pods = await it.list(PODS)
            assert len(pods) <= 3
            images = [pod["spec"]["containers"][0]["image"] for pod in pods]
            return images == [version] * 3 and status.get("numberAvailable") == 3

        await survive(tmp_path, run_pods, is_done)
        async with world(tmp_path, only=[]) as it:
            await it.merge(DAEMON_SETS, "agent", image("web:2"))
