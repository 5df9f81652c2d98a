"""Objects as Go's decoder would have read them, and its encoder would write them again.

``read_object`` makes a new object of a decoded body in one pass: unknown fields are left out and told of,
values of a wrong type are refused in the decoder's words, nulls and zeros that Go drops are dropped, what it
always writes is there, quantities and times have their canonical form. Built-in kinds go through it; what
they may *contain* is the business of ``kinds.checks``.

Each definition is compiled once to a ``_Struct`` whose fields know how to read themselves, so a Pod costs a
few dozen µs. A path is a chain of tuples, ``((None, "spec"), "containers")``, spelled out only when told.
Source: ``sigs.k8s.io/json``, ``apimachinery/pkg/runtime/serializer/json``.
"""

import binascii
import re
from base64 import b64decode, b64encode
from collections.abc import Callable
from functools import lru_cache
from typing import Any, NamedTuple

from kube_lite.api.codecs import json_type
from kube_lite.api.errors import BadRequest
from kube_lite.api.identity import GroupVersionKind, Json
from kube_lite.api.meta import copy
from kube_lite.api.numbers import copy_as_written
from kube_lite.api.quantity import WRONG_FORM, canonical_quantity
from kube_lite.api.times import canonical_micro_time, canonical_time

from .load import INT_OR_STRING, MICRO_TIME, QUANTITY, TIME, CustomSchema, Schema
from .mismatch import Path, TypeMismatch, mismatch, spell_path
from .shapes import shape_of

_INT_RANGE = {"int32": (-(2**31), 2**31 - 1), "int64": (-(2**63), 2**63 - 1)}
_LINE_END = re.compile(r"[\r\n]")


class Read(NamedTuple):
    """What became of a body.

    Attributes:
        value: a new object that shares nothing with the body.
        unknown: the texts ``unknown field "spec.foo"``, in the order of the body.
    """

    value: Json
    unknown: tuple[str, ...]


def read_object(body: Json, schema: Schema) -> Read:
    """Read a decoded body as an object of the schema.

    Raises:
        TypeMismatch: some value has a type that its field cannot hold; the first one is told.
    """
    if isinstance(schema, CustomSchema):
        from kube_lite.api.custom.reading import read_custom  # which reads metadata with what is here

        return read_custom(body, schema)
    unknown: list[Path] = []
    value = _struct(schema).read(body, None, unknown)
    if not unknown:
        return Read(value, ())
    return Read(value, tuple(f'unknown field "{spell_path(path)}"' for path in unknown))


def read_next(body: Json, schema: Schema, old: Json) -> Read:
    """The same for what was made of an object in the store, with which it shares what stays as it is.

    That was read when it was stored, so it is only copied; the owners of fields, which nobody ever changes in
    place, remain shared.

    Raises:
        TypeMismatch: as above.
    """
    metadata, before = body.get("metadata"), old["metadata"]
    owners = metadata.get("managedFields") if isinstance(metadata, dict) else None
    if owners is not before.get("managedFields"):
        owners = None
    same: set[str] = set()
    if not isinstance(schema, CustomSchema):  # which may have become another since
        same = {name for name, part in body.items() if part is old.get(name) and isinstance(part, dict)}
        same.discard("metadata")
    changed = {name: part for name, part in body.items() if name not in same}
    if owners:
        changed["metadata"] = {
            name: part for name, part in body["metadata"].items() if name != "managedFields"
        }
    found, unknown = read_object(changed, schema)
    if owners:
        found["metadata"]["managedFields"] = owners
    value = {}
    for name in (*body, *found):
        if name in same:
            value[name] = copy(old[name])
        elif name in found:
            value[name] = found[name]
    return Read(value, unknown)


def unreadable(gvk: GroupVersionKind, wanted: str, why: str) -> BadRequest:
    """The answer to a body that cannot be read: ``Pod in version "v1" cannot be handled as a Pod: …``."""
    return BadRequest(f'{gvk.kind} in version "{gvk.version}" cannot be handled as a {wanted}: {why}')


def strict_error(texts: tuple[str, ...] | list[str]) -> str:
    """What strict decoding says of repeated and unknown fields, all of them."""
    return "strict decoding error: " + ", ".join(texts)


_Reader = Callable[[Any, Path, list[Path]], Any]


_Field = tuple[type | None, bool, _Reader]
"""How a field of a struct is read: the type of a scalar that needs no more than a look at its type, whether
an empty or zero value is written, and what reads all else."""


class _Struct:
    """Reads the fields of one definition."""

    __slots__ = ("always", "fields")

    def __init__(self, schema: Schema) -> None:
        shape = shape_of(schema.name)
        always = dict(shape.always)
        owner = schema.name.rpartition(".")[2]
        kept = shape.pointers | {
            name
            for name, below in schema.properties.items()
            if _is_struct(below) or (name in always and not _is_collection(below))
        }
        self.fields: dict[str, _Field] = {
            name: (_simple(below), name in kept, _reader(below, owner))
            for name, below in schema.properties.items()
        }
        if owner == "JSONSchemaProps":
            self._read_schemas(owner)
        self.always = tuple(
            (name, _zero(mark, schema.properties[name]))
            for name, mark in shape.always
            if name in schema.properties
        )

    def _read_schemas(self, owner: str) -> None:
        from .json_schema import readers  # only definitions of custom resources have schemas in them

        def read(value: Any, path: Path, unknown: list[Path]) -> Any:
            if type(value) is not dict:
                what = f"json: cannot unmarshal {json_type(value)} into Go value of type v1.{owner}"
                raise TypeMismatch(what)
            return self.read(value, path, unknown)

        for name, reader in readers(read, owner).items():
            self.fields[name] = (None, True, reader)

    def read(self, value: Json, path: Path, unknown: list[Path]) -> Json:
        """The fields of a dict, in its order, then those that are always written."""
        found: Json = {}
        fields = self.fields
        for key, item in value.items():
            field = fields.get(key)
            if field is None:
                unknown.append((path, key))
            elif item is not None:
                simple, keeps_zero, read = field
                if simple is not type(item):
                    item = read(item, (path, key), unknown)
                if item or keeps_zero:
                    found[key] = item
        for key, zero in self.always:
            if key not in found:
                found[key] = zero()
        return found


@lru_cache(maxsize=4096)
def _struct(schema: Schema) -> _Struct:
    return _Struct(schema)


def _simple(schema: Schema) -> type | None:
    """The type of a scalar that may be any value of the type."""
    if not _is_plain(schema):
        return None
    return {"string": str, "boolean": bool}.get(schema.type)


def _is_plain(schema: Schema) -> bool:
    return not schema.format and not schema.int_or_string and schema.name not in _SPECIAL


def _is_collection(schema: Schema) -> bool:
    """Lists and maps: the reference forgets empty ones when it stores, and writes null where it must."""
    return schema.type == "array" or schema.additional is not None


def _is_struct(schema: Schema) -> bool:
    return schema.type == "object" and schema.additional is None


def _zero(mark: str, schema: Schema) -> Callable[[], Any]:
    """What makes the zero of a field that is always written."""
    if mark == "{" and _is_struct(schema) and not schema.preserve_unknown:
        empty: Json | None = None

        def zero() -> Json:
            nonlocal empty
            if empty is None:
                empty = _struct(schema).read({}, None, [])
            fresh: Json = copy(empty) if empty else {}
            return fresh

        return zero
    zeros: dict[str, Any] = {'"': "", "!": False, "0": 0, "#": "0"}
    return lambda: zeros.get(mark)


def _reader(schema: Schema, owner: str) -> _Reader:
    """What reads a value of the schema; ``owner`` is the struct that error texts name."""
    special = _SPECIAL.get(schema.name)
    if special is not None:
        return special(schema, owner)
    if schema.preserve_unknown:
        again = copy_as_written if schema.name.endswith(".JSON") else copy  # others travel as they were sent
        return lambda value, path, unknown: again(value)
    if schema.type == "object":
        return _map_reader(schema, owner) if schema.additional is not None else _struct_reader(schema, owner)
    if schema.type == "array":
        return _list_reader(schema, owner)
    if schema.type == "integer":
        return _integer_reader(schema, owner)
    if schema.type == "number":
        return _number_reader(schema, owner)
    if schema.format == "byte":
        return _bytes_reader(schema, owner)
    wanted = {"string": str, "boolean": bool}.get(schema.type)
    if wanted is not None:
        return _scalar_reader(schema, owner, wanted)
    return lambda value, path, unknown: copy(value)


def _struct_reader(schema: Schema, owner: str) -> _Reader:
    struct: _Struct | None = None  # compiled when first met, which also ends recursive types

    def read(value: Any, path: Path, unknown: list[Path]) -> Any:
        nonlocal struct
        if type(value) is not dict:
            raise mismatch(value, schema, path, owner)
        if struct is None:
            struct = _struct(schema)
        return struct.read(value, path, unknown)

    return read


def _map_reader(schema: Schema, owner: str) -> _Reader:
    values = schema.additional
    assert values is not None  # the caller looked
    read_value = _reader(values, owner)
    simple = _simple(values)
    only = {simple}
    is_struct = _is_struct(values)
    zero = _null_value(values)

    def read(value: Any, path: Path, unknown: list[Path]) -> Any:
        if type(value) is not dict:
            raise mismatch(value, schema, path, owner)
        if set(map(type, value.values())) == only:
            return value.copy()
        found = {}
        for key, item in value.items():
            if item is None:
                found[key] = read_value({}, (path, (key,)), unknown) if is_struct else zero
            elif type(item) is simple:
                found[key] = item
            else:
                found[key] = read_value(item, (path, (key,)), unknown)
        return found

    return read


def _list_reader(schema: Schema, owner: str) -> _Reader:
    items = schema.items
    if items is None:
        return lambda value, path, unknown: copy(value)
    read_item = _reader(items, owner)
    simple = _simple(items)
    only = {simple}
    is_struct = _is_struct(items)
    zero = _null_value(items)

    def read(value: Any, path: Path, unknown: list[Path]) -> Any:
        if type(value) is not list:
            raise mismatch(value, schema, path, owner)
        if set(map(type, value)) == only:
            return value.copy()
        found = []
        for index, item in enumerate(value):
            if item is None:
                item = {} if is_struct else zero
            if item is None or type(item) is simple:
                found.append(item)
            else:
                found.append(read_item(item, (path, index), unknown))
        return found

    return read


def _null_value(schema: Schema) -> Any:
    """What a null in a map or list stands for."""
    if schema.name == QUANTITY:
        return "0"
    if schema.format == "byte" or schema.name in (TIME, MICRO_TIME):
        return None
    return {"string": "", "boolean": False, "integer": 0}.get(schema.type)


def _scalar_reader(schema: Schema, owner: str, wanted: type) -> _Reader:
    def read(value: Any, path: Path, unknown: list[Path]) -> Any:
        if type(value) is not wanted:
            raise mismatch(value, schema, path, owner)
        return value

    return read


def _integer_reader(schema: Schema, owner: str) -> _Reader:
    least, most = _INT_RANGE.get(schema.format, _INT_RANGE["int64"])

    def read(value: Any, path: Path, unknown: list[Path]) -> Any:
        if type(value) is int and least <= value <= most:
            return value
        raise mismatch(value, schema, path, owner, is_number=type(value) in (int, float))

    return read


def _number_reader(schema: Schema, owner: str) -> _Reader:
    def read(value: Any, path: Path, unknown: list[Path]) -> Any:
        if type(value) not in (int, float):
            raise mismatch(value, schema, path, owner)
        return copy_as_written(value)

    return read


def _bytes_reader(schema: Schema, owner: str) -> _Reader:
    def read(value: Any, path: Path, unknown: list[Path]) -> Any:
        if type(value) is not str:
            raise mismatch(value, schema, path, owner)
        return canonical_base64(value)

    return read


def _quantity_reader(schema: Schema, owner: str) -> _Reader:
    def read(value: Any, path: Path, unknown: list[Path]) -> Any:
        if type(value) not in (str, int, float):
            raise TypeMismatch(WRONG_FORM)
        try:
            return canonical_quantity(value)
        except ValueError as error:
            raise TypeMismatch(str(error)) from error

    return read


def _int_or_string_reader(schema: Schema, owner: str) -> _Reader:
    least, most = _INT_RANGE["int32"]

    def read(value: Any, path: Path, unknown: list[Path]) -> Any:
        if type(value) is str or (type(value) is int and least <= value <= most):
            return value
        raise mismatch(value, schema, path, owner, is_number=type(value) in (int, float))

    return read


def _time_reader(schema: Schema, owner: str) -> _Reader:
    is_micro = schema.name == MICRO_TIME
    canonical = canonical_micro_time if is_micro else canonical_time

    def read(value: Any, path: Path, unknown: list[Path]) -> Any:
        if type(value) is not str:
            raise TypeMismatch(f"json: cannot unmarshal {json_type(value)} into Go value of type string")
        try:
            return canonical(value)
        except ValueError as error:
            raise TypeMismatch(str(error)) from error

    return read


_SPECIAL: dict[str, Callable[[Schema, str], _Reader]] = {
    QUANTITY: _quantity_reader,
    INT_OR_STRING: _int_or_string_reader,
    TIME: _time_reader,
    MICRO_TIME: _time_reader,
}


def canonical_base64(text: str) -> str:
    """Base64 as Go writes it again; line ends in it do not count.

    Raises:
        TypeMismatch: it is not base64; Go names the first byte that does not fit.
    """
    bare = _LINE_END.sub("", text) if "\n" in text or "\r" in text else text
    try:
        raw = b64decode(bare, validate=True)
    except (binascii.Error, ValueError) as error:
        stray = re.search(r"[^A-Za-z0-9+/]", bare)
        place = stray.start() if stray else len(bare) // 4 * 4
        why = f"illegal base64 data at input byte {place}"
        raise TypeMismatch(why, f"error decoding from json: {why}") from error
    return b64encode(raw).decode()
