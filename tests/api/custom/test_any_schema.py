"""Whatever a schema and an object are, they are answered: with causes, and in no time."""

import json
from collections.abc import Callable
from random import Random
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from kube_lite.api.custom.checker import Checker
from kube_lite.api.custom.defaulting import default
from kube_lite.api.custom.pruning import prune
from kube_lite.api.custom.structure import custom_schema
from kube_lite.api.custom.validation import validate, validate_update
from kube_lite.api.errors import Cause
from kube_lite.api.identity import Json
from kube_lite.api.schema.mismatch import TypeMismatch
from kube_lite.api.schema.prune import read_object
from kube_lite.kinds.checks.definitions import check_definition, check_definition_update
from kube_lite.kinds.schemas import definitions

X = "x-kubernetes-"
DEFINITION = "io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.CustomResourceDefinition"
NAMES = ("a", "b", "metadata", "kind", "apiVersion", "spec", "0", "")
NUMBERS = (-3, 0, 1, 2, 5, 0.5, 1.0, 1e300, 2**31, 2**63, 2**64, 10**30, -(2**63))
SCALARS = (None, True, False, "", "a", "ab", "1", "2020-01-01", "é\n", *NUMBERS)
PATTERNS = ("^a+$", "(a+)+$", "(", "[a-z", "a{1000}", r"\pL", "")
FORMATS = ("date", "int32", "float", "uri", "email", "duration", "byte", "nothing")
TYPES = ("object", "object", "object", "array", "string", "integer", "number", "boolean", "", "word")


class Maker:
    """Makes schemas and values, the same of the same seed."""

    def __init__(self, seed: int) -> None:
        self.random = Random(seed)

    def value(self, depth: int = 3) -> Any:
        kind = self.random.random()
        if depth and kind < 0.2:
            return [self.value(depth - 1) for _ in range(self.random.randrange(4))]
        return self.object(depth - 1) if depth and kind < 0.5 else self.random.choice(SCALARS)

    def object(self, depth: int = 3) -> Json:
        return {self.random.choice(NAMES): self.value(depth) for _ in range(self.random.randrange(5))}

    def schema(self, depth: int = 3) -> Json:
        document: Json = {"type": self.random.choice(TYPES)}
        for word, make in (self._limits() | self._marks() | self._parts(depth)).items():
            if self.random.random() < 0.12:
                document[word] = make()
        if document["type"] == "object" and depth:
            document.setdefault("properties", self._properties(depth))
        return document

    def nonsense(self, depth: int = 4) -> Any:
        """Words of schemas with anything behind them."""
        if not depth or self.random.random() < 0.2:
            return self.value(1)
        words = (
            *self._limits(),
            *self._marks(),
            *self._parts(1),
            "properties",
            "type",
            f"{X}validations",
            "id",
        )
        chosen = {
            self.random.choice(words): self.nonsense(depth - 1) for _ in range(self.random.randrange(4))
        }
        return {"type": self.random.choice(TYPES), **chosen} if self.random.random() < 0.6 else chosen

    def root(self) -> Json:
        return {"type": "object", "properties": self._properties(4)}

    def _properties(self, depth: int) -> Json:
        return {self.random.choice(NAMES): self.schema(depth - 1) for _ in range(self.random.randrange(5))}

    def _limits(self) -> dict[str, Callable[[], Any]]:
        pick, flag = self.random.choice, lambda: self.random.random() < 0.5
        numbers = ("minimum", "maximum", "multipleOf")
        sizes = ("minLength", "maxLength", "minItems", "maxItems", "minProperties", "maxProperties")
        flags = ("exclusiveMinimum", "exclusiveMaximum", "uniqueItems", "nullable")
        return {
            **{word: lambda: pick(NUMBERS) for word in numbers},
            **{word: lambda: self.random.randrange(-1, 4) for word in sizes},
            **dict.fromkeys(flags, flag),
            "format": lambda: pick(FORMATS),
            "pattern": lambda: pick(PATTERNS),
            "enum": lambda: [self.value(1) for _ in range(3)],
            "required": lambda: [pick(NAMES)],
            "default": self.value,
        }

    def _marks(self) -> dict[str, Callable[[], Any]]:
        pick, flag = self.random.choice, lambda: self.random.random() < 0.8
        return {
            f"{X}int-or-string": flag,
            f"{X}preserve-unknown-fields": flag,
            f"{X}embedded-resource": flag,
            f"{X}list-type": lambda: pick(("atomic", "set", "map", "strange")),
            f"{X}list-map-keys": lambda: [pick(NAMES), pick(NAMES)],
            f"{X}map-type": lambda: pick(("atomic", "granular", "strange")),
        }

    def _parts(self, depth: int) -> dict[str, Callable[[], Any]]:
        if not depth:
            return {}

        def below() -> Json:
            return self.schema(depth - 1)

        return {
            "additionalProperties": lambda: self.random.choice((True, False, below())),
            "items": below,
            "not": below,
            **{word: lambda: [below(), below()] for word in ("allOf", "anyOf", "oneOf")},
        }


MAKERS = st.builds(Maker, st.integers(0, 2**48))
some = settings(max_examples=200, deadline=None)


def definition(schema: Json) -> Json:
    version = {"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": schema}}
    names = {"plural": "ws", "singular": "w", "kind": "W", "listKind": "WList"}
    spec = {"group": "a.b", "scope": "Cluster", "names": names, "versions": [version]}
    return {"metadata": {"name": "ws.a.b"}, "spec": spec, "status": {"storedVersions": ["v1"]}}


def good(causes: list[Cause]) -> bool:
    return all(cause.field and cause.reason and "Traceback" not in cause.message for cause in causes)


@some
@given(MAKERS)
def test_a_definition_with_any_schema_is_taken_or_refused(make: Maker) -> None:
    schema, other = make.schema(), make.schema()
    assert good(list(check_definition(definition(schema))))
    assert good(list(check_definition_update(definition(schema), definition(other))))


@some
@given(MAKERS)
def test_whatever_is_sent_as_a_schema_is_read_or_refused_and_then_taken_or_refused(make: Maker) -> None:
    body = definition(make.nonsense())
    try:
        read = read_object(body, definitions().schema(DEFINITION)).value
    except TypeMismatch:
        return
    assert good(list(check_definition(read)))
    custom_schema(read["spec"]["versions"][0].get("schema", {}).get("openAPIV3Schema", {}), definitions())


@some
@given(MAKERS)
def test_any_object_is_pruned_defaulted_and_validated(make: Maker) -> None:
    root = custom_schema(make.root(), definitions())
    obj, old = make.object(), make.object()
    for one in (obj, old):
        try:
            prune(one, root)
        except TypeMismatch:
            return
        again = json.loads(json.dumps(one))
        assert not prune(again, root)
        assert again == one
        default(one, root)
    assert good(validate(obj, root))
    assert good(validate_update(obj, old, root))


@some
@given(MAKERS)
def test_the_quick_answer_and_the_long_one_agree(make: Maker) -> None:
    checker, value = Checker(custom_schema(make.schema(), definitions())), make.value()
    assert checker.accepts(value) is (not checker.explain(value, "").found)
    assert checker.accepts(value) is (not checker.explain(value, "").found)


def test_deep_schemas_and_objects_are_no_trouble() -> None:
    schema: Json = {"type": "object"}
    value: Json = {}
    for _ in range(120):
        schema = {"type": "object", "properties": {"a": schema}, "required": ["a"], "anyOf": [{}]}
        value = {"a": value}
    root = custom_schema(schema, definitions())
    assert list(check_definition(definition(schema))) == []
    assert prune(value, root) == []
    default(value, root)
    assert validate(value, root) == []
    assert validate(value["a"], root) != []
