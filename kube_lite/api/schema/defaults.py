"""Fill in the defaults that a schema itself carries, as those of CustomResourceDefinitions do.

The built-in kinds have theirs in code (``kinds.defaults``). Source:
``apiextensions-apiserver/pkg/apiserver/schema/defaulting/algorithm.go``.
"""

from typing import Any

from kube_lite.api.identity import Json
from kube_lite.api.meta import copy

from .load import Schema


def fill_defaults(obj: Json, schema: Schema) -> None:
    """Fill in a private copy, in place.

    A missing field takes its default, and so does a null where null is not a value of its own; a null
    without a default is dropped where it is not allowed. Below a default no more defaults are looked for
    than it needs itself.
    """
    for name, below in schema.properties.items():
        missing = name not in obj or (obj[name] is None and not below.nullable)
        if missing and below.default is not None:
            obj[name] = copy(below.default)
        elif missing and name in obj and _rejects_null(below):
            del obj[name]
        if name in obj:
            _fill_value(obj[name], below)
    values = schema.additional
    if values is None:
        return
    for key, value in obj.items():
        if key in schema.properties:
            continue
        if value is None and not values.nullable and values.default is not None:
            obj[key] = copy(values.default)
        _fill_value(obj[key], values)


def _rejects_null(schema: Schema) -> bool:
    return not schema.nullable and bool(schema.type or schema.int_or_string)


def _fill_value(value: Any, schema: Schema) -> None:
    if isinstance(value, dict):
        fill_defaults(value, schema)
    elif isinstance(value, list) and schema.items is not None:
        items = schema.items
        for position, item in enumerate(value):
            if item is None and not items.nullable and items.default is not None:
                value[position] = copy(items.default)
            _fill_value(value[position], items)
