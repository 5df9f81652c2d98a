"""One informer per selection, shared by all who ask for it, and all of them run by one service.

An informer that is asked for before the service runs starts with it; one asked for later starts at once.
"""

import asyncio
from collections.abc import Callable

from kube_lite.api.identity import GroupVersionResource
from kube_lite.kit.clock import Clock

from .informer import Informer
from .protocol import Client
from .reflector import Selection


class Informers:
    """Service that keeps every informer fresh that somebody has asked for."""

    name = "informers"

    def __init__(self, client: Client, clock: Clock) -> None:
        self._client = client
        self._clock = clock
        self._informers: dict[Selection, Informer] = {}
        self._group: asyncio.TaskGroup | None = None

    def informer(
        self,
        resource: GroupVersionResource,
        namespace: str = "",
        field_selector: str = "",
        label_selector: str = "",
    ) -> Informer:
        """The shared informer of that selection; ``await informer.synced()`` before relying on it."""
        selection = Selection(resource, namespace, field_selector, label_selector)
        informer = self._informers.get(selection)
        if informer is None:
            informer = self._informers[selection] = Informer(self._client, self._clock, selection)
            if self._group is not None:
                self._start(self._group, informer)
        return informer

    async def run(self, ready: Callable[[], None]) -> None:
        """Keep informers fresh until cancelled; ready once they are started, which is before they synced."""
        try:
            async with asyncio.TaskGroup() as group:
                self._group = group
                for informer in self._informers.values():
                    self._start(group, informer)
                ready()
                await asyncio.Event().wait()  # until cancelled, even while nobody wants an informer
        finally:
            self._group = None

    async def synced(self) -> None:
        """Wait until every informer asked for so far has synced."""
        for informer in list(self._informers.values()):
            await informer.synced()

    def _start(self, group: asyncio.TaskGroup, informer: Informer) -> None:
        group.create_task(informer.run(), name=f"informer {informer.resource.resource}")
        group.create_task(informer.encode_unused(), name=f"encoding unused {informer.resource.resource}")
