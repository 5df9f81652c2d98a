"""Who must hear when a config map or secret changes.

The objects themselves are read when they are needed; all that is kept here is who asked for what. Changes
come from one watch per resource, which begins with the first pod that refers to such an object.
"""

import asyncio
import logging
from collections.abc import Callable, Iterable

from kube_lite.api.errors import ApiError
from kube_lite.api.identity import GroupVersionResource, Json
from kube_lite.client.protocol import Client
from kube_lite.kit.clock import Clock

from .environment import Reference, references
from .payloads import volume_references
from .plan import members
from .volumes import RESOURCES

log = logging.getLogger(__name__)
PAUSE = 1.0  # between watches that end at once, so that a broken server is not asked in a tight loop


class Referrers:
    """Which pods refer to what. Example: ``{("configmap", "default", "conf"): {"uid-1", "uid-2"}}``."""

    def __init__(self, client: Client, clock: Clock, changed: Callable[[str], None]) -> None:
        self._client = client
        self._clock = clock
        self._changed = changed
        self._pods: dict[tuple[str, str, str], set[str]] = {}
        self._needed = {kind: asyncio.Event() for kind in RESOURCES}

    def add(self, pod: Json) -> None:
        """Tell this pod of changes from now on."""
        for key in _keys(pod):
            self._pods.setdefault(key, set()).add(pod["metadata"]["uid"])
            self._needed[key[0]].set()

    def remove(self, pod: Json) -> None:
        """The pod is gone."""
        for key in _keys(pod):
            uids = self._pods.get(key)
            if uids is not None:
                uids.discard(pod["metadata"]["uid"])
                if not uids:
                    del self._pods[key]

    async def run(self) -> None:
        """Watch until cancelled."""
        async with asyncio.TaskGroup() as group:
            for kind, resource in RESOURCES.items():
                group.create_task(self._follow(kind, resource))

    async def _follow(self, kind: str, resource: GroupVersionResource) -> None:
        await self._needed[kind].wait()
        while True:
            try:
                await self._watch(kind, resource)
            except ApiError as error:
                log.debug("watch ended", extra={"resource": resource.resource, "why": error.message})
            await self._clock.sleep(PAUSE)

    async def _watch(self, kind: str, resource: GroupVersionResource) -> None:
        begin = (await self._client.list(resource, limit=1)).resource_version
        self._tell(uid for key, uids in self._pods.items() if key[0] == kind for uid in uids)
        async with self._client.watch(resource, resource_version=begin) as events:
            async for event in events:
                metadata = event.object["metadata"]
                key = (kind, metadata.get("namespace", ""), metadata.get("name", ""))
                self._tell(self._pods.get(key, ()))

    def _tell(self, uids: Iterable[str]) -> None:
        for uid in list(uids):
            self._changed(uid)


def _keys(pod: Json) -> set[tuple[str, str, str]]:
    namespace = pod["metadata"]["namespace"]
    found: set[Reference] = volume_references(pod)
    for member in members(pod):
        found |= references(member.spec)
    return {(reference.kind, namespace, reference.name) for reference in found}
