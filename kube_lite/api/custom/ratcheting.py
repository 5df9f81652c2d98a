"""Old values beside new ones: what did not change need not be valid.

Rules may become stricter while objects exist. Therefore an update is not refused for a value that was there
before, where old and new values can be told to belong together: fields by their names, items of a list of
type ``map`` by their keys, other items not at all.

Source: ``apiserver/pkg/cel/common/{equality,maplist}.go``,
``apiextensions-apiserver/pkg/apiserver/validation/ratcheting.go``.
"""

from typing import Any, Final

from kube_lite.api.schema.load import Schema

from .values import as_go, same


class _Absent:
    """There is no old value, or none that belongs to the new one."""

    __slots__ = ()


ABSENT: Final = _Absent()


def unchanged(value: Any, old: Any, schema: Schema) -> bool:
    """Whether a value is what it was; items of keyed lists may have changed places."""
    if old is ABSENT:
        return False
    if type(value) is dict and type(old) is dict:
        return len(value) == len(old) and all(
            name in old and _field_unchanged(item, old[name], name, schema) for name, item in value.items()
        )
    if type(value) is list and type(old) is list:
        return len(value) == len(old) and _items_unchanged(value, old, schema)
    return same(as_go(value), as_go(old))


def _field_unchanged(value: Any, old: Any, name: str, schema: Schema) -> bool:
    below = schema.properties.get(name, schema.additional)
    if below is None or (below is schema.additional and schema.keywords.get("additionalProperties") is True):
        return False  # of a value without a schema it is not known what it was
    return unchanged(value, old, below)


def _items_unchanged(value: list[Any], old: list[Any], schema: Schema) -> bool:
    if schema.list_type != "map" or schema.items is None:
        return same(value, old)
    for item in value:
        before = correlated_item(item, old, schema)
        if before is ABSENT or not unchanged(item, before, schema.items):
            return False
    return True


def correlated_item(item: Any, old: Any, schema: Schema) -> Any:
    """The old item with the same keys; ``ABSENT`` for none, or where items have no keys."""
    if type(old) is not list or schema.list_type != "map" or type(item) is not dict:
        return ABSENT
    keys = schema.list_map_keys
    wanted = _identity(item, keys)
    if wanted is not None:
        for before in old:
            if type(before) is dict and _identity(before, keys) == wanted:
                return before
    return ABSENT


def _identity(item: dict[str, Any], keys: tuple[str, ...]) -> list[tuple[type, Any]] | None:
    found = []
    for key in keys:
        value = as_go(item.get(key))
        if type(value) not in (str, int, bool, float):
            return None
        found.append((type(value), value))
    return found or None
