"""Rules for the schemas of CustomResourceDefinitions, in the order and the words of the reference.

A schema is first held to be structural, then its defaults are tried out, then every part of it is looked at;
rules in CEL are compiled by those who know CEL. Documents are walked as they are written; most parts of a
schema have only words that no rule is about, and cost a comparison of sets.

Source: ``validateCustomResourceDefinitionValidation`` and what it calls, in
``apiextensions-apiserver/pkg/apis/apiextensions/validation/validation.go``.
"""

import re
from collections.abc import Iterator
from typing import Any, NamedTuple

from kube_lite.api.custom.fieldpaths import BadPath, place_of
from kube_lite.api.custom.formats import NUMBER_FORMATS, check_of
from kube_lite.api.custom.structure import (
    RULES,
    has,
    has_default,
    has_rules,
    spell,
    subschemas,
    unsupported,
    violations,
)
from kube_lite.api.errors import Cause
from kube_lite.api.fielderrors import forbidden, invalid, not_supported, required
from kube_lite.api.identity import Json

from .definition_defaults import check_defaults
from .go_schema import fields_of, go_items, go_schema

TYPES = ("array", "boolean", "integer", "number", "object", "string")
META = ("metadata", "kind", "apiVersion")
ROOT_FIELDS = (
    "Description", "Type", "Format", "Title", "Maximum", "ExclusiveMaximum", "Minimum", "ExclusiveMinimum",
    "MaxLength", "MinLength", "Pattern", "MaxItems", "MinItems", "UniqueItems", "MultipleOf", "Required",
    "Items", "Properties", "ExternalDocs", "Example", "XPreserveUnknownFields", "XValidations",
)  # fmt: skip
"""What may stand at the root where ``status`` is a subresource."""
REASONS = ("FieldValueDuplicate", "FieldValueForbidden", "FieldValueInvalid", "FieldValueRequired")
PRESERVE = "x-kubernetes-preserve-unknown-fields"
LIST_TYPE = "x-kubernetes-list-type"
MAP_KEYS = "x-kubernetes-list-map-keys"
MAP_TYPE = "x-kubernetes-map-type"
EMBEDDED = "x-kubernetes-embedded-resource"
SUBRESOURCE = "at the root of the schema if the status subresource is enabled"
SPECIAL = frozenset({
    "default", "id", "additionalItems", "patternProperties", "definitions", "dependencies", "$ref",
    "uniqueItems", EMBEDDED, PRESERVE, MAP_TYPE, LIST_TYPE, MAP_KEYS, RULES,
})  # fmt: skip
"""Words that a rule for single parts is about."""


class Demands(NamedTuple):
    """What is asked of schemas; a definition that never met a demand may go on without.

    Attributes:
        types: all types are OpenAPI's.
        structure: the schema is structural.
        pruned_defaults: defaults have no unknown fields.
        atomic_sets: items of sets are atomic.
        good_keys: keys of lists are there, and neither they nor the items are nullable.
        no_default: why there may be no defaults at all; empty where there may.
    """

    types: bool = True
    structure: bool = True
    pruned_defaults: bool = True
    atomic_sets: bool = True
    good_keys: bool = True
    no_default: str = ""


class _Place(NamedTuple):
    """What the parts above a part of a schema say about it."""

    demands: Demands
    no_default: str = ""
    """Why there may be no default; empty where there may."""
    in_meta: bool = False


def demands_after(schemas: list[Json]) -> Demands:
    """What may still be asked of the schemas of a definition that had these before."""
    return Demands(
        types=not any(has(schema, _has_bad_type) for schema in schemas),
        structure=not any(unsupported(schema) or violations(schema, "") for schema in schemas),
        pruned_defaults=not any(_has_unpruned_defaults(schema) for schema in schemas),
        atomic_sets=not any(has(schema, _has_shared_set) for schema in schemas),
        good_keys=not any(has(schema, _has_bad_keys) for schema in schemas),
    )


def _has_bad_type(document: Json) -> bool:
    return bool(document.get("type")) and document["type"] not in TYPES


def _has_shared_set(document: Json) -> bool:
    return any(_check_set(document, ""))


def _has_bad_keys(document: Json) -> bool:
    return any(_check_keys(document, ""))


def _has_unpruned_defaults(document: Json) -> bool:
    if not has(document, has_default) or unsupported(document) or violations(document, ""):
        return False
    return any("must not have unknown fields" in cause.message for cause in check_defaults(document, ""))


def unknown_formats(document: Json) -> Iterator[str]:
    """The formats of a schema and its parts that say nothing, in order, some perhaps several times."""
    form, kind = document.get("format"), document.get("type", "")
    if form:
        known = check_of(form) is not None if kind in ("", "string") else form in NUMBER_FORMATS.get(kind, ())
        if not known:
            yield form
    for below in subschemas(document):
        yield from unknown_formats(below)


def check_schema(document: Json, path: str, demands: Demands, *, has_status: bool) -> list[Cause]:
    """What is wrong with the schema of a version.

    Args:
        path: of the document, ending in ``openAPIV3Schema``.
        has_status: ``status`` is a subresource.
    """
    causes = list(_check_root(document, path, has_status=has_status))
    impossible, sound = "", False
    if demands.structure:
        impossible = unsupported(document)
        found = [] if impossible else violations(document, path)
        if not impossible and not found and has(document, has_default):
            found = list(check_defaults(document, path, pruned=demands.pruned_defaults))
        causes += found
        sound = not impossible and not found
    parts = list(_check_part(document, path, _Place(demands, demands.no_default), is_root=True))
    causes += parts
    if sound and has(document, has_rules):
        causes += _check_rules(document, path, parts)
    if impossible and not causes:
        causes.append(invalid(path, "", impossible))
    return causes


def _check_rules(document: Json, path: str, wrong: list[Cause]) -> Iterator[Cause]:
    """The rules of parts in which nothing is wrong otherwise."""
    from kube_lite.api.custom.rules import check_rules  # compiling takes much that few definitions need

    for cause in check_rules(document, path):
        part = cause.field.partition(f".{RULES}")[0]
        if not any(other.field.startswith(part) for other in wrong):
            yield cause


def _check_root(document: Json, path: str, *, has_status: bool) -> Iterator[Cause]:
    for name in fields_of(document) if has_status else ():
        if name == "Type" and document["type"] != "object":
            why = f'only "object" is allowed as the type {SUBRESOURCE}'
            yield invalid(f"{path}.type", document["type"], why)
            break
        if name not in ROOT_FIELDS:
            why = f"only [{' '.join(ROOT_FIELDS)}] fields are allowed {SUBRESOURCE}"
            yield invalid(path, go_schema(document), why)
            break
    if document.get("nullable"):
        yield forbidden(f"{path}.nullable", "nullable cannot be true at the root")


def _check_part(document: Json, path: Any, place: _Place, *, is_root: bool = False) -> Iterator[Cause]:
    words = document.keys()
    kind = document.get("type")
    if kind and kind not in TYPES:
        yield from _check_type(kind, path, place)
    special = not words.isdisjoint(SPECIAL)
    if special or isinstance(document.get("items"), list):
        yield from _check_words(document, spell(path), place)
    yield from _check_below(document, path, place, is_root=is_root)
    if special:
        yield from _check_lists(document, spell(path), place)


def _check_type(kind: str, path: Any, place: _Place) -> Iterator[Cause]:
    here = spell((path, ".type"))
    if place.demands.types:
        yield not_supported(here, kind, TYPES)
    if kind == "null":
        yield forbidden(here, "type cannot be set to null, use nullable as an alternative")


def _check_words(document: Json, path: str, place: _Place) -> Iterator[Cause]:
    if document.get("default") is not None and place.no_default:
        yield forbidden(f"{path}.default", f"must not be set {place.no_default}")
    for word in ("id", "additionalItems", "patternProperties", "definitions", "dependencies", "$ref"):
        if document.get(word) or (
            word not in ("id", "patternProperties", "definitions") and word in document
        ):
            yield forbidden(f"{path}.{word}", f"{word} is not supported")
    if document.get("items") and isinstance(document["items"], list):
        yield forbidden(f"{path}.items", "items must be a schema object and not an array")
    if place.in_meta and document.get(EMBEDDED):
        yield forbidden(f"{path}.{EMBEDDED}", "must not be used inside of resource meta")
    if document.get("uniqueItems"):
        why = "uniqueItems cannot be set to true since the runtime complexity becomes quadratic"
        yield forbidden(f"{path}.uniqueItems", why)


def _check_below(document: Json, path: Any, place: _Place, *, is_root: bool) -> Iterator[Cause]:
    additional, properties = document.get("additionalProperties"), document.get("properties")
    if additional is not None:
        yield from _check_additional(document, path, place)
    if properties:
        here = (path, ".properties")
        is_resource = is_root or document.get(EMBEDDED)
        for name, below in properties.items():
            inside = _in_meta(place, name, is_root=is_root) if is_resource and name in META else place
            yield from _check_part(below, (here, f"[{name}]"), inside)
    if not document.keys().isdisjoint(_JUNCTORS):
        for part, where in _restrictions(document):
            yield from _check_part(part, (path, where), place)
    items = document.get("items")
    if isinstance(items, dict):
        yield from _check_part(items, (path, ".items"), place)
    elif items:
        for position, below in enumerate(items):
            yield from _check_part(below, (path, f".items[{position}]"), place)


def _check_additional(document: Json, path: Any, place: _Place) -> Iterator[Cause]:
    additional = document["additionalProperties"]
    if document.get("properties") and additional is not True:
        why = "additionalProperties and properties are mutual exclusive"
        yield forbidden(spell((path, ".additionalProperties")), why)
    if isinstance(additional, dict):
        if place.in_meta:
            place = place._replace(no_default="inside additionalProperties applying to object metadata")
        yield from _check_part(additional, (path, ".additionalProperties"), place)


_JUNCTORS = ("not", "allOf", "oneOf", "anyOf", "definitions")


def _restrictions(document: Json) -> Iterator[tuple[Json, str]]:
    if document.get("not") is not None:
        yield document["not"], ".not"
    for word in ("allOf", "oneOf", "anyOf"):
        for position, below in enumerate(document.get(word) or ()):
            yield below, f".{word}[{position}]"
    for name, below in (document.get("definitions") or {}).items():
        yield below, f".definitions[{name}]"


def _in_meta(place: _Place, name: str, *, is_root: bool) -> _Place:
    place = place._replace(in_meta=True)
    return place._replace(no_default=f"in top-level {name}") if is_root else place


def _check_lists(document: Json, path: str, place: _Place) -> Iterator[Cause]:
    """The extensions by which lists and maps are merged, then the rules."""
    kind, list_type, map_type = document.get("type", ""), document.get(LIST_TYPE), document.get(MAP_TYPE)
    if document.get(PRESERVE) is False:
        yield invalid(f"{path}.{PRESERVE}", False, "must be true or undefined")
    if map_type is not None:
        yield from _check_kind(kind, "object", path, MAP_TYPE)
        if map_type not in ("atomic", "granular"):
            yield not_supported(f"{path}.{MAP_TYPE}", map_type, ("atomic", "granular"))
    if list_type is not None and kind != "array":
        yield from _check_kind(kind, "array", path, LIST_TYPE)
    elif place.demands.atomic_sets:
        yield from _check_set(document, path)
    if list_type is not None and list_type not in ("atomic", "set", "map"):
        yield not_supported(f"{path}.{LIST_TYPE}", list_type, ("atomic", "set", "map"))
    yield from _check_map(document, path)
    if place.demands.good_keys:
        yield from _check_keys(document, path)
    for position, rule in enumerate(document.get(RULES) or ()):
        yield from _check_rule(rule, document, f"{path}.{RULES}[{position}]")


def _check_kind(kind: str, wanted: str, path: str, word: str) -> Iterator[Cause]:
    if kind == wanted:
        return
    why = f"must be {wanted} if {word} is specified"
    yield invalid(f"{path}.type", kind, why) if kind else required(f"{path}.type", why)


def _check_set(document: Json, path: str) -> Iterator[Cause]:
    """Items of a set are compared as a whole."""
    items = document.get("items")
    if document.get(LIST_TYPE) != "set" or not isinstance(items, dict):
        return
    own = items.get(LIST_TYPE)
    why = "must be atomic as item of a list with x-kubernetes-list-type=set"
    if items.get("type") == "array" and own not in (None, "atomic"):
        yield invalid(f"{path}.items.{LIST_TYPE}", own, why)
    elif items.get("type") == "object" and items.get(MAP_TYPE) != "atomic":
        yield invalid(f"{path}.items.{MAP_TYPE}", own, why)


def _check_map(document: Json, path: str) -> Iterator[Cause]:
    """Items of a keyed list are objects with those keys."""
    keys, list_type = document.get(MAP_KEYS) or [], document.get(LIST_TYPE)
    why = f"must be map if {MAP_KEYS} is non-empty"
    if keys and list_type is None:
        yield required(f"{path}.{LIST_TYPE}", why)
    elif keys and list_type != "map":
        yield invalid(f"{path}.{LIST_TYPE}", list_type, why)
    if list_type != "map":
        return
    if not keys:
        yield required(f"{path}.{MAP_KEYS}", f"must not be empty if {LIST_TYPE} is map")
    items = document.get("items")
    if items is None:
        yield required(f"{path}.items", f"must have a schema if {LIST_TYPE} is map")
    elif not isinstance(items, dict):
        yield invalid(
            f"{path}.items", go_items(items), f"must only have a single schema if {LIST_TYPE} is map"
        )
    elif items.get("type", "") != "object":
        why = f"must be object if parent array's {LIST_TYPE} is map"
        yield invalid(f"{path}.items.type", items.get("type", ""), why)
    else:
        yield from _check_names(keys, items, path)


def _check_names(keys: list[str], items: Json, path: str) -> Iterator[Cause]:
    properties = items.get("properties") or {}
    for position, key in enumerate(keys):
        if key not in properties:
            yield invalid(f"{path}.{MAP_KEYS}", keys, "entries must all be names of item properties")
        elif properties[key].get("type") in ("array", "object"):
            why = f"must be a scalar type if parent array's {LIST_TYPE} is map"
            yield invalid(f"{path}.items.properties[{key}].type", items["type"], why)
        if key in keys[:position]:
            yield invalid(f"{path}.{MAP_KEYS}", keys, "must not contain duplicate entries")


def _check_keys(document: Json, path: str) -> Iterator[Cause]:
    """Neither the items of sets and keyed lists nor their keys may be null, and keys are always there."""
    items, list_type = document.get("items"), document.get(LIST_TYPE)
    if list_type not in ("set", "map") or not isinstance(items, dict):
        return
    if items.get("nullable"):
        yield forbidden(f"{path}.items.nullable", f"cannot be nullable when {LIST_TYPE} is {list_type}")
    if list_type == "set":
        return
    properties, needed = items.get("properties") or {}, items.get("required") or ()
    for key in document.get(MAP_KEYS) or ():
        if key not in properties:
            continue
        here = f"{path}.items.properties[{key}]"
        if key not in needed and properties[key].get("default") is None:
            yield required(f"{here}.default", f"{_IS_KEY} must have a default or be a required property")
        if properties[key].get("nullable"):
            yield forbidden(f"{here}.nullable", f"{_IS_KEY} cannot be nullable")


_IS_KEY = f"this property is in {MAP_KEYS}, so it"
_LINE_BREAK = re.compile(r"[\n\r]")


def _check_rule(rule: Json, document: Json, path: str) -> Iterator[Cause]:
    """What can be said of a rule without knowing its language."""
    text, message = rule.get("rule") or "", rule.get("message") or ""
    expression, place = rule.get("messageExpression") or "", rule.get("fieldPath") or ""
    if not text.strip():
        yield required(f"{path}.rule", "rule is not specified")
    elif message and not message.strip():
        yield invalid(f"{path}.message", message, "must be non-empty if specified")
    elif _LINE_BREAK.search(message.strip()):
        yield invalid(f"{path}.message", message, "must not contain line breaks")
    elif _LINE_BREAK.search(text.strip()) and not message.strip():
        yield required(f"{path}.message", "message must be specified if rule contains line breaks")
    if expression and not expression.strip():
        yield required(f"{path}.messageExpression", "messageExpression must be non-empty if specified")
    if rule.get("reason") is not None and rule["reason"] not in REASONS:
        yield not_supported(f"{path}.reason", rule["reason"], REASONS)
    if place and not place.strip():
        yield invalid(f"{path}.fieldPath", place, "must be non-empty if specified")
    if _LINE_BREAK.search(place):
        yield invalid(f"{path}.fieldPath", place, "must not contain line breaks")
    if place and not _leads_somewhere(place, document):
        yield invalid(f"{path}.fieldPath", place, "must be a valid path")


def _leads_somewhere(path: str, document: Json) -> bool:
    if unsupported(document):
        return True
    try:
        place_of(path, document)
    except BadPath:
        return False
    return True
