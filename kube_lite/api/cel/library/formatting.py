"""``'%s has %d'.format([a, b])``: what the clauses are, and how each writes a value.

The same reader serves at compile time, where a constant text is held against the types of its arguments.
Source: cel-go ``ext/formatting.go``.
"""

import math
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from kube_lite.api.cel.errors import EvaluationError
from kube_lite.api.cel.types import Type
from kube_lite.api.cel.values import LISTS, MAPS, Duration, Timestamp, Unsigned, type_name
from kube_lite.api.gotext import go_quote

from .conversions import to_string

DEFAULT_PRECISION = 6
MAX_DIGITS = 1000  # more are not asked for by anybody

_SCALARS = frozenset(
    {"int", "uint", "double", "bool", "string", "timestamp", "bytes", "duration", "type", "null"}
)
_INTEGERS = frozenset({"int", "uint"})


class Clause(NamedTuple):
    """What a letter stands for: the kinds it takes, how it is told that it does not, and what writes it."""

    kinds: frozenset[str]
    complaint: str
    write: Callable[[Any, int], str]


class FormatError(Exception):
    """The text asks for something that cannot be."""


def parts_of(text: str) -> Iterator[str | tuple[Clause, int]]:
    """Plain parts and clauses with their precision, in order.

    Raises:
        FormatError: at the clause that is none.
    """
    at = 0
    while at < len(text):
        sign = text.find("%", at)
        if sign < 0:
            break
        if sign > at:
            yield text[at:sign]
        if text[sign + 1 : sign + 2] == "%":
            yield "%"
            at = sign + 2
            continue
        clause, precision, at = _clause(text, sign + 1)
        yield clause, precision
    if at < len(text):
        yield text[at:]


def _clause(text: str, at: int) -> tuple[Clause, int, int]:
    if at >= len(text):
        raise FormatError("unexpected end of string")
    precision = DEFAULT_PRECISION
    prefix = "could not parse formatting clause: "
    if text[at] == ".":
        end = at + 1
        while end < len(text) and text[end] in "0123456789":
            end += 1
        why = f"{prefix}error while parsing precision: "
        if end >= len(text):
            raise FormatError(f"{why}could not find end of precision specifier")
        digits = text[at + 1 : end]
        if not digits:
            raise FormatError(
                f'{why}error while converting precision to integer: strconv.Atoi: parsing "": invalid syntax'
            )
        precision = int(digits[:9])
        if precision > MAX_DIGITS:
            raise FormatError(f"{why}precision {digits} exceeds maximum allowed precision {MAX_DIGITS}")
        at = end
    clause = CLAUSES.get(text[at])
    if clause is None:
        raise FormatError(f'{prefix}unrecognized formatting clause "{text[at]}"')
    return clause, precision, at + 1


def format_text(text: str, arguments: Any) -> str:
    """The text with the arguments in place of its clauses."""
    found, count = [], 0
    try:
        for part in parts_of(text):
            if isinstance(part, str):
                found.append(part)
                continue
            if count >= len(arguments):
                raise EvaluationError(f"index {count} out of range")
            clause, precision = part
            found.append(clause.write(arguments[count], precision))
            count += 1
    except FormatError as error:
        raise EvaluationError(str(error)) from error
    return "".join(found)


def _refused(complaint: str, value: Any) -> EvaluationError:
    return EvaluationError(f"error during formatting: {complaint}, was given {type_name(value)}")


def _string(value: Any, precision: int) -> str:
    if isinstance(value, LISTS):
        return f"[{', '.join(map(_nested, value))}]"
    if isinstance(value, MAPS):
        pairs = sorted((_nested(key), _nested(value.find(key))) for key in value.keys())  # noqa: SIM118
        return f"{{{', '.join(f'{key}:{shown}' for key, shown in pairs)}}}"
    if value is None:
        return "null"
    if isinstance(value, (bool, int, float, str, bytes, Duration, Timestamp, Type)):
        return to_string(value)
    raise _refused(_STRING, value)


def _nested(value: Any) -> str:
    """A value within a list or map."""
    if isinstance(value, str):
        return go_quote(value)
    if isinstance(value, bytes):
        return "b" + go_quote(to_string(value))
    if isinstance(value, float):
        return f"{value:.6f}" if math.isfinite(value) else go_quote(_special(value))
    if isinstance(value, (Duration, Timestamp)):
        word = "duration" if isinstance(value, Duration) else "timestamp"
        return f"{word}({go_quote(to_string(value))})"
    if type(value) not in (bool, int, Unsigned, type(None), Type) and not isinstance(value, (*LISTS, *MAPS)):
        raise EvaluationError(f"error during formatting: no formatting function for {type_name(value)}")
    return _string(value, 0)


def _special(value: float) -> str:
    return "NaN" if math.isnan(value) else "+Inf" if value > 0 else "-Inf"


def _is_integer(value: Any) -> bool:
    return type(value) in (int, Unsigned)


def _decimal(value: Any, precision: int) -> str:
    if not _is_integer(value):
        raise _refused(_DECIMAL, value)
    return str(int(value))


def _number(value: Any, complaint: str) -> float:
    if isinstance(value, str) and value in ("NaN", "Infinity", "-Infinity"):
        return float(value)
    if type(value) is not float:
        raise _refused(complaint, value)
    return value


def _fixed(value: Any, precision: int) -> str:
    number = _number(value, _FIXED)
    return f"{number:,.{precision}f}" if math.isfinite(number) else _infinite(number)


def _scientific(value: Any, precision: int) -> str:
    number = _number(value, _SCIENTIFIC)
    if not math.isfinite(number):
        return _infinite(number)
    mantissa, _, exponent = f"{number:.{precision}e}".partition("e")
    return f"{mantissa}×10{exponent.removeprefix('+').translate(_RAISED)}"


def _infinite(number: float) -> str:
    return "NaN" if math.isnan(number) else "∞" if number > 0 else "-∞"


_RAISED = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


def _binary(value: Any, precision: int) -> str:
    if type(value) is not bool and not _is_integer(value):
        raise _refused(_BINARY, value)
    return f"{int(value):b}"


def _octal(value: Any, precision: int) -> str:
    if not _is_integer(value):
        raise _refused(_OCTAL, value)
    return f"{int(value):o}"


def _hex(value: Any, precision: int) -> str:
    if isinstance(value, str):
        return value.encode(errors="surrogatepass").hex()
    if isinstance(value, bytes):
        return value.hex()
    if not _is_integer(value):
        raise _refused(_HEX, value)
    return f"{int(value):x}"


_STRING = (
    "string clause can only be used on strings, bools, bytes, ints, doubles, maps, lists, types, durations, "
    "and timestamps"
)
_DECIMAL = "decimal clause can only be used on integers"
_FIXED = "fixed-point clause can only be used on doubles"
_SCIENTIFIC = "scientific clause can only be used on doubles"
_BINARY = "only integers and bools can be formatted as binary"
_OCTAL = "octal clause can only be used on integers"
_HEX = "only integers, byte buffers, and strings can be formatted as hex"

CLAUSES = {
    "s": Clause(_SCALARS | {"list", "map"}, _STRING, _string),
    "d": Clause(_INTEGERS, _DECIMAL, _decimal),
    "f": Clause(frozenset({"double", "string"}), _FIXED, _fixed),
    "e": Clause(frozenset({"double", "string"}), _SCIENTIFIC, _scientific),
    "b": Clause(_INTEGERS | {"bool"}, _BINARY, _binary),
    "o": Clause(_INTEGERS, _OCTAL, _octal),
    "x": Clause(_INTEGERS | {"string", "bytes"}, _HEX, _hex),
    "X": Clause(
        _INTEGERS | {"string", "bytes"}, _HEX, lambda value, precision: _hex(value, precision).upper()
    ),
}
"""Letter → clause."""
