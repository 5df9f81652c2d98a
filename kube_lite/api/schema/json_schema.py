"""Schemas within schemas, where there may be something else: how ``items`` and its like are read.

The fields of a definition's schema that hold a schema or an array, or a schema or a boolean, have decoders of
their own in Go. What these do not know they drop without a word, however strict the request, and of a mistake
they tell only where they were themselves.
Source: ``apiextensions-apiserver/pkg/apis/apiextensions/v1/marshal.go``.
"""

import re
from collections.abc import Callable
from typing import Any

from .mismatch import Path, TypeMismatch, field_path

NEITHER = "boolean or JSON schema expected"
Read = Callable[[Any, Path, list[Path]], Any]

_PLACE = re.compile(r"Go (struct field|value) (\S+ )?of type")


def readers(read_schema: Read, owner: str) -> dict[str, Read]:
    """How the fields are read that may hold something else, by name.

    Args:
        read_schema: reads a schema.
        owner: what Go calls it.
    """

    def schema(value: Any, path: Path) -> Any:
        try:
            return read_schema(value, None, [])
        except TypeMismatch as error:
            here = f"Go struct field {field_path(owner, path)} of type"
            raise TypeMismatch(_PLACE.sub(here, str(error)), error.restored) from error

    def schema_or_array(value: Any, path: Path, unknown: list[Path]) -> Any:
        if type(value) is list:
            return [schema(item, path) for item in value] or None
        return schema(value, path) if type(value) is dict else None

    def schema_or_boolean(value: Any, path: Path, unknown: list[Path]) -> Any:
        if type(value) is dict:
            return schema(value, path)
        if type(value) is not bool:
            raise TypeMismatch(NEITHER)
        return value

    return {
        "items": schema_or_array,
        "additionalItems": schema_or_boolean,
        "additionalProperties": schema_or_boolean,
    }
