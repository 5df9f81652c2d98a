"""Who owns which field: what every write records in ``metadata.managedFields``.

A writer is told from others by its name, by whether it applies or updates, by the subresource it writes
through and, for updates, by the version it speaks. An update owns what it changed and takes it from whoever
owned it; what it removes nobody owns any more. What a write cannot change (the status through the main
resource, say) it does not own, whatever it sends. The time of an entry is that of its last gain.

More than ``MAX_UPDATERS`` entries of updates are merged, the oldest first, into one per version. Objects
whose entries were given up (``managedFields: []``) are not tracked again before somebody applies. Source:
``apimachinery/pkg/util/managedfields``.
"""

from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from functools import lru_cache
from typing import Any, NamedTuple

from kube_lite.api.identity import Json
from kube_lite.api.times import parse_time

from .fieldset import LEAF, SELF, FieldSet, difference, parse, union, without
from .typed import Comparison, Type, compare, everything_given, gained_over

APPLY, UPDATE = "Apply", "Update"
FIELDS_V1 = "FieldsV1"
MAX_UPDATERS = 10
ANCIENT = "ancient-changes"
UNKNOWN = "unknown"
NAME_BYTES = 128

UNOWNED: FieldSet = {
    "f:apiVersion": LEAF,
    "f:kind": LEAF,
    "f:metadata": {
        SELF: LEAF,
        **dict.fromkeys(
            (
                "f:name", "f:namespace", "f:creationTimestamp", "f:selfLink", "f:uid", "f:clusterName",
                "f:generation", "f:managedFields", "f:resourceVersion",
            ),
            LEAF,
        ),
    },
}  # fmt: skip
"""What belongs to the server, or says which object it is. Source: ``internal/stripmeta.go``."""
UNOWNED_FIELDS = frozenset(("apiVersion", "kind"))
UNOWNED_METADATA = frozenset(label[2:] for label in UNOWNED["f:metadata"] if label != SELF)

AtVersion = Callable[[str], "tuple[Type, Callable[[Json], Json]] | None"]
"""An apiVersion → its type, and what turns objects into it; None where it is not served."""


class Writer(NamedTuple):
    """Who writes: a name, the version it speaks, and the subresource it writes through."""

    name: str
    api_version: str
    subresource: str = ""


class Entry(NamedTuple):
    """One entry of ``managedFields``; ``time`` is empty where nothing was ever gained."""

    manager: str
    operation: str
    api_version: str
    subresource: str
    time: str
    fields: FieldSet

    @property
    def identity(self) -> tuple[str, str, str, str]:
        """What tells it from others; who applies may change the version."""
        version = "" if self.operation == APPLY else self.api_version
        return self.manager, self.operation, version, self.subresource


def manager_of(name: str) -> str:
    """A name that a client goes by, cut down to what may stand in an entry."""
    if len(name) <= NAME_BYTES // 4 and name.isprintable():  # four bytes a letter at most
        return name or UNKNOWN
    printable = "".join(filter(str.isprintable, name)).encode()
    return printable[:NAME_BYTES].decode(errors="ignore") or UNKNOWN


def read_entries(told: Sequence[Json]) -> list[Entry]:
    """The entries of an object as a client sent it.

    Raises:
        ValueError: one of them makes no sense.
    """
    entries: dict[tuple[str, ...], Entry] = {}
    for one in told:
        _check_entry(one)
        entry = _as_entry(one)._replace(fields=parse(one.get("fieldsV1") or {}))
        entries[entry.identity] = entry
    return list(entries.values())


def _check_entry(one: Any) -> None:
    """Raise ``ValueError`` for what cannot be an entry; kinds without a schema may have anything there."""
    if not isinstance(one, dict):
        raise ValueError("an entry must be an object")
    if one.get("operation") not in (APPLY, UPDATE):
        raise ValueError("operation must be `Update` or `Apply`")
    if not one.get("apiVersion"):
        raise ValueError("apiVersion must not be empty")
    if one.get("fieldsType") != FIELDS_V1:
        raise ValueError(f"invalid fieldsType {one.get('fieldsType', '')!r}")
    for name in ("manager", "apiVersion", "subresource", "time"):
        if not isinstance(one.get(name) or "", str):
            raise ValueError(f"{name} must be a text")
    if one.get("time"):
        parse_time(one["time"])


def _as_entry(one: Json) -> Entry:
    get = one.get
    return Entry(
        get("manager") or "", one["operation"], one["apiVersion"], get("subresource") or "",
        get("time") or "", get("fieldsV1") or {},
    )  # fmt: skip


def entries_before(old: Json, new: Json, *, trusts_new: bool) -> list[Entry]:
    """The entries that a write begins with: those sent, where they are any, else those that are there.

    Args:
        old: the version that is there, whose entries are ours.
        new: what is to be written.
        trusts_new: entries that were sent count; through a subresource they do not.
    """
    there: list[Json] = old["metadata"].get("managedFields") or []
    sent = new["metadata"].get("managedFields")
    if trusts_new and isinstance(sent, list) and sent is not there and sent != there:
        if sent in ([], [{}]):
            return []  # how a client gives everything up
        with suppress(ValueError, RecursionError):  # what cannot be read counts as not sent
            return read_entries(sent) or [_as_entry(one) for one in there]
    return [_as_entry(one) for one in there]


def after_update(
    type: Type,
    old: Json | None,
    new: Json,
    writer: Writer,
    now: str,
    *,
    empty: Json,
    ignored: FieldSet = LEAF,
    at_version: AtVersion | None = None,
) -> list[Json]:
    """The ``managedFields`` after a create, an update or a patch.

    Args:
        type: of whole objects.
        old: the version that is there; None for a creation.
        new: what is asked for, with its defaults; its own ``managedFields`` are looked at.
        now: the time, as it is written.
        empty: an object of the kind to which nobody has given a value; what a creation is compared with.
        ignored: the fields that this write cannot change.
    """
    live = {"metadata": {}, **empty} if old is None else old
    entries = entries_before(live, new, trusts_new=not writer.subresource)
    if not entries:
        return [] if old is not None else after_create(type, new, writer, now, empty=empty, ignored=ignored)
    entries = gain(type, live, new, entries, writer, now, ignored, at_version)
    return as_json(entries)


def after_create(
    type: Type, new: Json, writer: Writer, now: str, *, empty: Json, ignored: FieldSet = LEAF
) -> list[Json]:
    """The ``managedFields`` of a new object in which nobody else has a say; arguments as ``after_update``."""
    taken: FieldSet = {}
    fields = type.fields
    for name in sorted(new):
        if name in UNOWNED_FIELDS:
            continue
        value, known = new[name], fields.get(name)
        label, below = known if known is not None else (f"f:{name}", type.of_field(name))
        if name == "metadata":
            given = {field: value[field] for field in value if field not in UNOWNED_METADATA}
            gained = compare({}, given, below).taken if given else None
        elif name not in empty:
            gained = everything_given(value, below)
        else:
            gained = gained_over(empty[name], value, below) if empty[name] != value else None
        if gained is not None:
            taken[label] = gained
    if ignored:
        taken = without(taken, ignored)
    if not taken:
        return []
    return [_entry_as_json(Entry(writer.name, UPDATE, writer.api_version, writer.subresource, now, taken))]


def gain(
    type: Type,
    old: Json,
    new: Json,
    entries: Iterable[Entry],
    writer: Writer,
    now: str,
    ignored: FieldSet = LEAF,
    at_version: AtVersion | None = None,
) -> list[Entry]:
    """The entries after an update from ``old`` to ``new``."""
    change = changes(type, old, new, ignored)
    others = Losses(change, old, new, writer.api_version, at_version)
    kept: dict[tuple[str, ...], Entry] = {}
    for entry in entries:
        rest = others.rest(entry)
        if rest:
            kept[entry.identity] = entry if rest is entry.fields else entry._replace(fields=rest)
    if change.taken:
        mine = Entry(writer.name, UPDATE, writer.api_version, writer.subresource, now, change.taken)
        before = kept.get(mine.identity)
        kept[mine.identity] = (
            mine if before is None else mine._replace(fields=union(before.fields, mine.fields))
        )
    return _capped(list(kept.values())) if len(kept) > MAX_UPDATERS else list(kept.values())


def changes(type: Type, old: Json, new: Json, ignored: FieldSet = LEAF) -> Comparison:
    """The fields in which two versions of an object differ, without those that nobody can own."""
    found = compare(_ownable(old), _ownable(new), type)
    if ignored:
        return Comparison(without(found.taken, ignored), without(found.removed, ignored))
    return found


def _ownable(obj: Json) -> Json:
    ownable = {name: value for name, value in obj.items() if name not in UNOWNED_FIELDS}
    metadata = obj.get("metadata") or {}
    ownable["metadata"] = {name: metadata[name] for name in metadata if name not in UNOWNED_METADATA}
    return ownable


class Losses:
    """What others lose by a change, each seen in the version that they speak."""

    def __init__(
        self, change: Comparison, old: Json, new: Json, version: str, at_version: AtVersion | None
    ) -> None:
        self._old = old
        self._new = new
        self._at_version = at_version
        self._known = {version: change}

    def at(self, version: str) -> Comparison | None:
        """The change in a version; None where it is not served any more."""
        change = self._known.get(version)
        if change is None:
            found = self._at_version(version) if self._at_version is not None else None
            if found is None:
                return None
            type, convert = found
            change = self._known[version] = changes(type, convert(self._old), convert(self._new))
        return change

    def rest(self, entry: Entry) -> FieldSet:
        """What an entry keeps: all of it, as the same object, if nothing it owns has changed."""
        change = self.at(entry.api_version)
        if change is None:
            return {}
        rest = entry.fields
        for lost in change:
            if lost:
                rest = difference(rest, lost)
        return entry.fields if rest == entry.fields else rest


def _capped(entries: list[Entry]) -> list[Entry]:
    """Merge the oldest updates of a version into one entry while there are too many."""
    updates = [entry for entry in entries if entry.operation == UPDATE]
    surplus = len(updates) - MAX_UPDATERS
    if surplus <= 0:
        return entries
    kept = {entry.identity: entry for entry in entries}
    first: dict[str, Entry] = {}
    for entry in sorted(updates, key=lambda one: (_seconds(one), one.identity)):
        if surplus <= 0:
            break
        bucket = Entry(ANCIENT, UPDATE, entry.api_version, "", entry.time, entry.fields)
        begun = first.get(entry.api_version)
        if begun is None:
            first[entry.api_version] = entry
            continue
        there = kept.get(bucket.identity) or kept.pop(begun.identity)
        kept.pop(entry.identity, None)
        kept[bucket.identity] = bucket._replace(fields=union(entry.fields, there.fields))
        surplus -= 1
    return list(kept.values())


def _seconds(entry: Entry) -> int:
    return _seconds_of(entry.time) if entry.time else 0


@lru_cache(maxsize=1024)
def _seconds_of(time: str) -> int:
    return int(parse_time(time))


def as_json(entries: Iterable[Entry]) -> list[Json]:
    """Entries as they are written: who applies first, then by age."""
    told = list(entries)
    if len(told) > 1:
        told.sort(key=_order)
    return [_entry_as_json(entry) for entry in told]


def _order(entry: Entry) -> tuple[str, int, str, str, str]:
    return entry.operation, _seconds(entry), entry.manager, entry.api_version, entry.subresource


def _entry_as_json(entry: Entry) -> Json:
    told: Json = {"manager": entry.manager, "operation": entry.operation, "apiVersion": entry.api_version}
    if entry.time:
        told["time"] = entry.time
    told["fieldsType"], told["fieldsV1"] = FIELDS_V1, entry.fields
    if entry.subresource:
        told["subresource"] = entry.subresource
    return told


def settle(new: Json, old: Json) -> None:
    """Take back times where nothing but them has changed, so that nothing is written. Changes ``new``."""
    before, after = old["metadata"].get("managedFields"), new["metadata"].get("managedFields")
    if not before or not after or before == after or len(before) != len(after):
        return
    for was, now in zip(before, after, strict=True):
        if {**was, "time": None} != {**now, "time": None}:
            return
    kept = {"managedFields": before, "resourceVersion": old["metadata"].get("resourceVersion")}
    if {**new, "metadata": {**new["metadata"], **kept}} == old:
        new["metadata"]["managedFields"] = before
