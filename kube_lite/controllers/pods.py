"""Pods as controllers see them: which count, which are worth least; and making and ending them."""

import asyncio
import math
from collections.abc import Sequence
from typing import NamedTuple

from kube_lite.api import meta
from kube_lite.api.errors import AlreadyExists, ApiError, NotFound
from kube_lite.api.identity import GroupVersionKind, Json
from kube_lite.api.times import parse_time
from kube_lite.client.controller import is_namespace_ending
from kube_lite.client.informer import Informer
from kube_lite.client.protocol import Client
from kube_lite.client.recorder import Recorder

from .resources import PODS

DELETION_COST = "controller.kubernetes.io/pod-deletion-cost"
BY_CONTROLLER = "controller"  # index: uid of the managing controller
ORPHANS = "orphans"  # index: namespace of objects without a managing controller
FINISHED = ("Succeeded", "Failed")
PHASES_BY_WORTH = {"Pending": 0, "Unknown": 1, "Running": 2}


def add_owner_indexes(informer: Informer) -> None:
    """Make objects findable by their controller's uid, and those without one by namespace."""
    informer.add_index(BY_CONTROLLER, controller_uid)
    informer.add_index(ORPHANS, _orphan_namespace)


def controller_uid(obj: Json) -> list[str]:
    """The values of the index ``BY_CONTROLLER``."""
    reference = meta.controller_of(obj)
    return [reference["uid"]] if reference is not None else []


def _orphan_namespace(obj: Json) -> list[str]:
    return [] if meta.controller_of(obj) is not None else [obj["metadata"].get("namespace", "")]


def phase_of(pod: Json) -> str:
    """``status.phase``; ``Pending`` while nobody has set it."""
    phase: str = (pod.get("status") or {}).get("phase") or "Pending"
    return phase


def is_finished(pod: Json) -> bool:
    """Its containers have ended and will not run again."""
    return phase_of(pod) in FINISHED


def is_active(pod: Json) -> bool:
    """It runs or will run: neither finished nor asked to end."""
    if pod["metadata"].get("deletionTimestamp"):  # spelt out: asked of all Pods of an owner at every look
        return False
    return (pod.get("status") or {}).get("phase") not in FINISHED


def is_terminating(pod: Json) -> bool:
    """It was asked to end and has not finished yet."""
    return not is_finished(pod) and meta.is_being_deleted(pod)


def is_ready(pod: Json) -> bool:
    """Its ``Ready`` condition is true."""
    return meta.is_condition_true(pod, "Ready")


def available_in(pod: Json, min_ready_seconds: float, now: float) -> float | None:
    """Seconds until a ready Pod counts as available, 0 if it does; None if it is not ready."""
    ready = meta.condition(pod, "Ready")
    if ready is None or ready.get("status") != "True":
        return None
    if not min_ready_seconds:
        return 0.0
    since = ready.get("lastTransitionTime")
    if not since:
        return min_ready_seconds
    return max(0.0, parse_time(since) + min_ready_seconds - now)


def worth(pod: Json, *, neighbours: int, now: float) -> tuple[object, ...]:
    """A sort key: the Pods that may go first when there are too many sort first.

    Not assigned before assigned, not running before running, not ready before ready, low deletion cost
    before high, crowded nodes (``neighbours``: related Pods on the same node) before others, ready for a
    short time before long, often restarted before stable, young before old. Times are compared by their
    order of magnitude only, so that the choice among Pods of about the same age falls by uid, at random.

    Source: ``ActivePodsWithRanks`` in kubernetes/pkg/controller/controller_utils.go.
    """
    ready = meta.condition(pod, "Ready")
    is_ready_now = ready is not None and ready.get("status") == "True"
    ready_since = ready.get("lastTransitionTime") if ready is not None and is_ready_now else None
    restarts = max(
        (
            status.get("restartCount", 0)
            for status in (pod.get("status") or {}).get("containerStatuses") or ()
        ),
        default=0,
    )
    return (
        bool(pod["spec"].get("nodeName")),
        PHASES_BY_WORTH.get(phase_of(pod), 2),
        is_ready_now,
        _deletion_cost(pod),
        -neighbours,
        _magnitude(ready_since, now),
        -restarts,
        _magnitude(pod["metadata"].get("creationTimestamp"), now),
        pod["metadata"].get("uid", ""),
    )


def _deletion_cost(pod: Json) -> int:
    try:
        return int(meta.annotations_of(pod).get(DELETION_COST, "0"))
    except ValueError:
        return 0


def _magnitude(since: str | None, now: float) -> int:
    if since is None:
        return -1
    return int(math.log2(max(1.0, now - parse_time(since))))


def pod_from(owner: Json, owner_kind: GroupVersionKind, template: Json) -> Json:
    """A Pod as its owner's template describes it, made of parts of the template."""
    from_template = template.get("metadata") or {}
    metadata: Json = {
        "generateName": owner["metadata"]["name"] + "-",
        "namespace": owner["metadata"]["namespace"],
        "ownerReferences": [meta.owner_reference(owner, owner_kind)],
    }
    for field in ("labels", "annotations", "finalizers"):
        if from_template.get(field):
            metadata[field] = from_template[field]
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": template["spec"]}


class EventWords(NamedTuple):
    """What Events say about the Pods of an owner; upstream has its own words for StatefulSets."""

    created: str = "Created pod: {pod}"
    not_created: str = "Error creating: {error}"
    deleted: str = "Deleted pod: {pod}"
    not_deleted: str = "Error deleting: {error}"


class PodControl:
    """Makes and ends Pods on behalf of an owner, and tells of it in Events about the owner."""

    def __init__(self, client: Client, recorder: Recorder, words: EventWords | None = None) -> None:
        self._client = client
        self._recorder = recorder
        self._words = words or EventWords()

    async def create(self, owner: Json, pods: Sequence[Json]) -> tuple[int, ApiError | None]:
        """Create Pods (made by ``pod_from``) in batches that double: 1, 2, 4 …

        After a batch with a failure no more are tried: what is refused once is likely refused fifty times.

        Returns:
            how many were created, and the first error if one was refused.
        """
        done = 0
        size = 1
        while done < len(pods):
            batch = pods[done : done + size]
            async with asyncio.TaskGroup() as group:
                tasks = [group.create_task(self._create(owner, pod)) for pod in batch]
            errors = [error for task in tasks if (error := task.result()) is not None]
            if errors:
                return done + len(batch) - len(errors), errors[0]
            done += len(batch)
            size *= 2
        return done, None

    async def delete(self, owner: Json, pods: Sequence[Json]) -> list[tuple[Json, ApiError]]:
        """Ask for the end of all those Pods; gives those that were refused or are gone, with the reasons."""
        async with asyncio.TaskGroup() as group:
            tasks = [(pod, group.create_task(self._delete(owner, pod))) for pod in pods]
        return [(pod, error) for pod, task in tasks if (error := task.result()) is not None]

    async def _create(self, owner: Json, pod: Json) -> ApiError | None:
        name = pod["metadata"].get("name", "")
        try:
            created = await self._client.create(PODS, pod, namespace=owner["metadata"]["namespace"])
        except ApiError as error:
            is_lost_race = bool(name) and isinstance(error, AlreadyExists)
            if not is_lost_race and not is_namespace_ending(error):
                self._tell(owner, "Warning", "FailedCreate", self._words.not_created, name, error)
            return error
        self._tell(owner, "Normal", "SuccessfulCreate", self._words.created, created["metadata"]["name"])
        return None

    async def _delete(self, owner: Json, pod: Json) -> ApiError | None:
        name, namespace = pod["metadata"]["name"], pod["metadata"]["namespace"]
        try:
            await self._client.delete(PODS, name, namespace=namespace, uid=pod["metadata"]["uid"])
        except NotFound as error:
            return error
        except ApiError as error:
            self._tell(owner, "Warning", "FailedDelete", self._words.not_deleted, name, error)
            return error
        self._tell(owner, "Normal", "SuccessfulDelete", self._words.deleted, name)
        return None

    def _tell(
        self, owner: Json, type_: str, reason: str, words: str, pod: str, error: ApiError | None = None
    ) -> None:
        why = error.message if error is not None else ""
        message = words.format(pod=pod, owner=owner["metadata"]["name"], error=why)
        self._recorder.event(owner, type_, reason, message)
