"""What a schema is in expressions: types, sizes, and how JSON becomes values.

A ``Declared`` type stands for each part of a schema that expressions may look into. Parts without a type are
left out (unknown fields, lists of anything); ``x-kubernetes-int-or-string`` is ``dyn``. Of the root of a
resource, and of an embedded one, ``apiVersion``, ``kind``, ``metadata.name`` and ``metadata.generateName`` are
always there, and no other metadata. Fields whose names are no identifiers are escaped (``a-b`` is
``a__dash__b``); where that is not possible they cannot be reached.

Beside its type a part has bounds, from which the cost of rules is estimated: how many items or characters it
can have, and how few bytes it takes in a request, which bounds the lists it is in.

Source: ``k8s.io/apiserver/pkg/cel/common/schemas.go``, ``types.go``, ``escaping.go``.
"""

import re
from collections.abc import Iterator, Mapping
from datetime import date
from functools import lru_cache
from typing import Any

from kube_lite.api.identity import Json
from kube_lite.api.schema.load import OBJECT_META, Schema, in_place

from . import types, views
from .checker import RESERVED, Fields
from .errors import EvaluationError
from .estimates import Path, Range
from .types import Type
from .values import Duration, Timestamp
from .views import Convert

MAX_REQUEST_BYTES = 3 * 1024 * 1024
MAX_DURATION = MAX_MOMENT = 32
MIN_DURATION, MIN_DATE, MIN_MOMENT = 3, 12, 21
MAX_NAME = 253

_ESCAPED = {"__": "__underscores__", ".": "__dot__", "-": "__dash__", "/": "__slash__"}
_TO_ESCAPE = re.compile(r"__|[-./]")
_ESCAPABLE = re.compile(r"[A-Za-z_.\-/][A-Za-z0-9_.\-/]*", re.ASCII)


@lru_cache(maxsize=4096)
def escape(name: str) -> str | None:
    """The name of a field in expressions; None where it has none."""
    if name in RESERVED:
        return f"__{name}__"
    if not _ESCAPABLE.fullmatch(name):
        return None
    return _TO_ESCAPE.sub(lambda found: _ESCAPED[found[0]], name)


class Declared:
    """A part of a schema, as expressions see it.

    Attributes:
        type: its type; for objects a struct with a name made up from its place.
        convert: makes a value of JSON.
        fields: of an object, by their names in expressions, each with its name in JSON.
        element: of a list or map.
        max_elements: items, entries or characters it can have.
        min_bytes: the least it takes in a request.
    """

    __slots__ = ("convert", "element", "fields", "max_elements", "min_bytes", "type")

    def __init__(
        self, type: Type, convert: Convert, *, max_elements: int = 0, min_bytes: int = 0,
        element: "Declared | None" = None, fields: "Mapping[str, tuple[str, Declared]] | None" = None,
    ) -> None:  # fmt: skip
        self.type = type
        self.convert = convert
        self.max_elements = max_elements
        self.min_bytes = min_bytes
        self.element = element
        self.fields = fields

    def size_of(self, path: Path) -> Range | None:
        """The size of what a path leads to, which begins with a variable of this type."""
        found: Declared | None = self
        for step in path[1:]:
            assert found is not None  # the loop ends where it is
            if step == "@keys":
                if found.type.kind != "map" or found.element is None:
                    return None
                found = _KEY
            elif step in ("@items", "@values"):
                found = found.element
            else:
                found = found.fields[step][1] if found.fields and step in found.fields else None
            if found is None:
                return None
        return Range(0, found.max_elements)

    def objects(self) -> "Objects":
        """The fields of this type and of all types below."""
        return Objects(self)


class Objects(Mapping[str, Fields]):
    """Name of a struct → its fields; filled as far as an expression looks."""

    def __init__(self, root: Declared) -> None:
        self._known: dict[str, Declared] = {}
        self._fields: dict[str, Fields] = {}
        self._add(root)

    def _add(self, declared: Declared) -> None:
        while declared.element is not None:
            declared = declared.element
        if declared.fields is not None:
            self._known[declared.type.name] = declared

    def __getitem__(self, name: str) -> Fields:
        if name not in self._fields:
            fields = self._known[name].fields or {}
            for _, field in fields.values():
                self._add(field)
            self._fields[name] = {field: declared.type for field, (_, declared) in fields.items()}
        return self._fields[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._known)

    def __len__(self) -> int:
        """How many are known so far."""
        return len(self._known)


def declare(schema: Schema, name: str = "selfType", *, is_root: bool = False) -> Declared | None:
    """The type of a schema, or None where expressions cannot look into it.

    Args:
        name: what an object is called; its parts are called after it.
        is_root: it is a resource, which has a kind, an API version and metadata.
    """
    if schema.int_or_string:
        length = schema.keywords.get("maxLength")
        size = MAX_REQUEST_BYTES - 2 if length is None else max(length, 0) * 4
        return Declared(types.DYN, _int_or_string, max_elements=size, min_bytes=1)
    if schema.type == "object" or is_root:
        return _object_or_map(schema, name, is_root=is_root)
    if schema.type == "array":
        return _list(schema, name)
    if schema.type == "string":
        return _string(schema)
    return _SCALARS.get(schema.type)


def _list(schema: Schema, name: str) -> Declared | None:
    if schema.items is None:
        return None
    element = declare(schema.items, f"{name}.@idx", is_root=schema.items.embedded_resource)
    if element is None:
        return None
    limit = schema.keywords.get("maxItems")
    most = (MAX_REQUEST_BYTES - 2) // (element.min_bytes + 1) if limit is None else max(limit, 0)
    convert = _nullable(element.convert, schema.items)
    make = _list_maker(schema, convert)
    return Declared(types.list_of(element.type), make, max_elements=most, min_bytes=2, element=element)


def _list_maker(schema: Schema, convert: Convert) -> Convert:
    keys = tuple(escape(key) or key for key in schema.list_map_keys)

    def make(value: Any) -> Any:
        if not isinstance(value, list):
            raise EvaluationError("invalid data, expected an array for the provided schema with type=array")
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
    most = (MAX_REQUEST_BYTES - 2) // (element.min_bytes + 6) if limit is None else max(limit, 0)

    def make(value: Any) -> Any:
        return views.MapOfView(_as_object(value), convert)

    return Declared(
        types.map_of(types.STRING, element.type), make, max_elements=most, min_bytes=2, element=element
    )


def _object(schema: Schema, name: str, *, is_root: bool) -> Declared:
    fields: dict[str, tuple[str, Declared]] = {}
    converts: dict[str, tuple[str, Convert]] = {}
    least = 2
    for key, property in schema.properties.items():
        if is_root and key in _META_FIELDS:
            continue
        escaped = escape(key)
        declared = declare(property, f"{name}.{escaped or key}", is_root=property.embedded_resource)
        if declared is None:
            continue
        if escaped is not None:
            fields[escaped] = (key, declared)
            converts[escaped] = (key, declared.convert)
        if key in schema.required and property.default is None:
            least += len(key.encode(errors="surrogatepass")) + declared.min_bytes + 4
    if is_root:
        for key, declared in _meta_fields(schema, name).items():
            fields[key] = (key, declared)
            converts[key] = (key, declared.convert)
            if key in schema.required:
                least += len(key) + declared.min_bytes + 4

    def make(value: Any) -> Any:
        return views.ObjectView(_as_object(value), converts)

    return Declared(types.struct(name), make, min_bytes=least, fields=fields)


_META_FIELDS = frozenset({"apiVersion", "kind", "metadata"})


def _meta_fields(schema: Schema, name: str) -> dict[str, Declared]:
    """What every resource has; metadata that the schema describes in full is taken as it is."""
    metadata = schema.properties.get("metadata")
    if metadata is not None and metadata.name != OBJECT_META and metadata.properties.keys() >= {"name", "generateName"}:
        declared = _object(metadata, f"{name}.metadata", is_root=False)
    else:
        described = _described(metadata)
        known = {
            key: _name(described.get(key), most)
            for key, most in (("name", MAX_NAME), ("generateName", MAX_NAME - 1))
        }
        converts = {key: (key, field.convert) for key, field in known.items()}
        declared = Declared(
            types.struct(f"{name}.metadata"),
            lambda value: views.ObjectView(_as_object(value), converts),
            min_bytes=2,
            fields={key: (key, field) for key, field in known.items()},
        )
    return {"apiVersion": _TEXT, "kind": _TEXT, "metadata": declared}


def _described(metadata: Schema | None) -> Mapping[str, Schema]:
    """The fields of metadata that the schema's author speaks of."""
    if metadata is None:
        return {}
    if metadata.name != OBJECT_META:
        return metadata.properties
    own = (metadata.keywords.get("allOf") or [{}])[0].get("properties") or {}
    return {name: in_place(document, _refers_to_nothing) for name, document in own.items()}


def _refers_to_nothing(name: str) -> Schema:
    raise KeyError(name)


def _name(schema: Schema | None, most: int) -> Declared:
    length = None if schema is None else schema.keywords.get("maxLength")
    size = most if length is None else min(length, most)
    return Declared(types.STRING, _text, max_elements=size * 4, min_bytes=2)


def _string(schema: Schema) -> Declared:
    length = schema.keywords.get("maxLength")
    known = _FORMATS.get(schema.format)
    if known is not None:
        return known
    if schema.format == "byte":
        most = MAX_REQUEST_BYTES - 2 if length is None else max(length, 0)
        return Declared(types.BYTES, _bytes, max_elements=most, min_bytes=2)
    if length is not None:
        most = max(length, 0) * 4
    elif schema.enum:
        most = max((len(value.encode()) for value in schema.enum if isinstance(value, str)), default=0)
    else:
        return _TEXT
    return Declared(types.STRING, _text, max_elements=most, min_bytes=2)


def _nullable(convert: Convert, schema: Schema) -> Convert:
    """For items and values of maps, which may be null; fields that are null are not there."""
    nullable = schema.nullable

    def converted(value: Any) -> Any:
        if value is None:
            if nullable:
                return None
            raise EvaluationError("invalid data, got null for schema with nullable=false")
        return convert(value)

    return converted


def _as_object(value: Any) -> Json:
    if isinstance(value, dict):
        return value
    raise EvaluationError("invalid data, expected a map for the provided schema with type=object")


def _wrong(expected: str, value: Any) -> EvaluationError:
    names = {bool: "bool", int: "int64", float: "float64", str: "string", dict: "map[string]interface {}"}
    return EvaluationError(f"invalid data, expected {expected}, got {names.get(type(value), '[]interface {}')}")


def _text(value: Any) -> Any:
    if type(value) is str:
        return value
    raise _wrong("string", value)


def _integer(value: Any) -> Any:
    if type(value) is int:
        return value
    raise _wrong("int", value)


def _number(value: Any) -> float:
    if type(value) in (int, float):
        return float(value)
    raise _wrong("float", value)


def _boolean(value: Any) -> Any:
    if type(value) is bool:
        return value
    raise _wrong("bool", value)


def _int_or_string(value: Any) -> Any:
    if type(value) in (int, str):
        return value
    raise EvaluationError("invalid data, expected XIntOrString value to be either a string or integer")


def _duration(value: Any) -> Duration:
    from .library.times import parse_long_duration

    try:
        return Duration(parse_long_duration(_text(value)))
    except ValueError as error:
        raise EvaluationError(f"Invalid duration {value}: unable to parse {value} as duration") from error


def _date(value: Any) -> Timestamp:
    try:
        day = date.fromisoformat(_text(value))
    except ValueError as error:
        raise EvaluationError(f"Invalid date formatted string {value}: {error}") from error
    return Timestamp((day.toordinal() - date(1970, 1, 1).toordinal()) * 86400 * 10**9)


def _moment(value: Any) -> Timestamp:
    from .library.times import parse_timestamp

    try:
        return Timestamp(parse_timestamp(_text(value).upper()))
    except ValueError as error:
        raise EvaluationError(f"Invalid date-time formatted string {value}: {error}") from error


def _bytes(value: Any) -> bytes:
    import base64
    import binascii

    try:
        return base64.b64decode(_text(value), validate=True)
    except (binascii.Error, ValueError) as error:
        raise EvaluationError(f"Invalid byte formatted string {value}: {error}") from error


_TEXT = Declared(types.STRING, _text, max_elements=MAX_REQUEST_BYTES - 2, min_bytes=2)
_KEY = Declared(types.STRING, _text, min_bytes=2)
_SCALARS = {
    "boolean": Declared(types.BOOL, _boolean, min_bytes=4),
    "number": Declared(types.DOUBLE, _number, min_bytes=1),
    "integer": Declared(types.INT, _integer, min_bytes=1),
}
_FORMATS = {
    "duration": Declared(types.DURATION, _duration, max_elements=MAX_DURATION, min_bytes=MIN_DURATION),
    "date": Declared(types.TIMESTAMP, _date, max_elements=MIN_DATE, min_bytes=MIN_DATE),
    "date-time": Declared(types.TIMESTAMP, _moment, max_elements=MAX_MOMENT, min_bytes=MIN_MOMENT),
}
