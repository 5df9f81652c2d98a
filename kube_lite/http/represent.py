"""Objects, lists and watch events → bytes in the form that was negotiated.

In the usual form nothing is decoded: an object goes out as it is stored, a list joins stored bytes, an event
wraps them. The other forms (tables, bare metadata, protobuf, YAML, indented JSON) are made from the shared
decoded object. Objects in lists do not repeat kind and apiVersion, which is why both stand first in what is
stored.
"""

import asyncio
from collections.abc import Iterable, Iterator, Mapping

import orjson

from kube_lite.api.errors import BadRequest
from kube_lite.api.identity import Json
from kube_lite.api.resource import Resource
from kube_lite.api.table import INCLUDES, render
from kube_lite.verbs.request import Answer, Change, Listing

from .listed import Listed
from .negotiate import CBOR, JSON, PLAIN, PROTOBUF, YAML, Form

BLOCK = 100  # objects joined at once
BROWSERS = ("curl", "Wget", "Mozilla/5.0")


def with_pretty(form: Form, query: Mapping[str, str], user_agent: str) -> Form:
    """The form with indentation if ``pretty`` or the kind of program that asks says so."""
    if form.media_type != JSON:
        return form
    wish = query.get("pretty")
    if wish is None:
        pretty = form.pretty or user_agent.startswith(BROWSERS)
    else:
        pretty = wish.lower() not in ("false", "0")
    return form if pretty == form.pretty else form._replace(pretty=pretty)


def object_bytes(answer: Answer, form: Form, row: Resource, query: Mapping[str, str], now: float) -> bytes:
    """The body of an answer that is one object."""
    row = answer.row or row
    if form == PLAIN and answer.stored is not None:
        return answer.stored.raw
    obj = answer.as_object()
    if form.kind and obj.get("kind") != "Status":  # what is not an object of the API has no columns
        metadata = obj.get("metadata") or {}
        obj = _converted(obj, form, row, query, now, {"resourceVersion": metadata.get("resourceVersion", "")})
    return encode(obj, form)


async def list_pieces(
    listing: Listing, form: Form, row: Resource, query: Mapping[str, str], now: float
) -> list[bytes]:
    """The body of an answer that is a list, in pieces."""
    metadata = _list_metadata(listing, says_continue=bool(row.definition) and not form.kind)
    if form == PLAIN:
        return list(_joined(listing, row, metadata))
    if form.media_type == PROTOBUF:
        return [await _protobuf_list(listing, form, row, metadata)]
    listed = Listed(listing, form, row, query)
    if form.kind == "Table":
        document = _table(listed, form, row, query, now, metadata)
        listed.complete(entry["object"] for entry in document["rows"] or ())
    elif form.kind:
        document = {"kind": form.kind, "apiVersion": form.api_version, "metadata": metadata}
        document["items"] = [_partial(obj, form, row) for obj in listed] or None
        listed.complete(document["items"] or ())
    else:
        document = {"kind": row.kind_of_list, "apiVersion": row.api_version, "metadata": metadata}
        document["items"] = list(listed) if row.definition else [_without_type(obj) for obj in listed]
    return [encode(document, form)]


def list_text(listing: Listing, row: Resource) -> Iterator[bytes]:
    """The same in the usual form, of a listing that has text."""
    yield _head(row, _list_metadata(listing, says_continue=bool(row.definition)))
    pieces = iter(listing.text or ())
    for first in pieces:
        yield first[1:]  # without the comma
        yield from pieces
    yield b"]}"


def event_object(
    change: Change, form: Form, row: Resource, query: Mapping[str, str], now: float, *, with_columns: bool
) -> Json:
    """The object of a watch event in a form other than the stored one; a bookmark is a table without rows."""
    obj = change.stored.object
    if form.kind != "Table":
        return _partial(obj, form, row) if form.kind else obj
    metadata = {"resourceVersion": obj["metadata"]["resourceVersion"]}
    rows = [] if change.type == "BOOKMARK" else [obj]
    return _table(rows, form, row, query, now, metadata, with_columns=with_columns)


def _list_metadata(listing: Listing, *, says_continue: bool) -> Json:
    """``says_continue``: even where there is no more, as lists without a type of the reference's own."""
    metadata: Json = {"resourceVersion": listing.resource_version}
    if listing.continue_token or says_continue:
        metadata["continue"] = listing.continue_token
    if listing.remaining is not None:
        metadata["remainingItemCount"] = listing.remaining
    return metadata


def _head(row: Resource, metadata: Json) -> bytes:
    head = orjson.dumps({"kind": row.kind_of_list, "apiVersion": row.api_version, "metadata": metadata})
    return head[:-1] + b',"items":['


def _joined(listing: Listing, row: Resource, metadata: Json) -> Iterator[bytes]:
    yield _head(row, metadata)
    if row.definition:
        yield from _joined_whole(listing)
        return
    typed = b'{"kind":"%s","apiVersion":"%s",' % (row.kind.encode(), row.api_version.encode())
    length = len(typed)
    before = b"{"
    for start in range(0, len(listing.items), BLOCK):
        raws = [stored.raw for stored in listing.items[start : start + BLOCK]]
        tails = [raw[length:] if raw.startswith(typed) else raw[1:] for raw in raws]
        yield before + b",{".join(tails)
        before = b",{"
    yield b"]}"


def _joined_whole(listing: Listing) -> Iterator[bytes]:
    """Custom resources say in lists, too, what they are."""
    for start in range(0, len(listing.items), BLOCK):
        items = b",".join([stored.raw for stored in listing.items[start : start + BLOCK]])
        yield b"," + items if start else items
    yield b"]}"


async def _protobuf_list(listing: Listing, form: Form, row: Resource, metadata: Json) -> bytes:
    """A list in protobuf. Others get their turn between blocks: an object costs a tenth of a millisecond."""
    from kube_lite.api.codecs.protobuf_writing import encode_item, encode_list

    api_version, kind, list_kind = row.api_version, row.kind, f"{row.kind}List"
    if form.kind:
        api_version, kind, list_kind = form.api_version, "PartialObjectMetadata", form.kind
    items: list[bytes] = []
    for start in range(0, len(listing.items), BLOCK):
        for stored in listing.items[start : start + BLOCK]:
            obj = _partial(stored.object, form, row) if form.kind else stored.object
            items.append(encode_item(api_version, kind, obj))
        await asyncio.sleep(0)
    return encode_list(api_version, list_kind, metadata, items)


def _without_type(obj: Json) -> Json:
    return {name: value for name, value in obj.items() if name not in ("kind", "apiVersion")}


def _converted(
    obj: Json, form: Form, row: Resource, query: Mapping[str, str], now: float, metadata: Json
) -> Json:
    if form.kind == "Table":
        return _table([obj], form, row, query, now, metadata)
    return _partial(obj, form, row)


def included(query: Mapping[str, str]) -> str:
    """What of the objects goes into the rows of a table. Raises ``BadRequest``."""
    include = query.get("includeObject") or "Metadata"
    if include not in INCLUDES:
        raise BadRequest(
            f'Unable to convert to Table as requested: includeObject: Invalid value: "{include}": '
            "must be 'Metadata', 'Object', 'None', or empty"
        )
    return include


def _table(
    objects: Iterable[Json],
    form: Form,
    row: Resource,
    query: Mapping[str, str],
    now: float,
    metadata: Json,
    *,
    with_columns: bool = True,
) -> Json:
    include = included(query)
    if include == "Metadata":
        objects = map(row.strategy.bare, objects)
    table = render(row, objects, now, include=include, list_meta=metadata, with_columns=with_columns)
    if form.version != "v1":
        table["apiVersion"] = form.api_version
        if include == "Metadata":
            for entry in table["rows"]:
                entry["object"]["apiVersion"] = form.api_version
    return table


def _partial(obj: Json, form: Form, row: Resource) -> Json:
    metadata = row.strategy.bare(obj)["metadata"]
    return {"kind": "PartialObjectMetadata", "apiVersion": form.api_version, "metadata": metadata}


def encode(document: Json, form: Form) -> bytes:
    """JSON, protobuf, CBOR or YAML. Few want another than the first, so what writes it is imported late."""
    if form.media_type == PROTOBUF:
        from kube_lite.api.codecs.protobuf_writing import encode as encode_protobuf

        return encode_protobuf(document if "apiVersion" in document else {**document, "apiVersion": "v1"})
    if form.media_type == CBOR:
        from kube_lite.api.codecs.cbor import encode as encode_cbor

        return encode_cbor(document)
    if form.media_type != YAML:
        return orjson.dumps(document, option=orjson.OPT_INDENT_2 if form.pretty else 0)
    from kube_lite.api.codecs.yaml import encode as encode_yaml

    return encode_yaml(document)
