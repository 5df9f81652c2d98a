"""CustomResourceDefinitions that are refused, with their places and texts."""

import copy
from collections.abc import Callable
from typing import Any

import pytest

from kube_lite.api.identity import Json
from kube_lite.kinds.checks.definitions import (
    advise_definition,
    check_definition,
    check_definition_update,
    check_older_definition,
)

TOP = "spec.validation.openAPIV3Schema"
ESTABLISHED = [{"type": "Established", "status": "True"}]


def definition(schema: Json | None = None, **spec: Any) -> Json:
    version = {"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": schema or OBJECT}}
    return {
        "metadata": {"name": "widgets.example.test"},
        "spec": {
            "group": "example.test",
            "scope": "Namespaced",
            "names": {"plural": "widgets", "singular": "widget", "kind": "Widget", "listKind": "WidgetList"},
            "versions": [version],
            "conversion": {"strategy": "None"},
            **spec,
        },
        "status": {"storedVersions": ["v1"]},
    }


OBJECT: Json = {"type": "object"}


def told(obj: Json) -> list[tuple[str, str]]:
    return [(cause.field, cause.message) for cause in check_definition(obj)]


def told_of(schema: Json) -> list[tuple[str, str]]:
    """What is told of the schema of a field ``a``."""
    prefix = f"{TOP}.properties[a]"
    found = told(definition({"type": "object", "properties": {"a": schema}}))
    return [(field.removeprefix(prefix).removeprefix("."), message) for field, message in found]


def test_a_good_definition_has_nothing_to_tell() -> None:
    assert told(definition()) == []


def change(path: str, value: Any) -> Callable[[Json], None]:
    def do(obj: Any) -> None:
        *way, last = path.split(".")
        for step in way:
            obj = obj[int(step) if step.isdigit() else step]
        obj[last] = value

    return do


LABEL = (
    "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic "
    "character, and end with an alphanumeric character (e.g. 'my-name',  or 'abc-123', regex used for "
    "validation is '[a-z]([-a-z0-9]*[a-z0-9])?')"
)


@pytest.mark.parametrize(
    ("path", "value", "field", "message"),
    [
        (
            "metadata.name",
            "x",
            "metadata.name",
            'Invalid value: "x": must be spec.names.plural+"."+spec.group',
        ),
        (
            "spec.scope",
            "World",
            "spec.scope",
            'Unsupported value: "World": supported values: "Cluster", "Namespaced"',
        ),
        ("spec.scope", "", "spec.scope", "Required value"),
        ("spec.names.kind", "", "spec.names.kind", "Required value"),
        (
            "spec.names.kind",
            "_",
            "spec.names.kind",
            f'Invalid value: "_": may have mixed case, but should otherwise match: {LABEL}',
        ),
        (
            "spec.names.listKind",
            "Widget",
            "spec.names.listKind",
            'Invalid value: "Widget": kind and listKind may not be the same',
        ),
        ("spec.names.shortNames", ["ok", "A"], "spec.names.shortNames[1]", f'Invalid value: "A": {LABEL}'),
        ("spec.names.categories", ["All"], "spec.names.categories[0]", f'Invalid value: "All": {LABEL}'),
        ("spec.versions.0.schema", None, "spec.versions[0].schema.openAPIV3Schema", "Required value"),
        (
            "spec.versions.0.deprecationWarning",
            "x",
            "spec.versions[0].deprecationWarning",
            'Invalid value: "x": can only be set for deprecated versions',
        ),
        (
            "spec.preserveUnknownFields",
            True,
            "spec.preserveUnknownFields",
            "Invalid value: true: cannot set to true, set x-kubernetes-preserve-unknown-fields to true in "
            "spec.versions[*].schema instead",
        ),
        (
            "spec.conversion.strategy",
            "Magic",
            "spec.conversion.strategy",
            'Unsupported value: "Magic": supported values: "None", "Webhook"',
        ),
        (
            "spec.conversion.webhook",
            {"conversionReviewVersions": ["v1"]},
            "spec.conversion.conversionReviewVersions",
            "Forbidden: should not be set when strategy is not set to Webhook",
        ),
        (
            "status.storedVersions",
            [],
            "status.storedVersions",
            "Invalid value: null: must have at least one stored version",
        ),
        (
            "spec.versions.0.additionalPrinterColumns",
            [{"name": "A", "type": "word", "jsonPath": ".a"}],
            "spec.additionalPrinterColumns[0].type",
            'Invalid value: "word": must be one of boolean,date,integer,number,string',
        ),
        (
            "spec.versions.0.additionalPrinterColumns",
            [{"name": "A", "type": "date", "jsonPath": "a"}],
            "spec.additionalPrinterColumns[0].JSONPath",
            'Invalid value: "a": must be a simple json path starting with .',
        ),
        (
            "spec.versions.0.subresources",
            {"scale": {"specReplicasPath": ".spec.n", "statusReplicasPath": ".spec.n"}},
            "spec.subresources.scale.statusReplicasPath",
            'Invalid value: ".spec.n": should be a json path under .status',
        ),
        (
            "spec.versions.0.selectableFields",
            [{"jsonPath": ".spec.none"}],
            "spec.selectableFields[0].jsonPath",
            'Invalid value: ".spec.none": is an invalid path: does not refer to a valid field',
        ),
    ],
)
def test_one_mistake_is_told_with_its_place(path: str, value: Any, field: str, message: str) -> None:
    obj = definition()
    change(path, value)(obj)
    assert told(obj) == [(field, message)]


def test_a_group_of_one_word_is_refused() -> None:
    obj = definition(group="example")
    obj["metadata"]["name"] = "widgets.example"
    message = 'Invalid value: "example": should be a domain with at least one dot'
    assert told(obj) == [("spec.group", message)]


def test_versions_that_cannot_be_told_apart_are_shown_as_the_reference_holds_them() -> None:
    obj = definition()
    obj["spec"]["versions"].append({**obj["spec"]["versions"][0], "served": False})
    version = (
        '{{"Name":"v1","Served":{},"Storage":true,"Deprecated":false,"DeprecationWarning":null,"Schema":null,'
        '"Subresources":null,"AdditionalPrinterColumns":null,"SelectableFields":null}}'
    )
    shown = f"[{version.format('true')},{version.format('false')}]"
    assert told(obj) == [
        ("spec.versions", f"Invalid value: {shown}: must contain unique version names"),
        ("spec.versions", f"Invalid value: {shown}: must have exactly one version marked as storage version"),
    ]


def test_versions_that_differ_are_named_one_by_one() -> None:
    obj = definition()
    bad = {"type": "object", "properties": {"a": {}}}
    obj["spec"]["versions"].append(
        {"name": "v2", "served": True, "storage": False, "schema": {"openAPIV3Schema": bad}}
    )
    field = "spec.versions[1].schema.openAPIV3Schema.properties[a].type"
    assert told(obj) == [(field, "Required value: must not be empty for specified object fields")]


def test_a_webhook_needs_a_place_and_a_version_that_is_known() -> None:
    webhook = {"clientConfig": {"url": "http://a/?b#c"}, "conversionReviewVersions": ["v2", "v2"]}
    path = "spec.conversion.webhookClientConfig.url"
    assert told(definition(conversion={"strategy": "Webhook", "webhook": webhook})) == [
        (
            path,
            "Invalid value: \"http\": 'https' is the only allowed URL scheme; desired format: https://host[/path]",
        ),
        (path, 'Invalid value: "c": fragments are not permitted in the URL'),
        (path, 'Invalid value: "b": query parameters are not permitted in the URL'),
        ("spec.conversion.conversionReviewVersions[1]", 'Invalid value: "v2": duplicate version'),
        (
            "spec.conversion.conversionReviewVersions",
            'Invalid value: ["v2","v2"]: must include at least one of v1, v1beta1',
        ),
    ]


@pytest.mark.parametrize(
    "annotation", [None, "maybe", "unapproved, testing", "https://github.com/kubernetes/kubernetes/pull/1"]
)
def test_groups_of_the_community_need_an_approval(annotation: str | None) -> None:
    obj = definition(group="apps.k8s.io")
    obj["metadata"] = {
        "name": "widgets.apps.k8s.io",
        "annotations": {"api-approved.kubernetes.io": annotation},
    }
    wrong = [message.partition(":")[0] for _, message in told(obj)]
    assert wrong == {None: ["Required value"], "maybe": ["Invalid value"]}.get(annotation, [])


X = "x-kubernetes-"


@pytest.mark.parametrize(
    ("schema", "field", "message"),
    [
        (
            {"type": "word"},
            "type",
            'Unsupported value: "word": supported values: "array", "boolean", "integer", "number", "object", '
            '"string"',
        ),
        ({}, "type", "Required value: must not be empty for specified object fields"),
        ({"type": "array"}, "items", "Required value: must be specified"),
        (
            {"type": "string", "pattern": "("},
            "pattern",
            'Invalid value: "(": must be a valid regular expression, but isn\'t: error parsing regexp: '
            "missing closing ): `(`",
        ),
        (
            {"type": "string", "uniqueItems": True},
            "uniqueItems",
            "Forbidden: uniqueItems cannot be set to true since the runtime complexity becomes quadratic",
        ),
        (
            {"type": "object", "anyOf": [{"type": "object"}]},
            "anyOf[0].type",
            "Forbidden: must be empty to be structural",
        ),
        (
            {"type": "object", "allOf": [{"description": "x"}]},
            "allOf[0].description",
            "Forbidden: must be empty to be structural",
        ),
        (
            {"type": "object", "not": {"default": False}},
            "not.default",
            "Forbidden: must be undefined to be structural",
        ),
        (
            {f"{X}int-or-string": True, f"{X}preserve-unknown-fields": True},
            f"{X}preserve-unknown-fields",
            "Invalid value: true: must be false if x-kubernetes-int-or-string is true",
        ),
        (
            {"type": "object", "properties": {"b": OBJECT}, "additionalProperties": False},
            "additionalProperties",
            "Forbidden: additionalProperties and properties are mutual exclusive",
        ),
        (
            {"type": "object", f"{X}embedded-resource": True},
            "properties",
            "Required value: must not be empty if x-kubernetes-embedded-resource is true without "
            "x-kubernetes-preserve-unknown-fields",
        ),
        (
            {"type": "string", f"{X}list-type": "set"},
            "type",
            'Invalid value: "string": must be array if x-kubernetes-list-type is specified',
        ),
        (
            {"type": "string", f"{X}map-type": "granular"},
            "type",
            'Invalid value: "string": must be object if x-kubernetes-map-type is specified',
        ),
        (
            {"type": "object", f"{X}map-type": "strange"},
            f"{X}map-type",
            'Unsupported value: "strange": supported values: "atomic", "granular"',
        ),
        (
            {"type": "array", "items": {"type": "string"}, f"{X}list-type": "map"},
            f"{X}list-map-keys",
            "Required value: must not be empty if x-kubernetes-list-type is map",
        ),
        (
            {"type": "array", "items": OBJECT, f"{X}list-type": "set"},
            f"items.{X}map-type",
            "Invalid value: null: must be atomic as item of a list with x-kubernetes-list-type=set",
        ),
        (
            {"type": "integer", "default": "x"},
            "default",
            'Invalid value: "string":  in body must be of type integer: "string"',
        ),
        (
            {"type": "object", "default": {"x": 1}},
            "default",
            'Invalid value: {"x":1}: must not have unknown fields',
        ),
        (
            {"type": "object", "properties": {"b": {"type": "integer"}}, "default": {"b": "x"}},
            "default.b",
            'Invalid value: "string": b in body must be of type integer: "string"',
        ),
        (
            {"type": "string", f"{X}validations": [{"rule": " "}]},
            f"{X}validations[0].rule",
            "Required value: rule is not specified",
        ),
        (
            {"type": "string", f"{X}validations": [{"rule": "true", "fieldPath": ".b"}]},
            f"{X}validations[0].fieldPath",
            'Invalid value: ".b": must be a valid path',
        ),
    ],
)
def test_a_schema_that_breaks_a_rule_is_refused(schema: Json, field: str, message: str) -> None:
    assert (field, message) in told_of(schema)


@pytest.mark.parametrize(
    "schema",
    [
        {f"{X}int-or-string": True, "anyOf": [{"type": "integer"}, {"type": "string"}]},
        {
            f"{X}int-or-string": True,
            "allOf": [{"anyOf": [{"type": "integer"}, {"type": "string"}]}, {"minimum": 1}],
        },
        {f"{X}preserve-unknown-fields": True},
        {"type": "object", "additionalProperties": True},
        {"type": "object", "default": {"b": 1}, "additionalProperties": {"type": "integer"}},
        {
            "type": "object",
            f"{X}embedded-resource": True,
            "properties": {"kind": {"type": "string", "default": "Pod"}},
        },
        {"type": "array", f"{X}list-type": "set", "items": {"type": "object", f"{X}map-type": "atomic"}},
    ],
)
def test_a_schema_that_looks_odd_but_breaks_no_rule_is_taken(schema: Json) -> None:
    assert told_of(schema) == []


def test_keys_of_a_list_are_required_or_have_a_default() -> None:
    items = {"type": "object", "properties": {"n": {"type": "string", "nullable": True}}}
    schema = {"type": "array", f"{X}list-type": "map", f"{X}list-map-keys": ["n", "n", "m"], "items": items}
    needs = "this property is in x-kubernetes-list-map-keys, so it"
    of_the_key = [
        (
            "items.properties[n].default",
            f"Required value: {needs} must have a default or be a required property",
        ),
        ("items.properties[n].nullable", f"Forbidden: {needs} cannot be nullable"),
    ]
    keys = 'Invalid value: ["n","n","m"]: '
    assert told_of(schema) == [
        (f"{X}list-map-keys", f"{keys}must not contain duplicate entries"),
        (f"{X}list-map-keys", f"{keys}entries must all be names of item properties"),
        *of_the_key,
        *of_the_key,
    ]


def test_a_default_within_metadata_must_make_good_metadata() -> None:
    metadata = {"type": "object", "properties": {"name": {"type": "string", "default": "a/b"}}}
    schema = {"type": "object", f"{X}embedded-resource": True, "properties": {"metadata": metadata}}
    why = "metadata.name: Invalid value: \"a/b\": may not contain '/'"
    message = f'Invalid value: "a/b": must result in valid metadata: {why}'
    assert told_of(schema) == [("properties[metadata].properties[name].default", message)]


def test_the_metadata_of_the_object_may_only_be_restricted_by_name() -> None:
    root = {
        "type": "object",
        "properties": {
            "metadata": {"type": "object", "properties": {"name": {"maxLength": 5, "type": "string"}}}
        },
    }
    assert told(definition(root)) == []
    root["properties"]["metadata"]["properties"]["labels"] = OBJECT  # type: ignore[index]
    assert told(definition(root)) == [
        (
            f"{TOP}.properties[metadata]",
            "Forbidden: must not specify anything other than name and generateName, but metadata is "
            "implicitly specified",
        )
    ]


def test_only_some_words_stand_at_the_root_beside_a_status() -> None:
    obj = definition({"type": "object", "description": "x", "minProperties": 1})
    obj["spec"]["versions"][0]["subresources"] = {"status": {}}
    (found,) = told(obj)
    assert found[0] == TOP
    assert found[1].startswith(
        'Invalid value: {"ID":"","Schema":"","Ref":null,"Description":"x","Type":"object",'
    )
    assert "only [Description Type Format Title" in found[1]


def changed(
    do: Callable[[Json], None], *, conditions: Any = ESTABLISHED, schema: Json | None = None
) -> list[str]:
    old = definition(schema)
    old["status"]["conditions"] = conditions
    new = copy.deepcopy(old)
    do(new)
    return [cause.field for cause in check_definition_update(new, old)]


def test_what_objects_are_stored_by_may_not_change_once_established() -> None:
    assert changed(change("spec.names.kind", "Gadget")) == ["spec.names.kind"]
    assert changed(change("spec.scope", "Cluster")) == ["spec.scope"]
    assert changed(change("spec.names.kind", "Gadget"), conditions=[]) == []
    assert changed(change("spec.group", "other.test")) == ["spec.group"]


def test_a_stored_version_may_not_go() -> None:
    def rename(obj: Json) -> None:
        obj["spec"]["versions"][0]["name"] = "v2"
        obj["status"]["storedVersions"] = ["v1", "v2"]

    assert changed(rename) == ["status.storedVersions[0]"]


def test_a_mistake_that_is_there_already_may_stay() -> None:
    items = {"type": "object", "properties": {"n": {"type": "string"}}}
    keyed = {"type": "array", f"{X}list-type": "map", f"{X}list-map-keys": ["n"], "items": items}
    schema = {"type": "object", "properties": {"a": keyed}}
    assert changed(change("spec.names.shortNames", ["w"]), schema=schema) == []
    assert changed(change("spec.versions.0.schema.openAPIV3Schema.properties", {"b": keyed})) == [
        f"{TOP}.properties[b].items.properties[n].default"
    ]


def test_formats_that_say_nothing_are_warned_of_once() -> None:
    words = {"type": "string", "format": "word"}
    schema = {
        "type": "object",
        "properties": {
            "a": words,
            "b": words,
            "c": {"type": "integer", "format": "date"},
            "d": {"type": "string", "format": "date"},
        },
    }
    assert list(advise_definition(definition(schema))) == [
        'unrecognized format "word"',
        'unrecognized format "date"',
    ]


def test_definitions_of_old_need_neither_a_structure_nor_an_approval_and_have_no_defaults() -> None:
    old = definition({"properties": {"a": {}}}, group="apps.k8s.io", preserveUnknownFields=True)
    old["metadata"]["name"] = "widgets.apps.k8s.io"
    assert list(check_older_definition(old)) == []
    old["spec"]["preserveUnknownFields"] = False
    schema = {"type": "object", "properties": {"a": {"type": "string", "default": "x"}}}
    old["spec"]["versions"][0]["schema"]["openAPIV3Schema"] = schema
    (cause,) = check_older_definition(old)
    assert cause.message.startswith("Forbidden: must not be set (cannot set default values in")


def test_a_webhook_at_a_service_is_told_about_piece_by_piece() -> None:
    service = {"name": "", "namespace": "n", "path": "a/B", "port": 0}
    webhook = {"clientConfig": {"service": service}, "conversionReviewVersions": ["v1"]}
    found = told(definition(conversion={"strategy": "Webhook", "webhook": webhook}))
    path = "spec.conversion.webhookClientConfig.service"
    port = "Invalid value: 0: port is not valid: must be between 1 and 65535, inclusive"
    assert found[:4] == [
        (f"{path}.namespace", "Required value"),  # the reference takes one name for the other
        (f"{path}.port", port),
        (f"{path}.path", "Invalid value: \"a/B\": must start with a '/'"),
        (f"{path}.path", 'Invalid value: "a/B": segment[0] may not be empty'),
    ]
    assert found[4][1].startswith('Invalid value: "a/B": segment[1]: a lowercase RFC 1123 subdomain')
