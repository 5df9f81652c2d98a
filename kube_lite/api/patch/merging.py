"""Merging an applied configuration into a value, and removing what is not claimed any more.

Which of two values stays follows from the ``Type``: the configuration's, except that structs, maps and keyed
lists are merged part by part. Source: structured-merge-diff ``typed/merge.go``, ``typed/remove.go``, and
``prune`` in ``merge/update.go``.
"""

from collections.abc import Sequence
from typing import Any

from kube_lite.api.identity import Json

from .fieldset import LEAF, SELF, FieldSet, difference, intersection, is_member, union
from .typed import LIST, SCALAR, NoLabel, Type, label_of, labelled, members


def merge(live: Any, configuration: Any, type: Type) -> Any:
    """What the configuration makes of a value; parts of both are shared."""
    if type.kind == SCALAR or type.atomic or (not live and not configuration):
        return configuration
    kinds = {live.__class__, configuration.__class__} - {None.__class__}
    if kinds == {dict}:
        return _merge_maps(live or {}, configuration or {}, type)
    if kinds == {list} and type.kind == LIST:
        return _merge_lists(live or [], configuration or [], type)
    return configuration


def _merge_maps(live: Json, configuration: Json, type: Type) -> Json:
    merged = dict(live)
    for name, value in configuration.items():
        merged[name] = merge(live[name], value, type.of_field(name)) if name in live else value
    return merged


def _merge_lists(live: list[Any], configuration: list[Any], type: Type) -> list[Any]:
    """Items of both: those of the configuration in its order, the others where they were among them."""
    wanted = {label_of(item, type): item for item in configuration}
    there, known = _labels(live, type), labelled(live, type)
    merged = []
    for next_item in merged_order([label for label, _ in there], list(wanted)):
        if isinstance(next_item, int):
            merged.append(there[next_item][1])
            continue
        same, item = known.get(next_item, ()), wanted[next_item]
        merged.append(merge(same[0], item, type.element) if len(same) == 1 else item)
    return merged


def merged_order(there: Sequence[str], wanted: Sequence[str]) -> list[int | str]:
    """In which order items of both lists follow each other.

    Returns:
        the place of an item that is only ``there``, or the label of one that is ``wanted``.
    """
    shared = [label for label in wanted if label in there]
    order: list[int | str] = []
    done = set[str]()
    at = rest = 0
    while at < len(there) or rest < len(wanted):
        label = there[at] if at < len(there) else None
        following = wanted[rest] if rest < len(wanted) else None
        if label is not None and label not in wanted:
            order.append(at)
            at += 1
            continue
        if label is not None and following not in (None, label) and shared and shared[0] != label:
            at += 1  # its turn comes in the order that is wanted
            continue
        if label is not None and (label == following or label in done):
            at += 1
        if following is not None:
            order.append(following)
            done.add(following)
            rest += 1
            shared = shared[1:] if shared[:1] == [following] else shared
    return order


def _labels(items: list[Any], type: Type) -> list[tuple[str, Any]]:
    found = []
    for item in items:
        try:
            found.append((label_of(item, type), item))
        except NoLabel:
            continue
    return found


def prune(merged: Json, last: FieldSet, claims: Sequence[FieldSet], type: Type) -> Json:
    """Remove what was applied last time and is not claimed any more, neither now nor by others."""
    last = _with_fields(last, type)
    pruned = remove(merged, last, type) or {}
    owned: FieldSet = {}
    for claimed in claims:
        owned = union(owned, claimed)
    everything = _with_fields(members(merged, type), type)
    left = _with_fields(members(pruned, type), type)
    pruned = remove(merged, difference(everything, union(left, _with_fields(owned, type))), type) or {}
    left = _with_fields(members(pruned, type), type)
    result: Json = remove(merged, intersection(difference(everything, left), last), type) or {}
    return result


def _with_fields(fields: FieldSet, type: Type) -> FieldSet:
    """The set together with every declared field on the way to its members."""
    found: FieldSet = {}
    for label, node in fields.items():
        if not node or label == SELF:
            found[label] = node
            continue
        is_field = label[0] == "f"
        below = _with_fields(node, type.of_field(label[2:]) if is_field else type.element)
        found[label] = {SELF: LEAF, **below} if is_field and label[2:] in type.fields else below
    return found


def remove(value: Any, fields: FieldSet, type: Type) -> Any:
    """A value without the fields; None where nothing is left of it.

    What stays although nothing is left below it stays as an empty map or list.
    """
    if not value or type.atomic:
        return None
    if isinstance(value, dict):
        kept = {}
        for name, item in value.items():
            node = fields.get(f"f:{name}")
            if node is None:
                kept[name] = item
            elif not is_member(node):
                kept[name] = _remove_below(item, node, type.of_field(name))
        return kept or None
    if isinstance(value, list) and type.kind == LIST:
        return _remove_items(value, fields, type) or None
    return value


def _remove_below(value: Any, fields: FieldSet, type: Type) -> Any:
    left = remove(value, fields, type)
    return value.__class__() if left is None and value.__class__ in (dict, list) else left


def _remove_items(value: list[Any], fields: FieldSet, type: Type) -> list[Any]:
    kept = []
    for item in value:
        try:
            node = fields.get(label_of(item, type))
        except NoLabel:
            node = None
        if node is None:
            kept.append(item)
        elif not is_member(node):
            kept.append(_remove_below(item, node, type.element))
    return kept
