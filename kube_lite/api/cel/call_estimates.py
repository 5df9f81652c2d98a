"""What calls can cost at most, by function: the other half of ``estimates.py``.

A call that is not listed costs 1.
Source: cel-go ``checker/cost.go`` (functionCost), ``ext/lists.go``, ``ext/sets.go``;
``k8s.io/apiserver/pkg/cel/library/cost.go`` (EstimateCallCost).
"""

import math
from collections.abc import Callable

from .costing import (
    LIST_BASE,
    NOTHING,
    ONE,
    PER_CHARACTER,
    PER_PATTERN_CHARACTER,
    UNKNOWN,
    UNLIMITED,
    Estimate,
    Node,
    Range,
    SizeOf,
)
from .expressions import Literal
from .functions import Overload

CHECK_COST = 350_000
SELECTOR_REQUIREMENT = 50
MAX_FORMAT_PATTERN = 128
MAX_FORMAT_NAME = 64

FLAT = frozenset({
    "serviceAccount", "path", "group", "resource", "subresource", "namespace", "name", "allowed", "reason",
    "error", "errored", "masked", "prefixLength", "family", "isUnspecified", "isLoopback",
    "isLinkLocalMulticast", "isLinkLocalUnicast", "isGlobalUnicast", "format.named", "sign", "asInteger",
    "isInteger", "asApproximateFloat", "isGreaterThan", "isLessThan", "compareTo", "add", "sub", "major",
    "minor", "patch", "getScheme", "getHostname", "getHost", "getPort", "getEscapedPath", "getQuery",
})  # fmt: skip
"""Functions of Kubernetes that cost 1 whatever they are given."""


class Sizes:
    """The sizes of a call's target and arguments."""

    def __init__(self, target: Node | None, arguments: list[Node], size_of: SizeOf) -> None:
        self.target_node = target
        self.nodes = arguments
        self._size_of = size_of

    def of(self, node: Node) -> Range:
        """Known, from the schema, or unlimited."""
        size = node.size if node.size is not None else self._size_of(node.path) if node.path else None
        return UNKNOWN if size is None else size

    @property
    def target(self) -> Range:
        """Of what stands before the dot; of the first argument for functions."""
        return self.of(self.target_node if self.target_node is not None else self.nodes[0])

    def argument(self, index: int) -> Range:
        """Of an argument, not counting the target."""
        return self.of(self.nodes[index]) if index < len(self.nodes) else UNKNOWN

    def item(self) -> Node | None:
        """What a list as target holds."""
        target = self.target_node
        if target is None or not target.type.parameters:
            return None
        return Node(target.type.parameters[0], (*target.path, "@items") if target.path else (), None)

    def number(self, index: int, otherwise: int) -> int:
        """A constant argument, if it is one."""
        part = self.nodes[index].expression if index < len(self.nodes) else None
        if isinstance(part, Literal) and type(part.value) is int:
            return max(part.value, 0)
        return otherwise


def estimate_call(
    overload: Overload, target: Node | None, arguments: list[Node], size_of: SizeOf
) -> Estimate:
    """The cost of a call without that of its arguments, and the size of its result."""
    sizes = Sizes(target, arguments, size_of)
    by_id = _BY_ID.get(overload.id)
    if by_id is not None:
        return by_id(sizes)
    if overload.function in FLAT and not overload.id.startswith("list_"):
        return Estimate(ONE)
    by_name = _BY_NAME.get(overload.function)
    return Estimate(ONE) if by_name is None else by_name(sizes)


def _traversed(sizes: Sizes) -> Estimate:
    return Estimate(sizes.argument(0).scaled(PER_CHARACTER))


def _transformed(sizes: Sizes) -> Estimate:
    return Estimate(sizes.target.scaled(PER_CHARACTER), sizes.target)


def _list_scan(sizes: Sizes) -> Estimate:
    item = sizes.item()
    if item is None:
        return Estimate(sizes.target.scaled(PER_CHARACTER))
    each = ONE
    if item.type.kind in ("string", "bytes"):
        each = each.plus(sizes.of(item).scaled(PER_CHARACTER))
    return Estimate(sizes.target.times(each))


def _replaced(sizes: Sizes) -> Estimate:
    size, old, new = sizes.target, sizes.argument(0), sizes.argument(1)
    most_kept = least_kept = 0
    if old.least == 0:
        most, most_kept = min(size.most + 1, UNLIMITED), size.most
    elif new.most <= old.least:
        most, most_kept = 0, size.most
    else:
        most = math.ceil(float(size.most) / float(old.least))
    if old.most == 0:
        least, least_kept = min(size.least + 1, UNLIMITED), size.least
    elif old.most <= new.least:
        least, least_kept = 0, size.least
    else:
        least = math.ceil(float(size.least) / float(old.most))
    result = Range(least, most).times(new).plus(Range(least_kept, most_kept))
    return Estimate(size.scaled(2 * PER_CHARACTER), result)


def _split(sizes: Sizes) -> Estimate:
    size = sizes.target
    part = sizes.nodes[1].expression if len(sizes.nodes) > 1 else None
    most = size.most
    if isinstance(part, Literal) and type(part.value) is int:
        most = part.value % (UNLIMITED + 1)
    return Estimate(size.scaled(2 * PER_CHARACTER), Range(0, most))


def _joined(sizes: Sizes) -> Estimate:
    count, item, size = sizes.target, sizes.item(), NOTHING
    if item is not None:
        size = count.times(sizes.of(item))
    if sizes.nodes:
        between = Range(max(count.least - 1, 0), max(count.most - 1, 0))
        size = size.plus(sizes.argument(0).times(between))
    return Estimate(size.scaled(PER_CHARACTER), size)


def _pattern(text: Range, pattern: Range) -> Range:
    return text.plus(ONE).scaled(PER_CHARACTER).times(pattern.scaled(PER_PATTERN_CHARACTER))


def _found(sizes: Sizes) -> Estimate:
    size = sizes.target
    return Estimate(_pattern(size, sizes.argument(0)), Range(0, size.most))


def _validated(sizes: Sizes) -> Estimate:
    factor = MAX_FORMAT_PATTERN * PER_PATTERN_CHARACTER
    return Estimate(sizes.argument(0).scaled(PER_CHARACTER).scaled(factor))


def _selected(sizes: Sizes) -> Estimate:
    length = sizes.argument(0)
    requirements = length.scaled(0.5).scaled(SELECTOR_REQUIREMENT)
    return Estimate(Range(LIST_BASE, LIST_BASE).plus(length.scaled(PER_CHARACTER)).plus(requirements))


_ADDRESS = Range(4, 16)
_ADDRESS_COST = _ADDRESS.plus(_ADDRESS).scaled(PER_CHARACTER)
_NETWORK_COST = _ADDRESS_COST.plus(_ADDRESS.scaled(PER_CHARACTER)).plus(ONE)


def _compared(sizes: Sizes) -> Estimate:
    if len(sizes.nodes) == 2 and sizes.nodes[0].type == sizes.nodes[1].type:
        name = sizes.nodes[0].type.name
        if name == "kubernetes.NamedFormat":
            return Estimate(Range(1, MAX_FORMAT_NAME).scaled(PER_CHARACTER))
        if name == "kubernetes.URL":
            size = sizes.nodes[1].size or ONE
            return Estimate(Range(1, size.most).scaled(PER_CHARACTER))
        if name in ("net.IP", "net.CIDR") or name.startswith("kubernetes."):
            return Estimate(ONE)
    return _ordered(sizes)


def _ordered(sizes: Sizes) -> Estimate:
    smaller = min(_plain(sizes, 0).most, _plain(sizes, 1).most)
    return Estimate(Range(1 if smaller else 0, smaller).scaled(PER_CHARACTER))


def _plain(sizes: Sizes, index: int) -> Range:
    size = sizes.nodes[index].size
    return UNKNOWN if size is None else size


def _added(sizes: Sizes) -> Estimate:
    size = _plain(sizes, 0).plus(_plain(sizes, 1))
    return Estimate(size.scaled(PER_CHARACTER), size)


def _added_list(sizes: Sizes) -> Estimate:
    return Estimate(ONE, _plain(sizes, 0).plus(_plain(sizes, 1)))


def _matched(sizes: Sizes) -> Estimate:
    return Estimate(_pattern(sizes.target, sizes.argument(0)))


def _contained(sizes: Sizes) -> Estimate:
    return Estimate(sizes.target.scaled(PER_CHARACTER).times(sizes.argument(0).scaled(PER_CHARACTER)))


def _to_bytes(sizes: Sizes) -> Estimate:
    size = sizes.argument(0)
    return Estimate(size.scaled(PER_CHARACTER), Range(size.least, min(size.most * 4, UNLIMITED)))


def _to_string(sizes: Sizes) -> Estimate:
    size = sizes.argument(0)
    return Estimate(size.scaled(PER_CHARACTER), Range(size.least // 4, size.most))


def _quoted(sizes: Sizes) -> Estimate:
    size = sizes.argument(0)
    return Estimate(size.scaled(PER_CHARACTER), Range(size.least + 2, min(size.most * 2 + 2, UNLIMITED)))


def _allocated(factor: float, size: Range) -> Estimate:
    return Estimate(size.scaled(factor).plus(ONE).plus(Range(LIST_BASE, LIST_BASE)), size)


def _sliced(sizes: Sizes) -> Estimate:
    count = (sizes.number(1, sizes.target.most) - sizes.number(0, 0)) % (UNLIMITED + 1)
    return _allocated(1, Range(count, count))


def _ranged(sizes: Sizes) -> Estimate:
    count = sizes.number(0, UNLIMITED)
    return _allocated(1, Range(count, count))


def _sorted(factor: float, argument: int | None = None) -> Callable[[Sizes], Estimate]:
    def cost(sizes: Sizes) -> Estimate:
        size = sizes.target if argument is None else sizes.argument(argument)
        return _allocated(factor, size.times(size))

    return cost


def _sets(factor: float) -> Callable[[Sizes], Estimate]:
    return lambda sizes: Estimate(sizes.argument(0).times(sizes.argument(1)).scaled(factor).plus(ONE))


_ORDERED_IDS = [
    f"{word}_{kind}"
    for word in ("less", "greater", "less_equals", "greater_equals")
    for kind in ("string", "bytes")
]
_SORTED = [
    (kind, 2 + PER_CHARACTER if kind in ("string", "bytes") else 2.0)
    for kind in ("int", "uint", "double", "bool", "duration", "timestamp", "string", "bytes")
]

_BY_ID: dict[str, Callable[[Sizes], Estimate]] = {
    **dict.fromkeys(_ORDERED_IDS, _ordered),
    **{f"list_{kind}_sort": _sorted(factor) for kind, factor in _SORTED},
    **{f"list_{kind}_sortByAssociatedKeys": _sorted(factor, 0) for kind, factor in _SORTED},
    "equals": _compared,
    "not_equals": _ordered,
    "add_string": _added,
    "add_bytes": _added,
    "add_list": _added_list,
    "in_list": lambda sizes: Estimate(sizes.argument(1)),
    "matches_string": _matched,
    "contains_string": _contained,
    "starts_with_string": _traversed,
    "ends_with_string": _traversed,
    "string_to_bytes": _to_bytes,
    "bytes_to_string": _to_string,
    "strings_quote": _quoted,
    "string_format": lambda sizes: Estimate(sizes.target.scaled(PER_CHARACTER)),
    "list_slice": _sliced,
    "lists_range": _ranged,
    "list_reverse": lambda sizes: _allocated(1, sizes.target),
    "list_flatten": lambda sizes: _allocated(1, sizes.target),
    "list_flatten_int": lambda sizes: _allocated(float(sizes.number(0, UNLIMITED)), sizes.target),
    "list_distinct": _sorted(2.0),
    "list_sets_contains_list": _sets(1),
    "list_sets_intersects_list": _sets(1),
    "list_sets_equivalent_list": _sets(2),
    "cidr_ip": lambda sizes: Estimate(ONE),
    "cidr_contains_ip_ip": lambda sizes: Estimate(_ADDRESS_COST),
    "cidr_contains_ip_string": lambda sizes: Estimate(_ADDRESS_COST.plus(_traversed(sizes).cost)),
    "cidr_contains_cidr": lambda sizes: Estimate(_NETWORK_COST),
    "cidr_contains_cidr_string": lambda sizes: Estimate(_NETWORK_COST.plus(_traversed(sizes).cost)),
}

_BY_NAME: dict[str, Callable[[Sizes], Estimate]] = {
    "check": lambda sizes: Estimate(Range(CHECK_COST, CHECK_COST)),
    **dict.fromkeys(("fieldSelector", "labelSelector"), _selected),
    **dict.fromkeys(("isSorted", "sum", "max", "min", "indexOf", "lastIndexOf"), _list_scan),
    **dict.fromkeys(("url", "lowerAscii", "upperAscii", "substring", "trim"), _transformed),
    "replace": _replaced,
    "split": _split,
    "join": _joined,
    "find": _found,
    "findAll": _found,
    **dict.fromkeys(
        ("cidr", "isIP", "isCIDR", "ip", "quantity", "isQuantity", "semver", "isSemver"), _traversed
    ),
    "ip.isCanonical": lambda sizes: Estimate(sizes.argument(0).scaled(2 * PER_CHARACTER)),
    "validate": _validated,
}
