"""Custom resources as one of their versions shows them, whatever version and schema they were stored under.

An object that was written under the schema of today, in the version that is asked for, is handed out as it
lies in the store: its header ends with the schema's tag. Any other is read anew: pruned, given the defaults
that it lacks in the version that it is stored in, and then shown in the one that is asked for, without what
that does not know. Versions differ by name alone, but for those which webhooks convert (``webhook_views``).
Source: ``crdConversionRESTOptionsGetter`` in apiextensions-apiserver's ``customresource_handler.go``.
"""

from collections.abc import Sequence

import msgpack
import orjson
from kube_lite_storage import Store
from kube_lite_storage.types import Range

from kube_lite.api.identity import GroupResource, Json, parse_api_version
from kube_lite.api.meta import copy
from kube_lite.api.resource import Resource
from kube_lite.kinds.custom import TAG, CustomStrategy
from kube_lite.kinds.outlines import WEBHOOK

from . import keys
from .stored import Facts, Stored, in_order


class CustomView:
    """What one version of a custom resource makes of stored objects."""

    def __init__(self, strategy: CustomStrategy) -> None:
        outline, version = strategy.outline, strategy.version
        gvk = outline.gvk(version)
        self._strategy = strategy
        self._api_version = gvk.api_version
        self._typed = b'{"kind":"%s","apiVersion":"%s",' % (gvk.kind.encode(), gvk.api_version.encode())
        self._tail = tail_of(f"{version.tag}:{gvk.version}")
        self._whole = keys.storage_range(GroupResource(gvk.group, outline.names["plural"]))
        self._has_seen_all = False

    def show(self, stored: Stored) -> Stored:
        """The same state of the object, as the version has it; the very same where nothing differs."""
        if self.is_complete(stored):
            return stored
        is_typed = stored.raw.startswith(self._typed)
        obj = self.read_anew(stored)
        if not is_typed:
            obj = self._renamed(obj)
        fields = self._strategy.selectable_fields(obj)
        facts = stored.facts
        known = {label: value for label, value in facts.fields.items() if label != TAG}
        if is_typed and obj == stored.object and known == fields:
            return stored
        obj = in_order(obj, obj["metadata"])
        return with_facts(obj, stored.revision, facts._replace(splice=-1, fields=fields))

    def is_complete(self, stored: Stored) -> bool:
        """It was written in this version, under the schema as it is."""
        return stored.header.endswith(self._tail)

    def show_all(self, stored: Sequence[Stored]) -> list[Stored]:
        """The same of many."""
        return [self.show(each) for each in stored]

    def speak(self, obj: Json) -> Json:
        """An object that lies in no store, in this version; not to be changed."""
        if obj.get("apiVersion") == self._api_version:
            return obj
        return self._renamed(copy(obj))

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

    def read_anew(self, stored: Stored) -> Json:
        """A stored object as the version that it is in has it today; a private copy."""
        from kube_lite.api.custom.pruning import prune

        obj: Json = copy(stored.object)
        strategy = self._strategy.siblings.get(parse_api_version(obj["apiVersion"])[1], self._strategy)
        prune(obj, strategy.structure)
        strategy.default(obj)
        return obj

    def _renamed(self, obj: Json) -> Json:
        """An object under the name of this version, without what it does not know; changes ``obj``."""
        from kube_lite.api.custom.pruning import prune

        prune(obj, self._strategy.structure)
        return {**obj, "apiVersion": self._api_version}


def stored_form(resource: Resource, obj: Json) -> Json:
    """An object in the version that is stored, which is another than the row's; shares what does not differ.

    Raises:
        Unconverted: a webhook has to be asked first.
    """
    strategy = resource.strategy
    assert isinstance(strategy, CustomStrategy)  # see view_of
    return view_for(strategy.siblings[resource.storage_version]).speak(obj)


def tail_of(note: str) -> bytes:
    """What the header of an object with that note ends with."""
    packed: bytes = msgpack.packb(TAG) + msgpack.packb(note)
    return packed


def with_facts(obj: Json, revision: int, facts: Facts) -> Stored:
    """An object as it is shown, with what selectors see of it."""
    shown = Stored(orjson.dumps(obj), revision)
    shown.__dict__["object"] = obj  # fills the cached properties
    shown.__dict__["facts"] = facts
    return shown


def view_of(resource: Resource) -> CustomView:
    """The view of a custom resource's row; the same each time."""
    strategy = resource.strategy
    assert isinstance(strategy, CustomStrategy)  # rows that come from a definition have no other
    return view_for(strategy)


def view_for(strategy: CustomStrategy) -> CustomView:
    """The view of a version; the same each time, and kept with its strategy."""
    view = strategy.view
    if isinstance(view, CustomView):
        return view
    if strategy.outline.conversion == WEBHOOK:
        from .webhook_views import WebhookView  # few definitions have webhooks

        strategy.view = made = WebhookView(strategy)
        return made
    strategy.view = view = CustomView(strategy)
    return view
