"""Bytes ↔ objects, by media type.

``decode`` reads a body and reports keys that occur twice; ``decode_object`` does so for a request's body and
words failures as the API server does. Formats are modules of this folder, imported when first met.
"""

from collections.abc import Callable
from functools import cache
from importlib import import_module
from typing import Any, NamedTuple

from kube_lite.api.errors import BadRequest, UnsupportedMediaType

JSON = "application/json"
YAML = "application/yaml"
PROTOBUF = "application/vnd.kubernetes.protobuf"
CBOR = "application/cbor"
APPLY_CBOR = "application/apply-patch+cbor"
ACCEPTED = (JSON, YAML, PROTOBUF)
NAMED = ", ".join(ACCEPTED)
SUMMARY_BYTES = 30


class Decoded(NamedTuple):
    """What a body says.

    Attributes:
        value: the object, in memory of its own.
        repeated: a text for each key that occurs twice, as a warning says it: ``duplicate field "data.k"``.
        refusal: the same as strict decoding says it; the texts are joined by ``, ``.
    """

    value: Any
    repeated: tuple[str, ...] = ()
    refusal: tuple[str, ...] = ()


class DecodeError(ValueError):
    """The bytes are not in the form they claim; the message is Go's. ``kind`` says what failed."""


def media_type(content_type: str) -> str:
    """``application/JSON; charset=utf-8`` → ``application/json``; empty is JSON."""
    bare = content_type.partition(";")[0].strip().lower()
    return bare or JSON


def decode(body: bytes, content_type: str = JSON) -> Decoded:
    """Read a body.

    Raises:
        UnsupportedMediaType: no codec reads this form.
        DecodeError: the bytes are not in that form.
    """
    kind = content_type if content_type in _MODULES else media_type(content_type)
    if kind not in _MODULES:
        raise unsupported()
    return _decoder(_MODULES[kind])(body)


_MODULES = {
    JSON: "json", YAML: "yaml", "application/x-yaml": "yaml", "text/yaml": "yaml", PROTOBUF: "protobuf",
    CBOR: "cbor", APPLY_CBOR: "cbor",
}  # fmt: skip
"""Media type → the module of this folder that reads it."""
_READING = {
    JSON: "couldn't get version/kind; json parse error: ",
    CBOR: "unable to determine group/version/kind: ",
}
"""Media type → what a refusal says before why."""


@cache
def _decoder(module: str) -> Callable[[bytes], Decoded]:
    decoder: Callable[[bytes], Decoded] = import_module(f".{module}", __name__).decode
    return decoder


def decode_object(body: bytes, content_type: str, kind: str) -> Decoded:
    """Read the body of a request that wants an object of ``kind``; the value is a dict.

    An empty document of null stands for an object without fields, as in the reference.

    Raises:
        BadRequest: with the server's words, which quote the beginning of the body.
        UnsupportedMediaType: no codec reads this form.
    """
    try:
        decoded = decode(body, content_type)
    except DecodeError as error:
        raise _unrecognized(kind, reading(content_type) + str(error), body) from error
    if decoded.value is None:
        return decoded._replace(value={})
    if not isinstance(decoded.value, dict):
        if media_type(content_type) == CBOR:
            raise _unrecognized(kind, f"{_READING[CBOR]}cbor: the value is not a map", body)
        text = (
            f"couldn't get version/kind; json parse error: json: cannot unmarshal {json_type(decoded.value)} "
            'into Go value of type struct { APIVersion string "json:\\"apiVersion,omitempty\\""; '
            'Kind string "json:\\"kind,omitempty\\"" }'
        )
        raise _unrecognized(kind, text, body)
    return decoded


def reading(content_type: str) -> str:
    """What a refusal of a body says before why it cannot be read."""
    return _READING.get(media_type(content_type), "")


def unsupported() -> UnsupportedMediaType:
    """The answer to a body whose form nobody reads."""
    return UnsupportedMediaType(
        f"the body of the request was in an unknown format - accepted media types include: {NAMED}"
    )


def json_type(value: object) -> str:
    """What Go's decoder calls a JSON value: ``object array string bool number``."""
    if isinstance(value, bool):
        return "bool"
    names = {dict: "object", list: "array", str: "string", int: "number", float: "number"}
    return names.get(type(value), "null")


def _unrecognized(kind: str, why: str, body: bytes) -> BadRequest:
    return BadRequest(
        f"the object provided is unrecognized (must be of type {kind}): {why} ({_summary(body)})"
    )


def _summary(body: bytes) -> str:
    """The beginning of a body: JSON objects as text, anything else in hexadecimal."""
    if not body:
        return "<empty>"
    start, more = body[:SUMMARY_BYTES], " ..." if len(body) > SUMMARY_BYTES else ""
    return (start.decode(errors="replace") if body[:1] == b"{" else start.hex()) + more
