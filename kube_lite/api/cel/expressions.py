"""The parts an expression is made of.

The parser makes them, the checker fills in ``type`` and what a name or call refers to, and the cost estimate
and the planner read them. ``position`` is the character an error about the part points at; operators are
calls of functions named after them (``_+_``, ``!_``, ``_?_:_``, ``_[_]``).
"""

from collections.abc import Iterator
from typing import Any

from .types import DYN, Type

ACCUMULATOR = "@result"
"""The variable in which macros gather their result; no text can spell it."""


class Expression:
    """Any part; ``type`` is right after checking."""

    __slots__ = ("position", "type")

    def __init__(self, position: int) -> None:
        self.position = position
        self.type: Type = DYN

    def children(self) -> "Iterator[Expression]":
        """The parts directly below, in the order of the text."""
        return iter(())


class Broken(Expression):
    """Stands where the text could not be read; an error was reported."""

    __slots__ = ()


class Literal(Expression):
    """A constant."""

    __slots__ = ("value",)

    def __init__(self, position: int, value: Any, type: Type) -> None:
        super().__init__(position)
        self.value = value
        self.type = type


class Name(Expression):
    """A variable, or the name of a type (``is_type`` after checking)."""

    __slots__ = ("is_type", "name")

    def __init__(self, position: int, name: str) -> None:
        super().__init__(position)
        self.name = name
        self.is_type = False


class Select(Expression):
    """``operand.field``, ``operand.?field``, or ``has(operand.field)``.

    ``variable`` is set when the whole path turned out to be the name of one variable or type.
    """

    __slots__ = ("field", "is_optional", "is_test", "operand", "variable")

    def __init__(
        self,
        position: int,
        operand: Expression,
        field: str,
        *,
        is_test: bool = False,
        is_optional: bool = False,
    ) -> None:
        super().__init__(position)
        self.operand = operand
        self.field = field
        self.is_test = is_test
        self.is_optional = is_optional
        self.variable: Name | None = None

    def children(self) -> Iterator[Expression]:
        """The operand."""
        yield self.operand


class Call(Expression):
    """A function, method or operator; ``overloads`` are those that the types leave open."""

    __slots__ = ("arguments", "function", "overloads", "target")

    def __init__(
        self, position: int, function: str, arguments: list[Expression], target: Expression | None = None
    ) -> None:
        super().__init__(position)
        self.function = function
        self.target = target
        self.arguments = arguments
        self.overloads: tuple[Any, ...] = ()

    def children(self) -> Iterator[Expression]:
        """The target, if there is one, then the arguments."""
        if self.target is not None:
            yield self.target
        yield from self.arguments

    @property
    def operands(self) -> list[Expression]:
        """Target and arguments."""
        return self.arguments if self.target is None else [self.target, *self.arguments]


class ListLiteral(Expression):
    """``[a, ?b]``; ``optional`` holds the indices with a question mark."""

    __slots__ = ("elements", "optional")

    def __init__(
        self, position: int, elements: list[Expression], optional: frozenset[int] = frozenset()
    ) -> None:
        super().__init__(position)
        self.elements = elements
        self.optional = optional

    def children(self) -> Iterator[Expression]:
        """The elements."""
        yield from self.elements


class Entry:
    """``key: value`` in a map or an object; ``position`` is that of the colon."""

    __slots__ = ("is_optional", "key", "position", "value")

    def __init__(self, position: int, key: Any, value: Expression, *, is_optional: bool) -> None:
        self.position = position
        self.key = key
        self.value = value
        self.is_optional = is_optional


class MapLiteral(Expression):
    """``{a: b}``; keys are expressions."""

    __slots__ = ("entries",)

    def __init__(self, position: int, entries: list[Entry]) -> None:
        super().__init__(position)
        self.entries = entries

    def children(self) -> Iterator[Expression]:
        """Keys and values."""
        for entry in self.entries:
            yield entry.key
            yield entry.value


class ObjectLiteral(Expression):
    """``Name{field: value}``; keys are texts."""

    __slots__ = ("entries", "name")

    def __init__(self, position: int, name: str, entries: list[Entry]) -> None:
        super().__init__(position)
        self.name = name
        self.entries = entries

    def children(self) -> Iterator[Expression]:
        """The values."""
        for entry in self.entries:
            yield entry.value


class Fold(Expression):
    """What a macro such as ``all`` means: a loop over ``range`` that gathers into ``accumulator``.

    While ``condition`` holds, each item is bound to ``variable`` (for maps the key; with ``second`` index or
    key and value) and ``step`` becomes the new value; ``result`` is what comes of it. A loop over nothing
    that only binds a value to a name has ``is_binding``.
    """

    __slots__ = (
        "accumulator", "condition", "initial", "is_binding", "macro", "range", "result", "second", "step",
        "variable",
    )  # fmt: skip

    def __init__(
        self, position: int, range: Expression, variable: str, second: str, accumulator: str,
        initial: Expression, condition: Expression, step: Expression, result: Expression, *, macro: str = "",
    ) -> None:  # fmt: skip
        super().__init__(position)
        self.range = range
        self.variable = variable
        self.second = second
        self.accumulator = accumulator
        self.initial = initial
        self.condition = condition
        self.step = step
        self.result = result
        self.macro = macro
        self.is_binding = accumulator != ACCUMULATOR

    def children(self) -> Iterator[Expression]:
        """All parts, in the order in which they are worked out."""
        yield self.range
        yield self.initial
        yield self.condition
        yield self.step
        yield self.result


def walk(expression: Expression) -> Iterator[Expression]:
    """The part and all below it."""
    pending = [expression]
    while pending:
        part = pending.pop()
        yield part
        pending.extend(part.children())
