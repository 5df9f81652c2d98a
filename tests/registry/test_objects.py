import pytest
from kube_lite_storage import Compare, Put, Store
from kube_lite_storage.errors import CompareFailed

from kube_lite.api.errors import AlreadyExists, Conflict, NotFound
from kube_lite.api.identity import ObjectKey
from kube_lite.api.resource import Registry
from kube_lite.registry.objects import Also, Objects, Taken

from .things import config_map, row


async def test_a_lost_race_is_told_as_a_conflict_with_its_cause_kept(
    objects: Objects, registry: Registry
) -> None:
    resource = row(registry, "configmaps")
    old = await objects.create(resource, config_map("a"))
    await objects.replace(resource, old, {**config_map("a"), "data": {"k": "1"}})
    with pytest.raises(Conflict) as caught:
        await objects.replace(resource, old, {**config_map("a"), "data": {"k": "2"}})
    assert isinstance(caught.value.__cause__, CompareFailed)


async def test_a_name_can_be_created_once(objects: Objects, registry: Registry) -> None:
    resource = row(registry, "configmaps")
    await objects.create(resource, config_map("a"))
    await objects.create(resource, config_map("a", namespace="y"))
    with pytest.raises(AlreadyExists):
        await objects.create(resource, config_map("a"))


async def test_what_was_removed_is_gone_and_shown_under_the_removals_version(
    store: Store, objects: Objects, registry: Registry
) -> None:
    resource = row(registry, "configmaps")
    old = await objects.create(resource, config_map("a"))
    last = await objects.remove(resource, old)
    assert last.revision == store.revision == old.revision + 1
    assert objects.find(resource, ObjectKey("x", "a")) is None
    with pytest.raises(NotFound):
        await objects.remove(resource, old)


async def test_a_claim_that_is_taken_leaves_nothing_behind(
    store: Store, objects: Objects, registry: Registry
) -> None:
    resource = row(registry, "configmaps")
    claim = Also([Compare(b"!pool/1", 0)], [Put(b"!pool/1", b"owner")])
    await objects.create(resource, config_map("a"), claim)
    with pytest.raises(Taken) as caught:
        await objects.create(resource, config_map("b"), claim)
    assert caught.value.key == b"!pool/1"
    assert objects.find(resource, ObjectKey("x", "b")) is None


async def test_who_peeks_sees_every_acknowledged_write(objects: Objects, registry: Registry) -> None:
    resource = row(registry, "configmaps")
    group_resource, key = resource.group_resource, ObjectKey("x", "a")
    assert objects.peek(group_resource, key) is None
    made = await objects.create(resource, config_map("a"))
    assert objects.peek(group_resource, key) == made.object
    assert objects.all(group_resource) == [made.object]
    changed = await objects.replace(resource, made, {**config_map("a"), "data": {"k": "1"}})
    assert objects.peek(group_resource, key) == changed.object
    assert objects.all(group_resource, "x") == [changed.object]
    await objects.remove(resource, changed)
    assert objects.peek(group_resource, key) is None
    assert objects.all(group_resource) == objects.all(group_resource, "x") == []
