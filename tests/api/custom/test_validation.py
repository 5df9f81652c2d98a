"""Values of custom resources held against schemas, in the reference's words."""

from typing import Any

import pytest

from kube_lite.api.custom.structure import custom_schema
from kube_lite.api.custom.validation import validate, validate_status_update
from kube_lite.api.errors import Cause
from kube_lite.api.identity import Json
from kube_lite.api.schema.load import Schema
from kube_lite.kinds.schemas import definitions


def schema_of(value: Json) -> Schema:
    return custom_schema({"type": "object", "properties": {"v": value}}, definitions())


def told(schema: Json, value: Any) -> list[tuple[str, str]]:
    return [(cause.field, cause.message) for cause in validate({"v": value}, schema_of(schema))]


def wrong_type(wanted: str, found: str) -> str:
    return f'Invalid value: "{found}": v in body must be of type {wanted}: "{found}"'


def should(value: str, do: str) -> str:
    return f"Invalid value: {value}: v in body should {do}"


OBJECT = {"type": "object", "properties": {"a": {"type": "integer"}}}


@pytest.mark.parametrize(
    ("schema", "value", "message"),
    [
        ({"type": "string"}, 1, wrong_type("string", "integer")),
        ({"type": "string"}, None, wrong_type("string", "null")),
        ({"type": "integer"}, "1", wrong_type("integer", "string")),
        ({"type": "integer"}, True, wrong_type("integer", "boolean")),
        ({"type": "array", "items": {"type": "string"}}, {}, wrong_type("array", "object")),
        ({"type": "integer", "minimum": 3}, 2, should("2", "be greater than or equal to 3")),
        ({"type": "integer", "minimum": 3, "exclusiveMinimum": True}, 3, should("3", "be greater than 3")),
        ({"type": "number", "maximum": 1.5}, 2.25, should("2.25", "be less than or equal to 1.5")),
        ({"type": "number", "maximum": 2, "exclusiveMaximum": True}, 2.0, should("2", "be less than 2")),
        ({"type": "number", "multipleOf": 0.5}, 0.3, should("0.3", "be a multiple of 0.5")),
        ({"type": "integer", "multipleOf": 5}, 7, should("7", "be a multiple of 5")),
        ({"type": "string", "maxLength": 2}, "abc", "Too long: may not be more than 2 bytes"),
        (
            {"type": "string", "minLength": 2},
            "a",
            'Invalid value: "a": v in body should be at least 2 chars long',
        ),
        ({"type": "string", "pattern": "^a$"}, "b", "Invalid value: \"b\": v in body should match '^a$'"),
        ({"type": "string", "enum": ["x", "y"]}, "z", 'Unsupported value: "z": supported values: "x", "y"'),
        ({"type": "integer", "enum": [1, 2]}, 3, 'Unsupported value: 3: supported values: "1", "2"'),
        (
            {"type": "array", "maxItems": 1, "items": {"type": "string"}},
            ["a", "b"],
            "Too many: 2: must have at most 1 item",
        ),
        (
            {"type": "array", "minItems": 1, "items": {"type": "string"}},
            [],
            should("0", "have at least 1 items"),
        ),
        ({"type": "object", "minProperties": 1}, {}, should("0", "have at least 1 properties")),
        ({"type": "object", "maxProperties": 0}, {"a": 1}, "Too many: 1: must have at most 0 items"),
        ({"type": "string", "format": "date-time"}, "now", wrong_type("date-time", "now")),
        ({"x-kubernetes-int-or-string": True}, [], wrong_type("integer,string", "array")),
    ],
)
def test_a_value_that_does_not_fit_is_told_with_its_place(schema: Json, value: Any, message: str) -> None:
    assert told(schema, value) == [("v", message)]


@pytest.mark.parametrize(
    ("schema", "value"),
    [
        ({"type": "integer"}, 3.0),
        ({"type": "number"}, 3),
        ({"type": "string", "nullable": True}, None),
        ({"type": "string", "format": "never-heard-of"}, "anything"),
        ({"type": "string", "format": "date"}, ["what the reference lets pass"]),
        ({"type": "number", "enum": [1, 2]}, 1.0),
        ({"x-kubernetes-int-or-string": True, "minimum": 1}, "0"),
        ({"x-kubernetes-preserve-unknown-fields": True}, {"a": [None, {}]}),
        ({"type": "object", "additionalProperties": True}, {"a": None}),
        ({"type": "array", "items": OBJECT, "x-kubernetes-list-type": "atomic"}, [{"a": 1}, {"a": 1}]),
        ({"type": "string", "maxLength": 2}, "äö"),
    ],
)
def test_what_the_reference_takes_is_taken(schema: Json, value: Any) -> None:
    assert told(schema, value) == []


def test_a_whole_number_is_held_to_a_whole_part_of_its_factor() -> None:
    message = "Invalid value: 0: factor MultipleOf declared for v must be positive: 0"
    assert told({"type": "number", "multipleOf": 0.5}, 1) == [("v", message)]


def test_a_number_beyond_its_format_is_told_without_a_place() -> None:
    assert told({"type": "integer", "format": "int32"}, 2**31) == [
        ("<nil>", 'Invalid value: "": Checked value must be of type integer with format int32 in v')
    ]


def test_names_of_map_values_are_told_as_they_are() -> None:
    labels = {"type": "object", "additionalProperties": {"type": "string"}}
    assert [field for field, _ in told(labels, {"a.b/c": 1, "d": "x"})] == ["v.a.b/c"]


def test_missing_fields_are_told_after_what_is_wrong_with_those_there() -> None:
    schema = {**OBJECT, "required": ["b", "a"]}
    assert told(schema, {"a": "x"}) == [
        ("v.a", 'Invalid value: "string": v.a in body must be of type integer: "string"'),
        ("v.b", "Required value"),
    ]


def test_other_fields_may_be_forbidden() -> None:
    schema = {**OBJECT, "additionalProperties": False}
    assert told(schema, {"a": 1, "b": 2}) == [
        ("v", 'Invalid value: "b": v.b in body is a forbidden property')
    ]


ALTERNATIVES = [
    {"properties": {"a": {"minimum": 5}}, "required": ["a"]},
    {"properties": {"a": {"maximum": 3}}, "required": ["b"]},
]


def test_of_alternatives_that_all_fail_the_closest_is_told() -> None:
    found = told({**OBJECT, "anyOf": ALTERNATIVES}, {"a": 4})
    assert found == [
        ("<nil>", 'Invalid value: "": "v" must validate at least one schema (anyOf)'),
        ("v.a", "Invalid value: 4: v.a in body should be greater than or equal to 5"),
    ]
    assert told({**OBJECT, "anyOf": ALTERNATIVES}, {"a": 6}) == []


@pytest.mark.parametrize(
    ("schema", "value", "message"),
    [
        (
            {"oneOf": [{"minimum": 1}, {"maximum": 9}]},
            5,
            '"v" must validate one and only one schema (oneOf). Found 2 valid alternatives',
        ),
        ({"allOf": [{"minimum": 1}, {"maximum": 9}]}, 10, '"v" must validate all the schemas (allOf)'),
        ({"not": {"enum": [5]}}, 5, '"v" must not validate the schema (not)'),
    ],
)
def test_combinations_of_schemas_are_told_without_a_place(schema: Json, value: Any, message: str) -> None:
    assert ("<nil>", f'Invalid value: "": {message}') in told({"type": "integer", **schema}, value)


def test_sets_and_keyed_lists_have_each_item_once() -> None:
    words = {"type": "array", "x-kubernetes-list-type": "set", "items": {"type": "string"}}
    assert told(words, ["a", "b", "a", "a"]) == [("v[2]", 'Duplicate value: "a"')]
    ports = {
        "type": "array",
        "x-kubernetes-list-type": "map",
        "x-kubernetes-list-map-keys": ["port", "protocol"],
        "items": {
            "type": "object",
            "properties": {"port": {"type": "integer"}, "protocol": {"type": "string"}},
        },
    }
    assert told(ports, [{"port": 1, "protocol": "TCP"}, {"port": 1}]) == []
    assert told(ports, [{"port": 1}, {"port": 1}]) == [("v[1]", 'Duplicate value: {"port":1}')]


EMBEDDED = {
    "type": "object",
    "x-kubernetes-embedded-resource": True,
    "x-kubernetes-preserve-unknown-fields": True,
}


def test_a_resource_within_must_be_one() -> None:
    assert told(EMBEDDED, {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "a"}}) == []
    found = dict(told(EMBEDDED, {"kind": "No Kind", "metadata": {"labels": {"-": "x"}}}))
    assert found["v.apiVersion"] == "Required value"
    assert found["v.kind"].startswith(
        'Invalid value: "No Kind": may have mixed case, but should otherwise match: '
    )
    assert found["v.metadata.labels"].startswith('Invalid value: "-": name part must consist of')


def test_a_status_is_validated_alone_and_told_below_its_name() -> None:
    schema = custom_schema(
        {
            "type": "object",
            "properties": {
                "spec": {"type": "string"},
                "status": {"type": "object", "minProperties": 1, "properties": {"n": {"type": "integer"}}},
            },
        },
        definitions(),
    )
    wrong = {"spec": 5, "status": {"n": "x"}}
    assert validate_status_update(wrong, {"spec": 5}, schema) == [
        Cause(
            "FieldValueTypeInvalid",
            'Invalid value: "string": n in body must be of type integer: "string"',
            "status.n",
        )
    ]
    (empty,) = validate_status_update({"status": {}}, {}, schema)
    assert empty.field == "status"
