"""Objects as Go's decoder reads them."""

import json
from typing import Any

import pytest

from kube_lite.api.schema.mismatch import TypeMismatch
from kube_lite.api.schema.prune import read_next, read_object
from kube_lite.kinds.schemas import definitions

CORE = "io.k8s.api.core.v1."


def read(body: Any, definition: str = CORE + "Pod") -> Any:
    return read_object(body, definitions().schema(definition))


def test_unknown_fields_are_left_out_and_told_of_in_order() -> None:
    result = read({"spec": {"containers": [{"name": "a", "flavour": 1}], "colour": 2}, "extra": 3})
    assert result.unknown == (
        'unknown field "spec.containers[0].flavour"',
        'unknown field "spec.colour"',
        'unknown field "extra"',
    )
    assert result.value["spec"]["containers"] == [{"name": "a", "resources": {}}]


@pytest.mark.parametrize(
    ("definition", "body", "message"),
    [
        (
            CORE + "Pod",
            {"spec": "x"},
            "cannot unmarshal string into Go struct field Pod.spec of type v1.PodSpec",
        ),
        (
            CORE + "Pod",
            {"spec": {"containers": {}}},
            "cannot unmarshal object into Go struct field PodSpec.spec.containers of type []v1.Container",
        ),
        (
            CORE + "ConfigMap",
            {"data": {"a": 1}},
            "cannot unmarshal number into Go struct field ConfigMap.data of type string",
        ),
        (
            CORE + "ConfigMap",
            {"metadata": {"labels": {"a": True}}},
            "cannot unmarshal bool into Go struct field ObjectMeta.metadata.labels of type string",
        ),
        (
            "io.k8s.api.apps.v1.Deployment",
            {"spec": {"replicas": 3_000_000_000}},
            "cannot unmarshal number 3000000000 into Go struct field "
            "DeploymentSpec.spec.replicas of type int32",
        ),
        (
            CORE + "Service",
            {"spec": {"ports": [{"targetPort": []}]}},
            "cannot unmarshal array into Go struct field ServicePort.spec.ports.targetPort of type int32",
        ),
        (
            CORE + "Secret",
            {"data": {"a": 5}},
            "cannot unmarshal number into Go struct field Secret.data of type []uint8",
        ),
    ],
)
def test_a_value_of_a_wrong_type_is_refused_in_go_words(definition: Any, body: Any, message: Any) -> None:
    with pytest.raises(TypeMismatch) as caught:
        read(body, definition)
    assert str(caught.value) == f"json: {message}"


def test_zeros_are_dropped_unless_go_would_write_them() -> None:
    spec = {"hostNetwork": False, "priority": 0, "nodeName": "", "tolerations": [], "nodeSelector": {}}
    value = read({"spec": {**spec, "volumes": [{"name": "v", "emptyDir": {}}]}}).value
    assert value == {
        "metadata": {},
        "spec": {"priority": 0, "volumes": [{"name": "v", "emptyDir": {}}], "containers": None},
        "status": {},
    }


def test_nulls_are_absent_in_structs_and_zero_in_lists_and_maps() -> None:
    assert read({"data": {"a": None}, "immutable": None}, CORE + "ConfigMap").value["data"] == {"a": ""}
    assert read({"spec": {"containers": [None]}}).value["spec"]["containers"] == [
        {"name": "", "resources": {}}
    ]


def test_a_null_in_a_map_of_structs_is_an_empty_one() -> None:
    package = "io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1."
    assert read({"properties": {"a": None}}, f"{package}JSONSchemaProps").value["properties"] == {"a": {}}


def test_amounts_times_and_bytes_have_their_canonical_form() -> None:
    quota = read({"spec": {"hard": {"cpu": 2, "memory": "1024Ki"}}}, CORE + "ResourceQuota").value
    assert quota["spec"]["hard"] == {"cpu": "2", "memory": "1Mi"}
    lease = read(
        {"spec": {"renewTime": "2020-01-01T02:00:00.000000+02:00"}}, "io.k8s.api.coordination.v1.Lease"
    ).value
    assert lease["spec"]["renewTime"] == "2020-01-01T00:00:00.000000Z"
    with pytest.raises(TypeMismatch, match=r'cannot parse "Z" as "\.000000"'):
        read({"spec": {"renewTime": "2020-01-01T00:00:00Z"}}, "io.k8s.api.coordination.v1.Lease")
    assert read({"data": {"a": "eA\n=="}}, CORE + "Secret").value["data"] == {"a": "eA=="}
    with pytest.raises(TypeMismatch, match="illegal base64 data at input byte 1"):
        read({"data": {"a": "e!=="}}, CORE + "Secret")


def test_the_body_is_not_touched_and_shares_nothing_with_the_result() -> None:
    body = {"metadata": {"labels": {"a": "b"}}, "spec": {"containers": [{"name": "a", "args": ["x"]}]}}
    value = read(body).value
    value["metadata"]["labels"]["c"] = "d"
    value["spec"]["containers"][0]["args"].append("y")
    assert body == {
        "metadata": {"labels": {"a": "b"}},
        "spec": {"containers": [{"name": "a", "args": ["x"]}]},
    }


def test_a_wrong_type_has_other_words_where_an_object_is_converted() -> None:
    with pytest.raises(TypeMismatch) as caught:
        read({"spec": {"containers": {}}})
    assert caught.value.restored == "cannot restore slice from map"
    with pytest.raises(TypeMismatch) as caught:
        read({"spec": {"replicas": "x"}}, "io.k8s.api.apps.v1.Deployment")
    assert caught.value.restored == "unrecognized type: int32"


def test_what_a_change_leaves_alone_is_copied_and_its_owners_are_shared() -> None:
    owners = [{"manager": "a", "fieldsV1": {"f:spec": {}}}]
    old = read(
        {"metadata": {"name": "a", "managedFields": owners}, "spec": {"containers": [{"name": "c"}]}}
    ).value
    changed = {**old, "status": {"phase": "Running", "reason": "", "colour": 1}}
    found = read_next(changed, definitions().schema(CORE + "Pod"), old)
    assert found.value == {**old, "status": {"phase": "Running"}}
    assert found.unknown == ('unknown field "status.colour"',)
    assert found.value["spec"]["containers"] is not old["spec"]["containers"]
    assert found.value["metadata"]["managedFields"] is old["metadata"]["managedFields"]


JSON_SCHEMA = "io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.JSONSchemaProps"


def test_a_schema_in_place_of_something_else_is_read_like_any_but_drops_words_silently() -> None:
    inner = {"type": "string", "nullable": False, "colour": "red", "properties": {"a": None}}
    result = read({"items": inner, "additionalProperties": False, "colour": 1}, JSON_SCHEMA)
    assert result.value == {
        "items": {"type": "string", "properties": {"a": {}}},
        "additionalProperties": False,
    }
    assert result.unknown == ('unknown field "colour"',)


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (
            {"properties": {"a": {"items": {"properties": {"b": {"type": 5}}}}}},
            "json: cannot unmarshal number into Go struct field JSONSchemaProps.properties.items "
            "of type string",
        ),
        ({"additionalProperties": 5}, "boolean or JSON schema expected"),
        (
            {"maximum": "5"},
            "json: cannot unmarshal string into Go struct field JSONSchemaProps.maximum of type float64",
        ),
    ],
)
def test_a_mistake_in_a_schema_is_told_at_the_field_that_holds_it(body: Any, message: str) -> None:
    with pytest.raises(TypeMismatch) as caught:
        read(body, JSON_SCHEMA)
    assert str(caught.value) == message


def test_whole_numbers_of_definitions_are_written_without_a_fraction() -> None:
    schema = {"maximum": 10.0, "minimum": 0.5, "default": {"a": [1.0, 1e3, 1.5, "1.0"]}}
    value = read(schema, JSON_SCHEMA).value
    assert json.dumps(value) == '{"maximum": 10, "minimum": 0.5, "default": {"a": [1, 1000, 1.5, "1.0"]}}'
