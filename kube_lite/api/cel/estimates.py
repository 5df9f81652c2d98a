"""What an expression can cost at most, told from its types and the bounds of its schema.

Costs and sizes are ranges. A size is a number of characters, items or entries; where neither the text nor the
schema bounds it, it is unlimited. A loop costs as often its body as its range has items, which is why rules
over lists without ``maxItems`` are refused.

Source: cel-go ``checker/cost.go``; what Kubernetes' functions cost is in ``call_estimates.py``.
"""

from collections.abc import Sequence
from typing import NamedTuple

from . import types
from .call_estimates import estimate_call
from .costing import (
    LIST_BASE,
    MAP_BASE,
    NOTHING,
    OBJECT_BASE,
    ONE,
    UNKNOWN,
    UNLIMITED,
    Estimate,
    Node,
    Path,
    Range,
    SizeOf,
)
from .expressions import (
    ACCUMULATOR,
    Call,
    Expression,
    Fold,
    ListLiteral,
    Literal,
    MapLiteral,
    Name,
    ObjectLiteral,
    Select,
)
from .functions import Overload
from .types import Type


class Entries(NamedTuple):
    """Sizes of what is in a list or map: of keys and of values."""

    is_list: bool
    keys: Range
    values: Range


class _Local(NamedTuple):
    path: Path
    size: Range | None
    entries: Entries | None


def estimate(expression: Expression, size_of: SizeOf) -> Range:
    """The cost of a checked expression."""
    return _Estimator(size_of).cost(expression)


class _Estimator:
    def __init__(self, size_of: SizeOf) -> None:
        self._size_of = size_of
        self._locals: dict[str, list[_Local]] = {}
        self._paths: dict[int, Path] = {}
        self._sizes: dict[int, Range] = {}
        self._entries: dict[int, Entries] = {}

    def cost(self, part: Expression) -> Range:
        if isinstance(part, Literal):
            return NOTHING
        if isinstance(part, Name):
            return self._name(part)
        if isinstance(part, Select):
            return self._select(part)
        if isinstance(part, Call):
            return self._call(part)
        if isinstance(part, Fold):
            return self._bind(part) if part.is_binding else self._fold(part)
        return self._literal(part)

    # parts

    def _name(self, name: Name) -> Range:
        local = self._local(name.name)
        self._paths[id(name)] = local.path if local else (name.name,)
        return ONE

    def _select(self, select: Select) -> Range:
        if select.variable is not None:
            return self._name(select.variable)
        below = self.cost(select.operand)
        if select.is_test:
            return below
        if select.is_optional:
            return below.plus(ONE)
        self._paths[id(select)] = (*self._path(select.operand), select.field)
        has_fields = select.operand.type.kind in ("map", "struct", "param")
        return below.plus(ONE) if has_fields else below

    def _literal(self, part: Expression) -> Range:
        total = NOTHING
        for child in part.children():
            total = total.plus(self.cost(child))
        if isinstance(part, ListLiteral):
            self._entries[id(part)] = Entries(True, ONE, self._union(part.elements))
            return total.plus(Range(LIST_BASE, LIST_BASE))
        if isinstance(part, MapLiteral):
            keys = self._union([entry.key for entry in part.entries])
            values = self._union([entry.value for entry in part.entries])
            self._entries[id(part)] = Entries(False, keys, values)
            return total.plus(Range(MAP_BASE, MAP_BASE))
        assert isinstance(part, ObjectLiteral)  # all others were handled
        return total.plus(Range(OBJECT_BASE, OBJECT_BASE))

    def _union(self, parts: Sequence[Expression]) -> Range:
        if not parts:
            return NOTHING
        total = self._size_or_unknown(parts[0])
        for part in parts[1:]:
            total = total.union(self._size_or_unknown(part))
        return total

    def _begin(self, fold: Fold) -> Range:
        """What is worked out before the first item; the accumulator is in sight from then on."""
        total = self.cost(fold.range).plus(self.cost(fold.initial))
        first = fold.initial
        self._push(fold.accumulator, self._path(first), self._size(first), self._entries_of(first))
        return total

    def _fold(self, fold: Fold) -> Range:
        total = self._begin(fold)
        self._push_items(fold)
        each = self.cost(fold.condition).plus(self.cost(fold.step))
        self._locals[fold.variable].pop()
        if fold.second:
            self._locals[fold.second].pop()
        total = total.plus(self.cost(fold.result))
        self._locals[fold.accumulator].pop()
        count = self._size_or_unknown(fold.range)
        if isinstance(fold.initial, Literal):
            self._remember(fold, self._size(fold.initial))
        elif isinstance(fold.initial, (ListLiteral, MapLiteral)):
            self._remember(fold, count)
            entries = self._entries_of(fold.step)
            if entries is not None:
                self._entries[id(fold)] = entries
        return total.plus(count.times(each))

    def _push_items(self, fold: Fold) -> None:
        entries, path = self._entries_of(fold.range), self._path(fold.range)
        is_list = entries.is_list if entries is not None else fold.range.type.kind == "list"
        keys, values = (entries.keys, entries.values) if entries is not None else (None, None)
        if fold.second:
            self._push(fold.variable, (*path, "@indices" if is_list else "@keys"), keys, None)
            self._push(fold.second, (*path, "@items" if is_list else "@values"), values, None)
        elif is_list:
            self._push(fold.variable, (*path, "@items"), values, None)
        else:
            self._push(fold.variable, (*path, "@keys"), keys, None)

    def _bind(self, fold: Fold) -> Range:
        total = self._begin(fold)
        total = total.plus(self.cost(fold.result))
        self._locals[fold.accumulator].pop()
        self._copy(fold, fold.result)
        return total

    # calls

    def _call(self, call: Call) -> Range:
        costs = [self.cost(argument) for argument in call.arguments]
        if call.function == "dyn":
            self._copy(call, call.arguments[0])
            return ONE.plus(costs[0])
        nodes = [self._node(argument) for argument in call.arguments]
        if not call.overloads:
            return NOTHING
        total, target = NOTHING, None
        if call.target is not None:
            total = self.cost(call.target)
            target = self._node(call.target)
        size: Range | None = None
        found = Range(UNLIMITED, 0)
        for overload in call.overloads:
            one = self._overload(call, overload, target, nodes, costs)
            found = found.union(one.cost)
            if one.size is not None:
                size = one.size if size is None else size.union(one.size)
            size = self._indexed(call, overload, size)
            if size is None:
                size = self._size(call)
        self._remember(call, size)
        return total.plus(found)

    def _indexed(self, call: Call, overload: Overload, size: Range | None) -> Range | None:
        step = {"index_list": "@items", "index_map": "@values"}.get(overload.id)
        if step is None:
            return size
        entries = self._entries_of(call.arguments[0])
        self._paths[id(call)] = (*self._path(call.arguments[0]), step)
        return None if entries is None else entries.values

    def _overload(
        self, call: Call, overload: Overload, target: Node | None, nodes: list[Node], costs: list[Range]
    ) -> Estimate:
        if overload.id in ("logical_and", "logical_or"):
            return Estimate(Range(costs[0].least, costs[0].plus(costs[1]).most))
        if overload.id == "conditional":
            return self._conditional(call, nodes, costs)
        if overload.id in ("add_string", "add_bytes", "add_list"):
            one, other = (self._entries_of(argument) for argument in call.arguments)
            if one is not None and other is not None:
                self._entries[id(call)] = _joined(one, other)
        found = estimate_call(overload, target, nodes, self._size_of)
        cost = found.cost
        for each in costs:
            cost = cost.plus(each)
        return Estimate(cost, found.size)

    def _conditional(self, call: Call, nodes: list[Node], costs: list[Range]) -> Estimate:
        one, other = (self._entries_of(argument) for argument in call.arguments[1:])
        if one is not None and other is not None:
            self._entries[id(call)] = _joined(one, other)
        size = (nodes[1].size or UNKNOWN).union(nodes[2].size or UNKNOWN)
        return Estimate(costs[0].plus(costs[1].union(costs[2])), size)

    # what is known of parts

    def _node(self, part: Expression) -> Node:
        path = self._path(part)
        if path[:1] == (ACCUMULATOR,):
            path = ()
        return Node(part.type, path, self._size(part), part)

    def _path(self, part: Expression) -> Path:
        if isinstance(part, Name):
            local = self._local(part.name)
            if local is not None:
                return local.path
        if isinstance(part, Select) and part.variable is not None:
            part = part.variable
        return self._paths.get(id(part), ())

    def _size(self, part: Expression) -> Range | None:
        known = self._sizes.get(id(part))
        if known is not None:
            return known
        known = _literal_size(part)
        if known is not None:
            return known
        path = self._path(part)
        known = self._size_of(path) if path else None
        if known is not None:
            self._sizes[id(part)] = known
            return known
        if _is_scalar(part.type):
            return ONE
        local = self._local(part.name) if isinstance(part, Name) else None
        return local.size if local is not None else None

    def _size_or_unknown(self, part: Expression) -> Range:
        size = self._size(part)
        return UNKNOWN if size is None else size

    def _entries_of(self, part: Expression) -> Entries | None:
        known = self._entries.get(id(part))
        if known is None and isinstance(part, Name):
            local = self._local(part.name)
            return local.entries if local is not None else None
        return known

    def _remember(self, part: Expression, size: Range | None) -> None:
        if size is not None:
            self._sizes[id(part)] = size

    def _copy(self, part: Expression, source: Expression) -> None:
        self._remember(part, self._size(source))
        entries = self._entries_of(source)
        if entries is not None:
            self._entries[id(part)] = entries

    def _local(self, name: str) -> _Local | None:
        stack = self._locals.get(name)
        return stack[-1] if stack else None

    def _push(self, name: str, path: Path, size: Range | None, entries: Entries | None) -> None:
        self._locals.setdefault(name, []).append(_Local(path, size, entries))


def _joined(one: Entries, other: Entries) -> Entries:
    return Entries(one.is_list, one.keys.union(other.keys), one.values.union(other.values))


def _literal_size(part: Expression) -> Range | None:
    if isinstance(part, Literal):
        size = len(part.value) if isinstance(part.value, (str, bytes)) else 1
    elif isinstance(part, ListLiteral):
        size = len(part.elements)
    elif isinstance(part, MapLiteral):
        size = len(part.entries)
    else:
        return None
    return Range(size, size)


def _is_scalar(type: Type) -> bool:
    inner, is_optional = types.unwrap_optional(type)
    if is_optional:
        return _is_scalar(inner)
    return type.kind in ("bool", "double", "duration", "int", "timestamp", "uint")
