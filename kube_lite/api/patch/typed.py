"""How values are taken apart into fields that have owners: by their schema, as structured merges do.

A ``Type`` is what a schema says of that. Structs and maps are taken apart unless they are *atomic*; lists are
atomic unless the schema makes them a set, or gives them keys by which their items are told apart (also the
merge key of a strategic patch). Where the schema says nothing, objects are taken apart and lists are not.

A schema is compiled to ``Type`` once, level by level as they are met, so that a Pod is walked in a few dozen
µs. ``everything`` and ``compare`` serve writes, ``members`` is what an applied configuration claims. Source:
structured-merge-diff ``typed/{compare,tofieldset,helpers}.go``, kube-openapi ``schemaconv/openapi.go``.
"""

from functools import cached_property, lru_cache
from typing import Any, NamedTuple

import orjson

from kube_lite.api.identity import Json
from kube_lite.api.schema.load import RAW_EXTENSION, Schema

from .fieldset import LEAF, SELF, FieldSet, in_order, union

_ZEROS = {"string": "", "integer": 0, "number": 0, "boolean": False}
MAP, LIST, SCALAR, ANY = "map", "list", "scalar", "any"
REMEMBERED_STRUCTS = 128
REMEMBERED_BYTES = 8 * 1024  # larger structs are walked each time


class NoLabel(ValueError):
    """An item of a list does not say which one it is."""


class Type:
    """What a schema says of ownership and merging.

    Attributes:
        kind: ``MAP``, ``LIST``, ``SCALAR``, or ``ANY`` where the value decides.
        atomic: it has one owner as a whole.
        keys: the fields by which the items of a list are told apart; none for a set.
        scalar: ``string numeric boolean``, or ``untyped`` for any scalar.
    """

    def __init__(self, schema: Schema | None) -> None:
        self._schema = schema
        self.kind = _kind_of(schema)
        self.keys: tuple[str, ...] = ()
        self.scalar = "untyped"
        self.atomic = schema is not None and (schema.map_type == "atomic" or schema.name == RAW_EXTENSION)
        if schema is None:
            return
        if self.kind == LIST:
            is_merged = "merge" in schema.patch_strategies and not schema.list_type
            self.atomic = not is_merged and schema.list_type not in ("set", "map")
            merge_key = (schema.patch_merge_key,) if schema.patch_merge_key else ()
            self.keys = merge_key if is_merged else schema.list_map_keys
        elif self.kind == SCALAR:
            self.scalar = _scalar_of(schema)

    @cached_property
    def fields(self) -> dict[str, "tuple[str, Type]"]:
        """Declared field → its label and type."""
        if self._schema is None:
            return {}
        return {name: (f"f:{name}", type_of(below)) for name, below in self._schema.properties.items()}

    @cached_property
    def element(self) -> "Type":
        """The type of values under keys that are not declared, and of items."""
        schema = self._schema
        below = None if schema is None else schema.items if self.kind == LIST else schema.additional
        return ANYTHING if below is None else type_of(below)

    @cached_property
    def is_open(self) -> bool:
        """Whether there may be keys that are not declared."""
        schema = self._schema
        if schema is None or schema.additional is not None:
            return True
        return schema.preserve_unknown or not schema.properties

    @cached_property
    def key_defaults(self) -> Json:
        """The keys of a list that have a default; published documents give one to every required scalar."""
        schema = self._schema.items if self._schema is not None else None
        defaults: Json = {}
        for key in self.keys:
            field = schema.properties.get(key) if schema is not None else None
            if field is None or schema is None:
                continue
            default = field.default
            if default is None and key in schema.required:
                default = _ZEROS.get(field.type)
            if default is not None:
                defaults[key] = default
        return defaults

    def of_field(self, name: str) -> "Type":
        """The type of the value under a key."""
        known = self.fields.get(name)
        return known[1] if known is not None else self.element if self.kind == MAP else ANYTHING


def _kind_of(schema: Schema | None) -> str:
    if schema is None or (not schema.type and not schema.properties):
        return SCALAR if schema is not None and schema.int_or_string else ANY
    return {"object": MAP, "": MAP, "array": LIST}.get(schema.type, SCALAR)


def _scalar_of(schema: Schema) -> str:
    if schema.int_or_string or schema.is_quantity:
        return "untyped"
    if schema.type == "string":
        return "string" if schema.format in ("", "byte") else "untyped"
    return "boolean" if schema.type == "boolean" else "numeric"


ANYTHING = Type(None)


def type_of(schema: Schema | None) -> Type:
    """The type of a schema; None stands for one that says nothing."""
    return ANYTHING if schema is None else schema.made(Type)


class RootType(Type):
    """The type of whole objects, whose metadata every kind has alike."""

    def __init__(self, schema: Schema | None, metadata: Schema) -> None:
        super().__init__(schema)
        self.kind = MAP
        self._metadata = metadata

    @cached_property
    def fields(self) -> dict[str, tuple[str, Type]]:
        """Declared field → its label and type."""
        return {**super().fields, "metadata": ("f:metadata", type_of(self._metadata))}


def label_of(item: Any, type: Type) -> str:
    """Which item of a list this is. Raises ``NoLabel``."""
    keys = type.keys
    if not keys:
        return _label_of_value(item)
    if item.__class__ is not dict:
        what = "a null element" if item is None else "non-map elements"
        raise NoLabel(f"associative list with keys may not have {what}")
    if len(keys) == 1 and keys[0] in item:
        value = item[keys[0]]
        return _label(keys[0], value) if value.__class__ is str else _new_label(keys[0], value)
    found = {
        key: item[key] if key in item else type.key_defaults[key]
        for key in keys
        if key in item or key in type.key_defaults
    }
    if not found:
        told = "[" + " ".join(f'"{key}"' for key in keys) + "]"
        raise NoLabel(
            f"associative list with keys has an element that omits all key fields {told} (and doesn't have "
            "default values for any key fields)"
        )
    return "k:" + orjson.dumps(found, option=orjson.OPT_SORT_KEYS).decode()


def _new_label(key: str, value: Any) -> str:
    return f'k:{{"{key}":{orjson.dumps(value).decode()}}}'


@lru_cache(maxsize=1024)
def _label(key: str, value: str) -> str:
    return _new_label(key, value)


def _label_of_value(item: Any) -> str:
    if item.__class__ is dict:
        raise NoLabel("associative list without keys has an element that's a map type")
    if item.__class__ is list:
        raise NoLabel("not supported: associative list with lists as elements")
    if item is None:
        raise NoLabel("associative list without keys has an element that's an explicit null")
    return f"v:{orjson.dumps(item).decode()}"


def labelled(items: list[Any], type: Type) -> dict[str, list[Any]]:
    """Label → the items that have it, usually one; those without a label are passed over."""
    found: dict[str, list[Any]] = {}
    for item in items:
        try:
            found.setdefault(label_of(item, type), []).append(item)
        except NoLabel:
            continue
    return found


def everything(value: Any, type: Type) -> FieldSet:
    """A value and all that it is made of, as a node: what is owned when the value was not there before."""
    if not value or type.atomic:
        return LEAF
    if value.__class__ is dict:
        fields, owned = type.fields, {SELF: LEAF}
        for name in sorted(value):
            item = value[name]
            known = fields.get(name)
            label = known[0] if known is not None else f"f:{name}"
            if item.__class__ is dict or item.__class__ is list:
                owned[label] = everything(item, known[1] if known is not None else type.of_field(name))
            else:
                owned[label] = LEAF
        return owned
    if value.__class__ is list and type.kind == LIST:
        owned = {SELF: LEAF}
        for label, same in labelled(value, type).items():
            owned[label] = everything(same[0], type.element) if len(same) == 1 else LEAF
        return in_order(owned) if len(owned) > 2 else owned
    return LEAF


def everything_given(value: Any, type: Type) -> FieldSet:
    """As ``everything``; for structs, of which there are many alike, remembered by content."""
    if type.fields and value.__class__ is dict:
        content = orjson.dumps(value)
        if len(content) <= REMEMBERED_BYTES:
            return _everything_of(content, type)
    return everything(value, type)


@lru_cache(maxsize=REMEMBERED_STRUCTS)
def _everything_of(content: bytes, type: Type) -> FieldSet:
    return everything(orjson.loads(content), type)


def gained_over(old: Any, new: Any, type: Type) -> FieldSet | None:
    """What a new value takes that is not equal to the old; None if nothing. Remembers as above."""
    if type.fields and new.__class__ is old.__class__ is dict:
        before, after = orjson.dumps(old), orjson.dumps(new)
        if len(after) <= REMEMBERED_BYTES:
            return _gained(before, after, type)
    found = _differences(old, new, type)
    return LEAF if found is None else found.taken or None


@lru_cache(maxsize=REMEMBERED_STRUCTS)
def _gained(old: bytes, new: bytes, type: Type) -> FieldSet | None:
    found = _differences(orjson.loads(old), orjson.loads(new), type)
    return LEAF if found is None else found.taken or None


class Comparison(NamedTuple):
    """What a new version takes, by adding or changing it, and what it removes."""

    taken: FieldSet
    removed: FieldSet


def compare(old: Json, new: Json, type: Type) -> Comparison:
    """The fields in which two versions of a struct or map differ."""
    taken: FieldSet = {}
    removed: FieldSet = {}
    fields = type.fields
    differing = [name for name, value in new.items() if name not in old or old[name] != value]
    differing += [name for name in old if name not in new]
    for name in sorted(differing):
        known = fields.get(name)
        label = known[0] if known is not None else f"f:{name}"
        if name not in old:
            taken[label] = everything(new[name], known[1] if known is not None else type.of_field(name))
        elif name not in new:
            removed[label] = everything(old[name], known[1] if known is not None else type.of_field(name))
        else:
            below = known[1] if known is not None else type.of_field(name)
            _note(label, _differences(old[name], new[name], below), taken, removed)
    return Comparison(taken, removed)


def _note(label: str, found: Comparison | None, taken: FieldSet, removed: FieldSet) -> None:
    """Put what was found below a label to the rest; None says that it is another value as a whole."""
    if found is None:
        taken[label] = LEAF
        return
    if found.taken:
        taken[label] = found.taken
    if found.removed:
        removed[label] = found.removed


_SCALARS = frozenset((str, int, bool, float))


def _differences(old: Any, new: Any, type: Type) -> Comparison | None:
    """What differs below two values that are not equal; None where they have no parts to differ in."""
    if type.atomic or (not old and not new):
        return None
    if old.__class__ in _SCALARS and new.__class__ in _SCALARS:
        return None
    if old.__class__ is new.__class__ is dict:
        return compare(old, new, type)
    kinds = {old.__class__, new.__class__} - {None.__class__}
    if kinds == {dict}:
        return compare(old or {}, new or {}, type)
    if kinds == {list} and type.kind == LIST:
        return _compare_lists(old or [], new or [], type)
    if dict in kinds or (list in kinds and type.kind == LIST):  # something of another form
        removed = {k: v for k, v in everything(old, type).items() if k != SELF}
        return Comparison(everything(new, type) or {SELF: LEAF}, removed)
    return None


def _compare_lists(old: list[Any], new: list[Any], type: Type) -> Comparison:
    before, after = labelled(old, type), labelled(new, type)
    taken: FieldSet = {}
    removed: FieldSet = {}
    for label in {**before, **after}:
        was, now = before.get(label, []), after.get(label, [])
        if was == now:
            continue
        if len(was) == len(now) == 1:
            _note(label, _differences(was[0], now[0], type.element), taken, removed)
        elif len(was) > 1 and len(now) > 1:
            taken[label] = LEAF
        else:  # it comes or goes, or begins or ceases to be there more than once
            if was:
                removed[label] = everything(was[0], type.element) if len(was) == 1 else LEAF
            if now:
                taken[label] = everything(now[0], type.element) if len(now) == 1 else LEAF
    return Comparison(in_order(taken), in_order(removed))


def members(value: Json, type: Type) -> FieldSet:
    """What a configuration claims: its leaves, the keys of maps and the items of lists, but not structs."""
    claimed: FieldSet = {}
    for name in sorted(value):
        item, known = value[name], type.fields.get(name)
        below = known[1] if known is not None else type.of_field(name)
        is_claimed = known is None or item is None or item == {}
        node = _members(item, below, is_claimed=is_claimed)
        if node is not None:
            claimed[f"f:{name}"] = node
    return claimed


def _members(value: Any, type: Type, *, is_claimed: bool) -> FieldSet | None:
    """The node of a value: None where nothing is claimed; ``is_claimed`` says that it is one itself."""
    if type.atomic or value is None:
        return LEAF
    below: FieldSet = {}
    if value.__class__ is dict:
        below = members(value, type)
    elif value.__class__ is list and type.kind == LIST:
        for label, same in labelled(value, type).items():
            node = _members(same[0], type.element, is_claimed=True) if len(same) == 1 else LEAF
            below[label] = LEAF if node is None else node
        below = in_order(below)
    else:
        return LEAF
    if not below:
        return LEAF if is_claimed else None
    return union({SELF: LEAF}, below) if is_claimed else below


def reconciled(fields: FieldSet, type: Type) -> FieldSet:
    """A set that was made when the schema may have been another: what is atomic now is owned as a whole.

    The same object if nothing is atomic that was taken apart. Source: ``typed/reconcile_schema.go``.
    """
    found, is_same = {}, True
    for label, node in fields.items():
        if node:
            below = type.of_field(label[2:]) if label[0] == "f" else type.element
            kept = LEAF if below.atomic else reconciled(node, below)
            is_same = is_same and kept is node
            node = kept
        found[label] = node
    return fields if is_same else found
