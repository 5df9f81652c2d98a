import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from kube_lite.api.errors import Conflict, Forbidden, ServiceUnavailable
from kube_lite.api.identity import ObjectKey
from kube_lite.client.controller import Reconciler, RequeueAfter
from kube_lite.controllers.expectations import EXPIRES, Expectations
from kube_lite.kit.clock import ManualClock

KEY = ObjectKey("default", "web")


class Scripted(Reconciler[str]):
    """Does what its script says next: raise or return; nothing once the script is at its end."""

    def __init__(self, clock: ManualClock, *script: Exception | RequeueAfter | None) -> None:
        super().__init__("scripted", clock, workers=2)
        self.script = list(script)
        self.calls: list[float] = []

    async def reconcile(self, key: str) -> RequeueAfter | None:
        self.calls.append(self.clock.monotonic())
        outcome = self.script.pop(0) if self.script else None
        if isinstance(outcome, Exception):
            raise outcome
        return outcome


@asynccontextmanager
async def at_work(it: Scripted) -> AsyncIterator[None]:
    async with it.queue, asyncio.TaskGroup() as group:
        task = group.create_task(it.work())
        await settled()
        yield
        task.cancel()


async def settled() -> None:
    """Let everybody run who can, without moving the clock."""
    for _ in range(10):
        await asyncio.sleep(0)


async def test_a_key_rests_until_something_happens() -> None:
    clock = ManualClock()
    it = Scripted(clock)
    async with at_work(it):
        it.queue.add("a")
        await settled()
        await clock.advance(1000)
        assert it.calls == [0.0]


async def test_a_key_that_asks_for_it_comes_back_by_itself() -> None:
    clock = ManualClock()
    it = Scripted(clock, RequeueAfter(30))
    async with at_work(it):
        it.queue.add("a")
        await settled()
        await clock.advance(1000)
        assert it.calls == [0.0, 30.0]


@pytest.mark.parametrize("error", [Conflict("stale"), ServiceUnavailable("away"), KeyError("bug")])
async def test_a_key_that_fails_comes_back_after_growing_delays(
    error: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    clock = ManualClock()
    it = Scripted(clock, error, error, error)
    with caplog.at_level(logging.ERROR):
        async with at_work(it):
            it.queue.add("a")
            await settled()
            await clock.advance(1)
    waits = [round(after - before, 3) for before, after in zip(it.calls, it.calls[1:], strict=False)]
    assert waits == [0.005, 0.01, 0.02]
    is_bug = isinstance(error, KeyError)
    assert [record.exc_info is not None for record in caplog.records] == [True] * 3 * is_bug


async def test_a_creation_in_a_namespace_that_ends_is_not_tried_again() -> None:
    clock = ManualClock()
    ending = Forbidden("being terminated", details={"causes": [{"reason": "NamespaceTerminating"}]})
    it = Scripted(clock, ending)
    async with at_work(it):
        it.queue.add("a")
        await settled()
        await clock.advance(1000)
        assert it.calls == [0.0]
        assert it.queue.idle


async def test_what_was_done_but_not_seen_is_waited_for() -> None:
    expectations = Expectations(ManualClock())
    assert expectations.are_met(KEY)
    expectations.expect_creations(KEY, 2)
    expectations.creation_seen(KEY)
    assert not expectations.are_met(KEY)
    expectations.creation_seen(KEY)
    assert expectations.are_met(KEY)


async def test_a_deletion_counts_once_however_often_it_is_seen() -> None:
    expectations = Expectations(ManualClock())
    expectations.expect_deletions(KEY, ["a", "b"])
    expectations.deletion_seen(KEY, "a")
    expectations.deletion_seen(KEY, "a")
    assert not expectations.are_met(KEY)
    expectations.deletion_seen(KEY, "b")
    assert expectations.are_met(KEY)


async def test_an_expectation_that_is_never_met_does_not_hold_for_ever() -> None:
    clock = ManualClock()
    expectations = Expectations(clock)
    expectations.expect_creations(KEY, 1)
    await clock.advance(EXPIRES - 1)
    assert not expectations.are_met(KEY)
    await clock.advance(2)
    assert expectations.are_met(KEY)
