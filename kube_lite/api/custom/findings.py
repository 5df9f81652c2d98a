"""What the reference's validator finds about one value, in its words.

Each function makes a ``Finding``, which names its place by the path within the validated value; ``causes``
says where that value is in the object. Source: ``kube-openapi/pkg/validation/errors/schema.go`` and their
translation in ``apiextensions-apiserver/pkg/apiserver/validation/validation.go``.
"""

from collections.abc import Iterable
from typing import Any, NamedTuple

from kube_lite.api.errors import Cause
from kube_lite.api.fielderrors import not_supported, show, too_many
from kube_lite.api.fieldpath import child
from kube_lite.api.gotext import go_quote, go_text

NOWHERE = "<nil>"


class Finding(NamedTuple):
    """One thing that is wrong.

    ``text`` tells findings apart, and is what a client reads of most of them; ``path`` is None where the
    reference does not say where.
    """

    text: str
    reason: str
    message: str
    path: str | None


class Findings:
    """Everything that is wrong with a value; each text once.

    ``passed`` counts checks as the reference does: of alternatives that all fail, the one of which most has
    passed is told.
    """

    __slots__ = ("found", "passed")

    def __init__(self) -> None:
        self.found: dict[str, Finding] = {}
        self.passed = 0

    def add(self, finding: Finding) -> None:
        """One more."""
        self.found.setdefault(finding.text, finding)

    def merge(self, other: "Findings") -> None:
        """Those of a part as well."""
        for text, finding in other.found.items():
            self.found.setdefault(text, finding)
        self.passed += other.passed

    def causes(self, prefix: str) -> list[Cause]:
        """As clients are told of them; ``prefix`` is the path of the validated value, empty for the root."""
        return [
            Cause(finding.reason, finding.message, _field(prefix, finding.path))
            for finding in self.found.values()
        ]


def _field(prefix: str, path: str | None) -> str:
    if not path or path == ".":
        return prefix or NOWHERE
    return child(prefix, path.removeprefix("."))


def _invalid(path: str, value: Any, text: str) -> Finding:
    return Finding(text, "FieldValueInvalid", f"Invalid value: {show(value)}: {text}", path)


def composite(text: str) -> Finding:
    """Something about the value as a whole, whose place is only in the text."""
    return Finding(text, "FieldValueInvalid", f'Invalid value: "": {text}', None)


def wrong_type(path: str, wanted: str, found: str) -> Finding:
    """``found`` is a JSON type, or the text that does not have the format ``wanted``."""
    text = f"{path} in body must be of type {wanted}: {go_quote(found)}"
    return Finding(text, "FieldValueTypeInvalid", f"Invalid value: {go_quote(found)}: {text}", path)


def missing(path: str) -> Finding:
    """A required field is not there."""
    return Finding(f"{path} in body is required", "FieldValueRequired", "Required value", path)


def not_allowed(path: str, value: Any, allowed: Iterable[Any]) -> Finding:
    """None of the values of an ``enum``."""
    words = [word if isinstance(word, str) else show(word) for word in allowed]
    cause = not_supported(path, value, words)
    text = f"{path} in body should be one of {go_text(list(allowed))}"
    return Finding(text, cause.reason, cause.message, path)


def too_long(path: str, limit: int) -> Finding:
    """More letters than allowed; the message speaks of bytes nevertheless."""
    text = f"{path} in body should be at most {limit} chars long"
    return Finding(text, "FieldValueTooLong", f"Too long: may not be more than {limit} bytes", path)


def too_short(path: str, value: str, limit: int) -> Finding:
    """Fewer letters than required."""
    return _invalid(path, value, f"{path} in body should be at least {limit} chars long")


def no_match(path: str, value: str, pattern: str) -> Finding:
    """The text does not match."""
    return _invalid(path, value, f"{path} in body should match '{pattern}'")


def many(path: str, size: int, limit: int, what: str) -> Finding:
    """More items or properties than allowed."""
    text = f"{path} in body should have at most {limit} {what}"
    return Finding(text, "FieldValueTooMany", too_many(path, size, limit).message, path)


def few(path: str, size: int, limit: int, what: str) -> Finding:
    """Fewer items or properties than required."""
    return _invalid(path, size, f"{path} in body should have at least {limit} {what}")


def repeated(path: str) -> Finding:
    """An item occurs twice."""
    return _invalid(path, "", f"{path} in body shouldn't contain duplicates")


def forbidden_property(path: str, name: str) -> Finding:
    """A field that is not among the known ones, where no others are allowed."""
    return _invalid(path, name, f"{path}.{name} in body is a forbidden property")


def beyond(path: str, value: Any, words: str, limit: Any) -> Finding:
    """``words`` are such as ``less than or equal to``."""
    return _invalid(path, value, f"{path} in body should be {words} {go_text(limit)}")


def bad_factor(path: str, factor: Any) -> Finding:
    """The definition asks for a multiple of nothing."""
    return _invalid(
        path, factor, f"factor MultipleOf declared for {path} must be positive: {go_text(factor)}"
    )


def no_multiple(path: str, value: Any, factor: Any) -> Finding:
    """Not a multiple."""
    return _invalid(path, value, f"{path} in body should be a multiple of {go_text(factor)}")


def out_of_range(path: str, what: str, kind: str, form: str) -> Finding:
    """A number, of the value or of the schema, that its type cannot hold."""
    told = f"with format {form}" if form else "(default format)"
    return composite(f"{what} value must be of type {kind} {told} in {path}")
