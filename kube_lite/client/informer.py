"""A local copy of one resource, kept fresh; with indexes, and handlers that hear of every difference.

Objects are shared with every other reader and must never be changed. Handlers are called synchronously, in
the order of the changes, after the copy and its indexes already show the change. After a gap in the watch the
differences between the old copy and the new list are told as if they had been watched; an object that was
deleted and made anew under the same name meanwhile is told as a deletion and an addition.

A decoded object takes five times the memory of its JSON. So of a resource with many objects those that
nobody has looked at for a while are kept as JSON, and decoded when somebody looks at them again:

    {"default": {("default", "web-1"): {"metadata": …}, ("default", "web-2"): b'{"metadata":…'}}
"""

import asyncio
from collections.abc import Callable, Iterable, Iterator

import orjson

from kube_lite.api.identity import GroupVersionResource, Json, ObjectKey, key_of
from kube_lite.kit.clock import Clock

from .protocol import Client, EventType
from .reflector import Reflector, Selection

Objects = list[Json]
Handler = Callable[[EventType, Json | None, Json | None], None]
"""``handler(type, old, new)``: ``old`` is None for an addition, ``new`` is None for a deletion."""

IndexFunction = Callable[[Json], Iterable[str]]
"""Under which values an object is found."""

DECODED_OBJECTS = 100  # so many stay decoded in any case
DECODED_SECONDS = 60.0  # as long an object stays decoded, and as long again whenever somebody looks at it
OBJECTS_A_TURN = 100  # encoded before others have their turn: about a millisecond


class _Index:
    """Example, by node: ``{"node-1": {key: None, …}}``; a dict, because sets have no order."""

    def __init__(self, function: IndexFunction) -> None:
        self.function = function
        self._entries: dict[str, dict[ObjectKey, None]] = {}

    def change(self, key: ObjectKey, old: Json | None, new: Json | None) -> None:
        after = list(self.function(new)) if new is not None else ()
        if old is not None:
            for value in self.function(old):
                if value not in after:
                    self._remove(value, key)
        if new is not None:
            for value in after:
                self._entries.setdefault(value, {})[key] = None

    def _remove(self, value: str, key: ObjectKey) -> None:
        entry = self._entries.get(value)
        if entry is not None:
            entry.pop(key, None)
            if not entry:
                del self._entries[value]

    def find(self, value: str) -> Iterable[ObjectKey]:
        return self._entries.get(value, ())


class Informer:
    """What there is of one resource, as of a moment ago. Made by ``Informers.informer``."""

    def __init__(self, client: Client, clock: Clock, selection: Selection) -> None:
        self.selection = selection
        self._reflector = Reflector(client, clock, selection, self)
        self._clock = clock
        self._objects: dict[str, dict[ObjectKey, Json | bytes]] = {}
        self._decoded: dict[ObjectKey, float] = {}
        """Since when objects have been decoded, or were found to be in use, the longest first."""
        self._used: set[ObjectKey] = set()
        """Those that somebody has looked at since then."""
        self._crowded = asyncio.Event()
        self._listed: set[ObjectKey] = set()
        """What was on the pages of a list so far."""
        self._indexes: dict[str, _Index] = {}
        self._handlers: list[Handler] = []
        self._synced = asyncio.Event()

    @property
    def resource(self) -> GroupVersionResource:
        """Which resource this is a copy of."""
        return self.selection.resource

    @property
    def has_synced(self) -> bool:
        """The first list has arrived and every handler has heard of it."""
        return self._synced.is_set()

    @property
    def is_crowded(self) -> bool:
        """More objects are decoded than will stay so."""
        return self._crowded.is_set()

    async def synced(self) -> None:
        """Wait until ``has_synced``."""
        await self._synced.wait()

    def get(self, key: ObjectKey) -> Json | None:
        """The object of that name, or None."""
        objects = self._objects.get(key.namespace)
        found = objects.get(key) if objects is not None else None
        if isinstance(found, bytes):
            return self._decode(key, found)
        if found is not None:
            self._used.add(key)
        return found

    def list(self, namespace: str = "") -> Objects:
        """Every object, or every object of one namespace."""
        return self._of(namespace) if namespace else list(self._all())

    def __len__(self) -> int:
        """How many objects there are."""
        return sum(map(len, self._objects.values()))

    def add_index(self, name: str, function: IndexFunction) -> None:
        """Make objects findable by ``by_index(name, value)``.

        Informers are shared, so several parts may ask for the same index: adding one that exists changes
        nothing.

        Raises:
            ValueError: the name is taken by an index with another function.
        """
        existing = self._indexes.get(name)
        if existing is not None:
            if existing.function is not function:
                raise ValueError(f"{self.resource.resource} have another index that is called {name!r}")
            return
        index = self._indexes[name] = _Index(function)
        for obj in self._all():
            index.change(key_of(obj), None, obj)

    def by_index(self, name: str, value: str) -> Objects:
        """The objects whose index values include ``value``. Raises ``KeyError`` for an index never added."""
        objects, found = self._objects, []
        keys = self._indexes[name].find(value)
        self._used.update(keys)
        for key in keys:
            obj = objects[key.namespace][key]
            found.append(self._decode(key, obj) if isinstance(obj, bytes) else obj)
        return found

    def add_handler(self, handler: Handler) -> None:
        """Call ``handler`` for every change from now on, and at once for every object that is already here.

        A handler must neither wait nor raise.
        """
        self._handlers.append(handler)
        for obj in list(self._all()):
            handler(EventType.ADDED, None, obj)

    async def run(self) -> None:
        """Keep the copy fresh until cancelled."""
        await self._reflector.run()

    async def encode_unused(self) -> None:
        """Keep few objects decoded, until cancelled; nothing runs here while there are no more than that."""
        while True:
            await self._crowded.wait()
            oldest = next(iter(self._decoded.values()), 0.0)
            due = oldest + DECODED_SECONDS - self._clock.monotonic()
            await self._clock.sleep(max(due, DECODED_SECONDS / 4))
            is_more = True
            while is_more:
                is_more = self._encode_some()
                await asyncio.sleep(0)
            if len(self._decoded) <= DECODED_OBJECTS:
                self._crowded.clear()

    def take(self, objects: Objects, *, is_first: bool, is_last: bool) -> None:
        """Take a page of a list, telling handlers what is different.

        Of several pages what was known only from a list is encoded at once: few will ask for it.
        """
        if is_first:
            self._listed = set()
        for obj in objects:
            key = key_of(obj)
            self._listed.add(key)
            old = self.get(key)
            if old is not None and old["metadata"].get("uid") != obj["metadata"].get("uid"):
                self._change(EventType.DELETED, key, old, None)
                old = None
            if old is None:
                self._change(EventType.ADDED, key, None, obj)
            elif old["metadata"]["resourceVersion"] != obj["metadata"]["resourceVersion"]:
                self._change(EventType.MODIFIED, key, old, obj)
        if not (is_first and is_last):
            self._encode_listed(objects)
        if is_last:
            for gone in [key for there in self._objects.values() for key in there if key not in self._listed]:
                self._change(EventType.DELETED, gone, self.get(gone), None)
            self._listed = set()
            self._synced.set()

    def apply(self, event: EventType, obj: Json) -> None:
        """Take one watch event, telling handlers."""
        key = key_of(obj)
        old = self.get(key)
        if event is EventType.DELETED:
            if old is not None:
                self._change(EventType.DELETED, key, obj, None)
        elif old is None:
            self._change(EventType.ADDED, key, None, obj)
        else:
            self._change(EventType.MODIFIED, key, old, obj)

    def _change(self, event: EventType, key: ObjectKey, old: Json | None, new: Json | None) -> None:
        before = self.get(key)
        if new is not None:
            self._objects.setdefault(key.namespace, {})[key] = new
            self._note(key)
        else:
            self._decoded.pop(key, None)
            self._used.discard(key)
            remaining = self._objects[key.namespace]
            del remaining[key]
            if not remaining:
                del self._objects[key.namespace]
        for index in self._indexes.values():
            index.change(key, before, new)
        for handler in self._handlers:
            handler(event, old, new)

    def _all(self) -> Iterator[Json]:
        for namespace in list(self._objects):
            yield from self._of(namespace)

    def _of(self, namespace: str) -> Objects:
        objects = self._objects.get(namespace)
        if objects is None:
            return []
        found = list(objects.items())
        self._used.update(objects)
        return [self._decode(key, obj) if isinstance(obj, bytes) else obj for key, obj in found]

    def _decode(self, key: ObjectKey, encoded: bytes) -> Json:
        obj: Json = orjson.loads(encoded)
        self._objects[key.namespace][key] = obj
        self._note(key)
        return obj

    def _note(self, key: ObjectKey) -> None:
        """The object is decoded, and has been of use."""
        self._decoded.pop(key, None)
        self._decoded[key] = self._clock.monotonic()
        if len(self._decoded) > DECODED_OBJECTS:
            self._crowded.set()

    def _encode_listed(self, objects: Objects) -> None:
        for key in map(key_of, objects):
            if key in self._decoded and len(self._decoded) > DECODED_OBJECTS:
                self._encode(key)

    def _encode_some(self) -> bool:
        """Encode what has been decoded for long enough; whether there may be more of it."""
        since = self._clock.monotonic() - DECODED_SECONDS
        for _ in range(OBJECTS_A_TURN):
            if len(self._decoded) <= DECODED_OBJECTS:
                return False
            key, decoded = next(iter(self._decoded.items()))
            if decoded > since:
                return False
            if key in self._used:
                self._used.discard(key)
                self._note(key)
            else:
                self._encode(key)
        return True

    def _encode(self, key: ObjectKey) -> None:
        del self._decoded[key]
        objects = self._objects[key.namespace]
        # A copy, for the encoder gives several times the room that it needed.
        objects[key] = bytes(memoryview(orjson.dumps(objects[key])))
