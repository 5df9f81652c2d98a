"""One version of one object as it lies in the store: bytes first, decoded when somebody must look inside.

The bytes are the final JSON that clients read. They begin with ``kind``, ``apiVersion`` and ``metadata``, in
this order, and only the store knows the ``resourceVersion``, so it is left empty when an object is encoded
and the store inserts the digits:

    {"kind":"ConfigMap","apiVersion":"v1","metadata":{"name":"a","namespace":"x","uid":"…","resourceVersion":"|",…
                                                                                                splice
                                                                                                offset  ^

Beside them lies a header, msgpack of ``[splice, namespace, name, labels, fields]``: all that selectors and
deletion events need, so neither decodes the object. The decoded form is made once per version and shared by
all who ask, so it must never be changed.
"""

from collections.abc import Mapping
from functools import cached_property
from typing import Any, NamedTuple

import msgpack
import orjson

from kube_lite.api.identity import Json, ObjectKey

METADATA = b'"metadata":'
OWNERS = b',"managedFields":['
END_OF_OWNERS = b'}]},"'
VERSION_HOLE = b'"resourceVersion":""'
METADATA_ORDER = (
    "name", "generateName", "namespace", "selfLink", "uid", "resourceVersion", "generation",
    "creationTimestamp", "deletionTimestamp", "deletionGracePeriodSeconds", "labels", "annotations",
    "ownerReferences", "finalizers", "managedFields",
)  # fmt: skip
"""The order in which a real server prints them; everything before resourceVersion is a plain text."""
SORTED_MAPS = ("labels", "annotations")
EMPTY = (str, list, dict)
HEADER_BYTES = 512  # what most headers fit into; the buffer grows where one does not


class Facts(NamedTuple):
    """What the header tells of an object. ``fields`` are those beside ``metadata.name`` and namespace."""

    splice: int
    namespace: str
    name: str
    labels: Mapping[str, str]
    fields: Mapping[str, str]


class Encoded(NamedTuple):
    """An object as it goes to the store.

    ``splice`` is where its resourceVersion belongs in ``value``, of which ``object`` is the decoded form.
    """

    value: bytes
    header: bytes
    splice: int
    object: Json


class Stored:
    """An object's JSON, and the revision that is its ``resourceVersion``."""

    def __init__(self, raw: bytes, revision: int, header: bytes = b"") -> None:
        self.raw = raw
        self.revision = revision
        self.header = header

    @cached_property
    def object(self) -> Json:
        """The object, decoded once; shared, never to be changed."""
        decoded: Json = orjson.loads(self.raw)
        return decoded

    def without_owners(self) -> tuple[Json, bytes] | None:
        """The object without its managedFields, and the JSON of its metadata with them; None if unsure.

        Half of what there is to decode of an object says who owns which field, which a table does not show
        but only pass on. The object belongs to the caller. Where it is cut (quotes within texts are escaped,
        so a text cannot look like this):

            {"kind":"Pod","apiVersion":"v1","metadata":{"name":"a",…,"managedFields":[{…}]},"spec":{…
                                                                   ^                   ^
        """
        raw = self.raw
        start = raw.find(OWNERS)
        end = raw.find(END_OF_OWNERS, start) if start >= 0 else -1
        while end >= 0 and not raw[end + 5 : end + 6].isalpha():  # the end of a key, not of the list
            end = raw.find(END_OF_OWNERS, end + 1)
        if end < 0:
            return None
        try:
            head: Json = orjson.loads(raw[:start] + b"}}")
            rest: Json = orjson.loads(b"{" + raw[end + 4 :])
        except orjson.JSONDecodeError:  # those were the owners of something deeper
            return None
        if head.keys() != {"kind", "apiVersion", "metadata"}:
            return None
        return head | rest, raw[raw.index(METADATA) + len(METADATA) : end + 3]

    @cached_property
    def facts(self) -> Facts:
        """What selectors look at, without decoding the object where it came with a header."""
        if self.header:
            return Facts(*msgpack.unpackb(self.header))
        metadata = self.object["metadata"]
        return Facts(
            -1, metadata.get("namespace", ""), metadata.get("name", ""), metadata.get("labels") or {}, {}
        )

    @property
    def key(self) -> ObjectKey:
        """Which object of its resource."""
        return ObjectKey(self.facts.namespace, self.facts.name)

    @property
    def selectable(self) -> dict[str, str]:
        """Every field selector label → value."""
        _, namespace, name, _, fields = self.facts
        return {"metadata.name": name, "metadata.namespace": namespace, **fields}

    @property
    def resource_version(self) -> str:
        """The text clients see."""
        return str(self.revision)

    @property
    def item(self) -> bytes:
        """The JSON as an item of a list, where kind and apiVersion are left out."""
        return b"{" + self.raw[self.raw.index(METADATA) :]

    def at_revision(self, revision: int) -> "Stored":
        """The same state under another ``resourceVersion``, as the event of its deletion shows it."""
        splice = self.facts.splice
        if splice < 0:
            obj = {**self.object, "metadata": {**self.object["metadata"], "resourceVersion": str(revision)}}
            return Stored(orjson.dumps(obj), revision)
        rest = splice + len(str(self.revision))
        return Stored(self.raw[:splice] + b"%d" % revision + self.raw[rest:], revision, self.header)


def encode(obj: Json, fields: Mapping[str, str]) -> Encoded:
    """Make the bytes to be stored; whatever ``resourceVersion`` the object carries is left out.

    Args:
        obj: complete with kind, apiVersion and metadata; not changed.
        fields: what the kind's field selectors see.
    """
    metadata = canonical_metadata(obj["metadata"])
    ordered = in_order(obj, metadata)
    value = orjson.dumps(ordered)
    splice = value.index(VERSION_HOLE) + len(VERSION_HOLE) - 1
    facts = (splice, metadata.get("namespace", ""), metadata["name"], metadata.get("labels", {}), fields)
    header: bytes = msgpack.Packer(buf_size=HEADER_BYTES).pack(facts)
    return Encoded(value, header, splice, ordered)


def part_of_header(name: str, value: str | None = None) -> bytes:
    """What is in the header of every object that has a label or field of this name, and of this value."""
    part: bytes = msgpack.packb(name)
    return part if value is None else part + msgpack.packb(value)


def as_stored(encoded: Encoded, revision: int) -> Stored:
    """What the store holds after ``encoded`` was committed at ``revision``, without reading it."""
    value, header, splice, obj = encoded
    stored = Stored(b"%b%d%b" % (value[:splice], revision, value[splice:]), revision, header)
    obj["metadata"]["resourceVersion"] = str(revision)
    stored.__dict__["object"] = obj  # fills the cached property: no need to decode it again
    return stored


def canonical_metadata(metadata: Json) -> Json:
    """The fields in a real server's order, with an empty ``resourceVersion``; empty ones are left out."""
    ordered: Json = {}
    for field in METADATA_ORDER:
        if field == "resourceVersion":
            ordered[field] = ""
            continue
        value = metadata.get(field)
        if value is None or (not value and value.__class__ in EMPTY):
            continue
        ordered[field] = dict(sorted(value.items())) if field in SORTED_MAPS else value
    for field, value in metadata.items():
        if field not in ordered and value is not None and field not in METADATA_ORDER:
            ordered[field] = value
    return ordered


def in_order(obj: Json, metadata: Json) -> Json:
    """The object with kind, apiVersion and the given metadata in front."""
    ordered: dict[str, Any] = {"kind": obj["kind"], "apiVersion": obj["apiVersion"], "metadata": metadata}
    for field, value in obj.items():
        if field not in ordered:
            ordered[field] = value
    return ordered


def made_up(obj: Json, revision: int) -> Stored:
    """A ``Stored`` for an object that lies in no store, such as a bookmark's."""
    stored = Stored(orjson.dumps(obj), revision)
    stored.__dict__["object"] = obj
    return stored
