"""Expressions and what they are worth."""

import math
from typing import Any

import pytest

from kube_lite.api.cel import types
from kube_lite.api.cel.environment import Environment
from kube_lite.api.cel.library.conversions import double_text

VARIABLES = {"x": types.DYN, "n": types.INT, "names": types.list_of(types.STRING)}
VALUES: list[Any] = [{}, 5, ["ada", "bob"]]


def outcome(expression: str) -> Any:
    """The value, or the text of the error."""
    found = Environment(VARIABLES).compile(expression).run(VALUES)
    return found.value if found.error is None else str(found.error)


@pytest.mark.parametrize(
    "truths",
    [
        pytest.param(
            [
                "1 + 2 * 3 == 7",
                "(1 + 2) * 3 == 9",
                "-7 / 2 == -3",
                "-7 % 2 == -1",
                "7 % -2 == 1",
                "--1 == 1",
                "2u + 3u == 5u",
                "1.5 * 2.0 == 3.0",
                "1.0 / 0.0 == double('Infinity')",
                "n - 1 == 4",
            ],
            id="arithmetic",
        ),
        pytest.param(
            [
                "1 < 2",
                "dyn(1) < 1.5",
                "dyn(2u) >= 2",
                "'a' < 'b'",
                "b'a' < b'b'",
                "duration('1s') < duration('2s')",
                "false < true",
                "timestamp('2020-01-01T00:00:00Z') < timestamp('2021-01-01T00:00:00Z')",
                "dyn(9223372036854775807) >= 9223372036854775808.0",
            ],
            id="comparisons",
        ),
        pytest.param(
            [
                "dyn(1) == 1.0",
                "dyn(1) != true",
                "dyn('1') != 1",
                "[1, 2] == [1, 2]",
                "[1] != [1, 2]",
                "{'a': 1} == {'a': 1}",
                "{1: 'a'} == {1: 'a'}",
                "type(1) == int",
                "type([1]) == list",
                "type(n) != string",
                "type(null) == null_type",
                "type(type(1)) == type",
                "optional.of(1) == optional.of(1)",
                "optional.none() != optional.of(dyn(1))",
                "ip('::1') == ip('0:0:0:0:0:0:0:1')",
            ],
            id="equality",
        ),
        pytest.param(
            [
                "true || 1 / 0 > 0",
                "1 / 0 > 0 || true",
                "!(false && 1 / 0 > 0)",
                "!(1 / 0 > 0 && false)",
                "n == 5 ? true : 1 / 0 > 0",
                "[1, 0].exists(i, 1 / i == 1)",
                "![0, 2].all(i, 4 / i > 3)",
            ],
            id="errors that do not matter",
        ),
        pytest.param(
            [
                "'\\u00e9' == 'é'",
                "'\\x41' == 'A'",
                "b'\\x41\\102' == b'AB'",
                "r'\\n' != '\\n'",
                "'''a\nb''' == 'a\\nb'",
                "size('👑') == 1",
                "size(b'👑') == 4",
                "\"it's\" == 'it\\'s'",
            ],
            id="literals",
        ),
        pytest.param(
            [
                "names.all(name, size(name) == 3)",
                "names.exists(name, name == 'bob')",
                "names.exists_one(i, i == 'ada')",
                "names.map(name, name + '!') == ['ada!', 'bob!']",
                "names.map(i, i > 'b', size(i)) == [3]",
                "names.filter(name, name.startsWith('a')) == ['ada']",
                "{'a': 1}.all(key, key == 'a')",
                "[].all(i, false)",
                "![].exists(i, true)",
                "[[1], [2]].all(i, i.all(j, j < 3))",
            ],
            id="macros",
        ),
        pytest.param(
            [
                "names.all(i, name, i < 2 && size(name) == 3)",
                "{'a': 1}.exists(key, value, key == 'a' && value == 1)",
                "[3, 4].transformList(i, v, i + v) == [3, 5]",
                "[3, 4].transformList(i, v, i > 0, v) == [4]",
                "{'a': 1}.transformMap(k, v, v + 1) == {'a': 2}",
                "[1].transformMapEntry(i, v, {v: i}) == {1: 0}",
                "[1, 2].existsOne(i, v, v == i)  == false",
            ],
            id="macros of two variables",
        ),
        pytest.param(
            [
                "x.?a.orValue(1) == 1",
                "{'a': {'b': 2}}.?a.?b.value() == 2",
                "!{'a': 1}[?'b'].hasValue()",
                "[1, 2][?1].value() == 2",
                "[1][?5].or(optional.of(7)).value() == 7",
                "optional.of(2).optMap(v, v + 1).value() == 3",
                "optional.none().optFlatMap(v, optional.of(v)) == optional.none()",
                "[?optional.of(1), ?optional.none()] == [1]",
                "{?'a': optional.none()} == {}",
                "!optional.ofNonZeroValue('').hasValue()",
                "[1, 2].last().value() == 2",
                "optional.of(1 / 1).orValue(1 / 0) == 1",
            ],
            id="optional values",
        ),
    ],
)
def test_expressions_hold(truths: list[str]) -> None:
    assert {truth: outcome(truth) for truth in truths} == dict.fromkeys(truths, True)


@pytest.mark.parametrize(
    ("expression", "error"),
    [
        pytest.param("1 / 0", "division by zero", id="division"),
        pytest.param("1 % 0", "modulus by zero", id="remainder"),
        pytest.param("9223372036854775807 + 1", "integer overflow", id="sum of integers"),
        pytest.param("-9223372036854775808 / -1", "integer overflow", id="quotient of integers"),
        pytest.param("0u - 1u", "unsigned integer overflow", id="difference of unsigned integers"),
        pytest.param("int(double(n) * 1e99)", "integer overflow", id="conversion"),
        pytest.param("x.a", "no such key: a", id="field"),
        pytest.param("{'a': 1}['b']", "no such key: b", id="key"),
        pytest.param("[1][3]", "index out of bounds: 3", id="index"),
        pytest.param("dyn(1) + 'a'", "no such overload", id="operator"),
        pytest.param("dyn(1).charAt(1)", "no such overload: charAt(int, int)", id="method"),
        pytest.param("x.all(i, true) && x.b", "no such key: b", id="side that decides"),
        pytest.param("dyn(1).all(i, true)", "got 'types.Int', expected iterable type", id="range"),
        pytest.param("optional.none().value()", "optional.none() dereference", id="optional"),
        pytest.param("'ab'.charAt(9)", "index out of range: 9", id="character"),
        pytest.param("double('NaN') < 1.0", "NaN values cannot be ordered", id="order of what is no number"),
        pytest.param(
            "url('a b')",
            'URL parse error during conversion from string: parse "a b": invalid URI for request',
            id="url",
        ),
        pytest.param(
            "names[0].matches(names[1] + '(')",
            "error parsing regexp: missing closing ): `bob(`",
            id="pattern",
        ),
    ],
)
def test_an_expression_without_a_value_tells_why(expression: str, error: str) -> None:
    assert outcome(expression) == error


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.1, "0.1"),
        (3.0, "3"),
        (123456.0, "123456"),
        (1e6, "1e+06"),
        (1.5e10, "1.5e+10"),
        (1e-5, "1e-05"),
        (0.0001, "0.0001"),
        (-2.5, "-2.5"),
        (math.inf, "+Inf"),
        (math.nan, "NaN"),
        (1e100, "1e+100"),
    ],
)
def test_doubles_are_written_as_go_writes_them(value: float, text: str) -> None:
    assert double_text(value) == text
