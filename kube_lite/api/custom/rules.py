"""The rules of a schema (``x-kubernetes-validations``): where they are, and what they say of objects.

``Rules`` has the shape of the schema, but only where there are rules, and costs nothing where there are none:
what works rules out is loaded with the first object that has some, and the expressions of a part are compiled
when the first value comes to it.

Source: ``apiextensions-apiserver/pkg/apiserver/schema/cel/validation.go``.
"""

from typing import TYPE_CHECKING

from kube_lite.api.errors import Cause
from kube_lite.api.identity import Json
from kube_lite.api.schema.load import Schema, in_place

from .structure import RULES

if TYPE_CHECKING:
    from kube_lite.api.cel.declared import Declared

    from .compiled import Compiled


def check_rules(document: Json, path: str) -> list[Cause]:
    """What is wrong with the rules of a definition's schema: see ``rule_checks``."""
    from .rule_checks import check_rules

    return check_rules(document, path)


def rules_of(schema: Schema) -> "Rules":
    """The rules of a custom resource's schema; the same object each time."""
    return schema.made(Rules)


class Rules:
    """The rules of a whole resource, or of a part of one. False if there are none."""

    def __init__(self, schema: Schema, *, is_root: bool = True) -> None:
        self._root = _part(schema, schema, is_root=is_root)
        self._schema = schema
        self._is_root = is_root

    def __bool__(self) -> bool:
        """Whether there are any rules."""
        return self._root is not None

    def validate(self, obj: Json, old: Json | None = None, warnings: list[str] | None = None) -> list[Cause]:
        """Everything the rules have against an object that its schema allows.

        Args:
            old: the object before an update.
            warnings: gets what rules have against parts that did not change.
        """
        if self._root is None:
            return []
        from .ruling import Validation

        validation = Validation([] if warnings is None else warnings)
        declared = self._schema.made(_declared if self._is_root else _declared_part)
        validation.check_all(self._root, declared, obj, old)
        return validation.causes


def _declared(schema: Schema) -> "Declared | None":
    from kube_lite.api.cel.schemas import declare

    return declare(schema, is_root=True)


def _declared_part(schema: Schema) -> "Declared | None":
    from kube_lite.api.cel.schemas import declare

    return declare(schema, is_root=schema.embedded_resource)


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


def _part(source: Schema, schema: Schema, *, is_root: bool) -> Part | None:
    """The rules of ``source`` for values of ``schema``, which differ only under ``allOf``."""
    part = Part(schema, source.keywords.get(RULES) or [], is_root=is_root)
    for name, below in source.properties.items():
        own = schema.properties.get(name)
        found = _part(below, own, is_root=own.embedded_resource) if own is not None else None
        if found is not None:
            part.properties[name] = found
    if source.items is not None and schema.items is not None:
        part.items = _part(source.items, schema.items, is_root=schema.items.embedded_resource)
    if source.additional is not None and schema.additional is not None:
        additional = schema.additional
        part.additional = _part(source.additional, additional, is_root=additional.embedded_resource)
    for document in source.keywords.get("allOf") or ():
        found = _part(in_place(document, _unresolved), schema, is_root=is_root)
        if found is not None:
            part.all_of.append(found)
    return None if part.is_empty() else part


def _unresolved(name: str) -> Schema:
    """What restricts values refers to nothing."""
    raise KeyError(name)
