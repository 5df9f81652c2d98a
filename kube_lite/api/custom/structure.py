"""Structural schemas: what the shape of a custom resource's schema must be, and how it becomes a ``Schema``.

A schema is structural when each field is described once, outside of ``allOf``, ``anyOf``, ``oneOf`` and
``not``, and these restrict only values. That is what lets a server prune and default without asking which
alternative holds.

Documents are walked as they are written; a path is a chain of pairs that is spelled out only when something
is wrong there. Source: ``apiextensions-apiserver/pkg/apiserver/schema/{validation,complete,convert}.go``.
"""

from collections.abc import Callable, Iterator
from typing import Any

from kube_lite.api.errors import Cause
from kube_lite.api.fielderrors import forbidden, invalid, required
from kube_lite.api.identity import Json
from kube_lite.api.regex import why_not
from kube_lite.api.schema.load import Definitions, Schema, in_place

Path = tuple[Any, str]
"""Where a schema is: the path of what holds it (or a text), and what is to be written after that."""

ROOT, ITEM, FIELD = "root", "array items", "object fields"
INT_OR_STRING = [{"type": "integer"}, {"type": "string"}]
JUNCTORS = ("anyOf", "allOf", "oneOf")
UNSUPPORTED = ("id", "$schema", "$ref", "patternProperties", "dependencies", "additionalItems", "definitions")
"""Keywords of JSON schemas that structural ones do not know, in the order in which they are looked for."""

NOT_STRUCTURAL = {
    "type": "must be empty to be structural",
    "additionalProperties": "must be undefined to be structural",
    "default": "must be undefined to be structural",
    "title": "must be empty to be structural",
    "description": "must be empty to be structural",
    "nullable": "must be false to be structural",
    "x-kubernetes-preserve-unknown-fields": "must be false to be structural",
    "x-kubernetes-embedded-resource": "must be false to be structural",
    "x-kubernetes-int-or-string": "must be false to be structural",
    "x-kubernetes-list-map-keys": "must be empty to be structural",
    "x-kubernetes-list-type": "must be undefined to be structural",
    "x-kubernetes-map-type": "must be undefined to be structural",
    "x-kubernetes-validations": "must be empty to be structural",
}
"""What may not stand in a schema that only restricts values."""
NOTHING: dict[str, tuple[Any, ...]] = {
    "additionalProperties": (None, False),
    "default": (None,),
    "x-kubernetes-list-type": (None,),
    "x-kubernetes-map-type": (None,),
}
"""Those of them that count even when they are empty, and the values that are as good as none."""
RULES = "x-kubernetes-validations"
EXTENSIONS = (
    "x-kubernetes-preserve-unknown-fields",
    "x-kubernetes-embedded-resource",
    "x-kubernetes-int-or-string",
    "x-kubernetes-list-map-keys",
    "x-kubernetes-list-type",
    RULES,
)
"""What only structural schemas may have."""
UNTYPED = ("x-kubernetes-int-or-string", "x-kubernetes-preserve-unknown-fields")
"""What says enough of a value that a type is not needed."""
_UNUSUAL = frozenset({*UNSUPPORTED, *JUNCTORS, "not", "x-kubernetes-preserve-unknown-fields"})


def custom_schema(document: Json, definitions: Definitions) -> Schema:
    """The schema of an ``openAPIV3Schema``: that of a root, whose metadata is only what the document says."""
    return in_place(document, definitions.schema)


def nonstructural(definition: Json) -> list[Cause]:
    """Why a stored definition has the condition ``NonStructuralSchema``; empty for none.

    Where a schema cannot even be looked at there is one cause, whose reason is ``StructuralError``.
    """
    spec = definition["spec"]
    causes: list[Cause] = []
    if spec.get("preserveUnknownFields"):
        causes.append(invalid("spec.preserveUnknownFields", True, "must be false"))
    for position, version in enumerate(spec.get("versions") or ()):
        document = (version.get("schema") or {}).get("openAPIV3Schema")
        if document is None:
            continue
        why = unsupported(document)
        if why:
            message = f"failed to check validation schema for version {version['name']}: {why}"
            return [Cause("StructuralError", message)]
        causes += violations(document, f"spec.versions[{position}].schema.openAPIV3Schema")
    return causes


def spell(path: Any) -> str:
    """``(("spec.validation", ".openAPIV3Schema"), ".type")`` → ``spec.validation.openAPIV3Schema.type``."""
    parts: list[str] = []
    while type(path) is tuple:
        path, part = path
        parts.append(part)
    parts.append(path)
    return "".join(reversed(parts)).removeprefix(".")


def subschemas(document: Json) -> Iterator[Json]:
    """Every schema that a schema is made of, in any role."""
    for name in ("items", "additionalProperties", "not", "additionalItems"):
        below = document.get(name)
        if isinstance(below, dict):
            yield below
        elif isinstance(below, list):
            yield from (item for item in below if isinstance(item, dict))
    for name in JUNCTORS:
        yield from document.get(name) or ()
    for name in ("properties", "patternProperties", "definitions", "dependencies"):
        for below in (document.get(name) or {}).values():
            if isinstance(below, dict):
                yield below


def has(document: Json | None, test: Callable[[Json], bool]) -> bool:
    """Whether a schema or any part of it passes a test."""
    if document is None:
        return False
    return test(document) or any(has(below, test) for below in subschemas(document))


def has_default(document: Json) -> bool:
    """Whether this very part has a default."""
    return document.get("default") is not None


def has_rules(document: Json) -> bool:
    """Whether this very part has rules in CEL."""
    return bool(document.get(RULES))


def has_extensions(document: Json) -> bool:
    """Whether this very part has a word that only structural schemas may have."""
    return any(document.get(word) is not None for word in EXTENSIONS)


def unsupported(document: Json) -> str:
    """Why a document can be no structural schema at all; empty when it may be one."""
    if not document.keys().isdisjoint(_UNUSUAL):
        why = _unsupported_here(document)
        if why:
            return why
    items, additional = document.get("items"), document.get("additionalProperties")
    if isinstance(items, list) and items:
        return "OpenAPIV3Schema 'items' must be a schema, but is an array"
    properties = document.get("properties")
    for part in (items, *(properties.values() if properties else ()), additional):
        why = unsupported(part) if isinstance(part, dict) and part else ""
        if why:
            return why
    return ""


def _unsupported_here(document: Json) -> str:
    for word in UNSUPPORTED:
        if document.get(word):
            return f"OpenAPIV3Schema '{'schema' if word == '$schema' else word}' is not supported"
    for name in ("not", *JUNCTORS):
        below = document.get(name) or ()
        for part in [below] if isinstance(below, dict) else below:
            why = unsupported(part)
            if why:
                return why
    if document.get("x-kubernetes-preserve-unknown-fields") is False:
        return "internal error: 'x-kubernetes-preserve-unknown-fields' must be true or undefined"
    return ""


def violations(document: Json, path: str) -> list[Cause]:
    """How a supported document breaks the rules for structural schemas, sorted as the reference does."""
    found = [*_invariants(document, ROOT, path), *_completeness(document, path)]
    return sorted(found, key=lambda cause: f"{cause.field}: {cause.message}")


def _invariants(document: Json, level: str, path: Any) -> Iterator[Cause]:
    get = document.get
    kind, items, additional = get("type", ""), get("items"), get("additionalProperties")
    if kind == "array" and items is None:
        yield required(spell((path, ".items")), "must be specified")
    if items is not None:
        yield from _invariants(items, ITEM, (path, ".items"))
    properties = get("properties")
    if properties:
        here = (path, ".properties")
        for name, below in properties.items():
            yield from _invariants(below, FIELD, (here, f"[{name}]"))
    if additional is not None:
        if level == ROOT:
            yield forbidden(spell((path, ".additionalProperties")), "must not be used at the root")
        if isinstance(additional, dict):
            yield from _invariants(additional, FIELD, (path, ".additionalProperties"))
    if get("x-kubernetes-int-or-string"):
        yield from _int_or_string(document, path)
    yield from _values(document, path, skip_any_of=get("anyOf") == INT_OR_STRING)
    yield from _type(document, kind, level, path)
    if properties or get("x-kubernetes-embedded-resource"):
        yield from _resource(document, level, path)


def _int_or_string(document: Json, path: Any) -> Iterator[Cause]:
    for word in ("x-kubernetes-preserve-unknown-fields", "x-kubernetes-embedded-resource"):
        if document.get(word):
            why = "must be false if x-kubernetes-int-or-string is true"
            yield invalid(spell((path, f".{word}")), True, why)


def _type(document: Json, kind: str, level: str, path: Any) -> Iterator[Cause]:
    if document.get("x-kubernetes-embedded-resource") and kind != "object":
        why = "must be object if x-kubernetes-embedded-resource is true"
        here = spell((path, ".type"))
        yield invalid(here, kind, why) if kind else required(here, why)
    elif not kind and not any(document.get(word) for word in UNTYPED):
        where = "at the root" if level == ROOT else f"for specified {level}"
        yield required(spell((path, ".type")), f"must not be empty {where}")
    if level == ROOT and kind and kind != "object":
        yield invalid(spell((path, ".type")), kind, "must be object at the root")


def _resource(document: Json, level: str, path: Any) -> Iterator[Cause]:
    """What an object with metadata may say of its own fields."""
    embedded = document.get("x-kubernetes-embedded-resource", False)
    properties = document.get("properties") or {}
    if embedded and document.get("additionalProperties") is not None:
        why = "must not be used if x-kubernetes-embedded-resource is set"
        yield forbidden(spell((path, ".additionalProperties")), why)
    if level == ROOT or embedded:
        for name, wanted in (("kind", "string"), ("apiVersion", "string"), ("metadata", "object")):
            kind = properties.get(name, {"type": wanted}).get("type", "")
            if kind != wanted:
                yield invalid(spell((path, f".properties[{name}].type")), kind, f"must be {wanted}")
    if level == ROOT and "metadata" in properties and _says_more(properties["metadata"]):
        yield forbidden(
            spell((path, ".properties[metadata]")),
            "must not specify anything other than name and generateName, "
            "but metadata is implicitly specified",
        )
    if embedded and not properties and not document.get("x-kubernetes-preserve-unknown-fields"):
        why = "if x-kubernetes-embedded-resource is true without x-kubernetes-preserve-unknown-fields"
        yield required(spell((path, ".properties")), f"must not be empty {why}")


def _says_more(metadata: Json) -> bool:
    rest = {word for word, value in metadata.items() if value not in (None, "", False, [], {})}
    if set(metadata.get("properties") or ()) <= {"name", "generateName"}:
        rest.discard("properties")
    return bool(rest - {"type", "default"})


def _values(
    document: Json, path: Any, *, skip_any_of: bool = False, skip_first_all_of: bool | None = None
) -> Iterator[Cause]:
    """The parts that restrict values, of a structural schema or of such a part."""
    all_of: list[Json] = document.get("allOf") or []
    if skip_first_all_of is None:
        skip_first_all_of = bool(all_of) and all_of[0].get("anyOf") == INT_OR_STRING
    if not skip_any_of:
        for position, part in enumerate(document.get("anyOf") or ()):
            yield from _restriction(part, (path, f".anyOf[{position}]"))
    for position, part in enumerate(all_of):
        skip = skip_first_all_of and not position
        yield from _restriction(part, (path, f".allOf[{position}]"), skip_any_of=skip)
    for position, part in enumerate(document.get("oneOf") or ()):
        yield from _restriction(part, (path, f".oneOf[{position}]"))
    if document.get("not") is not None:
        yield from _restriction(document["not"], (path, ".not"))
    pattern = document.get("pattern")
    if pattern:
        why = why_not(pattern)
        if why:
            told = f"must be a valid regular expression, but isn't: {why}"
            yield invalid(spell((path, ".pattern")), pattern, told)


def _restriction(document: Json, path: Any, *, skip_any_of: bool = False) -> Iterator[Cause]:
    yield from _values(document, path, skip_any_of=skip_any_of, skip_first_all_of=False)
    if document.get("items") is not None:
        yield from _restriction(document["items"], (path, ".items"))
    for name, below in (document.get("properties") or {}).items():
        yield from _restriction(below, (path, f".properties[{name}]"))
    for word in NOT_STRUCTURAL.keys() & document.keys():
        value = document[word]
        if value or value not in NOTHING.get(word, (value,)):
            yield forbidden(spell((path, f".{word}")), NOT_STRUCTURAL[word])
    if "metadata" in (document.get("properties") or ()):
        yield forbidden(spell((path, ".properties[metadata]")), "must not be specified in a nested context")


def _completeness(document: Json, path: Any) -> Iterator[Cause]:
    """Each part that restricts a field needs that field in the structural part."""
    if not any(word in document for word in ("not", *JUNCTORS)):
        return
    yield from _values_completeness(document, document, path, path)


def _values_completeness(part: Json, document: Json, path: Any, part_path: Any) -> Iterator[Cause]:
    if part.get("not") is not None:
        yield from _part_completeness(part["not"], document, path, (part_path, ".not"))
    for word in ("allOf", "anyOf", "oneOf"):
        for position, below in enumerate(part.get(word) or ()):
            yield from _part_completeness(below, document, path, (part_path, f".{word}[{position}]"))


def _part_completeness(part: Json, document: Json | None, path: Any, part_path: Any) -> Iterator[Cause]:
    if document is None:
        yield required(spell(path), f"because it is defined in {spell(part_path)}")
        return
    yield from _values_completeness(part, document, path, part_path)
    if part.get("items") is not None:
        yield from _part_completeness(
            part["items"], document.get("items"), (path, ".items"), (part_path, ".items")
        )
    properties = document.get("properties") or {}
    for name, below in (part.get("properties") or {}).items():
        here = f".properties[{name}]"
        yield from _part_completeness(below, properties.get(name), (path, here), (part_path, here))
