"""Controllers follow custom resources, which come and go while they run."""

from pathlib import Path

from kube_lite.api.identity import GroupVersionResource, Json
from kube_lite.api.meta import owner_reference
from kube_lite.client.protocol import PatchType
from kube_lite.controllers.resources import CONFIG_MAPS, NAMESPACES, RESOURCE_QUOTAS
from tests.definitions import DEFINITIONS, NAME, WIDGETS, definition, version, widget

from .harness import World, world

V2 = WIDGETS._replace(version="v2")


async def define(it: World, *versions: Json) -> None:
    """Serve widgets."""
    await it.create(DEFINITIONS, definition(*versions), "")

    async def is_served() -> bool:
        found = await it.client.get(DEFINITIONS, NAME)
        conditions = (found.get("status") or {}).get("conditions") or ()
        return any(entry["type"] == "Established" and entry["status"] == "True" for entry in conditions)

    await it.until(is_served)


def owned_by(owner: Json, name: str) -> Json:
    metadata = {"name": name, "ownerReferences": [owner_reference(owner)]}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata}


async def test_what_a_custom_resource_owned_is_collected(tmp_path: Path) -> None:
    async with world(tmp_path, only=["garbage"]) as it:
        await define(it)
        owner = await it.create(WIDGETS, widget("owner"))
        await it.create(CONFIG_MAPS, owned_by(owner, "owned"))
        await it.create(WIDGETS, {**widget("below"), "metadata": owned_by(owner, "below")["metadata"]})
        await it.delete(WIDGETS, "owner", propagation="Foreground")
        await it.until_gone(CONFIG_MAPS, "owned")
        await it.until_gone(WIDGETS, "below")
        await it.until_gone(WIDGETS, "owner")


async def test_what_is_owned_goes_with_the_definition_of_its_owner(tmp_path: Path) -> None:
    async with world(tmp_path, only=["garbage"]) as it:
        await define(it)
        owner = await it.create(WIDGETS, widget("owner"))
        await it.create(CONFIG_MAPS, owned_by(owner, "owned"))
        await it.client.delete(DEFINITIONS, NAME)
        await it.until_gone(DEFINITIONS, NAME, "")
        await it.until_gone(CONFIG_MAPS, "owned")


async def test_owners_stay_known_when_another_version_of_them_is_served(tmp_path: Path) -> None:
    async with world(tmp_path, only=["garbage"]) as it:
        await define(it)
        owner = await it.create(WIDGETS, widget("owner"))
        await it.create(CONFIG_MAPS, owned_by(owner, "owned"))
        turned = [version("v1", storage=False), version("v2")]
        for entry in turned:
            entry["served"] = entry["name"] == "v2"
        await it.client.patch(DEFINITIONS, NAME, {"spec": {"versions": turned}}, patch_type=PatchType.MERGE)
        await it.until(lambda: is_served(it, V2))
        await it.merge(CONFIG_MAPS, "owned", {"data": {"k": "v"}})
        other = await it.create(V2, widget("other", api_version="zoo.example/v2"))
        await it.create(CONFIG_MAPS, owned_by(other, "others"))
        await it.delete(V2, "other")
        await it.until_gone(CONFIG_MAPS, "others")
        assert await it.find(CONFIG_MAPS, "owned") is not None


async def is_served(it: World, resource: GroupVersionResource) -> bool:
    return await it.find(resource, "owner") is not None


async def test_a_namespace_is_emptied_of_them_and_a_quota_counts_them(tmp_path: Path) -> None:
    async with world(tmp_path, only=["garbage", "namespaces", "quotas"]) as it:
        await it.create(NAMESPACES, {"metadata": {"name": "shop"}}, "")
        quota = {"metadata": {"name": "few"}, "spec": {"hard": {f"count/{NAME}": "5"}}}
        await it.create(RESOURCE_QUOTAS, quota, "shop")
        await define(it)
        await it.create(WIDGETS, widget(), "shop")

        async def is_counted() -> bool:
            found = await it.client.get(RESOURCE_QUOTAS, "few", namespace="shop")
            used: Json = (found.get("status") or {}).get("used") or {}
            return used.get(f"count/{NAME}") == "1"

        await it.until(is_counted)
        await it.client.delete(NAMESPACES, "shop")
        await it.until_gone(NAMESPACES, "shop", "")
        assert await it.list(WIDGETS, "shop") == []
