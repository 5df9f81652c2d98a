"""Tell the users of the API what happened: Events, written without making anybody wait.

``event`` puts a note into a bounded queue and returns; one task turns notes into writes. When the queue is
full, or the API refuses, the Event is lost: Events are best effort, and whoever records one has better things
to do than to wait for it.
"""

import asyncio
import logging
from collections.abc import Callable

from kube_lite.api.errors import ApiError, NotFound
from kube_lite.api.identity import GroupVersionResource, Json
from kube_lite.api.times import format_time
from kube_lite.kit.clock import Clock

from .correlator import Correlator, Count, Create
from .protocol import Client, PatchType

log = logging.getLogger(__name__)

EVENTS = GroupVersionResource("", "v1", "events")
QUEUE_EVENTS = 1000
LOSS_SECONDS = 60.0  # as long without a loss makes the next one the first of a burst
TRIES = 12  # upstream's figure; ten seconds apart
RETRY_SECONDS = 10.0
NAME_MAX = 253 - 1 - 16  # room for a dot and the time in nanoseconds, in hexadecimal


class _Outbox:
    """What waits to be written; shared by the recorders of several components."""

    def __init__(self, client: Client, clock: Clock) -> None:
        self.client = client
        self.clock = clock
        self.queue: asyncio.Queue[Json] = asyncio.Queue(QUEUE_EVENTS)
        self.correlator = Correlator()
        self._last_stamp = 0
        self._lost_at = -LOSS_SECONDS

    def stamp(self) -> int:
        """Nanoseconds since the epoch, never the same twice: names are made from it."""
        self._last_stamp = max(self._last_stamp + 1, int(self.clock.now() * 1e9))
        return self._last_stamp

    def lose(self, reason: str) -> None:
        """An Event finds no room; of a burst of them only the first is worth a line."""
        now = self.clock.monotonic()
        if now - self._lost_at > LOSS_SECONDS:
            log.warning("too many events at once; some are lost", extra={"reason": reason})
        self._lost_at = now

    async def write(self, event: Json) -> None:
        """Bring one Event to the API, or give it up."""
        plan = self.correlator.plan(event, self.clock.now())
        if plan is None:
            return
        for _ in range(TRIES):
            try:
                await self._perform(plan)
                return
            except ApiError as error:
                if error.code < 500 and error.code != 429:
                    log.debug("event refused", extra={"why": error.message})
                    return
            await self.clock.sleep(RETRY_SECONDS)
        log.warning("event given up", extra={"reason": event["reason"]})

    async def _perform(self, plan: Create | Count) -> None:
        if isinstance(plan, Count):
            try:
                await self.client.patch(
                    EVENTS, plan.name, plan.patch, namespace=plan.namespace, patch_type=PatchType.MERGE
                )
                return
            except NotFound:
                log.debug("event expired meanwhile", extra={"event": plan.name})
        event = plan.event
        await self.client.create(EVENTS, event, namespace=event["metadata"]["namespace"])
        self.correlator.written(plan.key, event)


class Recorder:
    """Service that writes Events on behalf of a component.

    Args:
        component: who reports, such as ``"replicaset-controller"``; shown by ``kubectl describe`` as *From*.
        host: the node's name, if what is reported happened on a node.
    """

    name = "recorder"

    def __init__(
        self, client: Client, clock: Clock, component: str, host: str = "", *, outbox: _Outbox | None = None
    ) -> None:
        self._outbox = outbox or _Outbox(client, clock)
        self._component = component
        self._host = host

    def of(self, component: str) -> "Recorder":
        """A recorder for another component whose Events this one writes; only this one has to run."""
        outbox = self._outbox
        return Recorder(outbox.client, outbox.clock, component, self._host, outbox=outbox)

    def event(self, regarding: Json, type: str, reason: str, message: str, *, field_path: str = "") -> None:
        """Report something about an object; never waits.

        Args:
            regarding: an object with kind, apiVersion and metadata.
            type: ``"Normal"`` or ``"Warning"``.
            reason: one word for machines, ``"FailedScheduling"``.
            message: a sentence for people; at most 1 KiB of it is kept.
            field_path: the part of the object that is meant, ``spec.containers{web}``.
        """
        event = self._event(regarding, type, reason, message, field_path)
        try:
            self._outbox.queue.put_nowait(event)
        except asyncio.QueueFull:
            self._outbox.lose(reason)

    async def run(self, ready: Callable[[], None]) -> None:
        """Write until cancelled."""
        ready()
        while True:
            await self._outbox.write(await self._outbox.queue.get())

    def _event(self, regarding: Json, type: str, reason: str, message: str, field_path: str) -> Json:
        metadata = regarding["metadata"]
        about = {
            "kind": regarding.get("kind", ""),
            "namespace": metadata.get("namespace", ""),
            "name": metadata["name"],
            "uid": metadata.get("uid", ""),
            "apiVersion": regarding.get("apiVersion", ""),
            "resourceVersion": metadata.get("resourceVersion", ""),
            "fieldPath": field_path,
        }
        now = format_time(self._outbox.clock.now())
        source = {"component": self._component}
        if self._host:
            source["host"] = self._host
        return {
            "apiVersion": "v1",
            "kind": "Event",
            "metadata": {
                "name": f"{metadata['name'][:NAME_MAX]}.{self._outbox.stamp():x}",
                "namespace": metadata.get("namespace") or "default",
            },
            "involvedObject": {field: value for field, value in about.items() if value},
            "reason": reason,
            "message": message[:1024],
            "source": source,
            "firstTimestamp": now,
            "lastTimestamp": now,
            "count": 1,
            "type": type,
            "eventTime": None,
            "reportingComponent": self._component,
            "reportingInstance": self._host,
        }
