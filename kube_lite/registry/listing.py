"""Lists: pages at one revision, continue tokens, and which revision a request means.

A continue token is what a real server gives: base64 of ``{"v": "meta.k8s.io/v1", "rv": 7, "start":
"web\\u0000"}`` with the revision of the first page and the first key of the next, relative to the listed
range. A revision of −1 says that the rest may be shown as it is now, which is what a client is offered
whose token has grown too old.

With selectors the store gives those versions whose header says that they are chosen; of custom resources,
whose schema decides what selectors see, blocks are looked at until the page is full. Without them a page is
one range read.
"""

import binascii
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable, Iterator
from typing import NamedTuple

import orjson
from kube_lite_storage.errors import Compacted, StoreError
from kube_lite_storage.types import Range

from kube_lite.api.errors import BadRequest, Expired
from kube_lite.api.identity import GroupVersionKind, Json, ObjectKey
from kube_lite.api.resource import Resource

from . import keys
from .converting import foreign
from .faults import as_api_error, too_large_version
from .objects import Objects
from .stored import Stored
from .texts import read_text

TOKEN_VERSION = "meta.k8s.io/v1"
BLOCK = 500  # objects read at once where a selector decides how many are needed
TOO_OLD = (
    "The provided continue parameter is too old to display a consistent list result. You can start a "
    "new list without the continue parameter, or use the continue token in this response to retrieve "
    "the remainder of the results. Continuing with the provided token results in an inconsistent list -"
    " objects that were created, modified, or deleted between the time the first chunk was returned and"
    " now may show up in the list."
)
RAW_URL_ALPHABET = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_")

Matcher = Callable[[Stored], bool]


class Scope(NamedTuple):
    """Which objects of a resource are meant.

    ``name`` narrows to one object and ``matches`` to those that selectors choose; None chooses all. ``hint``
    is in the header of each object that they choose, and is looked for first.
    """

    resource: Resource
    namespace: str = ""
    name: str = ""
    matches: Matcher | None = None
    hint: bytes = b""

    @property
    def range(self) -> Range:
        """The keys among which they are."""
        if self.name and (self.namespace or not self.resource.namespaced):
            key = keys.storage_key(self.resource.group_resource, ObjectKey(self.namespace, self.name))
            return Range(key, key + b"\x00")
        return keys.storage_range(self.resource.group_resource, self.namespace)

    @property
    def prefix(self) -> bytes:
        """What all keys of the listed namespace, or resource, begin with; tokens leave it out."""
        return keys.storage_range(self.resource.group_resource, self.namespace).start


class Found(NamedTuple):
    """One page. ``remaining`` is None where nobody has counted.

    ``text`` has the items, and ``items`` none, where text was asked for and can be had, see ``texts``.
    """

    items: list[Stored]
    revision: int
    continue_token: str = ""
    remaining: int | None = None
    text: Iterator[bytes] | None = None


class Position(NamedTuple):
    """Where a continue token points; ``revision`` is −1 for "as it is now"."""

    revision: int
    start: str


class InconsistentContinue(Expired):
    """A token too old to go on with; the answer carries one that goes on from there as things are now."""

    def __init__(self, token: str) -> None:
        super().__init__(TOO_OLD)
        self.token = token

    def status(self) -> Json:
        """With the token where a client looks for it."""
        return {**super().status(), "metadata": {"continue": self.token}}


def list_objects(
    objects: Objects,
    scope: Scope,
    *,
    limit: int = 0,
    at: int | None = None,
    continue_token: str = "",
    as_text: bool = False,
) -> Found:
    """Read a page.

    Args:
        limit: at most so many; 0 is no limit.
        at: the revision to show; None is now. Not together with a token, which brings its own.
        as_text: the items' JSON will do.

    Raises:
        BadRequest: the token is none.
        Expired: the revision is forgotten.
        Timeout: it is still to come.
    """
    whole = scope.range
    start = whole.start
    if continue_token:
        position = decode_token(continue_token)
        at = position.revision if position.revision > 0 else None
        start = max(start, scope.prefix + position.start.encode())
        if start >= whole.end:
            return Found([], at or objects.store.revision)
    span = Range(start, whole.end)
    try:
        if as_text and _is_as_stored(objects, scope, span, limit, at):
            return _read_text(objects, scope, span, limit, at)
        return _read_page(objects, scope, span, limit, at)
    except Compacted as error:
        if continue_token:
            raise InconsistentContinue(encode_token(Position(-1, position.start))) from error
        raise as_api_error(error, scope.resource.group_resource) from error
    except StoreError as error:
        raise as_api_error(error, scope.resource.group_resource) from error


def _is_as_stored(objects: Objects, scope: Scope, span: Range, limit: int, at: int | None) -> bool:
    """Whether a page is made of bytes as they are stored; of custom resources the headers tell."""
    if scope.matches is not None:
        return False
    view = foreign(scope.resource)
    if view is None or isinstance(view, GroupVersionKind):
        return view is None
    return not limit and at is None and view.shows_all(objects.store, span)


def _read_text(objects: Objects, scope: Scope, span: Range, limit: int, at: int | None) -> Found:
    pieces, revision, rest = read_text(objects.store, scope.resource, span, limit, at)
    if rest is None:
        return Found([], revision, text=pieces)
    remaining = objects.store.count(rest, at=revision)
    return Found([], revision, _token(scope, revision, rest.start), remaining, pieces)


def _read_page(objects: Objects, scope: Scope, span: Range, limit: int, at: int | None) -> Found:
    store, matches = objects.store, scope.matches
    wanted = foreign(scope.resource)
    if matches is None:
        page = store.list(span, at=at, limit=limit)
        items = [*objects.seen_all([objects.of(item) for item in page.items], wanted)]
        if not page.more:
            return Found(items, page.revision)
        rest = page.items[-1].key + b"\x00"
        remaining = store.count(Range(rest, span.end), at=page.revision)
        return Found(items, page.revision, _token(scope, page.revision, rest), remaining)
    if not scope.resource.definition:
        return _choose(objects, scope, matches, span, limit, at)
    chosen: list[Stored] = []
    start, more, revision = span.start, True, at
    while more:
        page = store.list(Range(start, span.end), at=revision, limit=max(limit, BLOCK) if limit else 0)
        revision, more = page.revision, page.more
        # What selectors see may follow from a schema that is newer than the object.
        shown = objects.seen_all([objects.of(item) for item in page.items], wanted)
        for number, (item, stored) in enumerate(zip(page.items, shown, strict=True)):
            if not matches(stored):
                continue
            chosen.append(stored)
            if len(chosen) == limit and (more or number + 1 < len(page.items)):
                return Found(chosen, revision, _token(scope, revision, item.key + b"\x00"))
        if more:
            start = page.items[-1].key + b"\x00"
    return Found(chosen, revision if revision is not None else store.revision)


def _choose(
    objects: Objects, scope: Scope, matches: Matcher, span: Range, limit: int, at: int | None
) -> Found:
    hint, wanted = scope.hint, foreign(scope.resource)

    def having(header: bytes) -> bool:
        return hint in header and matches(Stored(b"", 0, header))

    page = objects.store.choose(span, having, at=at, limit=limit)
    items = [objects.seen(objects.of(item), wanted) for item in page.items]
    token = _token(scope, page.revision, page.items[-1].key + b"\x00") if page.more else ""
    return Found(items, page.revision, token)


def walk(objects: Objects, scope: Scope) -> Iterator[Stored]:
    """Every object in the scope as it is now, read in blocks, each block as of its own moment."""
    token = ""
    while True:
        found = list_objects(objects, scope, limit=BLOCK, continue_token=token)
        yield from found.items
        if not found.continue_token:
            return
        token = encode_token(Position(-1, decode_token(found.continue_token).start))


def check_not_future(objects: Objects, revision: int) -> None:
    """Refuse a resourceVersion that has not been given out. Raises ``Timeout``."""
    if revision > objects.store.revision:
        raise too_large_version(revision, objects.store.revision)


def _token(scope: Scope, revision: int, next_key: bytes) -> str:
    return encode_token(Position(revision, next_key.removeprefix(scope.prefix).decode()))


def encode_token(position: Position) -> str:
    """A position → what clients send back."""
    token = orjson.dumps({"v": TOKEN_VERSION, "rv": position.revision, "start": position.start})
    return urlsafe_b64encode(token).rstrip(b"=").decode()


def decode_token(token: str) -> Position:
    """What a client sent back → a position.

    Raises:
        BadRequest: with upstream's words (``apiserver/pkg/storage/continue.go``).
    """
    try:
        return _decode_token(token)
    except ValueError as error:
        raise BadRequest(f"invalid continue token: continue key is not valid: {error}") from error


def _decode_token(token: str) -> Position:
    raw = token.encode()
    broken = next((at for at, letter in enumerate(raw) if letter not in RAW_URL_ALPHABET), None)
    if broken is None and len(raw) % 4 == 1:
        broken = len(raw) - 1
    if broken is not None:
        raise ValueError(f"illegal base64 data at input byte {broken}")
    try:
        content = orjson.loads(urlsafe_b64decode(raw + b"=" * (-len(raw) % 4)))
    except (orjson.JSONDecodeError, binascii.Error) as error:
        raise ValueError(str(error)) from error
    if not isinstance(content, dict) or content.get("v") != TOKEN_VERSION:
        version = content.get("v", "") if isinstance(content, dict) else ""
        raise ValueError(f"server does not recognize this encoded version {version}")
    revision, start = content.get("rv", 0), content.get("start", "")
    if not isinstance(revision, int) or not isinstance(start, str):
        raise ValueError("json: cannot unmarshal into Go value of type storage.continueToken")
    if revision == 0:
        raise ValueError(f"incorrect encoded start resourceVersion (version {TOKEN_VERSION})")
    if not start:
        raise ValueError(f"encoded start key empty (version {TOKEN_VERSION})")
    if start.startswith("/") or any(part in (".", "..") for part in start.rstrip("\x00").split("/")):
        raise ValueError(f"{start}")
    return Position(revision, start)
