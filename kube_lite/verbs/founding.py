"""What is there from the start: many objects in one transaction.

They are a release's own facts, so nobody has to be asked whether they are in order; otherwise each is made as
a creation makes it, defaults, identity and owners of fields included. Written one by one through the pipeline
they would take longer than everything else that a start does.
"""

from collections.abc import Iterable

from kube_lite.api.identity import GroupResource, GroupVersionResource, Json, ObjectKey, key_of
from kube_lite.api.resource import Resource
from kube_lite.auth.user import MASTERS, User

from . import metadata as meta
from . import owning
from .options import WriteOptions
from .parts import Parts
from .request import Request

OURSELVES = User("system:apiserver", groups=(MASTERS,))


async def found(
    parts: Parts, manager: str, objects: Iterable[tuple[GroupVersionResource, Json]]
) -> list[tuple[Json, Json]]:
    """Make the objects that are missing, of the kinds that are served.

    Args:
        manager: who owns their fields.
        objects: complete but for what the server fills in, in the version that is stored, and of kinds of
            which there are few; not changed.

    Returns:
        of the others, what was planned and what is there (shared).
    """
    options = WriteOptions(manager=manager)
    missing: list[tuple[Resource, Json]] = []
    there: list[tuple[Json, Json]] = []
    known: dict[GroupResource, dict[ObjectKey, Json]] = {}
    for name, obj in objects:
        resource = parts.registry.by_gvr(name)
        if resource is None:
            continue
        group_resource = resource.group_resource
        if group_resource not in known:
            known[group_resource] = {key_of(stored): stored for stored in parts.objects.all(group_resource)}
        stored = known[group_resource].get(key_of(obj))
        if stored is None:
            missing.append((resource, _made(parts, Request("create", resource, OURSELVES), obj, options)))
        else:
            there.append((obj, stored))
    if missing:
        await parts.objects.create_all(missing)
    return there


def _made(parts: Parts, request: Request, obj: Json, options: WriteOptions) -> Json:
    obj = {**obj, "metadata": dict(obj["metadata"])}
    strategy = request.resource.strategy
    strategy.default(obj)
    owners = owning.record(parts, request, obj, None, options)
    meta.begin(obj, parts.clock.now(), parts.source, counts_generations=strategy.has_generation)
    owning.put(obj, owners)
    status = obj.get("status")
    strategy.prepare_for_create(obj)
    return {**obj, "status": status} if status else obj
