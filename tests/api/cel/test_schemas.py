"""What schemas are in expressions."""

from typing import Any

import pytest

from kube_lite.api.cel import types
from kube_lite.api.cel.environment import Environment
from kube_lite.api.cel.errors import CompileError
from kube_lite.api.cel.escaping import escape
from kube_lite.api.cel.schemas import declare, unresolved
from kube_lite.api.identity import Json
from kube_lite.api.schema.load import in_place

TEXT: Json = {"type": "string"}


def outcome(schema: Json, value: Any, expression: str, *, is_root: bool = False) -> Any:
    """What an expression about ``self`` is worth, or its error."""
    declared = declare(in_place(schema, unresolved), is_root=is_root)
    assert declared is not None
    program = Environment({"self": declared.type}, declared.objects()).compile(expression)
    found = program.run([declared.convert(value)])
    return found.value if found.error is None else str(found.error)


def fields(**properties: Json) -> Json:
    return {"type": "object", "properties": properties}


@pytest.mark.parametrize(
    ("name", "escaped"),
    [
        ("plain", "plain"),
        ("a-b", "a__dash__b"),
        ("a.b/c", "a__dot__b__slash__c"),
        ("a__b", "a__underscores__b"),
        ("namespace", "__namespace__"),
        ("1a", None),
        ("a b", None),
        ("é", None),
        ("", None),
        ("-a", "__dash__a"),
    ],
)
def test_names_of_fields_are_escaped(name: str, escaped: str | None) -> None:
    assert escape(name) == escaped


@pytest.mark.parametrize(
    ("schema", "value", "truths"),
    [
        pytest.param(
            fields(**{"a-b": TEXT, "if": TEXT}),
            {"a-b": "x", "if": "y"},
            ["self.a__dash__b == 'x'", "self.__if__ == 'y'", "self.if == 'y'", "has(self.if)"],
            id="escaped names",
        ),
        pytest.param(
            fields(port={"x-kubernetes-int-or-string": True}),
            {"port": "50%"},
            ["type(self.port) == string", "self.port != 5", "self.port.endsWith('%')"],
            id="int or string",
        ),
        pytest.param(
            fields(rate={"type": "number"}),
            {"rate": 1},
            ["self.rate == 1.0", "type(self.rate) == double"],
            id="number",
        ),
        pytest.param(
            fields(
                a={"type": "string", "format": "duration"},
                b={"type": "string", "format": "date-time"},
                c={"type": "string", "format": "date"},
                d={"type": "string", "format": "byte"},
            ),
            {"a": "2 days", "b": "2020-01-01T00:00:00Z", "c": "2020-01-01", "d": "QUI="},
            [
                "self.a == duration('48h')",
                "self.b == self.c",
                "self.b.getFullYear() == 2020",
                "self.d == b'AB'",
            ],
            id="formats",
        ),
        pytest.param(
            fields(a={**TEXT, "nullable": True}),
            {"a": None},
            ["!has(self.a)"],
            id="null is not there",
        ),
        pytest.param(
            fields(a={"type": "array", "items": {**TEXT, "nullable": True}}),
            {"a": [None, "x"]},
            [
                "self.a.size() == 2",
                "type(self.a[0]) == null_type",
                "!(self.a[0] == 'x')",
                "self.a[0] != self.a[1]",
            ],
            id="null among items",
        ),
        pytest.param(
            fields(a={"type": "array", "x-kubernetes-list-type": "set", "items": TEXT}),
            {"a": ["x", "y"]},
            ["self.a == ['y', 'x']", "self.a + ['y', 'z'] == ['x', 'y', 'z']", "self.a != ['x', 'z']"],
            id="set",
        ),
        pytest.param(
            fields(
                a={
                    "type": "array",
                    "x-kubernetes-list-type": "map",
                    "x-kubernetes-list-map-keys": ["k"],
                    "items": fields(k=TEXT, v=TEXT),
                }
            ),
            {"a": [{"k": "1", "v": "x"}, {"k": "2", "v": "y"}]},
            [
                "self.a == [self.a[1], self.a[0]]",
                "self.a + [self.a[0]] == self.a",
                "self.a != [self.a[0], self.a[0]]",
            ],
            id="keyed list",
        ),
        pytest.param(
            {"type": "object", "additionalProperties": {"type": "integer"}},
            {"a": 1},
            ["self['a'] == 1", "self.a == 1", "!('b' in self)", "self.all(key, self[key] == 1)"],
            id="map",
        ),
        pytest.param(
            {"type": "object", "x-kubernetes-preserve-unknown-fields": True, "properties": {"a": TEXT}},
            {"a": "x", "b": {"c": 1}},
            ["self.a == 'x'", "self == self"],
            id="unknown fields",
        ),
        pytest.param(
            fields(pod={"type": "object", "x-kubernetes-embedded-resource": True}),
            {"pod": {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "web", "labels": {}}}},
            ["self.pod.kind == 'Pod'", "self.pod.metadata.name == 'web'"],
            id="embedded resource",
        ),
    ],
)
def test_values_are_what_their_schema_says(schema: Json, value: Any, truths: list[str]) -> None:
    found = {truth: outcome(schema, value, truth) for truth in truths}
    assert found == dict.fromkeys(truths, True)


@pytest.mark.parametrize(
    ("schema", "expression", "field"),
    [
        pytest.param(
            fields(a={"x-kubernetes-preserve-unknown-fields": True}), "self.a == 1", "a", id="without a type"
        ),
        pytest.param(
            fields(a={"type": "array", "items": {"x-kubernetes-preserve-unknown-fields": True}}),
            "self.a.size() == 1",
            "a",
            id="list of anything",
        ),
        pytest.param(fields(**{"a b": TEXT}), "self.b == ''", "b", id="name that cannot be spelled"),
    ],
)
def test_what_has_no_type_is_not_seen(schema: Json, expression: str, field: str) -> None:
    with pytest.raises(CompileError, match=f"undefined field '{field}'"):
        outcome(schema, {}, expression)


def test_of_metadata_only_names_are_seen() -> None:
    assert outcome(
        fields(), {"metadata": {"name": "a", "labels": {"x": "y"}}}, "self.metadata.name == 'a'", is_root=True
    )
    with pytest.raises(CompileError, match="undefined field 'labels'"):
        outcome(fields(), {"metadata": {}}, "has(self.metadata.labels)", is_root=True)


def test_fields_of_a_large_schema_are_looked_into_when_an_expression_is() -> None:
    deep = fields(a=TEXT)
    for _ in range(50):
        deep = fields(a=deep, b=deep)  # 2^50 parts, of which one path is walked
    declared = declare(in_place(deep, unresolved))
    assert declared is not None
    assert declared.objects()[declared.type.name]["a"].kind == "struct"
    assert (
        Environment({"self": declared.type}, declared.objects()).compile("has(self.a.b.a)").type == types.BOOL
    )
