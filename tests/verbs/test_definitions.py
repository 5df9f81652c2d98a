"""CustomResourceDefinitions come, change and go, and the API with them."""

import asyncio
from pathlib import Path

import pytest

from kube_lite.api.errors import ApiError, Conflict, Forbidden, NotFound
from kube_lite.api.identity import GroupVersionResource, Json
from kube_lite.client.protocol import PatchType
from kube_lite.kit.clock import ManualClock, RealClock
from tests.definitions import (
    DEFINITIONS,
    GROUP,
    NAME,
    SECONDS,
    WIDGETS,
    define,
    definition,
    extended,
    reasons,
    until,
    version,
    widget,
)
from tests.serving import Api

GADGETS = WIDGETS._replace(resource="gadgets")


async def told(api: Api, name: str, **wanted: str) -> Json:
    """The definition once its conditions have these reasons."""
    async with asyncio.timeout(SECONDS):
        while True:
            found = await api.client.get(DEFINITIONS, name)
            if wanted.items() <= reasons(found).items():
                return found
            await asyncio.sleep(0)


async def test_a_definition_is_established_with_the_names_that_it_asks_for(tmp_path: Path) -> None:
    async with extended(tmp_path) as api:
        found = await define(api, definition(shortNames=["wd"], categories=["all"]))
        assert reasons(found) == {"NamesAccepted": "NoConflicts", "Established": "InitialNamesAccepted"}
        assert found["status"]["acceptedNames"] == {
            "plural": "widgets", "singular": "widget", "kind": "Widget", "listKind": "WidgetList",
            "shortNames": ["wd"], "categories": ["all"],
        }  # fmt: skip
        assert found["status"]["storedVersions"] == ["v1"]
        owners = {entry["manager"]: entry.get("subresource") for entry in found["metadata"]["managedFields"]}
        assert owners["kube-apiserver"] == "status"


async def test_who_comes_later_waits_for_names_that_are_taken_and_gets_them_when_they_are_free(
    tmp_path: Path,
) -> None:
    async with extended(tmp_path) as api:
        await define(api, definition(shortNames=["x"]))
        await api.client.create(DEFINITIONS, definition(plural="gadgets", kind="Widget", shortNames=["x"]))
        waiting = await told(api, f"gadgets.{GROUP}", Established="NotAccepted")
        assert waiting["status"]["acceptedNames"] == {"plural": "gadgets", "kind": ""}
        assert reasons(waiting)["NamesAccepted"] == "ListKindConflict"
        with pytest.raises(NotFound):
            await api.client.list(GADGETS, namespace="default")
        await api.client.delete(DEFINITIONS, NAME)
        found = await told(api, f"gadgets.{GROUP}", Established="InitialNamesAccepted")
        assert found["status"]["acceptedNames"]["shortNames"] == ["x"]
        assert (await api.client.list(GADGETS, namespace="default")).items == []


async def test_a_protected_group_is_told_whether_its_api_was_approved(tmp_path: Path) -> None:
    body = definition()
    body["metadata"] = {
        "name": "widgets.zoo.k8s.io",
        "annotations": {"api-approved.kubernetes.io": "https://example.test/1"},
    }
    body["spec"]["group"] = "zoo.k8s.io"
    async with extended(tmp_path) as api:
        found = await define(api, body)
        assert list(reasons(found).items()) == [
            ("KubernetesAPIApprovalPolicyConformant", "ApprovedAnnotation"),
            ("NamesAccepted", "NoConflicts"),
            ("Established", "InitialNamesAccepted"),
        ]


async def test_a_deleted_definition_goes_after_its_objects_whose_finalizers_are_honoured(
    tmp_path: Path,
) -> None:
    async with extended(tmp_path, RealClock()) as api:
        await define(api, definition())
        held = widget("held")
        held["metadata"]["finalizers"] = ["zoo.example/hold"]
        await api.client.create(WIDGETS, held, namespace="default")
        await api.client.create(WIDGETS, widget("free"), namespace="default")
        await api.client.delete(DEFINITIONS, NAME)
        found = await told(api, NAME, Terminating="InstanceDeletionInProgress")
        assert found["metadata"]["finalizers"] == ["customresourcecleanup.apiextensions.k8s.io"]
        with pytest.raises(
            Forbidden, match="create not allowed while custom resource definition is terminating"
        ):
            await api.client.create(WIDGETS, widget("late"), namespace="default")
        async with asyncio.timeout(SECONDS):
            while [obj["metadata"]["name"] for obj in (await api.client.list(WIDGETS)).items] != ["held"]:
                await asyncio.sleep(0)
        await api.client.patch(
            WIDGETS, "held", {"metadata": {"finalizers": None}}, namespace="default",
            patch_type=PatchType.MERGE,
        )  # fmt: skip
        await until(lambda: api.pipeline.registry.by_gvr(WIDGETS) is None)
        with pytest.raises(NotFound):
            await api.client.get(DEFINITIONS, NAME)


async def test_another_definition_of_the_name_is_not_deleted(tmp_path: Path) -> None:
    async with extended(tmp_path) as api:
        found = await define(api, definition())
        uid = found["metadata"]["uid"]
        with pytest.raises(
            Conflict, match=f"precondition failed: UID in precondition: x, UID in object meta: {uid}"
        ):
            await api.client.delete(DEFINITIONS, NAME, uid="x")


async def test_a_definition_that_was_never_served_goes_at_once(tmp_path: Path) -> None:
    async with extended(tmp_path) as api:
        await define(api, definition())
        await api.client.create(DEFINITIONS, definition(plural="gadgets"))
        await told(api, f"gadgets.{GROUP}", Established="NotAccepted")
        await api.client.delete(DEFINITIONS, f"gadgets.{GROUP}")
        async with asyncio.timeout(SECONDS):
            while [obj["metadata"]["name"] for obj in (await api.client.list(DEFINITIONS)).items] != [NAME]:
                await asyncio.sleep(0)


async def test_a_definition_whose_objects_do_not_go_says_so_and_waits_on(tmp_path: Path) -> None:
    clock = ManualClock()
    async with extended(tmp_path, clock) as api:
        await define(api, definition())
        held = widget("held")
        held["metadata"]["finalizers"] = ["zoo.example/hold"]
        await api.client.create(WIDGETS, held, namespace="default")
        await api.client.delete(DEFINITIONS, NAME)
        await told(api, NAME, Terminating="InstanceDeletionInProgress")
        async with asyncio.timeout(SECONDS):
            while "InstanceDeletionCheck" not in reasons(await api.client.get(DEFINITIONS, NAME)).values():
                await clock.advance(1)
        await api.client.patch(
            WIDGETS, "held", {"metadata": {"finalizers": None}}, namespace="default",
            patch_type=PatchType.MERGE,
        )  # fmt: skip
        async with asyncio.timeout(SECONDS):
            while api.pipeline.registry.by_gvr(WIDGETS) is not None:
                await clock.advance(1)


async def test_definitions_are_served_again_after_a_start_that_reads_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with extended(tmp_path) as api:
        await define(api, definition())
        await api.client.create(WIDGETS, widget(spec={"size": 2}), namespace="default")

    def refuse(*_: object) -> Json:
        raise AssertionError("a schema was read")

    monkeypatch.setattr("kube_lite.kinds.outlines.schema_document", refuse)
    monkeypatch.setattr("kube_lite.kinds.outlines.outline_of", refuse)
    async with extended(tmp_path, is_new=False) as api:
        found = await api.client.list(WIDGETS, namespace="default")
        assert [obj["spec"] for obj in found.items] == [{"size": 2, "color": "red"}]


async def test_another_scope_or_kind_is_refused_for_what_is_established(tmp_path: Path) -> None:
    async with extended(tmp_path) as api:
        found = await define(api, definition())
        changed = {**found, "spec": {**found["spec"], "scope": "Cluster"}}
        with pytest.raises(ApiError, match="field is immutable"):
            await api.client.update(DEFINITIONS, changed)


async def test_a_version_that_is_no_longer_served_is_gone_at_once(tmp_path: Path) -> None:
    async with extended(tmp_path) as api:
        await define(api, definition(version("v1"), version("v2", storage=False)))
        assert api.pipeline.registry.by_gvr(WIDGETS._replace(version="v2")) is not None
        await api.client.patch(
            DEFINITIONS, NAME, [{"op": "replace", "path": "/spec/versions/1/served", "value": False}],
            patch_type=PatchType.JSON,
        )  # fmt: skip
        await until(lambda: api.pipeline.registry.by_gvr(WIDGETS._replace(version="v2")) is None)
        assert api.pipeline.registry.by_gvr(WIDGETS) is not None


async def test_a_new_storage_version_joins_those_that_were_stored(tmp_path: Path) -> None:
    async with extended(tmp_path) as api:
        await define(api, definition(version("v1"), version("v2", storage=False)))
        turned = [version("v1", storage=False), version("v2", storage=True)]
        found = await api.client.patch(
            DEFINITIONS, NAME, {"spec": {"versions": turned}}, patch_type=PatchType.MERGE
        )
        assert found["status"]["storedVersions"] == ["v1", "v2"]


async def test_a_watch_ends_when_what_it_follows_is_defined_otherwise(tmp_path: Path) -> None:
    async with extended(tmp_path) as api:
        await define(api, definition())
        other = {"type": "object", "properties": {"size": {"type": "integer", "maximum": 9}}}
        async with asyncio.timeout(SECONDS), api.client.watch(WIDGETS) as events:
            await api.client.patch(
                DEFINITIONS, NAME, {"spec": {"versions": [version(spec=other)]}}, patch_type=PatchType.MERGE
            )
            assert [event async for event in events] == []


async def test_what_is_built_in_cannot_be_defined_away(tmp_path: Path) -> None:
    body = definition(plural="ingresses", kind="Ingress")
    body["metadata"] = {
        "name": "ingresses.networking.k8s.io",
        "annotations": {"api-approved.kubernetes.io": "unapproved, a test"},
    }
    body["spec"]["group"] = "networking.k8s.io"
    async with extended(tmp_path) as api:
        await define(api, body)
        row = api.pipeline.registry.by_gvr(GroupVersionResource("networking.k8s.io", "v1", "ingresses"))
        assert row is not None
        assert not row.definition
