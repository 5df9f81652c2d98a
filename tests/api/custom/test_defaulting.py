"""Defaults of schemas, and nulls."""

from typing import Any

import pytest

from kube_lite.api.custom.defaulting import default
from kube_lite.api.custom.structure import custom_schema
from kube_lite.api.identity import Json
from kube_lite.kinds.schemas import definitions

TEXT = {"type": "string"}
WITH_DEFAULT = {"type": "string", "default": "x"}


def defaulted(properties: Json, obj: Any) -> Any:
    default(obj, custom_schema({"type": "object", "properties": properties}, definitions()))
    return obj


@pytest.mark.parametrize(
    ("properties", "obj", "result"),
    [
        ({"a": WITH_DEFAULT}, {}, {"a": "x"}),
        ({"a": WITH_DEFAULT}, {"a": ""}, {"a": ""}),
        ({"a": WITH_DEFAULT}, {"a": None}, {"a": "x"}),
        ({"a": {**WITH_DEFAULT, "nullable": True}}, {"a": None}, {"a": None}),
        ({"a": TEXT}, {"a": None}, {}),
        ({"a": {**TEXT, "nullable": True}}, {"a": None}, {"a": None}),
        ({"a": {"type": "object", "properties": {"b": WITH_DEFAULT}}}, {}, {}),
        ({"a": {"type": "object", "properties": {"b": WITH_DEFAULT}}}, {"a": {}}, {"a": {"b": "x"}}),
        ({"a": {"type": "object", "default": {}, "properties": {"b": WITH_DEFAULT}}}, {}, {"a": {"b": "x"}}),
        ({"a": {"type": "array", "items": WITH_DEFAULT}}, {"a": [None, "y"]}, {"a": ["x", "y"]}),
        ({"a": {"type": "array", "items": TEXT}}, {"a": [None]}, {"a": [None]}),
        (
            {"a": {"type": "array", "items": {"type": "object", "properties": {"b": WITH_DEFAULT}}}},
            {"a": [{}]},
            {"a": [{"b": "x"}]},
        ),
        (
            {"a": {"type": "object", "additionalProperties": WITH_DEFAULT}},
            {"a": {"k": None}},
            {"a": {"k": "x"}},
        ),
        ({"a": {"type": "object", "additionalProperties": TEXT}}, {"a": {"k": None}}, {"a": {}}),
        ({"a": {"type": "object", "additionalProperties": True}}, {"a": {"k": None}}, {"a": {"k": None}}),
        (
            {"a": {"type": "boolean", "default": False}, "b": {"type": "integer", "default": 0}},
            {},
            {"a": False, "b": 0},
        ),
    ],
)
def test_what_is_missing_or_null_becomes_its_default(properties: Json, obj: Any, result: Any) -> None:
    assert defaulted(properties, obj) == result


def test_objects_do_not_share_their_defaults() -> None:
    properties = {"a": {"type": "object", "default": {"b": []}, "x-kubernetes-preserve-unknown-fields": True}}
    first, second = defaulted(properties, {}), defaulted(properties, {})
    first["a"]["b"].append(1)
    assert second == {"a": {"b": []}}
