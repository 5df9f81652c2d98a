"""What is decided by values: which form of a function they fit, and fields and items of anything.

Source: cel-go ``common/decls/decls.go`` (dynamic dispatch), ``interpreter/attributes.go`` (refQualify).
"""

from collections.abc import Callable
from typing import Any

from .errors import EvaluationError, NoOverload
from .expressions import Call
from .functions import Overload
from .types import Type
from .values import (
    LISTS,
    MAPS,
    MISSING,
    NONE,
    Duration,
    Opaque,
    Optional,
    Timestamp,
    Unsigned,
    item_at,
    key_of,
    text_of,
    type_name,
)

_KINDS: dict[str, tuple[type, ...]] = {
    "bool": (bool,), "bytes": (bytes,), "double": (float,), "duration": (Duration,), "string": (str,),
    "timestamp": (Timestamp,), "type": (Type,), "uint": (Unsigned,), "null": (type(None),), "list": LISTS,
    "map": MAPS,
}  # fmt: skip
# What implementations raise when they are given values of other types than they declare.
PYTHON_ERRORS = (TypeError, AttributeError, ValueError, OverflowError)


def implementation_of(call: Call) -> Callable[..., Any]:
    """What a call does; its arguments are looked at where their types leave it open."""
    is_sure = all(_is_sure(operand.type) for operand in call.operands)
    first: Overload = call.overloads[0]
    if len(call.overloads) == 1 and is_sure and first.implementation is not None:
        return first.implementation
    return _chosen(call.function, call.overloads)


def _is_sure(type: Type) -> bool:
    return type.kind not in ("dyn", "error", "param") and all(map(_is_sure, type.parameters))


def _chosen(name: str, overloads: tuple[Overload, ...]) -> Callable[..., Any]:
    def choose(*arguments: Any) -> Any:
        for overload in overloads:
            if overload.implementation is not None and all(map(_fits, overload.arguments, arguments)):
                return overload.implementation(*arguments)
        if overloads[0].is_terse:
            raise NoOverload
        raise NoOverload(f"{name}({', '.join(map(type_name, arguments))})")

    return choose


def _fits(type_: Type, value: Any) -> bool:
    kinds = _KINDS.get(type_.kind)
    if kinds is not None:
        return isinstance(value, kinds)
    if type_.kind == "int":
        return type(value) is int
    if type_.kind == "opaque" and type_.name == "optional_type":
        return isinstance(value, Optional)
    if type_.kind in ("struct", "opaque"):
        return isinstance(value, Opaque) and value.type.name == type_.name
    return True


def field(value: Any, name: str) -> Any:
    """``value.name`` of anything."""
    if isinstance(value, MAPS):
        found = value.find(name)
        if found is not MISSING:
            return found
    elif isinstance(value, LISTS):
        return item_at(value, name)
    raise EvaluationError(f"no such key: {name}")


def has_field(value: Any, name: str) -> bool:
    """``has(value.name)``."""
    if isinstance(value, Optional):
        return value.value is not MISSING and has_field(value.value, name)
    if isinstance(value, LISTS):
        item_at([], name)  # a text is no index
    return isinstance(value, MAPS) and value.find(name) is not MISSING


def item(value: Any, index: Any) -> Any:
    """``value[index]`` of anything."""
    if isinstance(value, LISTS):
        return item_at(value, index)
    if isinstance(value, MAPS):
        found = value.find(index)
        if found is not MISSING:
            return found
    raise EvaluationError(f"no such key: {text_of(index)}")


def optional_item(value: Any, index: Any) -> Optional:
    """``value[?index]``."""
    if isinstance(value, Optional):
        return NONE if value.value is MISSING else optional_item(value.value, index)
    found = MISSING
    if isinstance(value, MAPS):
        found = value.find(index)
    elif isinstance(value, LISTS):
        whole = isinstance(index, (int, float)) and type(index) is not bool
        if whole and not 0 <= index < len(value):
            return NONE
        found = item_at(value, index)
    return NONE if found is MISSING else Optional(found)


def unwrapped(value: Any) -> Any:
    """What an optional part of a literal adds: the value, or ``MISSING``."""
    if not isinstance(value, Optional):
        raise EvaluationError(f"cannot initialize optional entry from non-optional value {text_of(value)}")
    return value.value


def is_text_in(value: Any, known: frozenset[Any]) -> bool:
    """Whether a value is one of some texts."""
    return isinstance(value, str) and value in known


def is_in(value: Any, known: frozenset[Any]) -> bool:
    """Whether a value is one of some constants."""
    return isinstance(value, (str, bool, int, float)) and key_of(value) in known
