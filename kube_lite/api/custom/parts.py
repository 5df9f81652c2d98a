"""What a schema asks of parts of an object besides their values: resources within it, and unique items.

Source: ``apiextensions-apiserver/pkg/apiserver/schema/{objectmeta,listtype}/validation.go``.
"""

from collections.abc import Callable, Iterator
from typing import Any

from kube_lite.api.errors import Cause
from kube_lite.api.fielderrors import duplicate, each, invalid, required
from kube_lite.api.fieldpath import child, index, key
from kube_lite.api.gotext import go_json
from kube_lite.api.identity import Json
from kube_lite.api.metadata_rules import check_metadata
from kube_lite.api.names import check_label, check_label_1035, check_path_segment
from kube_lite.api.schema.load import Schema
from kube_lite.api.schema.mismatch import TypeMismatch
from kube_lite.api.schema.prune import read_object

from .values import as_go

Look = Callable[[Any], bool]
UNNAMED = "fakename"  # stands for a name that is not there, so that its absence is not told


def nothing_special(schema: Schema) -> Look:
    """A closure that tells whether a value has no resources within it and nothing twice; made once a node."""
    if schema.embedded_resource:
        return lambda value: type(value) is not dict
    fields, items = _look_at_fields(schema), _look_at_items(schema)

    def look(value: Any) -> bool:
        if type(value) is dict:
            return fields(value)
        return type(value) is not list or items(value)

    return look


def _look_at_fields(schema: Schema) -> Look:
    properties, others = schema.properties, _others(schema)
    known: dict[str, Look] = {}

    def find(name: str) -> Look | None:
        below = properties.get(name)
        if below is not None:
            known[name] = below.made(nothing_special)
            return known[name]
        return None if others is None else others.made(nothing_special)

    def look(value: Any) -> bool:
        for name, item in value.items():
            if type(item) is dict or type(item) is list:
                below = known.get(name) or find(name)
                if below is not None and not below(item):
                    return False
        return True

    return look


def _look_at_items(schema: Schema) -> Look:
    keys, unique = schema.list_map_keys, schema.list_type in ("set", "map")
    items, is_set = schema.items, schema.list_type == "set"

    def look(value: Any) -> bool:
        if unique and not _is_unique(value, keys, is_set):
            return False
        return items is None or not value or all(map(items.made(nothing_special), value))

    return look


def _is_unique(value: list[Any], keys: tuple[str, ...], is_set: bool) -> bool:
    """Whether all items differ as far as a quick look can tell."""
    try:
        if is_set:
            return len(set(value)) == len(value)
        if len(keys) == 1:
            name = keys[0]
            return len({item[name] for item in value}) == len(value)
        return len({tuple([item[name] for name in keys]) for item in value}) == len(value)
    except (TypeError, KeyError):  # what cannot be hashed, or has no keys, is looked at closely
        return False


def _others(schema: Schema) -> Schema | None:
    return None if schema.keywords.get("additionalProperties") is True else schema.additional


def check_resources(value: Any, schema: Schema, path: str) -> Iterator[Cause]:
    """Resources within a value: their types must be named, their metadata be good."""
    if type(value) is dict:
        if schema.embedded_resource:
            yield from _check_resource(value, schema, path)
        others = _others(schema)
        for name, item in value.items():
            below = schema.properties.get(name)
            if below is not None and not (schema.embedded_resource and name == "metadata"):
                yield from check_resources(item, below, child(path, name))
            elif below is None and others is not None:
                yield from check_resources(item, others, key(path, name))
    elif type(value) is list and schema.items is not None:
        for position, item in enumerate(value):
            yield from check_resources(item, schema.items, index(path, position))


def _check_resource(value: Json, schema: Schema, path: str) -> Iterator[Cause]:
    for name in ("apiVersion", "kind"):
        if name not in value:
            yield required(child(path, name))
    for name in value.keys() & {"apiVersion", "kind"}:
        yield from _check_type_meta(value[name], name, child(path, name))
    if "metadata" in value:
        yield from _check_metadata(value["metadata"], schema, child(path, "metadata"))


def _check_type_meta(value: Any, name: str, path: str) -> Iterator[Cause]:
    if type(value) is not str:
        yield invalid(path, value, "must be a string")
    elif not value:
        yield invalid(path, value, "must not be empty")
    elif name == "apiVersion":
        if value.count("/") > 1:
            yield invalid(path, value, f"unexpected GroupVersion string: {value}")
    else:
        wrong = ",".join(check_label_1035(value.lower()))
        if wrong:
            yield invalid(path, value, f"may have mixed case, but should otherwise match: {wrong}")


def _check_metadata(value: Any, schema: Schema, path: str) -> Iterator[Cause]:
    try:
        metadata = read_metadata(value, schema)[0]
    except TypeMismatch as error:
        yield invalid(path, value, str(error))
        return
    metadata.setdefault("name", UNNAMED)
    namespace = metadata.get("namespace")
    if namespace:
        yield from each(child(path, "namespace"), namespace, check_label(namespace))
    for cause in check_metadata(metadata, check_path_segment, is_built_in=False):
        yield cause._replace(field=child(path.removesuffix("metadata").removesuffix("."), cause.field))


def read_metadata(value: Any, schema: Schema) -> tuple[Json, tuple[str, ...]]:
    """The metadata of a resource within a resource as Go reads them, and what it says of unknown fields.

    Raises:
        TypeMismatch: it cannot be read.
    """
    if value is None:
        return {}, ()
    if type(value) is not dict:
        kind = {list: "array", str: "string", bool: "bool"}.get(type(value), "number")
        raise TypeMismatch(f"json: cannot unmarshal {kind} into Go value of type v1.ObjectMeta")
    return read_object(value, schema.properties["metadata"])


def check_lists(value: Any, schema: Schema, path: str) -> Iterator[Cause]:
    """Items of sets, and keys of keyed lists, that occur again."""
    if type(value) is dict:
        yield from _check_lists_below(value, schema, path)
    elif type(value) is list:
        if schema.list_type == "set":
            for position in _repeated(value):
                yield duplicate(index(path, position), value[position])
        elif schema.list_type == "map":
            yield from _check_keys(value, schema.list_map_keys, path)
        if schema.items is not None:
            for position, item in enumerate(value):
                yield from check_lists(item, schema.items, index(path, position))


def _check_lists_below(value: Json, schema: Schema, path: str) -> Iterator[Cause]:
    others = _others(schema)
    if others is not None:
        for name, item in value.items():
            yield from check_lists(item, others, key(path, name))
    for name, item in value.items():
        below = schema.properties.get(name)
        if below is not None:
            yield from check_lists(item, below, child(path, name))


def _check_keys(value: list[Any], names: tuple[str, ...], path: str) -> Iterator[Cause]:
    for position, item in enumerate(value):
        if item is not None and type(item) is not dict:
            why = "must be an object for an array of list-type map"
            yield invalid(index(path, position), item, why)
            return
    keys = [{name: item[name] for name in names if name in item} if item else {} for item in value]
    for position in _repeated(keys):
        yield duplicate(index(path, position), keys[position])


def _repeated(values: list[Any]) -> Iterator[int]:
    """Where each value that is there before occurs for the second time."""
    seen: dict[tuple[type, Any], int] = {}
    for position, value in enumerate(map(as_go, values)):
        identity = (type(value), go_json(value) if isinstance(value, (dict, list)) else value)
        seen[identity] = seen.get(identity, 0) + 1
        if seen[identity] == 2:
            yield position
