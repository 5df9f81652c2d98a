"""The happy path of validation: closures that say yes as soon as they can.

A closure knows the usual type of its node and the limits that go with it. Whatever is not plainly valid, such
as 1.0 for an integer or a null, is left to ``Checker.explain``, so nothing here has a rule of its own: a
closure may only ever say yes where ``explain`` would find nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from kube_lite.api.regex import BadPattern, tester

from .formats import check_of
from .values import INT32_MAX, INT32_MIN, INT64_MAX, INT64_MIN

if TYPE_CHECKING:
    from .checker import Checker

Accept = Callable[[Any], bool]
INFINITE = float("inf")


def accepting(checker: Checker) -> Accept:
    """The closure for a node."""
    alone = _BY_TYPE.get("/".join(checker.types), _slow)(checker)
    parts = _parts(checker)
    if parts is None:
        return alone

    def accept(value: Any) -> bool:
        return alone(value) and parts(value)

    return accept


def _slow(checker: Checker) -> Accept:
    """Whether a value is valid but for the alternatives … and for them; asked of unusual values only."""
    explain = checker.explain
    return lambda value: not explain(value, "").found


def _any_value(checker: Checker) -> Accept:
    if checker.schema.enum or checker.format or checker.keywords.keys() & _LIMITS:
        return _slow(checker)
    if checker.schema.properties or checker.schema.required or checker.others is not None:
        structure, slow = _object(checker), _slow(checker)
        return lambda value: structure(value) if type(value) is dict else slow(value)
    if checker.schema.items is not None:
        structure, slow = _array(checker), _slow(checker)
        return lambda value: structure(value) if type(value) is list else slow(value)
    if checker.keywords.get("additionalProperties") is False:
        return _slow(checker)
    return lambda value: True


def _text(checker: Checker) -> Accept:
    keywords, slow = checker.keywords, _slow(checker)
    least, most, pattern = keywords.get("minLength", 0), keywords.get("maxLength"), keywords.get("pattern")
    test: Accept | None = None
    if pattern:
        try:
            test = tester(pattern)
        except BadPattern:
            return slow
    form = check_of(checker.format) if checker.format else None
    allowed = frozenset(word for word in checker.schema.enum if isinstance(word, str))
    if checker.schema.enum:
        if test or form or least or most is not None:
            return slow
        return lambda value: (type(value) is str and value in allowed) or slow(value)
    if not least and most is None and test is None and form is None:
        return lambda value: type(value) is str or slow(value)
    top = INFINITE if most is None else most
    if test is None and form is None:
        return lambda value: (type(value) is str and least <= len(value) <= top) or slow(value)

    def accept(value: Any) -> bool:
        if type(value) is not str or not least <= len(value) <= top:
            return slow(value)
        return (test is None or test(value)) and (form is None or form(value))

    return accept


def _integer(checker: Checker) -> Accept:
    keywords, slow = checker.keywords, _slow(checker)
    low, high = (INT32_MIN, INT32_MAX) if checker.format == "int32" else (INT64_MIN, INT64_MAX)
    if keywords.get("multipleOf") is not None or checker.schema.enum:
        return slow
    least, most = keywords.get("minimum"), keywords.get("maximum")
    for bound in (least, most):
        if bound is not None and (bound != int(bound) or not low <= bound <= high):
            return slow
    if least is not None:
        low = int(least) + bool(keywords.get("exclusiveMinimum"))
    if most is not None:
        high = int(most) - bool(keywords.get("exclusiveMaximum"))
    return lambda value: (type(value) is int and low <= value <= high) or slow(value)


def _number(checker: Checker) -> Accept:
    slow = _slow(checker)
    limits = ("multipleOf", "minimum", "maximum")
    if checker.schema.enum or checker.format == "float" or any(word in checker.keywords for word in limits):
        return slow
    return lambda value: type(value) is float or type(value) is int or slow(value)


def _boolean(checker: Checker) -> Accept:
    slow = _slow(checker)
    if checker.schema.enum or checker.format:
        return slow
    return lambda value: value is True or value is False or slow(value)


def _int_or_text(checker: Checker) -> Accept:
    slow = _slow(checker)
    if checker.schema.enum or checker.format or checker.keywords.keys() & _LIMITS:
        return slow
    return lambda value: (
        type(value) is str or (type(value) is int and INT64_MIN <= value <= INT64_MAX) or slow(value)
    )


def _array(checker: Checker) -> Accept:
    keywords, slow, items = checker.keywords, _slow(checker), checker.schema.items
    if checker.schema.enum or keywords.get("uniqueItems"):
        return slow
    least, most = keywords.get("minItems", 0), keywords.get("maxItems")
    top = INFINITE if most is None else most
    below: Accept | None = None

    def accept(value: Any) -> bool:
        nonlocal below
        if type(value) is not list or not least <= len(value) <= top:
            return slow(value)
        if items is not None and value:
            if below is None:
                below = checker.below(items).accepts
            return all(map(below, value))
        return True

    return accept


def _object(checker: Checker) -> Accept:
    keywords, schema = checker.keywords, checker.schema
    if schema.enum or keywords.get("additionalProperties") is False:
        return _slow(checker)
    if "minProperties" in keywords or "maxProperties" in keywords or checker.format:
        return _slow(checker)
    return _struct(checker) if schema.properties else _map(checker)


def _map(checker: Checker) -> Accept:
    slow, others, required = _slow(checker), checker.others, checker.schema.required
    below: Accept | None = None

    def accept(value: Any) -> bool:
        nonlocal below
        if type(value) is not dict:
            return slow(value)
        for name in required:
            if name not in value:
                return False
        if others is None or not value:
            return True
        if below is None:
            below = checker.below(others).accepts
        return all(map(below, value.values()))

    return accept


def _struct(checker: Checker) -> Accept:
    slow, required, properties = _slow(checker), checker.schema.required, checker.schema.properties
    others = checker.others
    known: dict[str, Accept] = {}

    def find(name: str) -> Accept:
        below = properties.get(name)
        if below is not None:
            known[name] = checker.below(below).accepts
            return known[name]
        return _anything if others is None else checker.below(others).accepts

    def accept(value: Any) -> bool:
        if type(value) is not dict:
            return slow(value)
        for name in required:
            if name not in value:
                return False
        for name, item in value.items():
            below = known.get(name) or find(name)
            if not below(item):
                return False
        return True

    return accept


def _anything(value: Any) -> bool:
    return True


def _parts(checker: Checker) -> Accept | None:
    """What ``allOf`` and its like have to say; None where there are none."""
    any_of = [part.accepts for part in checker.any_of]
    one_of = [part.accepts for part in checker.one_of]
    all_of = [part.accepts for part in checker.all_of]
    none_of = [part.accepts for part in checker.none_of]
    if not (any_of or one_of or all_of or none_of):
        return None

    def accept(value: Any) -> bool:
        if value is None:
            return True  # of a null only its type is looked at
        if any_of and not any(part(value) for part in any_of):
            return False
        if one_of and sum(part(value) for part in one_of) != 1:
            return False
        return all(part(value) for part in all_of) and not any(part(value) for part in none_of)

    return accept


_LIMITS = frozenset({
    "minLength", "maxLength", "pattern", "multipleOf", "minimum", "maximum", "minItems", "maxItems",
    "uniqueItems", "minProperties", "maxProperties",
})  # fmt: skip
_BY_TYPE: dict[str, Callable[[Checker], Accept]] = {
    "": _any_value,
    "string": _text,
    "integer": _integer,
    "number": _number,
    "boolean": _boolean,
    "array": _array,
    "object": _object,
    "integer/string": _int_or_text,
}
