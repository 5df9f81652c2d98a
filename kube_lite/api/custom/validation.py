"""Objects of custom resources, validated as their definitions ask: every cause, in the reference's order.

First the schema, then what the caller finds about ``scale``, then resources within the resource, then the
uniqueness of sets and keyed lists. The metadata of the object itself and rules in CEL are not looked at here.
An object with nothing wrong is walked twice by closures; only others pay for texts and paths.

Source: ``apiextensions-apiserver/pkg/registry/customresource/{validator,strategy,status_strategy}.go``.
"""

from collections.abc import Iterable, Iterator
from typing import Any

from kube_lite.api.errors import Cause
from kube_lite.api.identity import Json
from kube_lite.api.schema.load import Schema

from .checker import Checker
from .parts import check_lists, check_resources, nothing_special
from .ratcheting import ABSENT


def validate(obj: Json, schema: Schema, *, scale: Iterable[Cause] = ()) -> list[Cause]:
    """What is wrong with a new object.

    Args:
        schema: of the root, as ``structure.custom_schema`` gives it.
        scale: what is wrong with the fields that the ``scale`` subresource reads.
    """
    return [
        *check_value(obj, schema),
        *scale,
        *_check_parts(obj, schema),
    ]


def validate_update(obj: Json, old: Json, schema: Schema, *, scale: Iterable[Cause] = ()) -> list[Cause]:
    """What is wrong with a changed object; what was wrong before and did not change is let be."""
    causes = [*check_value(obj, schema, old=old), *scale]
    if not schema.made(nothing_special)(obj):
        causes += check_resources(obj, schema, "")
        if not any(check_lists(old, schema, "")):
            causes += check_lists(obj, schema, "")
    return causes


def validate_status_update(
    obj: Json, old: Json, schema: Schema, *, scale: Iterable[Cause] = ()
) -> list[Cause]:
    """What is wrong with a changed status; the rest of the object is as it was."""
    causes: list[Cause] = []
    below = schema.properties.get("status")
    if "status" in obj and below is not None:
        before = old.get("status", ABSENT)
        causes += check_value(obj["status"], below, prefix="status", old=before)
    causes += scale
    if not schema.made(nothing_special)(obj) and not any(check_lists(old, schema, "")):
        causes += check_lists(obj, schema, "")
    return causes


def check_value(value: Any, schema: Schema, *, prefix: str = "", old: Any = ABSENT) -> list[Cause]:
    """What the schema itself says of a value, at the path ``prefix``."""
    checker = schema.made(Checker)
    if checker.accepts(value):
        return []
    return checker.explain(value, "", old).causes(prefix)


def _check_parts(obj: Json, schema: Schema) -> Iterator[Cause]:
    if not schema.made(nothing_special)(obj):
        yield from check_resources(obj, schema, "")
        yield from check_lists(obj, schema, "")
