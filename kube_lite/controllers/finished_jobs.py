"""Jobs that are over are deleted when their ``ttlSecondsAfterFinished`` has passed, with what they own.

Source: kubernetes/pkg/controller/ttlafterfinished/ttlafterfinished_controller.go.
"""

from kube_lite.api import meta
from kube_lite.api.errors import NotFound
from kube_lite.api.identity import Json, ObjectKey
from kube_lite.api.times import parse_time
from kube_lite.client.controller import Controller, RequeueAfter
from kube_lite.client.informers import Informers
from kube_lite.client.protocol import Client
from kube_lite.kit.clock import Clock

from .job_tracking import FINAL
from .resources import JOBS


def seconds_left(job: Json, now: float) -> float | None:
    """Seconds until the Job should go, 0 if it should be gone; None if it is not over or may stay."""
    limit = job["spec"].get("ttlSecondsAfterFinished")
    if limit is None or meta.is_being_deleted(job):
        return None
    for entry in meta.conditions_of(job):
        if entry["type"] in FINAL and entry["status"] == "True" and entry.get("lastTransitionTime"):
            return max(0.0, float(parse_time(entry["lastTransitionTime"]) + limit - now))
    return None


class FinishedJobs(Controller):
    """Deletes Jobs whose time has come."""

    def __init__(self, client: Client, informers: Informers, clock: Clock) -> None:
        super().__init__("finished-jobs", clock)
        self._client = client
        self._jobs = informers.informer(JOBS)
        self.watch(self._jobs)

    async def reconcile(self, key: ObjectKey) -> RequeueAfter | None:
        """Delete the Job, or come back when it is time; what was changed meanwhile is looked at again."""
        job = self._jobs.get(key)
        left = seconds_left(job, self.clock.now()) if job is not None else None
        if job is None or left is None:
            return None
        if left > 0:
            return RequeueAfter(left)
        metadata = job["metadata"]
        try:
            await self._client.delete(
                JOBS,
                key.name,
                namespace=key.namespace,
                propagation="Foreground",
                uid=metadata["uid"],
                resource_version=metadata["resourceVersion"],
            )
        except NotFound:
            return None
        return None
