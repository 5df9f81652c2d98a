"""Semantic versions.

Source: ``k8s.io/apiserver/pkg/cel/library/semverlib.go``; the refusals are those of ``blang/semver``.
"""

import re
from collections.abc import Callable
from typing import Any, ClassVar, NamedTuple

from kube_lite.api.cel.errors import EvaluationError
from kube_lite.api.cel.functions import SEMVER, Overload, function, method, remembering
from kube_lite.api.cel.types import Type
from kube_lite.api.cel.values import Opaque
from kube_lite.api.gotext import go_quote

_DIGITS = frozenset("0123456789")
_ALPHANUMERIC = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ-0123456789")
MAX_PART = 1 << 64


class Version(NamedTuple):
    """What counts for the order: numbers, and what comes before a release."""

    major: int
    minor: int
    patch: int
    before: tuple[str, ...]

    def order(self) -> tuple[Any, ...]:
        """Sorts as versions do; a release comes behind all that leads to it, numbers before words."""
        parts = tuple((0, int(part), "") if part.isdigit() else (1, 0, part) for part in self.before)
        return self.major, self.minor, self.patch, not self.before, parts


class SemanticVersion(Opaque):
    """A version; what is built from it does not count."""

    __slots__ = ()
    type: ClassVar[Type] = SEMVER
    value: Version


@remembering
def parse_version(text: str) -> Version:
    """``1.2.3-rc.1+build``.

    Raises:
        ValueError: with the reason.
    """
    if not text:
        raise ValueError("Version string empty")
    parts = text.split(".", 2)
    if len(parts) != 3:
        raise ValueError("No Major.Minor.Patch elements found")
    patch, plus, build = parts[2].partition("+")
    patch, dash, before = patch.partition("-")
    major, minor, number = [
        _number(part, word)
        for part, word in zip((*parts[:2], patch), ("major", "minor", "patch"), strict=True)
    ]
    words = tuple(_before(each) for each in before.split(".")) if dash else ()
    for each in build.split(".") if plus else ():
        if not each:
            raise ValueError("Build meta data is empty")
        if not _ALPHANUMERIC.issuperset(each):
            raise ValueError(f"Invalid character(s) found in build meta data {go_quote(each)}")
    return Version(major, minor, number, words)


def _number(part: str, word: str) -> int:
    if not part:
        raise ValueError('strconv.ParseUint: parsing "": invalid syntax')
    if not _DIGITS.issuperset(part):
        raise ValueError(f"Invalid character(s) found in {word} number {go_quote(part)}")
    if len(part) > 1 and part[0] == "0":
        raise ValueError(f"{word.capitalize()} number must not contain leading zeroes {go_quote(part)}")
    if len(part) > 20 or int(part) >= MAX_PART:
        raise ValueError(f"strconv.ParseUint: parsing {go_quote(part)}: value out of range")
    return int(part)


def _before(part: str) -> str:
    if not part:
        raise ValueError("Prerelease is empty")
    if _DIGITS.issuperset(part):
        if len(part) > 1 and part[0] == "0":
            raise ValueError(f"Numeric PreRelease version must not contain leading zeroes {go_quote(part)}")
        if len(part) > 20:
            raise ValueError(f"strconv.ParseUint: parsing {go_quote(part)}: value out of range")
    elif not _ALPHANUMERIC.issuperset(part):
        raise ValueError(f"Invalid character(s) found in prerelease {go_quote(part)}")
    return part


def _normalized(text: str) -> str:
    """``v1.02`` → ``1.2.0``."""
    parts = text.removeprefix("v").split(".", 2)
    for index, part in enumerate(parts):
        if len(part) > 1:
            short = part.lstrip("0")
            parts[index] = short if short and short[0] in _DIGITS else f"0{short}"
    if len(parts) < 3:
        if re.search(r"[+-]", parts[-1]):
            raise ValueError("short version cannot contain PreRelease/Build meta data")
        parts += ["0"] * (3 - len(parts))
    return ".".join(parts)


def _read(text: str, normalize: bool = False) -> SemanticVersion:
    try:
        return SemanticVersion(parse_version(_normalized(text) if normalize else text))
    except ValueError as error:
        raise EvaluationError(str(error)) from error


def _is_version(text: str, normalize: bool = False) -> bool:
    try:
        _read(text, normalize)
    except EvaluationError:
        return False
    return True


def _compare(left: SemanticVersion, right: SemanticVersion) -> int:
    one, other = left.value.order(), right.value.order()
    return (one > other) - (one < other)


_COMPARED: tuple[tuple[str, str, str, Callable[[int], Any]], ...] = (
    ("isGreaterThan", "is_greater_than", "bool", lambda order: order == 1),
    ("isLessThan", "is_less_than", "bool", lambda order: order == -1),
    ("compareTo", "compare_to", "int", lambda order: order),
)


def _comparison(name: str, word: str, result: str, judge: Callable[[int], Any]) -> Overload:
    def compared(left: SemanticVersion, right: SemanticVersion) -> Any:
        return judge(_compare(left, right))

    return method(name, f"semver_{word}", f"semver, semver -> {result}", compared)


OVERLOADS = (
    function("semver", "string_to_semver", "string -> semver", _read),
    function("semver", "string_bool_to_semver", "string, bool -> semver", _read),
    function("isSemver", "is_semver_string", "string -> bool", _is_version),
    function("isSemver", "is_semver_string_bool", "string, bool -> bool", _is_version),
    *(_comparison(*each) for each in _COMPARED),
    method("major", "semver_major", "semver -> int", lambda version: version.value.major),
    method("minor", "semver_minor", "semver -> int", lambda version: version.value.minor),
    method("patch", "semver_patch", "semver -> int", lambda version: version.value.patch),
)
