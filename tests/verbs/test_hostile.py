"""Bodies in which one value was replaced by another that does not belong there."""

from collections.abc import Iterator
from typing import Any

import orjson
import pytest

from kube_lite.api.errors import ApiError, InternalError
from kube_lite.api.identity import GroupVersionResource, Json
from kube_lite.verbs.request import Request
from tests.serving import ADMIN, CONFIG_MAPS, PODS, SERVICES, Api

ODD: tuple[Any, ...] = (None, -1, 1.5, "", "x", [], {}, [None], {"a": None}, True, [{}])
METADATA: Json = {"name": "a", "labels": {"a": "b"}, "annotations": {"x": "y"}, "finalizers": ["f/g"]}
APPLY = "application/apply-patch+yaml"
APPLIED = {"fieldManager": "x", "force": "true"}
ENTRY: Json = {
    "manager": "x", "operation": "Apply", "apiVersion": "v0", "time": "2024-01-01T00:00:00Z",
    "fieldsType": "FieldsV1", "fieldsV1": {"f:data": {".": {}, 'k:{"a":1}': {}}},
}  # fmt: skip
Path = tuple[str | int, ...]


def paths(value: Any, here: Path = ()) -> Iterator[Path]:
    yield here
    if isinstance(value, dict):
        for key, below in value.items():
            yield from paths(below, (*here, key))
    elif isinstance(value, list):
        for position, below in enumerate(value):
            yield from paths(below, (*here, position))


def replaced(value: Any, path: Path, odd: Any) -> Any:
    if not path:
        return odd
    copy: Any = list(value) if isinstance(value, list) else dict(value)
    copy[path[0]] = replaced(value[path[0]], path[1:], odd)
    return copy


@pytest.mark.parametrize(
    ("resource", "content"),
    [
        pytest.param(CONFIG_MAPS, {"data": {"k": "v"}, "immutable": False}, id="ConfigMap"),
        pytest.param(
            PODS,
            {"spec": {"containers": [{"name": "a", "image": "i", "ports": [{"containerPort": 80}]}]}},
            id="Pod",
        ),
        pytest.param(
            SERVICES,
            {
                "spec": {
                    "type": "NodePort",
                    "selector": {"a": "b"},
                    "ports": [{"port": 80, "nodePort": 30000}],
                }
            },
            id="Service",
        ),
    ],
)
async def test_no_body_makes_the_server_fail(api: Api, resource: GroupVersionResource, content: Json) -> None:
    row = api.pipeline.registry.by_gvr(resource)
    assert row is not None
    good = {"apiVersion": row.api_version, "kind": row.kind, "metadata": METADATA, **content}
    for path in paths(good):
        for odd in ODD:
            body = replaced(good, path, odd)
            pointer = "/" + "/".join(map(str, path))
            patch = [{"op": "replace", "path": pointer if path else "", "value": odd}]
            for request in (
                Request("create", row, ADMIN, "default", query={"dryRun": "All"}, body=orjson.dumps(body)),
                Request("create", row, ADMIN, "default", body=orjson.dumps(good)),
                Request("update", row, ADMIN, "default", "a", body=orjson.dumps(body)),
                Request("patch", row, ADMIN, "default", "a", "", APPLIED, orjson.dumps(body), APPLY),
                Request(
                    "patch",
                    row,
                    ADMIN,
                    "default",
                    "a",
                    body=orjson.dumps(patch),
                    content_type="application/json-patch+json",
                ),
            ):
                try:
                    await api.pipeline.handle(request)
                except InternalError as error:
                    pytest.fail(f"{request.verb} with {odd!r} at {pointer}: {error}")
                except ApiError:
                    continue


@pytest.mark.parametrize("verb", ["create", "update"])
async def test_no_owners_that_are_sent_make_the_server_fail(api: Api, verb: str) -> None:
    row = api.pipeline.registry.by_gvr(CONFIG_MAPS)
    assert row is not None
    await api.client.create(CONFIG_MAPS, {"metadata": {"name": "a"}}, namespace="default")
    for path in paths([ENTRY]):
        for odd in (*ODD, {"f:a": {"k:x": {}}}, {"f:a": {"f:b": {".": {}}}}):
            name = "a" if verb == "update" else ""
            metadata = {"generateName": "a", "managedFields": replaced([ENTRY], path, odd)}
            if name:
                metadata["name"] = name
            body = orjson.dumps({"metadata": metadata, "data": {"k": str(path) + repr(odd)}})
            try:
                await api.pipeline.handle(Request(verb, row, ADMIN, "default", name, body=body))
            except InternalError as error:
                pytest.fail(f"{verb} with {odd!r} at {path}: {error}")
            except ApiError:
                continue
