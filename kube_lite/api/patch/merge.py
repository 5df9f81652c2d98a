"""JSON merge patch, RFC 7386: a partial object in which null removes a field and lists replace lists."""

from typing import Any

from kube_lite.api.errors import BadRequest
from kube_lite.api.identity import Json
from kube_lite.api.meta import copy
from kube_lite.api.schema.load import Schema

from . import MAP_TYPE, read, wrong_type

DECODING = "error decoding patch: "


def parse(body: bytes, is_checked: bool = True) -> Json:
    """The partial object of a patch body.

    Args:
        is_checked: whether repeated keys matter to somebody: only then is told in detail what is wrong.

    Raises:
        BadRequest: it is not an object.
    """
    try:
        patch = read(body, DECODING)
    except BadRequest:
        if is_checked:
            raise
        patch = None
    if patch is None or (not is_checked and not isinstance(patch, (dict, list))):
        raise BadRequest("Invalid JSON Patch")
    if not isinstance(patch, dict):
        raise wrong_type(patch, MAP_TYPE, DECODING)
    return patch


def apply(obj: Json, patch: Json, schema: Schema | None = None) -> Json:
    """A new object, which shares parts with both arguments. ``schema`` does not matter here."""
    merged = dict(obj)
    for key, value in patch.items():
        if value is None:
            merged.pop(key, None)
        elif isinstance(value, dict):
            below = merged.get(key)
            merged[key] = apply(below if isinstance(below, dict) else {}, value)
        else:
            merged[key] = value
    return merged


def as_shown(result: Any, patch: Any) -> Any:
    """The result in the order in which the reference quotes it: sorted by name where the patch went."""
    if not isinstance(result, dict) or not isinstance(patch, dict):
        return result
    return {key: as_shown(result[key], patch.get(key)) for key in sorted(result)}


def diff(old: Any, new: Any) -> Json:
    """The merge patch that turns ``old`` into ``new``; empty when they are equal."""
    changes: Json = {key: None for key in old if key not in new}
    for key, value in new.items():
        before = old.get(key)
        if isinstance(value, dict) and isinstance(before, dict):
            below = diff(before, value)
            if below:
                changes[key] = below
        elif key not in old or value != before or type(value) is not type(before):
            changes[key] = copy(value)
    return changes
