"""What is wrong with an expression whose types are right: constants that cannot be what they stand for.

Source: cel-go ``cel/validator.go`` and the validator of ``ext/formatting.go``.
"""

from collections.abc import Iterator

from kube_lite.api.regex import why_not

from . import types
from .errors import EvaluationError, Issue
from .expressions import Call, Expression, ListLiteral, Literal, MapLiteral
from .types import Type


def validate(expression: Expression) -> list[Issue]:
    """Everything wrong with constants and literals of a checked expression."""
    return list(_validate(expression, is_exempt=False))


def _validate(expression: Expression, *, is_exempt: bool) -> Iterator[Issue]:
    if isinstance(expression, Call):
        yield from _constant_argument(expression)
        yield from _format(expression)
        is_exempt = is_exempt or expression.function == "format"
    elif isinstance(expression, ListLiteral) and not is_exempt:
        yield from _list(expression)
    elif isinstance(expression, MapLiteral) and not is_exempt:
        yield from _map(expression)
    for child in expression.children():
        yield from _validate(child, is_exempt=is_exempt)


def _constant_argument(call: Call) -> Iterator[Issue]:
    if call.function not in ("duration", "timestamp", "matches") or not call.arguments:
        return
    argument = call.arguments[0]
    if isinstance(argument, Literal) and not _is_good(call, argument):
        yield Issue(argument.position, f"invalid {call.function} argument")


def _is_good(call: Call, argument: Literal) -> bool:
    if call.function == "matches":
        return not isinstance(argument.value, str) or not why_not(argument.value)
    try:
        for overload in call.overloads:
            overload.implementation(argument.value)
    except EvaluationError:
        return False
    return True


def _list(literal: ListLiteral) -> Iterator[Issue]:
    first: Type | None = None
    for index, element in enumerate(literal.elements):
        found = element.type
        if index in literal.optional:
            found = types.unwrap_optional(found)[0]
        if first is None:
            first = found
        elif not _equivalent(first, found):
            yield Issue(element.position, f"expected type '{first}' but found '{found}'")
            break


def _map(literal: MapLiteral) -> Iterator[Issue]:
    key: Type | None = None
    value: Type | None = None
    for entry in literal.entries:
        found = types.unwrap_optional(entry.value.type)[0] if entry.is_optional else entry.value.type
        if key is None or value is None:
            key, value = entry.key.type, found
            continue
        if not _equivalent(key, entry.key.type):
            yield Issue(entry.key.position, f"expected type '{key}' but found '{entry.key.type}'")
        if not _equivalent(value, found):
            yield Issue(entry.value.position, f"expected type '{value}' but found '{found}'")


def _equivalent(left: Type, right: Type) -> bool:
    if left.kind != right.kind or left.name != right.name or len(left.parameters) != len(right.parameters):
        return False
    return all(map(_equivalent, left.parameters, right.parameters))


def _format(call: Call) -> Iterator[Issue]:
    """A constant text with clauses is held against the types of a list written beside it."""
    from .library.formatting import FormatError, parts_of

    target = call.target
    if call.function != "format" or not isinstance(target, Literal) or not isinstance(target.value, str):
        return
    if len(call.arguments) != 1 or not isinstance(call.arguments[0], ListLiteral):
        return
    arguments = call.arguments[0].elements
    count = 0
    try:
        for part in parts_of(target.value):
            if isinstance(part, str):
                continue
            if count >= len(arguments):
                yield Issue(call.position, f"index {count} out of range")
                return
            bad = _misfit(arguments[count], part[0].kinds, is_string=part[0].kinds >= {"list"})
            if bad is not None:
                told = f"error during formatting: {part[0].complaint}, was given {bad.type.name}"
                yield Issue(bad.position, told)
                return
            count += 1
    except FormatError as error:
        yield Issue(call.position, str(error))
        return
    if count < len(arguments):
        told = f"too many arguments supplied to string.format (expected {count}, got {len(arguments)})"
        yield Issue(call.position, told)


def _misfit(argument: Expression, kinds: frozenset[str], *, is_string: bool) -> Expression | None:
    """The argument, or the part of it, that the clause does not take."""
    if argument.type.kind not in kinds and argument.type.kind != "dyn":
        return argument
    if is_string and isinstance(argument, (ListLiteral, MapLiteral)):
        bad = (_misfit(part, kinds, is_string=True) for part in argument.children())
        return next((part for part in bad if part is not None), None)
    return None
