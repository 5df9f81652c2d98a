"""How the macros over lists and maps are worked out, each by a loop of its own.

What an iteration costs is what the loop would cost in cel-go, which knows only one general loop: the parts of
condition and step, planned for nothing but their cost.
Source: cel-go ``interpreter/interpretable.go`` (evalFold), ``parser/macro.go``.
"""

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from .errors import CostExceeded, EvaluationError, NoOverload
from .expressions import Call, Expression, Fold, ListLiteral
from .steps import Frame, Planning, Run, Step
from .values import LISTS, MAPS, MISSING, Duration, Map, Opaque, Timestamp, Unsigned, key_of, text_of

ALL_CONDITION, EXISTS_CONDITION = 2, 3  # the variable that gathers, and the calls that ask whether to go on
ADD_ITEM = 2  # the variable that gathers, and one call that adds to it
_ENDED: Any = object()
_GO_NAMES: dict[type, str] = {
    bool: "types.Bool", int: "types.Int", Unsigned: "types.Uint", float: "types.Double", str: "types.String",
    bytes: "types.Bytes", type(None): "types.Null", Duration: "types.Duration", Timestamp: "types.Timestamp",
}  # fmt: skip


def plan_fold(planner: Planning, fold: Fold) -> Step:
    """How a loop is worked out."""
    if fold.is_binding:
        return _bind(planner, fold)
    ranged = planner.step(fold.range)
    names = [name for name in (fold.variable, fold.second) if name]
    slots = [planner.bind(name) for name in names]
    items = _pairs(ranged.run, *slots) if fold.second else _singles(ranged.run, slots[0])
    step = _MACROS[fold.macro](planner, fold, items, ranged.cost)
    for name in names:
        planner.release(name)
    return step


Items = Callable[[Frame], Iterator[None]]
"""Goes through a range: each step puts the next item into the frame."""


def _bind(planner: Planning, fold: Fold) -> Step:
    initial = planner.step(fold.initial)
    slot = planner.bind(fold.accumulator)
    result = planner.step(fold.result)
    planner.release(fold.accumulator)
    first, then = initial.run, result.run

    def bound(frame: Frame) -> Any:
        frame[slot] = first(frame)
        return then(frame)

    return Step(bound, initial.cost + result.cost)


def iterate(value: Any) -> Iterable[Any]:
    """What a loop goes through: items, or keys.

    Raises:
        EvaluationError: it is neither a list nor a map.
    """
    if isinstance(value, LISTS):
        return value
    if isinstance(value, MAPS):
        return value.keys()
    raise EvaluationError(f"got '{_go_name(value)}', expected iterable type")


def _go_name(value: Any) -> str:
    return _GO_NAMES.get(type(value), "cel.Value" if isinstance(value, Opaque) else "*types.Optional")


def _singles(ranged: Run, slot: int) -> Items:
    def items(frame: Frame) -> Iterator[None]:
        for item in iterate(ranged(frame)):
            frame[slot] = item
            yield

    return items


def _pairs(ranged: Run, first: int, second: int) -> Items:
    def items(frame: Frame) -> Iterator[None]:
        value = ranged(frame)
        if isinstance(value, LISTS):
            for frame[first], frame[second] in enumerate(value):
                yield
        elif isinstance(value, MAPS):
            for key in value.keys():  # noqa: SIM118
                frame[first], frame[second] = key, value.find(key)
                yield
        else:
            raise EvaluationError(f"unsupported comprehension range type: {_go_name(value)}")

    return items


def _quantifier(planner: Planning, fold: Fold, items: Items, cost: int) -> Step:
    assert isinstance(fold.step, Call)  # as the macro made it
    test = planner.step(fold.step.arguments[1])
    deciding: bool = fold.macro == "exists"
    condition = EXISTS_CONDITION if deciding else ALL_CONDITION
    each = condition + 1 + test.cost  # the step reads the variable again
    run = test.run

    def decide(frame: Frame) -> bool:
        failure: EvaluationError | None = None
        rest = items(frame)
        for _ in rest:
            frame[0] += each
            if frame[0] > frame[1]:
                raise CostExceeded
            try:
                found: object = run(frame)
            except EvaluationError as error:
                failure = failure or error
                continue
            if found is deciding:
                if next(rest, _ENDED) is not _ENDED:
                    frame[0] += condition
                return deciding
            if type(found) is not bool:
                failure = failure or NoOverload()
        if failure is not None:
            raise failure
        return not deciding

    return Step(decide, cost + 1)


def _exists_one(planner: Planning, fold: Fold, items: Items, cost: int) -> Step:
    assert isinstance(fold.step, Call)  # as the macro made it
    test = planner.step(fold.step.arguments[0])
    each, run = test.cost, test.run

    def count(frame: Frame) -> bool:
        found = 0
        for _ in items(frame):
            frame[0] += each
            if frame[0] > frame[1]:
                raise CostExceeded
            if is_true(run(frame)):
                frame[0] += ADD_ITEM
                found += 1
        return found == 1

    return Step(count, cost + 2)


def is_true(found: Any) -> bool:
    """A test's outcome, which must be one."""
    if type(found) is not bool:
        raise NoOverload
    return found


def _split_step(planner: Planning, fold: Fold) -> tuple[Step | None, Call]:
    """The test, if there is one, and the call that adds to what was gathered."""
    step = fold.step
    assert isinstance(step, Call)  # as the macro made it
    if step.function != "_?_:_":
        return None, step
    adding = step.arguments[1]
    assert isinstance(adding, Call)
    return planner.step(step.arguments[0]), adding


def _map(planner: Planning, fold: Fold, items: Items, cost: int) -> Step:
    test, adding = _split_step(planner, fold)
    added: Expression = adding.arguments[1]
    assert isinstance(added, ListLiteral)
    item = planner.step(added.elements[0])
    one = planner.step(added)  # for its cost: a list of a constant is constant
    each, run = ADD_ITEM + one.cost, item.run

    def gather(frame: Frame) -> list[Any]:
        found: list[Any] = []
        for _ in items(frame):
            frame[0] += each
            if frame[0] > frame[1]:
                raise CostExceeded
            found.append(run(frame))
        return found

    if test is None:
        return Step(gather, cost + 1)
    before, decide = test.cost, test.run

    def gather_some(frame: Frame) -> list[Any]:
        found: list[Any] = []
        for _ in items(frame):
            frame[0] += before
            if frame[0] > frame[1]:
                raise CostExceeded
            if is_true(decide(frame)):
                frame[0] += each
                found.append(run(frame))
        return found

    return Step(gather_some, cost + 1)


def _transform_map(planner: Planning, fold: Fold, items: Items, cost: int) -> Step:
    test, adding = _split_step(planner, fold)
    parts = [planner.step(argument) for argument in adding.arguments[1:]]
    each = ADD_ITEM + sum(part.cost for part in parts)
    before = test.cost if test is not None else 0
    decide = test.run if test is not None else (lambda frame: True)
    runs = [part.run for part in parts]

    def gather(frame: Frame) -> Map:
        found = Map()
        for _ in items(frame):
            frame[0] += before
            if frame[0] > frame[1]:
                raise CostExceeded
            if is_true(decide(frame)):
                frame[0] += each
                _insert(found, [run(frame) for run in runs])
        return found

    return Step(gather, cost + 1)


def _insert(found: Map, parts: list[Any]) -> None:
    if len(parts) == 2:
        pairs = [(parts[0], parts[1])]
    elif isinstance(parts[0], MAPS):
        pairs = [(key, parts[0].find(key)) for key in parts[0].keys()]  # noqa: SIM118
    else:
        raise NoOverload
    for key, value in pairs:
        if found.find(key) is not MISSING:
            raise EvaluationError(f"insert failed: key {text_of(key)} already exists")
        found.entries[key_of(key)] = (key, value)


_MACROS: "dict[str, Callable[[Planning, Fold, Items, int], Step]]" = {
    "all": _quantifier,
    "exists": _quantifier,
    "exists_one": _exists_one,
    "map": _map,
    "transform_map": _transform_map,
}
