"""Label and field selectors: read, match, print.

Both are conjunctions of requirements. The query form (``a=b,c in (d,e),!f``) and the object form
(``matchLabels``, ``matchExpressions``) of label selectors end in the same ``LabelSelector``.
Source: ``apimachinery/pkg/labels/selector.go``, ``fields/selector.go``; the texts of errors are theirs.
"""

import re
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from kube_lite.kit.patterns import pattern

from .errors import BadRequest
from .gotext import go_quote
from .identity import Json
from .names import check_label_value, check_qualified_name

IN, NOT_IN, EXISTS, DOES_NOT_EXIST = "in", "notin", "exists", "!"
EQUALS, NOT_EQUALS, GREATER, LESS = "=", "!=", "gt", "lt"

_SYMBOLS = {"(", ")", ",", "!", "=", "==", "!=", ">", "<"}
_BINARY = {"in": IN, "notin": NOT_IN, "=": EQUALS, "==": EQUALS, "!=": NOT_EQUALS, ">": GREATER, "<": LESS}
_WORD = pattern(r"[^=!(),<> \t\r\n]+")
_INTEGER = pattern(r"[+-]?\d+", re.ASCII)
_LONGEST_INTEGER = 20  # of 64 bits, with a sign
_OBJECT_OPERATORS = {"In": IN, "NotIn": NOT_IN, "Exists": EXISTS, "DoesNotExist": DOES_NOT_EXIST}


class Requirement(NamedTuple):
    """One condition on one label; ``values`` are sorted."""

    key: str
    operator: str
    values: tuple[str, ...] = ()

    def matches(self, labels: Mapping[str, str]) -> bool:
        """Whether labels meet it; a missing label meets ``notin`` and ``!=``."""
        value, operator = labels.get(self.key), self.operator
        if operator in (EQUALS, IN):
            return value is not None and value in self.values
        if operator in (NOT_EQUALS, NOT_IN):
            return value is None or value not in self.values
        if operator == EXISTS:
            return value is not None
        if operator == DOES_NOT_EXIST:
            return value is None
        if value is None or not _is_integer(value):
            return False
        number, bound = int(value), int(self.values[0])
        return number > bound if operator == GREATER else number < bound

    def __str__(self) -> str:
        """The query form."""
        if self.operator in (IN, NOT_IN):
            return f"{self.key} {self.operator} ({','.join(self.values)})"
        if self.operator == EXISTS:
            return self.key
        if self.operator == DOES_NOT_EXIST:
            return f"!{self.key}"
        sign = {GREATER: ">", LESS: "<"}.get(self.operator, self.operator)
        return f"{self.key}{sign}{self.values[0]}"


class LabelSelector:
    """Requirements that must all be met; none at all is everything. ``nothing`` matches no object."""

    __slots__ = ("_exact", "nothing", "requirements")

    def __init__(self, requirements: Iterable[Requirement] = (), *, nothing: bool = False) -> None:
        self.requirements = tuple(sorted(requirements, key=lambda requirement: requirement.key))
        self.nothing = nothing
        self._exact = _exact(self.requirements)

    @property
    def is_everything(self) -> bool:
        """Whether every object matches."""
        return not self.requirements and not self.nothing

    def matches(self, labels: Mapping[str, str] | None) -> bool:
        """Whether an object with these labels is selected."""
        if self.nothing:
            return False
        known = labels or {}
        if self._exact is not None:
            return self._exact.items() <= known.items()
        return all(requirement.matches(known) for requirement in self.requirements)

    def matches_object(self, obj: Json) -> bool:
        """Whether the object's own labels match."""
        return self.matches(obj.get("metadata", {}).get("labels"))

    def __str__(self) -> str:
        """The query form, by key."""
        return ",".join(map(str, self.requirements))

    def __eq__(self, other: object) -> bool:
        """The same requirements."""
        return (
            isinstance(other, LabelSelector)
            and self.requirements == other.requirements
            and self.nothing == other.nothing
        )

    def __hash__(self) -> int:
        """By requirements."""
        return hash(self.requirements)


def _exact(requirements: Iterable[Requirement]) -> dict[str, str] | None:
    """Label → the one value it must have, where that is all that is asked for, as it mostly is."""
    found: dict[str, str] = {}
    for key, operator, values in requirements:
        if operator != EQUALS or found.setdefault(key, values[0]) != values[0]:
            return None
    return found


EVERYTHING = LabelSelector()
NOTHING = LabelSelector(nothing=True)


def parse_label_selector(text: str) -> LabelSelector:
    """Read the query form.

    Raises:
        BadRequest: with the text of the reference parser.
    """
    return LabelSelector(_Parser(_tokens(text)).requirements()) if text.strip() else EVERYTHING


def label_selector(selector: Json | None) -> LabelSelector:
    """Read the object form (``metav1.LabelSelector``): None selects nothing, ``{}`` everything.

    Raises:
        BadRequest: an operator or a value makes no sense.
    """
    if selector is None:
        return NOTHING
    requirements = [
        Requirement(key, EQUALS, (value,)) for key, value in (selector.get("matchLabels") or {}).items()
    ]
    for expression in selector.get("matchExpressions") or ():
        operator = _OBJECT_OPERATORS.get(expression.get("operator", ""))
        if operator is None:
            raise BadRequest(f'"{expression.get("operator", "")}" is not a valid label selector operator')
        values = tuple(sorted(expression.get("values") or ()))
        requirements.append(_requirement(expression.get("key", ""), operator, values))
    return LabelSelector(requirements)


def selector_of_labels(labels: Mapping[str, str] | None) -> LabelSelector:
    """Read a plain map, as in ``Service.spec.selector``: None or empty selects nothing there."""
    if not labels:
        return NOTHING
    return LabelSelector(Requirement(key, EQUALS, (value,)) for key, value in labels.items())


class _Token(NamedTuple):
    kind: str  # "word", a symbol, or "end"
    text: str


END = _Token("end", "")


def _tokens(text: str) -> list[_Token]:
    tokens, at = [], 0
    while at < len(text):
        if text[at] in " \t\r\n":
            at += 1
            continue
        word = _WORD.match(text, at)
        if word:
            tokens.append(_Token("word", word[0]))
            at = word.end()
        else:
            symbol = text[at : at + 2] if text[at : at + 2] in _SYMBOLS else text[at]
            tokens.append(_Token(symbol, symbol))
            at += len(symbol)
    return tokens


class _Parser:
    """Reads tokens by the grammar of the reference's ``Parser``; every message stands where it does there."""

    def __init__(self, tokens: list[_Token]) -> None:
        self.tokens = tokens
        self.at = 0

    def peek(self) -> _Token:
        return self.tokens[self.at] if self.at < len(self.tokens) else END

    def take(self) -> _Token:
        token = self.peek()
        self.at += 1
        return token

    def requirements(self) -> list[Requirement]:
        found: list[Requirement] = []
        while True:
            token = self.peek()
            if token.kind == "end":
                return found
            if token.kind not in ("word", "!"):
                raise BadRequest(f"found '{token.text}', expected: !, identifier, or 'end of string'")
            found.append(self.requirement())
            after = self.take()
            if after.kind == "end":
                return found
            if after.kind != ",":
                raise BadRequest(f"found '{after.text}', expected: ',' or 'end of string'")
            following = self.peek()
            if following.kind not in ("word", "!"):
                raise BadRequest(f"found '{following.text}', expected: identifier after ','")

    def requirement(self) -> Requirement:
        token = self.take()
        absent = token.kind == "!"
        if absent:
            token = self.take()
        if token.kind != "word":
            raise _unreadable(f"found '{token.text}', expected: identifier")
        _check_key(token.text)
        if absent:
            return Requirement(token.text, DOES_NOT_EXIST)
        if self.peek().kind in ("end", ","):
            return Requirement(token.text, EXISTS)
        sign = self.take()
        operator = _BINARY.get(sign.text)
        if operator is None:
            raise _unreadable(f"found '{sign.text}', expected: in, notin, =, ==, !=, gt, lt")
        values = self.values() if operator in (IN, NOT_IN) else (self.exact_value(),)
        return _requirement(token.text, operator, values)

    def exact_value(self) -> str:
        if self.peek().kind in ("end", ","):
            return ""
        token = self.take()
        if token.kind != "word":
            raise _unreadable(f"found '{token.text}', expected: identifier")
        return token.text

    def values(self) -> tuple[str, ...]:
        opening = self.take()
        if opening.kind != "(":
            raise _unreadable(f"found '{opening.text}' expected: '('")
        first = self.peek()
        if first.kind == ")":
            self.take()
            return ("",)
        if first.kind not in ("word", ","):
            raise _unreadable(f"found '{first.text}', expected: ',', ')' or identifier")
        found: set[str] = set()
        while True:
            found.add(self.take().text if self.peek().kind == "word" else "")
            token = self.take()
            if token.kind == ")":
                return tuple(sorted(found))
            if token.kind != ",":
                raise _unreadable(f"found '{token.text}', expected: ',' or ')'")
            if self.peek().kind not in ("word", ",", ")"):
                raise _unreadable(f"found '{self.peek().text}', expected: ',', or identifier")


def _check_key(key: str) -> None:
    wrong = check_qualified_name(key)
    if wrong:
        raise _unreadable(f"<nil>: Invalid value: {go_quote(key)}: {'; '.join(wrong)}")


def _requirement(key: str, operator: str, values: tuple[str, ...]) -> Requirement:
    """A requirement whose values suit its operator."""
    _check_key(key)
    wrong = []
    if operator in (IN, NOT_IN) and not values:
        wrong.append("values: Invalid value: []: for 'in', 'notin' operators, values set can't be empty")
    if operator in (EXISTS, DOES_NOT_EXIST) and values:
        wrong.append("values: Invalid value: values set must be empty for exists and does not exist")
    for position, value in enumerate(values):
        if operator in (GREATER, LESS) and not _is_integer(value):
            wrong.append(
                f"values[{position}]: Invalid value: {go_quote(value)}: "
                "for 'Gt', 'Lt' operators, the value must be an integer"
            )
        texts = check_label_value(value)
        if texts:
            wrong.append(f"values[{position}][{key}]: Invalid value: {go_quote(value)}: {'; '.join(texts)}")
    if wrong:
        raise _unreadable(wrong[0] if len(wrong) == 1 else f"[{', '.join(wrong)}]")
    return Requirement(key, operator, values)


def _unreadable(why: str) -> BadRequest:
    return BadRequest(f"unable to parse requirement: {why}")


class FieldRequirement(NamedTuple):
    """One condition on one selectable field; ``operator`` is ``=`` or ``!=``."""

    field: str
    operator: str
    value: str


class FieldSelector:
    """Requirements on selectable fields that must all be met."""

    __slots__ = ("requirements",)

    def __init__(self, requirements: Iterable[FieldRequirement] = ()) -> None:
        self.requirements = tuple(requirements)

    @property
    def is_everything(self) -> bool:
        """Whether every object matches."""
        return not self.requirements

    def matches(self, fields: Mapping[str, str]) -> bool:
        """Whether an object with these selectable fields is selected; a missing field is empty."""
        return all(
            (fields.get(field, "") == value) == (operator == EQUALS)
            for field, operator, value in self.requirements
        )

    def exact(self, field: str) -> str | None:
        """The value that the field must have, or None where the selector leaves it open."""
        return next(
            (value for name, operator, value in self.requirements if name == field and operator == EQUALS),
            None,
        )

    def __str__(self) -> str:
        """The query form."""
        return ",".join(f"{field}{operator}{_escape(value)}" for field, operator, value in self.requirements)


def _is_integer(text: str) -> bool:
    """Whether a text is a number of 64 bits."""
    if len(text) > _LONGEST_INTEGER or not _INTEGER.fullmatch(text):
        return False
    return bool(-(2**63) <= int(text) < 2**63)


def parse_field_selector(text: str) -> FieldSelector:
    """Read ``metadata.name=a,status.phase!=Running``; ``\\`` escapes ``,`` ``=`` and itself in values.

    Which fields a kind knows is not judged here.

    Raises:
        BadRequest: with the text of the reference parser.
    """
    requirements = []
    for term in _split_terms(text):
        if not term:
            continue
        found = re.search(r"!=|==|=", re.sub(r"\\.", "__", term))
        if found is None:
            raise BadRequest(f"invalid selector: '{text}'; can't understand '{term}'")
        operator = NOT_EQUALS if found[0] == "!=" else EQUALS
        value = _unescape(term[found.end() :])
        if not found.start() and not value:
            continue  # nothing is whatever it wants to be
        requirements.append(FieldRequirement(term[: found.start()], operator, value))
    return FieldSelector(requirements)


def _split_terms(text: str) -> list[str]:
    return re.findall(r"(?:\\.|[^,\\]|\\$)+", text, re.DOTALL)


def _unescape(value: str) -> str:
    letters: list[str] = []
    source = iter(value)
    for letter in source:
        if letter == "\\":
            following = next(source, "")
            if following not in ("\\", ",", "=") or not following:
                raise BadRequest(f"invalid field selector: invalid escape sequence: \\{following}")
            letters.append(following)
        elif letter in ",=":
            raise BadRequest(f"invalid field selector: unescaped character in value: {ord(letter)}")
        else:
            letters.append(letter)
    return "".join(letters)


def _escape(value: str) -> str:
    return re.sub(r"([\\,=])", r"\\\1", value)
