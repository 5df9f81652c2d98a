"""Rules of custom resources: what they say of objects, and which definitions are refused for them."""

from typing import Any

import pytest

from kube_lite.api.custom import ruling
from kube_lite.api.custom.rules import check_rules, rules_of
from kube_lite.api.errors import Cause
from kube_lite.api.identity import Json
from kube_lite.api.schema.load import Schema, in_place

TEXT: Json = {"type": "string"}
NUMBER: Json = {"type": "integer"}
RULES = "x-kubernetes-validations"


def nothing(name: str) -> Schema:
    raise KeyError(name)


def with_rules(document: Json, *rules: str | Json) -> Json:
    return {**document, RULES: [{"rule": rule} if isinstance(rule, str) else rule for rule in rules]}


def fields(**properties: Json) -> Json:
    return {"type": "object", "properties": properties}


def list_of(items: Json, *keys: str) -> Json:
    document: Json = {"type": "array", "items": items, "maxItems": 10}
    if keys:
        document |= {"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": list(keys)}
    return document


def told(document: Json, obj: Json, old: Json | None = None, warnings: list[str] | None = None) -> list[str]:
    """What the rules say, as ``path: message``."""
    causes = rules_of(in_place(document, nothing)).validate(obj, old, warnings)
    return [f"{cause.field}: {cause.message}" for cause in causes]


def refused(document: Json) -> list[Cause]:
    return check_rules(document, "spec.validation.openAPIV3Schema")


@pytest.mark.parametrize(
    ("document", "obj", "expected"),
    [
        pytest.param(
            with_rules(fields(a=NUMBER), "self.a > 1"),
            {"a": 1},
            "<nil>: Invalid value: failed rule: self.a > 1",
            id="root",
        ),
        pytest.param(
            fields(a=with_rules(NUMBER, "self > 1")),
            {"a": 1},
            "a: Invalid value: 1: failed rule: self > 1",
            id="number",
        ),
        pytest.param(
            fields(a=list_of(with_rules(TEXT, "self != ''"))),
            {"a": ["x", ""]},
            "a[1]: Invalid value: \"\": failed rule: self != ''",
            id="item",
        ),
        pytest.param(
            fields(a={"type": "object", "additionalProperties": with_rules(TEXT, "self != ''")}),
            {"a": {"k": ""}},
            "a[k]: Invalid value: \"\": failed rule: self != ''",
            id="entry",
        ),
        pytest.param(
            fields(**{"a b": with_rules(TEXT, "self != ''")}),
            {"a b": ""},
            "a b: Invalid value: \"\": failed rule: self != ''",
            id="field that cannot be spelled",
        ),
        pytest.param(
            fields(
                a={
                    "type": "object",
                    "properties": {"b": NUMBER},
                    "allOf": [{"properties": {"b": with_rules({}, "self > 1")}}],
                }
            ),
            {"a": {"b": 1}},
            "a.b: Invalid value: 1: failed rule: self > 1",
            id="part of allOf",
        ),
        pytest.param(
            with_rules(fields(a=NUMBER, b=NUMBER), "self.a > self.b"),
            {"a": 1},
            '<nil>: Invalid value: "object": no such key: b evaluating rule: self.a > self.b',
            id="missing field",
        ),
        pytest.param(
            fields(a=with_rules({"x-kubernetes-int-or-string": True}, "self > 5")),
            {"a": "x"},
            "a: Invalid value: \"\": 'no such overload': call arguments did not match a supported operator, "
            "function or "
            "macro signature for rule: self > 5",
            id="wrong type",
        ),
    ],
)
def test_a_broken_rule_is_told_at_its_place(document: Json, obj: Json, expected: str) -> None:
    assert told(document, obj) == [expected]


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        pytest.param({"message": " too small "}, "a: Invalid value: too small", id="message"),
        pytest.param(
            {"messageExpression": "'is ' + string(self.b)"}, "a: Invalid value: is 1", id="worked out"
        ),
        pytest.param({"messageExpression": "'a\\nb'", "message": "m"}, "a: Invalid value: m", id="two lines"),
        pytest.param({"messageExpression": "' '"}, "a: Invalid value: failed rule: self.b > 1", id="empty"),
        pytest.param({"messageExpression": "self.c", "message": "m"}, "a: Invalid value: m", id="that fails"),
        pytest.param(
            {"messageExpression": "'x'.replace('', self.long)"},
            "a: Invalid value: failed rule: self.b > 1",
            id="too long",
        ),
        pytest.param({"reason": "FieldValueForbidden", "message": "m"}, "a: Forbidden: m", id="forbidden"),
        pytest.param(
            {"reason": "FieldValueRequired", "message": "m", "fieldPath": ".c"},
            "a.c: Required value: m",
            id="required",
        ),
        pytest.param({"reason": "FieldValueDuplicate", "message": "m"}, "a: Duplicate value", id="duplicate"),
        pytest.param(
            {"fieldPath": ".m['x.y']", "message": "m"}, "a.m[x.y]: Invalid value: m", id="path into a map"
        ),
    ],
)
def test_a_rule_says_how_its_failure_is_told(more: Json, expected: str) -> None:
    inner = fields(b=NUMBER, c=TEXT, long=TEXT, m={"type": "object", "additionalProperties": TEXT})
    document = fields(a=with_rules(inner, {"rule": "self.b > 1", **more}))
    assert told(document, {"a": {"b": 1, "long": "y" * 3000}}) == [expected]


GROWING = with_rules(NUMBER, "self >= oldSelf")


@pytest.mark.parametrize(
    ("document", "old", "new", "expected"),
    [
        pytest.param(fields(a=GROWING), {"a": 2}, {"a": 1}, ["a"], id="field"),
        pytest.param(fields(a=GROWING), {}, {"a": 1}, [], id="new field"),
        pytest.param(
            fields(a=list_of(fields(k=TEXT, v=GROWING), "k")),
            {"a": [{"k": "x", "v": 2}, {"k": "y", "v": 2}]},
            {"a": [{"k": "y", "v": 1}, {"k": "z", "v": 0}]},
            ["a[0].v"],
            id="item with the same key",
        ),
        pytest.param(
            fields(a={"type": "object", "additionalProperties": GROWING}),
            {"a": {"k": 2}},
            {"a": {"k": 1}},
            ["a[k]"],
            id="entry",
        ),
        pytest.param(
            fields(a=with_rules(NUMBER, {"rule": "self >= oldSelf.orValue(5)", "optionalOldSelf": True})),
            {},
            {"a": 1},
            ["a"],
            id="old value that may be missing",
        ),
    ],
)
def test_rules_about_the_value_before_are_asked_where_there_is_one(
    document: Json, old: Json, new: Json, expected: list[str]
) -> None:
    assert [line.partition(":")[0] for line in told(document, new, old)] == expected
    if "optionalOldSelf" not in str(document):
        assert told(document, new) == []


@pytest.mark.parametrize(
    ("old", "new", "is_refused"),
    [
        pytest.param({"a": "bad"}, {"a": "bad"}, False, id="unchanged value"),
        pytest.param({"a": "bad"}, {"a": "bad", "b": [{"k": "1", "v": "x"}]}, False, id="change elsewhere"),
        pytest.param({"a": "worse"}, {"a": "bad"}, True, id="changed value"),
        pytest.param(
            {"b": [{"k": "1", "v": "bad"}]},
            {"b": [{"k": "0", "v": ""}, {"k": "1", "v": "bad"}]},
            False,
            id="moved item",
        ),
        pytest.param(
            {"b": [{"k": "1", "v": "bad"}]}, {"b": [{"k": "2", "v": "bad"}]}, True, id="item with another key"
        ),
    ],
)
def test_what_did_not_change_is_only_warned_of(old: Json, new: Json, is_refused: bool) -> None:
    good = with_rules(TEXT, "self != 'bad'")
    document = fields(a=good, b=list_of(fields(k=TEXT, v=good), "k"))
    warnings: list[str] = []
    assert bool(told(document, new, old, warnings)) is is_refused
    assert len(warnings) == (not is_refused)


def test_a_rule_that_costs_too_much_ends_the_validation() -> None:
    costly = "self.all(a, self.all(b, self.all(c, a + b + c > 0)))"
    document = fields(a=with_rules({"type": "array", "items": NUMBER}, costly, "false"))
    (line,) = told(document, {"a": list(range(1, 300))})
    assert line == (
        "a: Invalid value: \"array\": 'operation cancelled: actual cost limit exceeded': no "
        "further validation "
        f"rules will be run due to call cost exceeds limit for rule: {costly}"
    )


def test_all_rules_of_a_request_share_a_budget(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ruling, "BUDGET", 10)
    document = fields(a=list_of(with_rules(NUMBER, "self + 1 > 0")))
    (line,) = told(document, {"a": [1] * 10})
    assert line == f'a[3]: Invalid value: "integer": {ruling.OUT_OF_BUDGET}'


@pytest.mark.parametrize(
    ("document", "path", "message"),
    [
        pytest.param(
            fields(a=with_rules(NUMBER, "self < 'é'")),
            "properties[a].x-kubernetes-validations[0].rule",
            'Invalid value: {"Rule":"self \\u003c \'é\'","Message":"","MessageExpression":"","Reason":null,'
            '"FieldPath":"",'
            '"OptionalOldSelf":null}: compilation failed: ERROR: <input>:1:6: found no matching '
            "overload for '_<_' "
            "applied to "
            "'(int, string)'\n | self < 'é'\n | .....^",
            id="types",
        ),
        pytest.param(
            fields(a=with_rules(NUMBER, {"rule": "self > 1", "messageExpression": "self"})),
            "properties[a].x-kubernetes-validations[0].messageExpression",
            'Invalid value: {"Rule":"self \\u003e 1","Message":"","MessageExpression":"self","Reason":null,'
            '"FieldPath":"",'
            '"OptionalOldSelf":null}: messageExpression must evaluate to a string',
            id="message",
        ),
        pytest.param(
            fields(a=list_of(with_rules(NUMBER, "self > oldSelf"))),
            "properties[a].items.x-kubernetes-validations[0].rule",
            'Invalid value: "self > oldSelf": oldSelf cannot be used on the uncorrelatable portion of '
            "the schema "
            "within "
            "spec.validation.openAPIV3Schema.properties[a]",
            id="old item",
        ),
        pytest.param(
            fields(a=with_rules(NUMBER, {"rule": "self > 1", "optionalOldSelf": True})),
            "properties[a].x-kubernetes-validations[0].optionalOldSelf",
            "Invalid value: true: may not be set if oldSelf is not used in rule",
            id="needless option",
        ),
        pytest.param(
            fields(a=with_rules({"x-kubernetes-preserve-unknown-fields": True}, "true")),
            "properties[a].x-kubernetes-validations",
            "Internal error: internal error: failed to construct type information for "
            "x-kubernetes-validations rules: "
            "unable to convert structural schema to CEL declarations",
            id="no type",
        ),
    ],
)
def test_definitions_with_rules_that_cannot_be_used_are_refused(
    document: Json, path: str, message: str
) -> None:
    (cause,) = refused(document)
    assert cause.field == f"spec.validation.openAPIV3Schema.{path}"
    assert cause.message == message


def text_comparison(bounds: Json) -> Json:
    return fields(
        a=with_rules({"type": "array", **bounds, "items": TEXT}, "self.all(x, self.exists(y, x == y))")
    )


def test_rules_that_could_cost_too_much_are_refused_by_the_factor() -> None:
    causes = refused(text_comparison({}))
    assert [cause.field.removeprefix("spec.validation.openAPIV3Schema") for cause in causes] == [
        ".properties[a].x-kubernetes-validations[0].rule",
        ".properties[a].x-kubernetes-validations[0].rule",
        "",
    ]
    assert (
        "estimated rule cost exceeds budget by factor of more than 100x (try simplifying" in causes[0].message
    )
    assert causes[1].message.startswith(
        "Forbidden: contributed to estimated rule cost total exceeding cost limit"
    )
    (cause,) = refused(text_comparison({"maxItems": 8}))
    assert cause.message.startswith("Forbidden: estimated rule cost exceeds budget by factor of 2.0x")
    assert refused(text_comparison({"maxItems": 4})) == []


def test_how_often_a_rule_is_asked_counts() -> None:
    rule = with_rules({**TEXT, "maxLength": 1000}, "self.matches('^[a-z0-9]+$')")
    assert refused(fields(a={"type": "array", "maxItems": 100, "items": rule})) == []
    assert refused(fields(a={"type": "array", "maxItems": 100_000, "items": rule}))


def test_rules_of_the_whole_object_see_its_name() -> None:
    document = with_rules(fields(spec=fields(name=TEXT)), "self.metadata.name == self.spec.name")
    assert refused(document) == []
    assert told(document, {"metadata": {"name": "a"}, "spec": {"name": "a"}}) == []
    assert len(told(document, {"metadata": {"name": "a"}, "spec": {"name": "b"}})) == 1


@pytest.mark.parametrize("value", [None, [], {}, "", 0, [None], {"b": None}, {"b": {"c": [1]}}, True, 1.5])
def test_values_that_the_schema_does_not_allow_do_no_harm(value: Any) -> None:
    inner = with_rules(
        fields(c=list_of(with_rules(TEXT, "self != oldSelf"), "k")), "has(self.c) && self.c.size() < 5"
    )
    document = with_rules(fields(a=with_rules(fields(b=inner), "self.b.c.all(i, i == 'x')")), "has(self.a)")
    told(document, {"a": value})
    told(document, {"a": value}, {"a": [value]})


def test_a_schema_without_rules_has_none() -> None:
    assert not rules_of(in_place(fields(a=TEXT), nothing))
    assert told(fields(a=TEXT), {"a": 1}) == []
