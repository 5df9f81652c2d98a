"""Watches over HTTP."""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from aiohttp import ClientResponse, ClientSession

from kube_lite.api.identity import GroupVersionResource
from kube_lite.http.negotiate import PLAIN
from kube_lite.http.watch import Framer
from kube_lite.kinds import builtin
from kube_lite.registry.stored import Stored
from kube_lite.verbs.request import Change

from .site import Site, config_map, site_in

CONFIG_MAPS = GroupVersionResource("", "v1", "configmaps")
PATH = "/api/v1/namespaces/default/configmaps"
RUNNING = (
    'apiserver_longrunning_requests{verb="WATCH",group="",version="v1",resource="configmaps",subresource="",'
    'scope="namespace",component="apiserver"} 1'
)
TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io"
ROW = next(row for row in builtin("1.36") if row.plural == "configmaps")


async def events(response: ClientResponse) -> AsyncIterator[dict[str, Any]]:
    async for line in response.content:
        yield json.loads(line)


async def watch(http: ClientSession, **query: str) -> ClientResponse:
    return await http.get(PATH, params={"watch": "true", **query})


async def test_changes_are_told_in_order_one_a_line(site: Site) -> None:
    http = await site.session()
    response = await watch(http, timeoutSeconds="30")
    made = await site.client.create(CONFIG_MAPS, config_map("a"), namespace="default")
    await site.client.update(CONFIG_MAPS, {**made, "data": {"k": "v"}}, namespace="default")
    await site.client.delete(CONFIG_MAPS, "a", namespace="default")
    stream = events(response)
    seen = [await anext(stream) for _ in range(3)]
    assert [event["type"] for event in seen] == ["ADDED", "MODIFIED", "DELETED"]
    assert all(event["object"]["kind"] == "ConfigMap" for event in seen)
    versions = [int(event["object"]["metadata"]["resourceVersion"]) for event in seen]
    assert versions == sorted(set(versions))
    response.close()


async def test_events_are_counted_with_their_size(site: Site) -> None:
    http = await site.session()
    await site.client.create(CONFIG_MAPS, config_map("a", k="x" * 2000), namespace="default")
    response = await watch(http, timeoutSeconds="1")
    size = len(await response.read())
    async with http.get("/metrics") as metrics:
        text = await metrics.text()
    what = 'group="",version="v1",resource="configmaps"'
    assert f"apiserver_watch_events_total{{{what}}} 1\n" in text
    assert f"apiserver_watch_events_sizes_sum{{{what}}} {size}\n" in text
    assert f'apiserver_watch_events_sizes_bucket{{{what},le="2048"}} 0\n' in text


async def test_a_watch_ends_when_its_time_is_up(site: Site) -> None:
    http = await site.session()
    response = await watch(http, timeoutSeconds="1")
    assert (response.status, response.headers["Content-Type"]) == (200, "application/json")
    async with asyncio.timeout(5):
        assert [event async for event in events(response)] == []


async def test_headers_come_before_anything_has_happened(site: Site) -> None:
    http = await site.session()
    async with asyncio.timeout(5):
        response = await watch(http, timeoutSeconds="300")
    assert response.status == 200
    response.close()


async def test_a_table_carries_its_columns_once(site: Site) -> None:
    http = await site.session(headers={"Accept": TABLE})
    for name in "ab":
        await site.client.create(CONFIG_MAPS, config_map(name), namespace="default")
    response = await watch(http, timeoutSeconds="1")
    tables = [event["object"] async for event in events(response)]
    assert [table["rows"][0]["cells"][0] for table in tables] == ["a", "b"]
    assert tables[0]["columnDefinitions"][0]["name"] == "Name"
    assert tables[1]["columnDefinitions"] is None


async def test_a_watch_from_a_forgotten_revision_is_told_410_in_the_stream(site: Site) -> None:
    for name in "abc":
        await site.client.create(CONFIG_MAPS, config_map(name), namespace="default")
    await site.store.compact(site.store.revision)
    http = await site.session()
    response = await watch(http, resourceVersion="1", timeoutSeconds="5")
    (event,) = [event async for event in events(response)]
    assert response.status == 200
    assert event["type"] == "ERROR"
    assert (event["object"]["code"], event["object"]["reason"]) == (410, "Expired")
    assert event["object"]["message"].startswith("too old resource version: 1 (")


async def test_a_watch_that_makes_no_sense_is_an_ordinary_error(site: Site) -> None:
    http = await site.session()
    response = await watch(http, resourceVersionMatch="NotOlderThan")
    assert (response.status, (await response.json())["reason"]) == (422, "Invalid")


async def test_yaml_cannot_be_watched(site: Site) -> None:
    http = await site.session(headers={"Accept": "application/yaml"})
    response = await watch(http)
    assert response.status == 406


async def test_a_websocket_gets_the_same_events_as_messages(site: Site) -> None:
    http = await site.session()
    async with http.ws_connect(f"{PATH}?watch=true") as socket:
        await site.client.create(CONFIG_MAPS, config_map("a"), namespace="default")
        event = json.loads(await socket.receive_str(timeout=5))
    assert (event["type"], event["object"]["metadata"]["name"]) == ("ADDED", "a")


async def test_a_watch_ends_when_its_client_goes(site: Site) -> None:
    http = await site.session()
    response = await watch(http, timeoutSeconds="300")
    assert RUNNING in site.server._metrics.text()
    response.close()
    async with asyncio.timeout(5):
        while RUNNING in site.server._metrics.text():
            await asyncio.sleep(0.005)


async def test_stopping_the_server_ends_watches_in_good_order(tmp_path: Path) -> None:
    async with site_in(tmp_path) as site:
        http = await site.session()
        response = await watch(http, timeoutSeconds="300")
        site.stack.pop_all()
    assert await response.content.read() == b""  # an end, not a broken connection
    await http.close()


def test_an_event_is_encoded_once_for_all_who_want_the_same() -> None:
    change = Change("ADDED", Stored(b'{"kind":"ConfigMap","metadata":{"name":"a"}}', 7))
    framers = [Framer(ROW, PLAIN, {}, lambda: 0.0) for _ in range(2)]
    first, second = (framer.frame(change) for framer in framers)
    assert first is second
    assert first == b'{"type":"ADDED","object":{"kind":"ConfigMap","metadata":{"name":"a"}}}\n'


async def test_initial_events_of_a_version_to_come_are_refused_in_the_stream(site: Site) -> None:
    http = await site.session()
    wish = {"sendInitialEvents": "true", "resourceVersionMatch": "NotOlderThan"}
    async with await watch(http, resourceVersion="999999999", **wish) as response:
        event = await anext(events(response))
        assert (response.status, event["type"], event["object"]["reason"]) == (200, "ERROR", "Timeout")


async def test_a_watch_as_tables_with_something_else_in_them_does_not_begin(site: Site) -> None:
    http = await site.session()
    url = f"{PATH}?watch=true&timeoutSeconds=1&includeObject=Foo"
    async with http.get(url, headers={"Accept": TABLE}) as response:
        assert (response.status, (await response.json())["reason"]) == (400, "BadRequest")
