"""What a CEL expression may be: types, and when one may stand where another is asked for.

A ``Type`` is a kind, a name and parameters, compared by structure. Structs (objects of a schema, quantities,
URLs) are known by name only; what fields one has is told by the environment. Type parameters (``A`` in
``list(A).indexOf(A)``) are replaced by fresh variables for each call, and ``Bindings`` remembers what each
variable has turned out to be.

Source: cel-go ``checker/types.go``, ``checker/format.go``.
"""

from collections.abc import Iterable, Sequence
from typing import NamedTuple


class Type(NamedTuple):
    """``list(string)`` is ``Type("list", "list", (STRING,))``."""

    kind: str
    name: str
    parameters: tuple["Type", ...] = ()

    def __str__(self) -> str:
        """As error texts spell it: ``map(string, int)``."""
        if self.kind == "null":
            return "null"
        if self.kind == "timestamp" or self.kind == "duration" or not self.parameters:
            return _SPELLED.get(self.kind, self.name)
        return f"{self.name}({', '.join(map(str, self.parameters))})"


_SPELLED = {"error": "!error!", "timestamp": "timestamp", "duration": "duration"}

BOOL = Type("bool", "bool")
BYTES = Type("bytes", "bytes")
DOUBLE = Type("double", "double")
DURATION = Type("duration", "google.protobuf.Duration")
DYN = Type("dyn", "dyn")
ERROR = Type("error", "error")
INT = Type("int", "int")
NULL = Type("null", "null_type")
STRING = Type("string", "string")
TIMESTAMP = Type("timestamp", "google.protobuf.Timestamp")
TYPE = Type("type", "type")
UINT = Type("uint", "uint")

SCALARS = frozenset({"bool", "bytes", "double", "int", "string", "uint", "duration", "timestamp"})
NULLABLE = frozenset({"null", "opaque", "struct", "duration", "timestamp"})


def list_of(element: Type) -> Type:
    """``list(element)``."""
    return Type("list", "list", (element,))


def map_of(key: Type, value: Type) -> Type:
    """``map(key, value)``."""
    return Type("map", "map", (key, value))


def optional_of(value: Type) -> Type:
    """``optional_type(value)``."""
    return Type("opaque", "optional_type", (value,))


def type_of(described: Type) -> Type:
    """The type of a type."""
    return Type("type", "type", (described,))


def struct(name: str) -> Type:
    """Something with fields or methods that is known by name."""
    return Type("struct", name)


def opaque(name: str) -> Type:
    """Something without fields that is known by name."""
    return Type("opaque", name)


PLAIN = (
    BOOL, BYTES, DOUBLE, DURATION, INT, NULL, STRING, TIMESTAMP, TYPE, UINT,
    opaque("net.IP"), opaque("net.CIDR"),
)  # fmt: skip
"""The types that have names in expressions and no parameters."""


def parameter(name: str) -> Type:
    """A type to be found out."""
    return Type("param", name)


def unwrap_optional(type: Type) -> tuple[Type, bool]:
    """``optional_type(A)`` → ``A, True``; anything else as it is."""
    if type.kind == "opaque" and type.name == "optional_type":
        return type.parameters[0], True
    return type, False


def is_dyn(type: Type) -> bool:
    """Decided at run time."""
    return type.kind == "dyn"


def is_dyn_or_error(type: Type) -> bool:
    """Not to be complained about."""
    return type.kind in ("dyn", "error")


def signature(arguments: Sequence[Type], *, has_target: bool) -> str:
    """Argument types as an error text shows them: ``string.(int, int)``."""
    target = f"{arguments[0]}." if has_target else ""
    return f"{target}({', '.join(map(str, arguments[1:] if has_target else arguments))})"


class Bindings(dict[Type, Type]):
    """What type variables stand for; copied before an attempt that may fail."""

    def substitute(self, type: Type, *, dyn: bool = False) -> Type:
        """The type with variables replaced; those without a value stay, or become ``dyn``."""
        found = self.get(type)
        if found is not None:
            return self.substitute(found, dyn=dyn)
        if type.kind == "param":
            return DYN if dyn else type
        if not type.parameters:
            return type
        inner = tuple([self.substitute(each, dyn=dyn) for each in type.parameters])
        return type if inner == type.parameters else Type(type.kind, type.name, inner)

    def assignable(self, left: Type, right: Type) -> bool:
        """Whether one may stand for the other; variables are bound on the way, also when it fails."""
        if right.kind == "param":
            valid, bound = self._bind(left, right)
            if valid:
                return True
            if bound:
                return False
        if left.kind == "param":
            return self._bind(right, left)[0]
        if is_dyn_or_error(left) or is_dyn_or_error(right):
            return True
        if left.kind == "null":
            return right.kind in NULLABLE
        if right.kind == "null":
            return left.kind in NULLABLE
        if left.kind == "type":
            return right.kind == "type"
        if left.kind != right.kind or left.name != right.name:
            return False
        return self.all_assignable(left.parameters, right.parameters)

    def all_assignable(self, left: Sequence[Type], right: Sequence[Type]) -> bool:
        """The same for lists of equal length."""
        return len(left) == len(right) and all(map(self.assignable, left, right))

    def _bind(self, type: Type, variable: Type) -> tuple[bool, bool]:
        """Returns: whether it fits, and whether the variable had a value before."""
        if type == variable:
            return True, True
        before = self.get(variable)
        if before is not None:
            if type == before:
                return True, True
            if self.assignable(type, before):
                wider = most_general(type, before)
                if self._free_of(variable, wider):
                    self[variable] = wider
                return True, True
            return False, True
        if self._free_of(variable, type):
            self[variable] = type
            return True, False
        return False, False

    def _free_of(self, variable: Type, within: Type) -> bool:
        if variable == within:
            return False
        if within.kind == "param":
            known = self.get(within)
            return known is None or self._free_of(variable, known)
        return all(self._free_of(variable, each) for each in within.parameters)


def most_general(left: Type, right: Type) -> Type:
    """The one that is less specific."""
    return left if _is_as_general(left, right) else right


def _is_as_general(left: Type, right: Type) -> bool:
    if left.kind in ("dyn", "param"):
        return True
    if right.kind in ("dyn", "param") or left.kind != right.kind:
        return False
    if left.kind == "type":
        return True
    if left.kind in ("opaque", "list", "map"):
        same = left.name == right.name and len(left.parameters) == len(right.parameters)
        return same and all(map(_is_as_general, left.parameters, right.parameters))
    return left == right


def parameters_in(types: Iterable[Type]) -> frozenset[Type]:
    """The type parameters that occur."""
    found: set[Type] = set()
    for type in types:
        if type.kind == "param":
            found.add(type)
        else:
            found |= parameters_in(type.parameters)
    return frozenset(found)
