"""What Go says of a text that is no regular expression: the first mistake, and the part that has it.

RE2's own library finds mistakes too, but in other words and with other parts of the text. So a text that it
refuses is scanned here, as Go's parser would read it, for the message only.
Source: Go's ``regexp/syntax/parse.go``.
"""

import re

REPEAT_MAX = 1000  # of one repetition, and of the product of nested ones
DEPTH_MAX = 1000  # of groups

_COUNT = re.compile(r"\{(0|[1-9][0-9]*)(,(0|[1-9][0-9]*)?)?\}")
_NAMED = re.compile(r"\(\?P?<")
_FLAGS = re.compile(r"\(\?(?:[imsU]*-[imsU]+|[imsU]*)([:)])")
_FLAGS_SO_FAR = re.compile(r"\(\?[imsU]*(?:-[imsU]*)?")
_HEX = re.compile(r"x(?:\{([0-9A-Fa-f]+)\}|[0-9A-Fa-f]{2})")
_OCTAL = re.compile(r"0[0-7]{0,2}|[1-7][0-7]{1,2}")
_CLASS = re.compile(r"\[:(.*?):\]", re.DOTALL)
_UNICODE = re.compile(r"\\[pP](\{[^}]*\}|[^{])", re.DOTALL)
_POSIX = frozenset(
    f"{sign}{name}"
    for sign in ("", "^")
    for name in (
        "alnum",
        "alpha",
        "ascii",
        "blank",
        "cntrl",
        "digit",
        "graph",
        "lower",
        "print",
        "punct",
        "space",
        "upper",
        "word",
        "xdigit",
    )
)
_LETTERS = "afnrtv"


class _Mistake(Exception):
    """The text is wrong here; words of Go, and the part."""

    def __init__(self, words: str, part: str) -> None:
        super().__init__(f"error parsing regexp: {words}: `{part}`")


class _Group:
    """What is open: the weight of the last thing that can be repeated, None for none; the greatest so far."""

    __slots__ = ("greatest", "is_capture", "last")

    def __init__(self, *, is_capture: bool) -> None:
        self.is_capture = is_capture
        self.last: int | None = None
        self.greatest = 1

    def put(self, weight: int = 1) -> None:
        """One more thing, of which that many copies are made within it."""
        self.last = weight
        self.greatest = max(self.greatest, weight)


def mistake(pattern: str) -> str:
    """Go's message, or an empty text where this scanner finds nothing wrong."""
    try:
        _Scanner(pattern).scan()
    except _Mistake as found:
        return str(found)
    return ""


class _Scanner:
    def __init__(self, pattern: str) -> None:
        self._text = pattern
        self._at = 0
        self._groups = [_Group(is_capture=False)]
        self._repeated_at: int | None = None
        """Where the repetition began that stands just before; None where something else does."""

    def scan(self) -> None:
        """Read everything.

        Raises:
            _Mistake: the first one.
        """
        text = self._text
        while self._at < len(text):
            letter, before = text[self._at], self._at
            if letter in "*+?" or (letter == "{" and _COUNT.match(text, self._at)):
                self._repeat()
                self._repeated_at = before
                continue
            self._take(letter)
            self._repeated_at = None
        if len(self._groups) > 1:
            raise _Mistake("missing closing )", text)

    def _take(self, letter: str) -> None:
        group = self._groups[-1]
        if letter == "(":
            self._open()
        elif letter == ")":
            self._close()
        elif letter == "[":
            self._class()
            group.put()
        elif letter == "\\":
            self._escaped()
        else:
            self._at += 1
            if letter == "|":
                group.last = None
            else:
                group.put()

    def _repeat(self) -> None:
        text, start, group = self._text, self._at, self._groups[-1]
        count = _COUNT.match(text, start)
        end = count.end() if count else start + 1
        low = high = 0
        if count:
            low, high = _bounds(count)
            if low > REPEAT_MAX or high > REPEAT_MAX or 0 <= high < low:
                raise _Mistake("invalid repeat count", text[start:end])
        if text.startswith("?", end):
            end += 1
        if self._repeated_at is not None:
            raise _Mistake("invalid nested repetition operator", text[self._repeated_at : end])
        if group.last is None:
            raise _Mistake("missing argument to repetition operator", text[start:end])
        if count:
            times = low if high < 0 else high
            weight = 0 if high == 0 else group.last * max(times, 1)
            if max(low, high) >= 2 and weight > REPEAT_MAX:
                raise _Mistake("invalid repeat count", text[start:end])
            group.put(weight)
        self._at = end

    def _open(self) -> None:
        text, at = self._text, self._at
        if not text.startswith("(?", at):
            self._groups.append(_Group(is_capture=True))
            self._at += 1
        elif _NAMED.match(text, at):
            self._open_named()
        else:
            flags = _FLAGS.match(text, at)
            if flags is None:
                so_far = _FLAGS_SO_FAR.match(text, at)
                assert so_far is not None  # it begins with "(?"
                raise _Mistake("invalid or unsupported Perl syntax", text[at : so_far.end() + 1])
            if flags[1] == ":":
                self._groups.append(_Group(is_capture=False))
            self._at = flags.end()
        if sum(group.is_capture for group in self._groups) > DEPTH_MAX:
            raise _Mistake("expression nests too deeply", text)

    def _open_named(self) -> None:
        text, at = self._text, self._at
        end = text.find(">", at)
        if end < 0:
            raise _Mistake("invalid named capture", text[at:])
        if not re.fullmatch("[A-Za-z0-9_]+", text[text.index("<", at) + 1 : end]):
            raise _Mistake("invalid named capture", text[at : end + 1])
        self._groups.append(_Group(is_capture=True))
        self._at = end + 1

    def _close(self) -> None:
        if len(self._groups) == 1:
            raise _Mistake("unexpected )", self._text)
        closed = self._groups.pop()
        self._groups[-1].put(closed.greatest)
        self._at += 1

    def _escaped(self) -> None:
        """An escape outside of classes."""
        text, at = self._text, self._at
        following = text[at + 1 : at + 2]
        if following == "C":
            raise _Mistake("invalid escape sequence", "\\C")
        if following == "Q":
            end = text.find("\\E", at + 2)
            self._at = len(text) if end < 0 else end + 2
            if end != at + 2:
                self._groups[-1].put()
            return
        if following and following in "AbBz":
            self._at += 2
        elif not self._unicode() and not self._perl():
            self._character_escape()
        self._groups[-1].put()

    def _unicode(self) -> bool:
        """Past ``\\pL`` or ``\\p{Greek}``; whether that is what stands here."""
        text, at = self._text, self._at
        if not text.startswith(("\\p", "\\P"), at):
            return False
        found = _UNICODE.match(text, at)
        if found is None:
            raise _Mistake("invalid character class range", text[at:])
        self._at = found.end()
        return True

    def _perl(self) -> bool:
        """Past ``\\d`` and its like."""
        if self._text[self._at + 1 : self._at + 2] not in ("d", "D", "s", "S", "w", "W"):
            return False
        self._at += 2
        return True

    def _character_escape(self) -> int:
        """Past an escape that stands for one character: its code."""
        text, at = self._text, self._at
        following = text[at + 1 : at + 2]
        if not following:
            raise _Mistake("trailing backslash at end of expression", "")
        octal, hexadecimal = _OCTAL.match(text, at + 1), _HEX.match(text, at + 1)
        if octal:
            self._at = octal.end()
            return int(octal[0], 8)
        if hexadecimal and int(hexadecimal[1] or "0", 16) <= 0x10FFFF:
            self._at = hexadecimal.end()
            return int(hexadecimal[1] or hexadecimal[0][1:], 16)
        if following in _LETTERS or (following.isascii() and not following.isalnum()):
            self._at += 2
            return ord(following)
        raise _Mistake("invalid escape sequence", text[at : self._end_of_escape(at)])

    def _end_of_escape(self, at: int) -> int:
        """Where Go had stopped reading when it gave up."""
        text = self._text
        if text[at + 1] != "x":
            return at + 2
        if not text.startswith("{", at + 2):
            return min(at + 4, len(text))
        end, code = at + 3, 0
        while end < len(text):
            end += 1
            if text[end - 1] not in "0123456789abcdefABCDEF":
                break
            code = code * 16 + int(text[end - 1], 16)
            if code > 0x10FFFF:
                break
        return end

    def _class(self) -> None:
        text, start = self._text, self._at
        self._at += 2 if text.startswith("^", start + 1) else 1
        first = True
        while first or not text.startswith("]", self._at):
            first = False
            if self._named_class() or self._unicode():
                continue
            if text.startswith("\\", self._at) and self._perl():
                continue
            self._range(start)
        self._at += 1

    def _named_class(self) -> bool:
        named = _CLASS.match(self._text, self._at)
        if named is None:
            return False
        if named[1] not in _POSIX:
            raise _Mistake("invalid character class range", named[0])
        self._at = named.end()
        return True

    def _range(self, start: int) -> None:
        text, begins = self._text, self._at
        low = self._class_character(start)
        if text.startswith("-", self._at) and text[self._at + 1 : self._at + 2] not in ("", "]"):
            self._at += 1
            if self._class_character(start) < low:
                raise _Mistake("invalid character class range", text[begins : self._at])

    def _class_character(self, start: int) -> int:
        text, at = self._text, self._at
        if at >= len(text):
            raise _Mistake("missing closing ]", text[start:])
        if text[at] == "\\":
            return self._character_escape()
        self._at += 1
        return ord(text[at])


def _bounds(count: re.Match[str]) -> tuple[int, int]:
    """``{2}`` → (2, 2), ``{2,}`` → (2, -1), ``{2,5}`` → (2, 5)."""
    low = int(count[1])
    if count[2] is None:
        return low, low
    return low, int(count[3]) if count[3] else -1
