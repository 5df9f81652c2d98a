"""OpenAPI documents: complete in themselves, and with what kubectl looks for."""

from collections.abc import Iterator
from typing import Any

import pytest

from kube_lite.api import openapi
from kube_lite.api.identity import GroupVersion, Json
from kube_lite.api.resource import Registry, Resource
from kube_lite.kinds import builtin
from kube_lite.kinds.schemas import definitions

APPS = GroupVersion("apps", "v1")


@pytest.fixture(scope="module")
def apps() -> Json:
    return openapi.v3(builtin(), definitions(), APPS)


@pytest.fixture(scope="module")
def swagger() -> Json:
    return openapi.v2(builtin(), definitions())


def references(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        for word, below in value.items():
            if word == "$ref" and isinstance(below, str):
                yield below.rpartition("/")[2]
            else:
                yield from references(below)
    elif isinstance(value, list):
        for below in value:
            yield from references(below)


def test_every_reference_of_a_group_document_leads_somewhere(apps: Json) -> None:
    assert set(references(apps)) <= set(apps["components"]["schemas"])


def test_every_reference_of_the_whole_document_leads_somewhere(swagger: Json) -> None:
    assert set(references(swagger)) <= set(swagger["definitions"])


def test_a_group_document_holds_nothing_of_others(apps: Json) -> None:
    assert all(path.startswith("/apis/apps/v1") for path in apps["paths"])
    assert "io.k8s.api.core.v1.Node" not in apps["components"]["schemas"]


def test_a_patch_says_that_it_can_be_tried_and_checked(apps: Json, swagger: Json) -> None:
    path = "/apis/apps/v1/namespaces/{namespace}/deployments/{name}"
    for document in (apps, swagger):
        operation = document["paths"][path]["patch"]
        assert operation["x-kubernetes-group-version-kind"] == {
            "group": "apps",
            "version": "v1",
            "kind": "Deployment",
        }
        assert {"dryRun", "fieldValidation"} <= {entry["name"] for entry in operation["parameters"]}


def test_a_reference_with_company_is_wrapped_in_version_3_only(apps: Json, swagger: Json) -> None:
    name = "io.k8s.api.apps.v1.Deployment"
    wrapped = apps["components"]["schemas"][name]["properties"]["spec"]
    plain = swagger["definitions"][name]["properties"]["spec"]
    assert wrapped["allOf"] == [{"$ref": "#/components/schemas/io.k8s.api.apps.v1.DeploymentSpec"}]
    assert plain["$ref"] == "#/definitions/io.k8s.api.apps.v1.DeploymentSpec"
    assert wrapped["description"] == plain["description"] != ""


def test_patches_find_their_merge_keys(swagger: Json) -> None:
    containers = swagger["definitions"]["io.k8s.api.core.v1.PodSpec"]["properties"]["containers"]
    assert containers["x-kubernetes-patch-merge-key"] == "name"
    assert containers["x-kubernetes-patch-strategy"] == "merge"


def test_scalars_of_two_forms_are_told_as_each_version_can(apps: Json, swagger: Json) -> None:
    name = "io.k8s.apimachinery.pkg.util.intstr.IntOrString"
    assert apps["components"]["schemas"][name]["oneOf"] == [{"type": "integer"}, {"type": "string"}]
    assert swagger["definitions"][name]["type"] == "string"


def test_fields_with_a_few_values_name_them(swagger: Json) -> None:
    policy = swagger["definitions"]["io.k8s.api.core.v1.PodSpec"]["properties"]["restartPolicy"]
    assert policy["enum"] == ["Always", "Never", "OnFailure"]
    assert policy["description"].endswith(
        'Possible enum values:\n - `"Always"`\n - `"Never"`\n - `"OnFailure"`'
    )


def test_the_index_changes_with_what_is_served() -> None:
    registry = builtin()
    before = openapi.v3_index(registry, definitions())["paths"]
    extra = Resource("apps", "v1", "cages", "cage", "Cage", namespaced=True)
    registry.add(extra)
    after = openapi.v3_index(registry, definitions())["paths"]
    changed = {path for path in before if before[path] != after[path]}
    assert changed == {"apis/apps/v1"}


def test_a_kind_without_a_definition_is_known_by_its_kind() -> None:
    row = Resource("zoo.example", "v1", "cages", "cage", "Cage", namespaced=False)
    document = openapi.v3(Registry([row]), definitions(), GroupVersion("zoo.example", "v1"))
    schema = document["components"]["schemas"]["example.zoo.v1.Cage"]
    gvk = {"group": "zoo.example", "version": "v1", "kind": "Cage"}
    assert schema["x-kubernetes-group-version-kind"] == [gvk]
    assert set(references(document)) <= set(document["components"]["schemas"])


def fields(message: bytes) -> Iterator[tuple[int, bytes]]:
    """The length-delimited fields of a protobuf message."""
    place = 0
    while place < len(message):
        key, place = varint(message, place)
        number, place = varint(message, place)
        if key & 7 == 2:
            yield key >> 3, message[place : place + number]
            place += number


def varint(message: bytes, place: int) -> tuple[int, int]:
    number = shift = 0
    while True:
        byte = message[place]
        place += 1
        number |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            return number, place


def test_the_protobuf_form_says_the_same(swagger: Json) -> None:
    document = dict(fields(openapi.v2_protobuf(builtin(), definitions())))
    assert document[1] == b"2.0"
    named = {}
    for _, entry in fields(document[9]):
        parts = dict(fields(entry))
        named[parts[1].decode()] = parts.get(2, b"")
    assert set(named) == set(swagger["definitions"])
    deployment = dict(fields(named["io.k8s.api.apps.v1.Deployment"]))
    assert deployment[4].decode() == swagger["definitions"]["io.k8s.api.apps.v1.Deployment"]["description"]
    extension = dict(fields(deployment[31]))
    assert extension[1] == b"x-kubernetes-group-version-kind"
    assert b'"kind":"Deployment"' in dict(fields(extension[2]))[2]
