"""A client whose server is a script: what it lists, and what each watch in turn tells."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

from kube_lite.api.errors import ApiError
from kube_lite.api.identity import GroupVersionResource, Json
from kube_lite.client.protocol import EventType, ObjectList, WatchEvent

CONFIG_MAPS = GroupVersionResource("", "v1", "configmaps")


def config_map(name: str, version: int, *, uid: str = "", value: str = "") -> Json:
    metadata = {"name": name, "namespace": "default", "uid": uid or name, "resourceVersion": str(version)}
    return {"metadata": metadata, "data": {"value": value}}


def event(kind: EventType, obj: Json) -> WatchEvent:
    return WatchEvent(kind, obj)


class ScriptedClient:
    """Answers lists and watches from a script; a watch whose script is at its end waits for ever.

    A script is a sequence of events and errors: an error is raised where it stands, None ends the stream, an
    ``asyncio.Event`` is waited for.
    """

    def __init__(
        self,
        lists: Sequence[ObjectList | ApiError],
        watches: Sequence[Sequence[WatchEvent | ApiError | asyncio.Event | None]],
    ) -> None:
        self.lists = list(lists)
        self.watches = [list(script) for script in watches]
        self.asked: list[str] = []

    async def list(self, resource: GroupVersionResource, **_: Any) -> ObjectList:
        self.asked.append("list")
        answer = self.lists.pop(0)
        if isinstance(answer, ApiError):
            raise answer
        return answer

    @asynccontextmanager
    async def watch(
        self, resource: GroupVersionResource, *, resource_version: str = "", **_: Any
    ) -> AsyncIterator[AsyncIterator[WatchEvent]]:
        self.asked.append(f"watch {resource_version}")
        yield self._events()

    async def _events(self) -> AsyncIterator[WatchEvent]:

        for item in self.watches.pop(0) if self.watches else ():
            if isinstance(item, ApiError):
                raise item
            if item is None:
                return
            if isinstance(item, asyncio.Event):
                await item.wait()
                continue
            yield item
        await asyncio.Event().wait()
