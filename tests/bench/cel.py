"""What rules cost: one evaluation of a rule, a whole object with three, compiling, and checking a definition.

The yardstick is a comparison of two fields written in Python.
"""

import time
from collections.abc import Callable
from typing import Any

from kube_lite.api.cel.schemas import declare, unresolved
from kube_lite.api.custom.compiled import RuleCompiler
from kube_lite.api.custom.rules import check_rules, rules_of
from kube_lite.api.identity import Json
from kube_lite.api.schema.load import in_place

ROUNDS = 3000
RULES = (
    "self.spec.min <= self.spec.max",
    "self.spec.name == 'abc'",
    "self.spec.name.matches('^[a-z]+$')",
    "has(self.spec.name) && size(self.spec.name) < 10",
    "self.spec.name in ['a', 'b', 'abc']",
    "!has(oldSelf.spec.name) || self.spec.name == oldSelf.spec.name",
    "self.spec.tags.all(tag, tag.startsWith('a'))",
    "self.spec.tags.exists_one(tag, tag == 'a3')",
    "quantity(self.spec.size).isLessThan(quantity('1Gi'))",
    "url(self.spec.url).getHost() == 'a.test'",
)
TEXT: Json = {"type": "string", "maxLength": 63}
SPEC: Json = {
    "min": {"type": "integer"},
    "max": {"type": "integer"},
    "name": TEXT,
    "size": TEXT,
    "url": TEXT,
    "tags": {"type": "array", "maxItems": 20, "items": TEXT},
} | {f"field{number}": TEXT for number in range(44)}
OBJECT: Json = {
    "spec": {"min": 1, "max": 2, "name": "abc", "size": "5Mi", "url": "http://a.test/"}
    | {"tags": [f"a{number}" for number in range(10)]}
    | {f"field{number}": "value" for number in range(44)}
}


def run() -> None:
    """Print the tables."""
    schema = in_place(_document(), unresolved)
    declared = declare(schema, is_root=True)
    assert declared is not None  # it is an object
    compiler = RuleCompiler(declared, schema)
    values = [declared.convert(OBJECT), declared.convert(OBJECT)]
    compiler.compile({"rule": RULES[0]})  # loads the libraries
    print(f"{'rule':64} {'µs':>8} {'compile µs':>11}")
    print(f"{'(yardstick: two fields compared in Python)':64} {_micros(_yardstick):8.2f}")
    for rule in RULES:
        compile_micros = _micros(lambda rule=rule: compiler.compile({"rule": rule}), ROUNDS // 100)  # type: ignore[misc]
        program = compiler.compile({"rule": rule}).program
        assert program is not None  # all of them compile
        micros = _micros(lambda program=program: program.run(values))  # type: ignore[misc]
        print(f"{rule:64} {micros:8.2f} {compile_micros:11.0f}")
    document = _document(*RULES[:3])
    rules = rules_of(in_place(document, unresolved))
    print(f"{'an object of 50 fields with three rules':64} {_micros(lambda: rules.validate(OBJECT)):8.2f}")
    check = _micros(lambda: check_rules(document, "spec.validation.openAPIV3Schema"), ROUNDS // 100)
    print(f"{'a definition with three rules':64} {check:8.0f}")


def _document(*rules: str) -> Json:
    return {
        "type": "object",
        "properties": {"spec": {"type": "object", "properties": SPEC}},
        "x-kubernetes-validations": [{"rule": rule} for rule in rules],
    }


def _yardstick() -> Any:
    spec = OBJECT["spec"]
    return spec["min"] <= spec["max"]


def _micros(action: Callable[[], Any], rounds: int = ROUNDS) -> float:
    """The best of five, in processor time."""
    best = float("inf")
    for _ in range(5):
        start = time.process_time()
        for _ in range(rounds):
            action()
        best = min(best, (time.process_time() - start) / rounds)
    return best * 1e6


if __name__ == "__main__":
    run()
