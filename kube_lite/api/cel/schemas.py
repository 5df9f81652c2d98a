"""A schema → what it is in expressions.

Parts without a type are left out (unknown fields, lists of anything); ``x-kubernetes-int-or-string`` is
``dyn``. Of the root of a resource, and of an embedded one, ``apiVersion``, ``kind``, ``metadata.name`` and
``metadata.generateName`` are always there, and no other metadata unless the schema describes it. Fields whose
names cannot be spelled cannot be reached.

Beside its type a part has bounds, from which the cost of rules is estimated: how many items or characters it
can have, and how few bytes it takes in a request, which bounds the lists it is in.

Source: ``k8s.io/apiserver/pkg/cel/common/schemas.go``.
"""

from collections.abc import Callable, Mapping
from typing import Any

from kube_lite.api.schema.load import OBJECT_META, Schema, fill, in_place

from . import scalars, types, views
from .declared import MAX_REQUEST_BYTES, Declared, DeclaredItems, DeclaredObject
from .escaping import escape
from .scalars import as_object
from .views import Convert

MAX_DURATION = MAX_MOMENT = 32  # bytes of the longest texts
MIN_DURATION, MIN_DATE, MIN_MOMENT = 3, 12, 21
MAX_NAME = 253

Fields = dict[str, tuple[str, Declared]]


def declare(schema: Schema, name: str = "selfType", *, is_root: bool = False) -> Declared | None:
    """The type of a schema, or None where expressions cannot look into it.

    Args:
        name: what an object is called; its parts are called after it.
        is_root: it is a resource, which has a kind, an API version and metadata.
    """
    if schema.int_or_string:
        length = schema.keywords.get("maxLength")
        size = MAX_REQUEST_BYTES - 2 if length is None else max(length, 0) * 4
        return Declared(types.DYN, scalars.as_int_or_string, size, 1)
    if schema.type == "object" or is_root:
        return _object_or_map(schema, name, is_root=is_root)
    if schema.type == "array":
        return _list(schema, name)
    if schema.type == "string":
        return _string(schema)
    return _SCALARS.get(schema.type)


def declare_whole(schema: Schema, name: str) -> Declared:
    """The type of a resource with all of its metadata, as policies see it."""
    metadata = schema.properties.get("metadata")
    described = None if metadata is None else _object(metadata, f"{name}.metadata", is_root=False)
    return _object(schema, name, is_root=True, metadata=described)


def _list(schema: Schema, name: str) -> Declared | None:
    if schema.items is None:
        return None
    element = declare(schema.items, f"{name}.@idx", is_root=schema.items.embedded_resource)
    if element is None:
        return None
    make = _list_maker(schema, _nullable(element.convert, schema.items))
    return DeclaredItems(types.list_of(element.type), make, element, schema.keywords.get("maxItems"), 1)


def _list_maker(schema: Schema, convert: Convert) -> Convert:
    keys = schema.list_map_keys

    def make(value: Any) -> Any:
        if not isinstance(value, list):
            raise scalars.wrong(value, "expected an array for the provided schema with type=array")
        if schema.list_type == "map":
            return views.MapItems(value, convert, keys)
        return (views.SetItems if schema.list_type == "set" else views.Items)(value, convert)

    return make


def _object_or_map(schema: Schema, name: str, *, is_root: bool) -> Declared | None:
    additional = schema.additional
    if additional is not None and not is_root and _says_something(schema):
        element = declare(additional, f"{name}.@elem", is_root=additional.embedded_resource)
        return None if element is None else _map(schema, element, _nullable(element.convert, additional))
    return _object(schema, name, is_root=is_root)


def _says_something(schema: Schema) -> bool:
    """Whether the values of a map have a schema, not just ``true``."""
    return schema.keywords.get("additionalProperties") is not True


def _map(schema: Schema, element: Declared, convert: Convert) -> Declared:
    limit = schema.keywords.get("maxProperties")
    type = types.map_of(types.STRING, element.type)
    return DeclaredItems(type, lambda value: views.MapOfView(as_object(value), convert), element, limit, 6)


def _object(
    schema: Schema,
    name: str,
    *,
    is_root: bool,
    properties: Mapping[str, Schema] | None = None,
    metadata: Declared | None = None,
) -> DeclaredObject:
    def make() -> tuple[Fields, Callable[[], int]]:
        fields, required = _fields(schema, name, properties or schema.properties, is_root=is_root)
        if metadata is not None:
            fields["metadata"] = ("metadata", metadata)
        return fields, lambda: sum(len(key.encode()) + field.min_bytes + 4 for key, field in required)

    def convert(value: Any) -> Any:
        return views.ObjectView(as_object(value), declared.converts)

    declared = DeclaredObject(types.struct(name), convert, make)
    return declared


def _fields(
    schema: Schema, name: str, properties: Mapping[str, Schema], *, is_root: bool
) -> tuple[Fields, list[tuple[str, Declared]]]:
    """The fields of an object, and those that every request has to contain."""
    fields: Fields = {}
    required: list[tuple[str, Declared]] = []
    for key, property in properties.items():
        if is_root and key in _META_FIELDS:
            continue
        escaped = escape(key)
        declared = declare(property, f"{name}.{escaped or key}", is_root=property.embedded_resource)
        if declared is None:
            continue
        if escaped is not None:
            fields[escaped] = (key, declared)
        if key in schema.required and property.default is None:
            required.append((key, declared))
    for key, declared in _meta_fields(schema, name).items() if is_root else ():
        fields[key] = (key, declared)
        if key in schema.required:
            required.append((key, declared))
    return fields, required


_META_FIELDS = frozenset({"apiVersion", "kind", "metadata"})


def _meta_fields(schema: Schema, name: str) -> dict[str, Declared]:
    """What every resource has; metadata that the schema describes in full is taken as it is."""
    metadata = schema.properties.get("metadata")
    described = _described(metadata)
    path = f"{name}.metadata"
    if metadata is not None and described.keys() >= {"name", "generateName"}:
        declared = _object(metadata, path, is_root=False, properties=described)
    else:
        declared = _metadata(described, path)
    return {"apiVersion": _TEXT, "kind": _TEXT, "metadata": declared}


def _metadata(described: Mapping[str, Schema], path: str) -> DeclaredObject:
    fields: Fields = {
        key: (key, _name(described.get(key), most))
        for key, most in (("name", MAX_NAME), ("generateName", MAX_NAME - 1))
    }

    def convert(value: Any) -> Any:
        return views.ObjectView(as_object(value), declared.converts)

    declared = DeclaredObject(types.struct(path), convert, lambda: (fields, lambda: 0))
    return declared


def _described(metadata: Schema | None) -> Mapping[str, Schema]:
    """The fields of metadata that the schema's author speaks of."""
    if metadata is None:
        return {}
    if metadata.name != OBJECT_META:
        return metadata.properties
    own = (metadata.keywords.get("allOf") or [{}])[0].get("properties") or {}
    return {name: in_place(document, unresolved) for name, document in own.items()}


def unresolved(name: str) -> Schema:
    """A schema that is referred to by name, of which only the name counts here."""
    return Schema(name, lambda schema: fill(schema, {}, unresolved))


def _name(schema: Schema | None, most: int) -> Declared:
    length = None if schema is None else schema.keywords.get("maxLength")
    size = most if length is None else min(length, most)
    return Declared(types.STRING, scalars.as_text, size * 4, 2)


def _string(schema: Schema) -> Declared:
    length = schema.keywords.get("maxLength")
    known = _FORMATS.get(schema.format)
    if known is not None:
        return known
    if schema.format == "byte":
        most = MAX_REQUEST_BYTES - 2 if length is None else max(length, 0)
        return Declared(types.BYTES, scalars.as_bytes, most, 2)
    if length is not None:
        most = max(length, 0) * 4
    elif schema.enum:
        most = max((len(value.encode()) for value in schema.enum if isinstance(value, str)), default=0)
    else:
        return _TEXT
    return Declared(types.STRING, scalars.as_text, most, 2)


def _nullable(convert: Convert, schema: Schema) -> Convert:
    """For items and values of maps, which may be null; fields that are null are not there."""
    if not schema.nullable:
        return convert
    return lambda value: None if value is None else convert(value)


_TEXT = Declared(types.STRING, scalars.as_text, MAX_REQUEST_BYTES - 2, 2)
_SCALARS = {
    "boolean": Declared(types.BOOL, scalars.as_boolean, 0, 4),
    "number": Declared(types.DOUBLE, scalars.as_number, 0, 1),
    "integer": Declared(types.INT, scalars.as_integer, 0, 1),
}
_FORMATS = {
    "duration": Declared(types.DURATION, scalars.as_duration, MAX_DURATION, MIN_DURATION),
    "date": Declared(types.TIMESTAMP, scalars.as_date, MIN_DATE, MIN_DATE),
    "date-time": Declared(types.TIMESTAMP, scalars.as_moment, MAX_MOMENT, MIN_MOMENT),
}
