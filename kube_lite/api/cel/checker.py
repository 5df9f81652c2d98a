"""Which types the parts of an expression have, and which functions its calls mean.

Each part gets its ``type``, each call the ``overloads`` that fit; more than one are left where an argument is
``dyn``, and the values decide at run time. Errors do not stop the check: what is wrong has the error type,
which fits everywhere, so that one mistake is told once.

Source: cel-go ``checker/checker.go``.
"""

from collections.abc import Callable, Mapping

from . import types
from .errors import Issue
from .escaping import RESERVED
from .expressions import (
    Call,
    Entry,
    Expression,
    Fold,
    ListLiteral,
    Literal,
    MapLiteral,
    Name,
    ObjectLiteral,
    Select,
    walk,
)
from .functions import Functions, Overload
from .types import BOOL, DYN, ERROR, INT, Bindings, Type

Fields = Mapping[str, Type]

TYPE_NAMES: Mapping[str, Type] = {
    type.name: types.type_of(type)
    for type in (
        *types.PLAIN,
        types.list_of(DYN),
        types.map_of(DYN, DYN),
        types.optional_of(DYN),
    )
}
"""Names that stand for types."""


class Declarations:
    """What an expression may refer to.

    Attributes:
        functions: by name.
        variables: name → type; names may have dots.
        objects: name of a struct → its fields.
    """

    def __init__(
        self, functions: Functions, variables: Mapping[str, Type], objects: Mapping[str, Fields] | None = None
    ) -> None:
        self.functions = functions
        self.variables = variables
        self.objects = objects or {}


def check(expression: Expression, declarations: Declarations) -> list[Issue]:
    """Fill in types and overloads; what is wrong is returned."""
    checker = _Checker(declarations)
    checker.check(expression)
    for part in walk(expression):
        part.type = checker.bindings.substitute(part.type, dyn=True)
    return checker.issues


class _Checker:
    def __init__(self, declarations: Declarations) -> None:
        self._known = declarations
        self._scopes: list[dict[str, Type]] = []
        self._variables = 0
        self.bindings = Bindings()
        self.issues: list[Issue] = []
        self._checks: dict[type[Expression], Callable[..., Type]] = {
            Literal: lambda literal: literal.type,
            Name: self._name,
            Select: self._select,
            Call: self._call,
            ListLiteral: self._list,
            MapLiteral: self._map,
            ObjectLiteral: self._object,
            Fold: self._fold,
        }

    def check(self, expression: Expression) -> Type:
        expression.type = self._checks[type(expression)](expression)
        return expression.type

    def _complain(self, position: int, message: str) -> Type:
        self.issues.append(Issue(position, message))
        return ERROR

    def _undeclared(self, position: int, name: str) -> Type:
        return self._complain(position, f"undeclared reference to '{name}' (in container '')")

    def _mismatch(self, position: int, expected: Type, found: Type) -> Type:
        return self._complain(position, f"expected type '{expected}' but found '{found}'")

    # names and fields

    def _local(self, name: str) -> Type | None:
        return next((scope[name] for scope in reversed(self._scopes) if name in scope), None)

    def _name(self, name: Name) -> Type:
        found = None if name.name.startswith(".") else self._local(name.name)
        if found is not None:
            return found
        found = self._global(name)
        return found or self._undeclared(name.position, name.name)

    def _global(self, name: Name) -> Type | None:
        plain = name.name.removeprefix(".")
        variable = self._known.variables.get(plain)
        if variable is None:
            variable = TYPE_NAMES.get(plain)
            name.is_type = variable is not None
        if variable is not None:
            name.name = plain
        return variable

    def _select(self, select: Select) -> Type:
        path = _path(select)
        if path and self._local(path.partition(".")[0]) is None:
            variable = Name(select.position, path)
            found = self._global(variable)
            if found is not None:
                variable.type = found
                select.variable = variable
                return found
        result = self._field(select)
        return BOOL if select.is_test else self.bindings.substitute(result)

    def _field(self, select: Select) -> Type:
        target, is_optional = types.unwrap_optional(self.bindings.substitute(self.check(select.operand)))
        result = ERROR
        if target.kind == "map":
            result = target.parameters[1]
        elif target.kind == "struct":
            result = self._field_type(select.position, target.name, select.field)
        elif target.kind == "param":
            self._is_assignable(DYN, target)
            result = DYN
        else:
            if not types.is_dyn_or_error(target):
                self._complain(select.position, f"type '{target}' does not support field selection")
            result = DYN
        return types.optional_of(result) if is_optional or select.is_optional else result

    def _field_type(self, position: int, object: str, field: str) -> Type:
        fields = self._known.objects.get(object)
        if fields is None:
            return self._complain(position, f"unexpected failed resolution of '{object}'")
        found = fields.get(field)
        if found is None and field in RESERVED:
            found = fields.get(f"__{field}__")
        return found or self._complain(position, f"undefined field '{field}'")

    # calls

    def _call(self, call: Call) -> Type:
        arguments = [self.check(argument) for argument in call.arguments]
        if call.target is not None:
            qualified = _path(call.target)
            if qualified and f"{qualified}.{call.function}".removeprefix(".") in self._known.functions:
                call.function = f"{qualified}.{call.function}"
                call.target = None
        if call.target is not None:
            arguments.insert(0, self.check(call.target))
        call.function = call.function.removeprefix(".")
        overloads = self._known.functions.get(call.function)
        if overloads is None:
            return self._undeclared(call.position, call.function)
        if call.function in ("_&&_", "_||_"):
            return self._logical(call, overloads, arguments)
        return self._resolve(call, overloads, arguments)

    def _logical(self, call: Call, overloads: tuple[Overload, ...], arguments: list[Type]) -> Type:
        call.overloads = overloads
        result = BOOL
        for argument, found in zip(call.arguments, arguments, strict=True):
            if not self._is_assignable(found, BOOL):
                result = self._mismatch(argument.position, BOOL, found)
        return result

    def _resolve(self, call: Call, overloads: tuple[Overload, ...], arguments: list[Type]) -> Type:
        result: Type | None = None
        fitting = []
        for overload in overloads:
            if overload.is_method != (call.target is not None) or len(overload.arguments) != len(arguments):
                continue
            fresh = Bindings({each: self._fresh() for each in overload.parameters})
            wanted = [fresh.substitute(each) for each in overload.arguments]
            if not self._are_assignable(arguments, wanted):
                continue
            fitting.append(overload)
            gives = self.bindings.substitute(fresh.substitute(overload.result))
            if result is None:
                result = gives
            elif not types.is_dyn(result) and gives != result:
                result = DYN
        call.overloads = tuple(fitting)
        if result is None:
            shown = [self.bindings.substitute(each, dyn=True) for each in arguments]
            applied = types.signature(shown, has_target=call.target is not None)
            return self._complain(
                call.position, f"found no matching overload for '{call.function}' applied to '{applied}'"
            )
        return result

    # literals

    def _list(self, literal: ListLiteral) -> Type:
        item: Type | None = None
        for index, element in enumerate(literal.elements):
            found = self.check(element)
            if index in literal.optional:
                found = self._unwrapped(element, found)
            item = self._join(item, found)
        return types.list_of(item or self._fresh())

    def _unwrapped(self, part: Expression, found: Type) -> Type:
        inner, is_optional = types.unwrap_optional(found)
        if not is_optional and not types.is_dyn(inner):
            self._mismatch(part.position, types.optional_of(inner), inner)
        return inner

    def _map(self, literal: MapLiteral) -> Type:
        key: Type | None = None
        value: Type | None = None
        for entry in literal.entries:
            key = self._join(key, self.check(entry.key))
            value = self._join(value, self._value(entry))
        return types.map_of(key or self._fresh(), value or self._fresh())

    def _value(self, entry: Entry) -> Type:
        found = self.check(entry.value)
        return self._unwrapped(entry.value, found) if entry.is_optional else found

    def _join(self, before: Type | None, found: Type) -> Type:
        if before is None:
            return found
        if self._is_assignable(before, found):
            return types.most_general(before, found)
        return DYN  # not every place allows that; see ``validators``

    def _object(self, literal: ObjectLiteral) -> Type:
        name = literal.name.removeprefix(".")
        known = types.struct(name) if name in self._known.objects else None
        if known is None:
            result = self._undeclared(literal.position, literal.name)
            if name in TYPE_NAMES:
                self.issues.pop()
                result = self._complain(literal.position, f"'{name}' is not a message type")
            for entry in literal.entries:
                self.check(entry.value)
            return result
        for entry in literal.entries:
            found = self._value(entry)
            wanted = self._field_type(entry.position, name, entry.key)
            if not self._is_assignable(wanted, found):
                told = f"expected type of field '{entry.key}' is '{wanted}' but provided type is '{found}'"
                self._complain(entry.position, told)
        literal.name = name
        return known

    # loops

    def _fold(self, fold: Fold) -> Type:
        self.check(fold.range)
        gathered = self.check(fold.initial)
        ranged = self.bindings.substitute(fold.range.type)
        self._scopes.append({fold.accumulator: gathered})
        self._scopes.append(self._loop_variables(fold, ranged))
        self._assert(fold.condition, self.check(fold.condition), BOOL)
        self._assert(fold.step, self.check(fold.step), gathered)
        self._scopes.pop()
        result = self.check(fold.result)
        self._scopes.pop()
        return self.bindings.substitute(result)

    def _loop_variables(self, fold: Fold, ranged: Type) -> dict[str, Type]:
        first = second = ERROR
        if ranged.kind == "list":
            first = second = ranged.parameters[0]
            if fold.second:
                first = INT
        elif ranged.kind == "map":
            first, second = ranged.parameters
        elif ranged.kind in ("dyn", "error", "param"):
            self._is_assignable(DYN, ranged)
            first = second = DYN
        else:
            told = "cannot be range of a comprehension (must be list, map, or dynamic)"
            self._complain(fold.range.position, f"expression of type '{ranged}' {told}")
        variables = {fold.variable: first}
        if fold.second:
            variables[fold.second] = second
        return variables

    def _assert(self, part: Expression, found: Type, wanted: Type) -> None:
        if not self._is_assignable(wanted, found):
            self._mismatch(part.position, wanted, found)

    # type variables

    def _fresh(self) -> Type:
        self._variables += 1
        return types.parameter(f"_var{self._variables - 1}")

    def _is_assignable(self, left: Type, right: Type) -> bool:
        return self._are_assignable([left], [right])

    def _are_assignable(self, left: list[Type], right: list[Type]) -> bool:
        attempt = Bindings(self.bindings)
        if attempt.all_assignable(left, right):
            self.bindings = attempt
            return True
        return False


def _path(expression: Expression) -> str:
    """``a.b.c``, or nothing where more than names is involved."""
    names: list[str] = []
    while isinstance(expression, Select):
        if expression.is_test or expression.is_optional:
            return ""
        names.append(expression.field)
        expression = expression.operand
    if not isinstance(expression, Name):
        return ""
    return ".".join((expression.name, *reversed(names)))
