"""What every ``client.protocol.Client`` does; implementations run it by giving a ``client`` fixture.

The client is an administrator's, of an API that has the namespace ``default`` with its account, and in which
nobody else changes ConfigMaps and Pods. ``forget`` is a coroutine function that makes the API forget history.
"""

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from kube_lite.api.errors import AlreadyExists, BadRequest, Conflict, Expired, Invalid, NotFound
from kube_lite.api.identity import GroupVersionResource, Json
from kube_lite.client.protocol import Client, EventType, PatchType

CONFIG_MAPS = GroupVersionResource("", "v1", "configmaps")
DEPLOYMENTS = GroupVersionResource("apps", "v1", "deployments")
PODS = GroupVersionResource("", "v1", "pods")
PATIENCE = 10.0  # seconds in which an event must have come


def config_map(name: str, **labels: str) -> Json:
    return {"metadata": {"name": name, "labels": labels}, "data": {"k": "v"}}


class ClientContract:
    """Inherit, and provide the fixtures ``client`` and ``forget``."""

    async def test_what_was_created_can_be_read(self, client: Client) -> None:
        made = await client.create(CONFIG_MAPS, config_map("a", run="1"), namespace="default")
        assert made["kind"] == "ConfigMap"
        assert made["metadata"]["uid"]
        assert await client.get(CONFIG_MAPS, "a", namespace="default") == made

    async def test_a_name_that_is_taken_is_refused(self, client: Client) -> None:
        await client.create(CONFIG_MAPS, config_map("a"), namespace="default")
        with pytest.raises(AlreadyExists, match='configmaps "a" already exists'):
            await client.create(CONFIG_MAPS, config_map("a"), namespace="default")

    async def test_what_is_not_there_is_not_found(self, client: Client) -> None:
        with pytest.raises(NotFound) as caught:
            await client.get(CONFIG_MAPS, "none", namespace="default")
        assert caught.value.status()["details"] == {"name": "none", "kind": "configmaps"}

    async def test_what_breaks_rules_is_invalid(self, client: Client) -> None:
        with pytest.raises((Invalid, BadRequest)):
            await client.create(CONFIG_MAPS, {"metadata": {"name": "Not Good"}}, namespace="default")

    async def test_the_object_that_is_sent_may_be_used_again(self, client: Client) -> None:
        template = config_map("a")
        await client.create(CONFIG_MAPS, template, namespace="default")
        assert template == config_map("a")

    async def test_an_update_of_an_old_version_is_a_conflict(self, client: Client) -> None:
        old = await client.create(CONFIG_MAPS, config_map("a"), namespace="default")
        new = await client.update(CONFIG_MAPS, {**old, "data": {"k": "w"}})
        assert new["data"] == {"k": "w"}
        with pytest.raises(Conflict, match="the object has been modified"):
            await client.update(CONFIG_MAPS, {**old, "data": {"k": "x"}})

    async def test_an_update_that_changes_nothing_keeps_the_version(self, client: Client) -> None:
        old = await client.create(CONFIG_MAPS, config_map("a"), namespace="default")
        same = await client.update(CONFIG_MAPS, old)
        assert same["metadata"]["resourceVersion"] == old["metadata"]["resourceVersion"]

    @pytest.mark.parametrize(
        ("patch_type", "patch"),
        [
            pytest.param(PatchType.STRATEGIC, {"data": {"k": None, "n": "1"}}, id="strategic"),
            pytest.param(PatchType.MERGE, {"data": {"k": None, "n": "1"}}, id="merge"),
            pytest.param(
                PatchType.JSON,
                [{"op": "add", "path": "/data/n", "value": "1"}, {"op": "remove", "path": "/data/k"}],
                id="json",
            ),
        ],
    )
    async def test_a_patch_changes_a_part(self, client: Client, patch_type: PatchType, patch: object) -> None:
        await client.create(CONFIG_MAPS, config_map("a", run="1"), namespace="default")
        changed = await client.patch(CONFIG_MAPS, "a", patch, namespace="default", patch_type=patch_type)
        assert changed["data"] == {"n": "1"}
        assert changed["metadata"]["labels"] == {"run": "1"}

    async def test_what_is_applied_is_owned_and_made_where_it_is_not_there(self, client: Client) -> None:
        wanted = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}, "data": {"k": "v"}}
        made = await client.patch(
            CONFIG_MAPS, "a", wanted, namespace="default", patch_type=PatchType.APPLY, field_manager="one"
        )
        assert [entry["manager"] for entry in made["metadata"]["managedFields"]] == ["one"]
        other = {**wanted, "data": {"k": "w"}}
        with pytest.raises(Conflict, match=r'conflict with "one": \.data\.k'):
            await client.patch(
                CONFIG_MAPS, "a", other, namespace="default", patch_type=PatchType.APPLY, field_manager="two"
            )
        forced = await client.patch(
            CONFIG_MAPS, "a", other, namespace="default",
            patch_type=PatchType.APPLY, field_manager="two", force=True,
        )  # fmt: skip
        assert forced["data"] == {"k": "w"}

    async def test_a_deletion_is_told_by_a_status(self, client: Client) -> None:
        made = await client.create(CONFIG_MAPS, config_map("a"), namespace="default")
        answer = await client.delete(CONFIG_MAPS, "a", namespace="default")
        assert answer["status"] == "Success"
        assert answer["details"]["uid"] == made["metadata"]["uid"]
        with pytest.raises(NotFound):
            await client.delete(CONFIG_MAPS, "a", namespace="default")

    async def test_a_deletion_on_condition_of_another_uid_is_a_conflict(self, client: Client) -> None:
        await client.create(CONFIG_MAPS, config_map("a"), namespace="default")
        with pytest.raises(Conflict, match="does not match the UID in record"):
            await client.delete(CONFIG_MAPS, "a", namespace="default", uid="another")

    async def test_a_finalizer_holds_an_object_until_it_is_taken_off(self, client: Client) -> None:
        held = config_map("a") | {"metadata": {"name": "a", "finalizers": ["example.test/hold"]}}
        await client.create(CONFIG_MAPS, held, namespace="default")
        marked = await client.delete(CONFIG_MAPS, "a", namespace="default")
        assert marked["metadata"]["deletionTimestamp"]
        released = {"metadata": {"finalizers": None}}
        await client.patch(CONFIG_MAPS, "a", released, namespace="default", patch_type=PatchType.MERGE)
        with pytest.raises(NotFound):
            await client.get(CONFIG_MAPS, "a", namespace="default")

    async def test_a_list_comes_in_pages_of_one_moment(self, client: Client) -> None:
        for name in "abcd":
            await client.create(CONFIG_MAPS, config_map(name, run="pages"), namespace="default")
        first = await client.list(CONFIG_MAPS, namespace="default", label_selector="run=pages", limit=3)
        assert [entry["metadata"]["name"] for entry in first.items] == ["a", "b", "c"]
        await client.delete(CONFIG_MAPS, "d", namespace="default")
        rest = await client.list(
            CONFIG_MAPS,
            namespace="default",
            label_selector="run=pages",
            limit=3,
            continue_token=first.continue_token,
        )
        assert [entry["metadata"]["name"] for entry in rest.items] == ["d"]
        assert rest.resource_version == first.resource_version
        assert not rest.continue_token

    async def test_selectors_choose(self, client: Client) -> None:
        for name in "ab":
            await client.create(CONFIG_MAPS, config_map(name, which=name), namespace="default")
        by_label = await client.list(CONFIG_MAPS, label_selector="which in (b,c)")
        by_field = await client.list(CONFIG_MAPS, namespace="default", field_selector="metadata.name=a")
        assert [entry["metadata"]["name"] for entry in by_label.items] == ["b"]
        assert [entry["metadata"]["name"] for entry in by_field.items] == ["a"]

    async def test_a_collection_can_be_deleted(self, client: Client) -> None:
        for name, run in (("a", "1"), ("b", "1"), ("c", "2")):
            await client.create(CONFIG_MAPS, config_map(name, run=run), namespace="default")
        await client.delete_collection(CONFIG_MAPS, namespace="default", label_selector="run=1")
        left = await client.list(CONFIG_MAPS, namespace="default", label_selector="run")
        assert [entry["metadata"]["name"] for entry in left.items] == ["c"]

    async def test_a_watch_tells_what_came_after(self, client: Client) -> None:
        first = await client.create(CONFIG_MAPS, config_map("a", run="w"), namespace="default")
        since = first["metadata"]["resourceVersion"]
        await client.patch(CONFIG_MAPS, "a", {"data": {"n": "1"}}, namespace="default")
        async with (
            asyncio.timeout(PATIENCE),
            client.watch(
                CONFIG_MAPS, namespace="default", label_selector="run=w", resource_version=since
            ) as events,
        ):
            assert (await anext(events)).type is EventType.MODIFIED
            await client.create(CONFIG_MAPS, config_map("b", run="w"), namespace="default")
            added = await anext(events)
            assert (added.type, added.object["metadata"]["name"]) == (EventType.ADDED, "b")
            await client.delete(CONFIG_MAPS, "a", namespace="default")
            gone = await anext(events)
            assert (gone.type, gone.object["metadata"]["name"]) == (EventType.DELETED, "a")
            assert int(gone.object["metadata"]["resourceVersion"]) > int(
                added.object["metadata"]["resourceVersion"]
            )

    async def test_a_scale_is_another_view_of_a_workload(self, client: Client) -> None:
        template = {
            "metadata": {"labels": {"app": "a"}},
            "spec": {"containers": [{"name": "app", "image": "i"}]},
        }
        spec = {"replicas": 0, "selector": {"matchLabels": {"app": "a"}}, "template": template}
        await client.create(DEPLOYMENTS, {"metadata": {"name": "a"}, "spec": spec}, namespace="default")
        scale = await client.get(DEPLOYMENTS, "a", namespace="default", subresource="scale")
        assert scale["status"]["selector"] == "app=a"
        asked = {**scale, "spec": {"replicas": 3}}
        await client.update(DEPLOYMENTS, asked, namespace="default", subresource="scale")
        assert (await client.get(DEPLOYMENTS, "a", namespace="default"))["spec"]["replicas"] == 3

    async def test_status_is_written_apart_from_spec(self, client: Client) -> None:
        made = await client.create(
            PODS,
            {"metadata": {"name": "a"}, "spec": {"containers": [{"name": "app", "image": "i"}]}},
            namespace="default",
        )
        changed = {**made, "status": {"phase": "Running"}, "spec": {**made["spec"], "nodeName": "n"}}
        await client.update(PODS, changed, namespace="default", subresource="status")
        now = await client.get(PODS, "a", namespace="default")
        assert now["status"]["phase"] == "Running"
        assert "nodeName" not in now["spec"]

    async def test_a_kind_that_nobody_serves_is_not_found(self, client: Client) -> None:
        with pytest.raises(NotFound):
            await client.list(GroupVersionResource("example.test", "v1", "unicorns"))

    async def test_a_watch_from_a_forgotten_version_has_expired(
        self, client: Client, forget: Callable[[], Awaitable[None]]
    ) -> None:
        old = await client.create(CONFIG_MAPS, config_map("a"), namespace="default")
        await client.patch(CONFIG_MAPS, "a", {"data": {"n": "1"}}, namespace="default")
        await client.patch(CONFIG_MAPS, "a", {"data": {"n": "2"}}, namespace="default")
        await forget()
        with pytest.raises(Expired, match="too old resource version"):
            async with (
                asyncio.timeout(PATIENCE),
                client.watch(
                    CONFIG_MAPS, namespace="default", resource_version=old["metadata"]["resourceVersion"]
                ) as events,
            ):
                await anext(events)
