"""Whatever is written as an expression: nothing but its own errors comes of it, within what it may cost."""

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kube_lite.api.cel import types
from kube_lite.api.cel.environment import Environment, PlanError, Program
from kube_lite.api.cel.errors import CompileError, CostExceeded, EvaluationError
from kube_lite.api.cel.library import standard
from kube_lite.api.cel.macros import MACROS
from kube_lite.api.cel.views import plain

SETTINGS = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
LIMIT = 20_000
ENVIRONMENT = Environment(
    {
        "any": types.DYN,
        "n": types.INT,
        "text": types.STRING,
        "items": types.list_of(types.DYN),
        "map": types.map_of(types.STRING, types.DYN),
    }
)

JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from("abc"), inner, max_size=3),
    max_leaves=8,
)
TOKENS = [
    "any",
    "n",
    "text",
    "items",
    "map",
    "self",
    "1",
    "0",
    "-1",
    "2.5",
    "3u",
    "'a'",
    "b'a'",
    "null",
    "true",
    "[",
    "]",
    "(",
    ")",
    "{",
    "}",
    ",",
    ":",
    ".",
    "?",
    "+",
    "-",
    "*",
    "/",
    "%",
    "==",
    "!=",
    "<",
    ">=",
    "&&",
    "||",
    "!",
    " in ",
    "has",
    "all",
    "map",
    "dyn",
    "size",
    "`",
    "\\",
    "'",
    '"',
    "\n",
    "@",
    "é",
    "\U0001f451",
    "\ud800",
]


def compiled(text: str) -> Program | None:
    try:
        return ENVIRONMENT.compile(text)
    except (CompileError, PlanError):
        return None


def check_run(program: Program, values: list[Any]) -> None:
    outcome = program.run(values, LIMIT)
    assert outcome.error is None or isinstance(outcome.error, (EvaluationError, CostExceeded))
    if not isinstance(outcome.error, CostExceeded):
        assert outcome.cost <= LIMIT


@SETTINGS
@given(st.one_of(st.text(), st.lists(st.sampled_from(TOKENS), max_size=25).map("".join)))
def test_arbitrary_texts_compile_or_are_refused(text: str) -> None:
    program = compiled(text)
    if program is not None:
        program.max_cost(lambda path: None)
        check_run(program, [None, 0, "", [], plain({})])


def expressions() -> st.SearchStrategy[str]:
    """Expressions that mostly compile: every function and macro, over values of all types."""
    leaves = st.sampled_from(
        [
            "any",
            "n",
            "text",
            "items",
            "map",
            "i",
            "any.a",
            "map.b",
            "items[0]",
            "1",
            "0",
            "-9223372036854775808",
            "2.5",
            "18446744073709551615u",
            "'abc'",
            "'[a-'",
            "b'\\xff'",
            "null",
            "true",
            "[]",
            "{}",
            "duration('1h')",
            "int",
            "timestamp('9999-12-31T23:59:59Z')",
            "quantity('1Ei')",
            "optional.none()",
            "ip('::1')",
            "semver('1.0.0')",
        ]
    )
    names = sorted({name for name in standard() if name.isidentifier()})
    functions = sorted(name for name in standard() if name[0].isalpha())
    macros = sorted({name for name, _, is_method in MACROS if is_method})

    def combine(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
        arguments = st.lists(inner, max_size=3).map(", ".join)
        return st.one_of(
            st.tuples(
                inner,
                st.sampled_from(["+", "-", "*", "/", "%", "==", "!=", "<", "<=", "&&", "||", "in"]),
                inner,
            ).map(lambda parts: f"({parts[0]} {parts[1]} {parts[2]})"),
            st.tuples(inner, st.sampled_from(names), arguments).map(
                lambda parts: f"dyn({parts[0]}).{parts[1]}({parts[2]})"
            ),
            st.tuples(st.sampled_from(functions), arguments).map(lambda parts: f"{parts[0]}({parts[1]})"),
            st.tuples(inner, st.sampled_from(macros), inner).map(
                lambda parts: f"{parts[0]}.{parts[1]}(i, {parts[2]})"
            ),
            st.tuples(inner, inner, inner).map(lambda parts: f"({parts[0]} ? {parts[1]} : {parts[2]})"),
            st.tuples(inner, inner).map(lambda parts: f"{parts[0]}[{parts[1]}]"),
            st.tuples(inner, inner).map(lambda parts: f"[{parts[0]}, dyn({parts[1]})]"),
            st.tuples(inner, inner).map(lambda parts: f"{{{parts[0]}: {parts[1]}}}"),
            inner.map(lambda part: f"{part}.?a.orValue({part})"),
            inner.map(lambda part: f"'%s %d %.2f %e %x'.format([dyn({part}), {part}])"),
        )

    return st.recursive(leaves, combine, max_leaves=12)


@SETTINGS
@given(expressions(), JSON, st.integers(-(2**63), 2**63 - 1), st.text(max_size=8), st.lists(JSON, max_size=3))
def test_arbitrary_expressions_over_arbitrary_values_end_in_a_value_or_an_error(
    text: str, value: Any, number: int, word: str, items: list[Any]
) -> None:
    program = compiled(text)
    if program is not None:
        program.max_cost(lambda path: None)
        check_run(program, [plain(value), number, word, plain(items), plain({"a": value})])


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("lists.range(10000).map(i, lists.range(10000))", id="numbers"),
        pytest.param("'%s'.format([items.map(i, items.map(j, items))])", id="texts"),
        pytest.param("items.map(i, 'x').join('y').replace('', 'z').split('')", id="parts"),
        pytest.param("'%.999999999f'.format([1.0])", id="digits"),
        pytest.param("items.all(i, items.exists(j, items.filter(k, k == i).size() == 1))", id="loops"),
        pytest.param("duration('" + "9" * 5000 + "h') > duration('1s')", id="long duration"),
        pytest.param("int('" + "9" * 50000 + "') > 1", id="long number"),
        pytest.param(
            "items.map(i, items).flatten(9223372036854775807).distinct().sort().size() > 0", id="lists"
        ),
    ],
)
def test_expressions_made_to_be_costly_are_stopped(text: str) -> None:
    program = compiled(text)
    if program is not None:
        check_run(program, [None, 0, "", list(range(500)), plain({})])
