"""Causes in the words of Go's ``field.Error``: what is wrong with a value, and where.

Each function makes one ``Cause``. Values are printed as there: texts quoted, numbers and booleans bare,
objects and lists as JSON with sorted keys; ``Shown`` is printed as it stands, for structs with an order of
their own. Source: ``apimachinery/pkg/util/validation/field/errors.go``.
"""

from collections.abc import Iterable, Iterator
from typing import Any

from .errors import Cause
from .gotext import go_float, go_json, go_quote

IMMUTABLE = "field is immutable"
NOT_NEGATIVE = "must be greater than or equal to 0"
_HTML = str.maketrans({letter: f"\\u{ord(letter):04x}" for letter in "<>&\u2028\u2029"})
"""Letters that Go's JSON escapes, as they could mean something in a page."""


class Shown(str):
    """A value that is printed as it stands."""


def show(value: Any) -> str:
    """A value as an error text prints it."""
    if isinstance(value, Shown):
        return str(value)
    if isinstance(value, str):
        return go_quote(value)
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, float):
        return go_float(value)
    return go_json(value).translate(_HTML)


def required(path: str, why: str = "") -> Cause:
    """Something must be there."""
    return Cause("FieldValueRequired", f"Required value: {why}" if why else "Required value", path)


def invalid(path: str, value: Any, why: str) -> Cause:
    """The value breaks a rule."""
    message = f"Invalid value: {show(value)}"
    return Cause("FieldValueInvalid", f"{message}: {why}" if why else message, path)


def invalid_state(path: str, why: str) -> Cause:
    """The value, which is not shown, does not go together with others."""
    return Cause("FieldValueInvalid", f"Invalid value: {why}", path)


def not_supported(path: str, value: Any, supported: Iterable[str]) -> Cause:
    """The value is none of the known ones, which are listed in the order given."""
    known = ", ".join(map(go_quote, supported))
    message = f"Unsupported value: {show(value)}"
    return Cause(
        "FieldValueNotSupported", f"{message}: supported values: {known}" if known else message, path
    )


def forbidden(path: str, why: str) -> Cause:
    """The field may not be there, or not be changed."""
    return Cause("FieldValueForbidden", f"Forbidden: {why}", path)


def duplicate(path: str, value: Any) -> Cause:
    """The value is there already."""
    return Cause("FieldValueDuplicate", f"Duplicate value: {show(value)}", path)


def not_found(path: str, value: Any) -> Cause:
    """The value names something that is not there."""
    return Cause("FieldValueNotFound", f"Not found: {show(value)}", path)


def too_long(path: str, limit_bytes: int) -> Cause:
    """More bytes than allowed."""
    return Cause("FieldValueTooLong", f"Too long: may not be more than {limit_bytes} bytes", path)


def too_many(path: str, count: int, limit: int) -> Cause:
    """More items than allowed."""
    items = "item" if limit == 1 else "items"
    return Cause("FieldValueTooMany", f"Too many: {count}: must have at most {limit} {items}", path)


def immutable(path: str, new: Any, old: Any) -> Iterator[Cause]:
    """The field may not change; the new value is shown."""
    if new != old:
        yield invalid(path, new, IMMUTABLE)


def not_negative(path: str, value: int | None) -> Iterator[Cause]:
    """A number of things."""
    if value is not None and value < 0:
        yield invalid(path, value, NOT_NEGATIVE)


def one_of(path: str, value: Any, supported: Iterable[str]) -> Iterator[Cause]:
    """The value must be among the known ones."""
    known = tuple(supported)
    if value not in known:
        yield not_supported(path, value, known)


def each(path: str, value: Any, texts: Iterable[str]) -> Iterator[Cause]:
    """One cause per text that a check of a name has found."""
    for text in texts:
        yield invalid(path, value, text)
