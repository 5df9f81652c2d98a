"""Texts, counted in characters.

Source: cel-go ``common/stdlib/standard.go`` and ``ext/strings.go`` (version 2, which Kubernetes has).
"""

from typing import Any

from kube_lite.api.cel.errors import EvaluationError
from kube_lite.api.cel.functions import function, method
from kube_lite.api.cel.values import text_of
from kube_lite.api.regex import BadPattern, tester

from .formatting import format_text

_UPPER = {code: code - 32 for code in range(ord("a"), ord("z") + 1)}
_LOWER = {code - 32: code for code in _UPPER}
_SPACE = (
    "\t\n\v\f\r \x85\xa0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a"
    "\u2028\u2029\u202f\u205f\u3000"
)
_QUOTED = str.maketrans({
    "\a": "\\a", "\b": "\\b", "\f": "\\f", "\n": "\\n", "\r": "\\r", "\t": "\\t", "\v": "\\v", "\\": "\\\\",
    '"': '\\"',
})  # fmt: skip


def _out_of_range(index: int) -> EvaluationError:
    return EvaluationError(f"index out of range: {index}")


def _char_at(text: str, index: int) -> str:
    if not 0 <= index <= len(text):
        raise _out_of_range(index)
    return text[index : index + 1]


def _index_of(text: str, part: str, start: int = 0) -> int:
    if start < 0:
        raise _out_of_range(start)
    if not part:
        return min(start, len(text))
    return text.find(part, start)


def _last_index_of(text: str, part: str) -> int:
    return text.rfind(part) if part else len(text)


def _last_index_before(text: str, part: str, start: int) -> int:
    if start < 0:
        raise _out_of_range(start)
    if not part:
        return min(start, len(text))
    return -1 if start >= len(text) else text.rfind(part, 0, start + len(part))


def _substring(text: str, start: int, end: int | None = None) -> str:
    if end is not None and start > end:
        raise EvaluationError(f"invalid substring range. start: {start}, end: {end}")
    for index in (start, len(text) if end is None else end):
        if not 0 <= index <= len(text):
            raise _out_of_range(index)
    return text[start:end]


def _replace(text: str, old: str, new: str, count: int = -1) -> str:
    return text.replace(old, new, count)


def _split(text: str, separator: str, count: int = -1) -> list[str]:
    if count == 0:
        return []
    most = count - 1 if count > 0 else -1
    if separator:
        return text.split(separator, most)
    return list(text) if most < 0 or most >= len(text) else [*text[:most], text[most:]]


def _join(items: Any, separator: str = "") -> str:
    for item in items:
        if not isinstance(item, str):
            raise EvaluationError(f"join: invalid input: {text_of(item)}")
    return separator.join(items)


def matches(text: str, pattern: str) -> bool:
    """Whether a part of the text is as the pattern says.

    Raises:
        EvaluationError: it is no pattern.
    """
    try:
        return tester(pattern)(text)
    except BadPattern as error:
        raise EvaluationError(str(error)) from error


OVERLOADS = (
    method(
        "contains", "contains_string", "string, string -> bool", lambda text, part: part in text, terse=True
    ),
    method("endsWith", "ends_with_string", "string, string -> bool", str.endswith, terse=True),
    method("startsWith", "starts_with_string", "string, string -> bool", str.startswith, terse=True),
    function("matches", "matches", "string, string -> bool", matches, terse=True),
    method("matches", "matches_string", "string, string -> bool", matches, terse=True),
    method("charAt", "string_char_at_int", "string, int -> string", _char_at),
    method("indexOf", "string_index_of_string", "string, string -> int", _index_of),
    method("indexOf", "string_index_of_string_int", "string, string, int -> int", _index_of),
    method("lastIndexOf", "string_last_index_of_string", "string, string -> int", _last_index_of),
    method(
        "lastIndexOf", "string_last_index_of_string_int", "string, string, int -> int", _last_index_before
    ),
    method("lowerAscii", "string_lower_ascii", "string -> string", lambda text: text.translate(_LOWER)),
    method("upperAscii", "string_upper_ascii", "string -> string", lambda text: text.translate(_UPPER)),
    method("replace", "string_replace_string_string", "string, string, string -> string", _replace),
    method("replace", "string_replace_string_string_int", "string, string, string, int -> string", _replace),
    method("split", "string_split_string", "string, string -> list(string)", _split),
    method("split", "string_split_string_int", "string, string, int -> list(string)", _split),
    method("substring", "string_substring_int", "string, int -> string", _substring),
    method("substring", "string_substring_int_int", "string, int, int -> string", _substring),
    method("trim", "string_trim", "string -> string", lambda text: text.strip(_SPACE)),
    method("format", "string_format", "string, list(dyn) -> string", format_text),
    function(
        "strings.quote", "strings_quote", "string -> string", lambda text: f'"{text.translate(_QUOTED)}"'
    ),
    method("join", "list_join", "list(string) -> string", _join),
    method("join", "list_join_string", "list(string), string -> string", _join),
)
