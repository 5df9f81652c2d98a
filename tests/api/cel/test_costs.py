"""What expressions cost, at most and in fact, in cel-go's units."""

from typing import Any

import pytest

from kube_lite.api.cel import types
from kube_lite.api.cel.environment import PER_CALL_LIMIT, Environment
from kube_lite.api.cel.errors import CostExceeded
from kube_lite.api.cel.schemas import declare, unresolved
from kube_lite.api.identity import Json
from kube_lite.api.schema.load import in_place

TEXT: Json = {"type": "string"}
SCHEMA: Json = {
    "type": "object",
    "properties": {
        "text": TEXT,
        "numbers": {"type": "array", "items": {"type": "integer"}},
        "map": {"type": "object", "additionalProperties": {"type": "integer"}},
        "set": {"type": "array", "x-kubernetes-list-type": "set", "items": TEXT},
        "inner": {"type": "object", "properties": {"b": {"type": "integer"}}},
        "few": {"type": "array", "maxItems": 10, "items": {"type": "string", "maxLength": 10}},
    },
}
DECLARED = declare(in_place(SCHEMA, unresolved))
OBJECT: Json = {
    "text": "Rook takes 👑",
    "numbers": [1, 1, 2, 2, 3, 3, 4, 5],
    "map": {"b": 1, "d": 2},
    "set": ["a", "b", "c"],
    "inner": {"b": 1},
    "few": ["x"],
}


@pytest.mark.parametrize(
    ("expression", "spent", "most"),
    [
        pytest.param("has(self.inner.b)", 2, 2, id="presence"),
        pytest.param("self.text.startsWith('Rook')", 3, 3, id="beginning"),
        pytest.param("self.text.matches('^[^0-9]*$')", 8, 943721, id="pattern"),
        pytest.param("self.text.charAt(3) == 'k'", 4, 4, id="character"),
        pytest.param("self.text.lowerAscii() == self.text.lowerAscii()", 10, 943723, id="changed text"),
        pytest.param("self.text.replace(' ', 'x') == 'Rookxtakesx👑'", 7, 629150, id="replaced text"),
        pytest.param("self.text.split(' ') == ['Rook', 'takes', '👑']", 6, 629159, id="parts of a text"),
        pytest.param("2 in self.numbers", 10, 1572865, id="membership"),
        pytest.param("self.numbers.all(e, e > 0)", 43, 7864318, id="all"),
        pytest.param("self.numbers.exists(e, e > 2)", 36, 9437181, id="exists"),
        pytest.param("self.numbers.exists_one(e, e > 4)", 22, 6291456, id="exists one"),
        pytest.param("size(self.numbers.filter(e, e%2 == 0)) == 3", 68, 25165823, id="filter"),
        pytest.param(
            "self.numbers.map(e, e * 20).filter(e, e > 50).exists(e, e == 60)",
            194,
            53477367,
            id="loops in a row",
        ),
        pytest.param("self.map.all(k, self.map[k] > 0)", 17, 3595115, id="keys of a map"),
        pytest.param("!('a' in self.map)", 4, 4, id="key of a map"),
        pytest.param("sets.equivalent(self.set, ['a', 'b', 'c'])", 21, 6291463, id="sets"),
    ],
)
def test_costs_are_those_that_the_reference_holds_stable(expression: str, spent: int, most: int) -> None:
    """Figures: ``apiextensions-apiserver/pkg/apiserver/schema/cel/celcoststability_test.go``."""
    assert DECLARED is not None
    program = Environment({"self": DECLARED.type}, DECLARED.objects()).compile(expression)
    assert program.max_cost(DECLARED.size_of) == most
    assert program.run([DECLARED.convert(OBJECT)]).cost == spent


def test_bounds_in_the_schema_bound_the_cost() -> None:
    assert DECLARED is not None
    environment = Environment({"self": DECLARED.type}, DECLARED.objects())
    loop = environment.compile("self.few.all(one, self.few.all(other, one == other))")
    assert loop.max_cost(DECLARED.size_of) < 1000
    unbounded = environment.compile("self.set.all(one, self.set.all(other, one == other))")
    assert unbounded.max_cost(DECLARED.size_of) > 10**12


@pytest.mark.parametrize(
    "expression",
    [
        pytest.param("items.all(a, items.all(b, items.all(c, a + b + c >= 0)))", id="loops within loops"),
        pytest.param(
            "items.map(a, items.map(b, items)).size() > 0 && items.all(a, items.all(b, a <= b || a > b))",
            id="lists of lists",
        ),
        pytest.param("lists.range(1000000000).size() > 0", id="list of numbers"),
        pytest.param(
            "items.map(i, i + 1).map(i, items.map(j, 'x' + string(j)).join()).all(t, t.matches('x+y'))",
            id="texts that are made",
        ),
    ],
)
def test_an_expression_is_stopped_at_its_limit(expression: str) -> None:
    values: list[Any] = [list(range(1000))]
    outcome = Environment({"items": types.list_of(types.INT)}).compile(expression).run(values)
    assert isinstance(outcome.error, CostExceeded)
    assert str(outcome.error) == "operation cancelled: actual cost limit exceeded"
    assert outcome.cost > PER_CALL_LIMIT
