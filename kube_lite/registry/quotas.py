"""What is used of a ResourceQuota, written as something is about to use more of it.

The controller of quotas counts what is there, but only afterwards. So whoever lets something in notes its use
first, and of two who do so at once one sees what the other noted. What was noted for something that then was
refused after all is corrected when the controller counts next.
"""

from collections.abc import Callable
from functools import cache

from kube_lite.api.identity import GroupResource, Json, ObjectKey
from kube_lite.api.resource import Resource

from .objects import Objects
from .patching import change_object
from .stored import Stored

QUOTAS = GroupResource("", "resourcequotas")


async def note_use(objects: Objects, key: ObjectKey, plan: Callable[[Json], dict[str, str] | None]) -> None:
    """Write what is used of a quota from now on.

    Args:
        plan: the quota as it is now → ``status.used``, None when nothing changes; raises to refuse.
    """

    async def change(stored: Stored) -> Json:
        quota = stored.object
        used = plan(quota)
        if used is None:
            return quota
        return {**quota, "status": {**(quota.get("status") or {}), "used": used}}

    await change_object(objects, _row(), key, change)


@cache
def _row() -> Resource:
    from kube_lite.kinds.quotas import RESOURCE_QUOTA  # the table of all kinds imports what is below it

    return RESOURCE_QUOTA.resource("", "v1", "1.36")
