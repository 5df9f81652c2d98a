"""JSON patch, RFC 6902, as the library of the reference reads it.

It is laxer than the RFC, and clients rely on that: ``replace`` sets a key that is missing, negative indexes
count from the end, the text before the first slash of a path is ignored.
Source: ``evanphx/json-patch`` v4, ``apiserver/pkg/endpoints/handlers/patch.go``.
"""

from collections.abc import Iterable, Sequence
from typing import Any, NoReturn

import orjson

from kube_lite.api.codecs import json_type
from kube_lite.api.errors import BadRequest, Invalid, RequestEntityTooLarge
from kube_lite.api.identity import Json
from kube_lite.api.meta import copy
from kube_lite.api.schema.load import Schema

from . import read, wrong_type

MAX_OPERATIONS = 10_000
MAX_COPIED_BYTES = (
    3 * 1024 * 1024
)  # what ``copy`` may add up to; without it a small patch makes a huge object

TEXTS = ("op", "path", "from")
DECODING = "error decoding patch: "
REFUSED = "the server rejected our request due to an error in our request"


class TestFailed(Invalid):
    """An operation that only tests found another value than it wants."""

    __test__ = False  # not one of pytest's


def parse(body: bytes, is_checked: bool = True) -> list[Json | None]:
    """The operations of a patch body; null is one that does nothing known.

    Args:
        is_checked: whether unknown fields matter to somebody: the types of fields then do too.

    Raises:
        BadRequest: it is not a list of operations.
        RequestEntityTooLarge: too many operations.
    """
    before = DECODING if is_checked else ""
    patch = read(body, before)
    if not isinstance(patch, list):
        if patch is None:
            return []
        raise wrong_type(patch, "[]handlers.jsonPatchOp" if is_checked else "jsonpatch.Patch", before)
    for operation in patch:
        if operation is not None and not isinstance(operation, dict):
            raise wrong_type(
                operation, "handlers.jsonPatchOp" if is_checked else "jsonpatch.Operation", before
            )
        if is_checked and operation:
            _check_texts(operation)
    if len(patch) > MAX_OPERATIONS:
        raise RequestEntityTooLarge(
            "Request entity too large: The allowed maximum operations in a JSON patch is "
            f"{MAX_OPERATIONS}, got {len(patch)}"
        )
    return patch


def _check_texts(operation: Json) -> None:
    for field in TEXTS:
        value = operation.get(field)
        if value is not None and not isinstance(value, str):
            raise BadRequest(
                f"{DECODING}json: cannot unmarshal {json_type(value)} into Go struct field "
                f"jsonPatchOp.{field} of type string"
            )


def strict_texts(patch: Sequence[Json | None], repeated: Iterable[str]) -> tuple[str, ...]:
    """What strict reading says of the operations themselves, ``repeated`` being the keys that occur twice."""
    unknown = (
        f'unknown field "[{place}].{field}"'
        for place, operation in enumerate(patch)
        for field in operation or ()
        if field not in (*TEXTS, "value")
    )
    return tuple(f"json patch {text}" for text in (*repeated, *unknown))


def touched(patch: Sequence[Json | None]) -> Json:
    """The places that a patch goes through, as nested keys; items of lists by their numbers."""
    places: Json = {}
    for operation in patch:
        below = places
        for key in str((operation or {}).get("path", "")).split("/")[1:-1]:
            below = below.setdefault(key.replace("~1", "/").replace("~0", "~"), {})
    return places


def as_shown(result: Any, places: Json | None) -> Any:
    """The result in the order in which the reference quotes it: ``touched`` objects are sorted by name."""
    if places is None:
        return result
    if isinstance(result, list):
        return [as_shown(item, places.get(str(number))) for number, item in enumerate(result)]
    if isinstance(result, dict):
        return {key: as_shown(result[key], places.get(key)) for key in sorted(result)}
    return result


def apply(obj: Json, patch: Sequence[Json | None], schema: Schema | None = None) -> Json:
    """A new object; neither argument is changed. ``schema`` does not matter to this kind of patch.

    Raises:
        Invalid: an operation does not apply.
    """
    document: Any = copy(obj)
    copied = 0
    for operation in patch:
        path = operation.get("path") if operation else None
        if operation is None or not isinstance(path, str):
            _fail()
        if operation.get("op") == "copy":
            value = copy(_at(document, operation.get("from")))
            copied += len(orjson.dumps(value))
            if copied > MAX_COPIED_BYTES:
                _fail()
            _add(document, path, value)
        else:
            document = _perform(document, operation, path)
    if not isinstance(document, dict):
        _fail()
    return document


def _perform(document: Any, operation: Json, path: str) -> Any:
    """Do one operation on the private document, which is another one when the root is replaced."""
    kind = operation.get("op")
    if kind == "add":
        _add(document, path, copy(operation.get("value")))
    elif kind == "remove":
        _remove(document, path)
    elif kind == "replace":
        return _replace(document, path, copy(operation.get("value")))
    elif kind == "move":
        _add(document, path, _remove(document, operation.get("from")))
    elif kind == "test":
        _test(document, path, operation.get("value"))
    else:
        _fail()
    return document


def _fail() -> NoReturn:
    """The reference does not say which operation failed, nor why."""
    raise Invalid(REFUSED, details={})


def _parent(document: Any, path: Any) -> tuple[Any, str]:
    """The container that a path points into, and the last key."""
    if not isinstance(path, str) or "/" not in path:
        _fail()
    parts = [part.replace("~1", "/").replace("~0", "~") for part in path.split("/")]
    container = document
    for part in parts[1:-1]:
        if isinstance(container, dict):
            container = container.get(part)
        elif isinstance(container, list):
            container = container[_index(part, len(container))]
        if not isinstance(container, (dict, list)):
            _fail()
    return container, parts[-1]


def _index(key: str, length: int) -> int:
    """A place in a list; negative ones count from the end."""
    digits = key[1:] if key[:1] in ("-", "+") else key
    if not (digits.isascii() and digits.isdigit()):
        _fail()
    position = int(key)
    if not -length <= position < length:
        _fail()
    return position % length


def _at(document: Any, path: Any, is_test: bool = False) -> Any:
    if path == "" and is_test:
        return document
    container, key = _parent(document, path)
    return container[_index(key, len(container))] if isinstance(container, list) else container.get(key)


def _add(document: Any, path: str, value: Any) -> None:
    container, key = _parent(document, path)
    if isinstance(container, dict):
        container[key] = value
    elif key == "-":
        container.append(value)
    else:
        container.insert(_index(key, len(container) + 1), value)


def _remove(document: Any, path: Any) -> Any:
    container, key = _parent(document, path)
    if isinstance(container, list):
        return container.pop(_index(key, len(container)))
    if key not in container:
        _fail()
    return container.pop(key)


def _replace(document: Any, path: str, value: Any) -> Any:
    if path == "":
        return value
    container, key = _parent(document, path)
    if isinstance(container, list):
        container[_index(key, len(container))] = value
    else:
        container[key] = value
    return document


def _test(document: Any, path: str, value: Any) -> None:
    # Python finds 1, 1.0 and True equal; their JSON tells them apart
    found = orjson.dumps(_at(document, path, is_test=True), option=orjson.OPT_SORT_KEYS)
    if found != orjson.dumps(value, option=orjson.OPT_SORT_KEYS):
        raise TestFailed(REFUSED, details={})
