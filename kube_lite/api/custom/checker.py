"""One schema node compiled: a quick answer to "is it valid?", and a slow one to "what is wrong?".

``Checker.accepts`` is a closure made for the node (see ``quick``). It says yes when it is sure; for anything
unusual it asks ``Checker.explain``, which follows the reference check by check, with its texts, its quirks
and its count of passed checks. Checkers of fields are made when a value first needs them, so that of a
definition of 900 KB only what objects use is ever looked at.

Source: ``kube-openapi/pkg/validation/validate/{schema,type,validator,object_validator,slice_validator,
schema_props}.go``, for schemas as ``apiextensions-apiserver/pkg/apiserver/validation`` makes them.
"""

from collections.abc import Callable
from typing import Any

from kube_lite.api.gotext import go_json, go_quote
from kube_lite.api.identity import Json
from kube_lite.api.regex import BadPattern, tester
from kube_lite.api.schema.load import OBJECT_META, Schema, fill, in_place

from . import findings as tell
from .findings import Findings
from .formats import NUMBER_FORMATS, check_of
from .quick import accepting
from .ratcheting import ABSENT, correlated_item, unchanged
from .values import TYPES, as_go, fits, is_convertible_to, is_json_integer, to_int64

GO_FORMATS = {"integer": "int64", "number": "float64"}
"""What the formats of Go's own number types are called."""

TYPE_META = ("apiVersion", "kind")


class Checker:
    """Validates values against one schema.

    Attributes:
        types: the JSON types allowed; empty for any.
        format: as far as this type of value can have it.
        any_of, all_of, one_of, none_of: checkers of the alternatives.
    """

    __slots__ = ("accepts", "all_of", "any_of", "format", "keywords", "none_of", "one_of", "schema", "types")

    accepts: Callable[[Any], bool]

    def __init__(self, schema: Schema) -> None:
        if schema.name == OBJECT_META:  # has its own rules; what a definition adds to them is all that counts
            schema = in_place((schema.keywords.get("allOf") or [{}])[0], _unknown)
        self.schema = schema
        self.keywords = schema.keywords
        self.types = self._types()
        self.format = self._format()
        self.any_of = self._parts("anyOf")
        self.all_of = self._parts("allOf")
        self.one_of = self._parts("oneOf")
        self.none_of = self._parts("not")
        self.accepts = accepting(self)

    def _types(self) -> tuple[str, ...]:
        if self.schema.int_or_string:
            return ("integer", "string")
        return (self.schema.type,) if self.schema.type else ()

    def _format(self) -> str:
        form = self.schema.format
        if not form:
            return ""
        kind = self.types[0] if len(self.types) == 1 else ""
        if kind in ("", "string"):
            return form if check_of(form) else ""
        return form if form in NUMBER_FORMATS.get(kind, ()) else ""

    def _parts(self, word: str) -> tuple["Checker", ...]:
        below = self.keywords.get(word)
        if not below:
            return () if below is None or word != "not" else (self._part({}),)
        return tuple(map(self._part, [below] if isinstance(below, dict) else below))

    def _part(self, document: Json) -> "Checker":
        return type(self)(in_place(document, _unknown))

    def below(self, schema: Schema) -> "Checker":
        """The checker of a field, of the same sort as this one."""
        return schema.made(type(self))

    def explain(self, value: Any, path: str, old: Any = ABSENT) -> Findings:
        """Everything that is wrong with a value.

        Args:
            path: of the value, below the one that is validated; empty for that one itself.
            old: what the value was before, where that is known; what was wrong then is not told again.
        """
        value = as_go(value)
        result = Findings()
        if value is None:
            self._check_type(value, path, result)
            self._check_enum(value, path, result)
        else:
            self._explain_present(value, path, old, result)
        if result.found and old is not ABSENT and unchanged(value, old, self.schema):
            result.found.clear()
        return result

    def _explain_present(self, value: Any, path: str, old: Any, result: Findings) -> None:
        kind = type(value)
        if self.types or self.format:
            self._check_type(value, path, result)
            result.passed += 1
        self._check_parts(value, path, result)
        if kind is str:
            self._check_text(value, path, result)
            if self.format or self.schema.format:
                self._check_format(value, path, result)
        elif kind is int or kind is float:
            self._check_number(value, path, result)
        elif kind is list:
            self._check_list(value, path, old, result)
        self._check_enum(value, path, result)
        if kind is dict:
            self._check_object(value, path, old, result)
        result.passed += 3  # of the alternatives, of the enum, and of the whole

    def _check_type(self, value: Any, path: str, result: Findings) -> None:
        types, form = self.types, self.format
        if value is None:
            if types and "null" not in types and not self.schema.nullable:
                result.add(tell.wrong_type(path, ",".join(types), "null"))
            else:
                result.passed += 1
            return
        have = TYPES[type(value)]
        is_textual = have in ("string", "array")
        fine = have in types or (
            (have == "integer" and "number" in types)
            or (have == "number" and "integer" in types and is_json_integer(value))
        )
        if not is_textual and form and not fine and GO_FORMATS.get(have) != form:
            result.add(tell.wrong_type(path, form, GO_FORMATS.get(have, "")))
        elif fine or (form and is_textual and not {"number", "integer"} & set(types)):
            result.passed += 1
        else:
            result.add(tell.wrong_type(path, ",".join(types), have))

    def _check_parts(self, value: Any, path: str, result: Findings) -> None:
        if self.any_of:
            self._check_any_of(value, path, result)
        if self.one_of:
            self._check_one_of(value, path, result)
        if self.all_of:
            valid = 0
            for part in self.all_of:
                found = part.explain(value, path)
                valid += not found.found
                result.merge(found)
            if valid != len(self.all_of):
                none = "" if valid else ". None validated"
                result.add(tell.composite(f"{go_quote(path)} must validate all the schemas (allOf){none}"))
        for part in self.none_of:
            if part.accepts(value):
                result.add(tell.composite(f"{go_quote(path)} must not validate the schema (not)"))
        result.passed += 1

    def _check_any_of(self, value: Any, path: str, result: Findings) -> None:
        best: Findings | None = None
        for part in self.any_of:
            found = part.explain(value, path)
            if not found.found:
                result.merge(found)
                return
            if best is None or found.passed > best.passed:
                best = found
        result.add(tell.composite(f"{go_quote(path)} must validate at least one schema (anyOf)"))
        if best is not None:
            result.merge(best)

    def _check_one_of(self, value: Any, path: str, result: Findings) -> None:
        best: Findings | None = None
        valid: list[Findings] = []
        for part in self.one_of:
            found = part.explain(value, path)
            if not found.found:
                valid.append(found)
                best = None
            elif not valid and (best is None or found.passed > best.passed):
                best = found
        if len(valid) == 1:
            result.merge(valid[0])
            return
        told = f"Found {len(valid)} valid alternatives" if valid else "Found none valid"
        words = f"{go_quote(path)} must validate one and only one schema (oneOf). {told}"
        result.add(tell.composite(words))
        if best is not None:
            result.merge(best)

    def _check_text(self, value: str, path: str, result: Findings) -> None:
        get = self.keywords.get
        most, least, pattern = get("maxLength"), get("minLength"), get("pattern")
        result.passed += 1
        if most is not None and len(value) > most:
            result.add(tell.too_long(path, most))
        elif least is not None and len(value) < least:
            result.add(tell.too_short(path, value, least))
        elif pattern:
            try:
                fits = tester(pattern)(value)
            except BadPattern as error:
                pattern, fits = f"{pattern}, but pattern is invalid: {error}", False
            if not fits:
                result.add(tell.no_match(path, value, pattern))

    def _check_format(self, value: str, path: str, result: Findings) -> None:
        check = check_of(self.format)
        if check is None:
            return
        result.passed += 1
        if not check(value):
            result.add(tell.wrong_type(path, self.format, value))

    def _check_number(self, value: int | float, path: str, result: Findings) -> None:
        kind = self.types[0] if len(self.types) == 1 and self.types[0] in GO_FORMATS else ""
        form = self.format if self.format in NUMBER_FORMATS.get(kind, ()) else ""
        if not fits(value, kind, form):
            result.add(tell.out_of_range(path, "Checked", kind, form))
        for word, what, check in _BOUNDS:
            bound = self.keywords.get(word)
            if bound is None:
                continue
            bound = float(bound)
            native = value
            if not fits(bound, kind, form):
                result.add(tell.out_of_range(path, what, kind, form))
                native = float(value)
            check(self, native, to_int64(bound) if type(native) is int else bound, path, result)
        result.passed += 2

    def _check_multiple(self, value: Any, factor: Any, path: str, result: Findings) -> None:
        if factor <= 0:
            result.add(tell.bad_factor(path, factor))
        elif type(value) is int:
            if value % factor:
                result.add(tell.no_multiple(path, value, factor))
        elif not is_json_integer(1 / factor * value if factor < 1 else value / factor):
            result.add(tell.no_multiple(path, value, factor))

    def _check_least(self, value: Any, bound: Any, path: str, result: Findings) -> None:
        exclusive = bool(self.keywords.get("exclusiveMinimum"))
        if value < bound or (exclusive and value == bound):
            words = "greater than" if exclusive else "greater than or equal to"
            result.add(tell.beyond(path, value, words, bound))

    def _check_most(self, value: Any, bound: Any, path: str, result: Findings) -> None:
        exclusive = bool(self.keywords.get("exclusiveMaximum"))
        if value > bound or (exclusive and value == bound):
            words = "less than" if exclusive else "less than or equal to"
            result.add(tell.beyond(path, value, words, bound))

    def _check_list(self, value: list[Any], path: str, old: Any, result: Findings) -> None:
        items = self.schema.items
        if items is not None:
            checker = self.below(items)
            for position, item in enumerate(value):
                before = correlated_item(item, old, self.schema)
                result.merge(checker.explain(item, f"{path}[{position}]", before))
        least, most = self.keywords.get("minItems"), self.keywords.get("maxItems")
        if least is not None and len(value) < least:
            result.add(tell.few(path, len(value), least, "items"))
        if most is not None and len(value) > most:
            result.add(tell.many(path, len(value), most, "items"))
        if self.keywords.get("uniqueItems") and len(set(map(go_json, value))) < len(value):
            result.add(tell.repeated(path))
        result.passed += 2

    def _check_enum(self, value: Any, path: str, result: Findings) -> None:
        allowed = self.schema.enum
        if allowed and not any(is_convertible_to(value, one) for one in allowed):
            result.add(tell.not_allowed(path, value, allowed))

    def _check_object(self, value: Json, path: str, old: Any, result: Findings) -> None:
        get, properties = self.keywords.get, self.schema.properties
        least, most = get("minProperties"), get("maxProperties")
        if least is not None and len(value) < least:
            result.add(tell.few(path, len(value), least, "properties"))
        if most is not None and len(value) > most:
            result.add(tell.many(path, len(value), most, "properties"))
        before = old if type(old) is dict else {}
        self._check_others(value, path, before, result)
        for name, below in properties.items():
            if name in value:
                here = f"{path}.{name}" if path else name
                was = before.get(name, ABSENT) if path or name not in TYPE_META else ABSENT
                result.merge(self.below(below).explain(value[name], here, was))
        for name in self.schema.required:
            if name not in value:
                result.add(tell.missing(f"{path}.{name}"))
        result.passed += 1

    def _check_others(self, value: Json, path: str, before: Json, result: Findings) -> None:
        """Keys that are no properties."""
        properties, others = self.schema.properties, self.others
        if others is None:
            if self.keywords.get("additionalProperties") is False:
                for name in value:
                    if name not in properties:
                        result.add(tell.forbidden_property(path, name))
            return
        checker = self.below(others)
        for name, item in value.items():
            if name not in properties:
                result.merge(checker.explain(item, f"{path}.{name}", before.get(name, ABSENT)))

    @property
    def others(self) -> Schema | None:
        """The schema of values whose keys are no properties."""
        return None if self.keywords.get("additionalProperties") is True else self.schema.additional


_BOUNDS = (
    ("multipleOf", "MultipleOf", Checker._check_multiple),
    ("minimum", "Minimum boundary", Checker._check_least),
    ("maximum", "Maximum boundary", Checker._check_most),
)


class DefaultChecker(Checker):
    """Validates defaults, for which the reference makes its schemas in another way.

    Numbers or texts are of any type, and formats are not left out where they make no sense.
    """

    __slots__ = ()

    def _types(self) -> tuple[str, ...]:
        return (self.schema.type,) if self.schema.type else ()

    def _format(self) -> str:
        return self.schema.format


def _unknown(name: str) -> Schema:
    """What a reference stands for here: the one that there may be, to ObjectMeta, is none of our business."""
    return Schema(name, lambda schema: fill(schema, {}, _unknown))
