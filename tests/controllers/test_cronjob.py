from pathlib import Path

import pytest

from kube_lite.api.identity import Json
from kube_lite.api.times import format_time
from kube_lite.controllers import cronjob as plans
from kube_lite.controllers.resources import CRON_JOBS, JOBS
from kube_lite.controllers.schedule import parse_schedule
from kube_lite.kit.clock import ManualClock

from .harness import World, job, world

MINUTE = 60.0
START = 1_700_000_040.0  # a full minute


def cron_job(schedule: str = "* * * * *", **spec: object) -> Json:
    return {
        "apiVersion": "batch/v1",
        "kind": "CronJob",
        "metadata": {"name": "tick"},
        "spec": {"schedule": schedule, "jobTemplate": {"spec": job()["spec"]}, **spec},
    }


def stored(last: float | None = None, **spec: object) -> Json:
    made = cron_job(**spec)  # type: ignore[arg-type]  # fields of a spec
    made["metadata"] |= {"creationTimestamp": format_time(START), "namespace": "default", "uid": "c"}
    made["status"] = {} if last is None else {"lastScheduleTime": format_time(last)}
    return made


@pytest.mark.parametrize(
    ("last", "after", "spec", "moment", "missed"),
    [
        pytest.param(None, 30, {}, None, 0, id="not yet"),
        pytest.param(None, 60, {}, 60, 0, id="the first"),
        pytest.param(60, 90, {}, None, 0, id="nothing since the last"),
        pytest.param(60, 400, {}, 360, 5, id="only the last of those missed"),
        pytest.param(None, 20_000, {}, 19_980, 333, id="many missed"),
        pytest.param(None, 400, {"startingDeadlineSeconds": 50}, 360, 0, id="in time"),
        pytest.param(None, 400, {"startingDeadlineSeconds": 10}, None, 0, id="too late"),
        pytest.param(None, 250, {"schedule": "@every 100s"}, 200, 2, id="at a distance from the last"),
    ],
)
def test_a_missed_start_is_made_up_for(
    last: float | None, after: float, spec: Json, moment: float | None, missed: int
) -> None:
    made = stored(None if last is None else START + last, **spec)
    schedule = parse_schedule(made["spec"]["schedule"])
    due = plans.plan_due(made, schedule, START + after, within_deadline=True)
    assert (due.moment, due.missed) == (None if moment is None else START + moment, missed)


def test_the_name_holds_the_minute_and_the_time_of_the_zone_is_noted() -> None:
    made = plans.new_job(stored(timeZone="Asia/Kolkata"), START)
    assert made["metadata"]["name"] == f"tick-{int(START // 60)}"
    assert made["metadata"]["annotations"][plans.SCHEDULED] == "2023-11-15T03:44:00+05:30"


async def names(it: World) -> list[str]:
    return sorted(found["metadata"]["name"] for found in await it.list(JOBS))


async def until_jobs(it: World, count: int) -> None:
    async def are_there() -> bool:
        return len(await it.list(JOBS)) == count

    await it.until(are_there)


async def until_active(it: World, count: int) -> None:
    async def holds() -> bool:
        status = (await it.get(CRON_JOBS, "tick")).get("status") or {}
        return len(status.get("active") or ()) == count

    await it.until(holds)


async def finish(it: World, name: str, outcome: str = "Complete") -> None:
    now = format_time(it.clock.now())
    conditions = [{"type": outcome, "status": "True", "lastTransitionTime": now}]
    if outcome == "Complete":
        conditions.insert(0, {"type": "SuccessCriteriaMet", "status": "True", "lastTransitionTime": now})
    status: Json = {"conditions": conditions, "startTime": now}
    if outcome == "Complete":
        status["completionTime"] = now
    await it.client.patch(JOBS, name, {"status": status}, namespace="default", subresource="status")


ONLY = ["cronjobs", "garbage"]


async def test_jobs_start_on_time_and_history_is_kept_short(tmp_path: Path) -> None:
    clock = ManualClock(START)
    async with world(tmp_path, clock=clock, only=ONLY) as it:
        await it.create(CRON_JOBS, cron_job(successfulJobsHistoryLimit=1))
        for number in range(1, 4):
            await until_active(it, 0)
            await clock.advance(MINUTE + 0.2)
            await until_active(it, 1)
            name = f"tick-{int(START // 60) + number}"
            assert name in await names(it)
            await finish(it, name)
        await until_active(it, 0)
        await until_jobs(it, 1)
        status = (await it.get(CRON_JOBS, "tick"))["status"]
        assert status["lastScheduleTime"] == format_time(START + 3 * MINUTE)
        assert status["lastSuccessfulTime"]
        await it.until_told("SuccessfulCreate", f"Created job tick-{int(START // 60) + 1}")


@pytest.mark.parametrize(("policy", "jobs"), [("Allow", 2), ("Forbid", 1), ("Replace", 1)])
async def test_a_job_that_still_runs_is_dealt_with_as_asked(tmp_path: Path, policy: str, jobs: int) -> None:
    clock = ManualClock(START)
    async with world(tmp_path, clock=clock, only=ONLY) as it:
        await it.create(CRON_JOBS, cron_job(concurrencyPolicy=policy))
        await clock.advance(MINUTE + 0.2)
        await until_active(it, 1)
        [first] = await names(it)
        await clock.advance(MINUTE)
        await until_active(it, jobs)
        if policy == "Replace":
            await it.until_gone(JOBS, first)
        await until_jobs(it, jobs)
        assert (first in await names(it)) == (policy != "Replace")


async def test_a_suspended_one_starts_nothing_until_it_is_resumed(tmp_path: Path) -> None:
    clock = ManualClock(START)
    async with world(tmp_path, clock=clock, only=ONLY) as it:
        await it.create(CRON_JOBS, cron_job(suspend=True))
        await clock.advance(5 * MINUTE + 1)
        assert await it.list(JOBS) == []
        await it.merge(CRON_JOBS, "tick", {"spec": {"suspend": False}})
        await until_jobs(it, 1)


async def test_a_kill_before_the_status_was_written_starts_no_second_job(tmp_path: Path) -> None:
    clock = ManualClock(START)
    async with world(tmp_path, clock=clock, only=[]) as it:
        made = await it.create(CRON_JOBS, cron_job())
        await it.create(JOBS, plans.new_job(made, START + MINUTE))
    await clock.advance(MINUTE + 5)
    async with world(tmp_path, clock=clock, only=ONLY) as it:
        await until_active(it, 1)
        assert len(await it.list(JOBS)) == 1
