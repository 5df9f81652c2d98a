"""Lists.

Source: ``k8s.io/apiserver/pkg/cel/library/lists.go``; cel-go ``ext/lists.go`` (version 3).
"""

from collections.abc import Callable, Iterator
from typing import Any

from kube_lite.api.cel.errors import CostExceeded, EvaluationError, NoOverload
from kube_lite.api.cel.functions import Overload, function, method
from kube_lite.api.cel.values import (
    LISTS,
    Duration,
    Timestamp,
    Unsigned,
    checked_duration,
    checked_int,
    checked_uint,
    equal,
    type_name,
)

MAX_RANGE = 2_000_000
"""More than the limit of costs allows; such a list is not even begun."""

_COMPARABLE = ("int", "uint", "double", "bool", "duration", "timestamp", "string", "bytes")
_ORDERED = (bool, int, float, str, bytes, Duration, Timestamp)


def _is_sorted(items: Any) -> bool:
    before: list[Any] = []
    for item in items:
        if not isinstance(item, _ORDERED):
            raise NoOverload
        if before and item < before[0]:
            return False
        before = [item]
    return True


def _extreme(which: Callable[[Any], Any], word: str) -> Callable[[Any], Any]:
    def extreme(items: Any) -> Any:
        if not len(items):
            raise EvaluationError(f"{word} called on empty list")
        found = list(items)
        if not all(isinstance(item, _ORDERED) for item in found):
            raise NoOverload
        return which(found)

    return extreme


def _sum_int(items: Any) -> int:
    total = 0
    for item in items:
        total = checked_int(total + item)
    return total


def _sum_uint(items: Any) -> Unsigned:
    total = Unsigned(0)
    for item in items:
        total = checked_uint(total + item)
    return total


def _sum_duration(items: Any) -> Duration:
    total = Duration(0)
    for item in items:
        total = checked_duration(total.nanoseconds + item.nanoseconds)
    return total


def _index_of(items: Any, value: Any) -> int:
    return next((index for index, item in enumerate(items) if equal(item, value)), -1)


def _last_index_of(items: Any, value: Any) -> int:
    return next((index for index in range(len(items) - 1, -1, -1) if equal(items[index], value)), -1)


def _slice(items: Any, start: int, end: int) -> list[Any]:
    why = ""
    if start < 0 or end < 0:
        why = "negative indexes not supported"
    elif start > end:
        why = "start index must be less than or equal to end index"
    elif len(items) < end:
        why = f"list is length {len(items)}"
    if why:
        raise EvaluationError(f"cannot slice({start}, {end}), {why}")
    return list(items)[start:end]


def _flatten(items: Any, depth: int = 1) -> list[Any]:
    if depth < 0:
        raise EvaluationError("level must be non-negative")
    found: list[Any] = []
    for item in items:
        if depth and isinstance(item, LISTS):
            found.extend(_flatten(item, depth - 1))
        else:
            found.append(item)
    return found


def _sort(items: Any) -> list[Any]:
    return _sort_by(items, items)


def _sort_by(items: Any, keys: Any) -> list[Any]:
    if len(items) != len(keys):
        raise EvaluationError(
            "@sortByAssociatedKeys() expected a list of the same size as the associated keys list, "
            f"but got {len(items)} and {len(keys)} elements respectively"
        )
    found = list(keys)
    if found and not isinstance(found[0], _ORDERED):
        raise EvaluationError("list elements must be comparable")
    if any(type_name(key) != type_name(found[0]) for key in found):
        raise EvaluationError("list elements must have the same type")
    return [items[index] for index in sorted(range(len(found)), key=found.__getitem__)]


def _range(count: int) -> list[int]:
    if count > MAX_RANGE:
        raise CostExceeded
    return list(range(count))


def _distinct(items: Any) -> list[Any]:
    found: list[Any] = []
    for item in items:
        if not any(equal(item, other) for other in found):
            found.append(item)
    return found


_SUMS: tuple[tuple[str, Callable[[Any], Any]], ...] = (
    ("int", _sum_int),
    ("uint", _sum_uint),
    ("double", lambda items: float(sum(items))),
    ("duration", _sum_duration),
)


def _comparable() -> Iterator[Overload]:
    for name in _COMPARABLE:
        form = f"list({name}) -> {name}"
        yield method("isSorted", f"list_{name}_is_sorted_bool", f"list({name}) -> bool", _is_sorted)
        yield method("max", f"list_{name}_max_{name}", form, _extreme(max, "max"))
        yield method("min", f"list_{name}_min_{name}", form, _extreme(min, "min"))
        yield method("sort", f"list_{name}_sort", f"list({name}) -> list({name})", _sort, terse=True)
        yield method(
            "@sortByAssociatedKeys",
            f"list_{name}_sortByAssociatedKeys",
            f"list(T), list({name}) -> list(T)",
            _sort_by,
        )


OVERLOADS = (
    *_comparable(),
    *(method("sum", f"list_{name}_sum_{name}", f"list({name}) -> {name}", does) for name, does in _SUMS),
    method("indexOf", "list_a_index_of_int", "list(A), A -> int", _index_of),
    method("lastIndexOf", "list_a_last_index_of_int", "list(A), A -> int", _last_index_of),
    method("slice", "list_slice", "list(T), int, int -> list(T)", _slice),
    method("flatten", "list_flatten", "list(list(T)) -> list(T)", _flatten),
    method("flatten", "list_flatten_int", "list(dyn), int -> list(dyn)", _flatten),
    function("lists.range", "lists_range", "int -> list(int)", _range),
    method("reverse", "list_reverse", "list(T) -> list(T)", lambda items: list(items)[::-1]),
    method("distinct", "list_distinct", "list(T) -> list(T)", _distinct),
)
