"""JSON values as Go holds them: 1 is an int64 and 1.0 a float64, and neither equals true.

The rules of OpenAPI validation are told in terms of these types, so everything that compares values of custom
resources goes through here. Source: ``kube-openapi/pkg/validation/validate/{type,values,helpers}.go``,
``go-openapi/swag`` (IsFloat64AJSONInteger).
"""

from math import isinf, trunc
from typing import Any

INT64_MIN, INT64_MAX = -(2**63), 2**63 - 1
INT32_MIN, INT32_MAX = -(2**31), 2**31 - 1
FLOAT32_MAX = (2 - 2**-24) * 2.0**127  # what is less rounds to a float32
SAFE_INTEGER = 2**53 - 1
NEARLY = 1e-9

TYPES: dict[type, str] = {
    dict: "object",
    list: "array",
    str: "string",
    bool: "boolean",
    int: "integer",
    float: "number",
    type(None): "null",
}
"""Python's types → JSON's, as long as whole numbers fit an int64."""


def as_go(value: Any) -> Any:
    """A whole number that no int64 can hold is a float64 in Go."""
    if type(value) is int and not INT64_MIN <= value <= INT64_MAX:
        return float(value) if abs(value) < 2**1023 else float("inf")
    return value


def same(one: Any, other: Any) -> bool:
    """Whether two values are equal, types included (``reflect.DeepEqual``)."""
    kind = type(one)
    if kind is not type(other):
        return False
    if kind is dict:
        if len(one) != len(other):
            return False
        return all(name in other and same(value, other[name]) for name, value in one.items())
    if kind is list:
        return len(one) == len(other) and all(map(same, one, other))
    return bool(one == other)


def is_json_integer(number: float) -> bool:
    """Whether a float is whole enough to pass for an integer."""
    if isinf(number) or abs(number) > SAFE_INTEGER:
        return False
    whole = float(trunc(number))
    if number == whole:
        return True
    if number < 0:  # Go's conversion to an unsigned integer wraps around, far away from the number
        return False
    return abs(number - whole) / (abs(number) + abs(whole)) < NEARLY


def is_convertible_to(value: Any, allowed: Any) -> bool:
    """Whether a value, converted to the type of one that an ``enum`` allows, equals it."""
    if allowed is None or value is None:
        return False
    value, allowed = as_go(value), as_go(allowed)
    have, want = type(value), type(allowed)
    if have is want:
        return same(value, allowed)
    if have is int and want is float:
        return bool(float(value) == allowed)
    if have is float and want is int:
        return bool(to_int64(value) == allowed)
    if have is int and want is str:
        return bool(0 <= value < 0x110000 and not 0xD800 <= value < 0xE000 and chr(value) == allowed)
    return False


def to_int64(number: float) -> int:
    """Go's conversion on amd64: what does not fit becomes the least int64."""
    if isinf(number):
        return INT64_MIN
    whole = trunc(number)
    return whole if INT64_MIN <= whole <= INT64_MAX else INT64_MIN


def fits(value: int | float, kind: str, form: str) -> bool:
    """Whether a number can be held by the Go type of a JSON type and format."""
    if kind == "integer":
        if type(value) is float and not value.is_integer():
            return False
        low, high = (INT32_MIN, INT32_MAX) if form == "int32" else (INT64_MIN, INT64_MAX)
        return low <= value <= high
    if form == "float":
        return abs(value) < FLOAT32_MAX
    return True
