import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import cast

from kube_lite.api.errors import ApiError, Expired, ServiceUnavailable
from kube_lite.api.identity import Json, ObjectKey
from kube_lite.client.informer import Informer
from kube_lite.client.informers import Informers
from kube_lite.client.protocol import Client, EventType, ObjectList
from kube_lite.kit.clock import ManualClock
from kube_lite.kit.service import running

from .scripted import CONFIG_MAPS, ScriptedClient, config_map, event

ADDED, MODIFIED, DELETED, BOOKMARK = EventType


class Following:
    """An informer on a scripted server, and what its handler was told: ``ADDED a``, ``MODIFIED a 1→2``."""

    def __init__(self, client: ScriptedClient) -> None:
        self.client = client
        self.clock = ManualClock()
        self.informers = Informers(cast(Client, client), self.clock)  # only lists and watches are used
        self.informer = self.informers.informer(CONFIG_MAPS)
        self.told: list[str] = []
        self.informer.add_handler(self.tell)

    def tell(self, kind: EventType, old: Json | None, new: Json | None) -> None:
        name = (new or old or {})["metadata"]["name"]
        text = f"{kind} {name}"
        if old is not None and new is not None:
            text += f" {old['metadata']['resourceVersion']}→{new['metadata']['resourceVersion']}"
        self.told.append(text)

    async def until(self, told: int) -> list[str]:
        async with asyncio.timeout(5):
            while len(self.told) < told:
                await self.clock.advance(1)
        return self.told


@asynccontextmanager
async def following(client: ScriptedClient) -> AsyncIterator[Following]:
    it = Following(client)
    async with running(it.informers):
        await it.clock.advance(0)
        yield it


async def test_a_list_and_what_the_watch_tells_make_the_copy() -> None:
    a1, a2, b3 = config_map("a", 1), config_map("a", 2), config_map("b", 3)
    client = ScriptedClient(
        [ObjectList([a1], "1")],
        [[event(MODIFIED, a2), event(ADDED, b3), event(DELETED, config_map("a", 4))]],
    )
    async with following(client) as it:
        assert await it.until(4) == ["ADDED a", "MODIFIED a 1→2", "ADDED b", "DELETED a"]
        assert it.informer.list() == [b3]
        assert it.informer.get(ObjectKey("default", "b")) is b3, "objects are shared, not copied"
        assert client.asked == ["list", "watch 1"]


async def test_a_watch_that_ends_is_resumed_after_the_last_revision_seen() -> None:
    bookmark = {"metadata": {"resourceVersion": "9"}}
    client = ScriptedClient(
        [ObjectList([], "1")],
        [
            [event(ADDED, config_map("a", 5)), event(BOOKMARK, bookmark), None],
            [event(ADDED, config_map("b", 10))],
        ],
    )
    async with following(client) as it:
        assert await it.until(2) == ["ADDED a", "ADDED b"]
        assert client.asked == ["list", "watch 1", "watch 9"]


async def test_an_expired_watch_leads_to_a_list_whose_differences_are_told() -> None:
    client = ScriptedClient(
        [
            ObjectList([config_map("same", 1), config_map("gone", 2), config_map("new", 3, uid="x")], "3"),
            ObjectList(
                [config_map("same", 1), config_map("new", 7, uid="y"), config_map("late", 8)],
                "8",
            ),
        ],
        [[Expired("too old resource version")]],
    )
    async with following(client) as it:
        told = await it.until(7)
        assert told[3:] == ["DELETED gone", "DELETED new", "ADDED new", "ADDED late"]
        assert client.asked == ["list", "watch 3", "list", "watch 8"]


async def test_failures_are_tried_again_after_growing_delays() -> None:
    down: list[ObjectList | ApiError] = [ServiceUnavailable("not yet")] * 4
    client = ScriptedClient([*down, ObjectList([config_map("a", 1)], "1")], [])
    async with following(client) as it:
        assert not it.informer.has_synced
        await it.until(1)
        assert it.informer.has_synced
        assert it.clock.monotonic() >= 0.2 + 0.4 + 0.8 + 1.6


async def test_an_index_follows_changes_and_removals() -> None:
    client = ScriptedClient(
        [ObjectList([config_map("a", 1, value="red"), config_map("b", 2, value="red")], "2")],
        [
            [
                event(MODIFIED, config_map("a", 3, value="blue")),
                event(DELETED, config_map("b", 4, value="red")),
            ]
        ],
    )
    async with following(client) as it:
        it.informer.add_index("value", lambda obj: [obj["data"]["value"]])
        await it.until(4)
        assert [obj["metadata"]["name"] for obj in it.informer.by_index("value", "blue")] == ["a"]
        assert it.informer.by_index("value", "red") == []


async def test_a_late_handler_hears_of_what_is_already_there() -> None:
    async with following(ScriptedClient([ObjectList([config_map("a", 1)], "1")], [])) as it:
        await it.until(1)
        it.informer.add_handler(it.tell)
        assert it.told == ["ADDED a", "ADDED a"]


async def test_the_same_selection_is_one_informer_and_a_late_one_starts_at_once() -> None:
    client = ScriptedClient([ObjectList([], "1"), ObjectList([config_map("a", 2)], "2")], [])
    async with following(client) as it:
        assert it.informers.informer(CONFIG_MAPS) is it.informer
        late: Informer = it.informers.informer(CONFIG_MAPS, namespace="default")
        async with asyncio.timeout(5):
            await late.synced()
        assert len(late) == 1
