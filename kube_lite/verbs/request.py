"""One request, whatever brought it: the words in which HTTP and in-process callers speak to the pipeline."""

from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import NamedTuple

from kube_lite.api.identity import Json
from kube_lite.api.resource import Resource
from kube_lite.auth.user import User
from kube_lite.registry.stored import Stored
from kube_lite.registry.watching import Change

__all__ = ["Answer", "Change", "Listing", "Request"]


class Request(NamedTuple):
    """What somebody wants.

    Attributes:
        verb: ``get list watch create update patch delete deletecollection`` (``connect`` for streams).
        resource: the row of the API that the path names.
        namespace: empty for cluster-scoped resources and lists over all namespaces.
        name: empty for collections.
        subresource: ``""`` or its name.
        query: the query parameters by their wire names (``labelSelector``, ``resourceVersion``, ``dryRun``
            …); a repeated parameter keeps its first value.
        body: the raw bytes as they came, or an object from an in-process caller (owned by the pipeline from
            now on: the caller must not touch it again). For a delete it is the DeleteOptions or None.
        content_type: media type of a bytes body, parameters included; for a patch its patch type.
        user_agent: what the client calls itself; the default field manager is its first word up to ``/``.
        as_text: of a list the items' JSON will do, see ``Listing.text``.
    """

    verb: str
    resource: Resource
    user: User
    namespace: str = ""
    name: str = ""
    subresource: str = ""
    query: Mapping[str, str] = MappingProxyType({})
    body: bytes | Json | list[Json] | None = None
    content_type: str = "application/json"
    user_agent: str = ""
    as_text: bool = False


class Answer(NamedTuple):
    """What came of a request for one object.

    ``stored`` is set when the answer is an object of the store (its bytes can be sent as they are),
    ``object`` when it was made for this request (a Scale, a Status, a review, a dry run). Exactly one of
    them is set. ``row`` is the object's where that is not the request's (a Scale).
    """

    code: int
    stored: Stored | None = None
    object: Json | None = None
    warnings: tuple[str, ...] = ()
    row: Resource | None = None

    def as_object(self) -> Json:
        """The answer as a dict; shared with others when it comes from the store, so do not change it."""
        if self.stored is not None:
            return self.stored.object
        assert self.object is not None  # one of the two is set
        return self.object


class Listing(NamedTuple):
    """What came of a list request: the objects, and the fields of ``ListMeta``.

    ``text`` has the objects instead of ``items`` where the request said that it would do: as items of a list,
    each behind a comma, in pieces that are read as they are taken. Taking one raises ``ApiError`` if the list
    cannot be gone on with.
    """

    items: list[Stored]
    resource_version: str
    continue_token: str = ""
    remaining: int | None = None
    warnings: tuple[str, ...] = ()
    text: Iterator[bytes] | None = None
