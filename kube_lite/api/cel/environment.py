"""Compile expressions and work them out.

An ``Environment`` says which variables there are and of which types; ``compile`` gives a ``Program``, which
can be run any number of times and keeps nothing between runs.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from . import estimates
from .checker import Declarations, Fields, check
from .costing import Path, Range, SizeOf
from .errors import CompileError, CostExceeded, EvaluationError, Issue
from .expressions import Expression, Name, Select, walk
from .functions import Functions
from .library import standard
from .parser import parse
from .planner import Plan, PlanError, plan
from .types import Type
from .validators import validate

PER_CALL_LIMIT = 1_000_000
"""What one expression may cost, in cel-go's units; some 0.1 s there."""


class Outcome(NamedTuple):
    """What came of a run: a value or an error, and what it has cost."""

    value: Any
    error: EvaluationError | CostExceeded | None
    cost: int


class Program:
    """A compiled expression.

    Attributes:
        text: as it was written.
        type: of its value.
        names: the variables and types it refers to.
    """

    __slots__ = ("_expression", "_plan", "names", "text", "type")

    def __init__(self, text: str, expression: Expression, made: Plan) -> None:
        self.text = text
        self.type: Type = expression.type
        self.names = frozenset(_names(expression))
        self._expression = expression
        self._plan = made

    def max_cost(self, size_of: SizeOf) -> int:
        """What it can cost at most, where ``size_of`` tells the sizes in the schema."""
        return estimates.estimate(self._expression, size_of).most

    def run(self, values: Sequence[Any], limit: int = PER_CALL_LIMIT) -> Outcome:
        """Work it out.

        Args:
            values: of the variables, in the order of the environment.
            limit: what it may cost.
        """
        run, fixed, slots = self._plan
        frame: list[Any] = [0, limit, *values]
        frame += [None] * (slots - len(frame))
        try:
            value = run(frame)
        except EvaluationError as error:
            return self._outcome(None, error, frame[0] + fixed, limit)
        except CostExceeded as error:
            return Outcome(None, error, max(frame[0] + fixed, limit + 1))
        except RecursionError:
            return Outcome(None, EvaluationError("expression recursion limit exceeded"), frame[0] + fixed)
        cost = frame[0] + fixed
        if cost > limit:
            return Outcome(None, CostExceeded(), cost)
        return Outcome(value, None, cost)

    def _outcome(self, value: Any, error: EvaluationError, cost: int, limit: int) -> Outcome:
        return Outcome(value, CostExceeded() if cost > limit else error, cost)


def _names(expression: Expression) -> set[str]:
    found = set()
    for part in walk(expression):
        if isinstance(part, Name):
            found.add(part.name)
        elif isinstance(part, Select) and part.variable is not None:
            found.add(part.variable.name)
    return found


class Environment:
    """Variables and their types; ``objects`` tells the fields of structs by name.

    With ``has_bind`` expressions may give values names by ``cel.bind``.
    """

    def __init__(
        self,
        variables: Mapping[str, Type],
        objects: Mapping[str, Fields] | None = None,
        functions: Functions | None = None,
        *,
        has_bind: bool = False,
    ) -> None:
        self._has_bind = has_bind
        self._variables = tuple(variables)
        self._declarations = Declarations(functions or standard(), variables, objects)

    def compile(self, text: str) -> Program:
        """A program of an expression.

        Raises:
            CompileError: with all that is wrong.
            PlanError: a constant part of it has no value.
        """
        expression = parse(text, has_bind=self._has_bind)
        try:
            issues = check(expression, self._declarations) or validate(expression)
            if issues:
                raise CompileError(text, issues)
            return Program(text, expression, plan(expression, self._variables))
        except RecursionError:
            raise CompileError(text, [Issue(-1, "expression recursion limit exceeded: 250")]) from None


def no_sizes(path: Path) -> Range | None:
    """For expressions over values without a schema."""
    return None


__all__ = ["Environment", "Outcome", "PlanError", "Program"]
