"""What is there from the start: many objects in one transaction.

They are a release's own facts, so nobody has to be asked whether they are in order; otherwise each is made as
a creation makes it, defaults, identity and owners of fields included. Written one by one through the pipeline
they would take longer than everything else that a start does.

Clusters of one process differ in them by identities and times alone. So their bytes are remembered, and the
next cluster has its own put in their places.
"""

from collections.abc import Iterable
from typing import NamedTuple

import orjson

from kube_lite.api.identity import GroupResource, GroupVersionResource, Json, ObjectKey, key_of
from kube_lite.api.resource import Resource
from kube_lite.api.strategy import Strategy
from kube_lite.api.times import format_time
from kube_lite.auth.user import MASTERS, User
from kube_lite.registry.objects import encode_object
from kube_lite.registry.stored import Encoded

from . import metadata as meta
from . import owning
from .options import WriteOptions
from .parts import Parts
from .request import Request

OURSELVES = User("system:apiserver", groups=(MASTERS,))
REMEMBERED = 1024  # objects; a release has 170
NO_TIME = b"0000-00-00T00:00:00Z"


class Template(NamedTuple):
    """An object that was made before: its bytes, and what in them is not the same the next time."""

    value: bytes
    header: bytes
    splice: int
    uid: bytes
    time: bytes

    def filled(self, uid: str, time: bytes) -> Encoded:
        """The same object with another identity, made at another time; both take as much room as before."""
        value = self.value.replace(self.uid, uid.encode()).replace(self.time, time)
        return Encoded(value, self.header, self.splice, {})


_templates: dict[tuple[Strategy, str, bytes], Template] = {}
"""What is to be made, of which kind of which release and for whom → what came of it."""


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
    missing: list[tuple[Resource, ObjectKey, Encoded]] = []
    there: list[tuple[Json, Json]] = []
    known: dict[GroupResource, dict[ObjectKey, Json]] = {}
    for name, obj in objects:
        resource = parts.registry.by_gvr(name)
        if resource is None:
            continue
        group_resource = resource.group_resource
        if group_resource not in known:
            known[group_resource] = {key_of(stored): stored for stored in parts.objects.all(group_resource)}
        key = key_of(obj)
        stored = known[group_resource].get(key)
        if stored is None:
            missing.append((resource, key, _encoded(parts, resource, obj, options)))
        else:
            there.append((obj, stored))
    if missing:
        await parts.objects.create_all(missing)
    return there


def _encoded(parts: Parts, resource: Resource, obj: Json, options: WriteOptions) -> Encoded:
    now = format_time(parts.clock.now()).encode()
    known = resource.strategy, options.manager, orjson.dumps(obj).replace(now, NO_TIME)
    template = _templates.get(known)
    if template is not None:
        return template.filled(meta.random_uid(parts.source), now)
    made = _made(parts, Request("create", resource, OURSELVES), obj, options)
    uid, first = made["metadata"]["uid"].encode(), encode_object(resource, made)
    if format_time(parts.clock.now()).encode() == now:  # else it may have two times
        if len(_templates) >= REMEMBERED:
            _templates.clear()
        _templates[known] = Template(first.value, first.header, first.splice, uid, now)
    return first


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
