"""Events of ``events.k8s.io``: told once, and again as a series of the same.

What differs in nothing but its words and its time is the same Event. Its second occurrence makes it a series,
which is written; later ones are only counted here, until nothing of it was heard for ``FINISHED_SECONDS`` or
``REFRESH_SECONDS`` are over. What is remembered is bounded; the least recently used is forgotten.

Source of rules and figures: client-go ``tools/events/event_broadcaster.go``.
"""

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Callable, Iterator
from typing import NamedTuple

from kube_lite.api.errors import ApiError, NotFound
from kube_lite.api.identity import GroupVersionResource, Json
from kube_lite.api.times import format_micro_time
from kube_lite.kit.clock import Clock

from .protocol import Client, PatchType
from .recorder import NAME_MAX, QUEUE_EVENTS, RETRY_SECONDS, TRIES

log = logging.getLogger(__name__)

EVENTS = GroupVersionResource("events.k8s.io", "v1", "events")
FINISHED_SECONDS = 360.0
REFRESH_SECONDS = 1800.0
REMEMBERED = 4096
NOTE_LETTERS, CUT = 1024, " ..."

Key = tuple[str, ...]


class _Known(NamedTuple):
    """An Event that was told, and how often since; ``last`` and ``written`` are times of the clock."""

    event: Json
    times: int
    last: float
    written: float


class _Write(NamedTuple):
    """What is to be written: a new Event, or what has become of its series."""

    event: Json
    series: Json | None = None


class _Outbox:
    """What waits to be written and what was; shared by the recorders of several components."""

    def __init__(self, client: Client, clock: Clock, host: str) -> None:
        self.client = client
        self.clock = clock
        self.host = host
        self.queue: asyncio.Queue[_Write] = asyncio.Queue(QUEUE_EVENTS)
        self.known: OrderedDict[Key, _Known] = OrderedDict()
        self._last_stamp = 0

    def stamp(self) -> int:
        """Nanoseconds since the epoch, never the same twice: names are made from it."""
        self._last_stamp = max(self._last_stamp + 1, int(self.clock.now() * 1e9))
        return self._last_stamp

    def tell(self, event: Json) -> None:
        """Write the Event, make it a series, or count it."""
        key, now = _key_of(event), self.clock.now()
        known = self.known.get(key)
        if known is None:
            self.known[key] = _Known(event, 1, now, now)
            if len(self.known) > REMEMBERED:
                self.known.popitem(last=False)
            self._put(_Write(event))
            return
        is_second = known.times == 1
        self.known[key] = known._replace(
            times=known.times + 1, last=now, written=now if is_second else known.written
        )
        self.known.move_to_end(key)
        if is_second:
            self._put(_Write(known.event, _series(2, now)))

    def finish(self) -> None:
        """Write the end of what has not been heard of for long, and the state of what goes on."""
        now = self.clock.now()
        for key, known in list(self.known.items()):
            if now - known.last >= FINISHED_SECONDS:
                del self.known[key]
                if known.times > 1:
                    self._put(_Write(known.event, _series(known.times, known.last)))
            elif known.times > 1 and now - known.written >= REFRESH_SECONDS:
                self.known[key] = known._replace(written=now)
                self._put(_Write(known.event, _series(known.times, known.last)))

    def _put(self, write: _Write) -> None:
        try:
            self.queue.put_nowait(write)
        except asyncio.QueueFull:
            log.debug("too many events at once; one is lost", extra={"reason": write.event["reason"]})

    async def write(self, write: _Write) -> None:
        """Bring one to the API, or give it up."""
        for _ in range(TRIES):
            try:
                await self._perform(write)
                return
            except ApiError as error:
                if error.code < 500 and error.code != 429:
                    log.debug("event refused", extra={"why": error.message})
                    return
            await self.clock.sleep(RETRY_SECONDS)
        log.warning("event given up", extra={"reason": write.event["reason"]})

    async def _perform(self, write: _Write) -> None:
        metadata = write.event["metadata"]
        if write.series is not None:
            try:
                await self.client.patch(
                    EVENTS, metadata["name"], {"series": write.series}, namespace=metadata["namespace"],
                    patch_type=PatchType.STRATEGIC,
                )  # fmt: skip
                return
            except NotFound:
                log.debug("event expired meanwhile", extra={"event": metadata["name"]})
        await self.client.create(EVENTS, write.event, namespace=metadata["namespace"])


class SeriesRecorder:
    """Service that writes Events on behalf of a component.

    Args:
        component: who reports, such as ``"default-scheduler"``; shown by ``kubectl describe`` as *From*.
        host: where it runs; its instance is called after both.
    """

    name = "series recorder"

    def __init__(
        self, client: Client, clock: Clock, component: str, host: str, *, outbox: _Outbox | None = None
    ) -> None:
        self._outbox = outbox or _Outbox(client, clock, host)
        self._component = component

    def of(self, component: str) -> "SeriesRecorder":
        """A recorder for another component whose Events this one writes; only this one has to run."""
        outbox = self._outbox
        return SeriesRecorder(outbox.client, outbox.clock, component, outbox.host, outbox=outbox)

    def event(
        self,
        regarding: Json,
        type: str,
        reason: str,
        message: str,
        *,
        action: str,
        related: Json | None = None,
    ) -> None:
        """Report something about an object; never waits.

        Args:
            regarding: an object with kind, apiVersion and metadata.
            type: ``"Normal"`` or ``"Warning"``.
            reason: one word for machines, ``"FailedScheduling"``.
            message: a sentence for people; at most 1 KiB of it is kept.
            action: what was done or tried, ``"Binding"``.
            related: another object that has to do with it, of the same form.
        """
        metadata, outbox = regarding["metadata"], self._outbox
        if len(message) > NOTE_LETTERS:
            message = message[: NOTE_LETTERS - len(CUT)] + CUT
        event: Json = {
            "apiVersion": EVENTS.api_version,
            "kind": "Event",
            "metadata": {
                "name": f"{metadata['name'][:NAME_MAX]}.{outbox.stamp():x}",
                "namespace": metadata.get("namespace") or "default",
            },
            "eventTime": format_micro_time(outbox.clock.now()),
            "reportingController": self._component,
            "reportingInstance": f"{self._component}-{outbox.host}",
            "action": action,
            "reason": reason,
            "regarding": _reference(regarding),
            "note": message,
            "type": type,
        }
        if related is not None:
            event["related"] = _reference(related)
        outbox.tell(event)

    async def run(self, ready: Callable[[], None]) -> None:
        """Write until cancelled."""
        ready()
        async with asyncio.TaskGroup() as group:
            group.create_task(self._finish(), name="end of series")
            while True:
                await self._outbox.write(await self._outbox.queue.get())

    async def _finish(self) -> None:
        while True:
            await self._outbox.clock.sleep(FINISHED_SECONDS)
            self._outbox.finish()


def _series(count: int, last: float) -> Json:
    return {"count": count, "lastObservedTime": format_micro_time(last)}


def _reference(obj: Json) -> Json:
    metadata = obj["metadata"]
    reference = {
        "kind": obj.get("kind", ""),
        "namespace": metadata.get("namespace", ""),
        "name": metadata["name"],
        "uid": metadata.get("uid", ""),
        "apiVersion": obj.get("apiVersion", ""),
        "resourceVersion": metadata.get("resourceVersion", ""),
    }
    return {field: value for field, value in reference.items() if value}


def _key_of(event: Json) -> Key:
    def parts(reference: Json) -> Iterator[str]:
        return (f"{field}={value}" for field, value in reference.items())

    about = (event[field] for field in ("type", "action", "reason", "reportingController"))
    return (*about, *parts(event["regarding"]), "", *parts(event.get("related") or {}))
