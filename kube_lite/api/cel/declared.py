"""Parts of a schema as expressions see them: their types, bounds, and what makes values of JSON.

A part of a large schema is looked into when an expression does; only bounds that are not written down have to
be worked out of what is below.
Source: ``k8s.io/apiserver/pkg/cel/types.go``.
"""

from collections.abc import Callable, Iterator, Mapping
from functools import cached_property

from .checker import Fields
from .costing import Path, Range
from .types import Type
from .views import Convert

MAX_REQUEST_BYTES = 3 * 1024 * 1024


class Declared:
    """A part of a schema.

    Attributes:
        type: its type; for objects a struct with a name made up from its place.
        convert: makes a value of JSON.
        element: of a list or map.
        max_elements: items, entries or characters it can have.
        min_bytes: the least it takes in a request.
    """

    element: "Declared | None" = None

    def __init__(self, type: Type, convert: Convert, max_elements: int = 0, min_bytes: int = 0) -> None:
        self.type = type
        self.convert = convert
        self._max_elements = max_elements
        self._min_bytes = min_bytes

    @property
    def max_elements(self) -> int:
        """How many there can be."""
        return self._max_elements

    @property
    def min_bytes(self) -> int:
        """How little it can be."""
        return self._min_bytes

    @property
    def fields(self) -> "Mapping[str, tuple[str, Declared]] | None":
        """Of an object: its fields by their names in expressions, each with its name in JSON."""
        return None

    def size_of(self, path: Path) -> Range | None:
        """The size of what a path leads to, which begins with a variable of this type."""
        found: Declared | None = self
        for step in path[1:]:
            assert found is not None  # the loop ends where it is
            if step == "@keys":
                return NO_SIZE if found.type.kind == "map" and len(path) == 1 + path.index(step) else None
            if step in ("@items", "@values"):
                found = found.element
            else:
                found = found.fields[step][1] if found.fields and step in found.fields else None
            if found is None:
                return None
        assert found is not None  # likewise
        return Range(0, found.max_elements)

    def objects(self) -> "Objects":
        """The fields of this type and of all types below."""
        return Objects(self)


NO_SIZE = Range(0, 0)


class DeclaredItems(Declared):
    """A list or a map; where nothing bounds it, the size of a request does."""

    def __init__(
        self, type: Type, convert: Convert, element: Declared, limit: int | None, overhead_bytes: int
    ) -> None:
        super().__init__(type, convert, min_bytes=2)
        self.element = element
        self._limit = limit
        self._overhead_bytes = overhead_bytes

    @property
    def max_elements(self) -> int:
        """As written, or as many as fit into a request."""
        if self._limit is not None:
            return max(self._limit, 0)
        assert self.element is not None  # it was given
        return (MAX_REQUEST_BYTES - 2) // (self.element.min_bytes + self._overhead_bytes)


class DeclaredObject(Declared):
    """An object; its fields are made when they are asked for.

    Args:
        make: gives the fields by their names in expressions, and what tells how many bytes those take that
            must be there.
    """

    def __init__(
        self,
        type: Type,
        convert: Convert,
        make: "Callable[[], tuple[dict[str, tuple[str, Declared]], Callable[[], int]]]",
    ) -> None:
        super().__init__(type, convert)
        self._make = make

    @cached_property
    def _made(self) -> "tuple[dict[str, tuple[str, Declared]], Callable[[], int]]":
        return self._make()

    @property
    def fields(self) -> "Mapping[str, tuple[str, Declared]]":
        """All that have a type and a name."""
        return self._made[0]

    @cached_property
    def converts(self) -> Mapping[str, tuple[str, Convert]]:
        """How values of the fields are made."""
        return {name: (key, declared.convert) for name, (key, declared) in self.fields.items()}

    @cached_property
    def least(self) -> int:
        """Braces, and what must be there."""
        return 2 + self._made[1]()

    @property
    def min_bytes(self) -> int:
        """Braces, and what must be there."""
        return self.least


class Objects(Mapping[str, Fields]):
    """Name of a struct → its fields; filled as far as an expression looks."""

    def __init__(self, root: Declared) -> None:
        self._known: dict[str, Declared] = {}
        self._fields: dict[str, Fields] = {}
        self._add(root)

    def _add(self, declared: Declared) -> None:
        while declared.element is not None:
            declared = declared.element
        if declared.fields is not None:
            self._known[declared.type.name] = declared

    def __getitem__(self, name: str) -> Fields:
        if name not in self._fields:
            fields = self._known[name].fields or {}
            for _, field in fields.values():
                self._add(field)
            self._fields[name] = {field: declared.type for field, (_, declared) in fields.items()}
        return self._fields[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._known)

    def __len__(self) -> int:
        """How many are known so far."""
        return len(self._known)
