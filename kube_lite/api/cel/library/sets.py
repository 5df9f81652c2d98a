"""Lists as sets.

Source: cel-go ``ext/sets.go``.
"""

from typing import Any

from kube_lite.api.cel.functions import function
from kube_lite.api.cel.values import contains


def _contains(items: Any, others: Any) -> bool:
    return all(contains(items, other) for other in others)


def _equivalent(items: Any, others: Any) -> bool:
    return _contains(items, others) and _contains(others, items)


def _intersects(items: Any, others: Any) -> bool:
    return any(contains(others, item) for item in items)


OVERLOADS = (
    function("sets.contains", "list_sets_contains_list", "list(T), list(T) -> bool", _contains),
    function("sets.equivalent", "list_sets_equivalent_list", "list(T), list(T) -> bool", _equivalent),
    function("sets.intersects", "list_sets_intersects_list", "list(T), list(T) -> bool", _intersects),
)
