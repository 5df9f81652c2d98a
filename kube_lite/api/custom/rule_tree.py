"""The shape of a schema's rules: the parts that have some, or have some below them.

The expressions of a part are compiled when the first value comes to it.
"""

from typing import TYPE_CHECKING

from kube_lite.api.identity import Json
from kube_lite.api.schema.load import Schema, in_place

from .structure import RULES

if TYPE_CHECKING:
    from kube_lite.api.cel.declared import Declared

    from .compiled import Compiled


class Part:
    """A part of a schema that has rules, or below which there are some.

    Attributes:
        schema: what values look like; rules under ``allOf`` have that of the part around it.
        is_root: the root of a resource.
    """

    __slots__ = ("_compiled", "additional", "all_of", "is_root", "items", "properties", "rules", "schema")

    def __init__(self, schema: Schema, rules: list[Json], *, is_root: bool) -> None:
        self.schema = schema
        self.rules = rules
        self.is_root = is_root
        self.properties: dict[str, Part] = {}
        self.items: Part | None = None
        self.additional: Part | None = None
        self.all_of: list[Part] = []
        self._compiled: list[Compiled] | None = None

    def is_empty(self) -> bool:
        """Nothing here and nothing below."""
        return not (self.rules or self.properties or self.items or self.additional or self.all_of)

    def compiled(self, declared: "Declared") -> "list[Compiled]":
        """The rules, compiled once."""
        if self._compiled is None:
            from .compiled import RuleCompiler

            compiler = RuleCompiler(declared, self.schema)
            self._compiled = [compiler.compile(rule) for rule in self.rules]
        return self._compiled


def part_of(source: Schema, schema: Schema, *, is_root: bool) -> Part | None:
    """The rules of ``source`` for values of ``schema``, which differ only under ``allOf``."""
    part = Part(schema, source.keywords.get(RULES) or [], is_root=is_root)
    for name, below in source.properties.items():
        own = schema.properties.get(name)
        found = part_of(below, own, is_root=own.embedded_resource) if own is not None else None
        if found is not None:
            part.properties[name] = found
    if source.items is not None and schema.items is not None:
        part.items = part_of(source.items, schema.items, is_root=schema.items.embedded_resource)
    if source.additional is not None and schema.additional is not None:
        additional = schema.additional
        part.additional = part_of(source.additional, additional, is_root=additional.embedded_resource)
    for document in source.keywords.get("allOf") or ():
        found = part_of(in_place(document, _unresolved), schema, is_root=is_root)
        if found is not None:
            part.all_of.append(found)
    return None if part.is_empty() else part


def _unresolved(name: str) -> Schema:
    """What restricts values refers to nothing."""
    raise KeyError(name)
