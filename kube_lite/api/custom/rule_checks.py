"""Whether the rules of a definition's schema can be used: they compile, and cannot cost too much.

What a rule can cost is what one evaluation can cost, times how many values of its kind an object can have:
the product of ``maxItems`` and ``maxProperties`` above it, or as many as fit into a request. A definition has
a limit for each rule and one for all of them.

Source: ``apiextensions-apiserver/pkg/apis/apiextensions/validation/{validation,cel_validation}.go``.
"""

from collections.abc import Iterator
from typing import NamedTuple

from kube_lite.api.cel.declared import Declared
from kube_lite.api.cel.escaping import escape
from kube_lite.api.cel.schemas import declare, unresolved
from kube_lite.api.errors import Cause
from kube_lite.api.fielderrors import Shown, forbidden, invalid
from kube_lite.api.gotext import go_json
from kube_lite.api.identity import Json
from kube_lite.api.schema.load import Schema, in_place

from .compiled import Compiled, RuleCompiler
from .structure import RULES

RULE_LIMIT = 10_000_000
TOTAL_LIMIT = 100_000_000
UNLIMITED = (1 << 64) - 1
MANY, SHOWN_RULES = 100, 4
LITTLE = 1.5  # below this factor six digits are told
ADVICE = (
    "try simplifying the rule, or adding maxItems, maxProperties, and maxLength where arrays, maps, and "
    "strings are declared"
)
UNCONVERTED = (
    "Internal error: internal error: failed to construct type information for x-kubernetes-validations "
    "rules: unable to convert structural schema to CEL declarations"
)


class _Place(NamedTuple):
    """A part of a schema, and what the parts above say of it.

    Attributes:
        most: how many values of it there can be at most; None where nothing bounds them.
        uncorrelated: the list or map from which on no old values are known; empty for none.
        in_scope: here or above are rules.
    """

    document: Json
    schema: Schema
    path: str
    declared: Declared | None
    most: int | None = 1
    uncorrelated: str = ""
    in_scope: bool = False
    is_root: bool = False


def check_rules(document: Json, path: str) -> list[Cause]:
    """What is wrong with the rules of a schema that is fine otherwise.

    Args:
        document: the ``openAPIV3Schema``.
        path: of it.
    """
    checks = _Checks()
    schema = in_place(document, unresolved)
    checks.check(_Place(document, schema, path, None, in_scope=bool(document.get(RULES)), is_root=True))
    return [*checks.causes, *checks.totals(path)]


class _Checks:
    def __init__(self) -> None:
        self.causes: list[Cause] = []
        self._total = 0
        self._expensive: list[tuple[int, str]] = []

    def check(self, place: _Place) -> None:
        """A part: first all below it, then its own rules."""
        if not _has_rules(place.document):
            return
        if place.in_scope and place.declared is None:
            is_root = place.is_root or bool(place.schema.embedded_resource)
            place = place._replace(declared=declare(place.schema, is_root=is_root))
        for below in _below(place):
            self.check(below)
        rules = place.document.get(RULES) or []
        if not rules:
            return
        if place.declared is None:
            self.causes.append(Cause("InternalError", UNCONVERTED, f"{place.path}.{RULES}"))
            return
        compiler = RuleCompiler(place.declared, place.schema)
        for position, rule in enumerate(rules):
            self._check_rule(place, compiler, rule, f"{place.path}.{RULES}[{position}]")

    def _check_rule(self, place: _Place, compiler: RuleCompiler, rule: Json, path: str) -> None:
        compiled = compiler.compile(rule)
        count = compiler.max_count if place.most is None else place.most
        if compiled.program is not None:
            cost = min(compiler.max_cost(compiled.program) * count, UNLIMITED)
            self._spend(f"{path}.rule", cost, "estimated rule cost")
        if compiled.error:
            self.causes.append(invalid(f"{path}.rule", _shown(rule), compiled.error))
        self._check_message(compiler, compiled, path)
        self._check_old(place, compiled, path)

    def _check_message(self, compiler: RuleCompiler, compiled: Compiled, path: str) -> None:
        if compiled.message_error:
            self.causes.append(
                invalid(f"{path}.messageExpression", _shown(compiled.rule), compiled.message_error)
            )
        elif compiled.message is not None:
            cost = compiler.max_cost(compiled.message)
            self._spend(f"{path}.messageExpression", cost, "estimated messageExpression cost")

    def _check_old(self, place: _Place, compiled: Compiled, path: str) -> None:
        optional = compiled.rule.get("optionalOldSelf")
        if compiled.uses_old:
            if place.uncorrelated:
                why = "oldSelf cannot be used on the uncorrelatable portion of the schema within"
                why = f"{why} {place.uncorrelated}"
                self.causes.append(invalid(f"{path}.rule", compiled.rule["rule"], why))
        elif optional is not None:
            why = "may not be set if oldSelf is not used in rule"
            self.causes.append(invalid(f"{path}.optionalOldSelf", optional, why))

    def _spend(self, path: str, cost: int, what: str) -> None:
        if cost > RULE_LIMIT:
            self.causes.append(forbidden(path, _exceeds(what, cost, RULE_LIMIT)))
        self._total = min(self._total + cost, UNLIMITED)
        if cost >= TOTAL_LIMIT // 100:
            self._expensive.append((cost, path))

    def totals(self, path: str) -> Iterator[Cause]:
        """What is wrong with all rules together, and which have the most part in it."""
        if self._total <= TOTAL_LIMIT:
            return
        self._expensive.sort(key=lambda each: -each[0])
        for _, where in self._expensive[:SHOWN_RULES]:
            why = "contributed to estimated rule cost total exceeding cost limit for entire OpenAPIv3 schema"
            yield forbidden(where, why)
        what = f"{RULES} estimated rule cost total for entire OpenAPIv3 schema"
        yield forbidden(path, _exceeds(what, self._total, TOTAL_LIMIT))


def _below(place: _Place) -> Iterator[_Place]:
    document, schema, declared = place.document, place.schema, place.declared
    count = _count_below(document, place.most)
    additional = document.get("additionalProperties")
    element = declared.element if declared is not None else None
    if isinstance(additional, dict) and schema.additional is not None:
        yield _inner(
            place, additional, schema.additional, f"{place.path}.additionalProperties", element, count
        )
    above = place
    if document.get("x-kubernetes-map-type") not in (None, "granular", "atomic") and not place.uncorrelated:
        above = place._replace(uncorrelated=place.path)
    for name, below in (document.get("properties") or {}).items():
        path = f"{place.path}.properties[{name}]"
        yield _inner(above, below, schema.properties[name], path, _field(declared, name), count)
    items = document.get("items")
    if isinstance(items, dict) and schema.items is not None:
        inner = _inner(place, items, schema.items, f"{place.path}.items", element, count)
        if document.get("x-kubernetes-list-type") != "map" and not inner.uncorrelated:
            inner = inner._replace(uncorrelated=place.path)
        yield inner


def _inner(
    place: _Place, document: Json, schema: Schema, path: str, declared: Declared | None, count: int | None
) -> _Place:
    in_scope = place.in_scope or bool(document.get(RULES))
    return _Place(document, schema, path, declared, count, place.uncorrelated, in_scope)


def _field(declared: Declared | None, name: str) -> Declared | None:
    escaped = escape(name)
    fields = declared.fields if declared is not None else None
    return fields[escaped][1] if fields and escaped is not None and escaped in fields else None


def _count_below(document: Json, count: int | None) -> int | None:
    """How many values there can be of what is below a part."""
    kind = document.get("type")
    limit: int | None = 1
    if kind == "object" and document.get("additionalProperties") is not None:
        limit = document.get("maxProperties")
    elif kind == "array":
        limit = document.get("maxItems")
    if count is None or limit is None:
        return None
    return min(count * max(limit, 0), UNLIMITED) if count else 0


def _has_rules(document: Json) -> bool:
    """Whether there are rules in a part or below it; those under ``allOf`` are not checked."""
    if document.get(RULES):
        return True
    below = [
        document.get("items"),
        document.get("additionalProperties"),
        *(document.get("properties") or {}).values(),
    ]
    return any(isinstance(part, dict) and _has_rules(part) for part in below)


def _exceeds(what: str, cost: int, limit: int) -> str:
    factor = cost / limit
    if factor > MANY:
        told = f"more than {MANY}x"
    else:
        told = f"{factor:.6f}x" if factor < LITTLE else f"{factor:.1f}x"
    return f"{what} exceeds budget by factor of {told} ({ADVICE})"


def _shown(rule: Json) -> Shown:
    """A rule as errors show it: all fields under Go's names."""
    names = ("Rule", "Message", "MessageExpression", "Reason", "FieldPath", "OptionalOldSelf")
    texts = [rule.get(word) or "" for word in ("rule", "message", "messageExpression")]
    values = (*texts, rule.get("reason"), rule.get("fieldPath") or "", rule.get("optionalOldSelf"))
    shown = ",".join(f'"{name}":{_escaped(value)}' for name, value in zip(names, values, strict=True))
    return Shown(f"{{{shown}}}")


def _escaped(value: str | bool | None) -> str:
    """JSON as Go writes it, with what means something in HTML escaped."""
    text = go_json(value)
    for letter in "<>&\u2028\u2029":
        text = text.replace(letter, f"\\u{ord(letter):04x}")
    return text
