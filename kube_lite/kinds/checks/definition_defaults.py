"""Defaults in the schemas of CustomResourceDefinitions: each must be valid where it stands.

A default is what an object will contain, so it is pruned and validated as an object would be; one inside the
metadata of a resource within the next resource that surrounds it.
Source: ``apiextensions-apiserver/pkg/apiserver/schema/defaulting/validation.go``.
"""

from collections.abc import Iterator
from typing import Any

from kube_lite.api.custom.checker import DefaultChecker
from kube_lite.api.custom.findings import NOWHERE
from kube_lite.api.custom.parts import check_resources
from kube_lite.api.custom.pruning import prune_value, read_resources
from kube_lite.api.custom.structure import has, has_rules, spell
from kube_lite.api.custom.values import same
from kube_lite.api.errors import Cause
from kube_lite.api.fielderrors import invalid
from kube_lite.api.identity import Json
from kube_lite.api.meta import copy
from kube_lite.api.schema.load import Schema
from kube_lite.api.schema.mismatch import TypeMismatch
from kube_lite.kinds.schemas import definitions

EMBEDDED = "x-kubernetes-embedded-resource"
TYPE_META = {"kind": "Validation", "apiVersion": "validation/v1"}
"""What stands for the type of an object that only surrounds a default."""
META = ("metadata", "apiVersion", "kind")

Steps = tuple[str | None, ...]
"""The way from a resource down to a default: names of fields, None for an item of a list."""


def check_defaults(document: Json, path: str, *, pruned: bool = True) -> Iterator[Cause]:
    """What is wrong with the defaults of a structural schema.

    Args:
        pruned: defaults with unknown fields are refused.
    """
    root = {**document, EMBEDDED: True}
    yield from _check(root, path, root, (), in_meta=False, pruned=pruned)


def _check(
    document: Json, path: Any, resource: Json, steps: Steps, *, in_meta: bool, pruned: bool
) -> Iterator[Cause]:
    if document.get(EMBEDDED):
        in_meta, resource, steps = False, document, ()
    if document.get("default") is not None:
        here = spell((path, ".default"))
        if in_meta:
            yield from _check_in_meta(document, here, resource, steps)
        else:
            yield from _check_default(document, here, pruned=pruned)
    items, properties = document.get("items"), document.get("properties")
    if items:
        yield from _check(items, (path, ".items"), resource, (*steps, None), in_meta=in_meta, pruned=pruned)
    if properties:
        fields = (path, ".properties")
        for name, below in properties.items():
            inside = in_meta or (name in META and bool(document.get(EMBEDDED)))
            yield from _check(
                below, (fields, f"[{name}]"), resource, (*steps, name), in_meta=inside, pruned=pruned
            )


def _parse(document: Json) -> Schema:
    return definitions().parse(document)


def _check_default(document: Json, path: str, *, pruned: bool) -> Iterator[Cause]:
    given, schema = document["default"], _parse(document)
    if type(given) in (dict, list):
        kept = copy(given)
        prune_value(kept, schema)
        if pruned and not same(kept, given):
            yield invalid(path, given, "must not have unknown fields")
        try:
            read_resources(copy(given), schema, path)
        except TypeMismatch as error:
            where, _, why = str(error).partition(": ")
            yield Cause("FieldValueInvalid", why, where)
            return
        found = list(check_resources(given, schema, path))
        if found:
            yield from found
            return
    yield from _values(document, schema, path)


def _values(document: Json, schema: Schema, path: str) -> Iterator[Cause]:
    given = document["default"]
    checker = schema.made(DefaultChecker)
    if not checker.accepts(given):
        yield from checker.explain(given, "").causes(path)
    elif has(document, has_rules):
        from kube_lite.api.custom.rules import Rules

        rules = Rules(schema, is_root=schema.embedded_resource)
        for cause in rules.validate(given, given) or rules.validate(given):
            field = "" if cause.field == NOWHERE else cause.field
            dot = "" if not field or field.startswith("[") else "."
            yield cause._replace(field=f"{path}{dot}{field}")


def _check_in_meta(document: Json, path: str, resource: Json, steps: Steps) -> Iterator[Cause]:
    given = document["default"]
    schema = _parse(resource)
    try:
        surrounding = _surround(copy(given), steps)
        read_resources(surrounding, schema, "")
        wrong = [f"{cause.field}: {cause.message}" for cause in check_resources(surrounding, schema, "")]
    except TypeMismatch as error:
        wrong = [str(error)]
    if wrong:
        told = wrong[0] if len(wrong) == 1 else "[" + ", ".join(dict.fromkeys(wrong)) + "]"
        yield invalid(path, given, f"must result in valid metadata: {told}")
        return
    yield from _values(document, _parse(document), path)


def _surround(value: Any, steps: Steps) -> Json:
    """``("metadata", "labels")`` → ``{"metadata": {"labels": value}}``, with a type."""
    for step in reversed(steps):
        value = [value] if step is None else {step: value}
    return {**TYPE_META, **value}
