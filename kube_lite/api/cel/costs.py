"""What a call has cost, by what it was given: the run-time side of ``call_estimates.py``.

Source: cel-go ``interpreter/runtimecost.go``, ``ext/lists.go``, ``ext/sets.go``;
``k8s.io/apiserver/pkg/cel/library/cost.go`` (CallCost).
"""

import math
from collections.abc import Callable
from typing import Any

from .call_estimates import CHECK_COST, SELECTOR_REQUIREMENT
from .costing import LIST_BASE, PER_CHARACTER, PER_PATTERN_CHARACTER
from .functions import Overload
from .values import LISTS, MAPS, size_of

Cost = Callable[[tuple[Any, ...], Any], int]
"""Arguments and result → cost."""


def cost_of(overload: Overload) -> int | Cost:
    """A fixed cost, or what works it out."""
    by_id = _BY_ID.get(overload.id)
    return _BY_NAME.get(overload.function, 1) if by_id is None else by_id


def characters(size: int, factor: float = PER_CHARACTER) -> int:
    """The cost of going through so many of them, rounded up."""
    return math.ceil(size * factor)


def compared(left: Any, right: Any) -> int:
    """The cost of holding two values against each other."""
    return characters(min(size_of(left), size_of(right)))


def traversed(value: Any) -> int:
    """The cost of going through a value and all in it."""
    if isinstance(value, str):
        return int(len(value.encode(errors="surrogatepass")) * PER_CHARACTER)
    if isinstance(value, bytes):
        return int(len(value) * PER_CHARACTER)
    if isinstance(value, LISTS):
        return sum(map(traversed, value))
    if isinstance(value, MAPS):
        return sum(traversed(key) + traversed(value.find(key)) for key in value.keys())  # noqa: SIM118
    return 1


def _first(factor: float = PER_CHARACTER) -> Cost:
    return lambda arguments, result: characters(size_of(arguments[0]), factor)


def _both(arguments: tuple[Any, ...], result: Any) -> int:
    return characters(size_of(arguments[0]) + size_of(arguments[1]))


def _pattern(arguments: tuple[Any, ...], result: Any) -> int:
    pattern = characters(size_of(arguments[1]), PER_PATTERN_CHARACTER)
    return characters(1 + size_of(arguments[0])) * pattern


def _contained(arguments: tuple[Any, ...], result: Any) -> int:
    return characters(size_of(arguments[0])) * characters(size_of(arguments[1]))


def _validated(arguments: tuple[Any, ...], result: Any) -> int:
    pattern = characters(arguments[0].value.pattern_size, PER_PATTERN_CHARACTER)
    return characters(1 + size_of(arguments[1])) * pattern


def _selected(arguments: tuple[Any, ...], result: Any) -> int:
    length = size_of(arguments[1])
    return LIST_BASE + characters(length) + math.ceil(length * 0.5) * SELECTOR_REQUIREMENT


def _network(arguments: tuple[Any, ...], result: Any) -> int:
    return characters(2 * _prefix_size(arguments))


def _networks(arguments: tuple[Any, ...], result: Any) -> int:
    return _network(arguments, result) + characters(_prefix_size(arguments)) + 1


def _prefix_size(arguments: tuple[Any, ...]) -> int:
    bits: int = arguments[0].value.bits
    return math.ceil(bits / 8)


def _with_text(cost: Callable[[tuple[Any, ...], Any], int]) -> Cost:
    return lambda arguments, result: cost(arguments, result) + characters(size_of(arguments[1]))


def _allocated(factor: float, size: int) -> int:
    return int(size * factor) + 1 + LIST_BASE


def _flattened(arguments: tuple[Any, ...], result: Any) -> int:
    depth = arguments[1] if len(arguments) == 2 else 1
    return _allocated(depth, size_of(arguments[0]))


def _self_compared(which: int) -> Cost:
    def cost(arguments: tuple[Any, ...], result: Any) -> int:
        items = arguments[which]
        size = len(items)
        is_text = size > 0 and isinstance(items[0], (str, bytes))
        return _allocated(2 + PER_CHARACTER if is_text else 2.0, size * size)

    return cost


def _sets(factor: float) -> Cost:
    return lambda arguments, result: 1 + int(size_of(arguments[0]) * size_of(arguments[1]) * factor)


def _result_size(arguments: tuple[Any, ...], result: Any) -> int:
    return _allocated(1, size_of(result))


_KINDS = ("int", "uint", "double", "bool", "duration", "timestamp", "string", "bytes")

_BY_ID: dict[str, int | Cost] = {
    **{
        f"{word}_{kind}": lambda arguments, result: compared(*arguments)
        for word in ("less", "greater", "less_equals", "greater_equals")
        for kind in ("string", "bytes")
    },
    **{f"list_{kind}_sort": _self_compared(0) for kind in _KINDS},
    **{f"list_{kind}_sortByAssociatedKeys": _self_compared(1) for kind in _KINDS},
    **dict.fromkeys(
        ("string_to_bytes", "bytes_to_string", "strings_quote", "string_format"),
        _first(),
    ),
    **dict.fromkeys(
        ("starts_with_string", "ends_with_string"),
        lambda arguments, result: characters(size_of(arguments[1])),
    ),
    "in_list": lambda arguments, result: size_of(arguments[1]),
    "add_string": _both,
    "add_bytes": _both,
    "matches_string": _pattern,
    "contains_string": _contained,
    "list_slice": _result_size,
    "lists_range": _result_size,
    "list_reverse": _result_size,
    "list_flatten": _flattened,
    "list_flatten_int": _flattened,
    "list_distinct": _self_compared(0),
    "list_sets_contains_list": _sets(1),
    "list_sets_intersects_list": _sets(1),
    "list_sets_equivalent_list": _sets(2),
    "cidr_ip": 1,
    "cidr_contains_ip_ip": _network,
    "cidr_contains_ip_string": _with_text(_network),
    "cidr_contains_cidr": _networks,
    "cidr_contains_cidr_string": _with_text(_networks),
}

_BY_NAME: dict[str, int | Cost] = {
    "check": CHECK_COST,
    **dict.fromkeys(("fieldSelector", "labelSelector"), _selected),
    **dict.fromkeys(
        ("isSorted", "sum", "max", "min", "indexOf", "lastIndexOf"),
        lambda arguments, result: traversed(arguments[0]),
    ),
    **dict.fromkeys(
        (
            "url",
            "lowerAscii",
            "upperAscii",
            "substring",
            "trim",
            "cidr",
            "isIP",
            "isCIDR",
            "ip",
            "quantity",
            "isQuantity",
            "semver",
            "isSemver",
        ),
        _first(),
    ),
    **dict.fromkeys(("replace", "split", "ip.isCanonical"), _first(2 * PER_CHARACTER)),
    "join": lambda arguments, result: characters(size_of(result), 2 * PER_CHARACTER),
    "find": _pattern,
    "findAll": _pattern,
    "validate": _validated,
}
