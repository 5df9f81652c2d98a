"""What can be wrong with an expression, before and while it is worked out."""

from typing import NamedTuple

MAX_SNIPPET = 16384  # longer lines are not shown
MAX_SHOWN = 100


class Issue(NamedTuple):
    """One complaint about a place in the text; ``position`` counts characters, -1 for no place."""

    position: int
    message: str


class CompileError(Exception):
    """The text is no expression, or not one of the types at hand.

    The message names every place: ``ERROR: <input>:1:6: undefined field 'x'`` and a picture of the line.
    """

    def __init__(self, text: str, issues: list[Issue]) -> None:
        super().__init__(display(text, issues))
        self.issues = issues


class EvaluationError(Exception):
    """An expression that came to no value: ``no such key: x``, ``division by zero`` …"""


class NoOverload(EvaluationError):
    """Values of types that an operator does not take, which only shows at run time."""

    def __init__(self, call: str = "") -> None:
        super().__init__(f"no such overload: {call}" if call else "no such overload")


class CostExceeded(Exception):
    """The expression has cost more than one evaluation may; it was stopped."""

    def __init__(self) -> None:
        super().__init__("operation cancelled: actual cost limit exceeded")


def display(text: str, issues: list[Issue]) -> str:
    """All complaints, by place."""
    lines = text.split("\n")
    starts = [0]
    for line in lines:
        starts.append(starts[-1] + len(line) + 1)
    placed = sorted(((*_place(issue.position, starts), issue.message) for issue in issues), key=_by_place)
    shown = [_shown(line, column, message, lines) for line, column, message in placed[:MAX_SHOWN]]
    if len(placed) > MAX_SHOWN:
        shown.append(f"{len(placed) - MAX_SHOWN} more errors were truncated")
    return "\n".join(shown)


def _by_place(placed: tuple[int, int, str]) -> tuple[int, int]:
    return placed[0], placed[1]


def _place(position: int, starts: list[int]) -> tuple[int, int]:
    if position < 0:
        return -1, -1
    line = next((line for line in range(1, len(starts)) if position < starts[line]), len(starts) - 1)
    return line, position - starts[line - 1]


def _shown(line: int, column: int, message: str, lines: list[str]) -> str:
    told = f"ERROR: <input>:{line}:{column + 1}: {message}"
    if not 0 < line <= len(lines) or len(lines[line - 1].encode(errors="surrogatepass")) > MAX_SNIPPET:
        return told
    snippet = lines[line - 1].replace("\t", " ")
    before = "".join("." if letter < "\x80" else "．" for letter in snippet[:column])
    marked = "＾" if snippet[column : column + 1] >= "\x80" else "^"
    return f"{told}\n | {snippet}\n | {before}{marked}"
