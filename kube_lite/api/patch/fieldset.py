"""Sets of fields of an object, in the very form in which ``managedFields`` shows them.

A set is a tree of dicts; a label says which field, key or item, and an empty dict is a member:

    {"f:spec": {"f:replicas": {}, "f:ports": {".": {}, 'k:{"port":80}': {".": {}, "f:name": {}}}}}

has ``spec.replicas``, ``spec.ports``, the port 80 and its name; it does not have ``spec``, below which no
``.`` says so. Since nothing has to be translated, what is stored can be worked with as it is. Sets are never
changed: every function makes a new one, which shares with its arguments whatever stayed the same.

Labels stand in the order in which upstream prints them: ``.``, fields, keys, values, indexes, and numbers
by their value. Source: structured-merge-diff, ``fieldpath/set.go``, ``serialize.go``, ``serialize-pe.go``.
"""

from collections.abc import Iterator
from functools import lru_cache
from typing import Any

import orjson

from kube_lite.api.gotext import go_quote, go_text

FieldSet = dict[str, Any]
Path = tuple[str, ...]

SELF = "."
LEAF: FieldSet = {}
"""A member without members below; shared, never to be changed."""


def union(one: FieldSet, other: FieldSet) -> FieldSet:
    """The members of either."""
    if not one or not other:
        return one or other
    joined, is_longer = dict(one), False
    for label, node in other.items():
        there = joined.get(label)
        if there is None:
            joined[label], is_longer = node, True
        elif there is not node:
            joined[label] = _either(there, node)
    return in_order(joined) if is_longer else joined


def _either(one: FieldSet, other: FieldSet) -> FieldSet:
    if one and other:
        return union(one, other)
    longer = one or other
    return longer if not longer or SELF in longer else {SELF: LEAF, **longer}


def difference(one: FieldSet, other: FieldSet) -> FieldSet:
    """The members of the first that the second does not have; what lies below them is asked apart."""
    if one.keys().isdisjoint(other):
        return one
    kept = {}
    for label, node in one.items():
        cut = other.get(label)
        if cut is not None:
            node = _minus(node, cut)
        if node is not None:
            kept[label] = node
    return kept


def _minus(node: FieldSet, cut: FieldSet) -> FieldSet | None:
    if not cut:
        return (node or None) if SELF not in node else {k: v for k, v in node.items() if k != SELF}
    if not node:
        return None if SELF in cut else node
    return _node(difference(node, cut))


def intersection(one: FieldSet, other: FieldSet) -> FieldSet:
    """The members that both have."""
    both = {}
    for label, node in one.items():
        there = other.get(label)
        if there is not None:
            common = _both(node, there)
            if common is not None:
                both[label] = common
    return both


def _both(one: FieldSet, other: FieldSet) -> FieldSet | None:
    if one and other:
        return _node(intersection(one, other))
    longer = one or other
    return LEAF if not longer or SELF in longer else None


def _node(members: FieldSet) -> FieldSet | None:
    """Members below something as a node: nothing at all is None, nothing but itself a leaf."""
    if len(members) == 1 and SELF in members:
        return LEAF
    return members or None


def without(one: FieldSet, other: FieldSet) -> FieldSet:
    """The members of the first that are neither in the second nor below a member of it."""
    kept = {}
    for label, node in one.items():
        cut = other.get(label)
        if cut is None or not (node or is_member(cut)):
            kept[label] = node
        elif not is_member(cut):
            rest = _node(without(node, cut))
            if rest is not None:
                kept[label] = rest
    return kept


def is_member(node: FieldSet) -> bool:
    """Whether a node stands for a member, and not only for members below it."""
    return not node or SELF in node


def has(fields: FieldSet, path: Path) -> bool:
    """Whether a path is a member."""
    for label in path:
        below = fields.get(label)
        if below is None:
            return False
        fields = below
    return is_member(fields)


def paths(fields: FieldSet, above: Path = ()) -> Iterator[Path]:
    """Every member: those of a level before those below it, as upstream tells them."""
    for label, node in fields.items():
        if label != SELF and is_member(node):
            yield (*above, label)
    for label, node in fields.items():
        if node:
            yield from paths(node, (*above, label))


def parse(fields: Any) -> FieldSet:
    """What a client says is a set, in order and with labels as we write them.

    Raises:
        ValueError: it is none.
    """
    read = _parse(fields)
    read.pop(SELF, None)
    return read


def _parse(fields: Any) -> FieldSet:
    if not isinstance(fields, dict):
        raise ValueError("fields of a field are no object")
    read: FieldSet = {}
    for label, below in fields.items():
        if label == SELF:
            read[SELF] = LEAF
        elif label[1:2] != ":":
            raise ValueError(f"no kind of place: {label}")
        elif label[0] in "fkvi":
            read[_canonical(label)] = _node(_parse(below)) or LEAF
    return in_order(read)


def _canonical(label: str) -> str:
    place(label)  # raises ValueError where it makes no sense
    if label[0] in "kv":
        return label[:2] + orjson.dumps(orjson.loads(label[2:]), option=orjson.OPT_SORT_KEYS).decode()
    return label


def in_order(fields: FieldSet) -> FieldSet:
    """The same members, sorted on this level."""
    return {label: fields[label] for label in sorted(fields, key=place)} if len(fields) > 1 else fields


@lru_cache(maxsize=4096)
def place(label: str) -> tuple[Any, ...]:
    """By what a label is sorted. Raises ``ValueError`` for what is no label."""
    if label == SELF:
        return (0,)
    kind, text = label[0], label[2:]
    if kind == "f":
        return (1, text)
    if kind == "i":
        return (4, int(text))
    value = orjson.loads(text)
    if kind == "v":
        return (3, _rank(value))
    if not isinstance(value, dict):
        raise ValueError(f"no key: {label}")
    return (2, tuple((name, _rank(value[name])) for name in sorted(value)))


def _rank(value: Any) -> tuple[int, Any]:
    if isinstance(value, bool):
        return (2, value)
    if isinstance(value, (int, float)):
        return (0, value)
    return (1, value) if isinstance(value, str) else (3, orjson.dumps(value))


def spell(path: Path) -> str:
    """A path in words: ``.spec.ports[port=80,protocol="TCP"].name``."""
    return "".join(map(_spell, path))


def _spell(label: str) -> str:
    kind, text = label[0], label[2:]
    if kind == "f":
        return f".{text}"
    if kind == "i":
        return f"[{text}]"
    value = orjson.loads(text)
    if kind == "v":
        return f"[={_shown(value)}]"
    return "[" + ",".join(f"{name}={_shown(value[name])}" for name in sorted(value)) + "]"


def _shown(value: Any) -> str:
    return go_quote(value) if isinstance(value, str) else go_text(value)
