"""What costs and sizes are reckoned in, beforehand and while a rule runs: ranges, and what some things cost.

Source: cel-go ``checker/cost.go``, ``common/cost.go``.
"""

import math
from collections.abc import Callable
from typing import NamedTuple

from .expressions import Expression
from .types import Type

UNLIMITED = (1 << 64) - 1
PER_CHARACTER = 0.1
PER_PATTERN_CHARACTER = 0.25
LIST_BASE, MAP_BASE, OBJECT_BASE = 10, 30, 40

Path = tuple[str, ...]


class Range(NamedTuple):
    """From the least to the most, of a size or a cost; more than ``UNLIMITED`` is ``UNLIMITED``."""

    least: int
    most: int

    def plus(self, other: "Range") -> "Range":
        """Sum."""
        return Range(min(self.least + other.least, UNLIMITED), min(self.most + other.most, UNLIMITED))

    def times(self, other: "Range") -> "Range":
        """Product."""
        return Range(min(self.least * other.least, UNLIMITED), min(self.most * other.most, UNLIMITED))

    def scaled(self, factor: float) -> "Range":
        """Rounded up, as doubles reckon."""
        return Range(_scaled(self.least, factor), _scaled(self.most, factor))

    def union(self, other: "Range") -> "Range":
        """What holds both."""
        return Range(min(self.least, other.least), max(self.most, other.most))


def _scaled(amount: int, factor: float) -> int:
    product = math.ceil(float(amount) * factor)
    return UNLIMITED if product >= UNLIMITED else product


NOTHING = Range(0, 0)
ONE = Range(1, 1)
UNKNOWN = Range(0, UNLIMITED)


class Node(NamedTuple):
    """A part as cost functions see it."""

    type: Type
    path: Path
    size: Range | None
    expression: Expression | None = None


SizeOf = Callable[[Path], Range | None]
"""Path in the schema (``self``, ``spec``, ``@items``) → size of what is there."""


class Estimate(NamedTuple):
    """What a call costs beside its arguments, and how large its result is."""

    cost: Range
    size: Range | None = None
