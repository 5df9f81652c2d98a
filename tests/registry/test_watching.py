import asyncio
from collections.abc import AsyncIterator

import pytest
from kube_lite_storage import Store

from kube_lite.api.errors import Expired
from kube_lite.api.resource import Registry
from kube_lite.registry import watching
from kube_lite.registry.listing import Scope
from kube_lite.registry.objects import Objects
from kube_lite.registry.watching import Change, Watching, WatchOptions

from .things import config_map, row

PATIENCE = 5.0


async def take(changes: AsyncIterator[Change], count: int) -> list[str]:
    async with asyncio.timeout(PATIENCE):
        return [
            f"{change.type} {change.stored.object['metadata'].get('name', '')}".strip()
            for change in [await anext(changes) for _ in range(count)]
        ]


@pytest.fixture
def scope(registry: Registry) -> Scope:
    return Scope(row(registry, "configmaps"), "x")


def red(scope: Scope) -> Scope:
    return Scope(scope.resource, "x", matches=lambda stored: stored.facts.labels.get("color") == "red")


async def test_an_object_that_begins_to_match_is_added_and_one_that_ceases_to_is_deleted(
    objects: Objects, scope: Scope
) -> None:
    async with Watching(objects).watch(red(scope), WatchOptions(revision=objects.store.revision)) as changes:
        plain = await objects.create(scope.resource, config_map("a"))
        reddened = await objects.replace(scope.resource, plain, config_map("a", color="red"))
        sized = await objects.replace(scope.resource, reddened, config_map("a", color="red", size="1"))
        bleached = await objects.replace(scope.resource, sized, config_map("a", color="blue"))
        await objects.remove(scope.resource, bleached)
        await objects.create(scope.resource, config_map("b", color="red"))
        async with asyncio.timeout(PATIENCE):
            told = [await anext(changes) for _ in range(4)]
    assert [change.type for change in told] == ["ADDED", "MODIFIED", "DELETED", "ADDED"]
    gone = told[2].stored.object["metadata"]
    assert gone["labels"] == {"color": "red", "size": "1"}, "the last state that matched"
    assert gone["resourceVersion"] == str(bleached.revision), "under the version in which it ceased to"


async def test_a_watch_without_a_version_begins_with_what_is_there(objects: Objects, scope: Scope) -> None:
    await objects.create(scope.resource, config_map("a"))
    async with Watching(objects).watch(scope, WatchOptions()) as changes:
        await objects.create(scope.resource, config_map("b"))
        assert await take(changes, 2) == ["ADDED a", "ADDED b"]


async def test_initial_events_end_with_a_bookmark_that_says_so(objects: Objects, scope: Scope) -> None:
    await objects.create(scope.resource, config_map("a"))
    options = WatchOptions(initial_events=True, bookmarks=True)
    async with Watching(objects).watch(scope, options) as changes:
        assert await take(changes, 1) == ["ADDED a"]
        end = (await anext(changes)).stored.object
    assert end["metadata"] == {
        "resourceVersion": str(objects.store.revision),
        "annotations": {"k8s.io/initial-events-end": "true"},
    }
    assert end["kind"] == "ConfigMap"


async def test_a_watch_from_the_future_tells_only_what_comes_after_it(objects: Objects, scope: Scope) -> None:
    future = objects.store.revision + 2
    async with Watching(objects).watch(scope, WatchOptions(revision=future)) as changes:
        for name in "abc":
            await objects.create(scope.resource, config_map(name))
        assert await take(changes, 1) == ["ADDED c"]


async def test_all_watchers_of_an_event_share_what_was_made_of_it(objects: Objects, scope: Scope) -> None:
    watching = Watching(objects)
    options = WatchOptions(revision=objects.store.revision)
    async with watching.watch(scope, options) as one, watching.watch(Scope(scope.resource), options) as two:
        await objects.create(scope.resource, config_map("a"))
        async with asyncio.timeout(PATIENCE):
            assert await anext(one) is await anext(two)


async def test_a_watcher_that_hears_nothing_is_told_how_far_it_is(
    objects: Objects, registry: Registry, scope: Scope, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watching, "BOOKMARK_SECONDS", 0.05)
    begin = objects.store.revision
    async with Watching(objects).watch(scope, WatchOptions(revision=begin, bookmarks=True)) as changes:
        await objects.create(row(registry, "secrets"), {**config_map("a"), "kind": "Secret"})
        async with asyncio.timeout(PATIENCE):
            mark = await anext(changes)
    assert mark.type == "BOOKMARK"
    assert mark.stored.object["metadata"] == {"resourceVersion": str(begin + 1)}


async def test_a_version_that_is_forgotten_has_expired(store: Store, objects: Objects, scope: Scope) -> None:
    for name in "abc":
        await objects.create(scope.resource, config_map(name))
    await store.compact(store.revision)
    with pytest.raises(Expired, match=r"too old resource version: 2 \(4\)"):
        async with Watching(objects).watch(scope, WatchOptions(revision=2)) as changes:
            await anext(changes)


async def test_a_watch_begins_at_no_version_that_nobody_was_told(objects: Objects, scope: Scope) -> None:
    watching = Watching(objects)
    watching.oldest = 2
    with pytest.raises(Expired, match=r"too old resource version: 1 \(2\)"):
        async with watching.watch(scope, WatchOptions(revision=1)):
            pass
