"""Objects in the version that a request speaks, where another is stored.

Versions of a kind share their objects, which lie in the store in one of them. Whoever reads through another
row gets each version of an object converted once and then shared like a stored one; what is written through
it is converted on its way in. Kinds with one version, nearly all, pass by with one look at their row.
Custom resources have views of their own, see ``custom_views``; where a webhook has to be asked first, reads
raise ``Unconverted``, and ``Objects.resolved`` asks and reads again.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, TypeAlias, Union

import orjson

from kube_lite.api.identity import GroupVersionKind, Json, parse_api_version
from kube_lite.api.resource import Resource
from kube_lite.kinds import conversions

from .stored import Stored, in_order

if TYPE_CHECKING:
    from .custom_views import CustomView
    from .webhook_views import WebhookView

View: TypeAlias = Union[GroupVersionKind, "CustomView"]
"""What objects are converted to when they are read."""


class Unconverted(Exception):
    """Objects are not known in the version that is wanted: ``view`` can ask for them, which takes time."""

    def __init__(self, view: "WebhookView", items: Sequence[Stored]) -> None:
        super().__init__(f"{len(items)} objects are to be converted")
        self.view = view
        self.items = items


def foreign(resource: Resource) -> View | None:
    """What the objects of a row have to be converted to when they are read; None for nearly all rows."""
    if resource.definition:
        from .custom_views import view_of  # nobody needs it before there are such resources

        return view_of(resource)
    stored = resource.storage_version
    if (not stored or stored == resource.version) and resource.alias_of is None:
        return None
    return resource.gvk


def in_version(stored: Stored, wanted: View) -> Stored:
    """The same state of the object as ``wanted`` has it; what selectors see of it stays."""
    if not isinstance(wanted, GroupVersionKind):
        return wanted.show(stored)
    renamed = _renamed(stored, wanted)
    if renamed is not None:
        return renamed
    obj = conversions.convert(stored.object, wanted)
    if obj is stored.object:
        return stored
    obj = in_order(obj, obj["metadata"])
    converted = Stored(orjson.dumps(obj), stored.revision)
    converted.__dict__["object"] = obj  # fills the cached properties
    converted.__dict__["facts"] = stored.facts._replace(splice=-1)
    return converted


def _renamed(stored: Stored, wanted: GroupVersionKind) -> Stored | None:
    """The same bytes under another ``apiVersion``, unread; None where more than that differs."""
    beginning = b'{"kind":"%s","apiVersion":"' % wanted.kind.encode()
    raw, start = stored.raw, len(beginning)
    if not stored.header or not raw.startswith(beginning):
        return None
    end = raw.index(b'"', start)
    given = GroupVersionKind(*parse_api_version(raw[start:end].decode()), wanted.kind)
    if not conversions.is_renaming(given, wanted):
        return None
    name = wanted.api_version.encode()
    renamed = Stored(beginning + name + raw[end:], stored.revision)
    facts = stored.facts
    renamed.__dict__["facts"] = facts._replace(splice=facts.splice + len(name) - (end - start))
    return renamed


def spoken_as(resource: Resource, obj: Json) -> Json:
    """An object of a custom resource as a row of the same has it. Raises ``Unconverted``."""
    from .custom_views import view_of

    return view_of(resource).speak(obj)


def as_stored_version(resource: Resource, obj: Json) -> Json:
    """The object as it is to be stored; itself for rows that are stored as they are. May be shared."""
    if resource.definition:
        if resource.storage_version == resource.version:
            return obj
        from .custom_views import stored_form

        return stored_form(resource, obj)
    if foreign(resource) is None:
        return obj
    return conversions.convert(obj, conversions.stored_as(resource))
