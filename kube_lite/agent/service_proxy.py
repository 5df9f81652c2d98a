"""Keep the addresses of Services reachable: from the informers to whatever this host translates with.

Each change of a Service or of one of its slices marks that Service; the servers of marked ones are planned
anew and the backend is given the whole. While it works further changes gather, so a burst costs two or
three rounds, and a single change none of the delay that a timer would add: from an endpoint's readiness to
the kernel's rules it takes some ten milliseconds.
"""

import asyncio
import logging
from collections.abc import Callable

from kube_lite_runtime.errors import NotSupported
from kube_lite_runtime.network.services import ProxyBackend, VirtualServer

from kube_lite.api.identity import GroupVersionResource, Json, ObjectKey, key_of
from kube_lite.client.informers import Informers
from kube_lite.client.protocol import EventType
from kube_lite.kit.clock import Clock

from .service_rules import owner_of, plan_servers

log = logging.getLogger(__name__)

SERVICES = GroupVersionResource("", "v1", "services")
ENDPOINT_SLICES = GroupVersionResource("discovery.k8s.io", "v1", "endpointslices")
SERVICE_CIDRS = GroupVersionResource("networking.k8s.io", "v1", "servicecidrs")
BY_SERVICE = "service proxy: by service"
RETRY_SECONDS = 1.0


class ServiceProxy:
    """Service that spreads connections to Service addresses over ready endpoints.

    With ``has_ranges`` there are ServiceCIDRs, and the backend is told of them.

    Ready once everything that is there already is reachable. ``NotSupported`` when the backend fails at once;
    when it fails later, what was reachable stays so and it is tried again.
    """

    name = "service proxy"

    def __init__(
        self, informers: Informers, backend: ProxyBackend, clock: Clock, *, has_ranges: bool = False
    ) -> None:
        self._ranges = informers.informer(SERVICE_CIDRS) if has_ranges else None
        self._covered: list[str] | None = None
        self._services = informers.informer(SERVICES)
        self._slices = informers.informer(ENDPOINT_SLICES)
        self._backend = backend
        self._clock = clock
        self._servers: dict[ObjectKey, tuple[VirtualServer, ...]] = {}
        self._marked: set[ObjectKey] = set()
        self._changed = asyncio.Event()
        self.applied: tuple[VirtualServer, ...] | None = None
        """What is reachable now; None before the first time."""

    @property
    def limits(self) -> str:
        """What this host keeps us from, in words; empty when all Services are reachable as they should be."""
        return self._backend.limits

    async def run(self, ready: Callable[[], None]) -> None:
        """Serve until cancelled."""
        self._slices.add_index(BY_SERVICE, lambda endpoint_slice: filter(None, [owner_of(endpoint_slice)]))
        self._services.add_handler(self._service_changed)
        self._slices.add_handler(self._slice_changed)
        if self._ranges is not None:
            self._ranges.add_handler(lambda *_: self._changed.set())
            await self._ranges.synced()
        await self._services.synced()
        await self._slices.synced()
        async with self._backend:
            await self._apply()
            ready()
            while True:
                await self._changed.wait()
                try:
                    await self._apply()
                except NotSupported as error:
                    log.error("service addresses are not up to date", extra={"error": str(error)})
                    await self._clock.sleep(RETRY_SECONDS)
                    self._changed.set()

    async def _apply(self) -> None:
        self._changed.clear()
        self._plan_marked()
        ranges = self._wanted_ranges()
        servers = tuple(server for key in sorted(self._servers) for server in self._servers[key])
        has_news = ranges != self._covered
        if has_news:
            await self._backend.cover(ranges)
            self._covered = ranges
        if has_news or servers != self.applied:
            await self._backend.apply(servers)
            self.applied = servers
            log.debug("service addresses applied", extra={"servers": len(servers)})

    def _wanted_ranges(self) -> list[str]:
        """All there are, also those about to go: Services may still have addresses of them."""
        found = self._ranges.list() if self._ranges is not None else ()
        return sorted({text for one in found for text in one["spec"].get("cidrs") or () if ":" not in text})

    def _plan_marked(self) -> None:
        marked, self._marked = self._marked, set()
        for key in marked:
            service = self._services.get(key)
            planned = plan_servers(service, self._slices.by_index(BY_SERVICE, str(key))) if service else ()
            if planned:
                self._servers[key] = planned
            else:
                self._servers.pop(key, None)

    def _service_changed(self, event: EventType, old: Json | None, new: Json | None) -> None:
        self._mark(key_of(new or old or {}))

    def _slice_changed(self, event: EventType, old: Json | None, new: Json | None) -> None:
        for endpoint_slice in (old, new):
            owner = owner_of(endpoint_slice) if endpoint_slice else None
            if owner is not None:
                self._mark(ObjectKey(*owner.split("/", 1)))

    def _mark(self, key: ObjectKey) -> None:
        self._marked.add(key)
        self._changed.set()
