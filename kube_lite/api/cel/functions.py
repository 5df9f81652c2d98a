"""How functions are declared: a name, the types one form of it takes and gives, and what it does.

A form is written as text: ``method("charAt", "string_char_at_int", "string, int -> string", char_at)``.
``A``, ``B``, ``K``, ``V`` and ``T`` are types to be found out. The identifiers are cel-go's, because what a
call costs is decided by them. A form without an implementation is worked out by the planner itself, as its
arguments are not all evaluated, or not before it.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cache, lru_cache, wraps
from typing import Any, NamedTuple, TypeVar

from . import types
from .types import Type

Implementation = Callable[..., Any]
Read = TypeVar("Read")

URL = types.struct("kubernetes.URL")
IP = types.opaque("net.IP")
CIDR = types.opaque("net.CIDR")
QUANTITY = types.struct("kubernetes.Quantity")
SEMVER = types.struct("kubernetes.Semver")
FORMAT = types.struct("kubernetes.NamedFormat")

_PLAIN = {
    "bool": types.BOOL, "bytes": types.BYTES, "double": types.DOUBLE, "duration": types.DURATION,
    "dyn": types.DYN, "int": types.INT, "null": types.NULL, "string": types.STRING, "type": types.TYPE,
    "timestamp": types.TIMESTAMP, "uint": types.UINT, "url": URL, "ip": IP, "cidr": CIDR,
    "quantity": QUANTITY, "semver": SEMVER, "format": FORMAT,
}  # fmt: skip
_WORD = re.compile(r"\s*([A-Za-z0-9_.]+|[(),]|->)")


class Overload(NamedTuple):
    """One form of a function."""

    function: str
    id: str
    arguments: tuple[Type, ...]
    result: Type
    is_method: bool
    implementation: Implementation | None
    parameters: frozenset[Type]
    is_terse: bool  # a call with other types is told without naming them


Functions = Mapping[str, tuple[Overload, ...]]

REMEMBERED, MAX_REMEMBERED = 256, 128  # texts, characters of one


def remembering(read: Callable[[str], Read]) -> Callable[[str], Read]:
    """What short texts were last read as; an expression reads the same ones again and again."""
    known = lru_cache(maxsize=REMEMBERED)(read)

    @wraps(read)
    def recall(text: str) -> Read:
        return known(text) if len(text) <= MAX_REMEMBERED else read(text)

    return recall


def function(
    name: str, id: str, form: str, implementation: Implementation | None = None, *, terse: bool = False
) -> Overload:
    """``name(arguments)``."""
    return _overload(name, id, form, implementation, is_method=False, terse=terse)


def method(
    name: str, id: str, form: str, implementation: Implementation | None = None, *, terse: bool = False
) -> Overload:
    """``first_argument.name(others)``."""
    return _overload(name, id, form, implementation, is_method=True, terse=terse)


def _overload(
    name: str, id: str, form: str, implementation: Implementation | None, *, is_method: bool, terse: bool
) -> Overload:
    left, _, right = form.partition("->")
    arguments = tuple(_parse_types(left))
    (result,) = _parse_types(right)
    parameters = types.parameters_in((*arguments, result))
    return Overload(name, id, arguments, result, is_method, implementation, parameters, terse)


@cache
def _parse_types(text: str) -> list[Type]:
    return list(_read_types(_WORD.findall(text)))


def _read_types(words: list[str]) -> Iterator[Type]:
    """Types separated by commas, up to a closing parenthesis; what was read is taken from ``words``."""
    while words:
        name = words.pop(0)
        if name == ")":
            return
        if name == ",":
            continue
        inner: tuple[Type, ...] = ()
        if words[:1] == ["("]:
            words.pop(0)
            inner = tuple(_read_types(words))
        yield _named(name, inner)


def _named(name: str, inner: tuple[Type, ...]) -> Type:
    if name == "list":
        return types.list_of(*inner)
    if name == "map":
        return types.map_of(*inner)
    if name == "optional":
        return types.optional_of(*inner)
    if name == "typeof":
        return types.type_of(*inner)
    return _PLAIN[name] if name in _PLAIN else types.struct(name) if "." in name else types.parameter(name)


def table(*libraries: Iterable[Overload]) -> dict[str, tuple[Overload, ...]]:
    """Name → forms, in the order in which they were declared."""
    found: dict[str, list[Overload]] = {}
    for library in libraries:
        for overload in library:
            found.setdefault(overload.function, []).append(overload)
    return {name: tuple(overloads) for name, overloads in found.items()}
