"""The rules of a schema (``x-kubernetes-validations``): where they are, and what they say of objects.

``Rules`` has the shape of the schema, but only where there are rules, and costs nothing where there are none:
what works rules out is loaded with the first object that has some.

Source: ``apiextensions-apiserver/pkg/apiserver/schema/cel/validation.go``.
"""

from typing import TYPE_CHECKING

from kube_lite.api.errors import Cause
from kube_lite.api.identity import Json
from kube_lite.api.schema.load import Schema

from .rule_tree import part_of

if TYPE_CHECKING:
    from kube_lite.api.cel.declared import Declared


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
        self._root = part_of(schema, schema, is_root=is_root)
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
