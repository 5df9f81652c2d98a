"""Values of schemas that have no parts: JSON → what expressions work on.

A value that is not as its schema says gives an error, in upstream's words.
Source: ``k8s.io/apiserver/pkg/cel/common/valuesunstructured.go``.
"""

import base64
import binascii
from datetime import date
from typing import Any

from kube_lite.api.identity import Json

from .errors import EvaluationError
from .library.times import parse_long_duration, parse_timestamp
from .values import Duration, Timestamp

NULL = "invalid data, got null for schema with nullable=false"
_GO_NAMES = {bool: "bool", int: "int64", float: "float64", str: "string", dict: "map[string]interface {}"}


def wrong(value: Any, why: str) -> EvaluationError:
    """A value that is not as its schema says; null has an error of its own."""
    return EvaluationError(NULL if value is None else f"invalid data, {why}")


def _wrong(expected: str, value: Any) -> EvaluationError:
    return wrong(value, f"expected {expected}, got {_GO_NAMES.get(type(value), '[]interface {}')}")


def as_object(value: Any) -> Json:
    """An object or a map."""
    if isinstance(value, dict):
        return value
    raise wrong(value, "expected a map for the provided schema with type=object")


def as_text(value: Any) -> Any:
    """A text."""
    if type(value) is str:
        return value
    raise _wrong("string", value)


def as_integer(value: Any) -> Any:
    """A whole number."""
    if type(value) is int:
        return value
    raise _wrong("int", value)


def as_number(value: Any) -> float:
    """Any number, as a double."""
    if type(value) in (int, float):
        return float(value)
    raise _wrong("float", value)


def as_boolean(value: Any) -> Any:
    """True or false."""
    if type(value) is bool:
        return value
    raise _wrong("bool", value)


def as_int_or_string(value: Any) -> Any:
    """A whole number or a text."""
    if type(value) in (int, str):
        return value
    raise wrong(value, "expected XIntOrString value to be either a string or integer")


def as_duration(value: Any) -> Duration:
    """Format ``duration``."""
    try:
        return Duration(parse_long_duration(as_text(value)))
    except ValueError as error:
        raise EvaluationError(f"Invalid duration {value}: unable to parse {value} as duration") from error


def as_date(value: Any) -> Timestamp:
    """Format ``date``."""
    try:
        day = date.fromisoformat(as_text(value))
    except ValueError as error:
        raise EvaluationError(f"Invalid date formatted string {value}: {error}") from error
    return Timestamp((day.toordinal() - date(1970, 1, 1).toordinal()) * 86400 * 10**9)


def as_moment(value: Any) -> Timestamp:
    """Format ``date-time``."""
    try:
        return Timestamp(*parse_timestamp(as_text(value).upper()))
    except ValueError as error:
        raise EvaluationError(f"Invalid date-time formatted string {value}: {error}") from error


def as_bytes(value: Any) -> bytes:
    """Format ``byte``: base64."""
    try:
        return base64.b64decode(as_text(value), validate=True)
    except (binascii.Error, ValueError) as error:
        raise EvaluationError(f"Invalid byte formatted string {value}: {error}") from error
