"""Services behind which other servers are: their endpoints, and the connections to them."""

import random
from collections.abc import Callable, Container
from typing import TYPE_CHECKING

from kube_lite.api.errors import NotFound
from kube_lite.api.identity import GroupVersionResource, Json
from kube_lite.api.service_addresses import SERVICE_NAME, Address
from kube_lite.kit.pki import Pair
from kube_lite.verbs.local import LocalClient

from .aggregation_plan import Backend, addresses_of

if TYPE_CHECKING:
    from .aggregation_link import Link

SERVICES = GroupVersionResource("", "v1", "services")
ENDPOINT_SLICES = GroupVersionResource("discovery.k8s.io", "v1", "endpointslices")


class Backends:
    """Finds them, and holds the connections.

    Args:
        client: with all rights.
        credentials: makes the certificate by which other servers know us.
    """

    def __init__(self, client: LocalClient, credentials: Callable[[], Pair]) -> None:
        self._client = client
        self._credentials = credentials
        self._links: dict[Backend, Link] = {}
        self.source = random.Random()

    async def look(self, backend: Backend) -> tuple[Json | None, list[Json]]:
        """A Service, or None, and its EndpointSlices."""
        try:
            service = await self._client.get(SERVICES, backend.name, namespace=backend.namespace)
        except NotFound:
            return None, []
        selector = f"{SERVICE_NAME}={backend.name}"
        page = await self._client.list(ENDPOINT_SLICES, namespace=backend.namespace, label_selector=selector)
        return service, page.items

    async def address(self, backend: Backend) -> Address:
        """One of its endpoints. Raises ``ServiceUnavailable`` where there is none."""
        service, slices = await self.look(backend)
        return addresses_of(backend, service, slices, self.source)[0]

    def link(self, backend: Backend) -> "Link":
        """The connections to it. Raises ``BadBundle``."""
        link = self._links.get(backend)
        if link is None:
            from .aggregation_link import Link  # needs the HTTP client, which start-up does without

            link = self._links[backend] = Link(backend, self._credentials())
        return link

    async def keep(self, used: Container[Backend]) -> None:
        """Close the connections to all others."""
        for backend in [known for known in self._links if known not in used]:
            link = self._links.pop(backend, None)
            if link is not None:
                await link.close()
