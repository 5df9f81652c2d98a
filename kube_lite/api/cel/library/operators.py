"""Operators: arithmetic that does not overflow silently, comparisons across numbers, membership, sizes.

Source: cel-go ``common/stdlib/standard.go``, ``common/types/overflow.go``.
"""

import math
import operator
from collections.abc import Callable, Iterator
from typing import Any

from kube_lite.api.cel.errors import EvaluationError
from kube_lite.api.cel.functions import Overload, function, method
from kube_lite.api.cel.values import (
    ABSENT,
    MISSING,
    Map,
    Timestamp,
    Unsigned,
    checked_duration,
    checked_int,
    checked_timestamp,
    checked_uint,
    contains,
    text_of,
)

Binary = Callable[[Any, Any], Any]

_COMPARED = (
    ("bool", "bool", "bool"), ("int64", "int", "int"), ("int64_double", "int", "double"),
    ("int64_uint64", "int", "uint"), ("uint64", "uint", "uint"), ("uint64_double", "uint", "double"),
    ("uint64_int64", "uint", "int"), ("double", "double", "double"), ("double_int64", "double", "int"),
    ("double_uint64", "double", "uint"), ("string", "string", "string"), ("bytes", "bytes", "bytes"),
    ("timestamp", "timestamp", "timestamp"), ("duration", "duration", "duration"),
)  # fmt: skip
_SIZED = (("bytes", "bytes"), ("list", "list(A)"), ("map", "map(A, B)"), ("string", "string"))
_COMPARISONS: tuple[tuple[str, str, Binary], ...] = (
    ("_<_", "less", operator.lt),
    ("_<=_", "less_equals", operator.le),
    ("_>_", "greater", operator.gt),
    ("_>=_", "greater_equals", operator.ge),
)


def _ordered(compare: Binary) -> Binary:
    """Doubles; whole numbers beside them lose the digits that a double does not have."""

    def checked(left: float, right: float) -> bool:
        if left != left or right != right:
            raise EvaluationError("NaN values cannot be ordered")
        return bool(compare(float(left), float(right)))

    return checked


def _comparisons() -> Iterator[Overload]:
    for name, word, compare in _COMPARISONS:
        for what, left, right in _COMPARED:
            does = _ordered(compare) if "double" in what else compare
            yield function(name, f"{word}_{what}", f"{left}, {right} -> bool", does, terse=True)


def _divide_int(left: int, right: int) -> int:
    if right == 0:
        raise EvaluationError("division by zero")
    quotient = abs(left) // abs(right)
    return checked_int(quotient if (left < 0) == (right < 0) else -quotient)


def _divide_uint(left: int, right: int) -> Unsigned:
    if right == 0:
        raise EvaluationError("division by zero")
    return Unsigned(int(left) // int(right))


def _divide_double(left: float, right: float) -> float:
    if right == 0:
        if left == 0 or left != left:
            return math.nan
        return math.copysign(math.inf, left) * math.copysign(1, right)
    return left / right


def _modulo_int(left: int, right: int) -> int:
    if right == 0:
        raise EvaluationError("modulus by zero")
    if right == -1 and left == -(1 << 63):
        raise EvaluationError("integer overflow")
    rest = abs(left) % abs(right)
    return -rest if left < 0 else rest


def _modulo_uint(left: int, right: int) -> Unsigned:
    if right == 0:
        raise EvaluationError("modulus by zero")
    return Unsigned(int(left) % int(right))


def _double(compute: Binary) -> Binary:
    def does(left: float, right: float) -> float:
        try:
            return float(compute(left, right))
        except OverflowError:
            return math.copysign(math.inf, left) * math.copysign(1, right)

    return does


def _later(left: Any, right: Any) -> Timestamp:
    offset = left.offset if isinstance(left, Timestamp) else right.offset
    return checked_timestamp(left.nanoseconds + right.nanoseconds, offset)


def add_lists(left: Any, right: Any) -> Any:
    """``list + list``; lists of a schema know what they do with items that are there already."""
    add = getattr(left, "add", None)
    return add(right) if add is not None else [*left, *right]


def _in_map(key: Any, entries: Any) -> bool:
    found = entries.find(key)
    return found is not MISSING and found is not ABSENT


def _insert(entries: Any, key: Any, value: Any) -> Any:
    return _insert_all(entries, [(key, value)])


def _insert_map(entries: Any, more: Any) -> Any:
    return _insert_all(entries, [(key, more.find(key)) for key in more.keys()])  # noqa: SIM118


def _insert_all(entries: Any, pairs: list[tuple[Any, Any]]) -> Any:
    added = Map((key, entries.find(key)) for key in entries.keys())  # noqa: SIM118
    for key, value in pairs:
        if added.find(key) is not MISSING:
            raise EvaluationError(f"insert failed: key {text_of(key)} already exists")
        added.entries |= Map([(key, value)]).entries
    return added


OVERLOADS: tuple[Overload, ...] = (
    function("_?_:_", "conditional", "bool, A, A -> A"),
    function("_&&_", "logical_and", "bool, bool -> bool"),
    function("_||_", "logical_or", "bool, bool -> bool"),
    function("!_", "logical_not", "bool -> bool", operator.not_, terse=True),
    function("@not_strictly_false", "not_strictly_false", "bool -> bool"),
    function("_==_", "equals", "A, A -> bool"),
    function("_!=_", "not_equals", "A, A -> bool"),
    function("_+_", "add_bytes", "bytes, bytes -> bytes", operator.add, terse=True),
    function("_+_", "add_double", "double, double -> double", operator.add, terse=True),
    function(
        "_+_",
        "add_duration_duration",
        "duration, duration -> duration",
        lambda left, right: checked_duration(left.nanoseconds + right.nanoseconds),
        terse=True,
    ),
    function("_+_", "add_duration_timestamp", "duration, timestamp -> timestamp", _later, terse=True),
    function("_+_", "add_timestamp_duration", "timestamp, duration -> timestamp", _later, terse=True),
    function(
        "_+_", "add_int64", "int, int -> int", lambda left, right: checked_int(left + right), terse=True
    ),
    function("_+_", "add_list", "list(A), list(A) -> list(A)", add_lists, terse=True),
    function("_+_", "add_string", "string, string -> string", operator.add, terse=True),
    function(
        "_+_", "add_uint64", "uint, uint -> uint", lambda left, right: checked_uint(left + right), terse=True
    ),
    function("_/_", "divide_double", "double, double -> double", _divide_double, terse=True),
    function("_/_", "divide_int64", "int, int -> int", _divide_int, terse=True),
    function("_/_", "divide_uint64", "uint, uint -> uint", _divide_uint, terse=True),
    function("_%_", "modulo_int64", "int, int -> int", _modulo_int, terse=True),
    function("_%_", "modulo_uint64", "uint, uint -> uint", _modulo_uint, terse=True),
    function("_*_", "multiply_double", "double, double -> double", _double(operator.mul), terse=True),
    function(
        "_*_", "multiply_int64", "int, int -> int", lambda left, right: checked_int(left * right), terse=True
    ),
    function(
        "_*_",
        "multiply_uint64",
        "uint, uint -> uint",
        lambda left, right: checked_uint(left * right),
        terse=True,
    ),
    function("-_", "negate_double", "double -> double", operator.neg, terse=True),
    function("-_", "negate_int64", "int -> int", lambda value: checked_int(-value), terse=True),
    function("_-_", "subtract_double", "double, double -> double", operator.sub, terse=True),
    function(
        "_-_",
        "subtract_duration_duration",
        "duration, duration -> duration",
        lambda left, right: checked_duration(left.nanoseconds - right.nanoseconds),
        terse=True,
    ),
    function(
        "_-_", "subtract_int64", "int, int -> int", lambda left, right: checked_int(left - right), terse=True
    ),
    function(
        "_-_",
        "subtract_timestamp_duration",
        "timestamp, duration -> timestamp",
        lambda left, right: checked_timestamp(left.nanoseconds - right.nanoseconds, left.offset),
        terse=True,
    ),
    function(
        "_-_",
        "subtract_timestamp_timestamp",
        "timestamp, timestamp -> duration",
        lambda left, right: checked_duration(left.nanoseconds - right.nanoseconds),
        terse=True,
    ),
    function(
        "_-_",
        "subtract_uint64",
        "uint, uint -> uint",
        lambda left, right: checked_uint(int(left) - int(right)),
        terse=True,
    ),
    *_comparisons(),
    function("_[_]", "index_list", "list(A), int -> A"),
    function("_[_]", "index_map", "map(A, B), A -> B"),
    function("_[_]", "optional_list_index_int", "optional(list(V)), int -> optional(V)"),
    function("_[_]", "optional_map_index_value", "optional(map(K, V)), K -> optional(V)"),
    function("@in", "in_list", "A, list(A) -> bool", lambda value, items: contains(items, value), terse=True),
    function("@in", "in_map", "A, map(A, B) -> bool", _in_map, terse=True),
    *(function("size", f"size_{name}", f"{form} -> int", len, terse=True) for name, form in _SIZED),
    *(method("size", f"{name}_size", f"{form} -> int", len, terse=True) for name, form in _SIZED),
    function("cel.@mapInsert", "@mapInsert_map_key_value", "map(K, V), K, V -> map(K, V)", _insert),
    function("cel.@mapInsert", "@mapInsert_map_map", "map(K, V), map(K, V) -> map(K, V)", _insert_map),
)
