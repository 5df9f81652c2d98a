"""Change an object that others may change too: read, work out the next version, write, again on conflict.

How the next version comes about (a patch, a new status, a binding) is the caller's; it is asked anew for
every version it would have to follow. A next version that says the same as the last is not written. What was
written lately is followed without a look into the store, which refuses the write if that was not the last; to
make sure, one looks when nothing is written.
"""

from collections.abc import Awaitable, Callable
from functools import partial

from kube_lite.api.errors import ApiError, Conflict
from kube_lite.api.identity import Json, ObjectKey
from kube_lite.api.resource import Resource

from .deleting import goes_with_update
from .objects import NOTHING_ELSE, Also, Objects
from .stored import Stored, made_up

ATTEMPTS = 50  # losing as many races in a row means that somebody writes without pause

Change = Callable[[Stored], Awaitable[Json]]
Accompany = Callable[[Json | None, Json], Also]
"""The next version (None when the object goes) and the current one → what is written with it."""


def nothing_else(_new: Json | None, _old: Json) -> Also:
    """For kinds whose updates touch nothing but the object."""
    return NOTHING_ELSE


async def change_object(
    objects: Objects,
    resource: Resource,
    key: ObjectKey,
    change: Change,
    *,
    accompany: Accompany = nothing_else,
    dry_run: bool = False,
    retry: bool = True,
) -> Stored:
    """Write what ``change`` makes of the current version.

    Args:
        change: current version → the next, a private dict; raises what stands against it.
        accompany: what is written with it.
        retry: follow a newer version when a race was lost; False tells the loser.

    Returns:
        the version that is now stored; the old one if nothing changed. An object whose last finalizer was
        taken off while it was being deleted is gone: then its last state.

    Raises:
        NotFound, Conflict, and what ``change`` raises.
    """
    for attempt in range(ATTEMPTS):
        find = objects.get if attempt else objects.newest
        old = await objects.resolved(partial(find, resource, key))
        try:
            new = await change(old)
        except ApiError:
            if objects.is_newest(resource, old):
                raise
            continue
        new["metadata"]["resourceVersion"] = old.resource_version
        if dry_run or (new == old.object and not await objects.is_written_anew(resource, old, new)):
            if objects.is_newest(resource, old):
                return made_up(new, old.revision) if dry_run and new != old.object else old
            continue
        try:
            if goes_with_update(new, old.object):
                await objects.remove(resource, old, accompany(None, old.object))
                return made_up(new, old.revision)
            return await objects.replace(resource, old, new, accompany(new, old.object))
        except Conflict:
            if not retry or attempt == ATTEMPTS - 1:
                raise
    raise AssertionError("unreachable: the last attempt returns or raises")
