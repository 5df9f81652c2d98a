import asyncio
from typing import Any, cast

from kube_lite.api.errors import ApiError, Forbidden, NotFound, ServiceUnavailable
from kube_lite.api.identity import GroupVersionResource, Json
from kube_lite.client.protocol import Client
from kube_lite.client.recorder import QUEUE_EVENTS, Recorder
from kube_lite.kit.clock import ManualClock
from kube_lite.kit.service import running

POD = {
    "apiVersion": "v1",
    "kind": "Pod",
    "metadata": {"name": "web", "namespace": "shop", "uid": "u-1", "resourceVersion": "7"},
}
NODE = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": "n1", "uid": "n1"}}


class EventClient:
    """Keeps the Events that are written; fails with what is in ``failures`` first."""

    def __init__(self) -> None:
        self.events: dict[str, Json] = {}
        self.failures: list[ApiError] = []
        self.writes = 0

    async def create(self, resource: GroupVersionResource, obj: Json, **_: Any) -> Json:
        self.writes += 1
        if self.failures:
            raise self.failures.pop(0)
        self.events[obj["metadata"]["name"]] = dict(obj)
        return obj

    async def patch(self, resource: GroupVersionResource, name: str, patch: Json, **_: Any) -> Json:
        self.writes += 1
        if name not in self.events:
            raise NotFound(f'events "{name}" not found')
        self.events[name].update(patch)
        return self.events[name]


class Recording:
    def __init__(self) -> None:
        self.client = EventClient()
        self.clock = ManualClock()
        self.recorder = Recorder(
            cast(Client, self.client), self.clock, "kubelet", "n1"
        )  # only writes are used

    async def settle(self, seconds: float = 0) -> list[Json]:
        async with running(self.recorder):
            await self.clock.advance(seconds)
            async with asyncio.timeout(5):
                while self.recorder._outbox.queue.qsize():
                    await asyncio.sleep(0)
            await self.clock.advance(seconds)
        return list(self.client.events.values())


async def test_an_event_says_who_reports_what_about_which_object() -> None:
    it = Recording()
    it.recorder.event(POD, "Normal", "Started", "Started container web", field_path="spec.containers{web}")
    [event] = await it.settle()
    assert event["involvedObject"] == {
        "kind": "Pod",
        "namespace": "shop",
        "name": "web",
        "uid": "u-1",
        "apiVersion": "v1",
        "resourceVersion": "7",
        "fieldPath": "spec.containers{web}",
    }
    assert event["source"] == {"component": "kubelet", "host": "n1"}
    assert event["metadata"]["name"].startswith("web.")
    int(event["metadata"]["name"].removeprefix("web."), 16)
    assert (event["type"], event["reason"], event["count"]) == ("Normal", "Started", 1)


async def test_events_about_cluster_scoped_objects_go_to_the_default_namespace() -> None:
    it = Recording()
    it.recorder.event(NODE, "Normal", "NodeReady", "Node is ready")
    [event] = await it.settle()
    assert event["metadata"]["namespace"] == "default"
    assert "namespace" not in event["involvedObject"]


async def test_the_same_again_counts_up_one_event_and_moves_its_last_time() -> None:
    it = Recording()
    for _ in range(3):
        it.recorder.event(POD, "Warning", "BackOff", "Back-off restarting")
        [event] = await it.settle(60)
    assert event["count"] == 3
    assert event["firstTimestamp"] < event["lastTimestamp"]


async def test_many_events_that_differ_only_in_their_message_are_combined() -> None:
    it = Recording()
    for number in range(14):
        it.recorder.event(POD, "Normal", "SuccessfulCreate", f"Created pod: web-{number}")
    events = await it.settle()
    assert len(events) == 10
    assert events[-1]["message"] == "(combined from similar events): Created pod: web-13"
    assert events[-1]["count"] == 5


async def test_somebody_who_writes_too_much_about_one_object_is_slowed_down() -> None:
    it = Recording()
    for number in range(60):
        it.recorder.event(POD, "Warning", f"Reason{number}", "…")
    assert len(await it.settle()) == 25
    it.recorder.event(NODE, "Normal", "NodeReady", "others are not affected")
    assert len(await it.settle()) == 26
    await it.clock.advance(300)
    for number in range(60, 70):
        it.recorder.event(POD, "Warning", f"Reason{number}", "…")
    assert len(await it.settle()) == 27


async def test_an_event_that_has_expired_is_written_anew_with_its_count() -> None:
    it = Recording()
    it.recorder.event(POD, "Warning", "BackOff", "Back-off restarting")
    await it.settle()
    it.client.events.clear()
    it.recorder.event(POD, "Warning", "BackOff", "Back-off restarting")
    [event] = await it.settle()
    assert event["count"] == 2


async def test_a_server_that_is_away_is_tried_again_and_a_refusal_is_not() -> None:
    it = Recording()
    it.client.failures = [ServiceUnavailable("away"), ServiceUnavailable("away")]
    it.recorder.event(POD, "Normal", "A", "…")
    assert len(await it.settle(30)) == 1
    it.client.failures = [Forbidden("namespace is being terminated")]
    it.recorder.event(POD, "Normal", "B", "…")
    assert len(await it.settle(30)) == 1


async def test_recording_never_waits_even_when_nobody_writes() -> None:
    it = Recording()
    for number in range(QUEUE_EVENTS + 10):
        it.recorder.event(POD, "Normal", f"Reason{number}", "…")
    assert it.recorder._outbox.queue.qsize() == QUEUE_EVENTS


async def test_several_components_share_one_writer() -> None:
    it = Recording()
    it.recorder.of("default-scheduler").event(POD, "Normal", "Scheduled", "Assigned")
    [event] = await it.settle()
    assert event["source"]["component"] == "default-scheduler"
