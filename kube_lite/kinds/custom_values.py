"""Values at the paths that a CustomResourceDefinition names: what columns, scales and selectors are made of.

A path of the ``scale`` subresource is a plain chain of fields, as in Go's ``unstructured.Nested…``;
columns and selectable fields are JSONPaths.
"""

from collections.abc import Iterator
from typing import Any

from kube_lite.api.errors import Cause
from kube_lite.api.fielderrors import invalid
from kube_lite.api.gotext import go_json
from kube_lite.api.identity import Json
from kube_lite.api.table import age
from kube_lite.kit.jsonpath import JsonPath, json_path

INT32_MAX = 2**31 - 1


class NotThere(ValueError):
    """What a path leads to is of another type; says so as Go's ``unstructured.Nested…`` do."""


def nested(obj: Json, path: str, wanted: type) -> Any:
    """The value at ``.spec.replicas``, None where nothing is.

    Raises:
        NotThere: it is of another type, or something on the way is no object.
    """
    fields = path.removeprefix(".").split(".")
    value: Any = obj
    for number, field in enumerate(fields):
        if value is None:
            return None
        if not isinstance(value, dict):
            where = "." + ".".join(fields[: number + 1])
            raise NotThere(
                f"{where} accessor error: {_shown(value)} is of the type {go_type(value)}, "
                "expected map[string]interface{}"
            )
        if field not in value:
            return None
        value = value[field]
    if type(value) is not wanted:
        names = {int: "int64", str: "string"}
        told = f"{_shown(value)} is of the type {go_type(value)}, expected {names[wanted]}"
        raise NotThere(f".{'.'.join(fields)} accessor error: {told}")
    return value


def with_nested(obj: Json, path: str, value: object) -> Json:
    """A copy of the object with another value at the path, which shares everything else.

    Raises:
        NotThere: something on the way is no object.
    """
    fields = path.removeprefix(".").split(".")
    changed = below = dict(obj)
    for number, field in enumerate(fields[:-1]):
        there = below.get(field, {})
        if not isinstance(there, dict):
            where = "." + ".".join(fields[: number + 1])
            raise NotThere(f"value cannot be set because {where} is not a map[string]interface{{}}")
        below[field] = below = dict(there)
    below[fields[-1]] = value
    return changed


def check_replicas(obj: Json, path: str) -> Iterator[Cause]:
    """A number of things lies at the path, if anything does."""
    try:
        replicas = nested(obj, path, int) or 0
    except NotThere as error:
        yield invalid(path, 0, str(error))
        return
    if replicas < 0:
        yield invalid(path, replicas, "should be a non-negative integer")
    elif replicas > INT32_MAX:
        yield invalid(path, replicas, f"should be less than or equal to {INT32_MAX}")


def path_or_nothing(text: str) -> JsonPath:
    """The compiled path; what cannot be read leads nowhere."""
    try:
        return json_path(text)
    except ValueError:
        return json_path("[?(@.unreadable)]")


def as_text(value: object) -> str:
    """A value as Go's ``fmt.Sprint`` prints it, nothing for null."""
    if isinstance(value, str):
        return value
    return "" if value is None else _shown(value)


def cell(type_: str, value: Any, now: float) -> object:
    """One cell; None where the value is not of the column's type.

    Source: ``cellForJSONValue`` in ``registry/customresource/tableconvertor``.
    """
    if type_ == "string":
        return value if isinstance(value, str) else "<no value>" if value is None else _shown(value)
    if type_ == "date":
        return _date(value, now) if isinstance(value, str) else None
    if type_ == "boolean":
        return value if isinstance(value, bool) else None
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    return int(value) if type_ == "integer" else value


def _date(text: str, now: float) -> str:
    if text in ("", "null"):
        return age(None, now)
    try:
        return age(text, now)
    except ValueError:
        return "<invalid>"


def _shown(value: object) -> str:
    """A value as kubectl's JSONPath prints it."""
    return go_json(value) if not isinstance(value, str) else value


def go_type(value: object) -> str:
    """What Go's ``%T`` prints for a JSON value."""
    names = {str: "string", bool: "bool", int: "int64", float: "float64", list: "[]interface {}"}
    return names.get(type(value), "map[string]interface {}" if isinstance(value, dict) else "<nil>")
