"""Drop what a schema does not know, and tell of it.

A field that no schema describes goes, unless ``x-kubernetes-preserve-unknown-fields`` keeps it; below a kept
field nothing is dropped, below a described one its own schema decides again. The apiVersion, kind and
metadata of the object, and of resources within it, are not pruned by schemas: metadata are read as everywhere
else.

Source: ``apiextensions-apiserver/pkg/apiserver/schema/{pruning,objectmeta}``, and
``customresource_handler.go`` (unstructuredSchemaCoercer) for the order of things.
"""

from typing import Any

from kube_lite.api.errors import Cause
from kube_lite.api.fielderrors import invalid
from kube_lite.api.fieldpath import child, index, key
from kube_lite.api.identity import Json
from kube_lite.api.schema.load import Schema
from kube_lite.api.schema.prune import TypeMismatch

from .parts import read_metadata

META = frozenset({"apiVersion", "kind", "metadata"})
UNKNOWN = 'unknown field "'


def prune(obj: Json, schema: Schema) -> list[str]:
    """Drop in place what the schema of a root does not know.

    Returns:
        the paths of what went, such as ``spec.parts[0].x``: first those of schemas, then those in metadata of
        resources within the object, each sorted.

    Raises:
        TypeMismatch: a resource within the object has metadata that cannot be read, or a kind that is none.
    """
    gone: list[str] = []
    _prune_fields(obj, schema, "", gone, is_root=True)
    gone.sort()
    return gone + sorted(read_resources(obj, schema, ""))


def prune_value(value: Any, schema: Schema) -> None:
    """Drop what the schema of a value, such as a default, does not know."""
    _prune(value, schema, "", [])


def _prune(value: Any, schema: Schema | None, path: str, gone: list[str]) -> None:
    if type(value) is dict:
        if schema is None:
            gone += [child(path, name) for name in value]
            value.clear()
        else:
            _prune_fields(value, schema, path, gone)
    elif type(value) is list:
        items = None if schema is None else schema.items
        for position, item in enumerate(value):
            if type(item) is dict or type(item) is list:
                below = index(path, position)
                if schema is not None and schema.preserve_unknown:
                    _prune_kept(item, schema, below, gone)
                else:
                    _prune(item, items, below, gone)


def _prune_fields(value: Json, schema: Schema, path: str, gone: list[str], *, is_root: bool = False) -> None:
    properties = schema.properties
    is_resource = is_root or schema.embedded_resource
    unknown: list[str] = []
    for name, item in value.items():
        if is_resource and name in META:
            continue
        below = properties.get(name)
        if below is None and not _takes_others(schema):
            unknown.append(name)
        elif type(item) is dict or type(item) is list:
            _prune(item, below if below is not None else schema.additional, child(path, name), gone)
    if schema.preserve_unknown:
        return
    for name in unknown:
        del value[name]
        gone.append(child(path, name))


def _prune_kept(value: Any, schema: Schema, path: str, gone: list[str]) -> None:
    """An item of a list whose unknown fields are kept: its own schema does not count, those below do."""
    if schema.items is None:
        return
    if type(value) is dict:
        properties, is_resource = schema.items.properties, schema.items.embedded_resource
        for name, item in value.items():
            below = properties.get(name)
            if is_resource and name in META:
                continue
            if below is not None or _takes_others(schema.items):
                _prune(item, below if below is not None else schema.items.additional, child(path, name), gone)
    elif type(value) is list:
        for position, item in enumerate(value):
            _prune_kept(item, schema.items, index(path, position), gone)


def _takes_others(schema: Schema) -> bool:
    return schema.additional is not None or "additionalProperties" in schema.keywords


def read_resources(value: Any, schema: Schema, path: str) -> list[str]:
    """Read the metadata of resources within a value, in place; the paths of fields that they do not know."""
    unknown: list[str] = []
    if type(value) is dict:
        if schema.embedded_resource:
            unknown += _read_resource(value, schema, path)
        for name, item in value.items():
            if type(item) is dict or type(item) is list:
                below = schema.properties.get(name)
                if schema.embedded_resource and name == "metadata":
                    continue
                if below is not None:
                    unknown += read_resources(item, below, child(path, name))
                elif schema.additional is not None:
                    unknown += read_resources(item, schema.additional, key(path, name))
    elif type(value) is list and schema.items is not None:
        for position, item in enumerate(value):
            unknown += read_resources(item, schema.items, index(path, position))
    return unknown


def _read_resource(value: Json, schema: Schema, path: str) -> list[str]:
    for name in ("apiVersion", "kind"):
        if name in value and type(value[name]) is not str:
            raise _refused(invalid(child(path, name), value[name], "must be a string"))
    if "metadata" not in value:
        return []
    here = child(path, "metadata")
    try:
        metadata, unknown = read_metadata(value["metadata"], schema)
    except TypeMismatch as error:
        raise _refused(invalid(here, value["metadata"], str(error))) from error
    if metadata.get("creationTimestamp") is None:
        metadata.pop("creationTimestamp", None)
    value["metadata"] = metadata
    return [f"{here}.{text.removeprefix(UNKNOWN).removesuffix(chr(34))}" for text in unknown]


def _refused(cause: Cause) -> TypeMismatch:
    return TypeMismatch(f"{cause.field}: {cause.message}")
