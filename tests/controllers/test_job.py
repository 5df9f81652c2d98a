from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from kube_lite.api import meta
from kube_lite.api.identity import Json
from kube_lite.api.times import format_time
from kube_lite.controllers import job_plan as plans
from kube_lite.controllers import job_policy as policy
from kube_lite.controllers.job_plan import FINALIZER, Failures
from kube_lite.controllers.resources import JOBS, PODS
from kube_lite.kit.clock import ManualClock

from . import objects
from .harness import World, job, world
from .objects import NOW


def stored(**spec: Any) -> Json:
    """A Job as it comes from the API."""
    made = job(**spec)
    made["metadata"] |= {"namespace": "default", "uid": "j"}
    return made


def pod(name: str, phase: str = "Running", index: int | None = None, **annotations: str) -> Json:
    made = objects.pod(name, phase=phase)
    made["metadata"]["finalizers"] = [FINALIZER]
    if index is not None:
        made["metadata"]["annotations"] = {policy.COMPLETION_INDEX: str(index), **annotations}
    return made


def exited(name: str, code: int) -> Json:
    made = pod(name, "Failed")
    ended = {"terminated": {"exitCode": code, "finishedAt": format_time(NOW)}}
    made["status"]["containerStatuses"] = [{"name": "c", "state": ended}]
    return made


def failure_policy(action: str) -> Json:
    """What exit code 42 means."""
    codes = {"operator": "In", "values": [42]}
    return {"podFailurePolicy": {"rules": [{"action": action, "onExitCodes": codes}]}}


def facts(made: Json, *pods: Json) -> plans.Facts:
    return plans.observe(made, pods, (), Failures(), NOW)


@pytest.mark.parametrize(
    ("spec", "pods", "create", "delete"),
    [
        pytest.param({}, [], 1, [], id="one by default"),
        pytest.param({"parallelism": 3, "completions": 2}, [], 2, [], id="never more than are missing"),
        pytest.param({"parallelism": 2}, [pod("a")], 1, [], id="a queue: as many as may run at once"),
        pytest.param({"parallelism": 2}, [pod("a"), pod("b", "Succeeded")], 0, [], id="until one succeeds"),
        pytest.param({"parallelism": 1}, [pod("a"), pod("b", "Pending")], 0, ["b"], id="the spare one goes"),
        pytest.param({"suspend": True}, [pod("a")], 0, ["a"], id="none while suspended"),
        pytest.param({"completions": 1}, [pod("a", "Failed")], 0, [], id="not at once after a failure"),
    ],
)
def test_as_many_run_as_are_asked_for(spec: Json, pods: list[Json], create: int, delete: list[str]) -> None:
    found = plans.plan_pods(facts(stored(**spec), *pods))
    assert (len(found.create), [entry["metadata"]["name"] for entry in found.delete]) == (create, delete)


INDEXED = {"completionMode": "Indexed", "completions": 4, "parallelism": 4}


def test_every_index_has_one_pod() -> None:
    found = plans.plan_pods(facts(stored(**INDEXED), pod("a", index=1), pod("b", "Succeeded", index=2)))
    assert [policy.index_of(made) for made in found.create] == [0, 3]
    [made, _] = found.create
    assert made["metadata"]["generateName"] == "sum-0-"
    assert made["spec"]["hostname"] == "sum-0"
    assert made["spec"]["containers"][0]["env"][0]["name"] == "JOB_COMPLETION_INDEX"


def test_a_second_pod_for_an_index_goes() -> None:
    found = plans.plan_pods(facts(stored(**INDEXED), *(pod(name, index=1) for name in "ab")))
    assert len(found.delete) == 1


def test_failures_of_an_index_are_handed_on_to_its_next_pod() -> None:
    made = stored(**INDEXED, backoffLimitPerIndex=1)
    first = pod("a", "Failed", index=0)
    first["metadata"]["deletionTimestamp"] = format_time(NOW - 60)
    seen = facts(made, first)
    assert seen.held == {0: first}
    new = next(entry for entry in plans.plan_pods(seen).create if policy.index_of(entry) == 0)
    assert new["metadata"]["annotations"][plans.INDEX_FAILURES] == "1"
    again = pod("b", "Failed", index=0, **{plans.INDEX_FAILURES: "1"})
    assert facts(made, again).failed_indexes == {0}


@pytest.mark.parametrize(
    ("spec", "pods", "reason"),
    [
        pytest.param({"backoffLimit": 0}, [pod("a", "Failed")], "BackoffLimitExceeded", id="too many"),
        pytest.param({"backoffLimit": 1}, [pod("a", "Failed")], "", id="one failure is allowed"),
        pytest.param({"activeDeadlineSeconds": 5}, [], "DeadlineExceeded", id="too late"),
        pytest.param(
            failure_policy("FailJob"),
            [exited("a", 42)],
            "PodFailurePolicy",
            id="a code that means failure",
        ),
        pytest.param(
            {"backoffLimit": 0, **failure_policy("Ignore")},
            [exited("a", 42)],
            "",
            id="a code that does not count",
        ),
        pytest.param(
            {**INDEXED, "backoffLimitPerIndex": 0, "maxFailedIndexes": 0},
            [pod("a", "Failed", index=0)],
            "MaxFailedIndexesExceeded",
            id="too many indexes",
        ),
        pytest.param(
            {**INDEXED, "completions": 2, "backoffLimitPerIndex": 0},
            [pod("a", "Failed", index=0), pod("b", "Succeeded", index=1)],
            "FailedIndexes",
            id="all over and one failed",
        ),
        pytest.param(
            {**INDEXED, "successPolicy": {"rules": [{"succeededIndexes": "0-1", "succeededCount": 1}]}},
            [pod("a", "Succeeded", index=1)],
            "SuccessPolicy",
            id="enough succeeded",
        ),
    ],
)
def test_a_job_is_decided(spec: Json, pods: list[Json], reason: str) -> None:
    made = stored(**spec)
    made["status"] = {"startTime": format_time(NOW - 60)}
    found = plans.plan_end(facts(made, *pods))
    assert (found or {}).get("reason", "") == reason


def test_the_message_names_container_pod_and_rule() -> None:
    found = policy.judge_failure(stored(**failure_policy("FailJob")), exited("a", 42))
    assert found.message == (
        "Container c for pod default/a failed with exit code 42 matching FailJob rule at index 0"
    )


@pytest.mark.parametrize("text", ["", "1", "1,2", "0-2", "0-2,4,5,7-9"])
def test_indexes_are_written_as_they_were_read(text: str) -> None:
    assert policy.format_indexes(policy.parse_indexes(text, 100)) == text


def test_the_delay_doubles_and_ends_with_a_success() -> None:
    assert [plans.delay_of(number, NOW, NOW) for number in (0, 1, 2, 3, 20)] == [0, 10, 20, 40, 600]
    late = exited("b", 1)
    late["status"]["containerStatuses"][0]["state"]["terminated"]["finishedAt"] = format_time(NOW + 5)
    good = exited("a", 0)
    assert plans.count_failures(Failures(7, NOW), [good], [late], NOW) == (1, NOW + 5)


async def finish(it: World, found: Json, phase: str = "Succeeded") -> None:
    name = found["metadata"]["name"]
    status = {"phase": phase, "conditions": [{"type": "Ready", "status": "False"}]}
    await it.client.patch(PODS, name, {"status": status}, namespace="default", subresource="status")


def tells(it: World, name: str, **fields: object) -> Callable[[], Awaitable[bool]]:
    async def holds() -> bool:
        status = (await it.get(JOBS, name)).get("status") or {}
        return all(status.get(field) == value for field, value in fields.items())

    return holds


def is_true(it: World, name: str, type_: str) -> Callable[[], Awaitable[bool]]:
    async def holds() -> bool:
        return meta.is_condition_true(await it.get(JOBS, name), type_)

    return holds


async def test_a_job_completes(tmp_path: Path) -> None:
    async with world(tmp_path) as it:
        await it.create(JOBS, job(completions=2, parallelism=1))
        for number in range(2):
            await it.until(tells(it, "sum", active=1, succeeded=number or None))
            [running] = [found for found in await it.list(PODS) if found["status"]["phase"] == "Pending"]
            await finish(it, running)
        await it.until(is_true(it, "sum", "Complete"))
        done = (await it.get(JOBS, "sum"))["status"]
        assert (done["succeeded"], done["uncountedTerminatedPods"], done.get("active")) == (2, {}, None)
        assert done["completionTime"]
        assert [entry["type"] for entry in done["conditions"]] == ["SuccessCriteriaMet", "Complete"]
        assert not any(meta.has_finalizer(found, FINALIZER) for found in await it.list(PODS))
        await it.until_told("Completed", "Job completed")


async def test_a_failed_pod_is_replaced_after_a_delay_and_too_many_end_the_job(tmp_path: Path) -> None:
    clock = ManualClock()
    async with world(tmp_path, clock=clock) as it:
        await it.create(JOBS, job(backoffLimit=1))
        await it.until(tells(it, "sum", active=1))
        [first] = await it.list(PODS)
        await finish(it, first, "Failed")
        await it.until(tells(it, "sum", active=None, failed=1))
        await clock.advance(5)
        assert len(await it.list(PODS)) == 1
        await clock.advance(6)
        await it.until(tells(it, "sum", active=1, failed=1))
        [second] = [found for found in await it.list(PODS) if found["status"]["phase"] == "Pending"]
        await finish(it, second, "Failed")
        await it.until(is_true(it, "sum", "Failed"))
        status = (await it.get(JOBS, "sum"))["status"]
        assert status["failed"] == 2
        assert [entry["type"] for entry in status["conditions"]] == ["FailureTarget", "Failed"]
        assert status["conditions"][1]["reason"] == "BackoffLimitExceeded"


async def test_a_deadline_ends_what_runs(tmp_path: Path) -> None:
    clock = ManualClock()
    async with world(tmp_path, clock=clock) as it:
        await it.create(JOBS, job(activeDeadlineSeconds=30, parallelism=2, completions=2))
        await it.until(tells(it, "sum", active=2))
        await clock.advance(31)
        await it.until(is_true(it, "sum", "Failed"))
        assert await it.list(PODS) == []
        assert (await it.get(JOBS, "sum"))["status"]["failed"] == 2


async def test_a_suspended_job_has_no_pods_and_begins_anew_when_resumed(tmp_path: Path) -> None:
    clock = ManualClock()
    async with world(tmp_path, clock=clock) as it:
        await it.create(JOBS, job())
        await it.until(tells(it, "sum", active=1))
        began = (await it.get(JOBS, "sum"))["status"]["startTime"]
        await it.merge(JOBS, "sum", {"spec": {"suspend": True}})
        await it.until(is_true(it, "sum", "Suspended"))
        await it.until(tells(it, "sum", active=None, failed=None, terminating=0))
        assert await it.list(PODS) == []
        assert "startTime" not in (await it.get(JOBS, "sum"))["status"]
        await clock.advance(60)
        await it.merge(JOBS, "sum", {"spec": {"suspend": False}})
        await it.until(tells(it, "sum", active=1))
        resumed = await it.get(JOBS, "sum")
        assert not meta.is_condition_true(resumed, "Suspended")
        assert resumed["status"]["startTime"] > began


async def test_a_kill_between_any_two_writes_counts_nothing_twice(tmp_path: Path) -> None:
    async with world(tmp_path, only=["jobs", "serviceaccounts"]) as it:
        await it.create(JOBS, job(completions=1))
        await it.until(tells(it, "sum", active=1))
        [only] = await it.list(PODS)
    async with world(tmp_path, only=[]) as it:  # killed after the uid was noted, before the finalizer went
        await finish(it, only)
        uid = only["metadata"]["uid"]
        status = {"status": {"uncountedTerminatedPods": {"succeeded": [uid]}, "active": None}}
        await it.client.patch(JOBS, "sum", status, namespace="default", subresource="status")
    async with world(tmp_path) as it:
        await it.until(is_true(it, "sum", "Complete"))
        assert (await it.get(JOBS, "sum"))["status"]["succeeded"] == 1
        assert len(await it.list(PODS)) == 1


@pytest.mark.parametrize("propagation", ["Background", "Foreground", "Orphan"])
async def test_pods_of_a_deleted_job_are_let_go(tmp_path: Path, propagation: str) -> None:
    async with world(tmp_path) as it:
        await it.create(JOBS, job())
        await it.until(tells(it, "sum", active=1))
        await it.delete(JOBS, "sum", propagation)
        await it.until_gone(JOBS, "sum")

        async def are_free() -> bool:
            pods = await it.list(PODS)
            is_right = len(pods) == (1 if propagation == "Orphan" else 0)
            return is_right and not any(meta.has_finalizer(found, FINALIZER) for found in pods)

        await it.until(are_free)
