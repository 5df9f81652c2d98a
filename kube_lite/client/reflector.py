"""Follow one resource: list, then watch, for ever.

A reflector survives everything the server may do: a watch that ends is resumed after the last revision seen,
a revision that is too old leads to a new list, a failure to a new try after a growing delay. Whoever listens
is called synchronously, in the order of the server's events, and so always has a complete picture that was
true at some moment.
"""

import logging
from typing import NamedTuple, Protocol

from kube_lite.api.errors import ApiError, Expired, Gone
from kube_lite.api.identity import GroupVersionResource, Json
from kube_lite.kit.backoff import Backoff
from kube_lite.kit.clock import Clock

from .protocol import Client, EventType

log = logging.getLogger(__name__)

QUICK = (
    1.0  # a watch that ends sooner than this, in seconds, counts as a failure: it must not become a busy loop
)
PAGE = 200  # objects decoded at once


class Selection(NamedTuple):
    """Which objects: all of a resource, or those in a namespace that selectors let through."""

    resource: GroupVersionResource
    namespace: str = ""
    field_selector: str = ""
    label_selector: str = ""


class Listener(Protocol):
    """Who is told. Neither method may wait, nor change the objects."""

    def take(self, objects: list[Json], *, is_first: bool, is_last: bool) -> None:
        """A page of what there is now; what was known before and is on none of them has gone unnoticed.

        When a list breaks off, another begins with its first page.
        """
        ...

    def apply(self, event: EventType, obj: Json) -> None:
        """One object was added, modified or deleted."""
        ...


class Reflector:
    """Keeps a listener informed of a selection."""

    def __init__(self, client: Client, clock: Clock, selection: Selection, listener: Listener) -> None:
        self._client = client
        self._clock = clock
        self._selection = selection
        self._listener = listener
        self._backoff = Backoff(0.2, 30.0, jitter=0.5)
        self._resource_version = ""

    async def run(self) -> None:
        """Follow until cancelled."""
        while True:
            started = self._clock.monotonic()
            try:
                if not self._resource_version:
                    await self._list()
                await self._watch()
            except (Expired, Gone) as error:
                log.debug(
                    "watch fell behind", extra={"resource": str(self._selection.resource), "why": str(error)}
                )
                self._resource_version = ""
            except ApiError as error:
                log.warning(
                    "cannot follow resource",
                    extra={"resource": ".".join(self._selection.resource), "why": str(error)},
                )
                await self._clock.sleep(self._backoff.next())
                continue
            if self._clock.monotonic() - started < QUICK:
                await self._clock.sleep(self._backoff.next())
            else:
                self._backoff.forget()

    async def _list(self) -> None:
        selection, token, is_first = self._selection, "", True
        while token or is_first:
            items, version, token = await self._client.list(
                selection.resource,
                namespace=selection.namespace,
                field_selector=selection.field_selector,
                label_selector=selection.label_selector,
                limit=PAGE,
                continue_token=token,
            )
            self._listener.take(items, is_first=is_first, is_last=not token)
            del items  # before the next page is made
            is_first = False
        self._resource_version = version

    async def _watch(self) -> None:
        selection = self._selection
        listener = self._listener
        async with self._client.watch(
            selection.resource,
            namespace=selection.namespace,
            field_selector=selection.field_selector,
            label_selector=selection.label_selector,
            resource_version=self._resource_version,
        ) as events:
            async for event, obj in events:
                if event is not EventType.BOOKMARK:
                    listener.apply(event, obj)
                self._resource_version = obj["metadata"]["resourceVersion"]
