import asyncio
from pathlib import Path

from kube_lite.api import meta
from kube_lite.api.errors import NotFound
from kube_lite.api.identity import GroupResource, Json
from kube_lite.controllers.garbage_graph import Graph, node_of
from kube_lite.controllers.namespace import Remaining, plan_conditions
from kube_lite.controllers.resources import CONFIG_MAPS, DEPLOYMENTS, NAMESPACES, PODS, REPLICA_SETS
from kube_lite.kit.clock import ManualClock

from .harness import World, deployment, replica_set, world
from .objects import NOW


def owned(
    name: str, *owners: str, blocks: bool = True, finalizers: tuple[str, ...] = (), deleting: bool = False
) -> Json:
    references = [
        {"apiVersion": "v1", "kind": "ConfigMap", "name": owner, "uid": owner, "blockOwnerDeletion": blocks}
        for owner in owners
    ]
    metadata: Json = {"name": name, "namespace": "default", "uid": name, "ownerReferences": references}
    metadata["finalizers"] = list(finalizers)
    if deleting:
        metadata["deletionTimestamp"] = "2023-11-14T22:00:00Z"
    return {"metadata": metadata}


def observe(graph: Graph, obj: Json) -> set[str]:
    return graph.observe(node_of(CONFIG_MAPS, obj))


def test_what_nobody_owns_and_owns_nothing_is_not_kept() -> None:
    graph = Graph()
    assert observe(graph, owned("a")) == set()
    assert graph.node("a") is None


def test_when_an_owner_goes_its_dependents_are_looked_at() -> None:
    graph = Graph()
    assert observe(graph, owned("child", "parent")) == {"child"}
    assert observe(graph, owned("child", "parent")) == set(), "the same again is no news"
    assert graph.exists("parent") is None
    assert graph.forget("parent") == {"child"}
    assert graph.exists("parent") is False
    graph.learn("parent", exists=True)
    assert graph.exists("parent") is False, "a late answer does not bring it back"


def test_what_is_known_of_an_owner_goes_with_its_last_dependent() -> None:
    graph = Graph()
    observe(graph, owned("child", "parent"))
    graph.learn("parent", exists=True)
    graph.forget("child")
    assert graph.exists("parent") is None
    assert graph.dependents("parent") == []


def test_an_owner_that_waits_is_looked_at_when_a_blocking_dependent_goes() -> None:
    graph = Graph()
    observe(graph, owned("child", "parent"))
    waiting = owned("parent", finalizers=("foregroundDeletion",), deleting=True)
    assert observe(graph, waiting) == {"parent", "child"}
    assert [node.uid for node in graph.blocking("parent")] == ["child"]
    assert graph.forget("child") == {"parent"}
    assert graph.blocking("parent") == []


def test_a_new_list_finds_what_went_unnoticed() -> None:
    graph = Graph()
    observe(graph, owned("child", "parent"))
    observe(graph, owned("grandchild", "child"))
    graph.learn("parent", exists=True)
    listed = [node_of(CONFIG_MAPS, owned("grandchild", "child"))]
    assert graph.replace(CONFIG_MAPS, "ConfigMap", listed) == {"grandchild"}
    assert graph.exists("child") is False


async def config_map(it: World, name: str, *owners: Json, finalizers: tuple[str, ...] = ()) -> Json:
    references = [meta.owner_reference(owner) | {"controller": False} for owner in owners]
    metadata = {"name": name, "ownerReferences": references, "finalizers": list(finalizers)}
    return await it.create(CONFIG_MAPS, {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata})


async def test_a_deployment_takes_everything_with_it(tmp_path: Path) -> None:
    async with world(tmp_path) as it, it.node():
        await it.create(DEPLOYMENTS, deployment(replicas=3))

        async def is_up() -> bool:
            return len(await it.list(PODS)) == 3

        await it.until(is_up)
        await it.delete(DEPLOYMENTS, "web")

        async def is_gone() -> bool:
            return not await it.list(PODS) and not await it.list(REPLICA_SETS)

        await it.until(is_gone)


async def test_an_object_lives_as_long_as_one_of_its_owners(tmp_path: Path) -> None:
    async with world(tmp_path) as it:
        one, two = await config_map(it, "one"), await config_map(it, "two")
        await config_map(it, "child", one, two)
        await it.delete(CONFIG_MAPS, "one")

        async def has_one_owner() -> bool:
            child = await it.get(CONFIG_MAPS, "child")
            return [owner["name"] for owner in meta.owner_references(child)] == ["two"]

        await it.until(has_one_owner)
        await it.delete(CONFIG_MAPS, "two")
        await it.until_gone(CONFIG_MAPS, "child")


async def test_a_namesake_of_the_owner_is_not_the_owner(
    tmp_path: Path,
) -> None:
    async with world(tmp_path) as it:
        one = await config_map(it, "one")
        stranger = {**one, "metadata": {**one["metadata"], "uid": "somebody-else"}}
        await config_map(it, "child", stranger)
        await config_map(it, "other", one)
        await it.until_gone(CONFIG_MAPS, "child")
        assert await it.find(CONFIG_MAPS, "other") is not None


async def test_garbage_made_while_nobody_collected_is_collected_later(tmp_path: Path) -> None:
    async with world(tmp_path, only=()) as it:
        one = await config_map(it, "one")
        await config_map(it, "child", one)
        await it.delete(CONFIG_MAPS, "one")
        assert await it.find(CONFIG_MAPS, "child") is not None
    async with world(tmp_path) as it:
        await it.until_gone(CONFIG_MAPS, "child")


async def test_in_the_foreground_the_owner_goes_last(tmp_path: Path) -> None:
    async with world(tmp_path) as it:
        one = await config_map(it, "one")
        await config_map(it, "held", one, finalizers=("example.com/hold",))
        await config_map(it, "free", one)
        await it.delete(CONFIG_MAPS, "one", "Foreground")
        await it.until_gone(CONFIG_MAPS, "free")
        assert (await it.get(CONFIG_MAPS, "one"))["metadata"]["finalizers"] == ["foregroundDeletion"]
        await it.merge(CONFIG_MAPS, "held", {"metadata": {"finalizers": None}})
        await it.until_gone(CONFIG_MAPS, "one")


async def test_orphans_are_let_go_before_their_owner_ends(tmp_path: Path) -> None:
    async with world(tmp_path) as it:
        await it.create(REPLICA_SETS, replica_set(replicas=2))

        async def are_two() -> bool:
            return len(await it.list(PODS)) == 2

        await it.until(are_two)
        await it.delete(REPLICA_SETS, "one", "Orphan")
        await it.until_gone(REPLICA_SETS, "one")
        assert [meta.owner_references(pod) for pod in await it.list(PODS)] == [[], []]


async def test_owners_in_a_circle_do_not_wait_for_each_other(tmp_path: Path) -> None:
    async with world(tmp_path) as it:
        one = await config_map(it, "one")
        two = await config_map(it, "two", one)
        reference = meta.owner_reference(two) | {"controller": False}
        await it.merge(CONFIG_MAPS, "one", {"metadata": {"ownerReferences": [reference]}})
        await it.delete(CONFIG_MAPS, "one", "Foreground")
        await it.until_gone(CONFIG_MAPS, "one")
        await it.until_gone(CONFIG_MAPS, "two")


def test_the_conditions_of_a_namespace_say_what_remains() -> None:
    remaining = Remaining({GroupResource("", "pods"): 2}, {"example.com/hold": 1}, [])
    conditions = plan_conditions([], remaining, NOW)
    told = {entry["type"]: entry["message"] for entry in conditions if entry["status"] == "True"}
    assert told == {
        "NamespaceContentRemaining": "Some resources are remaining: pods. has 2 resource instances",
        "NamespaceFinalizersRemaining": (
            "Some content in the namespace has finalizers remaining: example.com/hold in 1 resource instances"
        ),
    }
    assert len(conditions) == 5
    assert plan_conditions(conditions, remaining, NOW + 60) == conditions


async def test_a_namespace_is_emptied_before_it_goes(tmp_path: Path) -> None:
    async with world(tmp_path) as it:
        await it.create(NAMESPACES, {"metadata": {"name": "shop"}}, "")
        await it.create(CONFIG_MAPS, {"metadata": {"name": "free"}}, "shop")
        await it.create(
            CONFIG_MAPS, {"metadata": {"name": "held", "finalizers": ["example.com/hold"]}}, "shop"
        )
        await it.client.delete(NAMESPACES, "shop")

        async def is_told() -> bool:
            return meta.is_condition_true(
                await it.get(NAMESPACES, "shop", ""), "NamespaceFinalizersRemaining"
            )

        await it.until(is_told)
        assert [found["metadata"]["name"] for found in await it.list(CONFIG_MAPS, "shop")] == ["held"]
        held = await it.get(CONFIG_MAPS, "held", "shop")
        await it.client.update(CONFIG_MAPS, {**held, "metadata": {**held["metadata"], "finalizers": []}})

        async def is_gone() -> bool:
            try:
                await it.client.get(NAMESPACES, "shop")
            except NotFound:
                return True
            return False

        await it.until(is_gone)
        assert await it.list(CONFIG_MAPS, "shop") == []


async def test_idle_controllers_do_nothing(tmp_path: Path) -> None:
    clock = ManualClock()
    async with world(tmp_path, clock=clock) as it:
        await it.create(DEPLOYMENTS, deployment(replicas=1))

        async def is_settled() -> bool:
            before = it.revision
            for _ in range(20):
                await asyncio.sleep(0.005)
            return before == it.revision

        await it.until(is_settled)
        before = it.revision
        await clock.advance(300)
        assert it.revision == before
