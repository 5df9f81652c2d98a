"""Drop what a schema does not know, and tell of it.

A field that no schema describes goes, unless ``x-kubernetes-preserve-unknown-fields`` keeps it; below a kept
field nothing is dropped, below a described one its own schema decides again. The apiVersion, kind and
metadata of the object, and of resources within it, are not pruned by schemas: metadata are read as everywhere
else.

Source: ``apiextensions-apiserver/pkg/apiserver/schema/{pruning,objectmeta}``, and
``customresource_handler.go`` (unstructuredSchemaCoercer) for the order of things.
"""

from typing import Any, NamedTuple

from kube_lite.api.errors import Cause
from kube_lite.api.fielderrors import invalid
from kube_lite.api.fieldpath import child
from kube_lite.api.identity import Json
from kube_lite.api.schema.load import Schema
from kube_lite.api.schema.mismatch import Path, TypeMismatch, spell_path

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
    walk = _Walk([], [])
    _prune_fields(obj, schema, None, walk, is_root=True)
    if not walk.gone and not walk.resources:
        return []
    unknown = (path for found in walk.resources for path in _read_resource(*found))
    return [*sorted(map(spell_path, walk.gone)), *sorted(unknown)]


def prune_value(value: Any, schema: Schema) -> None:
    """Drop what the schema of a value, such as a default, does not know."""
    if type(value) is dict or type(value) is list:
        _prune(value, schema, None, _Walk([], []))


def read_resources(value: Any, schema: Schema, path: str) -> None:
    """Read the metadata of resources within a value, which stands at a path, in place; prune it, too.

    Raises:
        TypeMismatch: as of ``prune``.
    """
    walk = _Walk([], [])
    if type(value) is dict or type(value) is list:
        _prune(value, schema, None, walk)
    for resource, its_schema, place in walk.resources:
        _read_resource(resource, its_schema, place, path)


class _Walk(NamedTuple):
    """What one walk through an object has found."""

    gone: list[Path]
    resources: list[tuple[Json, Schema, Path]]


def _prune(value: Any, schema: Schema | None, path: Path, walk: _Walk) -> None:
    if type(value) is list:
        _prune_items(value, schema, path, walk)
    elif schema is not None:
        _prune_fields(value, schema, path, walk)
    else:
        walk.gone.extend((path, name) for name in value)
        value.clear()


def _prune_items(value: list[Any], schema: Schema | None, path: Path, walk: _Walk) -> None:
    items = None if schema is None else schema.items
    keep = schema is not None and schema.preserve_unknown
    for position, item in enumerate(value):
        if type(item) is dict or type(item) is list:
            if keep:
                _prune_kept(item, items, (path, position), walk)
            else:
                _prune(item, items, (path, position), walk)


def _prune_fields(
    value: Json, schema: Schema, path: Path, walk: _Walk, *, is_root: bool = False, keep: bool = False
) -> None:
    """Prune an object, whose own unknown fields may be kept all the same."""
    properties, is_resource = schema.properties, is_root or schema.embedded_resource
    if schema.embedded_resource:
        walk.resources.append((value, schema, path))
    unknown: list[str] = []
    for name, item in value.items():
        below = properties.get(name)
        if is_resource and name in META:
            continue
        if below is None:
            if not _takes_others(schema):
                unknown.append(name)
                continue
            below = schema.additional
        if type(item) is dict or type(item) is list:
            _prune(item, below, (path, name), walk)
    if unknown and not (keep or schema.preserve_unknown):
        for name in unknown:
            del value[name]
        walk.gone.extend((path, name) for name in unknown)


def _prune_kept(value: Any, schema: Schema | None, path: Path, walk: _Walk) -> None:
    """An item of a list whose unknown fields are kept: its own are kept too, those of its fields are not."""
    if schema is None:
        return
    if type(value) is dict:
        _prune_fields(value, schema, path, walk, keep=True)
        return
    for position, item in enumerate(value):
        if type(item) is dict or type(item) is list:
            _prune_kept(item, schema.items, (path, position), walk)


def _takes_others(schema: Schema) -> bool:
    return schema.additional is not None or "additionalProperties" in schema.keywords


def _read_resource(value: Json, schema: Schema, place: Path, prefix: str = "") -> list[str]:
    """Read the metadata of a resource in place; the paths of fields that they do not know."""
    path = f"{prefix}.{spell_path(place)}".strip(".")
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
