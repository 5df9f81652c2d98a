"""Mail addresses as Go's ``net/mail.ParseAddress`` reads them: ``a@b.c``, ``A B <a@b.c>``, with comments."""

import re

_ATOM = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~\u0080-\U0010ffff-]+")
_QUOTED = re.compile(r'"((?:[^"\\\x00-\x08\x0a-\x1f\x7f]|\\[\x20-\x7e\t])*)"')
_LITERAL = re.compile(r"\[([^\[\]\\]*)\]")


class _NoAddress(ValueError):
    """The text is no address."""


def is_mail_address(text: str) -> bool:
    """Whether the text is one address, with or without a name before it."""
    try:
        at = _skip(text, 0)
        end = _address(text, at)
        return _skip(text, end) == len(text)
    except _NoAddress:
        return False


def _address(text: str, at: int) -> int:
    """The end of an address: first it is read as a bare one, then as a name and one in brackets."""
    try:
        return _bare(text, at)
    except _NoAddress:
        pass
    if not text.startswith("<", at):
        at = _skip(text, _phrase(text, at))
    if not text.startswith("<", at):
        raise _NoAddress
    at = _bare(text, at + 1)
    if not text.startswith(">", at):
        raise _NoAddress
    return at + 1


def _bare(text: str, at: int) -> int:
    at = _local(text, at)
    if not text.startswith("@", at):
        raise _NoAddress
    at = _skip(text, at + 1)
    literal = _LITERAL.match(text, at)
    return literal.end() if literal else _dotted(text, at)


def _local(text: str, at: int) -> int:
    at = _skip(text, at)
    quoted = _QUOTED.match(text, at)
    if quoted:
        if not quoted[1]:
            raise _NoAddress
        return _skip(text, quoted.end())
    return _skip(text, _dotted(text, at))


def _dotted(text: str, at: int) -> int:
    """Atoms with single dots between them."""
    while True:
        atom = _ATOM.match(text, at)
        if atom is None:
            raise _NoAddress
        at = atom.end()
        if not text.startswith(".", at):
            return at
        at += 1


def _phrase(text: str, at: int) -> int:
    """A name: words, of which some may be quoted; dots are let pass."""
    words = 0
    while True:
        at = _skip(text, at)
        word = _QUOTED.match(text, at) or _ATOM.match(text, at)
        if word is None and words and text.startswith(".", at):
            at += 1
            continue
        if word is None:
            break
        at = word.end()
        words += 1
    if not words:
        raise _NoAddress
    return at


def _skip(text: str, at: int) -> int:
    """Past spaces and comments, which may be nested."""
    while at < len(text):
        if text[at] in " \t":
            at += 1
        elif text[at] == "(":
            at = _comment(text, at)
        else:
            break
    return at


def _comment(text: str, at: int) -> int:
    depth = 0
    while at < len(text):
        letter = text[at]
        if letter == "\\":
            at += 1
        depth += (letter == "(") - (letter == ")")
        at += 1
        if not depth:
            return at
    raise _NoAddress
