"""Custom resources whose versions a webhook converts, through the pipeline; the webhook is a real server."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from aiohttp.web_response import Response

from kube_lite.api.errors import ApiError, InternalError
from kube_lite.api.identity import GroupVersionResource, Json
from kube_lite.client.protocol import PatchType
from kube_lite.registry import keys
from kube_lite.registry.stored import Stored
from tests.definitions import (
    DEFINITIONS,
    GROUP,
    NAME,
    WIDGETS,
    define,
    definition,
    extended,
    until,
    version,
    widget,
)
from tests.serving import SERVICES, Api
from tests.webhooks import Converter, converting

V2 = WIDGETS._replace(version="v2")
SLICES = GroupVersionResource("discovery.k8s.io", "v1", "endpointslices")
OLD: Json = {
    "type": "object",
    "properties": {
        "host": {"type": "string"},
        "port": {"type": "integer"},
        "color": {"type": "string", "default": "red"},
    },
}
NEW: Json = {
    "type": "object",
    "properties": {"address": {"type": "string"}, "color": {"type": "string"}},
}
HERE = {"host": "here", "port": 80}
FAILED = f"conversion webhook for {GROUP}/v1, Kind=Widget"


def two_versions(conversion: Json, *, stored: str = "v1") -> Json:
    """A definition of widgets that are converted."""
    status: Json = {"subresources": {"status": {}}}
    scale = {
        "specReplicasPath": ".spec.port",
        "statusReplicasPath": ".status.count",
    }
    old = version("v1", spec=OLD, storage=stored == "v1", subresources={"status": {}, "scale": scale})
    body = definition(old, version("v2", spec=NEW, storage=stored == "v2", **status))
    body["spec"]["conversion"] = conversion
    return body


@asynccontextmanager
async def converted(tmp_path: Path, **options: Any) -> AsyncIterator[tuple[Api, Converter]]:
    """An API that serves widgets in two versions, and what converts them."""
    async with converting(tmp_path / "pki") as converter, extended(tmp_path) as api:
        await define(api, two_versions(converter.conversion(**options)))
        yield api, converter


async def create(api: Api, name: str = "a", **spec: Any) -> Json:
    """A widget of version ``v1``."""
    return await api.client.create(WIDGETS, widget(name, spec=spec or HERE), namespace="default")


async def get(api: Api, resource: Any = V2, name: str = "a") -> Json:
    """The widget in a version."""
    return await api.client.get(resource, name, namespace="default")


def with_color(address: str) -> Json:
    """The spec of version ``v2`` after it was read from ``v1``, whose default goes with it."""
    return {"address": address, "color": "red"}


def at_rest(api: Api, name: str = "a") -> Json:
    """The widget as it lies in the store."""
    items = api.store.list(keys.storage_range(WIDGETS.group_resource)).items
    found = [Stored(item.value, item.revision).object for item in items]
    return next(obj for obj in found if obj["metadata"]["name"] == name)


async def test_an_object_is_read_in_the_other_version_and_asked_for_once(tmp_path: Path) -> None:
    async with converted(tmp_path) as (api, converter):
        made = await create(api)
        assert not converter.reviews
        found = await get(api)
        assert found == {**made, "apiVersion": f"{GROUP}/v2", "spec": {"address": "here:80", "color": "red"}}
        assert await get(api) == found
        [review] = converter.reviews
        assert review["request"]["objects"] == [made]
        assert (review["apiVersion"], review["request"]["desiredAPIVersion"]) == (
            "apiextensions.k8s.io/v1",
            f"{GROUP}/v2",
        )
        assert converter.paths == ["/convert?timeout=30s"]


async def test_what_is_written_in_another_version_is_stored_in_the_one_to_store(tmp_path: Path) -> None:
    async with converted(tmp_path) as (api, _):
        body = widget(api_version=V2.api_version, spec={"address": "there:81"})
        made = await api.client.create(V2, body, namespace="default")
        assert (made["apiVersion"], made["spec"]) == (V2.api_version, with_color("there:81"))
        assert (at_rest(api)["apiVersion"], at_rest(api)["spec"]) == (
            WIDGETS.api_version,
            {"host": "there", "port": 81},
        )
        sent = {**made, "spec": {"address": "there:82"}}
        updated = await api.client.update(V2, sent, namespace="default")
        assert (updated["metadata"]["generation"], updated["spec"]) == (2, with_color("there:82"))
        assert (await get(api, WIDGETS))["spec"] == {"host": "there", "port": 82, "color": "red"}


async def test_patches_and_subresources_work_in_either_version(tmp_path: Path) -> None:
    async with converted(tmp_path) as (api, _):
        await create(api)
        merge: Any = {"namespace": "default", "patch_type": PatchType.MERGE}
        patched = await api.client.patch(V2, "a", {"spec": {"address": "b:2"}}, **merge)
        assert patched["spec"]["address"] == "b:2"
        told = await api.client.patch(V2, "a", {"status": {"count": 5}}, subresource="status", **merge)
        assert (told["status"], told["apiVersion"]) == ({"count": 5}, V2.api_version)
        scale = await api.client.get(WIDGETS, "a", namespace="default", subresource="scale")
        assert (scale["spec"], scale["status"]) == ({"replicas": 2}, {"replicas": 5})
        await api.client.patch(WIDGETS, "a", {"spec": {"replicas": 7}}, subresource="scale", **merge)
        assert (await get(api))["spec"]["address"] == "b:7"
        gone = await api.client.delete(V2, "a", namespace="default")
        assert gone["status"] == "Success"


async def test_who_applied_in_one_version_owns_the_fields_of_the_other(tmp_path: Path) -> None:
    async with converted(tmp_path) as (api, _):
        apply: Any = {"namespace": "default", "patch_type": PatchType.APPLY}
        first = widget(spec=HERE)
        await api.client.patch(WIDGETS, "a", first, field_manager="one", **apply)
        second = widget(api_version=V2.api_version, spec={"address": "there:81"})
        with pytest.raises(ApiError, match=r'conflicts with "one":\n- \.spec\.host\n- \.spec\.port'):
            await api.client.patch(V2, "a", second, field_manager="two", **apply)
        forced = await api.client.patch(V2, "a", second, field_manager="two", force=True, **apply)
        owners = {entry["manager"]: entry for entry in forced["metadata"]["managedFields"]}
        assert owners["two"]["fieldsV1"] == {"f:spec": {"f:address": {}}}
        assert "one" not in owners
        assert at_rest(api)["spec"] == {"host": "there", "port": 81, "color": "red"}


async def test_a_list_is_one_review(tmp_path: Path) -> None:
    async with converted(tmp_path) as (api, converter):
        for number in range(5):
            await create(api, f"w{number}", host="h", port=number)
        found = await api.client.list(V2, namespace="default")
        assert [obj["spec"]["address"] for obj in found.items] == [f"h:{number}" for number in range(5)]
        assert [len(review["request"]["objects"]) for review in converter.reviews] == [5]
        chosen = await api.client.list(V2, namespace="default", field_selector="metadata.name=w3")
        assert [obj["spec"]["address"] for obj in chosen.items] == ["h:3"]
        assert len(converter.reviews) == 1


async def test_a_watch_tells_everything_in_its_version_and_in_order(tmp_path: Path) -> None:
    async with converted(tmp_path) as (api, _):
        await create(api)
        async with api.client.watch(V2, namespace="default") as events:
            assert (await anext(events)).object["spec"]["address"] == "here:80"
            for port in range(81, 84):
                await api.client.patch(
                    WIDGETS, "a", {"spec": {"port": port}}, namespace="default", patch_type=PatchType.MERGE
                )
            await api.client.delete(WIDGETS, "a", namespace="default")
            seen = [await anext(events) for _ in range(4)]
        told = [(event.type.value, event.object["spec"]["address"]) for event in seen]
        assert told == [("MODIFIED", f"here:{port}") for port in range(81, 84)] + [("DELETED", "here:83")]
        assert {event.object["apiVersion"] for event in seen} == {V2.api_version}


async def test_a_watch_ends_with_the_failure(tmp_path: Path) -> None:
    async with converted(tmp_path) as (api, converter):
        await create(api)
        async with api.client.watch(V2, namespace="default") as events:
            await anext(events)
            converter.spoil = lambda answer: {**answer, "response": None}
            await create(api, "b")
            with pytest.raises(InternalError) as caught:
                await anext(events)
        assert caught.value.status()["message"] == f"{FAILED} failed: no response provided"


async def test_a_watch_tells_what_comes_before_the_failure(tmp_path: Path) -> None:
    def spoil(answer: Json) -> Any:
        names = [obj["metadata"]["name"] for obj in answer["response"]["convertedObjects"]]
        return respond(result={"status": "Failure", "message": "bad"})(answer) if "bad" in names else answer

    async with converted(tmp_path) as (api, converter):
        converter.spoil = spoil
        made = await create(api, "first")
        for name in ("good", "bad", "later"):
            await create(api, name)
        since = made["metadata"]["resourceVersion"]
        async with api.client.watch(V2, namespace="default", resource_version=since) as events:
            assert (await anext(events)).object["metadata"]["name"] == "good"
            with pytest.raises(InternalError, match=f"{FAILED} failed: bad"):
                await anext(events)


async def test_an_update_of_nothing_brings_an_object_to_the_version_to_store(
    tmp_path: Path,
) -> None:
    async with converted(tmp_path) as (api, converter):
        made = await create(api)
        again = two_versions(converter.conversion(), stored="v2")
        changed = await api.client.patch(
            DEFINITIONS, NAME, {"spec": again["spec"]}, patch_type=PatchType.MERGE
        )
        assert changed["status"]["storedVersions"] == ["v1", "v2"]
        assert at_rest(api)["apiVersion"] == WIDGETS.api_version
        found = await get(api, WIDGETS)
        assert found == made
        written = await api.client.update(WIDGETS, found, namespace="default")
        assert written["metadata"]["resourceVersion"] != made["metadata"]["resourceVersion"]
        assert written["metadata"]["generation"] == made["metadata"]["generation"]
        assert (at_rest(api)["apiVersion"], at_rest(api)["spec"]["address"]) == (V2.api_version, "here:80")
        same = await api.client.update(WIDGETS, written, namespace="default")
        assert same["metadata"]["resourceVersion"] == written["metadata"]["resourceVersion"]


async def test_a_watch_ends_when_objects_are_converted_otherwise(tmp_path: Path) -> None:
    async with converted(tmp_path) as (api, converter):
        async with api.client.watch(V2, namespace="default") as events:
            conversion = converter.conversion(versions=("v1beta1",))
            await api.client.patch(
                DEFINITIONS, NAME, {"spec": {"conversion": conversion}}, patch_type=PatchType.MERGE
            )
            with pytest.raises(StopAsyncIteration):
                await anext(events)
        await create(api)
        await get(api)
        assert converter.reviews[-1]["apiVersion"] == "apiextensions.k8s.io/v1beta1"


async def test_a_definition_goes_although_its_webhook_has_gone(tmp_path: Path) -> None:
    async with converted(tmp_path) as (api, converter):
        await create(api)
        converter.spoil = lambda _: Response(status=503)
        await api.client.delete(DEFINITIONS, NAME)
        await until(lambda: not api.store.count(keys.storage_range(DEFINITIONS.group_resource)))


async def test_what_many_want_at_once_is_asked_for_once(tmp_path: Path) -> None:
    async with converted(tmp_path) as (api, converter):
        await create(api)
        async with asyncio.TaskGroup() as group:
            asking = [group.create_task(get(api)) for _ in range(5)]
        assert {task.result()["spec"]["address"] for task in asking} == {"here:80"}
        assert len(converter.reviews) == 1


async def test_a_webhook_in_a_service_is_called_by_the_services_name(tmp_path: Path) -> None:
    service = {"name": "converter", "namespace": "default", "path": "/it"}
    async with (
        converting(tmp_path / "pki", ("converter.default.svc",)) as converter,
        extended(tmp_path) as api,
    ):
        await define(api, two_versions(converter.conversion({"service": service})))
        await create(api)
        posted = f'{FAILED} failed: Post "https://converter.default.svc:443/it?timeout=30s": '
        await refuses(api, posted + 'service "converter" not found')
        spec = {"ports": [{"name": "tls", "port": 443}]}
        named = {"metadata": {"name": "converter"}}
        await api.client.create(SERVICES, {**named, "spec": spec}, namespace="default")
        await refuses(api, posted + 'no endpoints available for service "converter"')
        entry = {
            "apiVersion": SLICES.api_version,
            "kind": "EndpointSlice",
            "metadata": {
                "name": "converter-1",
                "namespace": "default",
                "uid": "1",
                "labels": {"kubernetes.io/service-name": "converter"},
            },
            "addressType": "IPv4",
            "endpoints": [{"addresses": ["127.0.0.1"]}],
            "ports": [{"name": "tls", "port": converter.port}],
        }
        row = api.pipeline.registry.by_gvr(SLICES)
        assert row is not None  # they are always served
        # Written below the rules, which let nobody point at this host.
        await api.pipeline._parts.objects.create(row, entry)
        assert (await get(api))["spec"]["address"] == "here:80"
        assert (converter.hosts, converter.paths) == (["converter.default.svc:443"], ["/it?timeout=30s"])


async def refuses(api: Api, told: str) -> None:
    """Reading the widget in the other version fails in these words."""
    with pytest.raises(ApiError) as caught:
        await get(api)
    status = caught.value.status()
    assert (status["message"], status["code"], status.get("reason")) == (told, 500, None)


def respond(**fields: Any) -> Any:
    return lambda answer: {**answer, "response": {**answer["response"], **fields}}


def change(**fields: Any) -> Any:
    """The answer with another object."""

    def changed(answer: Json) -> Any:
        [obj] = answer["response"]["convertedObjects"]
        return respond(convertedObjects=[{**obj, **fields}])(answer)

    return changed


def change_metadata(**fields: Any) -> Any:
    def changed(answer: Json) -> Any:
        [obj] = answer["response"]["convertedObjects"]
        return change(metadata={**obj["metadata"], **fields})(answer)

    return changed


RESULT = " returned invalid object at index 0: invalid "


@pytest.mark.parametrize(
    ("spoil", "told"),
    [
        pytest.param(
            respond(uid="other"), 'failed: expected response.uid="UID", got "other"', id="another question"
        ),
        pytest.param(
            lambda answer: {**answer, "kind": "Other"},
            "failed: expected webhook response of apiextensions.k8s.io/v1, Kind=ConversionReview, "
            "got /, Kind=",
            id="another kind of answer",
        ),
        pytest.param(lambda answer: {**answer, "response": None}, "failed: no response provided", id="none"),
        pytest.param(
            respond(result={"status": "Failure", "message": "I cannot"}), "failed: I cannot", id="a message"
        ),
        pytest.param(
            respond(result={}), "failed: response.result.status was '', not 'Success'", id="no message"
        ),
        pytest.param(respond(convertedObjects=[]), "returned 0 objects, expected 1", id="too few"),
        pytest.param(
            change(apiVersion="x/v1"),
            f"returned invalid object at index 0: invalid groupVersion (expected {GROUP}/v2, received x/v1)",
            id="another version",
        ),
        pytest.param(
            change(kind="Gadget"),
            "returned invalid object at index 0: invalid kind (expected Widget, received Gadget)",
            id="another kind",
        ),
        pytest.param(
            change_metadata(name="b"),
            "returned invalid object: must have the same name: a != b",
            id="another name",
        ),
        pytest.param(
            change_metadata(namespace="x"),
            "returned invalid object: must have the same namespace: default != x",
            id="another namespace",
        ),
        pytest.param(
            change_metadata(labels=["a"]),
            "returned invalid metadata: invalid metadata.labels of type []interface {} in converted object",
            id="labels that are a list",
        ),
        pytest.param(
            change_metadata(annotations={"a": 1}),
            "returned invalid metadata: metadata.annotations[a] must be a string, but is int64 in converted "
            "object",
            id="an annotation that is a number",
        ),
        pytest.param(
            lambda _: Response(status=500, text="boom"),
            'failed: an error on the server ("boom") has prevented the request from succeeding',
            id="an error",
        ),
        pytest.param(
            lambda _: Response(status=404),
            "failed: the server could not find the requested resource",
            id="not found",
        ),
        pytest.param(
            lambda _: Response(text="<html>"),
            "failed: couldn't get version/kind; json parse error: "
            "invalid character '<' looking for beginning of value",
            id="no JSON",
        ),
    ],
)
async def test_a_wrong_answer_is_told_in_the_references_words(tmp_path: Path, spoil: Any, told: str) -> None:
    async with converted(tmp_path) as (api, converter):
        await create(api)
        converter.spoil = spoil
        with pytest.raises(ApiError) as caught:
            await get(api)
        uid = converter.reviews[-1]["request"]["uid"]
        assert caught.value.message == f"{FAILED} {told.replace('UID', uid)}"
        converter.spoil = None
        assert (await get(api))["spec"]["address"] == "here:80"


async def test_labels_and_annotations_may_change_and_the_rest_of_the_metadata_stays(tmp_path: Path) -> None:
    async with converted(tmp_path) as (api, converter):
        made = await create(api)
        converter.spoil = change_metadata(labels={"old": "yes"}, finalizers=["x/y"], generation=9)
        found = await get(api)
        assert found["metadata"] == {**made["metadata"], "labels": {"old": "yes"}}
        chosen = await api.client.list(V2, namespace="default", label_selector="old=yes")
        assert len(chosen.items) == 1


async def test_reviews_of_old_need_not_say_which_they_answer(tmp_path: Path) -> None:
    async with converted(tmp_path, versions=("v7", "v1beta1", "v1")) as (api, converter):
        await create(api)
        converter.spoil = respond(uid="")
        assert (await get(api))["spec"]["address"] == "here:80"
        assert converter.reviews[0]["apiVersion"] == "apiextensions.k8s.io/v1beta1"


async def test_a_webhook_that_cannot_be_reached_or_trusted_is_told_of(tmp_path: Path) -> None:
    async with converting(tmp_path / "other") as other, converted(tmp_path) as (api, converter):
        await create(api)
        url = f'Post "{converter.url}?timeout=30s": '
        for client, why in (
            ({"url": "https://127.0.0.1:1/convert"}, "dial tcp 127.0.0.1:1: connect: connection refused"),
            (
                {"url": converter.url, "caBundle": other.bundle},
                "tls: failed to verify certificate: x509: certificate signed by unknown authority",
            ),
        ):
            conversion = converter.conversion(client)
            await api.client.patch(
                DEFINITIONS, NAME, {"spec": {"conversion": conversion}}, patch_type=PatchType.MERGE
            )
            url = f'Post "{client["url"]}?timeout=30s": '
            with pytest.raises(ApiError) as caught:
                await read_until_changed(api, why)
            assert caught.value.message == f"{FAILED} failed: {url}{why}"


async def test_a_certificate_for_somebody_else_is_told_of_with_its_names(tmp_path: Path) -> None:
    names = ("a.example", "b.example", "127.0.0.2")
    async with converting(tmp_path / "pki", names) as converter, extended(tmp_path) as api:
        await define(api, two_versions(converter.conversion()))
        await create(api)
        why = "tls: failed to verify certificate: x509: certificate is valid for 127.0.0.2, not 127.0.0.1"
        await refuses(api, f'{FAILED} failed: Post "{converter.url}?timeout=30s": {why}')


async def read_until_changed(api: Api, why: str) -> None:
    """Read until the definition is served as it is now, and raises for that reason."""
    while True:
        try:
            await get(api)
        except ApiError as error:
            if why in error.message:
                raise
