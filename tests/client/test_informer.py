import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import cast

import pytest

from kube_lite.api.errors import ApiError, Expired, ServiceUnavailable
from kube_lite.api.identity import Json, ObjectKey
from kube_lite.client.informer import DECODED_OBJECTS, DECODED_SECONDS, Informer
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
        assert told[3:] == ["DELETED new", "ADDED new", "ADDED late", "DELETED gone"]
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


async def test_one_name_cannot_stand_for_two_indexes() -> None:
    def values(obj: Json) -> list[str]:
        return [obj["data"]["value"]]

    async with following(ScriptedClient([ObjectList([], "1")], [])) as it:
        it.informer.add_index("value", values)
        it.informer.add_index("value", values)
        with pytest.raises(ValueError, match="configmaps have another index that is called 'value'"):
            it.informer.add_index("value", lambda obj: [])


async def test_objects_of_which_there_are_many_are_kept_encoded_until_somebody_looks() -> None:
    count = 3 * DECODED_OBJECTS
    objects = [config_map(f"m{number}", number + 1, value=str(number % 2)) for number in range(count)]
    changed = config_map("m0", count + 2, value="1")
    client = ScriptedClient([ObjectList(objects, str(count))], [[event(MODIFIED, changed)]])
    async with following(client) as it:
        it.informer.add_index("value", value_of)
        await it.until(count + 1)
        assert it.informer.get(ObjectKey("default", "m5")) is objects[5], "what is new is not copied"
        await it.clock.advance(3 * DECODED_SECONDS)
        seen = it.informer.get(ObjectKey("default", "m5"))
        assert seen == objects[5]
        assert seen is not objects[5]
        assert it.informer.get(ObjectKey("default", "m5")) is seen, "it stays decoded for a while"
        assert it.informer.list() == [changed, *objects[1:]]
        await it.clock.advance(3 * DECODED_SECONDS)
        assert it.informer.by_index("value", "0") == objects[2::2]
        assert it.informer.list("default") == [changed, *objects[1:]]


async def test_a_long_list_is_taken_page_by_page() -> None:
    first = [config_map(f"a{number}", number + 1) for number in range(2 * DECODED_OBJECTS)]
    rest = [config_map("b", 900)]
    pages = [ObjectList(first, "1000", "more"), ObjectList(rest, "1000")]
    async with following(ScriptedClient(pages, [])) as it:
        await it.until(len(first) + 1)
        assert it.informer.has_synced
        assert it.informer.list() == first + rest
        oldest = ObjectKey("default", first[0]["metadata"]["name"])
        assert it.informer.get(oldest) is not first[0], "what was there long ago is encoded at once"


async def test_a_list_that_breaks_off_begins_anew_and_nothing_is_told_twice() -> None:
    pages: list[ObjectList | ApiError] = [
        ObjectList([config_map("a", 1), config_map("gone", 2)], "5", "more"),
        Expired("The provided continue parameter is too old"),
        ObjectList([config_map("a", 1)], "9", "more"),
        ObjectList([config_map("b", 7)], "9"),
    ]
    client = ScriptedClient(pages, [])
    async with following(client) as it:
        assert await it.until(4) == ["ADDED a", "ADDED gone", "ADDED b", "DELETED gone"]
        assert client.asked[-1] == "watch 9"


async def test_objects_that_somebody_looks_at_again_and_again_stay_decoded() -> None:
    objects = [config_map(f"m{number}", number + 1) for number in range(2 * DECODED_OBJECTS)]
    async with following(ScriptedClient([ObjectList(objects, "900")], [])) as it:
        await it.until(len(objects))
        for _ in range(10):
            assert it.informer.get(ObjectKey("default", "m5")) is objects[5]
            await it.clock.advance(DECODED_SECONDS / 2)
        assert it.informer.get(ObjectKey("default", "m6")) is not objects[6]


async def test_what_changes_is_told_with_what_it_was_though_that_was_encoded() -> None:
    count = 2 * DECODED_OBJECTS
    objects = [config_map(f"m{number}", number + 1, value="old") for number in range(count)]
    later = [config_map("m0", count + 1, value="new"), *objects[2:]]
    goes_on = asyncio.Event()
    client = ScriptedClient(
        [ObjectList(objects, str(count)), ObjectList(later, str(count + 1))],
        [[goes_on, Expired("too old resource version")]],
    )
    async with following(client) as it:
        it.informer.add_index("value", value_of)
        await it.until(count)
        await it.clock.advance(3 * DECODED_SECONDS)
        goes_on.set()
        told = await it.until(count + 2)
        assert told[count:] == [f"MODIFIED m0 1→{count + 1}", "DELETED m1"]
        assert it.informer.by_index("value", "new") == later[:1]
        assert it.informer.by_index("value", "old") == objects[2:]


def value_of(obj: Json) -> list[str]:
    return [obj["data"]["value"]]
