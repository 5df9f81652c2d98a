"""Job → Pods, until enough of them have succeeded or too many have failed.

A pass counts, decides, makes or ends Pods, and writes the status: first what it is about to let go, then it
takes finalizers off, then the numbers. A status is only written over the version it was made from, so a pass
that saw old objects changes nothing. Pods with the finalizer whose Job is over or gone are let go as well.

Source: kubernetes/pkg/controller/job/job_controller.go.
"""

import asyncio
from collections.abc import Iterable, Sequence

from kube_lite.api import meta
from kube_lite.api.errors import ApiError, NotFound
from kube_lite.api.identity import Json, ObjectKey
from kube_lite.client.controller import RequeueAfter, is_namespace_ending
from kube_lite.client.informers import Informers
from kube_lite.client.protocol import Client, EventType
from kube_lite.client.recorder import Recorder
from kube_lite.kit.clock import Clock

from . import job_plan as plans
from . import job_tracking as tracking
from .expectations import Versions
from .job_plan import FINALIZER, Facts, Failures
from .job_tracking import Numbers
from .owners import OwnerKind, PodOwners
from .resources import JOB, JOBS, PODS

KIND = OwnerKind(JOB, JOBS, "job-controller")
OURSELVES = "kubernetes.io/job-controller"
TRACKED = "tracked by a job"  # index: keys of the Jobs of Pods that carry the finalizer
RELEASES_AT_ONCE = 50


class Jobs(PodOwners):
    """Runs every Job that nobody else manages."""

    def __init__(self, client: Client, informers: Informers, clock: Clock, recorder: Recorder) -> None:
        super().__init__(client, informers, clock, recorder, KIND, finalizer=FINALIZER)
        self.pods.add_index(TRACKED, _tracking_key)
        self._released: dict[ObjectKey, set[str]] = {}
        """Uids of Pods whose finalizer was taken off, until the informer shows it."""
        self._versions = Versions()
        self._failures: dict[ObjectKey, tuple[str, Failures]] = {}
        """With the uid of the Job, so that a namesake begins anew."""

    async def reconcile(self, key: ObjectKey) -> RequeueAfter | None:
        """Take the next step."""
        job = self.owners.get(key)
        await self._release_strangers(key, job)
        if job is None:
            self.expectations.forget(key)
            self._versions.forget(key)
            self._released.pop(key, None)
            self._failures.pop(key, None)
            return None
        if not self._versions.is_current(key, job):
            return None  # what was written last will come, and be looked at then
        if not _is_ours(job) or tracking.is_over(job):
            self._failures.pop(key, None)
            return None
        may_act = self.expectations.are_met(key)
        pods = await self.owned_pods(job, lambda pod: True)
        uid, failures = self._failures.get(key, ("", None))
        known = failures if uid == job["metadata"]["uid"] else None
        facts = plans.observe(job, pods, self._released.get(key, ()), known, self.clock.now())
        failure, wait = await self._advance(key, facts, may_act=may_act)
        if failure is not None and not is_namespace_ending(failure):
            raise failure
        deadline = plans.seconds_to_deadline(job, self.clock.now())
        waits = [seconds for seconds in (wait, deadline) if seconds is not None and seconds > 0]
        return RequeueAfter(min(waits)) if waits else None

    async def _advance(
        self, key: ObjectKey, facts: Facts, *, may_act: bool
    ) -> tuple[ApiError | None, float | None]:
        numbers = tracking.numbers_of(facts)
        ending = plans.plan_end(facts)
        suspended = None
        failure: ApiError | None = None
        wait = None
        if ending is not None:
            if not may_act:
                ending = None  # there may be Pods that the informer does not know yet
            elif facts.active:
                failure = await self.delete_pods(facts.job, facts.active)
                ending = None if failure is not None else ending
                numbers = Numbers(0, 0, numbers.terminating + numbers.active) if ending else numbers
        elif may_act and not meta.is_being_deleted(facts.job):
            plan = plans.plan_pods(facts)
            wait = plan.wait
            if plan.delete:
                failure = await self._give_up(key, facts.job, plan.delete)
            elif plan.create:
                failure = await self.create_pods(facts.job, plan.create)
            if plans.is_complete(facts):
                words = "Reached expected number of succeeded pods"
                ending = plans.condition("SuccessCriteriaMet", "CompletionsReached", words, facts.now)
            else:
                suspended = tracking.plan_suspended(facts)
        await self._track(key, facts, numbers, ending, suspended)
        return failure, wait

    async def _give_up(self, key: ObjectKey, job: Json, pods: Sequence[Json]) -> ApiError | None:
        """End Pods that are too many; without their finalizer they do not count as failed."""
        failure = await self._release(key, pods)
        return failure or await self.delete_pods(job, pods)

    async def _track(
        self,
        key: ObjectKey,
        facts: Facts,
        numbers: Numbers,
        ending: Json | None,
        suspended: Json | None,
    ) -> None:
        plan = tracking.plan_tracking(facts, numbers, ending, suspended)
        job = await self._write(facts.job, plan.status)
        self._failures[key] = (job["metadata"]["uid"], facts.failures)
        if suspended is not None:
            reason = "Suspended" if suspended["status"] == "True" else "Resumed"
            self.recorder.event(job, "Normal", reason, suspended["message"])
        failure = await self._release(key, plan.release)
        released = self._released.get(key, ())
        still = {
            pod["metadata"]["uid"]
            for pod in facts.pods
            if facts.is_tracked(pod) and pod["metadata"]["uid"] not in released
        }
        status = tracking.settle(plan.status, still)
        final = tracking.plan_finish(status, ending, facts.now) if plan.is_whole and not failure else None
        await self._write(job, final or status)
        if final is not None:
            self._tell_finished(job, final)
        if failure is not None:
            raise failure

    async def _write(self, job: Json, status: Json) -> Json:
        if status == job.get("status"):
            return job
        changed = {**job, "status": status}
        namespace = job["metadata"]["namespace"]
        written = await self.client.update(JOBS, changed, namespace=namespace, subresource="status")
        self._versions.wrote(written)
        return written

    def _tell_finished(self, job: Json, status: Json) -> None:
        final = status["conditions"][-1]
        if final["type"] == "Failed":
            self.recorder.event(job, "Warning", final["reason"], final["message"])
            return
        completions = job["spec"].get("completions")
        if completions is not None and status.get("succeeded", 0) > completions:
            words = "Too many succeeded pods running after completion count reached"
            self.recorder.event(job, "Warning", "TooManySucceededPods", words)
        self.recorder.event(job, "Normal", "Completed", "Job completed")

    async def _release(self, key: ObjectKey, pods: Sequence[Json]) -> ApiError | None:
        """Take the finalizer off Pods, and remember it until it shows; gives the first error."""
        failure = None
        for start in range(0, len(pods), RELEASES_AT_ONCE):
            batch = pods[start : start + RELEASES_AT_ONCE]
            async with asyncio.TaskGroup() as group:
                tasks = [group.create_task(self._release_one(key, pod)) for pod in batch]
            failure = next((error for task in tasks if (error := task.result()) is not None), failure)
        return failure

    async def _release_one(self, key: ObjectKey, pod: Json) -> ApiError | None:
        uid = pod["metadata"]["uid"]
        patch = {"metadata": {"uid": uid, "$deleteFromPrimitiveList/finalizers": [FINALIZER]}}
        if not meta.has_finalizer(pod, FINALIZER):
            return None
        self._released.setdefault(key, set()).add(uid)
        try:
            await self.client.patch(PODS, pod["metadata"]["name"], patch, namespace=key.namespace)
        except NotFound:
            return None
        except ApiError as error:
            self._released[key].discard(uid)
            return error
        return None

    async def _release_strangers(self, key: ObjectKey, job: Json | None) -> None:
        """Let Pods go that carry the finalizer but are nobody's to count."""
        strangers = []
        released = self._released.get(key, ())
        for pod in self.pods.by_index(TRACKED, str(key)):
            if pod["metadata"]["uid"] in released:
                continue
            is_theirs = job is not None and meta.is_controlled_by(pod, job)
            if not is_theirs or (job is not None and _is_ours(job) and tracking.is_over(job)):
                strangers.append(pod)
        failure = await self._release(key, strangers)
        if failure is not None:
            raise failure

    def keys_of_pod(self, event: EventType, old: Json | None, new: Json | None) -> Iterable[ObjectKey]:
        """The owner's; for a Pod that carries the finalizer without one, the key under which it is let go."""
        pod = new or old
        if pod is None:
            return ()
        keys = set(super().keys_of_pod(event, old, new))
        names = _tracking_key(pod) if new is not None else []
        if not names:  # it is off, or the Pod is gone: nothing more to remember
            owner = meta.controller_of(pod) or {}
            key = ObjectKey(pod["metadata"]["namespace"], owner.get("name", ""))
            released = self._released.get(key, set())
            released.discard(pod["metadata"]["uid"])
            if not released:
                self._released.pop(key, None)
        elif self.owner_of(pod) is None:
            owner = meta.controller_of(pod) or {}
            keys.add(ObjectKey(pod["metadata"]["namespace"], owner.get("name", "")))
        return keys


def _tracking_key(pod: Json) -> list[str]:
    """The key of the Job that counts a Pod; without a name if it has none any more."""
    if not meta.has_finalizer(pod, FINALIZER):
        return []
    owner = meta.controller_of(pod)
    if owner is not None and owner.get("kind") != JOB.kind:
        return []
    return [str(ObjectKey(pod["metadata"]["namespace"], owner["name"] if owner is not None else ""))]


def _is_ours(job: Json) -> bool:
    return job["spec"].get("managedBy") in (None, OURSELVES)
