"""Watches: committed events → what a client is told, in order, without gap or repeat.

What does not depend on the watcher is worked out once per event and shared: the object before and after,
decoded at most once, and the ``Change`` that tells of it, beside which an encoded form may be kept. Only
the question whether selectors match before and after is each watcher's own; an object that begins to match
is told as added, one that ceases to as deleted. Deletions show the last state under the deletion's
revision.
Source: ``convertToWatchEvent`` in ``apiserver/pkg/storage/cacher/cache_watcher.go``.

A watcher that hears nothing is told every minute how far it is (a bookmark), so that it can come back there
when older history has been forgotten.
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Iterable, Iterator, Sequence
from contextlib import aclosing, asynccontextmanager, contextmanager, suppress
from functools import cached_property, partial
from typing import NamedTuple

from kube_lite_storage import Watch
from kube_lite_storage.errors import Compacted, StoreError
from kube_lite_storage.types import Event

from kube_lite.api.errors import ApiError, ConversionFailed, InternalError
from kube_lite.api.identity import GroupVersionKind, Json
from kube_lite.api.resource import Resource

from .converting import View, foreign
from .faults import as_api_error, too_old_version
from .listing import Found, Matcher, Scope, check_not_future, list_objects
from .objects import REMEMBERED_BYTES, Objects
from .stored import Stored, made_up

ADDED, MODIFIED, DELETED, BOOKMARK = "ADDED", "MODIFIED", "DELETED", "BOOKMARK"
BOOKMARK_SECONDS = 60.0  # upstream's interval
RECENT = 512
INITIAL_EVENTS_END = "k8s.io/initial-events-end"


class Change:
    """One watch event. ``type`` is ``ADDED MODIFIED DELETED BOOKMARK``.

    For a bookmark ``stored`` is a made-up object of the watched kind with nothing but metadata.
    The same ``Change`` goes to every watcher of the same event, so encoded forms may be kept in
    ``encoded``, by whatever key their maker chooses.
    """

    __slots__ = ("encoded", "stored", "type")

    def __init__(self, type: str, stored: Stored) -> None:
        self.type = type
        self.stored = stored
        self.encoded: dict[str, bytes] = {}


class Happening:
    """One event of the store as all watchers share it."""

    def __init__(self, event: Event, objects: Objects, wanted: View | None) -> None:
        self.revision = event.revision
        current = objects.shared(event.current) if event.current is not None else None
        self.current = current and objects.seen(current, wanted)
        self._event, self._objects, self._wanted = event, objects, wanted
        self._changes: dict[str, Change] = {}

    @cached_property
    def previous(self) -> Stored | None:
        """What was there before; looked at only where it matters, for it may have to be converted."""
        item = self._event.previous
        return None if item is None else self._objects.seen(self._objects.of(item), self._wanted)

    @property
    def size(self) -> int:
        """Bytes of the object."""
        stored = self.current or self.previous
        return len(stored.raw) if stored is not None else 0

    def change(self, matches: Matcher | None) -> Change | None:
        """What a watcher is told whose selectors are ``matches``; None if it is none of its business."""
        now = self.current is not None and (matches is None or matches(self.current))
        before = self._event.previous is not None
        if matches is not None:
            before = self.previous is not None and matches(self.previous)
        if now:
            return self._change(MODIFIED if before else ADDED)
        return self._change(DELETED) if before else None

    def _change(self, kind: str) -> Change:
        change = self._changes.get(kind)
        if change is None:
            stored = self.current
            if kind == DELETED and self.previous is not None:
                stored = self.previous.at_revision(self.revision)
            assert stored is not None  # an event has a state before or after
            change = self._changes[kind] = Change(kind, stored)
        return change


class WatchOptions(NamedTuple):
    """Where a watch begins, and what it is told beside changes.

    Attributes:
        revision: begin after it; 0 begins with what is there now.
        initial_events: tell what is there now as added, however ``revision`` is set; None leaves it to
            ``revision``.
        bookmarks: send them.
    """

    revision: int = 0
    initial_events: bool | None = None
    bookmarks: bool = False


class Watching:
    """All watches on one store.

    Attributes:
        oldest: the first revision that anybody can have been told; a watch that wants to begin before has
            made its own up, and is refused as by a server whose memory begins with its start.
    """

    def __init__(self, objects: Objects) -> None:
        self._objects = objects
        self.oldest = 0
        self._recent: dict[tuple[bytes, int, View | None], Happening] = {}
        self._ending: dict[str, set[Watch]] = {}

    @asynccontextmanager
    async def watch(self, scope: Scope, options: WatchOptions) -> AsyncIterator[AsyncIterator[Change]]:
        """Changes of the objects in ``scope``, for the length of the block.

        Raises:
            Expired: on entering or from the iterator: what is wanted has been forgotten.
            Timeout: initial events are wanted from a revision still to come.
        """
        store, first = self._objects.store, None
        after = options.revision
        if self._begins_with_all(options):
            if options.initial_events:
                check_not_future(self._objects, options.revision)
            first = await self._objects.resolved(lambda: list_objects(self._objects, scope))
            after = first.revision
        elif after == 0:
            after = store.revision
        elif after < self.oldest:
            raise too_old_version(after, self.oldest)
        known = min(after, store.revision)  # of a revision still to come nothing is told until it has been
        try:
            with store.watch(scope.range, after=known) as source, self._endable(scope.resource, source):
                async with aclosing(self._changes(scope, options, source, first, after)) as changes:
                    yield changes
        except Compacted as error:
            raise too_old_version(after, error.compacted) from error
        except StoreError as error:
            raise as_api_error(error, scope.resource.group_resource) from error

    @contextmanager
    def _endable(self, resource: Resource, source: Watch) -> Iterator[None]:
        """Remember a watch of a resource that may cease to be served."""
        if not resource.definition:
            yield
            return
        watches = self._ending.setdefault(resource.definition, set())
        watches.add(source)
        try:
            yield
        finally:
            watches.discard(source)

    def end(self, definition: str) -> None:
        """End the watches of what a CustomResourceDefinition defines, because it is served otherwise now."""
        for source in self._ending.pop(definition, ()):
            source.end()

    def _begins_with_all(self, options: WatchOptions) -> bool:
        return options.revision == 0 if options.initial_events is None else options.initial_events

    async def _changes(
        self, scope: Scope, options: WatchOptions, source: Watch, first: Found | None, after: int
    ) -> AsyncGenerator[Change, None]:
        if first is not None:
            for change in initial_changes(scope.resource, options, first):
                yield change
        events, wanted = aiter(source), foreign(scope.resource)
        try:
            while True:
                try:
                    async with asyncio.timeout(BOOKMARK_SECONDS if options.bookmarks else None):
                        batch = await anext(events)
                except TimeoutError:
                    if source.progress > after:
                        yield bookmark(scope.resource, source.progress)
                    continue
                except StopAsyncIteration:
                    return
                for change in await self._told_of(batch, scope.matches, after, wanted):
                    yield change
        except Compacted as error:
            raise too_old_version(after, error.compacted) from error
        except StoreError as error:
            raise as_api_error(error, scope.resource.group_resource) from error

    def _told(
        self, events: Iterable[Event], matches: Matcher | None, wanted: View | None
    ) -> Iterator[Change]:
        for event in events:
            change = self._happening(event, wanted).change(matches)
            if change is not None:
                yield change

    async def _told_of(
        self, batch: Sequence[Event], matches: Matcher | None, after: int, wanted: View | None
    ) -> Iterable[Change]:
        """What a watcher is told of a batch; raises after that why the watch ends, if it does."""
        events = [event for event in batch if event.revision > after]
        if wanted is None or isinstance(wanted, GroupVersionKind):
            return self._told(events, matches, wanted)
        objects, told = self._objects, list[Change]()
        items = [objects.shared(event.current) for event in events if event.current is not None]
        held: Sequence[Stored] = ()  # what a webhook has converted, until all is told
        with suppress(ConversionFailed):  # of some object, before which others may be told
            held = await objects.resolved(lambda: objects.seen_all(items, wanted))
        for event in events:
            try:
                told += await objects.resolved(partial(self._listed, event, matches, wanted))
            except ConversionFailed as error:  # which a watch tells as everything that breaks it
                return _raising(told, InternalError(error.message))
        del held
        return told

    def _listed(self, event: Event, matches: Matcher | None, wanted: View) -> list[Change]:
        return list(self._told((event,), matches, wanted))

    def _happening(self, event: Event, wanted: View | None) -> Happening:
        key = (event.key, event.revision, wanted)
        happening = self._recent.get(key)
        if happening is None:
            happening = Happening(event, self._objects, wanted)
            if happening.size > REMEMBERED_BYTES:
                return happening
            self._recent[key] = happening
            if len(self._recent) > RECENT:
                del self._recent[next(iter(self._recent))]
        return happening


def _raising(told: Iterable[Change], failure: ApiError) -> Iterator[Change]:
    yield from told
    raise failure


def initial_changes(resource: Resource, options: WatchOptions, first: Found) -> Iterator[Change]:
    """What was there when the watch began, and the bookmark that ends it where it was asked for."""
    for stored in first.items:
        yield Change(ADDED, stored)
    if options.initial_events and options.bookmarks:
        yield bookmark(resource, first.revision, {INITIAL_EVENTS_END: "true"})


def bookmark(resource: Resource, revision: int, annotations: Json | None = None) -> Change:
    """How far a watch is: an object of the watched kind that has nothing but a resourceVersion."""
    metadata: Json = {"resourceVersion": str(revision)}
    if annotations:
        metadata["annotations"] = annotations
    obj = {"kind": resource.kind, "apiVersion": resource.api_version, "metadata": metadata}
    return Change(BOOKMARK, made_up(obj, revision))
