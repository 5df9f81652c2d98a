"""The end of a CustomResourceDefinition: its objects go first, as any client would delete them.

What is going on is told in the condition ``Terminating``. Finalizers may hold objects for long; when the
last is gone the definition's own finalizer is taken off, and with it, usually, the definition goes.
Source: ``apiextensions-apiserver/pkg/controller/finalizer``.
"""

from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import TYPE_CHECKING

from kube_lite.api.errors import ApiError, NotFound
from kube_lite.api.identity import GroupResource, Json, ObjectKey
from kube_lite.api.resource import Resource
from kube_lite.auth.user import User
from kube_lite.registry import keys
from kube_lite.registry.patching import change_object
from kube_lite.registry.stored import Stored

from .deleting import DeletingVerbs
from .parts import Parts
from .request import Request

if TYPE_CHECKING:
    from kube_lite.kinds.outlines import Outline

FIRST_LOOK = 0.005  # seconds after which to see whether objects that were deleted are gone; doubles each time
LAST_LOOK = 1.0
PATIENCE = 60.0  # seconds after which the status tells that objects do not go

WriteStatus = Callable[[str, Callable[[Json], Json]], Awaitable[None]]
"""Name of a definition, and what its status becomes."""


class Emptying:
    """Lets definitions go.

    Args:
        definitions: the row of definitions.
        user: as whom objects are deleted.
    """

    def __init__(
        self,
        parts: Parts,
        deleting: DeletingVerbs,
        definitions: Resource,
        user: User,
        write_status: WriteStatus,
    ) -> None:
        self._parts = parts
        self._deleting = deleting
        self._row = definitions
        self._user = user
        self._write_status = write_status

    async def empty(self, outline: "Outline", row: Resource | None) -> bool:
        """Let the objects of a definition go, then the definition; False if that has to be tried again.

        Args:
            row: of the version that is stored, which needs no webhook; None where none was ever served.
        """
        from kube_lite.kinds import definition_status as status

        name = outline.name
        with suppress(NotFound):  # somebody else has taken the finalizer off
            try:
                await self._tell(name, status.IN_PROGRESS)
                if row is None:
                    await self._release(name, status.NEVER_SERVED)
                    return True
                await self._delete_objects(row)
                if not await self._are_gone(row.group_resource):
                    await self._tell(name, status.UNCONFIRMED)
                    return False
                await self._release(name, status.COMPLETED)
            except NotFound:
                raise
            except ApiError as error:
                why = f"could not issue all deletes: {error.message}"
                await self._tell(name, ("InstanceDeletionFailed", why))
                return False
        return True

    async def _tell(self, name: str, why: tuple[str, str]) -> None:
        from kube_lite.kinds.definition_status import terminating

        now = self._parts.clock.now
        await self._write_status(name, lambda definition: terminating(definition, why, now()))

    async def _delete_objects(self, row: Resource) -> None:
        for namespace in self._namespaces_of(row):
            request = Request("deletecollection", row, self._user, namespace, user_agent="kube-apiserver")
            await self._deleting.delete_collection(request)

    def _namespaces_of(self, row: Resource) -> list[str]:
        """Where objects are; for those without a namespace the empty name, if there are any."""
        page = self._parts.objects.store.list(keys.storage_range(row.group_resource), parts="headers")
        return list(dict.fromkeys(Stored(b"", 0, item.header).facts.namespace for item in page.items))

    async def _are_gone(self, resource: GroupResource) -> bool:
        """Wait for the last object; False if it takes too long."""
        span, clock = keys.storage_range(resource), self._parts.clock
        deadline, pause = clock.monotonic() + PATIENCE, FIRST_LOOK
        while self._parts.objects.store.count(span):
            if clock.monotonic() >= deadline:
                return False
            await clock.sleep(pause)
            pause = min(pause * 2, LAST_LOOK)
        return True

    async def _release(self, name: str, why: tuple[str, str]) -> None:
        """Say how it ended, and take the finalizer off: if it was the last, the definition goes with it."""
        from kube_lite.kinds.definition_status import terminating
        from kube_lite.kinds.outlines import CLEANUP

        async def released(old: Stored) -> Json:
            definition = old.object
            left = [finalizer for finalizer in definition["metadata"]["finalizers"] if finalizer != CLEANUP]
            ended = terminating(definition, why, self._parts.clock.now(), goes_on=False)
            return {**definition, "metadata": {**definition["metadata"], "finalizers": left}, "status": ended}

        await change_object(self._parts.objects, self._row, ObjectKey("", name), released)
