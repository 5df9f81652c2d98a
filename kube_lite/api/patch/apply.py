"""Server-side apply: merge what somebody wants into what is there, with regard to who owns what.

An applied configuration is all that its owner wants to say. It is merged into the object; what the owner
applied last time and left out now goes, unless somebody else owns it too; what others own with another value
is a conflict, unless force takes it from them. The decisions are those of structured-merge-diff
``merge/update.go`` and ``typed/{merge,remove,validate}.go``, and of ``managedfields/internal`` around them.
"""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import orjson

from kube_lite.api.codecs import DecodeError, decode
from kube_lite.api.errors import ApiError, BadRequest, Cause, Conflict, details_of
from kube_lite.api.gotext import go_quote, go_text
from kube_lite.api.identity import GroupResource, GroupVersionKind, Json, parse_api_version

from . import ownership
from .fieldset import (
    LEAF,
    SELF,
    FieldSet,
    Path,
    difference,
    has,
    intersection,
    is_member,
    paths,
    spell,
    union,
    without,
)
from .ownership import APPLY, UNOWNED, UPDATE, AtVersion, Entry, Losses, Writer
from .typed import LIST, MAP, SCALAR, NoLabel, Type, label_of, labelled, members

MEDIA_TYPE = "application/apply-patch+yaml"
LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"
BEFORE_FIRST_APPLY = "before-first-apply"
KUBECTL = "kubectl"
ANNOTATIONS_BYTES = 256 * 1024
DECODING = "error decoding YAML: "


class Configuration(NamedTuple):
    """An applied configuration; ``repeated`` are the texts of keys that it has twice."""

    value: Json
    repeated: tuple[str, ...] = ()
    refusal: tuple[str, ...] = ()


class Applied(NamedTuple):
    """What comes of an apply: the object, not yet read as one of its kind, and who owns its fields."""

    obj: Json
    managed_fields: list[Json]


def parse(body: bytes) -> Configuration:
    """Read the body of an apply.

    Raises:
        BadRequest: it is no YAML, or no object.
    """
    try:
        decoded = decode(body, "application/yaml")
    except DecodeError as error:
        raise BadRequest(f"{DECODING}error converting YAML to JSON: {error}") from error
    value = decoded.value
    if value is None:
        value = {}
    if not isinstance(value, dict):
        from kube_lite.api.codecs import json_type

        raise BadRequest(
            f"{DECODING}error unmarshaling JSON: while decoding JSON: json: cannot unmarshal "
            f"{json_type(value)} into Go value of type map[string]interface {{}}"
        )
    return Configuration(value, decoded.repeated, decoded.refusal)


def check(configuration: Json, gvk: GroupVersionKind, type: Type) -> None:
    """Refuse what cannot be applied to an object of the kind.

    Raises:
        BadRequest: it is of another kind, or wants to decide about owners.
        ApiError: (500, as in the reference) it does not follow the schema.
    """
    given = _kind_of(configuration)
    if given != gvk:
        raise BadRequest(f"invalid object type: {_spell_kind(given)}")
    metadata = configuration.get("metadata")
    if isinstance(metadata, dict) and metadata.get("managedFields") is not None:
        raise BadRequest("metadata.managedFields must be nil")
    wrong = [f"{spell(path)}: {why}" if path else why for path, why in misfits(configuration, type)]
    if wrong:
        told = wrong[0] if len(wrong) == 1 else "errors:\n  " + "\n  ".join(wrong)
        found = metadata if isinstance(metadata, dict) else {}
        name, namespace = (
            value if isinstance(value, str) else "" for value in (found.get("name"), found.get("namespace"))
        )
        raise ApiError(
            f"failed to create typed patch object ({namespace}/{name}; {_spell_kind(gvk)}): {told}"
        )


def _kind_of(configuration: Json) -> GroupVersionKind:
    kind, api_version = configuration.get("kind"), configuration.get("apiVersion")
    group = version = ""
    if isinstance(api_version, str) and api_version.count("/") < 2:
        group, version = parse_api_version(api_version)
    return GroupVersionKind(group, version, kind if isinstance(kind, str) else "")


def _spell_kind(gvk: GroupVersionKind) -> str:
    return f"{gvk.group}/{gvk.version}, Kind={gvk.kind}"


def misfits(value: Any, type: Type, at: Path = ()) -> Iterator[tuple[Path, str]]:
    """Where a configuration does not follow the schema, and why."""
    if value is None:
        return
    if type.kind == SCALAR:
        why = _misfit(value, type.scalar)
        if why:
            yield at, why
    elif type.kind == MAP and not isinstance(value, dict):
        yield at, f"expected map, got &{{{go_text(value)}}}"
    elif type.kind == LIST and not isinstance(value, list):
        yield at, f"expected list, got &{{{go_text(value)}}}"
    elif isinstance(value, dict):
        yield from _misfits_of_map(value, type, at)
    elif isinstance(value, list):
        yield from _misfits_of_list(value, type, at)


def _misfits_of_map(value: Json, type: Type, at: Path) -> Iterator[tuple[Path, str]]:
    for name, item in value.items():
        if name not in type.fields and not type.is_open:
            yield (*at, f"f:{name}"), "field not declared in schema"
            return
        yield from misfits(item, type.of_field(name), (*at, f"f:{name}"))


def _misfits_of_list(value: list[Any], type: Type, at: Path) -> Iterator[tuple[Path, str]]:
    seen = set()
    for index, item in enumerate(value):
        label = f"i:{index}"
        if type.kind == LIST and not type.atomic:
            try:
                label = label_of(item, type)
            except NoLabel as error:
                yield at, f"element {index}: {error}"
                return
            if label in seen:
                yield at, f"duplicate entries for key {spell((label,))}"
            seen.add(label)
        yield from misfits(item, type.element, (*at, label))


def _misfit(value: Any, wanted: str) -> str:
    is_number = type(value) in (int, float)
    if wanted == "numeric":
        return "" if is_number else f"expected numeric (int or float), got {_GO_TYPES.get(type(value), '')}"
    if wanted == "string":
        return (
            ""
            if isinstance(value, str)
            else f"expected string, got &value.valueUnstructured{{Value:{_go_syntax(value)}}}"
        )
    if wanted == "boolean":
        return "" if isinstance(value, bool) else f"expected boolean, got &{{{go_text(value)}}}"
    is_scalar = is_number or isinstance(value, (str, bool))
    return "" if is_scalar else f"expected any scalar, got &{{{go_text(value)}}}"


_GO_TYPES = {str: "string", bool: "bool", dict: "map[string]interface {}", list: "[]interface {}"}


def _go_syntax(value: Any) -> str:
    """A value as Go's ``%#v`` prints it."""
    if isinstance(value, dict):
        inner = ", ".join(f"{go_quote(name)}:{_go_syntax(value[name])}" for name in sorted(value))
        return f"map[string]interface {{}}{{{inner}}}"
    if isinstance(value, list):
        return f"[]interface {{}}{{{', '.join(map(_go_syntax, value))}}}"
    if isinstance(value, str):
        return go_quote(value)
    return "interface {}(nil)" if value is None else go_text(value)


def apply(
    type: Type,
    live: Json | None,
    configuration: Json,
    writer: Writer,
    now: str,
    *,
    empty: Json,
    force: bool = False,
    ignored: FieldSet = LEAF,
    at_version: AtVersion | None = None,
) -> Applied:
    """Merge a configuration that was checked into an object; no argument is changed.

    Args:
        live: the version that is there; None where the apply creates it.
        empty: an object of the kind to which nobody has given a value.
        ignored: the fields that this writer cannot change.

    Raises:
        Conflict: others own what it would change.
    """
    there = {"metadata": {}, **empty} if live is None else live
    entries = ownership.entries_before(there, there, trusts_new=False)
    if not entries:
        first = Writer(BEFORE_FIRST_APPLY, writer.api_version, writer.subresource)
        start = {"metadata": {}, **empty}
        entries = ownership.gain(type, start, there, [], first, now, ignored, at_version)
    attempt = _Attempt(type, without_owners(there), configuration, writer, entries, ignored, at_version)
    conflicts = [] if force else attempt.conflicts()
    if conflicts and writer.name == KUBECTL:
        allowed = last_applied(there, type, writer.api_version)
        conflicts = [(entry, path) for entry, path in conflicts if not has(allowed, path)]
    if conflicts:
        raise conflict_of(conflicts)
    obj = attempt.merged
    if writer.name == KUBECTL and LAST_APPLIED in ((obj.get("metadata") or {}).get("annotations") or {}):
        obj = _with_last_applied(obj, configuration)
    return Applied(obj, ownership.as_json(attempt.entries(now)))


def without_owners(obj: Json) -> Json:
    """An object without ``managedFields``; parts are shared."""
    metadata = {name: value for name, value in obj["metadata"].items() if name != "managedFields"}
    return {**obj, "metadata": metadata}


class _Attempt:
    """One configuration on its way into one version of an object."""

    def __init__(
        self,
        type: Type,
        live: Json,
        configuration: Json,
        writer: Writer,
        entries: Sequence[Entry],
        ignored: FieldSet,
        at_version: AtVersion | None,
    ) -> None:
        self._live = live
        mine = Entry(writer.name, APPLY, writer.api_version, writer.subresource, "", {})
        claimed = without(members(configuration, type), ignored)
        self._mine = mine._replace(fields=difference(claimed, UNOWNED))
        last = next((entry for entry in entries if entry.identity == mine.identity), None)
        self._last = last
        self._others = [entry for entry in entries if entry.identity != mine.identity]
        merged: Json = merge(live, configuration, type)
        if last is not None and last.fields:
            merged = prune(merged, last.fields, [claimed, *(entry.fields for entry in self._others)], type)
        self.merged = merged
        change = ownership.changes(type, live, merged, ignored)
        self._losses = Losses(change, live, merged, writer.api_version, at_version)

    def conflicts(self) -> list[tuple[Entry, Path]]:
        """What others own and would lose, ordered by owner."""
        found = []
        for entry in sorted(self._others, key=lambda one: one.identity):
            change = self._losses.at(entry.api_version)
            if change is not None and change.taken:
                found += [(entry, path) for path in paths(intersection(entry.fields, change.taken))]
        return found

    def entries(self, now: str) -> list[Entry]:
        """The entries afterwards; the time is new if the object is."""
        kept = []
        for entry in self._others:
            rest = self._losses.rest(entry)
            if rest:
                kept.append(entry._replace(fields=rest))
        if self._mine.fields:
            time = now if self.merged != self._live else self._last.time if self._last is not None else ""
            kept.append(self._mine._replace(time=time))
        return kept


def conflict_of(conflicts: Sequence[tuple[Entry, Path]]) -> Conflict:
    """The refusal of an apply, with all that stands against it."""
    causes = [
        Cause("FieldManagerConflict", f"conflict with {_spell_owner(entry)}", spell(path))
        for entry, path in conflicts
    ]
    if len(conflicts) == 1:
        message = f"Apply failed with 1 conflict: {causes[0].message}: {causes[0].field}"
    else:
        lines: list[str] = []
        for cause in causes:
            heading = f"conflicts{cause.message.removeprefix('conflict')}:"
            if heading not in lines:
                lines.append(heading)
            lines.append(f"- {cause.field}")
        message = f"Apply failed with {len(conflicts)} conflicts: " + "\n".join(lines)
    return Conflict(message, details=details_of(GroupResource("", ""), causes=causes))


def _spell_owner(entry: Entry) -> str:
    text = go_quote(entry.manager)
    if entry.subresource:
        text += f" with subresource {go_quote(entry.subresource)}"
    return f"{text} using {entry.api_version}" if entry.operation == UPDATE else text


def last_applied(live: Json, type: Type, api_version: str) -> FieldSet:
    """What a client-side apply claims in its annotation and the object still has: its owner may go over."""
    text = (live["metadata"].get("annotations") or {}).get(LAST_APPLIED)
    try:
        configuration = orjson.loads(text or "null")
    except orjson.JSONDecodeError:
        return {}
    if not isinstance(configuration, dict) or configuration.get("apiVersion") != api_version:
        return {}
    if any(misfits(configuration, type)):
        return {}
    difference_now = ownership.changes(type, {"metadata": {}, **configuration}, live)
    claimed = difference(members(configuration, type), difference_now.taken)
    return difference(claimed, difference_now.removed)


def _with_last_applied(obj: Json, configuration: Json) -> Json:
    """The object with the annotation of client-side applies brought up to date, if there is room for it."""
    sent = {**configuration, "metadata": dict(configuration.get("metadata") or {})}
    if sent["metadata"].get("annotations"):
        sent["metadata"]["annotations"] = {
            name: value for name, value in sent["metadata"]["annotations"].items() if name != LAST_APPLIED
        }
    text = orjson.dumps(sent, option=orjson.OPT_SORT_KEYS | orjson.OPT_APPEND_NEWLINE).decode()
    annotations = {**obj["metadata"]["annotations"], LAST_APPLIED: text}
    if (
        sum(len(name.encode()) + len(value.encode()) for name, value in annotations.items())
        > ANNOTATIONS_BYTES
    ):
        del annotations[LAST_APPLIED]
    return {**obj, "metadata": {**obj["metadata"], "annotations": annotations}}


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
    """A value without the fields; None where nothing is left of it."""
    if not value or type.atomic:
        return None
    if isinstance(value, dict):
        kept = {}
        for name, item in value.items():
            node = fields.get(f"f:{name}")
            if node is None:
                kept[name] = item
            elif not is_member(node):
                kept[name] = remove(item, node, type.of_field(name))
        return kept or None
    if isinstance(value, list) and type.kind == LIST:
        return _remove_items(value, fields, type) or None
    return value


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
            kept.append(remove(item, node, type.element))
    return kept
