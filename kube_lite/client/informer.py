"""A local copy of one resource, kept fresh; with indexes, and handlers that hear of every difference.

Objects are shared with every other reader and must never be changed. Handlers are called synchronously, in
the order of the changes, after the copy and its indexes already show the change. After a gap in the watch the
differences between the old copy and the new list are told as if they had been watched; an object that was
deleted and made anew under the same name meanwhile is told as a deletion and an addition.
"""

import asyncio
from collections.abc import Callable, Iterable, Iterator

from kube_lite.api.identity import GroupVersionResource, Json, ObjectKey, key_of
from kube_lite.kit.clock import Clock

from .protocol import Client, EventType
from .reflector import Reflector, Selection

Objects = list[Json]
Handler = Callable[[EventType, Json | None, Json | None], None]
"""``handler(type, old, new)``: ``old`` is None for an addition, ``new`` is None for a deletion."""

IndexFunction = Callable[[Json], Iterable[str]]
"""Under which values an object is found."""


class _Index:
    """Example, by node: ``{"node-1": {key: pod, …}}``."""

    def __init__(self, function: IndexFunction) -> None:
        self._function = function
        self._entries: dict[str, dict[ObjectKey, Json]] = {}

    def change(self, key: ObjectKey, old: Json | None, new: Json | None) -> None:
        after = list(self._function(new)) if new is not None else ()
        if old is not None:
            for value in self._function(old):
                if value not in after:
                    self._remove(value, key)
        if new is not None:
            for value in after:
                self._entries.setdefault(value, {})[key] = new

    def _remove(self, value: str, key: ObjectKey) -> None:
        entry = self._entries.get(value)
        if entry is not None:
            entry.pop(key, None)
            if not entry:
                del self._entries[value]

    def find(self, value: str) -> Objects:
        return list(self._entries.get(value, {}).values())


class Informer:
    """What there is of one resource, as of a moment ago. Made by ``Informers.informer``."""

    def __init__(self, client: Client, clock: Clock, selection: Selection) -> None:
        self.selection = selection
        self._reflector = Reflector(client, clock, selection, self)
        self._objects: dict[str, dict[ObjectKey, Json]] = {}
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

    async def synced(self) -> None:
        """Wait until ``has_synced``."""
        await self._synced.wait()

    def get(self, key: ObjectKey) -> Json | None:
        """The object of that name, or None."""
        return self._objects.get(key.namespace, {}).get(key)

    def list(self, namespace: str = "") -> Objects:
        """Every object, or every object of one namespace."""
        if namespace:
            return list(self._objects.get(namespace, {}).values())
        return list(self._all())

    def __len__(self) -> int:
        """How many objects there are."""
        return sum(map(len, self._objects.values()))

    def add_index(self, name: str, function: IndexFunction) -> None:
        """Make objects findable by ``by_index(name, value)``.

        Informers are shared, so several parts may ask for the same index: the name stands for what it
        computes, and adding one that exists changes nothing.
        """
        if name in self._indexes:
            return
        index = self._indexes[name] = _Index(function)
        for obj in self._all():
            index.change(key_of(obj), None, obj)

    def by_index(self, name: str, value: str) -> Objects:
        """The objects whose index values include ``value``. Raises ``KeyError`` for an index never added."""
        return self._indexes[name].find(value)

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

    def replace(self, objects: Objects) -> None:
        """Take a complete list, telling handlers what is different."""
        present = {key_of(obj) for obj in objects}
        for gone in [obj for obj in self._all() if key_of(obj) not in present]:
            self._change(EventType.DELETED, key_of(gone), gone, None)
        for obj in objects:
            key = key_of(obj)
            old = self.get(key)
            if old is not None and old["metadata"].get("uid") != obj["metadata"].get("uid"):
                self._change(EventType.DELETED, key, old, None)
                old = None
            if old is None:
                self._change(EventType.ADDED, key, None, obj)
            elif old["metadata"]["resourceVersion"] != obj["metadata"]["resourceVersion"]:
                self._change(EventType.MODIFIED, key, old, obj)
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
        else:
            remaining = self._objects[key.namespace]
            del remaining[key]
            if not remaining:
                del self._objects[key.namespace]
        for index in self._indexes.values():
            index.change(key, before, new)
        for handler in self._handlers:
            handler(event, old, new)

    def _all(self) -> Iterator[Json]:
        for objects in self._objects.values():
            yield from objects.values()
