"""Schemas, and versions of definitions, as refusals show them: the reference's own structs.

Every field of them, with Go's names and none for the wire, empty ones too. Source: the internal
``types_jsonschema.go`` and ``types.go`` of ``apiextensions-apiserver/pkg/apis/apiextensions``.
"""

from collections.abc import Callable
from typing import Any

from kube_lite.api.fielderrors import Shown, show
from kube_lite.api.gotext import go_json
from kube_lite.api.identity import Json

FIELDS = (
    "ID:id Schema:$schema Ref:$ref* Description:description Type:type Nullable:nullable! Format:format "
    "Title:title Default:default* Maximum:maximum* ExclusiveMaximum:exclusiveMaximum! Minimum:minimum* "
    "ExclusiveMinimum:exclusiveMinimum! MaxLength:maxLength* MinLength:minLength* Pattern:pattern "
    "MaxItems:maxItems* MinItems:minItems* UniqueItems:uniqueItems! MultipleOf:multipleOf* Enum:enum* "
    "MaxProperties:maxProperties* MinProperties:minProperties* Required:required* Items:items/ AllOf:allOf[ "
    "OneOf:oneOf[ AnyOf:anyOf[ Not:not@ Properties:properties{ AdditionalProperties:additionalProperties? "
    "PatternProperties:patternProperties{ Dependencies:dependencies; AdditionalItems:additionalItems? "
    "Definitions:definitions{ ExternalDocs:externalDocs% Example:example* "
    "XPreserveUnknownFields:x-kubernetes-preserve-unknown-fields* "
    "XEmbeddedResource:x-kubernetes-embedded-resource! XIntOrString:x-kubernetes-int-or-string! "
    "XListMapKeys:x-kubernetes-list-map-keys* XListType:x-kubernetes-list-type* "
    "XMapType:x-kubernetes-map-type* XValidations:x-kubernetes-validations&"
)
"""Go's names in their order; then the keyword, with a mark for what is not a text.

``*`` may be null, ``!`` is a boolean, ``@`` a schema, ``[`` and ``{`` a list and a map of them; the others
are one of a kind.
"""


def _entries() -> tuple[tuple[str, str, str], ...]:
    found = []
    for entry in FIELDS.split():
        name, word = entry.split(":", 1)
        mark = word[-1] if word[-1] in _SHOW else ""
        found.append((name, word.removesuffix(mark) if mark else word, mark))
    return tuple(found)


def go_schema(document: Json) -> Shown:
    """A ``JSONSchemaProps``."""
    shown = (f'"{name}":{_SHOW[mark](document.get(word))}' for name, word, mark in ENTRIES)
    return Shown("{" + ",".join(shown) + "}")


def fields_of(document: Json) -> list[str]:
    """Go's names of the fields that are not empty, in their order."""
    empty = (None, "", False)
    return [name for name, word, _ in ENTRIES if not any(document.get(word) is one for one in empty)]


def go_items(items: Any) -> Shown:
    """What an array may consist of: one schema, or one for each place."""
    several = items if isinstance(items, list) else None
    return Shown(f'{{"Schema":{_schema(None if several else items)},"JSONSchemas":{_schemas(several)}}}')


def go_rule(rule: Json) -> Shown:
    """A rule of ``x-kubernetes-validations``."""
    texts = ("Rule", "Message", "MessageExpression")
    parts = [f'"{name}":{_text(rule.get(name[0].lower() + name[1:]))}' for name in texts]
    parts.append(f'"Reason":{_any(rule.get("reason"))}')
    parts.append(f'"FieldPath":{_text(rule.get("fieldPath"))}')
    parts.append(f'"OptionalOldSelf":{_any(rule.get("optionalOldSelf"))}')
    return Shown("{" + ",".join(parts) + "}")


def go_versions(versions: list[Json]) -> Shown:
    """The versions of a definition."""
    return Shown("[" + ",".join(map(_version, versions)) + "]")


def _version(version: Json) -> str:
    get = version.get
    flags = ("served", "storage", "deprecated")
    shown = [f'"Name":{_text(get("name"))}', *(f'"{name.capitalize()}":{_flag(get(name))}' for name in flags)]
    shown.append(f'"DeprecationWarning":{_any(get("deprecationWarning"))}')
    shown.append(f'"Schema":{_validation(get("schema"))}')
    shown.append(f'"Subresources":{_subresources(get("subresources"))}')
    shown.append(f'"AdditionalPrinterColumns":{_list(get("additionalPrinterColumns"), _column)}')
    shown.append(f'"SelectableFields":{_list(get("selectableFields"), _selectable)}')
    return "{" + ",".join(shown) + "}"


def _validation(schema: Json | None) -> str:
    return "null" if schema is None else f'{{"OpenAPIV3Schema":{_schema(schema.get("openAPIV3Schema"))}}}'


def _subresources(subresources: Json | None) -> str:
    if subresources is None:
        return "null"
    status = "null" if subresources.get("status") is None else "{}"
    return f'{{"Status":{status},"Scale":{_scale(subresources.get("scale"))}}}'


def _scale(scale: Json | None) -> str:
    if scale is None:
        return "null"
    spec, status = _text(scale.get("specReplicasPath")), _text(scale.get("statusReplicasPath"))
    selector = _any(scale.get("labelSelectorPath"))
    return f'{{"SpecReplicasPath":{spec},"StatusReplicasPath":{status},"LabelSelectorPath":{selector}}}'


def _column(column: Json) -> str:
    texts = ("name", "type", "format", "description")
    shown = [f'"{name.capitalize()}":{_text(column.get(name))}' for name in texts]
    shown.append(f'"Priority":{column.get("priority", 0)}')
    shown.append(f'"JSONPath":{_text(column.get("jsonPath"))}')
    return "{" + ",".join(shown) + "}"


def _selectable(field: Json) -> str:
    return f'{{"JSONPath":{_text(field.get("jsonPath"))}}}'


def _any(value: Any) -> str:
    return _text(value) if isinstance(value, str) else show(value)


def _text(value: str | None) -> str:
    return show([value or ""])[1:-1]


def _flag(value: Any) -> str:
    return "true" if value else "false"


def _list(values: list[Any] | None, shown: Callable[[Any], str]) -> str:
    return "null" if values is None else "[" + ",".join(map(shown, values)) + "]"


def _schema(document: Json | None) -> str:
    return "null" if document is None else go_schema(document)


def _schemas(documents: list[Json] | None) -> str:
    return _list(documents, go_schema)


def _named(documents: dict[str, Json] | None, shown: Callable[[Any], str] = go_schema) -> str:
    if documents is None:
        return "null"
    return "{" + ",".join(f"{go_json(name)}:{shown(documents[name])}" for name in sorted(documents)) + "}"


def _or_boolean(value: Any) -> str:
    if value is None:
        return "null"
    schema = value if isinstance(value, dict) else None
    return f'{{"Allows":{_flag(value is not False)},"Schema":{_schema(schema)}}}'


def _dependencies(value: Json | None) -> str:
    return _named(value, _dependency)


def _dependency(value: Any) -> str:
    names = value if isinstance(value, list) else None
    return f'{{"Schema":{_schema(None if names else value)},"Property":{_any(names)}}}'


def _documentation(value: Json | None) -> str:
    if value is None:
        return "null"
    return f'{{"Description":{_text(value.get("description"))},"URL":{_text(value.get("url"))}}}'


def _items(value: Any) -> str:
    return "null" if value is None else go_items(value)


def _rules(value: list[Json] | None) -> str:
    return _list(value, go_rule)


_SHOW: dict[str, Callable[[Any], str]] = {
    "": _text,
    "*": _any,
    "!": _flag,
    "@": _schema,
    "[": _schemas,
    "{": _named,
    "?": _or_boolean,
    ";": _dependencies,
    "%": _documentation,
    "/": _items,
    "&": _rules,
}
ENTRIES = _entries()
