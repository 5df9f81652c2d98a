"""YAML as the API server reads it: one document, turned into JSON values.

libyaml parses; what plain scalars mean is decided here, because the rules differ from PyYAML's: moments stay
texts, ``1e3`` is a number, ``1:30`` is not, ``y`` is a boolean. Keys become texts and are sorted, as in the
JSON that the reference makes in between (so the first error of a wrong type is the same).

Aliases are copied, and copies are counted: a document in which most of the values come out of aliases is
refused before it grows. Source: go-yaml v2 ``resolve.go`` and ``decode.go``, ``sigs.k8s.io/yaml``.
"""

import base64
import binascii
import math
import re
from typing import Any

import yaml

from . import Decoded, DecodeError
from .json import refuse_depth

MAX_DEPTH = 1000  # of nested collections; each costs a Python frame
ALIASES_FREE, VALUES_FREE = 100, 1_000  # below these nobody is suspected
RATIO_SMALL, RATIO_LARGE = (
    0.99,
    0.10,
)  # share of values out of aliases that a small and a large document may have
SMALL, LARGE = 400_000, 4_000_000

_TRUE = frozenset(["y", "Y", "yes", "Yes", "YES", "true", "True", "TRUE", "on", "On", "ON"])
_FALSE = frozenset(["n", "N", "no", "No", "NO", "false", "False", "FALSE", "off", "Off", "OFF"])
_NULL = frozenset(["", "~", "null", "Null", "NULL"])
_FLOAT = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?", re.ASCII)
_INTEGER = re.compile(r"([-+]?)(?:0b([01]+)|0x([0-9a-fA-F]+)|0o?([0-7]+)|([0-9]+))", re.ASCII)
_STANDARD = "tag:yaml.org,2002:"
_PLAIN = _STANDARD + "plain"


class _Loader(yaml.CSafeLoader):
    """Leaves plain scalars alone, so that ``_Builder`` can say what they are."""

    def resolve(self, kind: type[Any], value: str, implicit: Any) -> str:
        if kind is yaml.ScalarNode and implicit[0]:
            return _PLAIN
        return {yaml.ScalarNode: "tag:yaml.org,2002:str", yaml.SequenceNode: "tag:yaml.org,2002:seq"}.get(
            kind, "tag:yaml.org,2002:map"
        )


def decode(body: bytes) -> Decoded:
    """Read the first document; no document at all is None.

    Raises:
        DecodeError: with the message of go-yaml.
    """
    if len(body) > 1 and body[:1] in b"{[" and not body.startswith((b"{{", b"[[")):
        from . import json as json_codec  # JSON is YAML, and the usual body of `kubectl patch --type apply`

        try:
            return json_codec.decode(body)
        except DecodeError:
            pass
    builder = _Builder()
    try:
        loader = _Loader(body)
        try:
            node = loader.get_node() if loader.check_node() else None
            value = builder.build(node, 0) if node is not None else None
        finally:
            loader.dispose()
    except yaml.MarkedYAMLError as error:
        raise DecodeError(_text_of(error)) from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise DecodeError("yaml: control characters are not allowed") from error
    except RecursionError as error:
        raise DecodeError("yaml: exceeded max depth") from error
    refuse_depth(value)
    if not builder.repeated:
        return Decoded(value)
    refusal = "yaml: unmarshal errors:\n  " + "\n  ".join(builder.repeated)
    return Decoded(value, tuple(builder.repeated), (refusal,))


def encode(value: Any) -> bytes:
    """Write YAML as ``sigs.k8s.io/yaml`` does: keys sorted, no aliases, lists not indented."""
    text: str = yaml.dump(value, Dumper=_Dumper, default_flow_style=False, allow_unicode=True, sort_keys=True)
    return text.encode()


class _Dumper(yaml.CSafeDumper):
    """Quotes whatever ``decode`` would take for something else than a text."""

    def ignore_aliases(self, data: Any) -> bool:
        return True

    def resolve(self, kind: type[Any], value: str, implicit: Any) -> str:
        if kind is not yaml.ScalarNode:
            return _STANDARD + ("seq" if kind is yaml.SequenceNode else "map")
        if not implicit[0]:
            return _STANDARD + "str"
        if value == "<<":
            return _STANDARD + "merge"
        try:
            meaning = _plain(value)
        except DecodeError:
            meaning = 0.0
        return _STANDARD + _TAGS[type(meaning)]


def _represent_text(dumper: _Dumper, text: str) -> yaml.Node:
    """Lines as lines; in double quotes what would be taken for something else, by old readers too."""
    style = None
    if "\n" in text:
        style = "|"
    elif _OLD.fullmatch(text) or dumper.resolve(yaml.ScalarNode, text, (True, False)) not in _TEXTS:
        style = '"'
    return dumper.represent_scalar(_STANDARD + "str", text, style=style)


_Dumper.add_representer(str, _represent_text)
_TEXTS = (_STANDARD + "str", _STANDARD + "merge")
_OLD = re.compile(r"[yYnN]|\d{4}-\d\d?-\d\d?([Tt ].*)?|[-+]?\d[\d_]*(:[0-5]?\d)+(\.\d*)?")
"""Booleans, moments and numbers to base 60 of YAML 1.1, which ``decode`` takes for texts, as its model."""
_TAGS = {str: "str", bool: "bool", int: "int", float: "float", type(None): "null"}


class _Builder:
    """Turns nodes into values and counts what comes out of aliases."""

    def __init__(self) -> None:
        self.repeated: list[str] = []
        self.values = 0
        self.copies = 0
        self.seen: set[int] = set()
        self.open: set[int] = set()
        self.in_alias = 0

    def build(self, node: yaml.Node, depth: int) -> Any:
        if depth > MAX_DEPTH:
            raise DecodeError("yaml: exceeded max depth")
        identity = id(node)
        if identity in self.open:
            raise DecodeError("yaml: anchor value contains itself")
        is_alias = identity in self.seen
        self.seen.add(identity)
        self.in_alias += is_alias
        self._count()
        if isinstance(node, yaml.ScalarNode):
            value = _scalar(node)
        else:
            self.open.add(identity)
            value = (
                self._sequence(node, depth)
                if isinstance(node, yaml.SequenceNode)
                else self._mapping(node, depth)
            )
            self.open.discard(identity)
        self.in_alias -= is_alias
        return value

    def _count(self) -> None:
        self.values += 1
        if not self.in_alias:
            return
        self.copies += 1
        if self.copies <= ALIASES_FREE or self.values <= VALUES_FREE:
            return
        span = min(max(self.values - SMALL, 0) / (LARGE - SMALL), 1.0)
        if self.copies / self.values > RATIO_SMALL - span * (RATIO_SMALL - RATIO_LARGE):
            raise DecodeError("yaml: document contains excessive aliasing")

    def _sequence(self, node: yaml.SequenceNode, depth: int) -> list[Any]:
        return [self.build(item, depth + 1) for item in node.value]

    def _mapping(self, node: yaml.Node, depth: int) -> dict[str, Any]:
        found: dict[str, Any] = {}
        merged: dict[str, Any] = {}
        for key_node, value_node in node.value:
            if key_node.tag in (_PLAIN, _STANDARD + "merge") and key_node.value == "<<":
                merged |= self._merged(value_node, depth)
                continue
            key = _key(self.build(key_node, depth + 1))
            if key in found:
                self.repeated.append(f'line {key_node.start_mark.line + 1}: key "{key}" already set in map')
            found[key] = self.build(value_node, depth + 1)
        found = {**merged, **found}
        return {key: found[key] for key in sorted(found)}

    def _merged(self, node: yaml.Node, depth: int) -> dict[str, Any]:
        value = self.build(node, depth + 1)
        parts = value[::-1] if isinstance(value, list) else [value]
        if not all(isinstance(part, dict) for part in parts):
            raise DecodeError("yaml: map merge requires map or sequence of maps as the value")
        return {key: below for part in parts for key, below in part.items()}


def _scalar(node: yaml.ScalarNode) -> Any:
    tag, text = node.tag, node.value
    if tag == _PLAIN:
        return _plain(text)
    if tag == _STANDARD + "binary":
        try:
            return base64.b64decode(text).decode("utf-8", "replace")
        except binascii.Error as error:
            raise DecodeError("yaml: !!binary value contains invalid base64 data") from error
    if tag in (_STANDARD + "int", _STANDARD + "float", _STANDARD + "bool", _STANDARD + "null"):
        return _plain(text)
    return text


def _plain(text: str) -> Any:
    """What a plain scalar stands for."""
    if text in _NULL:
        return None
    first = text[0]
    if first not in "+-.0123456789":
        if text in _TRUE:
            return True
        return False if text in _FALSE else text
    digits = text.replace("_", "")
    integer = _INTEGER.fullmatch(digits)
    if integer:
        sign, binary, hexadecimal, octal, decimal = integer.groups()
        value = (
            int(binary, 2) if binary
            else int(hexadecimal, 16) if hexadecimal
            else int(octal, 8) if octal
            else int(decimal)
        )  # fmt: skip
        return -value if sign == "-" else value
    if _FLOAT.fullmatch(digits):
        number = float(digits)
        return int(number) if number.is_integer() and abs(number) < 1e15 else _finite(number)
    if digits.lower() in (".inf", "+.inf", "-.inf", ".nan"):
        raise DecodeError(f"json: unsupported value: {digits.strip('.').upper()}")
    return text


def _finite(number: float) -> float:
    if math.isinf(number):
        raise DecodeError("json: unsupported value: +Inf")
    return number


def _key(value: Any) -> str:
    """Keys of JSON are texts."""
    if isinstance(value, str):
        return value
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (int, float)):
        return str(value)
    raise DecodeError(f"yaml: invalid map key: {value!r}")


def _text_of(error: yaml.MarkedYAMLError) -> str:
    """The message in go-yaml's words; its scanner counts lines from one, its parser from zero."""
    lift = 1 if isinstance(error, yaml.scanner.ScannerError) else 0
    for mark, extra in ((error.problem_mark, lift), (error.context_mark, 0)):
        if mark is not None and mark.line:
            return f"yaml: line {mark.line + extra}: {error.problem}"
    return f"yaml: {error.problem}"
