"""Regular expressions as Go reads them: RE2's syntax, matched in linear time whatever the pattern.

Patterns come from clients (schemas, CEL), so Python's own ``re`` will not do: it knows other constructs, and
some patterns would keep it busy for ever. ``google-re2`` is loaded with the first pattern.
"""

from collections.abc import Callable
from functools import lru_cache
from typing import Any

from .regex_syntax import DEPTH_MAX, mistake

PATTERN_MEMORY = 64 << 20  # bytes a compiled pattern may take; Go draws its line at a similar size

Test = Callable[[str], bool]


class BadPattern(ValueError):
    """The text is no regular expression; the message is Go's."""


@lru_cache(maxsize=2048)
def tester(pattern: str) -> Test:
    """What tells whether some part of a text matches.

    Raises:
        BadPattern: it is no regular expression.
    """
    regexp = compile(pattern)
    search = regexp.search
    quick = _quick(pattern)
    if quick is None:
        return lambda text: search(text) is not None
    match = quick.Match  # looks for a match only, not for where it is

    def test(text: str) -> bool:
        return bool(match(text)) or search(text) is not None

    return test


@lru_cache(maxsize=2048)
def compile(pattern: str) -> Any:
    """A pattern with the methods of Python's own (``search``, ``sub``, ``finditer`` …).

    Raises:
        BadPattern: it is no regular expression.
    """
    import re2

    if "\\C" in pattern or pattern.count("(") > DEPTH_MAX:  # what the library takes, and Go may not
        wrong = mistake(pattern)
        if wrong:
            raise BadPattern(wrong)
    try:
        return re2.compile(pattern, _options())
    except re2.error as error:
        raise BadPattern(mistake(pattern) or _other_mistake(error, pattern)) from error
    except UnicodeEncodeError as error:
        raise BadPattern(f"error parsing regexp: invalid UTF-8: `{pattern!a}`") from error


def why_not(pattern: str) -> str:
    """What Go says is wrong with a pattern; empty when nothing is."""
    try:
        compile(pattern)
    except BadPattern as error:
        return str(error)
    return ""


def _other_mistake(error: Exception, pattern: str) -> str:
    """What only the library knows: names of Unicode's classes, and how much memory a pattern takes."""
    told = error.args[0]
    text = told.decode(errors="replace") if isinstance(told, bytes) else str(told)
    if text.startswith("invalid character class range: "):
        words, _, part = text.partition(": ")
        return f"error parsing regexp: {words}: `{part}`"
    return f"error parsing regexp: expression too large: `{pattern}`"


def _quick(pattern: str) -> Any:
    import re2

    found = re2.Set.SearchSet(_options())
    try:
        found.Add(pattern)
        found.Compile()
    except re2.error:  # too large as a whole, though not by itself
        return None
    return found


def _options() -> Any:
    import re2

    options = re2.Options()
    options.log_errors = False
    options.max_mem = PATTERN_MEMORY
    return options
