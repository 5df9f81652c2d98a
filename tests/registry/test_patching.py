"""Changes of objects that were written a moment ago, here or elsewhere."""

from typing import Any

import pytest
from kube_lite_storage import Compare, Delete, Put, Store, Txn

from kube_lite.api.errors import BadRequest, NotFound
from kube_lite.api.identity import Json, ObjectKey
from kube_lite.api.resource import Registry
from kube_lite.registry.keys import storage_key
from kube_lite.registry.objects import Objects
from kube_lite.registry.patching import change_object
from kube_lite.registry.stored import Stored, encode

from .things import config_map, row

KEY = ObjectKey("x", "a")


async def write_behind_its_back(store: Store, objects: Objects, registry: Registry, obj: Json | None) -> None:
    """Write, or remove, what ``objects`` has written before, without its knowing."""
    resource = row(registry, "configmaps")
    made = await objects.create(resource, config_map("a"))
    key = storage_key(resource.group_resource, KEY)
    if obj is None:
        await store.commit(Txn([Compare(key, made.revision)], [Delete(key)]))
        return
    encoded = encode(obj, {})
    put = Put(key, encoded.value, encoded.header, encoded.splice)
    await store.commit(Txn([Compare(key, made.revision)], [put]))


@pytest.mark.parametrize(
    ("first", "data"),
    [
        pytest.param({"k": "mine"}, {"k": "mine"}, id="written"),
        pytest.param({"k": "v"}, {"k": "mine"}, id="unchanged"),
        pytest.param(None, {"k": "mine"}, id="refused"),
    ],
)
async def test_a_change_follows_what_was_written_meanwhile(
    store: Store, objects: Objects, registry: Registry, first: Any, data: Any
) -> None:
    await write_behind_its_back(store, objects, registry, {**config_map("a"), "data": {"k": "theirs"}})

    async def change(old: Stored) -> Json:
        is_behind = old.object["data"] == {"k": "v"}
        if is_behind and first is None:
            raise BadRequest("for what is not so any more")
        return {**old.object, "metadata": dict(old.object["metadata"]), "data": first if is_behind else data}

    changed = await change_object(objects, row(registry, "configmaps"), KEY, change)
    assert changed.object["data"] == data
    assert changed.revision == store.revision


async def test_a_change_of_what_has_gone_meanwhile_does_not_find_it(
    store: Store, objects: Objects, registry: Registry
) -> None:
    await write_behind_its_back(store, objects, registry, None)

    async def change(old: Stored) -> Json:
        return {**old.object, "metadata": dict(old.object["metadata"]), "data": {"k": "mine"}}

    with pytest.raises(NotFound):
        await change_object(objects, row(registry, "configmaps"), KEY, change)
