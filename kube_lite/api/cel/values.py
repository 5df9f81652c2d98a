"""The values expressions work on, beside Python's own.

``bool``, ``int``, ``float``, ``str``, ``bytes``, ``None`` and ``list`` are themselves. The rest has classes
here: unsigned numbers, maps (whose keys compare as in CEL, so that ``1`` and ``true`` differ and ``1`` and
``1.0`` do not), durations and moments in nanoseconds, optional values, and types as values. Lists and objects
of a schema are views over JSON (``views.py``), which give a converted item for each that is asked for.

Source: cel-go ``common/types``.
"""

from collections.abc import Iterable, Iterator
from functools import total_ordering
from typing import Any, ClassVar

from .errors import EvaluationError, NoOverload
from .types import Type

MIN_INT, MAX_INT = -(1 << 63), (1 << 63) - 1
MAX_UINT = (1 << 64) - 1


class Unsigned(int):
    """A ``uint``; equal to an ``int`` of the same amount, as in CEL."""

    __slots__ = ()


@total_ordering
class _Nanoseconds:
    """An amount of nanoseconds."""

    __slots__ = ("nanoseconds",)

    def __init__(self, nanoseconds: int) -> None:
        self.nanoseconds = nanoseconds

    def __eq__(self, other: object) -> bool:
        return type(other) is type(self) and other.nanoseconds == self.nanoseconds

    def __lt__(self, other: Any) -> bool:
        return bool(self.nanoseconds < other.nanoseconds)

    def __hash__(self) -> int:
        return hash(self.nanoseconds)


class Duration(_Nanoseconds):
    """A length of time, at most some 292 years."""

    __slots__ = ()


class Timestamp(_Nanoseconds):
    """A moment: nanoseconds since 1970, within the years 1 to 9999.

    ``offset`` is that of the zone it was written in, in seconds; it only shows when it is written again.
    """

    __slots__ = ("offset",)

    def __init__(self, nanoseconds: int, offset: int = 0) -> None:
        super().__init__(nanoseconds)
        self.offset = offset


class Optional:
    """A value that may be missing; ``value`` is ``MISSING`` then."""

    __slots__ = ("value",)

    def __init__(self, value: Any) -> None:
        self.value = value


class _Missing:
    def __repr__(self) -> str:
        return "MISSING"


MISSING: Any = _Missing()
NONE = Optional(MISSING)


class Opaque:
    """A value of a library (quantity, URL, IP …): what it is in Python, and its type."""

    __slots__ = ("value",)
    type: ClassVar[Type]

    def __init__(self, value: Any) -> None:
        self.value = value

    def equals(self, other: Any) -> bool:
        """Whether both mean the same."""
        return type(other) is type(self) and bool(other.value == self.value)


class Map:
    """A map that an expression made: key as CEL compares it → key, value."""

    __slots__ = ("entries",)

    def __init__(self, pairs: Iterable[tuple[Any, Any]] = ()) -> None:
        self.entries = {key_of(key): (key, value) for key, value in pairs}

    def find(self, key: Any) -> Any:
        """The value, or ``MISSING``."""
        found = self.entries.get(key_of(key))
        return MISSING if found is None else found[1]

    def keys(self) -> Iterator[Any]:
        """In the order in which they were put in."""
        return (key for key, _ in self.entries.values())

    def __len__(self) -> int:
        """How many entries."""
        return len(self.entries)


class ListView:
    """A list that is not made yet; see ``views``.

    No ABC, nor is ``MapView``: every value is asked whether it is one, which ABCs answer slowly.
    """

    __slots__ = ()

    def __len__(self) -> int:
        """How many items."""
        raise NotImplementedError

    def __getitem__(self, index: int) -> Any:
        raise NotImplementedError

    def __iter__(self) -> Iterator[Any]:
        raise NotImplementedError


class MapView:
    """A map or an object that is not made yet; see ``views``."""

    __slots__ = ()

    def find(self, key: Any) -> Any:
        """The value, or ``MISSING``."""
        raise NotImplementedError

    def keys(self) -> Iterator[Any]:
        """All keys."""
        raise NotImplementedError

    def __len__(self) -> int:
        """How many entries."""
        raise NotImplementedError


LISTS = (list, ListView)
MAPS = (Map, MapView)

ABSENT: Any = Map()
"""What maps with an empty map for every key give for those they do not have, which are not in them."""


def key_of(key: Any) -> Any:
    """What stands for a key of a map in Python: equal for equal keys, different for ``true`` and ``1``."""
    if key is True or key is False:
        return ("bool", key)
    if isinstance(key, (str, int)):
        return key
    if isinstance(key, float):
        return int(key) if key.is_integer() else key
    raise EvaluationError(f"unsupported key type: {type_name(key)}")


_NAMES: dict[type, str] = {
    bool: "bool", int: "int", Unsigned: "uint", float: "double", str: "string", bytes: "bytes",
    type(None): "null_type", list: "list", Map: "map", Duration: "google.protobuf.Duration",
    Timestamp: "google.protobuf.Timestamp", Optional: "optional_type", Type: "type",
}  # fmt: skip


def type_name(value: Any) -> str:
    """The name of a value's type."""
    found = _NAMES.get(type(value))
    if found is not None:
        return found
    if isinstance(value, ListView):
        return "list"
    return "map" if isinstance(value, MapView) else str(value.type.name)


def checked_int(value: int) -> int:
    """A result that fits 64 bits.

    Raises:
        EvaluationError: it does not.
    """
    if MIN_INT <= value <= MAX_INT:
        return value
    raise EvaluationError("integer overflow")


def checked_uint(value: int) -> Unsigned:
    """A result that fits 64 bits without a sign."""
    if 0 <= value <= MAX_UINT:
        return Unsigned(value)
    raise EvaluationError("unsigned integer overflow")


MIN_TIME, MAX_TIME = -62135596800 * 10**9, 253402300799 * 10**9 + 999999999


def checked_duration(nanoseconds: int) -> Duration:
    """A duration that fits 64 bits."""
    if MIN_INT <= nanoseconds <= MAX_INT:
        return Duration(nanoseconds)
    raise EvaluationError("duration overflow")


def checked_timestamp(nanoseconds: int, offset: int = 0) -> Timestamp:
    """A moment within the years 1 to 9999."""
    if MIN_TIME <= nanoseconds <= MAX_TIME:
        return Timestamp(nanoseconds, offset)
    raise EvaluationError("timestamp overflow")


def size_of(value: Any) -> int:
    """The size that costs are reckoned by: characters, bytes, items, entries; 1 for anything else."""
    if isinstance(value, (str, bytes, list, Map, ListView, MapView)):
        return len(value)
    if isinstance(value, Optional) and value.value is not MISSING:
        return size_of(value.value)
    return 1


def item_at(items: Any, index: Any) -> Any:
    """``list[index]``; whole doubles and unsigned numbers are taken too.

    Raises:
        EvaluationError: there is no such item.
    """
    if type(index) is not int:
        if isinstance(index, float) and index.is_integer():
            index = int(index)
        elif not isinstance(index, Unsigned):
            if isinstance(index, float):
                raise EvaluationError(f"unsupported index value {text_of(index)} in list")
            raise EvaluationError(f"unsupported index type '{type_name(index)}' in list")
    if 0 <= index < len(items):
        return items[index]
    raise EvaluationError(f"index out of bounds: {index}")


def text_of(value: Any) -> str:
    """A value as error texts print it (Go's ``%v``)."""
    if value is True or value is False:
        return "true" if value else "false"
    if isinstance(value, float):
        from kube_lite.api.gotext import go_float

        return go_float(value)
    if isinstance(value, (Duration, Timestamp)):
        return str(value.nanoseconds)
    return "null" if value is None else str(value)


def equal(left: Any, right: Any) -> bool:
    """``left == right``: numbers across types, lists and maps by what is in them, otherwise by type."""
    kind = type(left)
    if kind is str or kind is bytes:
        return type(right) is kind and bool(left == right)
    if left is None or kind is bool:
        return left is right
    if isinstance(left, (int, float)):
        if not isinstance(right, (int, float)) or type(right) is bool:
            return False
        if kind is float or type(right) is float:
            return float(left) == float(right)
        return left == right
    if isinstance(left, LISTS):
        return _lists_equal(left, right)
    if isinstance(left, MAPS):
        return _maps_equal(left, right)
    if isinstance(left, Opaque):
        return left.equals(right)
    if isinstance(left, Optional):
        return _optionals_equal(left, right)
    return bool(left == right)


def _lists_equal(left: Any, right: Any) -> bool:
    if not isinstance(right, LISTS):
        if isinstance(left, ListView):
            raise NoOverload
        return False
    for one, other in ((left, right), (right, left)):
        compare = getattr(one, "equals", None)
        if compare is not None:
            return bool(compare(other))
    return len(left) == len(right) and all(map(equal, left, right))


def _maps_equal(left: Any, right: Any) -> bool:
    if not isinstance(right, MAPS):
        if isinstance(left, MapView):
            raise NoOverload
        return False
    for one, other in ((left, right), (right, left)):
        compare = getattr(one, "equals", None)
        if compare is not None:
            return bool(compare(other))
    if len(left) != len(right):
        return False
    for key in left.keys():  # noqa: SIM118 - these are no dicts
        other = right.find(key)
        if other is MISSING or not equal(left.find(key), other):
            return False
    return True


def _optionals_equal(left: Optional, right: Any) -> bool:
    if not isinstance(right, Optional):
        return False
    if left.value is MISSING or right.value is MISSING:
        return left.value is right.value
    return equal(left.value, right.value)


def contains(items: Any, value: Any) -> bool:
    """``value in list``."""
    return any(equal(item, value) for item in items)
