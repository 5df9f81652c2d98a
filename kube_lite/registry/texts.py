"""Lists as the text that clients get: no object is looked at, and no more than a megabyte waits to be sent.

The items of a collection are stored as the JSON that a list shows, behind their kind and apiVersion, which
it leaves out. So a list is made by the store, block by block, all of one revision. Whoever reads slowly holds
one block, and only if the revision is compacted meanwhile (minutes later) is his list cut short.
"""

from collections.abc import Iterator
from typing import NamedTuple

from kube_lite_storage import Store
from kube_lite_storage.errors import StoreError
from kube_lite_storage.types import Joined, Range

from kube_lite.api.resource import Resource

from .faults import as_api_error

BLOCK_BYTES = 1 << 20


class Text(NamedTuple):
    """Items with a comma before each, in pieces; ``rest`` is what a limit has left of the range."""

    pieces: Iterator[bytes]
    revision: int
    rest: Range | None


def read_text(store: Store, resource: Resource, span: Range, limit: int, at: int | None) -> Text:
    """The objects of a range. Raises ``StoreError``; while it is read only ``ApiError``."""
    first = _read(store, resource, span, limit, at)
    rest = first.rest
    if not limit or rest is None:
        return Text(_blocks(store, resource, first), first.revision, None)
    missing = limit - first.number
    if missing:  # what a page leaves is told at its beginning, so its end is looked for first
        behind = store.behind(rest, missing, at=first.revision)
        page = first._replace(rest=Range(rest.start, behind.start if behind else rest.end))
        return Text(_blocks(store, resource, page), first.revision, behind)
    return Text(iter(first.pieces), first.revision, rest)


def _blocks(store: Store, resource: Resource, block: Joined) -> Iterator[bytes]:
    while True:
        yield from block.pieces
        if block.rest is None:
            return
        try:
            block = _read(store, resource, block.rest, 0, block.revision)
        except StoreError as error:
            raise as_api_error(error, resource.group_resource) from error


def _read(store: Store, resource: Resource, span: Range, limit: int, at: int | None) -> Joined:
    opening = b'{"kind":"%s","apiVersion":"%s",' % (resource.kind.encode(), resource.api_version.encode())
    if resource.definition:
        opening = b"{"  # custom resources say in lists, too, what they are
    return store.join(span, opening=opening, before=b",{", at=at, limit=limit, most_bytes=BLOCK_BYTES)
