"""JSON: fast where it is good, exact in its words where it is not.

``orjson`` reads, and does not tell of repeated keys. They are found by counting: an object written again has
as many colons as its source unless a key was dropped (or a colon was written as an escape). Only when the
counts differ does a slow reader look for the paths. Likewise only bytes that ``orjson`` refuses are read by
``Scanner``, which follows Go's ``encoding/json`` and so finds Go's words for what is wrong.
"""

import json
import re
from collections.abc import Sequence
from typing import Any

import orjson

from kube_lite.kit.patterns import pattern

from . import Decoded, DecodeError

MAX_DEPTH = 10_000  # of Go's scanner
WRITABLE_DEPTH = 254  # of orjson's writer
TOO_DEEP = "exceeded max depth"
END = "unexpected end of JSON input"

_SPACE = pattern(r"[ \t\r\n]*")
_SURROGATE = pattern(
    r"\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|(?P<half>\\u[dD][89a-fA-F][0-9a-fA-F]{2})|\\."
)
_STRING = pattern(r'"(?:[^"\\\x00-\x1f]|\\["\\/bfnrt]|\\u[0-9a-fA-F]{4})*')
_NUMBER = pattern(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?")
_NUMBER_START = pattern(r"-?(?:(?:0|[1-9][0-9]*)(?:\.[0-9]*)?(?:[eE][+-]?[0-9]*)?)?")


def decode(body: bytes) -> Decoded:
    """Read JSON.

    Raises:
        DecodeError: with the message of Go's ``encoding/json``.
    """
    value = _read(body)
    if type(value) is not dict:
        refuse_depth(value)
        return Decoded(value)
    texts = repeated_texts(body, value)
    return Decoded(value, texts, texts) if texts else Decoded(value)


def repeated_texts(body: bytes, value: Any) -> tuple[str, ...]:
    """What is said of keys that occur twice in a body, which was read as ``value``.

    Raises:
        DecodeError: it is nested too deep to be written again.
    """
    written = _write(value)
    if written == body or not _may_repeat(body, written):
        return ()
    return tuple(f'duplicate field "{path}"' for path in repeated_keys(body))


def loads(body: bytes) -> Any:
    """Read JSON without a look for repeated keys; the last of them counts.

    Raises:
        DecodeError: with the message of Go's ``encoding/json``.
    """
    value = _read(body)
    if body.count(b"[") + body.count(b"{") > WRITABLE_DEPTH:
        refuse_depth(value)
    return value


def _read(body: bytes) -> Any:
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError as error:
        text = _text(body)
        wrong = Scanner(text).error()
        if wrong is not None:
            raise DecodeError(wrong) from error
        try:
            return json.loads(text)
        except (ValueError, RecursionError) as failure:
            raise DecodeError(TOO_DEEP) from failure


def _text(body: bytes) -> str:
    """The text as Go reads it, which replaces broken UTF-8 and halves of surrogate pairs."""
    return _SURROGATE.sub(_whole, body.decode("utf-8", "replace"))


def _whole(escape: re.Match[str]) -> str:
    """A pair of surrogates, or an escape that is none, as it stands; half a pair as what Go makes of it."""
    return r"\ufffd" if escape["half"] else escape[0]


def refuse_depth(value: Any) -> None:
    """What cannot be written again is not read: Go reads 10,000 levels, we write ``WRITABLE_DEPTH``.

    Raises:
        DecodeError: ``value`` is nested deeper.
    """
    _write(value)


def _write(value: Any) -> bytes:
    try:
        return orjson.dumps(value)
    except orjson.JSONEncodeError as error:
        raise DecodeError(TOO_DEEP) from error


def encode(value: Any) -> bytes:
    """Write JSON, as compact as Go does."""
    return orjson.dumps(value)


def _may_repeat(body: bytes, written: bytes) -> bool:
    return body.count(b":") != written.count(b":") or b"\\u003" in body


class _Object(dict[str, Any]):
    """An object that remembers which of its keys occurred twice."""

    __slots__ = ("repeated",)

    def __init__(self, pairs: list[tuple[str, Any]]) -> None:
        super().__init__(pairs)
        self.repeated: dict[str, None] = {}
        if len(self) != len(pairs):
            seen: set[str] = set()
            for key, _ in pairs:
                if key in seen:
                    self.repeated[key] = None
                seen.add(key)


def repeated_keys(body: bytes) -> list[str]:
    """The paths of keys that occur twice in one object, in the order of the document."""
    paths: list[str] = []
    _collect(json.loads(_text(body), object_pairs_hook=_Object), "", paths)
    return paths


def _collect(value: Any, path: str, paths: list[str]) -> None:
    if isinstance(value, _Object):
        for key, below in value.items():
            here = f"{path}.{key}" if path else key
            if key in value.repeated:
                paths.append(here)
            _collect(below, here, paths)
    elif isinstance(value, list):
        for position, below in enumerate(value):
            _collect(below, f"{path}[{position}]", paths)


class _Pairs(list[tuple[str, Any]]):
    """An object as it is written, with all that it says twice."""


def in_order(body: bytes, repeated: Sequence[str], unknown: Sequence[str]) -> tuple[str, ...]:
    """What is said of repeated and of unknown fields, in the order of the document.

    What is below an unknown field is not read, so nothing is said of it.
    """
    told: dict[str, None] = {}
    _tell(json.loads(_text(body), object_pairs_hook=_Pairs), "", (set(repeated), set(unknown)), told)
    return tuple(told)


def _tell(value: Any, path: str, known: tuple[set[str], set[str]], told: dict[str, None]) -> None:
    repeated, unknown = known
    if isinstance(value, _Pairs):
        seen: set[str] = set()
        for key, below in value:
            here = f"{path}.{key}" if path else key
            text = f'unknown field "{here}"'
            if text in unknown:
                told[text] = None
                continue
            if key in seen and (text := f'duplicate field "{here}"') in repeated:
                told[text] = None
            seen.add(key)
            _tell(below, here, known, told)
    elif isinstance(value, list):
        for position, below in enumerate(value):
            _tell(below, f"{path}[{position}]", known, told)


class _Wrong(Exception):
    """What is wrong with the text."""


class Scanner:
    """Finds the first thing that Go's scanner would refuse in a text."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0

    def error(self) -> str | None:
        """Go's message, or None when the text is good."""
        try:
            self._value(0)
            if self._skip():
                raise self._invalid("after top-level value")
        except _Wrong as wrong:
            return str(wrong)
        except RecursionError:
            return TOO_DEEP
        return None

    def _skip(self) -> str:
        """Pass white space; the next letter, or nothing at the end."""
        found = _SPACE.match(self.text, self.at)
        assert found is not None  # matches the empty text
        self.at = found.end()
        return self.text[self.at : self.at + 1]

    def _invalid(self, where: str) -> _Wrong:
        """``where`` tells what Go was looking at or for; at the end of the text it does not matter."""
        if self.at >= len(self.text):
            return _Wrong(END)
        return _Wrong(f"invalid character {quote_character(self.text[self.at])} {where}")

    def _value(self, depth: int) -> None:
        if depth > MAX_DEPTH:
            raise _Wrong(TOO_DEEP)
        letter = self._skip()
        if letter == "{":
            self._members(depth)
        elif letter == "[":
            self._elements(depth)
        elif letter == '"':
            self._string()
        elif letter == "-" or letter.isdigit():
            self._number()
        elif letter and letter in "tfn":
            self._literal({"t": "true", "f": "false", "n": "null"}[letter])
        else:
            raise self._invalid("looking for beginning of value")

    def _members(self, depth: int) -> None:
        self.at += 1
        if self._skip() == "}":
            self.at += 1
            return
        while True:
            if self._skip() != '"':
                raise self._invalid("looking for beginning of object key string")
            self._string()
            if self._skip() != ":":
                raise self._invalid("after object key")
            self.at += 1
            self._value(depth + 1)
            letter = self._skip()
            if letter not in (",", "}"):
                raise self._invalid("after object key:value pair")
            self.at += 1
            if letter == "}":
                return

    def _elements(self, depth: int) -> None:
        self.at += 1
        if self._skip() == "]":
            self.at += 1
            return
        while True:
            self._value(depth + 1)
            letter = self._skip()
            if letter not in (",", "]"):
                raise self._invalid("after array element")
            self.at += 1
            if letter == "]":
                return

    def _string(self) -> None:
        found = _STRING.match(self.text, self.at)
        assert found is not None  # the caller saw the quote
        self.at = found.end()
        letter = self.text[self.at : self.at + 1]
        if letter == '"':
            self.at += 1
            return
        if letter != "\\":
            raise self._invalid("in string literal")
        self.at += 1
        if self.text[self.at : self.at + 1] != "u":
            raise self._invalid("in string escape code")
        self.at += 1
        while self.text[self.at : self.at + 1] in tuple("0123456789abcdefABCDEF"):
            self.at += 1
        raise self._invalid("in \\u hexadecimal character escape")

    def _number(self) -> None:
        found = _NUMBER.match(self.text, self.at)
        started = _NUMBER_START.match(self.text, self.at)
        assert started is not None  # matches the empty text
        if found is not None and found.end() == started.end():
            self.at = found.end()
            return
        self.at = started.end()
        last = self.text[self.at - 1]
        where = {".": "after decimal point in numeric literal"}.get(last, "in exponent of numeric literal")
        raise self._invalid(
            "in numeric literal" if last == "-" and started.end() - started.start() == 1 else where
        )

    def _literal(self, word: str) -> None:
        for position, letter in enumerate(word):
            if self.text[self.at : self.at + 1] != letter:
                raise self._invalid(f"in literal {word} (expecting {quote_character(word[position])})")
            self.at += 1


def quote_character(letter: str) -> str:
    """A letter in single quotes as Go's scanner writes it."""
    if letter == "'":
        return r"'\''"
    if letter == '"':
        return "'\"'"
    if letter < " " and letter not in "\b\f\n\r\t":
        return f"'\\x{ord(letter):02x}'"
    return "'" + json.dumps(letter, ensure_ascii=False)[1:-1] + "'"
