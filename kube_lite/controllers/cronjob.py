"""CronJob → Jobs, whenever its schedule is due.

The name of a Job holds the minute for which it was made, so a kill between making it and noting that in the
status makes no second one. Of several starts that were missed only the last is made up for, and none that is
later than ``startingDeadlineSeconds``. In between nothing runs: the key comes back when the next start is
due.

Source: kubernetes/pkg/controller/cronjob/cronjob_controllerv2.go and utils.go.
"""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import NamedTuple
from zoneinfo import ZoneInfo

from kube_lite.api import meta
from kube_lite.api.errors import AlreadyExists, ApiError, NotFound
from kube_lite.api.identity import Json, ObjectKey
from kube_lite.api.times import format_time, parse_time
from kube_lite.client.controller import Controller, RequeueAfter, is_namespace_ending
from kube_lite.client.informers import Informers
from kube_lite.client.protocol import Client, EventType
from kube_lite.client.recorder import Recorder
from kube_lite.kit.clock import Clock

from . import pods as pod_facts
from .expectations import Versions
from .resources import CRON_JOB, CRON_JOBS, JOB, JOBS
from .revisions import created
from .schedule import Schedule, parse_schedule

SCHEDULED = "batch.kubernetes.io/cronjob-scheduled-timestamp"
MANY = 100  # missed starts that are worth a warning
TOO_MANY = "too many missed start times. Set or decrease .spec.startingDeadlineSeconds or check clock skew"
SLACK = 0.1  # seconds after a start is due, so that it is due when the clock is a little behind


class Due(NamedTuple):
    """Which start to make up for, if any, and how many were missed."""

    moment: float | None
    since: float
    """From when on starts were looked for."""
    missed: int = 0


def plan_due(cron_job: Json, schedule: Schedule, now: float, *, within_deadline: bool) -> Due:
    """The last start that is due and was not made.

    Args:
        within_deadline: leave out starts for which it is too late.
    """
    last = (cron_job.get("status") or {}).get("lastScheduleTime")
    since = parse_time(last or cron_job["metadata"]["creationTimestamp"])
    deadline = cron_job["spec"].get("startingDeadlineSeconds")
    if within_deadline and deadline is not None:
        since = max(since, now - deadline)
    first = schedule.next(since)
    if first is None or now < first:
        return Due(None, since)
    second = schedule.next(first)
    if second is None or now < second:
        return Due(first, since)
    distance = second - first
    missed = int((now - first) // distance) + 1
    moment, following = None, schedule.next(first + (missed - 2) * distance)
    while following is not None and following <= now:  # starts need not be evenly spaced
        moment, following = following, schedule.next(following)
    return Due(moment, since, missed)


def seconds_to_next(cron_job: Json, schedule: Schedule, now: float) -> float | None:
    """Seconds until the next start, None if there is none."""
    due = plan_due(cron_job, schedule, now, within_deadline=False)
    base = due.moment if due.moment is not None else now if due.missed else due.since
    following = schedule.next(base)
    if following is None:
        return None
    return max(0.0, following - now) + SLACK


def outcome_of(job: Json) -> str:
    """``Complete`` or ``Failed``, empty while it is neither."""
    return next((name for name in ("Complete", "Failed") if meta.is_condition_true(job, name)), "")


def plan_cleanup(cron_job: Json, jobs: Sequence[Json]) -> list[Json]:
    """The oldest finished Jobs beyond the limits of the history."""
    spare: list[Json] = []
    for outcome, field in (("Complete", "successfulJobsHistoryLimit"), ("Failed", "failedJobsHistoryLimit")):
        limit = cron_job["spec"].get(field)
        if limit is not None:
            past = sorted((job for job in jobs if outcome_of(job) == outcome), key=_by_start)
            spare.extend(past[: max(0, len(past) - limit)])
    return spare


def _by_start(job: Json) -> tuple[str, tuple[str, str]]:
    return (job.get("status") or {}).get("startTime") or "9", created(job)


def job_name(cron_job: Json, moment: float) -> str:
    """The name of the Job for a start: it holds the minute."""
    return f"{cron_job['metadata']['name']}-{int(moment // 60)}"


def new_job(cron_job: Json, moment: float) -> Json:
    """The Job for a start."""
    template = cron_job["spec"]["jobTemplate"]
    wanted = template.get("metadata") or {}
    zone = cron_job["spec"].get("timeZone")
    local = datetime.fromtimestamp(moment, ZoneInfo(zone) if zone else UTC)
    stamp = local.isoformat().replace("+00:00", "Z")
    metadata: Json = {
        "name": job_name(cron_job, moment),
        "namespace": cron_job["metadata"]["namespace"],
        "annotations": {**(wanted.get("annotations") or {}), SCHEDULED: stamp},
        "ownerReferences": [meta.owner_reference(cron_job, CRON_JOB)],
    }
    if wanted.get("labels"):
        metadata["labels"] = wanted["labels"]
    return {"apiVersion": "batch/v1", "kind": "Job", "metadata": metadata, "spec": template["spec"]}


def reference_to(job: Json) -> Json:
    """How the status names a Job that runs."""
    named = {field: job["metadata"][field] for field in ("name", "namespace", "resourceVersion", "uid")}
    return {"apiVersion": JOB.api_version, "kind": JOB.kind, **named}


class CronJobs(Controller):
    """Starts the Jobs of every CronJob."""

    def __init__(self, client: Client, informers: Informers, clock: Clock, recorder: Recorder) -> None:
        super().__init__("cronjobs", clock)
        self._client = client
        self._recorder = recorder.of("cronjob-controller")
        self._versions = Versions()
        self._cron_jobs = informers.informer(CRON_JOBS)
        self._jobs = informers.informer(JOBS)
        pod_facts.add_owner_indexes(self._jobs)
        self.watch(self._cron_jobs)
        self.watch(self._jobs, self._keys_of_job)

    async def reconcile(self, key: ObjectKey) -> RequeueAfter | None:
        """Note what has become of Jobs, start one if that is due, and say when the next will be."""
        cron_job = self._cron_jobs.get(key)
        if cron_job is None:
            self._versions.forget(key)
            return None
        if not self._versions.is_current(key, cron_job):
            return None
        jobs = self._jobs.by_index(pod_facts.BY_CONTROLLER, cron_job["metadata"]["uid"])
        status = dict(cron_job.get("status") or {})
        status["active"] = list(status.get("active") or ())
        for job in plan_cleanup(cron_job, jobs):
            await self._delete(cron_job, job, status)
        await self._note(cron_job, jobs, status)
        try:
            seconds = await self._start(cron_job, status)
        finally:
            if not status["active"]:
                del status["active"]
            if status != (cron_job.get("status") or {}):
                changed = {**cron_job, "status": status}
                self._versions.wrote(
                    await self._client.update(
                        CRON_JOBS, changed, namespace=key.namespace, subresource="status"
                    )
                )
        return RequeueAfter(seconds) if seconds is not None else None

    async def _note(self, cron_job: Json, jobs: Sequence[Json], status: Json) -> None:
        """Bring the private status up to date with the Jobs there are."""
        active = {entry["uid"] for entry in status["active"]}
        for job in jobs:
            name, uid, outcome = job["metadata"]["name"], job["metadata"]["uid"], outcome_of(job)
            if not outcome and uid not in active:
                words = f"Saw a job that the controller did not create or forgot: {name}"
                self._recorder.event(cron_job, "Warning", "UnexpectedJob", words)
            elif outcome and uid in active:
                _forget(status, uid)
                words = f"Saw completed job: {name}, condition: {outcome}"
                self._recorder.event(cron_job, "Normal", "SawCompletedJob", words)
            ended = (job.get("status") or {}).get("completionTime")
            if outcome == "Complete" and ended and ended > status.get("lastSuccessfulTime", ""):
                status["lastSuccessfulTime"] = ended
        present = {job["metadata"]["uid"] for job in jobs}
        for entry in [entry for entry in status["active"] if entry["uid"] not in present]:
            if await self._find(entry["namespace"], entry["name"]) is None:
                _forget(status, entry["uid"])
                words = f"Active job went missing: {entry['name']}"
                self._recorder.event(cron_job, "Normal", "MissingJob", words)

    async def _start(self, cron_job: Json, status: Json) -> float | None:
        """Start a Job if one is due; gives the seconds until the next."""
        spec, now = cron_job["spec"], self.clock.now()
        if meta.is_being_deleted(cron_job) or spec.get("suspend"):
            return None
        schedule = self._schedule(cron_job)
        if schedule is None:
            return None
        due = plan_due(cron_job, schedule, now, within_deadline=True)
        if due.missed > MANY:
            self._recorder.event(cron_job, "Warning", "TooManyMissedTimes", TOO_MANY)
        if due.moment is not None and self._may_start(cron_job, status, due.moment):
            await self._make_room(cron_job, status)
            await self._create(cron_job, status, due.moment)
        return seconds_to_next({**cron_job, "status": status}, schedule, now)

    def _may_start(self, cron_job: Json, status: Json, moment: float) -> bool:
        spec, name = cron_job["spec"], job_name(cron_job, moment)
        is_made = any(entry["name"] == name for entry in status["active"])
        if is_made or status.get("lastScheduleTime") == format_time(moment):
            return False
        deadline = spec.get("startingDeadlineSeconds")
        if deadline is not None and moment + deadline < self.clock.now():
            when = datetime.fromtimestamp(moment, UTC).strftime("%a, %d %b %Y %H:%M:%S +0000")
            words = f"Missed scheduled time to start a job: {when}"
            self._recorder.event(cron_job, "Warning", "MissSchedule", words)
            return False
        if spec.get("concurrencyPolicy") == "Forbid" and status["active"]:
            words = "Not starting job because prior execution is running and concurrency policy is Forbid"
            self._recorder.event(cron_job, "Normal", "JobAlreadyActive", words)
            return False
        return True

    def _schedule(self, cron_job: Json) -> Schedule | None:
        spec = cron_job["spec"]
        text, zone = spec["schedule"], spec.get("timeZone") or ""
        if "TZ" in text:
            words = f'CRON_TZ or TZ used in schedule "{text}" is not officially supported, see '
            words += "https://kubernetes.io/docs/concepts/workloads/controllers/cron-jobs/ for more details"
            self._recorder.event(cron_job, "Warning", "UnsupportedSchedule", words)
        try:
            return parse_schedule(text, zone)
        except ValueError as error:
            if str(error).startswith("unknown time zone"):
                words = f'invalid timeZone: "{zone}": {error}'
                self._recorder.event(cron_job, "Warning", "UnknownTimeZone", words)
            else:
                words = f'unparseable schedule: "{text}" : {error}'
                self._recorder.event(cron_job, "Warning", "UnparseableSchedule", words)
            return None

    async def _make_room(self, cron_job: Json, status: Json) -> None:
        """With ``Replace``, end what still runs."""
        if cron_job["spec"].get("concurrencyPolicy") != "Replace":
            return
        for entry in list(status["active"]):
            job = await self._find(entry["namespace"], entry["name"])
            if job is None:
                _forget(status, entry["uid"])
            else:
                await self._delete(cron_job, job, status)

    async def _create(self, cron_job: Json, status: Json, moment: float) -> None:
        job = new_job(cron_job, moment)
        name, namespace = job["metadata"]["name"], job["metadata"]["namespace"]
        try:
            made = await self._client.create(JOBS, job, namespace=namespace)
        except AlreadyExists:
            found = await self._client.get(JOBS, name, namespace=namespace)
            if not meta.is_controlled_by(found, cron_job):
                return
            made = found  # made just before a kill, or while the informer did not know of it
        except ApiError as error:
            if not is_namespace_ending(error):
                words = f"Error creating job: {error.message}"
                self._recorder.event(cron_job, "Warning", "FailedCreate", words)
            raise
        else:
            self._recorder.event(cron_job, "Normal", "SuccessfulCreate", f"Created job {name}")
        status["active"].append(reference_to(made))
        status["lastScheduleTime"] = format_time(moment)

    async def _delete(self, cron_job: Json, job: Json, status: Json) -> None:
        metadata = job["metadata"]
        try:
            await self._client.delete(
                JOBS,
                metadata["name"],
                namespace=metadata["namespace"],
                propagation="Background",
                uid=metadata["uid"],
            )
        except NotFound:
            pass
        except ApiError as error:
            self._recorder.event(cron_job, "Warning", "FailedDelete", f"Deleted job: {error.message}")
            raise
        else:
            words = f"Deleted job {metadata['name']}"
            self._recorder.event(cron_job, "Normal", "SuccessfulDelete", words)
        _forget(status, metadata["uid"])

    async def _find(self, namespace: str, name: str) -> Json | None:
        try:
            return await self._client.get(JOBS, name, namespace=namespace)
        except NotFound:
            return None

    def _keys_of_job(self, event: EventType, old: Json | None, new: Json | None) -> Iterable[ObjectKey]:
        for job in (old, new):
            owner = meta.controller_of(job) if job is not None else None
            if job is not None and owner is not None and owner.get("kind") == CRON_JOB.kind:
                yield ObjectKey(job["metadata"]["namespace"], owner["name"])


def _forget(status: Json, uid: str) -> None:
    status["active"] = [entry for entry in status["active"] if entry["uid"] != uid]
