"""JSON as an expression sees it: objects and lists of a schema, converted item by item when asked for.

A field comes under the name it has in expressions; a field that is null is not there. Lists of type ``set``
and ``map`` compare without regard to order, and adding to them replaces what is there already.

Source: ``k8s.io/apiserver/pkg/cel/common/valuesunstructured.go``, ``maplist.go``.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from .errors import EvaluationError, NoOverload
from .escaping import escape
from .values import LISTS, MAPS, MISSING, ListView, MapView, Opaque, equal, key_of, text_of

Convert = Callable[[Any], Any]


def escape_or_same(name: str) -> str:
    """The name of a field in expressions, or in JSON if it has none."""
    return escape(name) or name


class ObjectView(MapView):
    """An object with known fields."""

    __slots__ = ("_fields", "raw")

    def __init__(self, raw: Mapping[str, Any], fields: Mapping[str, tuple[str, Convert]]) -> None:
        self.raw = raw
        self._fields = fields

    def find(self, key: Any) -> Any:
        """The value of a field, by the name it has in expressions."""
        if not isinstance(key, str):
            raise NoOverload
        field = self._fields.get(key) or self._fields.get(f"__{key}__")  # words that are reserved
        if field is None:
            return MISSING
        value = self.raw.get(field[0])
        return MISSING if value is None else field[1](value)

    def keys(self) -> Iterator[str]:
        """The fields that are there and have a type."""
        raw = self.raw
        return (name for name, field in self._fields.items() if field[0] in raw)

    def __len__(self) -> int:
        """All fields count, known or not."""
        return len(self.raw)

    def equals(self, other: Any) -> bool:
        """The same fields with equal values; those without a type are compared as they were sent."""
        if len(self) != len(other):
            return False
        known = {field[0]: field[1] for field in self._fields.values()}
        for name, value in self.raw.items():
            convert = known.get(name)
            if convert is not None and value is not None:
                found = other.find(escape_or_same(name))
                if found is MISSING or not equal(convert(value), found):
                    return False
            elif convert is None and isinstance(other, ObjectView):
                if name in other.raw and value != other.raw[name]:
                    return False
            elif convert is None:
                raise NoOverload
        return True


class MapOfView(MapView):
    """A map whose values are all of one schema."""

    __slots__ = ("_convert", "raw")

    def __init__(self, raw: Mapping[str, Any], convert: Convert) -> None:
        self.raw = raw
        self._convert = convert

    def find(self, key: Any) -> Any:
        """The value under a key."""
        if not isinstance(key, str):
            raise NoOverload
        value = self.raw.get(key, MISSING)
        return MISSING if value is MISSING else self._convert(value)

    def keys(self) -> Iterator[str]:
        """All keys."""
        return iter(self.raw)

    def __len__(self) -> int:
        """How many."""
        return len(self.raw)


class Items(ListView):
    """A list whose items are all of one schema."""

    __slots__ = ("_convert", "raw")

    def __init__(self, raw: Sequence[Any], convert: Convert) -> None:
        self.raw = raw
        self._convert = convert

    def __len__(self) -> int:
        """How many."""
        return len(self.raw)

    def __getitem__(self, index: int) -> Any:
        """One, converted."""
        return self._convert(self.raw[index])

    def __iter__(self) -> Iterator[Any]:
        """All, converted."""
        return map(self._convert, self.raw)


def of_json(value: Any) -> Any:
    """JSON without a schema, as expressions of admission see objects; null is there like any other value."""
    if type(value) is dict:
        return MapOfView(value, of_json)
    return Items(value, of_json) if type(value) is list else value


class SetItems(Items):
    """A list of type ``set``."""

    __slots__ = ()

    def equals(self, other: Any) -> bool:
        """The same items, in any order."""
        if len(self) != len(other):
            return False
        return _hashed(self) == _hashed(other)

    def add(self, other: Any) -> list[Any]:
        """Its items, and those of the other that are not among them."""
        if not isinstance(other, LISTS):
            raise NoOverload
        found = list(self)
        for item in other:
            if not any(equal(item, known) for known in found):
                found.append(item)
        return found


def _hashed(items: Any) -> set[Any]:
    return {_hash_key(item) for item in items}


def _hash_key(item: Any) -> Any:
    if isinstance(item, (str, int, float)):
        return type(item) is str, key_of(item)
    if isinstance(item, ListView):
        return "list", tuple(map(_hash_key, item))
    if isinstance(item, MapView):
        return "map", frozenset((key, _hash_key(item.find(key))) for key in item.keys())  # noqa: SIM118
    return text_of(item)


class MapItems(Items):
    """A list of type ``map``, whose items are told apart by some of their fields."""

    __slots__ = ("_keys",)

    def __init__(self, raw: Sequence[Any], convert: Convert, keys: tuple[str, ...]) -> None:
        super().__init__(raw, convert)
        self._keys = keys

    def _key(self, item: Any) -> Any:
        """What tells an item apart."""
        if isinstance(item, ObjectView):
            return tuple(_hash_key(item.raw.get(name)) for name in self._keys)
        if isinstance(item, MAPS):
            found = (item.find(escape_or_same(name)) for name in self._keys)
            return tuple(_hash_key(None if value is MISSING else value) for value in found)
        raise EvaluationError("unexpected data format for element of array with x-kubernetes-list-type=map")

    def equals(self, other: Any) -> bool:
        """Equal items under equal keys, in any order."""
        if len(self) != len(other):
            return False
        mine = {self._key(item): item for item in self}
        seen = set()
        for item in other:
            key = self._key(item)
            if key not in mine or not equal(mine[key], item):
                return False
            seen.add(key)
        return len(seen) == len(mine)

    def add(self, other: Any) -> list[Any]:
        """Its items, those with a key of the other replaced in place, and the others behind them."""
        if not isinstance(other, LISTS):
            raise NoOverload
        found = {self._key(item): item for item in self}
        for item in other:
            found[self._key(item)] = item
        return list(found.values())


class Preserved(Opaque):
    """Something without a schema, kept as it was sent; it can only be compared."""

    __slots__ = ()


def plain(value: Any) -> Any:
    """JSON without a schema: what the text says.

    Whole numbers are ``int``, others ``double``.
    """
    if isinstance(value, dict):
        return MapOfView(value, plain)
    return Items(value, plain) if isinstance(value, list) else value
