"""The JSONPath of kubectl, as far as it picks values: of printer columns and selectable fields.

    .spec.containers[0].image      .status.conditions[?(@.type=="Ready")].status      ..image
    .metadata.labels.app\\.kubernetes\\.io/name      ['spec']['size']      .items[*].name      [0:2]

A path is compiled once to steps, each of which turns some values into others; what is not there gives
nothing. Templates (``{range}``, text between braces) are kubectl's own business and not read here.
Source: ``k8s.io/client-go/util/jsonpath``.
"""

import re
from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import Any

Step = Callable[[Any, Any], Iterator[Any]]
"""A value and the root → the values that the step leads to."""

DEEP = 64  # levels that ``..`` descends
MAX_LENGTH = 4096  # letters; nobody writes paths as long
MAX_FILTERS = 32  # filters within filters and one after the other
_NAME = re.compile(r"(?:\\.|[^\\.\[\]{}\s,:()|'\"@$!<>=&?])+")
_QUOTED = re.compile(r"'((?:\\.|[^'\\])*)'|\"((?:\\.|[^\"\\])*)\"")
_SLICE = re.compile(r"\s*(-?\d*)\s*(?::\s*(-?\d*)\s*)?(?::\s*(-?\d*)\s*)?")
_COMPARISON = re.compile(r"(==|!=|<=|>=|<|>)")


class PathError(ValueError):
    """A text that is no path; says what is wrong with it."""


class JsonPath:
    """A compiled path.

    Raises:
        PathError: the text is none.
    """

    __slots__ = ("_steps", "text")

    def __init__(self, text: str) -> None:
        self.text = text
        self._steps = _Parser(text).steps()

    def find(self, value: Any) -> list[Any]:
        """Every value that the path leads to, in order."""
        found = [value]
        for step in self._steps:
            found = [below for above in found for below in step(above, value)]
            if not found:
                break
        return found

    def first(self, value: Any) -> Any:
        """The first value, None where there is none."""
        found = self.find(value)
        return found[0] if found else None


@lru_cache(maxsize=1024)
def json_path(text: str) -> JsonPath:
    """The compiled path; the same for the same text."""
    return JsonPath(text)


def _child(name: str) -> Step:
    def step(value: Any, root: Any) -> Iterator[Any]:
        if isinstance(value, dict) and name in value:
            yield value[name]

    return step


def _every(value: Any, root: Any) -> Iterator[Any]:
    if isinstance(value, list):
        yield from value
    elif isinstance(value, dict):
        yield from (value[key] for key in sorted(value))


def _descend(value: Any, root: Any) -> Iterator[Any]:
    waiting = [(value, 0)]
    while waiting:
        here, depth = waiting.pop()
        yield here
        if depth < DEEP:
            waiting.extend((below, depth + 1) for below in reversed(list(_every(here, root))))


def _itself(value: Any, root: Any) -> Iterator[Any]:
    yield value


def _index(position: int) -> Step:
    def step(value: Any, root: Any) -> Iterator[Any]:
        if isinstance(value, list) and -len(value) <= position < len(value):
            yield value[position]

    return step


def _part(start: int | None, end: int | None, stride: int | None) -> Step:
    chosen = slice(start, end, stride)

    def step(value: Any, root: Any) -> Iterator[Any]:
        if isinstance(value, list):
            yield from value[chosen]

    return step


def _union(steps: list[Step]) -> Step:
    def step(value: Any, root: Any) -> Iterator[Any]:
        for one in steps:
            yield from one(value, root)

    return step


class _Parser:
    """Reads a path from left to right."""

    def __init__(self, text: str) -> None:
        if len(text) > MAX_LENGTH or text.count("?(") > MAX_FILTERS:
            raise PathError("the path is too long")
        self._text = text.strip().removeprefix("{").removesuffix("}").removeprefix("$")
        self._at = 0

    def steps(self) -> list[Step]:
        found: list[Step] = []
        while self._at < len(self._text):
            found.extend(self._next())
        return found

    def _next(self) -> Iterator[Step]:
        text, at = self._text, self._at
        if text.startswith("..", at):
            self._at += 2
            yield _descend
            if self._at < len(text) and text[self._at] not in "[.":
                yield self._name()
        elif text[at] == ".":
            self._at += 1
            if self._at < len(text) and text[self._at] != "[":
                yield self._name()
        elif text[at] == "[":
            yield self._bracket()
        else:
            yield self._name()

    def _name(self) -> Step:
        if self._text[self._at] == "*":
            self._at += 1
            return _every
        match = _NAME.match(self._text, self._at)
        if match is None:
            raise PathError(f"unrecognized character in action: {self._text[self._at]!r}")
        self._at = match.end()
        return _child(re.sub(r"\\(.)", r"\1", match.group()))

    def _bracket(self) -> Step:
        inner = self._inside()
        if inner.startswith("?("):
            if not inner.endswith(")"):
                raise PathError("unterminated filter")
            return _filter(inner[2:-1])
        pieces = _split(inner, ",")
        if not inner:
            raise PathError("invalid array index")
        steps = [_item(piece.strip()) for piece in pieces]
        return steps[0] if len(steps) == 1 else _union(steps)

    def _inside(self) -> str:
        """What stands between this bracket and its partner."""
        start, depth, at = self._at + 1, 0, self._at
        text = self._text
        while at < len(text):
            quoted = _QUOTED.match(text, at)
            if quoted is not None:
                at = quoted.end()
                continue
            depth += {"[": 1, "]": -1}.get(text[at], 0)
            at += 1
            if depth == 0:
                self._at = at
                return text[start : at - 1].strip()
        raise PathError("unterminated array")


def _split(text: str, separator: str) -> list[str]:
    """The pieces of a text, quoted ones left whole."""
    pieces, piece, at = [], "", 0
    while at < len(text):
        quoted = _QUOTED.match(text, at)
        if quoted is not None:
            piece += quoted.group()
            at = quoted.end()
        elif text.startswith(separator, at):
            pieces.append(piece)
            piece = ""
            at += len(separator)
        else:
            piece += text[at]
            at += 1
    return [*pieces, piece]


def _item(text: str) -> Step:
    if text == "*":
        return _every
    quoted = _QUOTED.fullmatch(text)
    if quoted is not None:
        return _child(_unquoted(quoted))
    match = _SLICE.fullmatch(text)
    if match is None or not text:
        raise PathError(f"invalid array index {text}")
    numbers = [int(group) if group not in (None, "", "-") else None for group in match.groups()]
    if ":" not in text:
        if numbers[0] is None:
            raise PathError(f"invalid array index {text}")
        return _index(numbers[0])
    if numbers[2] == 0:
        raise PathError("step must be > 0")
    return _part(*numbers)


def _unquoted(match: re.Match[str]) -> str:
    return re.sub(r"\\(.)", r"\1", match.group(1) if match.group(1) is not None else match.group(2))


def _filter(text: str) -> Step:
    """``@.type=="Ready"``: the items for which it holds; without a comparison, those that have the value."""
    left, operator, right = _comparison(text)
    find_left = _operand(left)
    find_right = _operand(right) if operator else None

    def holds(item: Any, root: Any) -> bool:
        found = find_left(item, root)
        if find_right is None:
            return bool(found)
        others = find_right(item, root)
        return len(found) == 1 and len(others) == 1 and _compare(found[0], operator, others[0])

    def step(value: Any, root: Any) -> Iterator[Any]:
        if isinstance(value, list):
            yield from (item for item in value if holds(item, root))

    return step


def _comparison(text: str) -> tuple[str, str, str]:
    at = 0
    while at < len(text):
        quoted = _QUOTED.match(text, at)
        match = _COMPARISON.match(text, at)
        if match is not None:
            return text[:at].strip(), match.group(), text[match.end() :].strip()
        at = quoted.end() if quoted is not None else at + 1
    return text.strip(), "", ""


def _operand(text: str) -> Callable[[Any, Any], list[Any]]:
    quoted = _QUOTED.fullmatch(text)
    if quoted is not None:
        literal: Any = _unquoted(quoted)
        return lambda item, root: [literal]
    if text in ("true", "false"):
        truth = text == "true"
        return lambda item, root: [truth]
    if re.fullmatch(r"[-+]?\d+(\.\d+)?", text):
        number = float(text) if "." in text else int(text)
        return lambda item, root: [number]
    if not text.startswith(("@", "$", ".")):
        raise PathError(f"unrecognized operand {text}")
    path = JsonPath(text[1:] if text.startswith("@") else text)
    if text.startswith("$"):
        return lambda item, root: path.find(root)
    return lambda item, root: path.find(item)


def _compare(left: Any, operator: str, right: Any) -> bool:
    if operator in ("==", "!="):
        is_same = type(left) is not bool and type(right) is not bool and left == right
        return bool(is_same or left is right) == (operator == "==")
    numbers = isinstance(left, (int, float)) and isinstance(right, (int, float))
    if not numbers and not (isinstance(left, str) and isinstance(right, str)):
        return False
    return bool({"<": left < right, ">": left > right, "<=": left <= right, ">=": left >= right}[operator])
