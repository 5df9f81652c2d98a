"""Amounts such as ``500m``, ``2Gi`` or ``1e3``: exact arithmetic, and the one canonical way to write each.

An amount is a whole number of billionths, which is the finest the API knows; what is finer is rounded away
from zero. Beside it stands the family of suffixes that its writer chose, because ``1024`` and ``1Ki`` are
equal but stay written as they were.
Source: ``apimachinery/pkg/api/resource/quantity.go``.
"""

import re
from functools import lru_cache

from kube_lite.kit.patterns import pattern

DECIMAL, BINARY, EXPONENT = "DecimalSI", "BinarySI", "DecimalExponent"

DECIMAL_SUFFIXES = {"n": -9, "u": -6, "m": -3, "": 0, "k": 3, "M": 6, "G": 9, "T": 12, "P": 15, "E": 18}
DECIMAL_BY_EXPONENT = {exponent: suffix for suffix, exponent in DECIMAL_SUFFIXES.items()}
BINARY_SUFFIXES = ("", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei")
BINARY_MAX = (2**63 - 1) * 10**9  # in billionths; amounts with a binary suffix are capped here

NANO = 10**9
MILLI = 10**6
MAX_EXPONENT = 400  # beyond any use; keeps "1e999999999" from becoming a number of a gigabyte

FORM = pattern(r"([+-]?)([0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)", re.ASCII)
NUMBER = pattern(r"(\d*)(?:\.(\d*))?", re.ASCII)

WRONG_FORM = "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'"
WRONG_NUMBER = "unable to parse numeric part of quantity"
WRONG_SUFFIX = "unable to parse quantity's suffix"


class Quantity:
    """An exact amount; immutable, ordered and hashed by amount alone."""

    __slots__ = ("family", "nanos")

    def __init__(self, nanos: int, family: str = DECIMAL) -> None:
        self.nanos = nanos
        self.family = family

    @classmethod
    def of(cls, value: int, family: str = DECIMAL) -> "Quantity":
        """A whole number."""
        return cls(value * NANO, family)

    @classmethod
    def of_milli(cls, value: int, family: str = DECIMAL) -> "Quantity":
        """A number of thousandths."""
        return cls(value * MILLI, family)

    @property
    def value(self) -> int:
        """The amount in ones, rounded away from zero."""
        return _divide_away(self.nanos, NANO)

    @property
    def milli_value(self) -> int:
        """The amount in thousandths, rounded away from zero."""
        return _divide_away(self.nanos, MILLI)

    def rounded_to_milli(self) -> "Quantity":
        """The same amount without anything finer than a thousandth, rounded away from zero."""
        return self if self.nanos % MILLI == 0 else Quantity(self.milli_value * MILLI, self.family)

    def __add__(self, other: "Quantity") -> "Quantity":
        """The sum; written like the left one unless that is zero."""
        return Quantity(self.nanos + other.nanos, self.family if self.nanos else other.family)

    def __sub__(self, other: "Quantity") -> "Quantity":
        """The difference; written like the left one unless that is zero."""
        return Quantity(self.nanos - other.nanos, self.family if self.nanos else other.family)

    def __neg__(self) -> "Quantity":
        """The amount with its sign turned."""
        return Quantity(-self.nanos, self.family)

    def __eq__(self, other: object) -> bool:
        """Equal amounts, however written."""
        return isinstance(other, Quantity) and self.nanos == other.nanos

    def __lt__(self, other: "Quantity") -> bool:
        """Less."""
        return self.nanos < other.nanos

    def __le__(self, other: "Quantity") -> bool:
        """Not more."""
        return self.nanos <= other.nanos

    def __gt__(self, other: "Quantity") -> bool:
        """More."""
        return self.nanos > other.nanos

    def __ge__(self, other: "Quantity") -> bool:
        """Not less."""
        return self.nanos >= other.nanos

    def __hash__(self) -> int:
        """By amount."""
        return hash(self.nanos)

    def __bool__(self) -> bool:
        """Whether it is not zero."""
        return self.nanos != 0

    def __repr__(self) -> str:
        """For people who debug."""
        return f"Quantity({str(self)!r})"

    def __str__(self) -> str:
        """The canonical form: as few digits as a suffix of its family allows, without losing any.

        ``1024Ki`` is ``1Mi``, ``0.1`` is ``100m``, ``1500m`` stays, ``1.5Gi`` is ``1536Mi``,
        ``2000`` is ``2k``.
        """
        if self.nanos == 0:
            return "0"
        is_binary = self.family == BINARY and abs(self.nanos) >= 1024 * NANO and self.nanos % NANO == 0
        return _binary_text(self.nanos // NANO) if is_binary else _decimal_text(self.nanos, self.family)


def parse_quantity(text: str | int | float) -> Quantity:
    """Read an amount; numbers of JSON are taken as their text.

    Raises:
        ValueError: with upstream's words.
    """
    return _parse(text if isinstance(text, str) else _number_text(text))


def canonical_quantity(text: str | int | float) -> str:
    """An amount as a server writes it back."""
    return _canonical(text if isinstance(text, str) else _number_text(text))


@lru_cache(maxsize=4096)
def _canonical(text: str) -> str:
    return str(_parse(text))


@lru_cache(maxsize=4096)
def _parse(text: str) -> Quantity:
    found = FORM.fullmatch(text.strip())
    if found is None:
        raise ValueError(WRONG_FORM)
    sign, digits, suffix = found.groups()
    number = NUMBER.fullmatch(digits)
    if number is None:
        raise ValueError(WRONG_FORM)
    whole, fraction = number[1], number[2] or ""
    if not whole and not fraction:
        raise ValueError(WRONG_NUMBER)
    base, exponent, family = _parse_suffix(suffix)
    mantissa = int(whole + fraction)
    nanos = _scaled(mantissa, base, exponent, len(fraction))
    if family == BINARY:
        nanos = min(nanos, BINARY_MAX)
        if nanos < NANO:
            family = DECIMAL
    return Quantity(-nanos if sign == "-" else nanos, family)


def _parse_suffix(suffix: str) -> tuple[int, int, str]:
    """``Ki`` → (2, 10, BINARY); ``m`` → (10, -3, DECIMAL); ``e3`` → (10, 3, EXPONENT)."""
    if suffix in DECIMAL_SUFFIXES:
        return 10, DECIMAL_SUFFIXES[suffix], DECIMAL
    if suffix in BINARY_SUFFIXES:
        return 2, 10 * BINARY_SUFFIXES.index(suffix), BINARY
    if suffix[0] in "eE" and re.fullmatch(r"[+-]?\d+", suffix[1:]):
        exponent = int(suffix[1:])
        if abs(exponent) > MAX_EXPONENT:
            raise ValueError(WRONG_SUFFIX)
        return 10, exponent, EXPONENT
    raise ValueError(WRONG_SUFFIX)


def _scaled(mantissa: int, base: int, exponent: int, fraction_digits: int) -> int:
    """The amount in billionths, rounded up."""
    numerator, denominator = mantissa * NANO, int(10**fraction_digits)
    if exponent >= 0:
        numerator *= int(base**exponent)
    else:
        denominator *= int(base**-exponent)
    return -(-numerator // denominator)


def _decimal_text(nanos: int, family: str) -> str:
    mantissa, exponent = nanos, -9
    while mantissa % 1000 == 0:
        mantissa //= 1000
        exponent += 3
    if family == EXPONENT or exponent > 18:
        return f"{mantissa}e{exponent}" if exponent else str(mantissa)
    return f"{mantissa}{DECIMAL_BY_EXPONENT[exponent]}"


def _binary_text(value: int) -> str:
    power = 0
    while value % 1024 == 0 and power < len(BINARY_SUFFIXES) - 1:
        value //= 1024
        power += 1
    return f"{value}{BINARY_SUFFIXES[power]}"


def _divide_away(nanos: int, unit: int) -> int:
    return -(-nanos // unit) if nanos >= 0 else nanos // unit


def _number_text(number: int | float) -> str:
    return repr(number).lower()
