"""Registry → OpenAPI v2 and v3 documents, good for ``kubectl explain``, its validation and its patches.

Version 3 has one document per group and version with just the definitions it needs; version 2 is a single
document of everything, as JSON or, for older kubectls, as protobuf. A definition keeps its names in both;
only references and the two scalar types with more than one form are written differently.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from hashlib import sha256

from .identity import GroupVersion, Json
from .openapi_paths import (
    BOOLEANS,
    DELETE_OPTIONS,
    INTEGERS,
    TEXT,
    Operation,
    Path,
    definition_of,
    paths,
    prefix_of,
)
from .resource import Registry, Resource
from .schema.load import INT_OR_STRING, QUANTITY, Definitions

TITLE = "Kubernetes"
JSON_TYPES = ("application/json", "application/yaml", "application/vnd.kubernetes.protobuf")
PATCH_TYPES = (
    "application/json-patch+json",
    "application/merge-patch+json",
    "application/strategic-merge-patch+json",
    "application/apply-patch+yaml",
)
BEARER = {
    "type": "apiKey",
    "description": "Bearer Token authentication",
    "name": "authorization",
    "in": "header",
}

_V3_SCALARS: dict[str, Json] = {
    QUANTITY: {"oneOf": [{"type": "string"}, {"type": "number"}]},
    INT_OR_STRING: {"format": "int-or-string", "oneOf": [{"type": "integer"}, {"type": "string"}]},
}


def v3_index(registry: Registry, definitions: Definitions, version: str = "") -> Json:
    """The document at ``/openapi/v3``: where those of the groups and versions are, and the hash of each."""
    found = {}
    for group_version in registry.group_versions():
        path = prefix_of(group_version).lstrip("/")
        tag = fingerprint(registry, definitions, group_version, version)
        found[path] = {"serverRelativeURL": f"/openapi/v3/{path}?hash={tag}"}
    return {"paths": found}


def fingerprint(
    registry: Registry, definitions: Definitions, group_version: GroupVersion, version: str = ""
) -> str:
    """A hash of all that a group's document is made from, which is much less than the document."""
    rows = [
        repr((row.plural, row.kind, row.verbs, row.subresources)) for row in _rows(registry, group_version)
    ]
    own = [row.schema_tag or _text_of(definitions, row.schema) for row in _rows(registry, group_version)]
    return sha256("\n".join((version, str(group_version), *rows, *own)).encode()).hexdigest().upper()


def _text_of(definitions: Definitions, name: str) -> str:
    """The definition as text, empty for one that is not there."""
    return repr(definitions.document(name)) if name in definitions else ""


def v3(
    registry: Registry, definitions: Definitions, group_version: GroupVersion, version: str = "v1.36.0"
) -> Json:
    """The document at ``/openapi/v3/apis/<group>/<version>``."""
    rows = _rows(registry, group_version)
    found = list(paths(group_version, rows))
    custom = _custom_schemas(rows, definitions)
    schemas = {name: _v3_schema(definitions, name) for name in _needed(definitions, found, custom)}
    schemas |= {name: _rewrite(document, _v3_reference) for name, document in custom.items()}
    for row in rows:
        if row.schema not in definitions:
            schemas |= _unknown_kind(row)
    return {
        "openapi": "3.0.0",
        "info": {"title": TITLE, "version": version},
        "paths": {entry.path: _v3_path(entry) for entry in sorted(found) if entry.operations},
        "components": {
            "schemas": dict(sorted(schemas.items())),
            "securitySchemes": {"BearerToken": BEARER},
        },
    }


def v2(registry: Registry, definitions: Definitions, version: str = "v1.36.0") -> Json:
    """The document at ``/openapi/v2``."""
    found = [
        path
        for group_version in registry.group_versions()
        for path in paths(group_version, _rows(registry, group_version))
    ]
    custom = _custom_schemas(registry, definitions, is_v2=True)
    schemas = {name: _v2_schema(definitions, name) for name in _needed(definitions, found, custom)}
    schemas |= {name: _rewrite(document, _v2_reference) for name, document in custom.items()}
    for row in registry:
        if row.schema not in definitions:
            schemas |= _unknown_kind(row)
    return {
        "swagger": "2.0",
        "info": {"title": TITLE, "version": version},
        "paths": {entry.path: _v2_path(entry) for entry in sorted(found) if entry.operations},
        "definitions": dict(sorted(schemas.items())),
        "securityDefinitions": {"BearerToken": BEARER},
        "security": [{"BearerToken": []}],
    }


def v2_protobuf(registry: Registry, definitions: Definitions, version: str = "v1.36.0") -> bytes:
    """The same as ``application/com.github.proto-openapi.spec.v2@v1.0+protobuf``."""
    from .openapi_protobuf import encode_document  # only older kubectls ask for it

    return encode_document(v2(registry, definitions, version))


def _rows(registry: Registry, group_version: GroupVersion) -> list[Resource]:
    return [row for row in registry if (row.group, row.version) == group_version]


def _custom_schemas(
    rows: Iterable[Resource], definitions: Definitions, *, is_v2: bool = False
) -> dict[str, Json]:
    """The schemas of the rows that come from CustomResourceDefinitions."""
    schemas: dict[str, Json] = {}
    for row in rows:
        if row.definition:
            from .openapi_custom import custom_schemas  # documents do without while there are none

            schemas |= custom_schemas(row, definitions, is_v2=is_v2)
    return schemas


def _needed(definitions: Definitions, found: Iterable[Path], custom: Mapping[str, Json]) -> list[str]:
    """The definitions that operations name, and all that those refer to; but those that are there already."""
    waiting = {
        name
        for path in found
        for operation in path.operations
        for name in (operation.response, operation.body)
        if name
    }
    for document in custom.values():
        waiting.update(_references(document))
    waiting -= custom.keys()
    needed: set[str] = set()
    while waiting:
        name = waiting.pop()
        if name not in needed and name in definitions:
            needed.add(name)
            waiting |= set(_references(definitions.document(name)))
    return sorted(needed)


def _references(document: Json) -> Iterator[str]:
    if "$ref" in document:
        yield document["$ref"]
    for below in document.get("properties", {}).values():
        yield from _references(below)
    for word in ("items", "additionalProperties"):
        if isinstance(document.get(word), dict):
            yield from _references(document[word])


def _unknown_kind(row: Resource) -> Json:
    """A kind without a definition: any object, known by its kind."""
    name = definition_of(row)
    gvk = row.gvk._asdict()
    return {
        name: {"type": "object", "x-kubernetes-group-version-kind": [gvk]},
        f"{name}List": {
            "type": "object",
            "x-kubernetes-group-version-kind": [{**gvk, "kind": f"{row.kind}List"}],
        },
    }


def _described(definitions: Definitions, name: str) -> Json:
    """A definition with its descriptions put back."""
    document, told = definitions.document(name), definitions.descriptions(name)
    if "" in told:
        document["description"] = told[""]
    for field, below in document.get("properties", {}).items():
        if field in told:
            below["description"] = told[field]
    for field, values in definitions.enums(name).items():
        if field in document.get("properties", {}):
            _enumerate(document["properties"][field], values)
    return document


def _enumerate(field: Json, values: Mapping[str, str]) -> None:
    """Name the values of a field, in its description too, where ``kubectl explain`` shows what they mean."""
    field["enum"] = sorted(values)
    lines = [f' - `"{value}"` {values[value]}'.rstrip() for value in sorted(values)]
    told = field.get("description", "")
    field["description"] = "\n".join((f"{told}\n\nPossible enum values:", *lines))


def _rewrite(document: Json, reference: Callable[[Json], Json]) -> Json:
    """The same document with every reference as ``reference`` writes it."""
    if "$ref" in document:
        return reference(document)
    if "properties" in document:
        document["properties"] = {
            field: _rewrite(below, reference) for field, below in document["properties"].items()
        }
    for word in ("items", "additionalProperties"):
        if isinstance(document.get(word), dict):
            document[word] = _rewrite(document[word], reference)
    return document


def _v3_schema(definitions: Definitions, name: str) -> Json:
    document = _described(definitions, name)
    if name in _V3_SCALARS:
        return {
            **{word: text for word, text in document.items() if word == "description"},
            **_V3_SCALARS[name],
        }
    return _rewrite(document, _v3_reference)


def _v3_reference(document: Json) -> Json:
    """In version 3 nothing may stand beside a reference, so one with company is wrapped."""
    target = {"$ref": f"#/components/schemas/{document.pop('$ref')}"}
    return {**document, "allOf": [target]} if document else target


def _v2_schema(definitions: Definitions, name: str) -> Json:
    return _rewrite(_described(definitions, name), _v2_reference)


def _v2_reference(document: Json) -> Json:
    return {**document, "$ref": f"#/definitions/{document['$ref']}"}


def _extensions(operation: Operation) -> Json:
    extensions: Json = {"operationId": operation.identity}
    if operation.action:
        extensions["x-kubernetes-action"] = operation.action
    if operation.gvk is not None:
        extensions["x-kubernetes-group-version-kind"] = operation.gvk._asdict()
    return extensions


def _scalar(parameter: str) -> str:
    return "integer" if parameter in INTEGERS else "boolean" if parameter in BOOLEANS else "string"


def _v3_path(path: Path) -> Json:
    item: Json = {operation.method: _v3_operation(operation) for operation in path.operations}
    if path.parameters:
        item["parameters"] = [
            {"name": name, "in": "path", "required": True, "schema": {"type": "string", "uniqueItems": True}}
            for name in path.parameters
        ]
    return item


def _forms(operation: Operation) -> tuple[Sequence[str], Sequence[str]]:
    """The media types of answers and of patches; custom resources have no protobuf and no strategic merge."""
    if operation.is_custom:
        return JSON_TYPES[:2], (*PATCH_TYPES[:2], PATCH_TYPES[3])
    return JSON_TYPES, PATCH_TYPES


def _v3_operation(operation: Operation) -> Json:
    entry = _extensions(operation)
    forms, patches = _forms(operation)
    if operation.query:
        entry["parameters"] = [
            {"name": name, "in": "query", "schema": {"type": _scalar(name), "uniqueItems": True}}
            for name in operation.query
        ]
    if operation.body:
        schema = {"$ref": f"#/components/schemas/{operation.body}"}
        types = patches if operation.method == "patch" else ("*/*",)
        entry["requestBody"] = {"content": {type_: {"schema": schema} for type_ in types}}
        if operation.body != DELETE_OPTIONS:
            entry["requestBody"]["required"] = True
    if operation.response == TEXT:
        content: Json = {"*/*": {"schema": {"type": "string"}}}
    else:
        schema = {"$ref": f"#/components/schemas/{operation.response}"}
        content = {type_: {"schema": schema} for type_ in forms}
    answers: Json = {"200": {"description": "OK", "content": content}}
    if operation.method == "post" and operation.response != TEXT:
        answers |= {"201": {"description": "Created", "content": content}}
    entry["responses"] = {**answers, "401": {"description": "Unauthorized"}}
    return entry


def _v2_path(path: Path) -> Json:
    item: Json = {operation.method: _v2_operation(operation) for operation in path.operations}
    if path.parameters:
        item["parameters"] = [
            {"name": name, "in": "path", "required": True, "type": "string", "uniqueItems": True}
            for name in path.parameters
        ]
    return item


def _v2_operation(operation: Operation) -> Json:
    entry = _extensions(operation)
    forms, patches = _forms(operation)
    entry["consumes"] = list(patches if operation.method == "patch" else ("*/*",))
    entry["produces"] = ["*/*"] if operation.response == TEXT else list(forms)
    entry["schemes"] = ["https"]
    parameters: list[Json] = []
    if operation.body:
        schema = {"$ref": f"#/definitions/{operation.body}"}
        required = {"required": True} if operation.body != DELETE_OPTIONS else {}
        parameters.append({"name": "body", "in": "body", **required, "schema": schema})
    parameters += [
        {"name": name, "in": "query", "type": _scalar(name), "uniqueItems": True} for name in operation.query
    ]
    if parameters:
        entry["parameters"] = parameters
    text = operation.response == TEXT
    schema = {"type": "string"} if text else {"$ref": f"#/definitions/{operation.response}"}
    answers: Json = {"200": {"description": "OK", "schema": schema}}
    if operation.method == "post" and not text:
        answers |= {"201": {"description": "Created", "schema": schema}}
    entry["responses"] = {**answers, "401": {"description": "Unauthorized"}}
    return entry
