"""Objects held against the rules of their schema.

A rule that fails tells so at its place, or at the field it names. Rules that speak of ``oldSelf`` are asked
only where an old value belongs to the new one: fields by name, items of lists of type ``map`` by their keys,
others not. What did not change is not refused by rules that came later; its complaints become warnings.

One request has a budget for all its rules, and each evaluation a limit of its own; whoever exceeds them ends
the validation with a cause that says so. Source:
``apiextensions-apiserver/pkg/apiserver/schema/cel/validation.go``, ``apiserver/pkg/apis/cel/config.go``.
"""

from collections.abc import Iterator
from contextlib import suppress
from typing import Any, NamedTuple

from kube_lite.api.cel.declared import Declared
from kube_lite.api.cel.errors import CostExceeded, EvaluationError, NoOverload
from kube_lite.api.cel.escaping import escape
from kube_lite.api.cel.schemas import declare
from kube_lite.api.cel.values import NONE, Optional
from kube_lite.api.errors import Cause
from kube_lite.api.fielderrors import duplicate, forbidden, invalid, invalid_state, required
from kube_lite.api.fieldpath import child, index, key
from kube_lite.api.identity import Json
from kube_lite.api.schema.load import Schema

from .compiled import Compiled
from .ratcheting import unchanged
from .rule_tree import Part

BUDGET = 10_000_000  # of one request, in the units of expressions' costs
MAX_MESSAGE_BYTES = 5 * 1024
NOWHERE = "<nil>"
OUT_OF_BUDGET = "validation failed due to running out of cost budget, no further validation rules will be run"
TOO_COSTLY = "no further validation rules will be run due to call cost exceeds limit"
MESSAGE_OUT_OF_BUDGET = OUT_OF_BUDGET.replace("validation", "messageExpression evaluation", 1)


class Pair(NamedTuple):
    """A value and the one it was, which belong together."""

    value: Any
    old: Any
    schema: Schema

    def is_same(self) -> bool:
        """Whether nothing changed."""
        return unchanged(self.value, self.old, self.schema)


class Correlation(NamedTuple):
    """The old value of a place, and of the nearest place above that has one."""

    current: Pair | None = None
    above: Pair | None = None

    def field(self, name: str, schema: Schema) -> "Correlation":
        """Of a field or an entry."""
        pair = self.current
        if pair is None:
            return self
        if self.above is None and name in ("apiVersion", "kind"):
            return Correlation()
        value, old = pair.value, pair.old
        both = isinstance(old, dict) and name in value and name in old
        return Correlation(Pair(value[name], old[name], schema) if both else None, pair)

    def item(self, value: Any, old: Any, schema: Schema) -> "Correlation":
        """Of an item, whose old value is None if there is none."""
        if self.current is None:
            return self
        return Correlation(None if old is None else Pair(value, old, schema), self.current)

    def is_same(self) -> bool:
        """Whether complaints are about something that did not change."""
        pair = self.current or self.above
        return pair is not None and pair.is_same()


class _Ended(Exception):
    """No further rules are asked."""


class Validation:
    """One object held against rules: what was found, and what may still be spent."""

    def __init__(self, warnings: list[str]) -> None:
        self.causes: list[Cause] = []
        self._warnings = warnings
        self._budget = BUDGET

    def check_all(self, root: Part, declared: Declared | None, obj: Json, old: Json | None) -> None:
        """A whole object."""
        current = Pair(obj, old, root.schema) if old is not None else None
        with suppress(_Ended):
            self.check(root, declared, "", obj, old, Correlation(current))

    def check(
        self,
        part: Part,
        declared: Declared | None,
        path: str,
        value: Any,
        old: Any,
        correlation: Correlation,
    ) -> None:
        """A value and all below it."""
        if value is None:
            return
        if part.rules:
            self._ask(part, declared, path, value, old, correlation)
        for each in part.all_of:
            self.check(each, declared, path, value, old, Correlation(None, correlation.above))
        if isinstance(value, list):
            self._check_items(part, declared, path, value, old, correlation)
        elif isinstance(value, dict):
            self._check_fields(part, declared, path, value, old, correlation)

    def _check_items(
        self,
        part: Part,
        declared: Declared | None,
        path: str,
        items: list[Any],
        old: Any,
        correlation: Correlation,
    ) -> None:
        if part.items is None:
            return
        element = declared.element if declared is not None else None
        before = _by_keys(old, part.schema)
        keys = part.schema.list_map_keys
        for position, item in enumerate(items):
            was = before.get(_identity(item, keys)) if before else None
            below = correlation.item(item, was, part.items.schema)
            self.check(part.items, element, index(path, position), item, was, below)

    def _check_fields(
        self,
        part: Part,
        declared: Declared | None,
        path: str,
        value: Json,
        old: Any,
        correlation: Correlation,
    ) -> None:
        before = old if isinstance(old, dict) else {}
        if part.additional is not None:
            element = declared.element if declared is not None else None
            for name in sorted(value):
                below = correlation.field(name, part.additional.schema)
                self.check(part.additional, element, key(path, name), value[name], before.get(name), below)
        for name in sorted(part.properties.keys() & value.keys()):
            inner = part.properties[name]
            known, field = _field(declared, name, inner)
            if known:
                below = correlation.field(name, inner.schema)
                self.check(inner, field, child(path, name), value[name], before.get(name), below)

    # rules

    def _ask(
        self,
        part: Part,
        declared: Declared | None,
        path: str,
        value: Any,
        old: Any,
        correlation: Correlation,
    ) -> None:
        kind = part.schema.type
        if declared is None:
            why = "rule compiler initialization error: failed to convert to declType for CEL validation rules"
            self._refuse(path, kind, why)
            return
        if self._budget <= 0:
            self._end(path, kind, OUT_OF_BUDGET)
        values = _Values(declared, value, old)
        for rule in part.compiled(declared):
            if rule.error:
                self._refuse(path, kind, f"rule compile error: {rule.error}")
            elif rule.program is not None and self._applies(rule, old):
                self._evaluate(rule, values, path, kind, value, correlation)

    def _applies(self, rule: Compiled, old: Any) -> bool:
        return not rule.uses_old or old is not None or bool(rule.rule.get("optionalOldSelf"))

    def _evaluate(
        self, rule: Compiled, values: "_Values", path: str, kind: str, value: Any, correlation: Correlation
    ) -> None:
        assert rule.program is not None  # empty rules were left out
        try:
            given = values.given(is_optional=bool(rule.rule.get("optionalOldSelf")))
        except EvaluationError as error:
            self._refuse(path, kind, f"{error} evaluating rule: {rule.text}")
            return
        outcome = rule.program.run(given)
        if outcome.cost > self._budget:
            self._end(path, kind, OUT_OF_BUDGET)
        self._budget -= outcome.cost
        error_text = outcome.error
        if isinstance(error_text, CostExceeded):
            why = f"'{error_text}': {TOO_COSTLY} for rule: {rule.text}"
            self._end(path, kind, why)
        elif isinstance(error_text, NoOverload):
            why = "call arguments did not match a supported operator, function or macro signature for rule"
            self._refuse(path, kind, f"'{error_text}': {why}: {rule.text}")
        elif error_text is not None:
            self._refuse(path, kind, f"{error_text} evaluating rule: {rule.text}")
        elif outcome.value is not True:
            self._failed(rule, given, path, kind, value, correlation)

    def _failed(
        self, rule: Compiled, given: list[Any], path: str, kind: str, value: Any, correlation: Correlation
    ) -> None:
        where = child(path, rule.path) if rule.path else path
        ratchets = not rule.uses_old and correlation.is_same()
        message = ""
        if rule.message is not None:
            message = self._message(rule, given, where, kind, ratchets=ratchets)
        if not message:
            given_message = (rule.rule.get("message") or "").strip()
            message = given_message if rule.rule.get("message") else f"failed rule: {rule.text}"
        cause = _cause(where or NOWHERE, kind, value, message, rule.rule.get("reason"))
        self._tell(cause, ratchets=ratchets)

    def _message(self, rule: Compiled, given: list[Any], path: str, kind: str, *, ratchets: bool) -> str:
        """What the message expression gives; empty if that cannot be used."""
        assert rule.message is not None  # the caller looked
        outcome = rule.message.run(given)
        why = ""
        if outcome.cost > self._budget:
            why = MESSAGE_OUT_OF_BUDGET
        elif isinstance(outcome.error, CostExceeded):
            text = rule.rule["messageExpression"].replace("\\", "\\\\").replace('"', '\\"')
            why = f'{TOO_COSTLY} for messageExpression: "{text}"'
        if why:
            self._tell(invalid(path or NOWHERE, kind, why), ratchets=ratchets)
            raise _Ended
        self._budget -= outcome.cost
        message = outcome.value.strip() if isinstance(outcome.value, str) else ""
        if "\n" in message or len(message.encode(errors="surrogatepass")) > MAX_MESSAGE_BYTES:
            return ""
        return message

    def _tell(self, cause: Cause, *, ratchets: bool) -> None:
        if ratchets:
            self._warnings.append(f"{cause.field}: {cause.message}")
        else:
            self.causes.append(cause)

    def _refuse(self, path: str, kind: str, why: str) -> None:
        self.causes.append(invalid(path or NOWHERE, kind, why))

    def _end(self, path: str, kind: str, why: str) -> None:
        self._refuse(path, kind, why)
        raise _Ended


class _Values:
    """``self`` and ``oldSelf``, made when the first rule asks for them."""

    __slots__ = ("_declared", "_new", "_old", "_raw_old")

    def __init__(self, declared: Declared, value: Any, old: Any) -> None:
        self._declared = declared
        self._new = [value]
        self._raw_old = old
        self._old: list[Any] = []

    def given(self, *, is_optional: bool) -> list[Any]:
        """The variables of a program."""
        if len(self._new) == 1:
            self._new.append(self._declared.convert(self._new[0]))
        if not self._old and self._raw_old is not None:
            self._old.append(self._declared.convert(self._raw_old))
        old = self._old[0] if self._old else None
        if is_optional:
            old = Optional(old) if self._old else NONE
        return [self._new[1], old]


def _field(declared: Declared | None, name: str, part: Part) -> tuple[bool, Declared | None]:
    """Whether rules below a field are asked at all, and what the field is in expressions."""
    escaped = escape(name)
    if escaped is None:
        found = declare(part.schema, is_root=part.schema.embedded_resource)
        return found is not None, found
    if declared is None or not declared.fields or escaped not in declared.fields:
        return False, None
    return True, declared.fields[escaped][1]


def _by_keys(old: Any, schema: Schema) -> dict[Any, Any]:
    """Old items of a keyed list by their keys."""
    if not isinstance(old, list) or schema.list_type != "map":
        return {}
    keys = schema.list_map_keys
    found: dict[Any, Any] = {}
    for item in old:
        found.setdefault(_identity(item, keys), item)
    found.pop(None, None)
    return found


def _identity(item: Any, keys: tuple[str, ...]) -> tuple[Any, ...] | None:
    if not isinstance(item, dict):
        return None
    values = tuple(_scalars(item, keys))
    return values if len(values) == len(keys) else None


def _scalars(item: Json, keys: tuple[str, ...]) -> Iterator[tuple[type, Any]]:
    for name in keys:
        value = item.get(name)
        if isinstance(value, (str, int, float)):
            yield type(value), value


def _cause(path: str, kind: str, value: Any, message: str, reason: str | None) -> Cause:
    """A failed rule as its reason has it told; objects and lists are not shown."""
    is_shown = kind not in ("object", "array")
    if reason == "FieldValueForbidden":
        return forbidden(path, message)
    if reason == "FieldValueRequired":
        return required(path, message)
    if reason == "FieldValueDuplicate":
        return duplicate(path, value) if is_shown else Cause(reason, "Duplicate value", path)
    return invalid(path, value, message) if is_shown else invalid_state(path, message)
