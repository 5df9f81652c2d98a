"""Going through tokens, and what is done about those that do not fit.

ANTLR's complaints name all tokens that could stand in a place, and go on behind the first one. What is kept
of that: one token too many is skipped ("extraneous input"), a closing sign that is missing is thought to be
there ("missing ')'"), otherwise ("mismatched input") everything is skipped up to a sign that the surroundings
wait for; nothing more is reported until a token fits again.

Source: ANTLR's ``DefaultErrorStrategy``; cel-go ``parser/gen/CEL.g4``.
"""

from collections.abc import Container, Iterable

from .errors import Issue
from .expressions import Broken
from .tokens import END, Token

MAX_RECOVERIES = 30
MAX_SYNTAX_ERRORS = 100

EXPRESSION = frozenset({
    "[", "{", "(", ".", "-", "!", "true", "false", "null", "NUM_FLOAT", "NUM_INT", "NUM_UINT", "STRING",
    "BYTES", "IDENTIFIER",
})  # fmt: skip
"""What an expression can begin with."""
BINARY = {
    sign: (level, "@in" if sign == "in" else f"_{sign}_")
    for level, signs in enumerate(("< <= >= > == != in", "+ -", "* / %"), 1)
    for sign in signs.split()
}
"""Sign → how tight it binds, and the function it stands for."""
_OPERATORS = frozenset({"||", "&&", "?", *BINARY})
_ORDER = (
    "==", "!=", "in", "<", "<=", ">=", ">", "&&", "||", "[", "]", "{", "}", "(", ")", ".", ",", "-", "!",
    "?", ":", "+", "*", "/", "%", "true", "false", "null", "NUM_FLOAT", "NUM_INT", "NUM_UINT", "STRING",
    "BYTES", "IDENTIFIER", "ESC_IDENTIFIER",
)  # fmt: skip
_BARE = frozenset({
    "NUM_FLOAT", "NUM_INT", "NUM_UINT", "STRING", "BYTES", "IDENTIFIER", "ESC_IDENTIFIER", END,
})  # fmt: skip


class Unwind(Exception):
    """The rest of a rule of the grammar is given up; the rule around it goes on."""


class TooMany(Exception):
    """Nothing more is reported."""


class Reader:
    """Where one is in the text, and what the surroundings wait for."""

    def __init__(self, text: str, tokens: list[Token], issues: list[Issue]) -> None:
        self._text = text
        self._tokens = tokens
        self._issues = issues
        self._at = 0
        self._is_recovering = False
        self._recoveries = 0
        self._closers: list[frozenset[str]] = [frozenset({END})]
        self._token = tokens[0]

    def _advance(self) -> Token:
        token = self._token
        if token.kind != END:
            self._at += 1
            self._token = self._tokens[self._at]
        self._is_recovering = False
        return token

    def _peek(self) -> str:
        return self._tokens[min(self._at + 1, len(self._tokens) - 1)].kind

    def _match(self, kind: str, follow: Container[str] = ()) -> Token:
        """The token if it is of this kind; else what ANTLR does about it.

        Args:
            follow: what can stand behind it.
        """
        if self._token.kind == kind:
            return self._advance()
        self._count_recovery()
        if self._peek() == kind and self._token.kind != END:
            self._report(f"extraneous input {self._token.quoted} expecting {spelled((kind,))}")
            self._skip()
            return self._advance()
        if self._token.kind in follow:
            self._report(f"missing {spelled((kind,))} at {self._token.quoted}")
            return Token(kind, "", self._token.position)
        self._report(f"mismatched input {self._token.quoted} expecting {spelled((kind,))}")
        raise Unwind

    def _sync(self, expected: frozenset[str]) -> None:
        """Be at a token that can begin what follows."""
        if self._token.kind in expected:
            return
        self._count_recovery()
        if self._token.kind != END and self._peek() in expected:
            self._report(f"extraneous input {self._token.quoted} expecting {spelled(expected)}")
            self._skip()
            self._is_recovering = False
            return
        self._report(f"mismatched input {self._token.quoted} expecting {spelled(expected)}")
        raise Unwind

    def _skip(self) -> None:
        if self._token.kind != END:
            self._at += 1
            self._token = self._tokens[self._at]

    def _awaited(self) -> set[str]:
        """What the surroundings can go on with."""
        return set(_OPERATORS).union(*self._closers)

    def _recover(self) -> None:
        awaited = self._awaited()
        while self._token.kind not in awaited and self._token.kind != END:
            self._skip()

    def _count_recovery(self) -> None:
        self._recoveries += 1
        if self._recoveries > MAX_RECOVERIES:
            self._issues.append(
                Issue(
                    self._token.position,
                    f"Syntax error: error recovery attempt limit exceeded: {MAX_RECOVERIES}",
                )
            )
            raise TooMany

    def _report(self, message: str) -> None:
        if self._is_recovering:
            return
        self._is_recovering = True
        if len(self._issues) >= MAX_SYNTAX_ERRORS:
            message = f"More than {MAX_SYNTAX_ERRORS} syntax errors"
        self._issues.append(Issue(self._token.position, f"Syntax error: {message}"))
        if len(self._issues) > MAX_SYNTAX_ERRORS:
            raise TooMany

    def _complain(self, position: int, message: str) -> Broken:
        self._issues.append(Issue(position, message))
        return Broken(position)

    def _no_alternative(self, first: Token) -> None:
        """None of the ways that begin with ``first`` goes on with this token."""
        self._count_recovery()
        between = self._text[first.position + len(first.text) : self._token.position]
        hidden = "".join(letter for letter in between if letter.isspace())
        shown = Token("", first.text + hidden + self._token.text.removesuffix(END), 0).quoted
        self._report(f"no viable alternative at input {shown}")
        raise Unwind


def spelled(kinds: Iterable[str]) -> str:
    """Kinds of tokens as complaints show them: ``{'[', IDENTIFIER}``."""
    ordered = sorted(kinds, key=lambda kind: _ORDER.index(kind) if kind in _ORDER else -1)
    shown = [kind if kind in _BARE else f"'{kind}'" for kind in ordered]
    return shown[0] if len(shown) == 1 else f"{{{', '.join(shown)}}}"
