"""Custom resources as one of their versions shows them, whatever version and schema they were stored under.

An object that was written under the schema of today, in the version that is asked for, is handed out as it
lies in the store: its header ends with the schema's tag. Any other is read anew: converted, pruned, and
given the defaults that it lacks.
"""

from weakref import WeakKeyDictionary

import msgpack
import orjson
from kube_lite_storage import Store
from kube_lite_storage.types import Range

from kube_lite.api.identity import Json
from kube_lite.api.meta import copy
from kube_lite.api.resource import Resource
from kube_lite.kinds.custom import TAG, CustomStrategy

from . import keys
from .stored import Stored, in_order


class CustomView:
    """What one version of a custom resource makes of stored objects."""

    def __init__(self, resource: Resource, strategy: CustomStrategy) -> None:
        self._strategy = strategy
        self._api_version = resource.api_version
        self._typed = b'{"kind":"%s","apiVersion":"%s",' % (
            resource.kind.encode(),
            resource.api_version.encode(),
        )
        self._tail = tail_of(f"{strategy.version.tag}:{resource.version}")
        self._whole = keys.storage_range(resource.group_resource)
        self._has_seen_all = False

    def show(self, stored: Stored) -> Stored:
        """The same state of the object, as the version has it; the very same where nothing differs."""
        if stored.header.endswith(self._tail):
            return stored
        is_typed = stored.raw.startswith(self._typed)
        obj = converted(copy(stored.object), self._api_version)
        self._read_anew(obj)
        fields = self._strategy.selectable_fields(obj)
        facts = stored.facts
        known = {label: value for label, value in facts.fields.items() if label != TAG}
        if is_typed and obj == stored.object and known == fields:
            return stored
        obj = in_order(obj, obj["metadata"])
        shown = Stored(orjson.dumps(obj), stored.revision)
        shown.__dict__["object"] = obj  # fills the cached properties
        shown.__dict__["facts"] = facts._replace(splice=-1, fields=fields)
        return shown

    def shows_all(self, store: Store, span: Range) -> bool:
        """Whether every object of a range is shown as it is stored, which the headers tell.

        Once all were, they stay so while nobody writes in another version.
        """
        if self._has_seen_all and self._strategy.is_only_writer:
            return True
        self._has_seen_all = self._none_differs(store, self._whole)
        return self._has_seen_all or self._none_differs(store, span)

    def _none_differs(self, store: Store, span: Range) -> bool:
        tail = self._tail
        return not store.choose(span, lambda header: not header.endswith(tail), limit=1).items

    def _read_anew(self, obj: Json) -> None:
        from kube_lite.api.custom.pruning import prune

        prune(obj, self._strategy.structure)
        self._strategy.default(obj)


def converted(obj: Json, api_version: str) -> Json:
    """An object of a custom resource in another of its versions; ``obj`` is a private copy.

    The one place where versions are converted, on the way out (above) as on the way in
    (``converting.as_stored_version``). Versions of the strategy ``None`` differ by name alone.
    """
    return {**obj, "apiVersion": api_version}


def tail_of(note: str) -> bytes:
    """What the header of an object with that note ends with."""
    packed: bytes = msgpack.packb(TAG) + msgpack.packb(note)
    return packed


_VIEWS: "WeakKeyDictionary[CustomStrategy, CustomView]" = WeakKeyDictionary()


def view_of(resource: Resource) -> CustomView:
    """The view of a custom resource's row; the same each time."""
    strategy = resource.strategy
    assert isinstance(strategy, CustomStrategy)  # rows that come from a definition have no other
    view = _VIEWS.get(strategy)
    if view is None:
        view = _VIEWS[strategy] = CustomView(resource, strategy)
    return view
