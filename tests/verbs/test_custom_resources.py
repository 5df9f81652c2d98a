"""Custom resources through the pipeline: what their definitions make of them."""

from pathlib import Path
from typing import Any

import pytest

from kube_lite.api.errors import (
    ApiError,
    BadRequest,
    InternalError,
    Invalid,
    NotFound,
    UnsupportedMediaType,
)
from kube_lite.api.identity import Json
from kube_lite.api.resource import Resource
from kube_lite.client.protocol import PatchType
from kube_lite.verbs.request import Answer, Request
from tests.definitions import (
    DEFINITIONS,
    GROUP,
    NAME,
    SPEC,
    WIDGETS,
    define,
    definition,
    extended,
    until,
    version,
    widget,
)
from tests.serving import ADMIN, Api

STATUS: Json = {"status": {}}
SCALE: Json = {
    "status": {},
    "scale": {
        "specReplicasPath": ".spec.size",
        "statusReplicasPath": ".status.count",
        "labelSelectorPath": ".status.selector",
    },
}


async def change(api: Api, patch: Json, subresource: str = "") -> Json:
    """A merge patch of the widget ``a``."""
    return await api.client.patch(
        WIDGETS, "a", patch, namespace="default", patch_type=PatchType.MERGE, subresource=subresource
    )


def row_of(api: Api) -> Resource:
    """The row of widgets."""
    row = api.pipeline.registry.by_gvr(WIDGETS)
    assert row is not None  # the caller has defined it
    return row


async def create(api: Api, **fields: Any) -> Json:
    """The widget ``a``."""
    return await api.client.create(WIDGETS, widget(**fields), namespace="default")


async def redefine(api: Api, *versions: Json) -> None:
    """Change the versions of the definition, and wait until they are served so."""
    tags = {row.schema_tag for row in api.pipeline.registry if row.definition}
    await api.client.patch(
        DEFINITIONS, NAME, {"spec": {"versions": list(versions)}}, patch_type=PatchType.MERGE
    )
    await until(lambda: {row.schema_tag for row in api.pipeline.registry if row.definition} != tags)


async def test_what_the_schema_does_not_know_is_dropped_and_what_it_lacks_is_filled_in(
    tmp_path: Path,
) -> None:
    async with extended(tmp_path) as api:
        await define(api, definition())
        made = await create(api, spec={"size": 2, "unknown": 1})
        assert made["spec"] == {"size": 2, "color": "red"}
        with pytest.raises(Invalid, match=r"spec.size in body should be greater than or equal to 1"):
            await change(api, {"spec": {"size": 0}})


async def test_defaults_of_a_newer_schema_are_there_when_older_objects_are_read(tmp_path: Path) -> None:
    async with extended(tmp_path) as api:
        await define(api, definition())
        old = await create(api, spec={"size": 2})
        properties = {**SPEC["properties"], "shape": {"type": "string", "default": "round"}}
        await redefine(
            api,
            version(spec={**SPEC, "properties": properties}, selectableFields=[{"jsonPath": ".spec.shape"}]),
        )
        found = (await api.client.list(WIDGETS, field_selector="spec.shape=round")).items
        assert [obj["spec"]["shape"] for obj in found] == ["round"]
        assert found[0]["metadata"]["resourceVersion"] == old["metadata"]["resourceVersion"]
        assert (await api.client.get(WIDGETS, "a", namespace="default")) == found[0]


async def test_every_version_shows_the_same_objects_under_its_own_name(tmp_path: Path) -> None:
    v2 = WIDGETS._replace(version="v2")
    async with extended(tmp_path) as api:
        await define(api, definition(version("v1"), version("v2", storage=False)))
        made = await create(api, spec={"size": 2})
        seen = await api.client.get(v2, "a", namespace="default")
        assert seen == {**made, "apiVersion": f"{GROUP}/v2"}
        await api.client.update(v2, {**seen, "spec": {"size": 3}}, namespace="default")
        found = await api.client.get(WIDGETS, "a", namespace="default")
        assert (found["apiVersion"], found["spec"]["size"]) == (f"{GROUP}/v1", 3)
        assert {entry["apiVersion"] for entry in found["metadata"]["managedFields"]} == {
            f"{GROUP}/v1",
            f"{GROUP}/v2",
        }


async def test_the_version_that_is_stored_keeps_what_it_knows_and_gives_its_defaults(tmp_path: Path) -> None:
    v2 = WIDGETS._replace(version="v2")
    number, text = {"type": "integer"}, {"type": "string", "default": "new"}
    spec = {"type": "object", "properties": {"size": number, "shape": text, "color": {"type": "string"}}}
    async with extended(tmp_path) as api:
        await define(api, definition(version("v1"), version("v2", storage=False, spec=spec)))
        sent = widget(api_version=v2.api_version, spec={"size": 2, "shape": "round"})
        made = await api.client.create(v2, sent, namespace="default")
        assert made["spec"] == {"size": 2, "color": "red"}
        assert (await api.client.get(WIDGETS, "a", namespace="default"))["spec"] == made["spec"]


async def test_the_generation_counts_changes_of_all_but_metadata_and_a_status_apart(tmp_path: Path) -> None:
    async with extended(tmp_path) as api:
        await define(api, definition())
        await create(api, spec={"size": 2})
        assert (await change(api, {"metadata": {"labels": {"a": "b"}}}))["metadata"]["generation"] == 1
        assert (await change(api, {"status": {"phase": "x"}}))["metadata"]["generation"] == 2
        await redefine(api, version(subresources=STATUS, spec={**SPEC, "description": "apart"}))
        assert (await change(api, {"status": {"phase": "y"}}))["status"] == {"phase": "x"}
        changed = await change(api, {"status": {"phase": "y"}, "metadata": {"labels": {"a": "c"}}}, "status")
        assert (changed["status"], changed["metadata"]["generation"]) == ({"phase": "y"}, 2)
        assert changed["metadata"]["labels"] == {"a": "b"}


async def test_a_scale_reads_and_writes_where_the_definition_says(tmp_path: Path) -> None:
    async with extended(tmp_path) as api:
        await define(api, definition(version(subresources=SCALE)))
        await create(api, spec={})
        with pytest.raises(InternalError, match=r'the spec replicas field ".spec.size" does not exist'):
            await api.client.get(WIDGETS, "a", namespace="default", subresource="scale")
        with pytest.raises(BadRequest, match=r'the spec replicas field ".spec.size" cannot be empty'):
            await change(api, {}, "scale")
        await change(api, {"spec": {"size": 2}})
        scale = await change(api, {"spec": {"replicas": 4}}, "scale")
        assert (scale["apiVersion"], scale["kind"], scale["spec"]) == (
            "autoscaling/v1",
            "Scale",
            {"replicas": 4},
        )
        await change(api, {"status": {"count": 3, "selector": "a=b"}}, "status")
        scale = await api.client.get(WIDGETS, "a", namespace="default", subresource="scale")
        assert scale["status"] == {"replicas": 3, "selector": "a=b"}
        found = await api.client.get(WIDGETS, "a", namespace="default")
        assert found["spec"]["size"] == 4
        owners = [
            entry for entry in found["metadata"]["managedFields"] if entry.get("subresource") == "scale"
        ]
        assert owners[0]["fieldsV1"] == {"f:spec": {"f:size": {}}}
        with pytest.raises(Invalid, match=r"\.status\.count accessor error: x is of the type string"):
            await change(api, {"status": {"count": "x"}}, "status")


async def test_only_declared_fields_can_be_selected_by(tmp_path: Path) -> None:
    async with extended(tmp_path) as api:
        await define(api, definition(version(selectableFields=[{"jsonPath": ".spec.color"}])))
        await create(api, spec={"color": "blue"})
        assert len((await api.client.list(WIDGETS, field_selector="spec.color=blue")).items) == 1
        assert (await api.client.list(WIDGETS, field_selector="spec.color!=blue")).items == []
        with pytest.raises(BadRequest, match=r"field label not supported: spec\.size"):
            await api.client.list(WIDGETS, field_selector="spec.size=1")


async def test_a_body_must_say_that_it_is_of_the_kind(tmp_path: Path) -> None:
    async with extended(tmp_path) as api:
        await define(api, definition())
        with pytest.raises(BadRequest, match=r"the API version in the data \(\) does not match"):
            await api.client.create(WIDGETS, {"metadata": {"name": "a"}}, namespace="default")
        with pytest.raises(Invalid, match=r'kind: Invalid value: "Gadget": must be Widget'):
            await api.client.create(WIDGETS, {**widget(), "kind": "Gadget"}, namespace="default")


async def test_a_strategic_merge_is_refused_because_the_schema_does_not_say_how(tmp_path: Path) -> None:
    async with extended(tmp_path) as api:
        await define(api, definition())
        await create(api)
        with pytest.raises(
            UnsupportedMediaType, match=r"json, application/merge-patch\+json, application/apply"
        ):
            await api.client.patch(
                WIDGETS, "a", {"spec": {}}, namespace="default", patch_type=PatchType.STRATEGIC
            )


async def test_an_apply_of_what_the_schema_does_not_know_fails(tmp_path: Path) -> None:
    async with extended(tmp_path) as api:
        await define(api, definition())
        request = Request(
            "patch", row_of(api), ADMIN, "default", "a", query={"fieldManager": "me"},
            body=widget(spec={"colour": "red"}), content_type=PatchType.APPLY,
        )  # fmt: skip
        with pytest.raises(ApiError, match=r"\.spec\.colour: field not declared in schema"):
            await api.pipeline.handle(request)


async def test_finalizers_whose_names_could_clash_are_warned_of(tmp_path: Path) -> None:
    async with extended(tmp_path) as api:
        await define(api, definition())
        body = widget()
        body["metadata"]["finalizers"] = ["mine.example", "a.example/b"]
        answer = await api.pipeline.handle(Request("create", row_of(api), ADMIN, "default", body=body))
        assert isinstance(answer, Answer)
        assert answer.warnings == (
            'metadata.finalizers: "mine.example": prefer a domain-qualified finalizer name including a path '
            "(/) to avoid accidental conflicts with other finalizer writers",
        )


async def test_objects_of_what_is_not_served_are_not_found(tmp_path: Path) -> None:
    async with extended(tmp_path) as api:
        with pytest.raises(NotFound):
            await api.client.list(WIDGETS)
