"""Text → tokens, with the complaints that ANTLR's lexer makes about what is none.

Source: cel-go ``parser/gen/CEL.g4``, ``parser/unescape.go``.
"""

import re
from typing import NamedTuple

from .errors import Issue

END = "<EOF>"

_ESCAPE = r"\\(?:[abfnrtv\"'\\?`]|[xX][0-9a-fA-F]{2}|u[0-9a-fA-F]{4}|U[0-9a-fA-F]{8}|[0-3][0-7]{2})"
_STRING = "|".join((
    rf'"""(?:{_ESCAPE}|[^\\])*?"""',
    rf"'''(?:{_ESCAPE}|[^\\])*?'''",
    rf'"(?:{_ESCAPE}|[^\\"\n\r])*"',
    rf"'(?:{_ESCAPE}|[^\\'\n\r])*'",
    r'[rR]""".*?"""',
    r"[rR]'''.*?'''",
    r'[rR]"[^"\n\r]*"',
    r"[rR]'[^'\n\r]*'",
))  # fmt: skip
_TOKEN = re.compile(
    "|".join(
        (
            r"(?P<SPACE>[\t \r\n\f]+|//[^\n]*)",
            rf"(?P<BYTES>[bB](?:{_STRING}))",
            rf"(?P<STRING>{_STRING})",
            r"(?P<NUM_FLOAT>[0-9]+\.[0-9]+(?:[eE][+-]?[0-9]+)?|[0-9]+[eE][+-]?[0-9]+|\.[0-9]+(?:[eE][+-]?[0-9]+)?)",
            r"(?P<NUM_UINT>0x[0-9a-fA-F]+[uU]|[0-9]+[uU])",
            r"(?P<NUM_INT>0x[0-9a-fA-F]+|[0-9]+)",
            r"(?P<IDENTIFIER>[A-Za-z_][A-Za-z0-9_]*)",
            r"(?P<ESC_IDENTIFIER>`[A-Za-z0-9_.\-/ ]+`)",
            r"(?P<SIGN>==|!=|<=|>=|&&|\|\||[<>\[\]{}().,\-!?:+*/%])",
        )
    ),
    re.DOTALL,
)
_SINGLE_PREFIX = re.compile(rf"""(?:{_ESCAPE}|[^\\"'\n\r])*""")
_TRIPLE_PREFIX = re.compile(rf"(?:{_ESCAPE}|[^\\])*", re.DOTALL)
_PARTIAL_ESCAPE = re.compile(r"\\(?:[xX][0-9a-fA-F]?|u[0-9a-fA-F]{0,3}|U[0-9a-fA-F]{0,7}|[0-3][0-7]?)?")
_WORDS = frozenset({"in", "true", "false", "null"})
_BEGIN_PAIRS = frozenset("=&|")


class Token(NamedTuple):
    """``kind`` is the text itself for signs and words, else the name of the rule."""

    kind: str
    text: str
    position: int

    @property
    def quoted(self) -> str:
        """As complaints show it."""
        text = self.text.replace("\n", "\\n").replace("\r", "\\r").replace("\t", "\\t")
        return f"'{text}'"


def tokens_of(text: str, issues: list[Issue]) -> list[Token]:
    """The tokens, ended by ``END``; what is none is reported and skipped."""
    found: list[Token] = []
    at = 0
    while at < len(text):
        match = _TOKEN.match(text, at)
        if match is None:
            at = _skip(text, at, issues)
            continue
        kind, value = match.lastgroup or "", match[0]
        if kind == "SIGN" or (kind == "IDENTIFIER" and value in _WORDS):
            kind = value
        if kind != "SPACE":
            found.append(Token(kind, value, at))
        at = match.end()
    found.append(Token(END, END, len(text)))
    return found


def _skip(text: str, at: int, issues: list[Issue]) -> int:
    """Report what begins like a token but is none, up to the character that shows it."""
    end = at + 1
    if text[at] in _BEGIN_PAIRS:
        end = at + 2
    elif text[at] in "\"'":
        end = _end_of_bad_string(text, at)
    elif text[at] == "`":
        while end < len(text) and re.match(r"[A-Za-z0-9_.\-/ ]", text[end]):
            end += 1
        end += 1
    what = text[at : min(end, len(text))]
    shown = what.replace("\n", "\\n").replace("\r", "\\r").replace("\t", "\\t")
    issues.append(Issue(at, f"Syntax error: token recognition error at: '{shown}'"))
    return min(end, len(text))


def _end_of_bad_string(text: str, at: int) -> int:
    """Behind the first character that no string can have there, or the end of the text."""
    triple = text[at : at + 3] == text[at] * 3
    pattern = _TRIPLE_PREFIX if triple else _SINGLE_PREFIX
    match = pattern.match(text, at + (3 if triple else 1))
    end = match.end() if match else at + 1
    if text[end : end + 1] == "\\":
        partial = _PARTIAL_ESCAPE.match(text, end)
        end = partial.end() if partial else end + 1
    return end + 1


class BadLiteral(ValueError):
    """A literal with an escape that means nothing."""


_SIMPLE = {"a": "\a", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v"}
_ESCAPED = re.compile(_ESCAPE)


def string_value(token: str) -> str:
    """The text that a string literal stands for.

    Raises:
        BadLiteral: with the reason.
    """
    body, is_raw = _body(token)
    return body if is_raw else _ESCAPED.sub(lambda found: _character(found[0]), body)


def bytes_value(token: str) -> bytes:
    """The bytes that ``b"…"`` stands for; hexadecimal and octal escapes are bytes, not characters."""
    body, is_raw = _body(token[1:])
    if is_raw:
        return body.encode()
    value, at = bytearray(), 0
    for found in _ESCAPED.finditer(body):
        value += body[at : found.start()].encode() + _byte(found[0])
        at = found.end()
    return bytes(value + body[at:].encode())


def _body(token: str) -> tuple[str, bool]:
    token = token.replace("\r\n", "\n").replace("\r", "\n")
    is_raw = token[0] in "rR"
    if is_raw:
        token = token[1:]
    quotes = 3 if len(token) >= 6 and token[:3] in ('"""', "'''") else 1
    return token[quotes:-quotes], is_raw


def _character(escape: str) -> str:
    letter = escape[1]
    if letter in _SIMPLE:
        return _SIMPLE[letter]
    if letter in "xXuU":
        return _code_point(int(escape[2:], 16))
    return _code_point(int(escape[1:], 8)) if letter.isdigit() else letter


def _code_point(code: int) -> str:
    if code > 0x10FFFF or 0xD800 <= code < 0xE000:
        raise BadLiteral("invalid unicode code point")
    return chr(code)


def _byte(escape: str) -> bytes:
    letter = escape[1]
    if letter in "xX":
        return bytes([int(escape[2:], 16)])
    return bytes([int(escape[1:], 8)]) if letter.isdigit() else _character(escape).encode()
