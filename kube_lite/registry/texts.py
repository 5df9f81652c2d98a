"""Lists as the text that clients get: no object is looked at, and no more than a block waits to be sent.

The items of a collection are stored as the JSON that a list shows, behind their kind and apiVersion, which
it leaves out. So a list is made by the store, block by block, all of one revision; the first of a page is
larger. Whoever reads slowly holds one block, and only if the revision is compacted meanwhile (minutes later)
is his list cut short.
"""

from collections.abc import Iterator
from typing import NamedTuple

from kube_lite_storage import Store
from kube_lite_storage.errors import StoreError
from kube_lite_storage.types import Joined, Range

from kube_lite.api.resource import Resource

from .faults import as_api_error

BLOCK_BYTES = 1 << 20
PAGE_BYTES = 8 << 20
"""Of a page as much is read at once, which is enough for the 500 objects that most clients ask for: in
blocks they would take a tenth longer."""


class Text(NamedTuple):
    """Items with a comma before each, in pieces; ``rest`` is what a limit has left of the range."""

    pieces: Iterator[bytes]
    revision: int
    rest: Range | None


def read_text(store: Store, resource: Resource, span: Range, limit: int, at: int | None) -> Text:
    """The objects of a range. Raises ``StoreError``; while it is read only ``ApiError``."""
    first = _read(store, resource, span, limit, at, PAGE_BYTES if limit else BLOCK_BYTES)
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
            block = _read(store, resource, block.rest, 0, block.revision, BLOCK_BYTES)
        except StoreError as error:
            raise as_api_error(error, resource.group_resource) from error


def _read(
    store: Store, resource: Resource, span: Range, limit: int, at: int | None, most_bytes: int
) -> Joined:
    opening = b'{"kind":"%s","apiVersion":"%s",' % (resource.kind.encode(), resource.api_version.encode())
    if resource.definition:
        opening = b"{"  # custom resources say in lists, too, what they are
    return store.join(span, opening=opening, before=b",{", at=at, limit=limit, most_bytes=most_bytes)
