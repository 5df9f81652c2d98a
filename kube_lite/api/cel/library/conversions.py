"""From one type to another: ``int('1')``, ``string(1.5)``, ``type(x)`` and their kind.

Source: cel-go ``common/types`` (ConvertToType of each type).
"""

import math
import re
from collections.abc import Callable, Iterator
from typing import Any

from kube_lite.api.cel import types, values
from kube_lite.api.cel.errors import EvaluationError
from kube_lite.api.cel.functions import Overload, function
from kube_lite.api.cel.types import Type
from kube_lite.api.cel.values import Duration, Timestamp, Unsigned

from . import times

MIN_EXPONENT, MAX_EXPONENT = -4, 6  # outside of these %g writes an exponent
_TRUE = frozenset({"1", "t", "T", "TRUE", "true", "True"})
_FALSE = frozenset({"0", "f", "F", "FALSE", "false", "False"})
_INTEGER = re.compile(r"[+-]?[0-9]{1,30}", re.ASCII)
_UNSIGNED = re.compile(r"[0-9]{1,30}", re.ASCII)
_DECIMAL = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?", re.ASCII)
_SPECIAL = re.compile(r"[+-]?(?:inf|infinity|nan)", re.ASCII | re.IGNORECASE)

TYPE_VALUES = {
    type.name: type
    for type in (
        *types.PLAIN,
        Type("list", "list"),
        Type("map", "map"),
        Type("opaque", "optional_type"),
    )
}
"""Name → what ``type(x)`` gives; lists are lists whatever they hold."""


def type_value(value: Any) -> Type:
    """``type(value)``."""
    name = values.type_name(value)
    return TYPE_VALUES.get(name) or types.struct(name)


def fails(source: str, target: str) -> EvaluationError:
    """A value that cannot be converted."""
    return EvaluationError(f"type conversion error from '{source}' to '{target}'")


def _from_string(target: str, convert: Callable[[str], Any]) -> Callable[[str], Any]:
    def converted(text: str) -> Any:
        try:
            return convert(text)
        except ValueError as error:
            raise fails("string", target) from error

    return converted


def _bool(text: str) -> bool:
    if text in _TRUE or text in _FALSE:
        return text in _TRUE
    raise ValueError(text)


def _int(text: str) -> int:
    if _INTEGER.fullmatch(text) and values.MIN_INT <= int(text) <= values.MAX_INT:
        return int(text)
    raise ValueError(text)


def _uint(text: str) -> Unsigned:
    if _UNSIGNED.fullmatch(text) and int(text) <= values.MAX_UINT:
        return Unsigned(int(text))
    raise ValueError(text)


def _double(text: str) -> float:
    if _DECIMAL.fullmatch(text):
        value = float(text)
        if math.isfinite(value):
            return value
    elif _SPECIAL.fullmatch(text):
        return float(text)
    raise ValueError(text)


def _double_to_int(value: float) -> int:
    if not values.MIN_INT < value < values.MAX_INT:
        raise EvaluationError("integer overflow")
    return int(value)


def _double_to_uint(value: float) -> Unsigned:
    if not 0 <= value < values.MAX_UINT:
        raise EvaluationError("unsigned integer overflow")
    return Unsigned(int(value))


def _bytes_to_string(value: bytes) -> str:
    try:
        return value.decode()
    except UnicodeDecodeError as error:
        raise EvaluationError("invalid UTF-8 in bytes, cannot convert to string") from error


def double_text(value: float) -> str:
    """A double as Go's ``%g`` prints it: ``1``, ``0.5``, ``1e+06``, ``+Inf``."""
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "+Inf" if value > 0 else "-Inf"
    if value == 0:
        return "-0" if math.copysign(1, value) < 0 else "0"
    sign, digits, exponent = _shortest(value)
    if not MIN_EXPONENT <= exponent < MAX_EXPONENT:
        mantissa = digits[0] + (f".{digits[1:]}" if len(digits) > 1 else "")
        return f"{sign}{mantissa}e{'-' if exponent < 0 else '+'}{abs(exponent):02d}"
    if exponent < 0:
        return f"{sign}0.{'0' * (-exponent - 1)}{digits}"
    digits = digits.ljust(exponent + 1, "0")
    fraction = digits[exponent + 1 :]
    return f"{sign}{digits[: exponent + 1]}{'.' + fraction if fraction else ''}"


def _shortest(value: float) -> tuple[str, str, int]:
    """Sign, significant digits and decimal exponent."""
    mantissa, _, exponent = f"{value!r}e0".partition("e")
    sign = "-" if mantissa.startswith("-") else ""
    whole, _, fraction = mantissa.lstrip("-").partition(".")
    shift = int(exponent.removesuffix("e0") or 0) + len(whole) - 1
    digits = whole + fraction
    leading = len(digits) - len(digits.lstrip("0"))
    return sign, digits.strip("0") or "0", shift - leading


def to_string(value: Any) -> str:
    """``string(value)`` of any type that has it."""
    if isinstance(value, str):
        return value
    if value is True or value is False:
        return "true" if value else "false"
    if isinstance(value, bytes):
        return _bytes_to_string(value)
    if isinstance(value, float):
        return double_text(value)
    if isinstance(value, Duration):
        return times.format_duration(value.nanoseconds)
    if isinstance(value, Timestamp):
        return times.format_timestamp(value)
    if isinstance(value, Type):
        return value.name
    return str(int(value))


def _same(value: Any) -> Any:
    return value


_FORMS: tuple[tuple[str, str, str, Callable[[Any], Any]], ...] = (
    ("bool", "bool", "bool", _same),
    ("bool", "string", "string", _from_string("bool", _bool)),
    ("bytes", "bytes", "bytes", _same),
    ("bytes", "string", "string", str.encode),
    ("double", "double", "double", _same),
    ("double", "int64", "int", float),
    ("double", "string", "string", _from_string("double", _double)),
    ("double", "uint64", "uint", float),
    ("duration", "duration", "duration", _same),
    ("duration", "string", "string",
     _from_string("google.protobuf.Duration", lambda text: Duration(times.parse_duration(text)))),
    ("int", "int64", "int", _same),
    ("int", "double", "double", _double_to_int),
    ("int", "duration", "duration", lambda value: value.nanoseconds),
    ("int", "string", "string", _from_string("int", _int)),
    ("int", "timestamp", "timestamp", lambda value: value.nanoseconds // times.SECOND),
    ("int", "uint64", "uint", lambda value: values.checked_int(int(value))),
    ("string", "string", "string", _same),
    ("string", "bool", "bool", to_string),
    ("string", "bytes", "bytes", _bytes_to_string),
    ("string", "double", "double", double_text),
    ("string", "duration", "duration", to_string),
    ("string", "int64", "int", str),
    ("string", "timestamp", "timestamp", to_string),
    ("string", "uint64", "uint", to_string),
    ("timestamp", "timestamp", "timestamp", _same),
    ("timestamp", "int64", "int", lambda seconds: values.checked_timestamp(seconds * times.SECOND)),
    ("timestamp", "string", "string", _from_string("google.protobuf.Timestamp", times.timestamp_from)),
    ("uint", "uint64", "uint", _same),
    ("uint", "double", "double", _double_to_uint),
    ("uint", "int64", "int", lambda value: values.checked_uint(value)),
    ("uint", "string", "string", _from_string("uint", _uint)),
)  # fmt: skip
_LONG = {"int": "int64", "uint": "uint64"}


def _conversions() -> Iterator[Overload]:
    for target, source, form, does in _FORMS:
        yield function(target, f"{source}_to_{_LONG.get(target, target)}", f"{form} -> {target}", does)


OVERLOADS = (
    *_conversions(),
    function("type", "type", "A -> typeof(A)", type_value),
    function("dyn", "to_dyn", "A -> dyn", _same),
)
