"""What any component may ask of the API, in process or over HTTP.

Both implementations (``verbs.local`` and ``client.remote``) pass the same contract suite. Objects that come
back are shared with other readers: copy before you change one. What is sent may be made of such shared parts:
it is not changed. Every failure is an ``api.errors.ApiError``.
"""

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from enum import StrEnum
from typing import NamedTuple, Protocol

from kube_lite.api.identity import GroupVersionResource, Json


class ObjectList(NamedTuple):
    """One page of a list. ``continue_token`` is empty on the last page."""

    items: list[Json]
    resource_version: str
    continue_token: str = ""


class EventType(StrEnum):
    """What a watch event tells."""

    ADDED = "ADDED"
    MODIFIED = "MODIFIED"
    DELETED = "DELETED"
    BOOKMARK = "BOOKMARK"


class WatchEvent(NamedTuple):
    """One change; a bookmark's object has only ``metadata.resourceVersion`` (and perhaps annotations)."""

    type: EventType
    object: Json


class PatchType(StrEnum):
    """The media types of patches."""

    JSON = "application/json-patch+json"
    MERGE = "application/merge-patch+json"
    STRATEGIC = "application/strategic-merge-patch+json"
    APPLY = "application/apply-patch+yaml"


class Client(Protocol):
    """The verbs. ``namespace`` is empty for cluster-scoped resources and for lists over all namespaces."""

    async def get(
        self, resource: GroupVersionResource, name: str, *, namespace: str = "", subresource: str = ""
    ) -> Json:
        """Read one object. Raises ``NotFound``."""
        ...

    async def list(
        self,
        resource: GroupVersionResource,
        *,
        namespace: str = "",
        label_selector: str = "",
        field_selector: str = "",
        limit: int = 0,
        continue_token: str = "",
    ) -> ObjectList:
        """Read many as of one revision. Raises ``Expired`` when the token is too old."""
        ...

    async def create(
        self,
        resource: GroupVersionResource,
        obj: Json,
        *,
        namespace: str = "",
        name: str = "",
        subresource: str = "",
    ) -> Json:
        """Make a new object; ``name`` and ``subresource`` are for ones below another (``binding``, …).

        Raises ``AlreadyExists``, ``Invalid``, ``Forbidden``.
        """
        ...

    async def update(
        self, resource: GroupVersionResource, obj: Json, *, namespace: str = "", subresource: str = ""
    ) -> Json:
        """Replace an object, named by its metadata; with a resourceVersion in it, only that version.

        Raises ``NotFound``, ``Conflict``, ``Invalid``.
        """
        ...

    async def patch(
        self,
        resource: GroupVersionResource,
        name: str,
        patch: object,
        *,
        namespace: str = "",
        subresource: str = "",
        patch_type: PatchType = PatchType.STRATEGIC,
        field_manager: str = "",
        force: bool = False,
    ) -> Json:
        """Change an object. Raises ``NotFound``, ``Conflict``, ``Invalid``."""
        ...

    async def delete(
        self,
        resource: GroupVersionResource,
        name: str,
        *,
        namespace: str = "",
        grace_seconds: int | None = None,
        propagation: str = "",
        uid: str = "",
        resource_version: str = "",
    ) -> Json:
        """Ask for an object's end; ``uid`` and ``resource_version`` are preconditions.

        Returns the object when it still has to wait (grace, finalizers), else a ``Status``.
        Raises ``NotFound``, ``Conflict`` for a failed precondition.
        """
        ...

    async def delete_collection(
        self,
        resource: GroupVersionResource,
        *,
        namespace: str = "",
        label_selector: str = "",
        field_selector: str = "",
        grace_seconds: int | None = None,
        propagation: str = "",
    ) -> None:
        """Ask for the end of every object that matches."""
        ...

    def watch(
        self,
        resource: GroupVersionResource,
        *,
        namespace: str = "",
        label_selector: str = "",
        field_selector: str = "",
        resource_version: str = "",
        bookmarks: bool = True,
    ) -> AbstractAsyncContextManager[AsyncIterator[WatchEvent]]:
        """Changes after ``resource_version``, in order, without gap or repeat, for the length of the block.

        Raises ``Expired`` on entering or from the iterator: list again and watch from there.
        The iterator ends when the server ends the watch; begin again from the last resourceVersion seen.
        """
        ...
