"""Server-side apply: merge what somebody wants into what is there, with regard to who owns what.

An applied configuration is all that its owner wants to say. It is merged into the object; what the owner
applied last time and left out now goes, unless somebody else owns it too; what others own with another value
is a conflict, unless force takes it from them. The decisions are those of ``merge/update.go`` in
structured-merge-diff and of ``managedfields/internal`` around it.
"""

from collections.abc import Sequence
from typing import NamedTuple

import orjson

from kube_lite.api.errors import Cause, Conflict, details_of
from kube_lite.api.gotext import go_quote
from kube_lite.api.identity import GroupResource, Json

from . import ownership
from .configuration import misfits
from .fieldset import LEAF, FieldSet, Path, difference, has, intersection, paths, spell, without
from .merging import merge, prune
from .ownership import APPLY, UNOWNED, UPDATE, AtVersion, Entry, Losses, Writer
from .typed import Type, members, reconciled

LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"
BEFORE_FIRST_APPLY = "before-first-apply"
KUBECTL = "kubectl"
ANNOTATIONS_BYTES = 256 * 1024


class Applied(NamedTuple):
    """What comes of an apply: the object, not yet read as one of its kind, and who owns its fields."""

    obj: Json
    managed_fields: list[Json]


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
    entries = [
        entry._replace(fields=reconciled(entry.fields, type))
        if entry.api_version == writer.api_version
        else entry
        for entry in ownership.entries_before(there, there, trusts_new=False)
    ]
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
