"""Structural validation: whether a value is what its schema says, and every way in which it is not.

This is for schemas that clients bring along (CustomResourceDefinitions): objects of built-in kinds have
their types checked while they are read (``prune.read_object``), and everything else by ``kinds.checks``.
Source: ``kube-openapi/pkg/validation/validate`` and its translation to field errors in
``apiextensions-apiserver/pkg/apiserver/validation``.
"""

import re
from collections.abc import Iterator
from functools import lru_cache
from typing import Any

from kube_lite.api.codecs import json_type
from kube_lite.api.errors import Cause
from kube_lite.api.fielderrors import duplicate, invalid, not_supported, required, show
from kube_lite.api.fieldpath import child, index, key
from kube_lite.api.gotext import go_json, go_text

from .load import Schema

TYPES: dict[str, tuple[type, ...]] = {
    "object": (dict,),
    "array": (list,),
    "string": (str,),
    "boolean": (bool,),
    "integer": (int,),
    "number": (int, float),
}


def validate(value: Any, schema: Schema, path: str = "") -> Iterator[Cause]:
    """Everything that is wrong with a value, in the order of the schema.

    A value of a wrong type is not looked into any further.
    """
    if value is None:
        if not schema.nullable and (schema.type or schema.int_or_string):
            yield _wrong_type(value, schema, path)
        return
    if not _has_type(value, schema):
        yield _wrong_type(value, schema, path)
        return
    if schema.enum and value not in schema.enum:
        yield not_supported(path, value, [go_text(allowed) for allowed in schema.enum])
    if isinstance(value, dict):
        yield from _validate_object(value, schema, path)
    elif isinstance(value, list):
        yield from _validate_list(value, schema, path)
    elif isinstance(value, str):
        yield from _validate_text(value, schema, path)
    elif not isinstance(value, bool):
        yield from _validate_number(value, schema, path)


def _has_type(value: Any, schema: Schema) -> bool:
    if schema.int_or_string:
        return isinstance(value, (int, str)) and not isinstance(value, bool)
    wanted = TYPES.get(schema.type)
    if wanted is None:
        return True
    if isinstance(value, bool):
        return bool in wanted
    if schema.type == "integer" and isinstance(value, float):
        return value.is_integer()
    return isinstance(value, wanted)


def _wrong_type(value: Any, schema: Schema, path: str) -> Cause:
    found = {"bool": "boolean"}.get(json_type(value), json_type(value))
    if isinstance(value, int) and not isinstance(value, bool):
        found = "integer"
    wanted = "integer,string" if schema.int_or_string else schema.type
    where = path or "<nil>"
    message = f'Invalid value: {show(found)}: {where} in body must be of type {wanted}: "{found}"'
    return Cause("FieldValueTypeInvalid", message, where)


def _validate_object(value: dict[str, Any], schema: Schema, path: str) -> Iterator[Cause]:
    for name in schema.required:
        if name not in value:
            yield required(child(path, name))
    least, most = schema.keywords.get("minProperties"), schema.keywords.get("maxProperties")
    if least is not None and len(value) < least:
        yield invalid(path, value, f"{path} in body should have at least {least} properties")
    if most is not None and len(value) > most:
        message = f"Too many: {len(value)}: must have at most {most} items"
        yield Cause("FieldValueTooMany", message, path)
    for name, item in value.items():
        below = schema.properties.get(name)
        if below is not None:
            yield from validate(item, below, child(path, name))
        elif schema.additional is not None:
            yield from validate(item, schema.additional, key(path, name))


def _validate_list(value: list[Any], schema: Schema, path: str) -> Iterator[Cause]:
    least, most = schema.keywords.get("minItems"), schema.keywords.get("maxItems")
    if least is not None and len(value) < least:
        yield invalid(path, len(value), f"{path} in body should have at least {least} items")
    if most is not None and len(value) > most:
        message = f"Too many: {len(value)}: must have at most {most} items"
        yield Cause("FieldValueTooMany", message, path)
    if schema.items is not None:
        for position, item in enumerate(value):
            yield from validate(item, schema.items, index(path, position))
    yield from _validate_identities(value, schema, path)


def _validate_identities(value: list[Any], schema: Schema, path: str) -> Iterator[Cause]:
    """No item occurs twice in a set, no key twice in a map."""
    seen: set[str] = set()
    for position, item in enumerate(value):
        if schema.list_type == "set":
            shown: Any = item
        elif schema.list_type == "map" and isinstance(item, dict):
            shown = {name: item.get(name) for name in schema.list_map_keys}
        else:
            return
        identity = go_json(shown)
        if identity in seen:
            yield duplicate(index(path, position), shown)
        seen.add(identity)


def _validate_text(value: str, schema: Schema, path: str) -> Iterator[Cause]:
    keywords = schema.keywords
    least, most, pattern = keywords.get("minLength"), keywords.get("maxLength"), keywords.get("pattern")
    if most is not None and len(value) > most:
        yield Cause("FieldValueTooLong", f"Too long: may not be more than {most} bytes", path)
    if least is not None and len(value) < least:
        yield invalid(path, value, f"{path} in body should be at least {least} chars long")
    if pattern is not None and not _compiled(pattern).search(value):
        yield invalid(path, value, f"{path} in body should match '{pattern}'")


@lru_cache(maxsize=512)
def _compiled(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern)


def _validate_number(value: int | float, schema: Schema, path: str) -> Iterator[Cause]:
    keywords = schema.keywords
    least, most, step = keywords.get("minimum"), keywords.get("maximum"), keywords.get("multipleOf")
    if least is not None and (value <= least if keywords.get("exclusiveMinimum") else value < least):
        words = "greater than" if keywords.get("exclusiveMinimum") else "greater than or equal to"
        yield invalid(path, value, f"{path} in body should be {words} {go_text(least)}")
    if most is not None and (value >= most if keywords.get("exclusiveMaximum") else value > most):
        words = "less than" if keywords.get("exclusiveMaximum") else "less than or equal to"
        yield invalid(path, value, f"{path} in body should be {words} {go_text(most)}")
    if step and value % step:
        yield invalid(path, value, f"{path} in body should be a multiple of {go_text(step)}")
