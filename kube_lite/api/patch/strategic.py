"""Strategic merge patch: a merge patch in which the schema says how lists are merged.

A list whose field has the strategy ``merge`` is merged item by item: objects by the field's merge key,
scalars as a set. Everything else is as in a merge patch. On top of that a patch may hold directives, keys
that start with ``$``:

    {"containers": [{"name": "web", "$patch": "delete"}]}        without the item of that key
    {"containers": [{...}, {"$patch": "replace"}]}               nothing but the other items
    {"labels": {"$patch": "replace", "a": "b"}}                  nothing but these fields
    {"strategy": {"$retainKeys": ["type"], "type": "Recreate"}}  only these of the old fields stay
    {"$deleteFromPrimitiveList/finalizers": ["x"]}               without these scalars
    {"$setElementOrder/containers": [{"name": "a"}, ...]}        in this order

Source: ``apimachinery/pkg/util/strategicpatch/patch.go`` and its design document
"preserve-order-in-strategic-merge-patch".
"""

from typing import Any, NamedTuple

from kube_lite.api.errors import ApiError, BadRequest
from kube_lite.api.gotext import go_text
from kube_lite.api.identity import Json
from kube_lite.api.meta import copy
from kube_lite.api.schema.load import Schema

from . import MAP_TYPE, read, wrong_type

PATCH, RETAIN = "$patch", "$retainKeys"
DELETE_SCALARS, SET_ORDER = "$deleteFromPrimitiveList", "$setElementOrder"


def parse(body: bytes) -> Json:
    """The partial object of a patch body.

    Raises:
        BadRequest: it is not an object.
    """
    patch = read(body)
    if patch is None:
        return {}
    if not isinstance(patch, dict):
        raise wrong_type(patch, MAP_TYPE)
    return patch


def apply(obj: Json, patch: Json, schema: Schema | None) -> Json:
    """A new object, which shares parts with both arguments. Without a schema every list is replaced.

    Raises what ``merge`` does.
    """
    return merge(obj, patch, schema).value


class Merged(NamedTuple):
    """A new object, and what is left of the patch once its directives were obeyed: error texts quote that."""

    value: Json
    left: Json


def merge(obj: Json, patch: Json, schema: Schema | None) -> Merged:
    """As ``apply``.

    Raises:
        BadRequest: a directive is malformed.
        ApiError: (500, as in the reference) the patch does not fit: an item has no merge key, a wrong order.
    """
    left = copy(patch)
    return Merged(_merge_map(obj, left, schema), left)


def _merge_map(original: Json, patch: Json, schema: Schema | None) -> Json:
    """A new map, which shares parts with ``original``; ``patch`` is a private copy and is used up."""
    if PATCH in patch:
        directive = patch.pop(PATCH)
        if directive == "replace":
            kept: Json = _without_directives(patch)
            return kept
        if directive == "delete":
            return {}
        raise _unknown_directive(directive, {PATCH: directive, **patch})
    original = dict(original)
    _retain_keys(original, patch)
    _set_orders(original, patch, schema)
    for key, value in patch.items():
        deletes = key[:1] == "$" and key.startswith(DELETE_SCALARS)
        name = _extract(key, DELETE_SCALARS) if deletes else key
        if value is None:
            original.pop(name, None)
        elif name not in original:
            if not deletes and not _is_directed(value):
                original[name] = _without_directives(value)
        elif not deletes or type(original[name]) is list:
            original[name] = _merge_value(original[name], value, _field(schema, name), deletes)
    return original


def _merge_value(original: Any, patch: Any, schema: Schema | None, deletes: bool) -> Any:
    if type(original) is not type(patch):
        return _without_directives(patch)
    if type(patch) is str:
        return patch
    strategies = schema.patch_strategies if schema is not None else frozenset()
    if isinstance(patch, dict):
        return patch if "replace" in strategies else _merge_map(original, patch, schema)
    if isinstance(patch, list):
        if "merge" not in strategies or schema is None:
            return patch  # as it stands, for directives have nothing to act on there
        return _merge_list(original, patch, schema, deletes)
    return patch


def _merge_list(original: list[Any], patch: list[Any], schema: Schema, deletes: bool) -> list[Any]:
    if not original and not patch:
        return original
    key = schema.patch_merge_key
    if len(set(map(type, original)) | set(map(type, patch))) > 1:
        raise ApiError(f"list element types are not identical: {go_text([original, patch])}")
    if not isinstance((original or patch)[0], dict):
        if deletes:
            dropped = set(map(_hashable, patch))
            return [item for item in original if _hashable(item) not in dropped]
        merged = list({_hashable(item): item for item in [*original, *patch]}.values())
        return _ordered(merged, patch, original, "")
    if not key:
        raise ApiError("cannot merge lists without merge key for type struct")
    original, patch = _special_items(original, patch, key)
    merged = _merge_items(list(original), patch, key, schema.items)
    return _ordered(merged, patch, original, key)


def _special_items(original: list[Any], patch: list[Any], key: str) -> tuple[list[Any], list[Any]]:
    """What ``$patch: delete`` and ``$patch: replace`` leave of both lists."""
    plain, replace = [], False
    for item in patch:
        if not isinstance(item, dict) or PATCH not in item:
            plain.append(item)
        elif item[PATCH] == "delete":
            if key not in item:
                raise _no_key(item, key)
            original = [old for old in original if _key_of(old, key) != item[key]]
        elif item[PATCH] == "replace":
            replace = True
        elif item[PATCH] == "merge":
            raise ApiError("merging lists cannot yet be specified in the patch")
        else:
            raise _unknown_directive(item[PATCH], item)
    return (plain, []) if replace else (original, plain)


def _merge_items(original: list[Any], patch: list[Any], key: str, schema: Schema | None) -> list[Any]:
    places = _places(original, key)
    for item in patch:
        if not isinstance(item, dict) or key not in item:
            raise _no_key(item, key)
        place = places.setdefault(_hashable(item[key]), len(original))
        if place == len(original):
            original.append(_without_directives(item))
        else:
            original[place] = _merge_map(original[place], item, schema)
    return original


def _retain_keys(original: Json, patch: Json) -> None:
    """Obey ``$retainKeys``, which must name everything that the patch sets."""
    if RETAIN not in patch:
        return
    kept = patch.pop(RETAIN)
    if not isinstance(kept, list):
        raise BadRequest("invalid patch format of retainKeys")
    for key, value in patch.items():
        if value is not None and key not in kept and not key.startswith((DELETE_SCALARS, SET_ORDER)):
            raise BadRequest("invalid patch format of retainKeys")
    for key in [key for key in original if key not in kept]:
        del original[key]


def _set_orders(original: Json, patch: Json, schema: Schema | None) -> None:
    """Merge the lists that have a ``$setElementOrder``, and take them out of the patch."""
    for directive in [key for key in patch if key[:1] == "$" and key.startswith(SET_ORDER)]:
        order = patch.pop(directive)
        name = _extract(directive, SET_ORDER)
        field = _field(schema, name)
        key = field.patch_merge_key if field is not None else ""
        changes = patch.get(name)
        if not isinstance(order, list) or not isinstance(changes, (list, type(None))):
            raise BadRequest("invalid patch format of setElementOrder list")
        _check_order(changes or [], order, key)
        old = original.get(name)
        if not isinstance(old, list):
            if changes is None:
                patch.pop(name, None)
                continue
            merged: list[Any] = _without_directives(changes)
        elif changes is None:
            if name in patch:
                continue  # an explicit null removes the list below
            merged = old
        else:
            merged = _merge_value(old, changes, field, False)
        _check_keys(order, merged, key)
        patch.pop(name, None)
        original[name] = _ordered(merged, order, old if isinstance(old, list) else [], key)


def _check_order(patch: list[Any], order: list[Any], key: str) -> None:
    """The items of a patch must come in the order of the directive, and all be in it."""
    if not patch or not order:
        return
    wanted = iter([_identity(item, key) for item in order])
    for item in patch:
        if isinstance(item, dict) and PATCH in item:
            continue
        if key and (not isinstance(item, dict) or key not in item):
            raise _no_key(item, key)
        if _identity(item, key) not in wanted:  # uses up what comes before the item
            raise ApiError(
                f"The order in patch list:\n{go_text(patch)}\n doesn't match {SET_ORDER} list:\n"
                f"{go_text(order)}\n"
            )


def _check_keys(order: list[Any], merged: list[Any], key: str) -> None:
    """The items of an order for objects must have their merge key."""
    if not key or not merged or not isinstance(merged[0], dict):
        return
    for place, item in enumerate(order):
        if not isinstance(item, dict):
            raise ApiError(f"value for key {place} is not a map")
        if key not in item:
            raise _no_key(item, key)


def _ordered(merged: list[Any], order: list[Any], original: list[Any], key: str) -> list[Any]:
    """Items named in ``order`` in that order; the others keep their places beside them as in ``original``."""
    wanted = _places(order, key)
    identities = [_identity(item, key) for item in merged]
    if identities == list(wanted):
        return merged
    before = _places(original, key)
    identified = list(zip(identities, merged, strict=True))
    named = [pair for pair in identified if pair[0] in wanted]
    named.sort(key=lambda pair: wanted[pair[0]])
    others = [pair for pair in identified if pair[0] not in wanted]
    others.sort(key=lambda pair: before.get(pair[0], len(before)))
    result: list[Any] = []
    at = 0
    for identity, item in named:
        here = before.get(identity, -1)
        while at < len(others) and before.get(others[at][0], len(before)) < here:
            result.append(others[at][1])
            at += 1
        result.append(item)
    return result + [item for _, item in others[at:]]


def _places(items: list[Any], key: str) -> dict[Any, int]:
    """Identity of an item → its first place."""
    places: dict[Any, int] = {}
    for at, item in enumerate(items):
        places.setdefault(_identity(item, key), at)
    return places


def _without_directives(value: Any) -> Any:
    """A value that the object did not have: ``$patch`` has nothing to act on there, nulls mean nothing."""
    if isinstance(value, dict):
        return {
            key: _without_directives(below)
            for key, below in value.items()
            if below is not None and not _is_directed(below)
        }
    if isinstance(value, list):
        return [_without_directives(item) for item in value if not _is_directed(item)]
    return value


def _is_directed(value: Any) -> bool:
    return isinstance(value, dict) and PATCH in value


def _field(schema: Schema | None, name: str) -> Schema | None:
    if schema is None:
        return None
    return schema.properties.get(name) or schema.additional


def _key_of(item: Any, key: str) -> Any:
    return item.get(key) if key and isinstance(item, dict) else item


def _identity(item: Any, key: str) -> Any:
    """What tells an item from others, for dicts and sets."""
    value = item.get(key) if key and item.__class__ is dict else item
    return go_text(value) if value.__class__ in (dict, list) else value


def _hashable(value: Any) -> Any:
    return go_text(value) if isinstance(value, (dict, list)) else value


def _extract(key: str, directive: str) -> str:
    """``$setElementOrder/containers`` → ``containers``."""
    prefix, slash, name = key.partition("/")
    if not slash or prefix != directive:
        what = "primitive list" if directive == DELETE_SCALARS else "setElementOrder list"
        raise BadRequest(f"invalid patch format of {what}")
    return name


def _no_key(item: Any, key: str) -> ApiError:
    return ApiError(f"map: {go_text(item)} does not contain declared merge key: {key}")


def _unknown_directive(directive: Any, item: Json) -> ApiError:
    return ApiError(f"unknown patch type: {go_text(directive)} in map: {go_text(item)}")
