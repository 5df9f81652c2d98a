"""Write pod statuses: the newest one only, and only what is different.

Each pod has at most one write under way. What is reported meanwhile replaces what waited, so a pod that
changes fast costs one write per answer of the API, not per change. The patch is a strategic merge with the
pod's uid, so it needs no resourceVersion and leaves conditions of others alone.
"""

import asyncio
import logging
from collections.abc import Callable

from kube_lite.api import meta
from kube_lite.api.errors import ApiError, Conflict, NotFound
from kube_lite.api.identity import Json
from kube_lite.client.protocol import Client
from kube_lite.kit.backoff import Backoff
from kube_lite.kit.clock import Clock
from kube_lite.kit.workqueue import WorkQueue

from .resources import PODS

log = logging.getLogger(__name__)
WRITERS = 4  # writes under way at a time; the store commits those together
REFUSALS = (400, 403, 422)


def plan_patch(known: Json, wanted: Json) -> Json:
    """The fields of ``status`` that must be written so that ``known`` becomes ``wanted``; empty if none.

    Conditions are merged by type, so only those that differ are sent. ``lastProbeTime`` is never set by a
    node, and absent and null mean the same there.
    """
    changes: Json = {}
    for key, value in wanted.items():
        if key == "conditions":
            before = {one["type"]: one for one in known.get("conditions") or ()}
            differing = [
                {
                    **dict.fromkeys(before.get(one["type"], ())),
                    **one,
                }  # a null takes away what is no longer told
                for one in value
                if _without_nulls(before.get(one["type"])) != _without_nulls(one)
            ]
            if differing:
                changes[key] = differing
        elif _without_nulls(known.get(key)) != _without_nulls(value):
            # Addresses are merged by themselves: without the directive an old one would stay beside the new.
            changes[key] = [{"$patch": "replace"}, *value] if key == "podIPs" else value
    for key in ("reason", "message", "podIP", "podIPs"):
        if key in known and key not in wanted:
            changes[key] = None
    return changes


def _without_nulls(value: object) -> object:
    if isinstance(value, dict):
        return {key: _without_nulls(inner) for key, inner in value.items() if inner is not None}
    if isinstance(value, list):
        return [_without_nulls(inner) for inner in value]
    return value


class StatusWriter:
    """Writes what it is told last about each pod.

    Args:
        known: the newest version of a pod that this node has seen, by uid; None if it is gone.
        written: is told the pod as it is after a write.
    """

    def __init__(
        self,
        client: Client,
        clock: Clock,
        *,
        known: Callable[[str], Json | None],
        written: Callable[[Json], None],
    ) -> None:
        self._client = client
        self._known = known
        self._written = written
        self._wanted: dict[str, Json] = {}
        self._queue: WorkQueue[str] = WorkQueue(clock, Backoff(0.1, 10.0))
        self._idle: dict[str, asyncio.Event] = {}

    def report(self, uid: str, status: Json) -> None:
        """This is the status of the pod now."""
        if self._wanted.get(uid) == status and uid not in self._idle:
            return
        self._wanted[uid] = status
        self._idle.setdefault(uid, asyncio.Event())
        self._queue.add(uid)

    def compare(self, pod: Json) -> None:
        """The API has this version of a pod now: if somebody else says whether it is ready, say it again.

        That is what the cluster does with the pods of a node of which it hears nothing.
        """
        uid = pod["metadata"]["uid"]
        wanted = self._wanted.get(uid)
        if wanted is None or uid in self._idle:
            return
        if meta.is_condition_true({"status": wanted}, "Ready") != meta.is_condition_true(pod, "Ready"):
            self._idle[uid] = asyncio.Event()
            self._queue.add(uid)

    async def flushed(self, uid: str) -> None:
        """Wait until what was reported has been written, or cannot be written any more."""
        event = self._idle.get(uid)
        if event is not None:
            await event.wait()

    def forget(self, uid: str) -> None:
        """The pod is gone."""
        self._wanted.pop(uid, None)
        self._settle(uid)

    async def run(self) -> None:
        """Write until cancelled."""
        async with self._queue, asyncio.TaskGroup() as group:
            for _ in range(WRITERS):
                group.create_task(self._work())

    async def _work(self) -> None:
        while True:
            uid = await self._queue.get()
            try:
                await self._write(uid)
                self._queue.forget(uid)
            except ApiError as error:
                log.warning("pod status not written", extra={"uid": uid, "why": error.message})
                if error.code in REFUSALS:
                    self._settle(uid)  # asking again would not help
                else:
                    self._queue.add_rate_limited(uid)
            finally:
                self._queue.done(uid)

    async def _write(self, uid: str) -> None:
        wanted, pod = self._wanted.get(uid), self._known(uid)
        if wanted is None or pod is None:
            self._settle(uid)
            return
        changes = plan_patch(pod.get("status") or {}, wanted)
        metadata = pod["metadata"]
        if changes:
            patch = {"metadata": {"uid": uid}, "status": changes}
            try:
                answer = await self._client.patch(
                    PODS, metadata["name"], patch, namespace=metadata["namespace"], subresource="status"
                )
            except (NotFound, Conflict):  # it is gone; another pod may have its name by now
                self.forget(uid)
                return
            self._written(answer)
        if self._wanted.get(uid) is wanted:
            self._settle(uid)

    def _settle(self, uid: str) -> None:
        event = self._idle.pop(uid, None)
        if event is not None:
            event.set()
