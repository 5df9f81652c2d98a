"""Schemas of custom resources as OpenAPI documents have them.

Their author's ``openAPIV3Schema`` goes in with its descriptions; what every object has is added. Version 2
of OpenAPI knows less: alternatives, nulls and unknown fields are taken out, as kubectl would refuse what
it finds there. References are bare names, as in every definition.
Source: ``apiextensions-apiserver/pkg/controller/openapi`` (``builder``, ``v2``).
"""

from collections.abc import Iterator
from typing import Any

from .identity import Json
from .openapi_paths import list_of
from .resource import Resource
from .schema.load import LIST_META, OBJECT_META, Definitions

CONVENTIONS = "https://git.k8s.io/community/contributors/devel/sig-architecture/api-conventions.md"
MODEL = "io.k8s.api.core.v1.ConfigMap"
"""The definition from which the descriptions of what every object has are taken."""
EMBEDDED = {
    "apiVersion": "apiVersion defines the versioned schema of this representation of an object. More info: "
    f"{CONVENTIONS}#resources",
    "kind": "kind is a string value representing the type of this object. In CamelCase. More info: "
    f"{CONVENTIONS}#types-kinds",
}
LIST_METADATA = f"Standard list metadata. More info: {CONVENTIONS}#types-kinds"
PRESERVE = "x-kubernetes-preserve-unknown-fields"
JUNCTORS = ("allOf", "anyOf", "oneOf", "not")


def custom_schemas(row: Resource, definitions: Definitions, *, is_v2: bool = False) -> dict[str, Json]:
    """The schemas of objects and lists of a row that comes from a definition, by name."""
    told = definitions.descriptions(MODEL)
    own = {name: {"type": "string", "description": told.get(name, "")} for name in ("apiVersion", "kind")}
    metadata = {"$ref": OBJECT_META, "description": told.get("metadata", "")}
    document = definitions.document(row.schema)
    if is_v2 and document.get(PRESERVE):
        document = {"type": "object"}  # kubectl takes what it sees for all there may be
    else:
        if is_v2:
            document = _version_2(document)
        document["properties"] = {**document.get("properties", {}), **own, "metadata": metadata}
        _add_embedded(document, metadata, is_v2=is_v2, is_root=True)
    document["x-kubernetes-group-version-kind"] = [row.gvk._asdict()]
    extension = _selectable(row)
    listing: Json = {
        "type": "object",
        "description": f"{row.kind_of_list} is a list of {row.kind}",
        "required": ["items"],
        "properties": {
            **own,
            "items": {
                "type": "array",
                "description": f"List of {row.plural}. More info: {CONVENTIONS}",
                "items": {"$ref": row.schema},
            },
            "metadata": {"$ref": LIST_META, "description": LIST_METADATA},
        },
        "x-kubernetes-group-version-kind": [{**row.gvk._asdict(), "kind": row.kind_of_list}],
    }
    return {row.schema: {**document, **extension}, list_of(row): {**listing, **extension}}


def _selectable(row: Resource) -> Json:
    labels = row.strategy.field_labels()
    if not labels:
        return {}
    return {"x-kubernetes-selectable-fields": [{"fieldPath": label} for label in labels]}


def _add_embedded(document: Json, metadata: Json, *, is_v2: bool, is_root: bool = False) -> None:
    """Say of resources within the resource what every resource has. Changes ``document``."""
    for below in _schemas_below(document):
        _add_embedded(below, metadata, is_v2=is_v2)
    if is_root or not document.get("x-kubernetes-embedded-resource") or (is_v2 and document.get(PRESERVE)):
        return
    own = {name: {"type": "string", "description": text} for name, text in EMBEDDED.items()}
    document["properties"] = {**document.get("properties", {}), **own, "metadata": dict(metadata)}
    required = list(document.get("required", ()))
    document["required"] = required + [name for name in ("kind", "apiVersion") if name not in required]


def _schemas_below(document: Json) -> Iterator[Json]:
    for below in document.get("properties", {}).values():
        if isinstance(below, dict) and "$ref" not in below:
            yield below
    for word in ("items", "additionalProperties"):
        if isinstance(document.get(word), dict):
            yield document[word]


def _version_2(document: Json) -> Json:
    """The schema in the words that version 2 has."""
    plain: dict[str, Any] = {word: value for word, value in document.items() if word not in JUNCTORS}
    is_open = plain.get(PRESERVE, False)
    is_nullable = plain.pop("nullable", False)
    if is_open or is_nullable:
        plain.pop("items", None)
        plain.pop("properties", None)
    is_loose_list = plain.get("type") == "array" and "items" not in plain
    if is_nullable or is_loose_list or (is_open and plain.get("type") == "object"):
        plain.pop("type", None)
    if "properties" in plain:
        properties = plain["properties"]
        if "required" in plain:
            required = [name for name in plain["required"] if not properties.get(name, {}).get("nullable")]
            plain["required"] = required
            if not required:
                del plain["required"]
        plain["properties"] = {name: _version_2(below) for name, below in properties.items()}
    for word in ("items", "additionalProperties"):
        if isinstance(plain.get(word), dict):
            plain[word] = _version_2(plain[word])
    return plain
