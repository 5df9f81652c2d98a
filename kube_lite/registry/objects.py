"""Objects in the store: find, create, replace, remove; for any resource, without rules of the API.

Whatever else must become true together with a write (an address that is taken, a port that is free again)
goes into the same transaction as ``Also``, so there is nothing to repair after a crash.

The versions that were just written are remembered for a moment, with their decoded form: the watchers of this
process, which get them within milliseconds, all share that one object. What admission looks at again and
again (namespaces, accounts, classes) is kept until it is written: every write of an object comes through
here, and is not acknowledged before what was kept of it is dropped.
"""

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from kube_lite_storage import Store
from kube_lite_storage.errors import KeyExists, StoreError
from kube_lite_storage.types import Compare, Delete, KeyValue, Put, Txn

from kube_lite.api.errors import not_found
from kube_lite.api.identity import GroupResource, GroupVersionKind, Json, ObjectKey, key_of
from kube_lite.api.resource import Resource

from . import keys
from .converting import Unconverted, View, as_stored_version, foreign, in_version
from .faults import as_api_error, refuse_too_large
from .figures import CREATE, DELETE, UPDATE, StoreFigures
from .stored import Encoded, Stored, as_stored, encode

if TYPE_CHECKING:
    from .webhooks import Webhooks

Read = TypeVar("Read")

__all__ = ["NOTHING_ELSE", "Also", "Objects", "Store", "Survey", "Taken", "encode_object"]

SURVEYS = 64  # whole resources kept decoded for rules that look at all of them
VIEWS = 1024  # objects remembered in another version than the stored one
RECENT = 512  # versions remembered; enough for what is under way to watchers, a few MB at most
REMEMBERED_BYTES = 32 * 1024  # larger ones are not


class Also(NamedTuple):
    """What is written in one transaction with an object; ``compares`` must hold as well."""

    compares: Sequence[Compare] = ()
    writes: Sequence[Put | Delete] = ()


class Survey:
    """Every object of a resource, decoded and shared; ``is_current`` until one of them is written."""

    __slots__ = ("is_current", "objects")

    def __init__(self, objects: list[Json]) -> None:
        self.objects = objects
        self.is_current = True


class Taken(Exception):
    """Something an object wanted to claim in the same transaction was already claimed; ``key`` says what."""

    def __init__(self, key: bytes) -> None:
        super().__init__(f"{key!r} is taken")
        self.key = key


NOTHING_ELSE = Also()


class Objects:
    """The objects of every resource, in one store; there must be one of these per store, see above."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.figures = StoreFigures()
        self._recent: dict[tuple[bytes, int], Stored] = {}
        self._newest: dict[bytes, Stored] = {}
        self._peeked: dict[bytes, Stored] = {}
        self._views: dict[tuple[int, bytes, GroupVersionKind], Stored] = {}
        self._surveyed: dict[bytes, Survey] = {}

    @cached_property
    def webhooks(self) -> "Webhooks":
        """Calls webhooks; to be closed by whoever serves what needs them."""
        from .webhooks import Webhooks  # which few definitions have

        return Webhooks(self)

    async def resolved(self, read: Callable[[], Read]) -> Read:
        """What ``read`` gives, which is asked again once webhooks have converted what it needs.

        Raises:
            ConversionFailed, and what ``read`` raises.
        """
        held: list[Stored] = []  # until nobody needs it any more
        while True:
            try:
                return read()
            except Unconverted as missing:
                held += await missing.view.convert(self, missing.items)

    def find(self, resource: Resource, key: ObjectKey) -> Stored | None:
        """The object as it is now, or None.

        Raises:
            Unconverted: see ``resolved``; so do all who give objects of a row.
        """
        try:
            found = self.store.get(keys.storage_key(resource.group_resource, key))
        except StoreError as error:
            raise as_api_error(error, resource.group_resource, key.name) from error
        return None if found is None else self.seen(self.of(found), foreign(resource))

    def get(self, resource: Resource, key: ObjectKey) -> Stored:
        """The object as it is now. Raises ``NotFound``."""
        found = self.find(resource, key)
        if found is None:
            raise not_found(resource.group_resource, key.name)
        return found

    def is_there(self, resource: Resource, key: ObjectKey) -> bool:
        """Whether there is such an object, or was a moment ago."""
        stored_at = keys.storage_key(resource.group_resource, key)
        return stored_at in self._newest or self.find(resource, key) is not None

    def newest(self, resource: Resource, key: ObjectKey) -> Stored:
        """The object as ``get`` gives it, or as it was a moment ago: for writers, whom the store tells.

        What was written lately is remembered, which spares a look into a store that is busy writing. Somebody
        else may have written, or removed, it since; ``is_newest`` asks.
        """
        found = self._newest.get(keys.storage_key(resource.group_resource, key))
        return self.get(resource, key) if found is None else self.seen(found, foreign(resource))

    async def is_written_anew(self, resource: Resource, stored: Stored, obj: Json) -> bool:
        """Whether an object that is to stay as it is would be stored otherwise than it is.

        So it is after its definition has chosen another version to store, or has got other defaults.
        """
        if not resource.definition:
            return False
        item = self.store.get(keys.storage_key(resource.group_resource, stored.key))
        if item is None:
            return False
        there = self.of(item)
        at_rest = await self.resolved(lambda: as_stored_version(resource, obj))
        return at_rest != there.object

    def is_newest(self, resource: Resource, stored: Stored) -> bool:
        """Whether it is the current version of its object; if not, what was remembered of it is forgotten."""
        key = keys.storage_key(resource.group_resource, stored.key)
        found = self.store.get(key)
        if found is not None and found.revision == stored.revision:
            return True
        self._newest.pop(key, None)
        return False

    def peek(self, resource: GroupResource, key: ObjectKey) -> Json | None:
        """The object as it is now, decoded and shared, or None: for rules that look at other objects."""
        stored_at = keys.storage_key(resource, key)
        peeked = self._peeked.get(stored_at)
        if peeked is None:
            item = self.store.get(stored_at)
            if item is None:
                return None
            peeked = self._peeked[stored_at] = self.of(item)
            if len(self._peeked) > RECENT:
                del self._peeked[next(iter(self._peeked))]
        return peeked.object

    def trouble(self) -> str:
        """What is wrong with the store, found out by reading from it; empty where nothing is."""
        try:
            self.store.get(keys.storage_key(GroupResource("", "namespaces"), ObjectKey("", "default")))
        except StoreError as error:
            return str(error)
        return ""

    def all(self, resource: GroupResource, namespace: str = "") -> list[Json]:
        """Every object of a resource as it is now, decoded and shared: for kinds of which there are few."""
        return self.survey(resource, namespace).objects

    def survey(self, resource: GroupResource, namespace: str = "") -> Survey:
        """The same for those who derive something from them, which holds while the survey is current."""
        span = keys.storage_range(resource, namespace)
        surveyed = self._surveyed.get(span.start)
        if surveyed is None:
            surveyed = Survey([self.of(item).object for item in self.store.list(span).items])
            self._surveyed[span.start] = surveyed
            if len(self._surveyed) > SURVEYS:
                self._outdate(next(iter(self._surveyed)))
        return surveyed

    def selected(self, resource: GroupResource, namespace: str, field: str, value: str) -> list[Json]:
        """The objects of a namespace that have a value in one of their selectable fields; shared."""

        def has_it(header: bytes) -> bool:
            return Stored(b"", 0, header).facts.fields.get(field) == value

        chosen = self.store.choose(keys.storage_range(resource, namespace), has_it)
        return [self.of(item).object for item in chosen.items]

    def of(self, item: KeyValue) -> Stored:
        """A key's value as an object; the shared one if it was written a moment ago."""
        recent = self._recent.get((item.key, item.revision))
        return recent if recent is not None else Stored(item.value, item.revision, item.header)

    def seen(self, stored: Stored, wanted: View | None) -> Stored:
        """The object as a row shows it; ``wanted`` is what ``converting.foreign`` says of the row.

        What was converted lately is remembered for those who list the same again.
        """
        if wanted is None:
            return stored
        if not stored.header or not isinstance(wanted, GroupVersionKind):
            return in_version(stored, wanted)
        key = (stored.revision, stored.header, wanted)
        view = self._views.get(key)
        if view is None:
            view = self._views[key] = in_version(stored, wanted)
            if len(self._views) > VIEWS:
                del self._views[next(iter(self._views))]
        return view

    def seen_all(self, stored: Sequence[Stored], wanted: View | None) -> Sequence[Stored]:
        """The same of many."""
        if wanted is None:
            return stored
        if isinstance(wanted, GroupVersionKind):
            return [self.seen(each, wanted) for each in stored]
        return wanted.show_all(stored)

    def shared(self, item: KeyValue) -> Stored:
        """As ``of``, and the same ``Stored`` for everybody who asks soon: for events, which go to many."""
        recent = self._recent.get((item.key, item.revision))
        if recent is None:
            recent = Stored(item.value, item.revision, item.header)
            self._remember(item.key, recent)
        return recent

    async def create(self, resource: Resource, obj: Json, also: Also = NOTHING_ELSE) -> Stored:
        """Write a new object; ``obj`` belongs to the registry from now on.

        Raises:
            AlreadyExists: there is one of that name.
            Taken: one of ``also.compares`` does not hold.
        """
        key = keys.storage_key(resource.group_resource, key_of(obj))
        return await self._put(resource, key, 0, obj, also)

    async def create_all(
        self, objects: Iterable[tuple[Resource, ObjectKey, Encoded]], also: Also = NOTHING_ELSE
    ) -> None:
        """Write new objects, as ``encode_object`` makes them, in one transaction: all of them, or none.

        They must be of the version that is stored.

        Raises:
            AlreadyExists: there is one of one of the names.
        """
        compares, puts, first = [], [], None
        for resource, name, encoded in objects:
            first = first or resource
            key = keys.storage_key(resource.group_resource, name)
            compares.append(Compare(key, 0))
            puts.append(Put(key, encoded.value, encoded.header, encoded.splice))
        if first is None:
            return
        try:
            await self.store.commit(Txn([*compares, *also.compares], [*puts, *also.writes]))
        except StoreError as error:
            raise as_api_error(error, first.group_resource) from error
        for put in puts:
            self._forget(put.key)

    async def replace(self, resource: Resource, old: Stored, obj: Json, also: Also = NOTHING_ELSE) -> Stored:
        """Write the next version of an object. ``old`` is the one it follows.

        Raises:
            Conflict: it is not the current one any more.
            NotFound: the object is gone.
            Taken: one of ``also.compares`` does not hold.
        """
        key = keys.storage_key(resource.group_resource, old.key)
        return await self._put(resource, key, old.revision, obj, also)

    async def remove(self, resource: Resource, old: Stored, also: Also = NOTHING_ELSE) -> Stored:
        """Forget an object. ``old`` is its current version.

        Returns:
            its last state under the deletion's revision.

        Raises:
            Conflict: it is not the current one any more.
            NotFound: the object is gone.
        """
        name = old.key.name
        key = keys.storage_key(resource.group_resource, old.key)
        transaction = Txn((Compare(key, old.revision), *also.compares), (Delete(key), *also.writes))
        try:
            revision = await self._commit(DELETE, resource.group_resource, transaction)
        except StoreError as error:
            raise as_api_error(error, resource.group_resource, name) from error
        self._forget(key)
        return old.at_revision(revision)

    async def _commit(self, operation: str, resource: GroupResource, transaction: Txn) -> int:
        began = time.monotonic()
        try:
            return await self.store.commit(transaction)
        except StoreError:
            self.figures.fail(operation, resource)
            raise
        finally:
            self.figures.note(operation, resource, time.monotonic() - began)

    async def _put(self, resource: Resource, key: bytes, expected: int, obj: Json, also: Also) -> Stored:
        wanted, sent = foreign(resource), obj
        if wanted is not None:
            obj = await self.resolved(lambda: as_stored_version(resource, sent))
        encoded = encode_object(resource, obj)
        refuse_too_large(len(key) + len(encoded.value))
        ttl = resource.strategy.ttl_seconds(obj) or 0
        put = Put(key, encoded.value, encoded.header, encoded.splice, lease_seconds=ttl)
        transaction = Txn((Compare(key, expected), *also.compares), (put, *also.writes))
        try:
            operation = UPDATE if expected else CREATE
            revision = await self._commit(operation, resource.group_resource, transaction)
        except StoreError as error:
            if isinstance(error, KeyExists) and error.key != key:
                raise Taken(error.key) from error
            raise as_api_error(error, resource.group_resource, obj["metadata"]["name"]) from error
        self._forget(key)
        stored = as_stored(encoded, revision)
        told = self._recent.get((key, revision))
        if told is not None:  # watchers heard of it first: one object for all
            told.__dict__.setdefault("object", stored.object)
            stored = told
        else:
            self._remember(key, stored)
        if not ttl and len(stored.raw) <= REMEMBERED_BYTES:
            self._newest[key] = stored
            if len(self._newest) > RECENT:
                del self._newest[next(iter(self._newest))]
        return stored if wanted is None else await self.resolved(lambda: self.seen(stored, wanted))

    def _forget(self, key: bytes) -> None:
        """Drop what was kept for those who peek, because it is not so any more."""
        self._peeked.pop(key, None)
        self._newest.pop(key, None)
        for start in [start for start in self._surveyed if key.startswith(start)]:
            self._outdate(start)

    def _outdate(self, start: bytes) -> None:
        self._surveyed.pop(start).is_current = False

    def _remember(self, key: bytes, stored: Stored) -> None:
        if len(stored.raw) > REMEMBERED_BYTES:
            return
        recent = self._recent
        recent[key, stored.revision] = stored
        if len(recent) > RECENT:
            del recent[next(iter(recent))]


def encode_object(resource: Resource, obj: Json) -> Encoded:
    """An object of the version that is stored as it goes to the store."""
    return encode(obj, _noted(resource, obj))


def _noted(resource: Resource, obj: Json) -> Mapping[str, str]:
    """What the header says of an object beside its labels."""
    fields, notes = resource.strategy.selectable_fields(obj), resource.strategy.notes(obj)
    return {**fields, **notes} if notes else fields
