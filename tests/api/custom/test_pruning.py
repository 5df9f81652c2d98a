"""What schemas do not know is dropped and told of."""

from typing import Any

import pytest

from kube_lite.api.custom.pruning import prune
from kube_lite.api.custom.structure import custom_schema
from kube_lite.api.schema.load import OBJECT_META, CustomSchema
from kube_lite.api.schema.mismatch import TypeMismatch
from kube_lite.api.schema.prune import read_object
from kube_lite.kinds.schemas import definitions

KEEP = "x-kubernetes-preserve-unknown-fields"
SCHEMA = custom_schema(
    {
        "type": "object",
        "properties": {
            "spec": {
                "type": "object",
                "properties": {
                    "a": {"type": "integer"},
                    "parts": {
                        "type": "array",
                        "items": {"type": "object", "properties": {"id": {"type": "string"}}},
                    },
                    "map": {"type": "object", "additionalProperties": {"type": "object"}},
                    "keep": {
                        "type": "object",
                        KEEP: True,
                        "properties": {"known": {"type": "object", "properties": {"b": {"type": "integer"}}}},
                    },
                    "pod": {
                        "type": "object",
                        "x-kubernetes-embedded-resource": True,
                        "properties": {"spec": {"type": "object", KEEP: True}},
                    },
                    "open": {"type": "object", "additionalProperties": True},
                },
            }
        },
    },
    definitions(),
)


def pruned(spec: Any) -> tuple[Any, list[str]]:
    obj = {"apiVersion": "a.b/v1", "kind": "K", "metadata": {"name": "x"}, "spec": spec}
    gone = prune(obj, SCHEMA)
    assert obj.keys() >= {"apiVersion", "kind", "metadata"}
    return obj["spec"], gone


@pytest.mark.parametrize(
    ("spec", "left", "gone"),
    [
        ({"a": 1, "x": {"y": 1}}, {"a": 1}, ["spec.x"]),
        (
            {"parts": [{"id": "1", "x": 1}, {"y": 2}]},
            {"parts": [{"id": "1"}, {}]},
            ["spec.parts[0].x", "spec.parts[1].y"],
        ),
        ({"map": {"k": {"x": 1}}}, {"map": {"k": {}}}, ["spec.map.k.x"]),
        (
            {"keep": {"x": {"y": 1}, "known": {"b": 1, "c": 2}}},
            {"keep": {"x": {"y": 1}, "known": {"b": 1}}},
            ["spec.keep.known.c"],
        ),
        ({"open": {"x": 1, "y": {"z": 1}}}, {"open": {"x": 1, "y": {}}}, ["spec.open.y.z"]),
        ({"parts": {"id": "no list"}}, {"parts": {}}, ["spec.parts.id"]),
    ],
)
def test_unknown_fields_go_and_are_named(spec: Any, left: Any, gone: Any) -> None:
    assert pruned(spec) == (left, gone)


def test_paths_are_told_in_their_order_whatever_that_of_the_object() -> None:
    assert pruned({"z": 1, "parts": [{"x": 1}], "b": 1})[1] == ["spec.b", "spec.parts[0].x", "spec.z"]


def test_a_resource_within_keeps_its_type_and_its_metadata_are_read_as_metadata() -> None:
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "p", "colour": "red", "creationTimestamp": None},
        "spec": {"anything": 1},
        "status": {},
    }
    left, gone = pruned({"pod": pod, "x": 1})
    assert left == {
        "pod": {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"}, "spec": {"anything": 1}}
    }
    assert gone == ["spec.pod.status", "spec.x", "spec.pod.metadata.colour"]


def test_metadata_that_cannot_be_read_are_refused_with_their_place() -> None:
    with pytest.raises(
        TypeMismatch, match=r'spec.pod.metadata: Invalid value: {"name":5}: json: cannot unmarshal'
    ):
        pruned({"pod": {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": 5}}})
    with pytest.raises(TypeMismatch, match=r"spec.pod.kind: Invalid value: 5: must be a string"):
        pruned({"pod": {"apiVersion": "v1", "kind": 5}})


def test_whole_numbers_come_back_as_go_writes_them() -> None:
    root = CustomSchema("w", SCHEMA, definitions().schema(OBJECT_META))
    spec = {"a": 2.0, "keep": {"n": [1e3, 1.5, 10**19]}}
    value = read_object({"metadata": {"name": "x"}, "spec": spec}, root).value
    assert repr(value["spec"]) == "{'a': 2, 'keep': {'n': [1000, 1.5, 10000000000000000000]}}"
    assert repr(spec["a"]) == "2.0"
