"""Parts of the API server that look after objects of its own, for which nobody has to wait.

They begin when everything else is ready: what they import and write would otherwise be a sixth of a start.
"""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING

from kube_lite.api.resource import Registry
from kube_lite.auth.service_accounts import TokenIssuer
from kube_lite.kit.clock import Clock
from kube_lite.kit.service import running
from kube_lite.verbs.local import LocalClient

if TYPE_CHECKING:
    from kube_lite.client.informers import Informers

TRACKING_SINCE = 27  # the minor release that first noted by default when tokens without end are used


class Housekeeping:
    """Service that runs those parts whose kinds the release serves.

    Args:
        informers: starts the shared ones, if nobody has yet, and has the stack stop them.
        issuer: tells of the uses of tokens.
        version: the release.
        service_cidr: the range of Service addresses that the server was started with.
    """

    name = "housekeeping"

    def __init__(
        self,
        client: LocalClient,
        informers: Callable[[AsyncExitStack], "Awaitable[Informers]"],
        registry: Registry,
        clock: Clock,
        issuer: TokenIssuer,
        version: str,
        service_cidr: str,
    ) -> None:
        self._service_cidr = service_cidr
        self._client = client
        self._issuer = issuer
        self._minor = int(version.split(".")[1])
        self._informers = informers
        self._registry = registry
        self._clock = clock

    async def run(self, ready: Callable[[], None]) -> None:
        """Work until cancelled; ready before anything is done."""
        ready()
        await asyncio.sleep(0)  # who was told goes first
        from kube_lite.controllers.flow_control import LEVELS, PRODUCER, FlowControl
        from kube_lite.controllers.resources import IP_ADDRESSES

        async with AsyncExitStack() as stack:
            if self._registry.by_gvr(LEVELS) is not None:
                producer = self._client.called(PRODUCER)
                levels = FlowControl(producer, await self._informers(stack), self._clock)
                await stack.enter_async_context(running(levels))
            if self._registry.by_gvr(IP_ADDRESSES) is not None:
                await self._start_addresses(stack)
            if self._minor >= TRACKING_SINCE:
                from kube_lite.controllers.token_tracking import TokenTracking

                informers, follow = await self._informers(stack), self._issuer.tell_of_uses
                tracking = TokenTracking(self._client, informers, self._clock, follow)
                await stack.enter_async_context(running(tracking))
            await asyncio.Event().wait()

    async def _start_addresses(self, stack: AsyncExitStack) -> None:
        from kube_lite.client.recorder import Recorder
        from kube_lite.controllers.service_cidrs import DefaultServiceCIDR
        from kube_lite.controllers.service_ips import ServiceIPs

        client, informers, clock = self._client, await self._informers(stack), self._clock
        recorder = Recorder(client, clock, "kube-apiserver")
        for service in (
            recorder,
            ServiceIPs(client, informers, clock, recorder),
            DefaultServiceCIDR(client, informers, clock, recorder, self._service_cidr),
        ):
            await stack.enter_async_context(running(service))
