"""Lists of several megabytes: read while they are sent, of one revision, and of bounded cost."""

import asyncio
import gzip
from typing import Any

import pytest
from aiohttp import ClientPayloadError, ClientSession
from kube_lite_storage import Joined, Range

from kube_lite.api.identity import GroupVersionResource

from .site import Site, config_map

CONFIG_MAPS = GroupVersionResource("", "v1", "configmaps")
PATH = "/api/v1/namespaces/default/configmaps"
NUMBER, SIZE = 200, 120_000


@pytest.fixture
async def http(site: Site) -> ClientSession:
    """A session with a server that has 24 MB of ConfigMaps."""
    async with asyncio.TaskGroup() as group:
        for number in range(NUMBER):
            obj = config_map(f"c{number:03}", k=str(number % 10) * SIZE)
            group.create_task(site.client.create(CONFIG_MAPS, obj, namespace="default"))
    return await site.session()


async def test_a_big_list_has_every_object_as_it_is(http: ClientSession) -> None:
    async with http.get(PATH, headers={"Accept-Encoding": "identity"}) as response:
        assert response.headers["Transfer-Encoding"] == "chunked"
        assert response.content_type == "application/json"
        listed = await response.json()
    async with http.get(f"{PATH}?limit=500") as response:
        again = await response.json()
    assert listed == again
    assert listed["kind"] == "ConfigMapList"
    assert [item["metadata"]["name"] for item in listed["items"]] == [f"c{n:03}" for n in range(NUMBER)]
    for item in (listed["items"][0], listed["items"][-1]):
        async with http.get(f"{PATH}/{item['metadata']['name']}") as response:
            assert {"kind": "ConfigMap", "apiVersion": "v1", **item} == await response.json()


async def test_a_big_list_is_compressed_while_it_is_sent(http: ClientSession) -> None:
    async with http.get(PATH, headers={"Accept-Encoding": "gzip"}, auto_decompress=False) as response:
        assert response.headers["Content-Encoding"] == "gzip"
        packed = await response.read()
    async with http.get(PATH, headers={"Accept-Encoding": "identity"}) as response:
        plain = await response.read()
    assert gzip.decompress(packed) == plain


async def test_what_is_written_while_a_list_is_sent_is_not_in_it(site: Site, http: ClientSession) -> None:
    async with http.get(PATH, headers={"Accept-Encoding": "identity"}) as response:
        await site.client.delete(CONFIG_MAPS, f"c{NUMBER - 1:03}", namespace="default")
        await site.client.create(CONFIG_MAPS, config_map("d", k="new"), namespace="default")
        listed = await response.json()
    assert [item["metadata"]["name"] for item in listed["items"]] == [f"c{n:03}" for n in range(NUMBER)]


async def test_a_list_whose_revision_is_forgotten_meanwhile_ends_early(
    site: Site, http: ClientSession
) -> None:
    async with http.get(PATH, headers={"Accept-Encoding": "identity"}) as response:
        await site.client.create(CONFIG_MAPS, config_map("c0000", k="new"), namespace="default")
        await site.store.compact(site.store.revision)
        with pytest.raises(ClientPayloadError):
            await response.read()
    async with http.get(f"{PATH}?limit=1") as response:
        assert response.status == 200


async def test_no_more_is_read_for_a_client_that_has_gone(
    site: Site, http: ClientSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    blocks = 0
    join = site.store.join

    def counted(wanted: Range, **settings: Any) -> Joined:
        nonlocal blocks
        blocks += 1
        return join(wanted, **settings)

    monkeypatch.setattr(site.store, "join", counted)
    async with http.get(PATH, headers={"Accept-Encoding": "identity"}) as response:
        await response.content.readany()
        response.close()
    listener = site.server._listener
    assert listener is not None
    async with asyncio.timeout(10):
        while listener._connections.all():
            await asyncio.sleep(0.01)
    assert 1 <= blocks < NUMBER * SIZE >> 20
