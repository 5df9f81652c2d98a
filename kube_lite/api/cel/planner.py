"""A checked expression → a function that works it out.

Each part becomes a closure over those below it, so that nothing is looked up while a rule runs. It takes a
frame: ``frame[0]`` is what was spent so far, ``frame[1]`` what may be spent, the variables follow. What a
part costs in any case is added up while planning (``Step.cost``); closures add only what depends on values,
on branches and on how often a loop runs. So the cost of a straight rule is one addition at its end.

Errors are exceptions. ``&&``, ``||``, ``all`` and ``exists`` forget those of one side when the other side
decides alone. What is counted follows cel-go step by step: a variable costs 1 and each field 1, but the
variable a branch of ``?:`` or a ``has()`` begins with costs nothing.

Source: cel-go ``interpreter/planner.go``, ``interpretable.go``, ``runtimecost.go``.
"""

import math
from collections.abc import Callable, Sequence
from itertools import chain
from typing import Any, NamedTuple

from . import dispatch, loops
from .costing import LIST_BASE, MAP_BASE, OBJECT_BASE, PER_CHARACTER
from .costs import Cost, characters, cost_of
from .errors import CostExceeded, EvaluationError, NoOverload
from .expressions import Call, Expression, Fold, ListLiteral, Literal, MapLiteral, Name, ObjectLiteral, Select
from .library.conversions import TYPE_VALUES
from .steps import Frame, Run, Step
from .values import MISSING, NONE, Map, Optional, equal, key_of, size_of

FIRST_VARIABLE = 2
_FIXED_SIZE = frozenset({"bool", "int", "uint", "double", "duration", "timestamp", "null", "type"})
_CONVERSIONS = frozenset(
    {"bool", "bytes", "double", "duration", "dyn", "int", "string", "timestamp", "type", "uint"}
)


class PlanError(Exception):
    """A constant part of the expression has no value."""


class Plan(NamedTuple):
    """An expression that can be worked out; ``slots`` is the length of its frame."""

    run: Run
    cost: int
    slots: int


def plan(expression: Expression, variables: Sequence[str]) -> Plan:
    """Make a function of a checked expression.

    Args:
        variables: their names, in the order in which a frame will hold their values.

    Raises:
        PlanError: a constant part fails.
    """
    planner = Planner(variables)
    step = planner.step(expression)
    return Plan(step.run, step.cost, planner.slots)


class Planner:
    """Plans one expression."""

    def __init__(self, variables: Sequence[str]) -> None:
        self._names = {name: [FIRST_VARIABLE + index] for index, name in enumerate(variables)}
        self.slots = FIRST_VARIABLE + len(variables)

    def bind(self, name: str) -> int:
        """A slot for a variable of a loop, until ``release``."""
        self.slots += 1
        self._names.setdefault(name, []).append(self.slots - 1)
        return self.slots - 1

    def release(self, name: str) -> None:
        """The variable is out of sight."""
        self._names[name].pop()

    def step(self, part: Expression) -> Step:
        """How a part is worked out."""
        if isinstance(part, Literal):
            return constant(part.value)
        if isinstance(part, Name):
            return self._name(part)
        if isinstance(part, Select):
            return self._select(part)
        if isinstance(part, Call):
            return self._call(part)
        if isinstance(part, ListLiteral):
            return self._list(part)
        if isinstance(part, Fold):
            return loops.plan_fold(self, part)
        assert isinstance(part, (MapLiteral, ObjectLiteral))  # all others were handled
        return self._map(part)

    def _name(self, name: Name) -> Step:
        if name.is_type:
            return constant(TYPE_VALUES[name.name])
        slot = self._names[name.name][-1]
        return Step(lambda frame: frame[slot], 1, 1)

    # fields and items

    def _select(self, select: Select) -> Step:
        if select.variable is not None:
            return self._name(select.variable)
        operand = self.step(select.operand)
        run = operand.run
        field = select.field
        if select.is_test:
            return Step(lambda frame: dispatch.has_field(run(frame), field), operand.branch_cost + 1)
        cost, base = _selected(operand)
        if select.is_optional or select.type.name == "optional_type":
            return Step(
                _when_present(lambda frame: dispatch.optional_item(run(frame), field)), cost - 1, base
            )
        if select.operand.type.kind not in ("struct", "map"):
            return Step(lambda frame: dispatch.field(run(frame), field), cost, base)

        def selected(frame: Frame) -> Any:
            try:
                value = run(frame).find(field)
            except AttributeError:  # null
                value = MISSING
            if value is MISSING:
                raise EvaluationError(f"no such key: {field}")
            return value

        return Step(selected, cost, base)

    def _index(self, call: Call) -> Step:
        operand, index = (self.step(argument) for argument in call.arguments)
        run, at = operand.run, index.run
        cost, base = _selected(operand)
        if index.base is not None:
            cost += index.branch_cost
        elif not index.is_constant:
            cost += index.cost
        if call.function == "_[?_]" or call.type.name == "optional_type":
            return Step(
                _when_present(lambda frame: dispatch.optional_item(run(frame), at(frame))), cost - 1, base
            )
        return Step(lambda frame: dispatch.item(run(frame), at(frame)), cost, base)

    # calls

    def _call(self, call: Call) -> Step:
        special = _SPECIAL.get(call.function)
        if special is not None:
            return special(self, call)
        operands = [self.step(operand) for operand in call.operands]
        member = _member(operands) if call.function == "@in" else None
        if member is not None:
            return member
        implementation = dispatch.implementation_of(call)
        if call.function in _CONVERSIONS and len(operands) == 1 and operands[0].is_constant:
            return _converted(implementation, operands[0].constant)
        if call.function in ("find", "findAll") and operands[1].is_constant:
            _refuse_bad_pattern(operands[1].constant)
        cost = sum(operand.cost for operand in operands)
        runs = [operand.run for operand in operands]
        price = cost_of(call.overloads[0]) if len(call.overloads) == 1 else 1
        if call.function in ("startsWith", "endsWith") and operands[1].is_constant:
            price = characters(size_of(operands[1].constant))
        if isinstance(price, int):
            return Step(_applied(implementation, runs), cost + price)
        return Step(_priced(implementation, runs, price), cost)

    def equality(self, call: Call) -> Step:
        """``==`` and ``!=``; between values of a known size without looking at them twice."""
        left, right = (self.step(argument) for argument in call.arguments)
        one, other = left.run, right.run
        cost = left.cost + right.cost
        is_equal = call.function == "_==_"
        kinds = {argument.type.kind for argument in call.arguments}
        if len(kinds) == 1 and kinds <= _FIXED_SIZE:
            if is_equal:
                return Step(lambda frame: one(frame) == other(frame), cost + 1)
            return Step(lambda frame: one(frame) != other(frame), cost + 1)
        if kinds == {"string"}:

            def texts_equal(frame: Frame) -> bool:
                text, with_ = one(frame), other(frame)
                try:
                    frame[0] += math.ceil(min(len(text), len(with_)) * PER_CHARACTER)
                except TypeError:  # null
                    frame[0] += 1
                return (text == with_) is is_equal

            return Step(texts_equal, cost)

        def values_equal(frame: Frame) -> bool:
            value, with_ = one(frame), other(frame)
            frame[0] += math.ceil(min(size_of(value), size_of(with_)) * PER_CHARACTER)
            return equal(value, with_) is is_equal

        return Step(values_equal, cost)

    def conditional(self, call: Call) -> Step:
        """``test ? yes : no``."""
        test, yes, no = (self.step(argument) for argument in call.arguments)
        decide, when, otherwise = test.run, yes.run, no.run
        yes_cost, no_cost = yes.branch_cost, no.branch_cost

        def branch(frame: Frame) -> Any:
            decision = decide(frame)
            if decision is True:
                frame[0] += yes_cost
                return when(frame)
            if decision is False:
                frame[0] += no_cost
                return otherwise(frame)
            raise NoOverload

        return Step(branch, test.cost, 0)

    def logical(self, call: Call) -> Step:
        """``&&`` and ``||``: decided by one side alone if that can be."""
        left, right = (self.step(argument) for argument in call.arguments)
        one, other, more = left.run, right.run, right.cost
        deciding: bool = call.function == "_||_"

        def decide(frame: Frame) -> bool:
            failure: EvaluationError | None = None
            try:
                found: object = one(frame)
                if found is deciding:
                    return deciding
                if type(found) is not bool:
                    failure = NoOverload()
            except EvaluationError as error:
                failure = error
            frame[0] += more
            found = other(frame)
            if found is deciding:
                return deciding
            if failure is not None:
                raise failure
            if type(found) is not bool:
                raise NoOverload
            return found

        return Step(decide, left.cost)

    def otherwise(self, call: Call) -> Step:
        """``a.or(b)`` and ``a.orValue(b)``: the second is looked at when the first has no value."""
        left, right = (self.step(operand) for operand in call.operands)
        one, other, more = left.run, right.run, right.cost
        is_value = call.function == "orValue"

        def first_of(frame: Frame) -> Any:
            found = one(frame)
            if not isinstance(found, Optional):
                raise NoOverload
            if found.value is not MISSING:
                return found.value if is_value else found
            frame[0] += more
            return other(frame)

        return Step(first_of, left.cost)

    # literals

    def _list(self, literal: ListLiteral) -> Step:
        items = [self.step(element) for element in literal.elements]
        runs, optional = [item.run for item in items], literal.optional
        if all(item.is_constant for item in items) and not optional:
            return constant([item.constant for item in items])
        cost = LIST_BASE + sum(item.cost for item in items)
        if not optional:
            return Step(lambda frame: [run(frame) for run in runs], cost)

        def with_optional(frame: Frame) -> list[Any]:
            found = []
            for index, run in enumerate(runs):
                value = run(frame)
                if index in optional:
                    value = dispatch.unwrapped(value)
                if value is not MISSING:
                    found.append(value)
            return found

        return Step(with_optional, cost)

    def _map(self, literal: MapLiteral | ObjectLiteral) -> Step:
        is_map = isinstance(literal, MapLiteral)
        keys = [self.step(entry.key) if is_map else constant(entry.key) for entry in literal.entries]
        values = [self.step(entry.value) for entry in literal.entries]
        optional = [entry.is_optional for entry in literal.entries]
        cost = MAP_BASE if is_map else OBJECT_BASE
        cost += sum(step.cost for step in chain(keys, values))

        def made(frame: Frame) -> Map:
            found = Map()
            for key, value, may_miss in zip(keys, values, optional, strict=True):
                name, entry = key.run(frame), value.run(frame)
                if may_miss:
                    entry = dispatch.unwrapped(entry)
                if entry is not MISSING:
                    found.entries[key_of(name)] = (name, entry)
            return found

        if is_map and all(step.is_constant for step in chain(keys, values)) and not any(optional):
            try:
                return constant(made([]))
            except EvaluationError as error:
                raise PlanError(str(error)) from error
        return Step(made, cost)


def constant(value: Any) -> Step:
    """A part that is always the same and costs nothing."""
    return Step(lambda frame: value, constant=value)


def _selected(operand: Step) -> tuple[int, int]:
    """Cost and base of what is selected from something."""
    if operand.base is None:
        return operand.cost + 2, 1
    return operand.cost + 1, operand.base


def _applied(implementation: Callable[..., Any], runs: list[Run]) -> Run:
    """A call; Python's own errors come from null, which a nullable part may be in spite of its type."""
    if len(runs) == 1:
        (only,) = runs

        def unary(frame: Frame) -> Any:
            value = only(frame)
            try:
                return implementation(value)
            except dispatch.PYTHON_ERRORS as error:
                raise NoOverload from error

        return unary
    if len(runs) == 2:
        one, other = runs

        def binary(frame: Frame) -> Any:
            left, right = one(frame), other(frame)
            try:
                return implementation(left, right)
            except dispatch.PYTHON_ERRORS as error:
                raise NoOverload from error

        return binary

    def any_number(frame: Frame) -> Any:
        arguments = [run(frame) for run in runs]
        try:
            return implementation(*arguments)
        except dispatch.PYTHON_ERRORS as error:
            raise NoOverload from error

    return any_number


def _when_present(run: Run) -> Run:
    """An optional field or item, which costs something only if it is there."""

    def present(frame: Frame) -> Any:
        found = run(frame)
        if found is not NONE:
            frame[0] += 1
        return found

    return present


def _priced(implementation: Callable[..., Any], runs: list[Run], price: Cost) -> Run:
    """A call whose cost depends on what it is given."""

    def priced(frame: Frame) -> Any:
        arguments = tuple([run(frame) for run in runs])
        try:
            result = implementation(*arguments)
        except dispatch.PYTHON_ERRORS as error:
            raise NoOverload from error
        frame[0] += price(arguments, result)
        if frame[0] > frame[1]:
            raise CostExceeded
        return result

    return priced


def _converted(implementation: Callable[..., Any], value: Any) -> Step:
    """A constant made of another, which costs nothing."""
    try:
        return constant(implementation(value))
    except EvaluationError as error:
        raise PlanError(str(error)) from error


def _refuse_bad_pattern(pattern: Any) -> None:
    from kube_lite.api.regex import why_not

    why = why_not(pattern) if isinstance(pattern, str) else ""
    if why:
        raise PlanError(why)


def _member(operands: list[Step]) -> Step | None:
    """``value in [constants]`` as a look into a set, which costs nothing beside the value."""
    value, items = operands
    if not items.is_constant or not isinstance(items.constant, list):
        return None
    if not items.constant:
        return constant(False)
    if not all(isinstance(item, (str, bool, int, float)) for item in items.constant):
        return None
    known, run = frozenset(map(key_of, items.constant)), value.run
    if all(isinstance(item, str) for item in items.constant):
        return Step(lambda frame: dispatch.is_text_in(run(frame), known), value.cost)
    return Step(lambda frame: dispatch.is_in(run(frame), known), value.cost)


_SPECIAL: dict[str, Callable[[Planner, Call], Step]] = {
    "_==_": Planner.equality,
    "_!=_": Planner.equality,
    "_&&_": Planner.logical,
    "_||_": Planner.logical,
    "_?_:_": Planner.conditional,
    "_[_]": Planner._index,
    "_[?_]": Planner._index,
    "or": Planner.otherwise,
    "orValue": Planner.otherwise,
}
