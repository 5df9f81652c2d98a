"""Calls that the parser replaces by what they mean, before types are looked at.

``list.all(x, test)`` becomes a loop, ``has(a.b)`` a test of presence. A macro is known by its name, how many
arguments it takes and whether it is a method; with others it is an ordinary call. Variables of loops must be
plain names.

Source: cel-go ``parser/macro.go``, ``ext/comprehensions.go``, ``ext/lists.go`` (sortBy), ``cel/library.go``
(optMap, optFlatMap).
"""

import copy
from collections.abc import Callable, Mapping
from typing import NamedTuple

from .expressions import (
    ACCUMULATOR,
    Call,
    Expression,
    Fold,
    ListLiteral,
    Literal,
    MapLiteral,
    Name,
    Select,
)
from .types import BOOL, INT

UNUSED = "#unused"
SORT_INPUT = "@__sortBy_input__"


class MacroError(Exception):
    """The arguments are not such as the macro takes."""

    def __init__(self, position: int, message: str) -> None:
        super().__init__(message)
        self.position = position


class Site(NamedTuple):
    """Where a macro was called, and with what."""

    position: int
    target: Expression | None
    arguments: list[Expression]

    def true(self) -> Literal:
        """The constant."""
        return Literal(self.position, True, BOOL)

    def false(self) -> Literal:
        """The constant."""
        return Literal(self.position, False, BOOL)

    def number(self, value: int) -> Literal:
        """A constant."""
        return Literal(self.position, value, INT)

    def gathered(self) -> Name:
        """What was gathered so far."""
        return Name(self.position, ACCUMULATOR)

    def call(self, function: str, *arguments: Expression) -> Call:
        """A call made by the macro."""
        return Call(self.position, function, list(arguments))

    def plain_list(self, *elements: Expression) -> ListLiteral:
        """A list made by the macro."""
        return ListLiteral(self.position, list(elements))


Expand = Callable[[Site], Expression]
Macros = Mapping[tuple[str, int, bool], Expand]


def _variable(argument: Expression, why: str = "argument is not an identifier") -> str:
    if not isinstance(argument, Name):
        raise MacroError(argument.position, why)
    if argument.name in (ACCUMULATOR, "__result__"):
        raise MacroError(argument.position, "iteration variable overwrites accumulator variable")
    return argument.name


def _variables(site: Site) -> tuple[str, str]:
    names = []
    for argument in site.arguments[:2]:
        if not isinstance(argument, Name):
            raise MacroError(argument.position, "argument must be a simple name")
        names.append(argument.name)
    if names[0] == names[1]:
        raise MacroError(site.arguments[1].position, f"duplicate variable name: {names[0]}")
    return _variable(site.arguments[0]), _variable(site.arguments[1])


def _fold(
    site: Site, names: tuple[str, str], initial: Expression, condition: Expression, step: Expression,
    result: Expression, macro: str,
) -> Fold:  # fmt: skip
    assert site.target is not None  # loops are methods
    return Fold(
        site.position, site.target, *names, ACCUMULATOR, initial, condition, step, result, macro=macro
    )


def _has(site: Site) -> Expression:
    (argument,) = site.arguments
    if not isinstance(argument, Select) or argument.is_optional:
        raise MacroError(argument.position, "invalid argument to has() macro")
    return Select(site.position, argument.operand, argument.field, is_test=True)


def _all(site: Site, names: tuple[str, str], test: Expression) -> Expression:
    condition = site.call("@not_strictly_false", site.gathered())
    step = site.call("_&&_", site.gathered(), test)
    return _fold(site, names, site.true(), condition, step, site.gathered(), "all")


def _exists(site: Site, names: tuple[str, str], test: Expression) -> Expression:
    condition = site.call("@not_strictly_false", site.call("!_", site.gathered()))
    step = site.call("_||_", site.gathered(), test)
    return _fold(site, names, site.false(), condition, step, site.gathered(), "exists")


def _exists_one(site: Site, names: tuple[str, str], test: Expression) -> Expression:
    more = site.call("_+_", site.gathered(), site.number(1))
    step = site.call("_?_:_", test, more, site.gathered())
    result = site.call("_==_", site.gathered(), site.number(1))
    return _fold(site, names, site.number(0), site.true(), step, result, "exists_one")


def _list(site: Site, names: tuple[str, str], test: Expression | None, item: Expression) -> Expression:
    step = site.call("_+_", site.gathered(), site.plain_list(item))
    if test is not None:
        step = site.call("_?_:_", test, step, site.gathered())
    return _fold(site, names, site.plain_list(), site.true(), step, site.gathered(), "map")


def _map(site: Site) -> Expression:
    names = (_variable(site.arguments[0]), "")
    test = site.arguments[1] if len(site.arguments) == 3 else None
    return _list(site, names, test, site.arguments[-1])


def _filter(site: Site) -> Expression:
    variable, test = site.arguments
    names = (_variable(variable), "")
    return _list(site, names, test, variable)


Quantifier = Callable[[Site, tuple[str, str], Expression], Expression]


def _one_variable(quantifier: Quantifier) -> Expand:
    def expand(site: Site) -> Expression:
        name = _variable(site.arguments[0], "argument must be a simple name")
        return quantifier(site, (name, ""), site.arguments[1])

    return expand


def _two_variables(quantifier: Quantifier) -> Expand:
    return lambda site: quantifier(site, _variables(site), site.arguments[2])


def _transform_list(site: Site) -> Expression:
    test = site.arguments[2] if len(site.arguments) == 4 else None
    return _list(site, _variables(site), test, site.arguments[-1])


def _transform_map(site: Site, *, entries: bool) -> Expression:
    names = _variables(site)
    value = site.arguments[-1]
    key = [] if entries else [Name(site.position, names[0])]
    step = site.call("cel.@mapInsert", site.gathered(), *key, value)
    if len(site.arguments) == 4:
        step = site.call("_?_:_", site.arguments[2], step, site.gathered())
    initial = MapLiteral(site.position, [])
    return _fold(site, names, initial, site.true(), step, site.gathered(), "transform_map")


def _bind(site: Site, name: str, value: Expression, result: Expression) -> Fold:
    """``result`` with a name for ``value``: a loop over nothing, as cel-go writes it."""
    return Fold(
        site.position,
        site.plain_list(),
        UNUSED,
        "",
        name,
        value,
        site.false(),
        Name(site.position, name),
        result,
    )


def _optional_map(site: Site, *, flat: bool) -> Expression:
    variable, result = site.arguments
    if not isinstance(variable, Name):
        word = "optFlatMap" if flat else "optMap"
        raise MacroError(variable.position, f"{word}() variable name must be a simple identifier")
    assert site.target is not None  # they are methods
    value = Call(site.position, "value", [], copy.deepcopy(site.target))
    bound: Expression = _bind(site, variable.name, value, result)
    if not flat:
        bound = site.call("optional.of", bound)
    has_value = Call(site.position, "hasValue", [], site.target)
    return site.call("_?_:_", has_value, bound, site.call("optional.none"))


def _sort_by(site: Site) -> Expression:
    target = site.target
    if target is None or not isinstance(target, (ListLiteral, Select, Name, Fold, Call)):
        position = site.position if target is None else target.position
        raise MacroError(
            position,
            "sortBy can only be applied to a list, identifier, comprehension, call or select expression",
        )
    keys = _map(Site(site.position, Name(site.position, SORT_INPUT), site.arguments))
    call = Call(site.position, "@sortByAssociatedKeys", [keys], Name(site.position, SORT_INPUT))
    return _bind(site, SORT_INPUT, target, call)


def _named(site: Site) -> Expression:
    """``cel.bind(name, value, result)``; a method of that name of anything else is an ordinary call."""
    variable, value, result = site.arguments
    if not isinstance(site.target, Name) or site.target.name != "cel":
        return Call(site.position, "bind", site.arguments, site.target)
    if not isinstance(variable, Name):
        raise MacroError(variable.position, "cel.bind() variable names must be simple identifiers")
    return _bind(site, variable.name, value, result)


MACROS: Macros = {
    ("has", 1, False): _has,
    ("map", 2, True): _map,
    ("map", 3, True): _map,
    ("filter", 2, True): _filter,
    ("transformList", 3, True): _transform_list,
    ("transformList", 4, True): _transform_list,
    ("transformMap", 3, True): lambda site: _transform_map(site, entries=False),
    ("transformMap", 4, True): lambda site: _transform_map(site, entries=False),
    ("transformMapEntry", 3, True): lambda site: _transform_map(site, entries=True),
    ("transformMapEntry", 4, True): lambda site: _transform_map(site, entries=True),
    ("optMap", 2, True): lambda site: _optional_map(site, flat=False),
    ("optFlatMap", 2, True): lambda site: _optional_map(site, flat=True),
    ("sortBy", 2, True): _sort_by,
} | {
    (name, count, True): expand(quantifier)
    for name, quantifier in (
        ("all", _all), ("exists", _exists), ("exists_one", _exists_one), ("existsOne", _exists_one),
    )
    for count, expand in ((2, _one_variable), (3, _two_variables))
}  # fmt: skip
"""(name, arguments, is a method) → what it becomes."""

BINDINGS: Macros = {**MACROS, ("bind", 3, True): _named}
"""The same with ``cel.bind``, which not every environment has (cel-go ``ext/bindings.go``)."""
