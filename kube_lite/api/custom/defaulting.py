"""Fill in what a schema gives by default, after nulls that it does not allow have gone.

A null counts as missing where the schema does not allow it: with a default it becomes that, without one the
field goes. In lists, and among the values of maps, where there is nothing to be missing, only nulls take
defaults. What is filled in is looked into again, as parts of a default may have defaults themselves; a
missing parent gets none of its fields.

Source: ``apiextensions-apiserver/pkg/apiserver/schema/defaulting/{algorithm,prunenulls}.go``.
"""

from typing import Any, NamedTuple

from kube_lite.api.identity import Json
from kube_lite.api.meta import copy
from kube_lite.api.schema.load import OBJECT_META, Schema


class _Plan(NamedTuple):
    """What of a schema matters for defaults."""

    properties: dict[str, Schema]
    defaults: tuple[tuple[str, Any, bool], ...]
    """Name, default, and whether null is a value, of each property with a default."""
    others: Schema | None
    items: Schema | None


def default(obj: Json, schema: Schema) -> None:
    """Drop nulls and fill in defaults, in place, according to the schema of a root."""
    if _has_null(obj):
        _drop_nulls(obj, schema)
    fill(obj, schema)


def _has_null(value: Any) -> bool:
    if type(value) is dict:
        value = value.values()
    elif type(value) is not list:
        return False
    for item in value:
        if item is None:
            return True
        kind = type(item)
        if (kind is dict or kind is list) and _has_null(item):
            return True
    return False


def _drop_nulls(value: Any, schema: Schema | None) -> None:
    """Drop each null that is neither allowed nor stands for a default."""
    if schema is None or schema.name == OBJECT_META:
        return
    if type(value) is dict:
        plan = schema.made(_plan)
        for name, item in list(value.items()):
            below = plan.properties.get(name, plan.others)
            if item is not None:
                _drop_nulls(item, below)
            elif below is not None and not below.nullable and below.default is None:
                del value[name]
    elif type(value) is list:
        for item in value:
            _drop_nulls(item, schema.items)


def fill(value: Any, schema: Schema | None) -> None:
    """Fill in defaults below a value."""
    if schema is None:
        return
    if type(value) is dict:
        plan = schema.made(_plan)
        for name, given, nullable in plan.defaults:
            if name not in value or (value[name] is None and not nullable):
                value[name] = copy(given)
        _fill_fields(value, plan)
    elif type(value) is list and schema.items is not None:
        _fill_items(value, schema.items)


def _fill_fields(value: Json, plan: _Plan) -> None:
    properties, others = plan.properties, plan.others
    for name, item in value.items():
        kind = type(item)
        if kind is dict or kind is list:
            fill(item, properties.get(name, others))
        elif item is None and others is not None and name not in properties and not others.nullable:
            value[name] = copy(others.default)
            fill(value[name], others)


def _fill_items(value: list[Any], items: Schema) -> None:
    for position, item in enumerate(value):
        if item is None and not items.nullable:
            value[position] = item = copy(items.default)
        fill(item, items)


def _plan(schema: Schema) -> _Plan:
    properties = {} if schema.name == OBJECT_META else schema.properties
    defaults = tuple(
        (name, below.default, below.nullable)
        for name, below in properties.items()
        if below.default is not None
    )
    others = None if schema.keywords.get("additionalProperties") is True else schema.additional
    return _Plan(properties, defaults, others, schema.items)
