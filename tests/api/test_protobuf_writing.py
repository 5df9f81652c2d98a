"""Every built-in kind goes out as protobuf and comes back as it was."""

from collections.abc import Callable
from datetime import datetime
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kube_lite.api.codecs.messages import fields_of, has_message, message_of, table
from kube_lite.api.codecs.protobuf import decode
from kube_lite.api.codecs.protobuf_writing import encode, encode_event, encode_item, encode_list
from kube_lite.api.schema.load import FREE_FORM, MICRO_TIME, Schema
from kube_lite.kinds import builtin
from kube_lite.kinds.schemas import definitions

Draw = Callable[[st.SearchStrategy[Any]], Any]

RELEASES = ("1.25", "1.31", "1.36", "1.37")
ROWS = {
    (row.api_version, row.kind): (row.schema, release) for release in RELEASES for row in builtin(release)
}
TEXT = st.text(max_size=5).filter(bool)
FREE = st.dictionaries(
    TEXT, st.booleans() | st.integers(-9, 9) | TEXT | st.lists(TEXT), min_size=1, max_size=2
)
MOMENTS = st.datetimes(min_value=datetime(1000, 1, 1)).map(
    lambda moment: moment.isoformat(timespec="seconds")
)
SCALARS = {
    "string": TEXT,
    "integer": st.integers(-(2**63), 2**63 - 1).filter(bool),  # a zero comes back from pointers only
    "number": st.floats(allow_nan=False, allow_infinity=False).filter(bool),
    "boolean": st.just(True),
}
ALPHA = {
    "core.v1.NodeAllocatableResourceClaimStatus.resources",
    "core.v1.NodeSystemInfo.runningInUserNamespace",
    *(f"resource.{version}.{field}" for version in ("v1", "v1beta1", "v1beta2") for field in (
        "BasicDevice.nodeAllocatableResourceMappings", "Device.nodeAllocatableResourceMappings",
        "DeviceCounterConsumption.compatibilityGroups", "DeviceRequest.derivedAttributes",
        "DeviceSubRequest.derivedAttributes", "ExactDeviceRequest.derivedAttributes",
    )),
}  # fmt: skip
"""Fields of features that are off by default, older or newer than the types the table was made from."""
DEEP = 5  # from here on only scalars are said, where there are some


def scalar(draw: Draw, schema: Schema) -> Any:
    if schema.is_quantity:
        return str(draw(st.integers(1, 999)))
    if schema.int_or_string:
        return draw(st.integers(1, 65535) | TEXT)
    if schema.format == "date-time":
        fraction = f".{draw(st.integers(0, 999999)):06}" if schema.name == MICRO_TIME else ""
        return f"{draw(MOMENTS)}{fraction}Z"
    if schema.format == "byte":
        return draw(st.sampled_from(["AA==", "AAE=", "////"]))
    return draw(SCALARS[schema.type])


def free(draw: Draw, schema: Schema, depth: int) -> Any:
    """Raw JSON, or one of the alternatives within the schema of a custom resource."""
    base, _, choice = schema.name.partition("PropsOr")
    if not choice:
        return draw(FREE)
    props = definitions("1.36").schema(f"{base}Props")
    wish = draw(st.sampled_from(["object", choice]))
    if wish == "Bool":
        return draw(st.booleans())
    if wish == "StringArray":
        return draw(st.lists(TEXT, min_size=1, max_size=2))
    one = record(draw, props, depth + 1)
    return [one] if wish == "Array" else one


def record(draw: Draw, schema: Schema, depth: int) -> Any:
    skipped = {"kind", "apiVersion"} if schema.gvks else set[str]()  # not written within another object
    skipped |= {
        alpha.rpartition(".")[2] for alpha in ALPHA if alpha.startswith(f"{message_name(schema.name)}.")
    }
    names = sorted(set(schema.properties) - skipped)
    if depth >= DEEP:
        flat = [name for name in names if schema.properties[name].type in SCALARS]
        names = flat[:1] or names[:1]
    some = (
        draw(st.lists(st.sampled_from(names), min_size=1, max_size=4 if depth < 3 else 2, unique=True))
        if names
        else []
    )
    return {name: value(draw, schema.properties[name], depth + 1) for name in some}


def value(draw: Draw, schema: Schema, depth: int) -> Any:
    if schema.name in FREE_FORM:
        return free(draw, schema, depth)
    if schema.items is not None:
        return [value(draw, schema.items, depth) for _ in range(2 if depth < 3 else 1)]
    if schema.is_map and schema.additional is not None:
        return {
            key: value(draw, schema.additional, depth) for key in draw(st.sets(TEXT, min_size=1, max_size=2))
        }
    if schema.properties or schema.type == "object":
        return record(draw, schema, depth)
    return scalar(draw, schema)


@pytest.mark.parametrize(("api_version", "kind"), sorted(ROWS))
def test_what_is_written_is_read_again(api_version: str, kind: str) -> None:
    name, release = ROWS[api_version, kind]
    schema = definitions(release).schema(name)

    @settings(max_examples=5, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(st.data())
    def comes_back(data: st.DataObject) -> None:
        said = {"apiVersion": api_version, "kind": kind, **record(data.draw, schema, 0)}
        assert decode(encode(said)).value == said

    comes_back()


@pytest.mark.parametrize("release", RELEASES)
def test_every_field_of_every_release_has_a_number(release: str) -> None:
    known = definitions(release)
    missing = [
        f"{message}.{field}"
        for name in known.names()
        if (message := message_name(name)) in table()
        for field in set(known.schema(name).properties) - {"kind", "apiVersion"} - names_of(message)
    ]
    assert set(missing) <= ALPHA


def message_name(definition: str) -> str:
    """``io.k8s.api.core.v1.Pod`` → ``core.v1.Pod``."""
    return ".".join(definition.split(".")[-3:])


def names_of(message: str) -> set[str]:
    names: set[str] = set()
    for field in fields_of(message).values():
        names |= names_of(field.code[1:]) if field.is_inline else {field.name}
    return names


def test_a_list_is_its_items_written_one_by_one() -> None:
    items = [{"metadata": {"name": name}, "data": {"k": name}} for name in "ab"]
    pieces = [encode_item("v1", "ConfigMap", item) for item in items]
    body = encode_list("v1", "ConfigMapList", {"resourceVersion": "7"}, pieces)
    assert body == encode(
        {"apiVersion": "v1", "kind": "ConfigMapList", "metadata": {"resourceVersion": "7"}, "items": items}
    )
    assert decode(body).value["items"] == items


def test_the_bytes_are_those_that_upstream_writes() -> None:
    """By hand after ``runtime.Unknown`` and the numbers of ``core/v1/generated.proto``."""
    config_map = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}, "data": {"k": "v"}}
    unknown = (
        b"\x0a\x0f\x0a\x02v1\x12\x09ConfigMap\x12\x0d\x0a\x03\x0a\x01a\x12\x06\x0a\x01k\x12\x01v\x1a\0\x22\0"
    )
    assert encode(config_map) == b"k8s\0" + unknown
    event = b"\x0a\x05ADDED\x12\x2a\x0a\x28k8s\0" + unknown
    assert encode_event("ADDED", encode(config_map)) == len(event).to_bytes(4, "big") + event


def test_empty_messages_that_were_said_are_kept_and_nulls_are_not() -> None:
    spec: dict[str, object] = {
        "volumes": [{"name": "scratch", "emptyDir": {}, "nfs": None}],
        "containers": [],
    }
    pod = {"apiVersion": "v1", "kind": "Pod", "spec": spec}
    assert decode(encode(pod)).value["spec"] == {"volumes": [{"name": "scratch", "emptyDir": {}}]}


@pytest.mark.parametrize("allows", [True, False, {"type": "string"}])
def test_a_schema_may_stand_where_a_boolean_may(allows: object) -> None:
    properties = {
        "openAPIV3Schema": {"additionalProperties": allows, "enum": [None, 1, "a"], "default": {"a": 1}}
    }
    version = {"name": "v1", "served": False, "storage": True, "schema": properties}
    crd = {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "spec": {"versions": [version]},
    }
    assert decode(encode(crd)).value["spec"] == {"versions": [version]}


def test_kinds_of_other_groups_have_no_messages_whatever_their_first_word() -> None:
    assert has_message("apps/v1", "Deployment")
    assert not has_message("apps.example.com/v1", "Deployment")
    assert message_of("scheduling.x-k8s.io/v1", "PriorityClass") == ""
