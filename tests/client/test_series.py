"""Events of events.k8s.io: the first is written, the second makes a series, the rest is counted."""

import asyncio
from typing import cast

from kube_lite.api.identity import Json
from kube_lite.client.protocol import Client
from kube_lite.client.series import FINISHED_SECONDS, NOTE_LETTERS, SeriesRecorder
from kube_lite.kit.clock import ManualClock
from kube_lite.kit.service import running

from .test_recorder import POD, EventClient


async def settle(clock: ManualClock, client: EventClient, seconds: float = 0.0) -> list[Json]:
    for moment in (0.0, seconds):
        await clock.advance(moment)
        for _ in range(5):
            await asyncio.sleep(0)
    return list(client.events.values())


async def test_the_same_again_becomes_a_series_that_is_written_when_it_ends() -> None:
    clock, client = ManualClock(), EventClient()
    recorder = SeriesRecorder(cast(Client, client), clock, "default-scheduler", "box")
    async with running(recorder):
        recorder.event(POD, "Warning", "FailedScheduling", "no room", action="Scheduling")
        [event] = await settle(clock, client)
        assert "series" not in event
        assert event["reportingInstance"] == "default-scheduler-box"
        assert event["regarding"]["resourceVersion"] == "7"

        for _ in range(3):
            recorder.event(POD, "Warning", "FailedScheduling", "still none", action="Scheduling")
        [event] = await settle(clock, client)
        assert (event["series"]["count"], event["note"]) == (2, "no room")

        [event] = await settle(clock, client, FINISHED_SECONDS + 1)
        assert event["series"]["count"] == 4


async def test_another_version_of_the_object_begins_anew_and_long_notes_are_cut() -> None:
    clock, client = ManualClock(), EventClient()
    recorder = SeriesRecorder(cast(Client, client), clock, "default-scheduler", "box")
    async with running(recorder):
        for version in ("7", "8"):
            pod = {**POD, "metadata": {**cast(Json, POD["metadata"]), "resourceVersion": version}}
            recorder.event(pod, "Warning", "FailedScheduling", "x" * 2000, action="Scheduling")
        events = await settle(clock, client)
    assert [len(event["note"]) for event in events] == [NOTE_LETTERS] * 2
    assert events[0]["note"].endswith("x ...")
