"""What is there from the start: many objects in one transaction.

They are a release's own facts, so nobody has to be asked whether they are in order; otherwise each is made as
a creation makes it, defaults, identity and owners of fields included. Written one by one through the pipeline
they would take longer than everything else that a start does.

Clusters of one process differ in them by identities and times alone. So their bytes are remembered, and the
next cluster has its own put in their places.
"""

from collections.abc import Collection, Iterable
from typing import NamedTuple

import orjson

from kube_lite.api.errors import AlreadyExists
from kube_lite.api.identity import GroupResource, GroupVersionResource, Json, ObjectKey, key_of
from kube_lite.api.resource import Resource
from kube_lite.api.strategy import Strategy
from kube_lite.api.times import format_time
from kube_lite.auth.user import MASTERS, User
from kube_lite.registry.allocators import together
from kube_lite.registry.objects import NOTHING_ELSE, Also, encode_object
from kube_lite.registry.stored import Encoded

from . import metadata as meta
from . import owning
from .options import WriteOptions
from .parts import Parts
from .request import Request

OURSELVES = User("system:apiserver", groups=(MASTERS,))
ATTEMPTS = 5
REMEMBERED = 1024  # objects; a release has 170
EMPTY_REVISION = 1  # of a store in which nothing has ever been
SERVICES = GroupResource("", "services")
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
    parts: Parts,
    manager: str,
    objects: Iterable[tuple[GroupVersionResource, Json]],
    *,
    judged: Collection[GroupVersionResource] = (),
) -> list[tuple[Json, Json]]:
    """Make the objects that are missing, of the kinds that are served.

    Args:
        manager: who owns their fields.
        objects: complete but for what the server fills in, in the version that is stored; not changed.
        judged: kinds whose status is told by whoever looks at them once they are there, and is his.

    Returns:
        of the others, what was planned and what is there (shared).

    Raises:
        Invalid: somebody else has the address of a Service.
    """
    options, planned = WriteOptions(manager=manager), list(objects)
    before = parts.objects.store.revision
    for attempt in range(ATTEMPTS):
        plan = _plan(parts, planned, options, judged)
        try:
            await parts.objects.create_all(plan.missing, plan.claims)
            break
        except AlreadyExists:  # somebody was faster
            if attempt == ATTEMPTS - 1:
                raise
    if before <= EMPTY_REVISION and plan.missing:
        parts.watching.oldest = before + 1
    return plan.there


class Plan(NamedTuple):
    """What is to be made, what that claims beside itself, and what is there: as planned, and as found."""

    missing: list[tuple[Resource, ObjectKey, Encoded]]
    claims: Also
    there: list[tuple[Json, Json]]


def _plan(
    parts: Parts,
    objects: Iterable[tuple[GroupVersionResource, Json]],
    options: WriteOptions,
    judged: Collection[GroupVersionResource],
) -> Plan:
    plan = Plan([], NOTHING_ELSE, [])
    for name, obj in objects:
        resource = parts.registry.by_gvr(name)
        if resource is None:
            continue
        key = key_of(obj)
        found = parts.objects.peek(resource.group_resource, key)
        if found is not None:
            plan.there.append((obj, found))
        elif resource.group_resource == SERVICES:
            service = _made(parts, resource, obj, options)
            parts.addresses.complete(service, None)
            plan = plan._replace(claims=together(plan.claims, parts.addresses.changes(service, None)))
            plan.missing.append((resource, key, encode_object(resource, service)))
        else:
            encoded = _encoded(parts, resource, obj, options, is_judged=name in judged)
            plan.missing.append((resource, key, encoded))
    return plan


def _encoded(
    parts: Parts, resource: Resource, obj: Json, options: WriteOptions, *, is_judged: bool
) -> Encoded:
    now = format_time(parts.clock.now()).encode()
    known = resource.strategy, options.manager, orjson.dumps(obj).replace(now, NO_TIME)
    template = _templates.get(known)
    if template is not None:
        return template.filled(meta.random_uid(parts.source), now)
    made = _made(parts, resource, obj, options)
    if is_judged:
        status = {name: obj[name] for name in ("kind", "apiVersion", "status")}
        request = Request("update", resource, OURSELVES, subresource="status")
        made["metadata"]["managedFields"] += owning.record(
            parts, request, {**status, "metadata": {}}, None, options
        )
    uid, first = made["metadata"]["uid"].encode(), encode_object(resource, made)
    if format_time(parts.clock.now()).encode() == now:  # else it may have two times
        if len(_templates) >= REMEMBERED:
            _templates.clear()
        _templates[known] = Template(first.value, first.header, first.splice, uid, now)
    return first


def _made(parts: Parts, resource: Resource, obj: Json, options: WriteOptions) -> Json:
    obj = {**obj, "metadata": dict(obj["metadata"])}
    if resource.group_resource == SERVICES:
        obj["spec"] = dict(obj["spec"])  # gets its address
    strategy = resource.strategy
    strategy.default(obj)
    owners = owning.record(parts, Request("create", resource, OURSELVES), obj, None, options)
    meta.begin(obj, parts.clock.now(), parts.source, counts_generations=strategy.has_generation)
    owning.put(obj, owners)
    status = obj.get("status")
    strategy.prepare_for_create(obj)
    return {**obj, "status": status} if status else obj
