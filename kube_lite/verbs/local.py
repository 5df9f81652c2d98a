"""The client of components in this process: the same pipeline as for everybody, without a socket.

Objects come back as they lie in the store's cache, shared with every other reader, so they must be copied
before they are changed. What is sent may be built from shared parts: the pipeline reads it into an object
of its own.
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, asynccontextmanager
from typing import cast

from kube_lite.api.errors import NotFound
from kube_lite.api.identity import GroupVersion, GroupVersionResource, Json
from kube_lite.api.resource import Resource
from kube_lite.auth.user import User
from kube_lite.client.protocol import EventType, ObjectList, PatchType, WatchEvent
from kube_lite.registry.watching import Change

from .elsewhere import Elsewhere, Wish
from .pipeline import Pipeline
from .request import Answer, Listing, Request

Body = Json | list[Json] | None

EVENT_TYPES = {kind.value: kind for kind in EventType}


class LocalClient:
    """``client.protocol.Client`` on a pipeline, as one user.

    Args:
        user_agent: what the component calls itself, and owns the fields it writes as; by default the last
            word of the user's name.
        only_here: asks no other servers, also not for groups that they serve in our place.
    """

    def __init__(
        self, pipeline: Pipeline, user: User, user_agent: str = "", *, only_here: bool = False
    ) -> None:
        self._pipeline = pipeline
        self._user = user
        self._user_agent = user_agent or user.name.rpartition(":")[2]
        self._only_here = only_here

    def called(self, user_agent: str) -> "LocalClient":
        """The same user's client under another name."""
        return LocalClient(self._pipeline, self._user, user_agent, only_here=self._only_here)

    async def get(
        self, resource: GroupVersionResource, name: str, *, namespace: str = "", subresource: str = ""
    ) -> Json:
        """Read one object. Raises ``NotFound``."""
        return await self._ask("get", resource, namespace, name, subresource)

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
        query = _selecting(label_selector, field_selector)
        if limit:
            query["limit"] = str(limit)
        if continue_token:
            query["continue"] = continue_token
        elsewhere = self._elsewhere(resource)
        if elsewhere is not None:
            return _as_list(await elsewhere.ask(Wish("list", resource, self._user, namespace, query=query)))
        request = Request("list", self._row(resource), self._user, namespace, query=query)
        found = cast(Listing, await self._pipeline.handle(request))  # a list is answered with one
        items = [stored.object for stored in found.items]
        return ObjectList(items, found.resource_version, found.continue_token)

    async def create(
        self,
        resource: GroupVersionResource,
        obj: Json,
        *,
        namespace: str = "",
        name: str = "",
        subresource: str = "",
    ) -> Json:
        """Make a new object. Raises ``AlreadyExists``, ``Invalid``, ``Forbidden``."""
        namespace = namespace or (obj.get("metadata") or {}).get("namespace", "")
        return await self._ask("create", resource, namespace, name, subresource, obj)

    async def update(
        self, resource: GroupVersionResource, obj: Json, *, namespace: str = "", subresource: str = ""
    ) -> Json:
        """Replace an object. Raises ``NotFound``, ``Conflict``, ``Invalid``."""
        metadata = obj.get("metadata") or {}
        namespace = namespace or metadata.get("namespace", "")
        return await self._ask("update", resource, namespace, metadata.get("name", ""), subresource, obj)

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
        query = {"fieldManager": field_manager} if field_manager else {}
        if force:
            query["force"] = "true"
        body = cast(Body, patch)  # of the shape that the patch type has
        return await self._ask(
            "patch", resource, namespace, name, subresource, body, query=query, content_type=patch_type.value
        )

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
        """Ask for an object's end. Raises ``NotFound``, ``Conflict`` for a failed precondition."""
        options = _deleting(grace_seconds, propagation)
        wanted = {"uid": uid, "resourceVersion": resource_version}
        options["preconditions"] = {key: value for key, value in wanted.items() if value}
        return await self._ask("delete", resource, namespace, name, "", options)

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
        query = _selecting(label_selector, field_selector)
        body = _deleting(grace_seconds, propagation)
        elsewhere = self._elsewhere(resource)
        if elsewhere is not None:
            wish = Wish("deletecollection", resource, self._user, namespace, query=query, body=body)
            await elsewhere.ask(wish)
            return
        row = self._row(resource)
        request = Request("deletecollection", row, self._user, namespace, query=query, body=body)
        await self._pipeline.handle(request)

    @asynccontextmanager
    async def watch(
        self,
        resource: GroupVersionResource,
        *,
        namespace: str = "",
        label_selector: str = "",
        field_selector: str = "",
        resource_version: str = "",
        bookmarks: bool = True,
    ) -> AsyncIterator[AsyncIterator[WatchEvent]]:
        """Changes after ``resource_version``, in order, for the length of the block. Raises ``Expired``."""
        query = _selecting(label_selector, field_selector)
        if resource_version:
            query["resourceVersion"] = resource_version
        if bookmarks:
            query["allowWatchBookmarks"] = "true"
        elsewhere = self._elsewhere(resource)
        if elsewhere is not None:
            wish = Wish("watch", resource, self._user, namespace, query=query)
            async with elsewhere.watch(wish) as told, aclosing(_as_told(told)) as events:
                yield events
            return
        request = Request("watch", self._row(resource), self._user, namespace, query=query)
        async with self._pipeline.watch(request) as changes, aclosing(_as_events(changes)) as events:
            yield events

    async def _ask(
        self,
        verb: str,
        resource: GroupVersionResource,
        namespace: str,
        name: str,
        subresource: str = "",
        body: Body = None,
        *,
        query: dict[str, str] | None = None,
        content_type: str = "application/json",
    ) -> Json:
        elsewhere = self._elsewhere(resource)
        if elsewhere is not None:
            wish = Wish(
                verb, resource, self._user, namespace, name, subresource, query or {}, body, content_type
            )
            return await elsewhere.ask(wish)
        request = Request(
            verb,
            self._row(resource),
            self._user,
            namespace,
            name,
            subresource,
            query or {},
            body,
            content_type,
            self._user_agent,
        )
        answer = cast(Answer, await self._pipeline.handle(request))  # only lists are answered otherwise
        return answer.as_object()

    def _elsewhere(self, resource: GroupVersionResource) -> Elsewhere | None:
        """Whoever passes requests on to the server of that group, if it is not this one.

        The core group is always this one's for our own components, who could not even find the other server.
        """
        others = self._pipeline.elsewhere
        if others is None or self._only_here or not resource.group:
            return None
        return others if others.serves(GroupVersion(resource.group, resource.version)) else None

    def _row(self, resource: GroupVersionResource) -> Resource:
        row = self._pipeline.registry.by_gvr(resource)
        if row is None:
            raise NotFound("the server could not find the requested resource", details={})
        return row


async def _as_events(changes: AsyncIterator[Change]) -> AsyncGenerator[WatchEvent, None]:
    waits = True
    async for change in changes:
        is_decoded = _is_decoded(change)
        if waits and not is_decoded:  # who wrote it has it decoded, and goes on in this turn; history is old
            await asyncio.sleep(0)
            is_decoded = _is_decoded(change)
        waits = is_decoded
        yield WatchEvent(EVENT_TYPES[change.type], change.stored.object)


def _is_decoded(change: Change) -> bool:
    return "object" in vars(change.stored)


async def _as_told(told: AsyncIterator[Json]) -> AsyncGenerator[WatchEvent, None]:
    async for event in told:
        kind = EVENT_TYPES.get(event["type"])
        if kind is not None:
            yield WatchEvent(kind, event["object"])


def _as_list(answer: Json) -> ObjectList:
    metadata = answer.get("metadata") or {}
    version, token = metadata.get("resourceVersion", ""), metadata.get("continue", "")
    return ObjectList(answer.get("items") or [], version, token)


def _selecting(label_selector: str, field_selector: str) -> dict[str, str]:
    query = {}
    if label_selector:
        query["labelSelector"] = label_selector
    if field_selector:
        query["fieldSelector"] = field_selector
    return query


def _deleting(grace_seconds: int | None, propagation: str) -> Json:
    options: Json = {}
    if grace_seconds is not None:
        options["gracePeriodSeconds"] = grace_seconds
    if propagation:
        options["propagationPolicy"] = propagation
    return options
