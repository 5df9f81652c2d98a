"""Paths such as ``.spec.port`` and ``.spec.map['a.b']`` that a definition gives, held against its schema.

Source: ``apiextensions-apiserver/pkg/apiserver/schema/cel/validation.go`` (ValidFieldPath).
"""

import re
from collections.abc import Iterator
from typing import NamedTuple

from kube_lite.api.fieldpath import child, key
from kube_lite.api.identity import Json

_TOKEN = re.compile(r"[.\[\]]|'(?:[^']|(?<=\\)')*(?<!\\)'|(?!')[^.\[\]]+|'.*", re.DOTALL)
_ESCAPE = re.compile(r"\\(.)", re.DOTALL)
_LETTERS = {
    "a": "\a", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v", "'": "'", "\\": "\\",
}  # fmt: skip
NO_FIELD = "does not refer to a valid field"
THE_END = "unexpected end of JSON path"


class BadPath(ValueError):
    """The text is no path, or leads nowhere in the schema; the message is upstream's."""


class Place(NamedTuple):
    """Where a path leads: the path as error messages write it, the first name, and the schema there."""

    path: str
    first: str
    document: Json | None


def place_of(text: str, document: Json, *, brackets: bool = True) -> Place:
    """Follow a path through a schema.

    Args:
        brackets: whether ``['name']`` may be used.

    Raises:
        BadPath: it cannot be followed.
    """
    tokens = iter(_TOKEN.findall(text))
    path, first = "", ""
    below: Json | None = document
    for token in tokens:
        if token == "[":
            if not brackets:
                raise BadPath("array notation is not allowed")
            name = _unquoted(_next(tokens))
        elif token == ".":
            name = _next(tokens)
        else:
            raise BadPath(f"expected [ or . but got: {token}")
        path, below = _step(path, below, name)
        first = first or name
        if token == "[" and (end := _next(tokens)) != "]":
            raise BadPath(f"expected ] but got {end}")
    return Place(path, first, below)


def _next(tokens: Iterator[str]) -> str:
    token = next(tokens, None)
    if token is None:
        raise BadPath(THE_END)
    return token


def _step(path: str, document: Json | None, name: str) -> tuple[str, Json | None]:
    properties = document.get("properties") if document else None
    additional = document.get("additionalProperties") if document else None
    if properties:
        if name not in properties:
            raise BadPath(NO_FIELD)
        return child(path, name), properties[name]
    if additional is None:
        raise BadPath(NO_FIELD)
    return key(path, name), additional if isinstance(additional, dict) else None


def _unquoted(token: str) -> str:
    if len(token) < 2 or token[0] != "'" or token[-1] != "'":
        raise BadPath(f"expected single quoted string but got {token}")

    def letter(found: re.Match[str]) -> str:
        if found[1] not in _LETTERS:
            raise BadPath(f"invalid string literal: invalid escape char {found[0]}")
        return _LETTERS[found[1]]

    return _ESCAPE.sub(letter, token[1:-1])
