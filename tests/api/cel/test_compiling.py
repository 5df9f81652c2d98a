"""What is wrong with expressions before they are worked out, in cel-go's words."""

import pytest

from kube_lite.api.cel import types
from kube_lite.api.cel.environment import Environment, PlanError
from kube_lite.api.cel.errors import CompileError

SPEC = types.struct("Spec")
FIELDS = {"Spec": {"a": types.INT, "b": types.STRING, "__namespace__": types.STRING}}
ENVIRONMENT = Environment({"self": SPEC, "n": types.INT, "items": types.list_of(types.INT)}, FIELDS)
STARTS = (
    "{'[', '{', '(', '.', '-', '!', 'true', 'false', 'null', "
    "NUM_FLOAT, NUM_INT, NUM_UINT, STRING, BYTES, IDENTIFIER}"
)


def errors(expression: str) -> list[str]:
    """Each complaint without the picture of its line."""
    with pytest.raises(CompileError) as caught:
        ENVIRONMENT.compile(expression)
    lines = str(caught.value).split("\n")
    return [line.removeprefix("ERROR: <input>:") for line in lines if line.startswith("ERROR")]


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        pytest.param("self >", [f"1:7: Syntax error: mismatched input '<EOF>' expecting {STARTS}"], id="end"),
        pytest.param(
            "n == && true",
            [f"1:6: Syntax error: extraneous input '&&' expecting {STARTS}"],
            id="one too many",
        ),
        pytest.param(
            "n = 1",
            [
                "1:3: Syntax error: token recognition error at: '= '",
                "1:5: Syntax error: extraneous input '1' expecting <EOF>",
            ],
            id="assignment",
        ),
        pytest.param("(n + 1", ["1:7: Syntax error: missing ')' at '<EOF>'"], id="parenthesis"),
        pytest.param(
            "[1, 2", ["1:6: Syntax error: mismatched input '<EOF>' expecting {']', ','}"], id="bracket"
        ),
        pytest.param("{1}", ["1:3: Syntax error: mismatched input '}' expecting ':'"], id="map"),
        pytest.param("self.", ["1:6: Syntax error: no viable alternative at input '.'"], id="field"),
        pytest.param(
            "self.true",
            ["1:6: Syntax error: mismatched input 'true' expecting IDENTIFIER"],
            id="word as field",
        ),
        pytest.param("if", ["1:1: reserved identifier: if"], id="reserved word"),
        pytest.param("'\\ud800'", ["1:1: invalid unicode code point"], id="character"),
        pytest.param("9223372036854775808", ["1:1: invalid int literal"], id="number"),
        pytest.param(
            "n +\n\n  'a' +",
            [f"3:8: Syntax error: mismatched input '<EOF>' expecting {STARTS}"],
            id="third line",
        ),
        pytest.param("items.all(1, true)", ["1:11: argument must be a simple name"], id="variable of a loop"),
        pytest.param("items.all(i, i, true)", ["1:14: duplicate variable name: i"], id="variables of a loop"),
        pytest.param("has(n)", ["1:5: invalid argument to has() macro"], id="has"),
    ],
)
def test_syntax_errors_name_place_and_alternatives(expression: str, expected: list[str]) -> None:
    assert errors(expression) == expected


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        pytest.param("self.c == 1", ["1:5: undefined field 'c'"], id="field"),
        pytest.param("has(self.c)", ["1:4: undefined field 'c'"], id="presence"),
        pytest.param("none", ["1:1: undeclared reference to 'none' (in container '')"], id="name"),
        pytest.param("none(1)", ["1:5: undeclared reference to 'none' (in container '')"], id="function"),
        pytest.param(
            "n == 'a'",
            ["1:3: found no matching overload for '_==_' applied to '(int, string)'"],
            id="operator",
        ),
        pytest.param(
            "n.size()", ["1:7: found no matching overload for 'size' applied to 'int.()'"], id="method"
        ),
        pytest.param("n.a", ["1:2: type 'int' does not support field selection"], id="no fields"),
        pytest.param(
            "n.all(i, true)",
            [
                "1:1: expression of type 'int' cannot be range of a comprehension "
                "(must be list, map, or dynamic)"
            ],
            id="range",
        ),
        pytest.param("n && true", ["1:1: expected type 'bool' but found 'int'"], id="condition"),
        pytest.param("[1, 'a']", ["1:5: expected type 'int' but found 'string'"], id="mixed list"),
        pytest.param("{'a': 1, 2: 1}", ["1:10: expected type 'string' but found 'int'"], id="mixed map"),
        pytest.param("self.b.matches('(')", ["1:16: invalid matches argument"], id="pattern"),
        pytest.param("duration('1x') > duration('1s')", ["1:10: invalid duration argument"], id="duration"),
        pytest.param("timestamp('today')", ["1:11: invalid timestamp argument"], id="moment"),
        pytest.param(
            "Spec{a: 'x'}",
            ["1:7: expected type of field 'a' is 'int' but provided type is 'string'"],
            id="object",
        ),
        pytest.param(
            "'%d'.format(['a'])",
            ["1:14: error during formatting: decimal clause can only be used on integers, was given string"],
            id="clause",
        ),
        pytest.param(
            "'%d'.format([1, 2])",
            ["1:12: too many arguments supplied to string.format (expected 1, got 2)"],
            id="arguments of a format",
        ),
        pytest.param(
            "self.c + none",
            ["1:5: undefined field 'c'", "1:10: undeclared reference to 'none' (in container '')"],
            id="two",
        ),
    ],
)
def test_type_errors_name_place_and_types(expression: str, expected: list[str]) -> None:
    assert errors(expression) == expected


def test_a_picture_shows_the_place() -> None:
    with pytest.raises(CompileError) as caught:
        ENVIRONMENT.compile("'é' +\n\t'😁' == n")
    assert str(caught.value) == (
        "ERROR: <input>:2:6: found no matching overload for '_==_' applied to '(string, int)'\n"
        " |  '😁' == n\n | ..．..^"
    ).replace("..．..^", "..．..^")


@pytest.mark.parametrize(
    "expression",
    [
        pytest.param("'%s %d'.format(['a', 1]) == 'a 1'", id="a format takes different types"),
        pytest.param("self.namespace == 'a'", id="a field with a reserved name"),
        pytest.param("self.__namespace__ == 'a'", id="its escaped name"),
        pytest.param("dyn(n) == 'a'", id="what is not known is decided later"),
        pytest.param("self == null", id="an object may be null"),
    ],
)
def test_what_may_be_is_let_through(expression: str) -> None:
    assert ENVIRONMENT.compile(expression).type == types.BOOL


def test_a_constant_that_cannot_be_converted_is_refused_before_it_is_used() -> None:
    with pytest.raises(PlanError, match="type conversion error from 'string' to 'int'"):
        ENVIRONMENT.compile("int('a') == 1")


@pytest.mark.parametrize("sign", ["(", "[", "!", "-", "a.", "f("])
def test_expressions_nested_too_deep_are_refused(sign: str) -> None:
    with pytest.raises(CompileError):
        ENVIRONMENT.compile(sign * 5000)


def test_texts_that_are_too_long_are_refused() -> None:
    with pytest.raises(CompileError, match=r"size: 100001, limit 100000"):
        ENVIRONMENT.compile(" " * 100_001)
