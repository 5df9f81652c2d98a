"""APIServices at work: groups and versions that other servers serve, as parts of this API.

Part of the API server, as upstream. Every APIService that names a Service hands its group and version over to
what is behind it: requests are passed on, once those who ask may, and discovery tells what that server says
of itself. What this server has rows for is handed over as well, and comes back with the APIService's end.

Groups that CustomResourceDefinitions bring get an APIService each, as the others have had one from the start.

One task follows the APIServices; others look whether those servers answer: when something about an
APIService, its Service or the endpoints changes, and every half minute. What they find is written to the
condition ``Available``, and it is what is written there that requests go by. Who extends nothing pays for
one watch.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from aiohttp.web_response import StreamResponse

from kube_lite.api.errors import ApiError, Expired, Timeout
from kube_lite.api.identity import GroupVersion, GroupVersionResource, Json
from kube_lite.api.resource import Elsewhere, Registry
from kube_lite.api.service_addresses import SERVICE_NAME, Address
from kube_lite.auth.authorize import Authorizer
from kube_lite.kit.clock import Clock
from kube_lite.kit.pki import Pair
from kube_lite.verbs.elsewhere import Wish
from kube_lite.verbs.local import LocalClient

from .aggregation_availability import API_SERVICES, Availability, Local, is_managed, verdict_of
from .aggregation_backends import ENDPOINT_SLICES, SERVICES, Backends
from .aggregation_plan import (
    LOCAL,
    Extension,
    extension_of,
    group_version_of,
    path_of,
    priorities_of,
)
from .call import Call
from .respond import text_response

if TYPE_CHECKING:
    from .aggregation_link import Link
    from .aggregation_openapi import OpenApi

log = logging.getLogger(__name__)

WORKERS = 4
UNAVAILABLE = "service unavailable\n"


class Aggregation:
    """Service that lets other servers take part in this API.

    Args:
        client: with all rights.
        credentials: makes the certificate by which other servers know us.
        local: the APIServices of what this server serves itself.
    """

    name = "aggregation"

    def __init__(
        self,
        client: LocalClient,
        registry: Registry,
        authorizer: Authorizer,
        clock: Clock,
        credentials: Callable[[], Pair],
        local: Local,
    ) -> None:
        self._client = client
        self._registry = registry
        self._authorizer = authorizer
        self._clock = clock
        self._backends = Backends(client, credentials)
        self._availability = Availability(client, self._backends, clock, local, self._note_served)
        self._queue = self._availability.queue
        self._extensions: dict[GroupVersion, Extension] = {}
        self._priorities: dict[GroupVersion, tuple[int, int]] = {}
        self._told: dict[GroupVersion, tuple[Json, ...]] = {}
        self._table_changed = asyncio.Event()
        self._added: set[GroupVersion] = set()
        self._group: asyncio.TaskGroup | None = None
        self._follows_backends = False
        self._openapi: OpenApi | None = None

    async def run(self, ready: Callable[[], None]) -> None:
        """Serve until cancelled. Ready when all that was handed over before is known."""
        if self._registry.by_gvr(API_SERVICES) is None:  # a release without them
            ready()
            await asyncio.get_running_loop().create_future()
            return
        forget_registry = self._registry.on_change(self._table_changed.set)
        try:
            async with self._queue, asyncio.TaskGroup() as self._group:
                self._added = self._defined()
                revision = await self._load()
                ready()
                self._group.create_task(self._follow_table(), name="aggregation follows definitions")
                for number in range(WORKERS):
                    self._group.create_task(self._availability.work(), name=f"aggregation worker {number}")
                while True:
                    try:
                        await self._follow(revision)
                    except Expired:
                        log.debug("APIServices are listed again")
                    revision = await self._load()
        finally:
            forget_registry()
            self._group = None
            await self._backends.keep(())

    # Requests

    def find(self, path: str) -> Extension | None:
        """Who serves a path in our place; nobody does for nearly all."""
        if not self._extensions:
            return None
        parts = path.split("/", 4)
        if len(parts) > 3 and parts[1] == "apis":
            return self._extensions.get(GroupVersion(parts[2], parts[3]))
        if len(parts) > 2 and parts[1] == "api":
            return self._extensions.get(GroupVersion("", parts[2]))
        return None

    def serves(self, group_version: GroupVersion) -> bool:
        """Whether another server serves these."""
        return group_version in self._extensions

    async def serve(self, call: Call, extension: Extension) -> StreamResponse:
        """Pass on a request of somebody who may. Failures are told as text: they are no answers of an API.

        Raises:
            Timeout: nothing was answered for too long.
        """
        if not extension.is_available:
            return text_response(call, 503, UNAVAILABLE)
        try:
            address = await self._backends.address(extension.backend)
        except ApiError as error:
            log.info("no endpoint", extra={"api_service": extension.name, "why": error.message})
            return text_response(call, 503, UNAVAILABLE)
        try:
            return await self._backends.link(extension.backend).serve(call, address)
        except ApiError as error:
            return text_response(call, error.code, f"{error.message}\n")
        except TimeoutError as error:
            message = "Timeout: request did not complete within the allotted timeout"
            raise Timeout(message) from error

    async def ask(self, wish: Wish) -> Json:
        """What is answered to a component of this process."""
        from .aggregation_asking import ask

        extension, link, address = await self._reach(wish)
        return await ask(link, address, path_of(extension.group_version), wish)

    @asynccontextmanager
    async def watch(self, wish: Wish) -> AsyncIterator[AsyncIterator[Json]]:
        """What such a component is told of changes, for the length of the block."""
        from .aggregation_asking import watch

        extension, link, address = await self._reach(wish)
        async with watch(link, address, path_of(extension.group_version), wish) as events:
            yield events

    async def _reach(self, wish: Wish) -> "tuple[Extension, Link, Address]":
        from .aggregation_asking import authorize, unavailable

        authorize(self._authorizer, wish)
        extension = self._extensions.get(GroupVersion(wish.resource.group, wish.resource.version))
        if extension is None or not extension.is_available:
            raise unavailable()
        backend = extension.backend
        return extension, self._backends.link(backend), await self._backends.address(backend)

    # Documents

    @property
    def openapi(self) -> "OpenApi":
        """The documents of the others."""
        if self._openapi is None:
            from .aggregation_openapi import OpenApi

            self._openapi = OpenApi(self._servers, self._clock)
        return self._openapi

    async def _servers(self) -> "list[tuple[Extension, Link, Address]]":
        """Those that can be asked now."""
        found = []
        for extension in list(self._extensions.values()):
            if extension.is_available:
                try:
                    address = await self._backends.address(extension.backend)
                    found.append((extension, self._backends.link(extension.backend), address))
                except ApiError as error:
                    log.debug("not asked", extra={"api_service": extension.name, "why": error.message})
        return found

    def unavailable(self) -> dict[tuple[str, ...], float]:
        """1 for each APIService by name whose server does not answer, else 0."""
        found: dict[tuple[str, ...], float]
        found = {(f"{version}.{group}",): 0.0 for group, version in self._priorities}
        for extension in self._extensions.values():
            found[(extension.name,)] = 0.0 if extension.is_available else 1.0
        return found

    # Bookkeeping

    async def _load(self) -> str:
        page = await self._client.list(API_SERVICES)
        there = {group_version_of(service) for service in page.items}
        for group_version in [known for known in self._priorities if known not in there]:
            self._forget(group_version)
        for service in page.items:
            self._learn(service)
        self._publish()
        return page.resource_version

    async def _follow(self, revision: str) -> None:
        async with self._client.watch(API_SERVICES, resource_version=revision) as events:
            async for event in events:
                if event.type.value == "BOOKMARK":
                    continue
                if event.type.value == "DELETED":
                    self._forget(group_version_of(event.object))
                else:
                    self._learn(event.object)
                self._publish()

    async def _follow_table(self) -> None:
        """Look after the APIServices of groups that come and go with definitions."""
        while True:
            added = self._defined()
            lacking = {each for each in added if each not in self._priorities}
            for group, version in lacking | (self._added - added):
                self._queue.add(f"{version}.{group}")
            self._added = added
            self._table_changed.clear()
            await self._table_changed.wait()

    def _defined(self) -> set[GroupVersion]:
        """What CustomResourceDefinitions bring."""
        return {GroupVersion(row.group, row.version) for row in self._registry if row.definition}

    def _learn(self, service: Json) -> None:
        group_version, extension = group_version_of(service), extension_of(service)
        known = self._extensions.get(group_version)
        self._priorities[group_version] = priorities_of(service)
        if extension is None:
            self._drop(group_version)
            is_left = is_managed(service) and group_version not in self._added
            if is_left or verdict_of(service) != LOCAL:
                self._queue.add(service["metadata"]["name"])
            return
        self._extensions[group_version] = extension
        if known is None or known.backend != extension.backend:
            self._told.pop(group_version, None)
            self._queue.add(extension.name)
            self._follow_backends()

    def _forget(self, group_version: GroupVersion) -> None:
        self._priorities.pop(group_version, None)
        extension = self._drop(group_version)
        if extension is not None or group_version in self._added:
            self._queue.add(f"{group_version.version}.{group_version.group}")  # to make our own anew

    def _drop(self, group_version: GroupVersion) -> Extension | None:
        self._told.pop(group_version, None)
        return self._extensions.pop(group_version, None)

    def _publish(self) -> None:
        """Tell the registry, if it is not what it knows; end connections that nobody needs any more."""
        elsewhere = {
            extension.group_version: Elsewhere(
                self._told.get(extension.group_version, ()),
                extension.is_available and extension.group_version in self._told,
            )
            for extension in self._extensions.values()
        }
        is_reordered = bool(elsewhere) and self._priorities != self._registry.priorities
        if is_reordered or elsewhere != self._registry.elsewhere:
            self._registry.hand_over(elsewhere, dict(self._priorities))
        if self._group is not None:
            used = {extension.backend for extension in self._extensions.values()}
            self._group.create_task(self._backends.keep(used), name="aggregation closes connections")

    def _note_served(self, extension: Extension, entries: tuple[Json, ...]) -> None:
        current = self._extensions.get(extension.group_version)
        if current is not None and current.backend == extension.backend:
            self._told[extension.group_version] = entries
            self._publish()

    def _follow_backends(self) -> None:
        """From the first extension on, look at Services and their endpoints."""
        if self._follows_backends or self._group is None:
            return
        self._follows_backends = True
        for resource in (SERVICES, ENDPOINT_SLICES):
            task = self._follow_backend(resource)
            self._group.create_task(task, name=f"aggregation follows {resource.resource}")

    async def _follow_backend(self, resource: GroupVersionResource) -> None:
        while True:
            page = await self._client.list(resource, limit=1)
            for extension in self._extensions.values():
                self._queue.add(extension.name)
            try:
                async with self._client.watch(resource, resource_version=page.resource_version) as events:
                    async for event in events:
                        self._note(event.object["metadata"])
            except Expired:
                log.debug("listed again", extra={"resource": resource.resource})

    def _note(self, metadata: Json) -> None:
        """A Service or a slice of its endpoints has changed."""
        service = (metadata.get("labels") or {}).get(SERVICE_NAME)
        names = {metadata.get("name"), service}
        for extension in self._extensions.values():
            backend = extension.backend
            if backend.namespace == metadata.get("namespace") and backend.name in names:
                self._queue.add(extension.name)
