"""Empty a namespace that is being deleted, then let it go.

Pods go first: they may still write when what they depend on is gone. When none is left everything else is
deleted, and when nothing is left the namespace loses the finalizer ``kubernetes`` and with it its life. While
something remains (it has finalizers, or a grace period), the conditions say what, and every deletion in the
namespace leads to another look.

Source: kubernetes/pkg/controller/namespace/deletion.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from kube_lite.api import meta
from kube_lite.api.errors import ApiError, MethodNotAllowed, NotFound
from kube_lite.api.identity import GroupResource, Json, ObjectKey
from kube_lite.api.resource import Resource
from kube_lite.client.controller import Controller, RequeueAfter
from kube_lite.client.informers import Informers
from kube_lite.client.protocol import Client, EventType
from kube_lite.kit.clock import Clock

from .garbage import Garbage
from .resources import NAMESPACES

FINALIZER = "kubernetes"
LOOK_AGAIN = 15.0  # seconds, in case a deletion goes unnoticed; upstream's estimate for finalizers
COALESCE = 0.02  # seconds; many objects go together, and one look at what is left will do
PODS = GroupResource("", "pods")


class Remaining(NamedTuple):
    """What is still in the namespace after everything was asked to go."""

    objects: Mapping[GroupResource, int]
    finalizers: Mapping[str, int]
    errors: Sequence[str]

    @property
    def is_empty(self) -> bool:
        """Nothing is left, and nothing went wrong."""
        return not self.objects and not self.errors


def plan_conditions(conditions: Sequence[Json], remaining: Remaining, now: float) -> list[Json]:
    """The conditions of a namespace that is being emptied; all five, whether or not anything is wrong."""
    planned = list(conditions)
    for entry in _conditions(remaining):
        old = next((known for known in planned if known["type"] == entry["type"]), None)
        if old is None or any(old.get(field) != value for field, value in entry.items()):
            planned = meta.with_condition(planned, entry, now)
    return planned


def _conditions(remaining: Remaining) -> list[Json]:
    objects = sorted(
        f"{name.resource}.{name.group} has {count} resource instances"
        for name, count in remaining.objects.items()
    )
    finalizers = sorted(
        f"{name} in {count} resource instances" for name, count in remaining.finalizers.items()
    )
    errors = sorted(remaining.errors)
    return [
        _condition(
            "NamespaceDeletionDiscoveryFailure",
            ("ResourcesDiscovered", "All resources successfully discovered"),
        ),
        _condition(
            "NamespaceDeletionGroupVersionParsingFailure",
            ("ParsedGroupVersions", "All legacy kube types successfully parsed"),
        ),
        _condition(
            "NamespaceDeletionContentFailure",
            ("ContentDeleted", "All content successfully deleted, may be waiting on finalization"),
            "ContentDeletionFailed",
            f"Failed to delete all resource types, {len(errors)} remaining: {', '.join(errors)}"
            if errors
            else "",
        ),
        _condition(
            "NamespaceContentRemaining",
            ("ContentRemoved", "All content successfully removed"),
            "SomeResourcesRemain",
            f"Some resources are remaining: {', '.join(objects)}" if objects else "",
        ),
        _condition(
            "NamespaceFinalizersRemaining",
            ("ContentHasNoFinalizers", "All content-preserving finalizers finished"),
            "SomeFinalizersRemain",
            f"Some content in the namespace has finalizers remaining: {', '.join(finalizers)}"
            if finalizers
            else "",
        ),
    ]


def _condition(type_: str, fine: tuple[str, str], reason: str = "", message: str = "") -> Json:
    if message:
        return {"type": type_, "status": "True", "reason": reason, "message": message}
    return {"type": type_, "status": "False", "reason": fine[0], "message": fine[1]}


def emptied(resources: Iterable[Resource]) -> list[Resource]:
    """The rows whose objects have to go, each resource once, Pods first."""
    found: dict[GroupResource, Resource] = {}
    for row in resources:
        if row.namespaced and {"delete", "list"} <= set(row.verbs) and row.alias_of is None:
            found.setdefault(row.group_resource, row)
    return sorted(found.values(), key=lambda row: row.group_resource != PODS)


class Namespaces(Controller):
    """Empties namespaces. Keys are their names.

    Args:
        garbage: tells when anything in a namespace has gone.
    """

    def __init__(
        self,
        client: Client,
        informers: Informers,
        clock: Clock,
        resources: Iterable[Resource],
        garbage: Garbage,
    ) -> None:
        super().__init__("namespaces", clock)
        self._client = client
        self._resources = resources
        self._namespaces = informers.informer(NAMESPACES)
        self.watch(self._namespaces, _keys_of_ending)
        garbage.add_deletion_handler(self._something_went)

    async def reconcile(self, key: ObjectKey) -> RequeueAfter | None:
        """Ask everything to go; let the namespace go when nothing is left."""
        try:
            namespace = await self._client.get(NAMESPACES, key.name)
        except NotFound:
            return None
        if not meta.is_being_deleted(namespace) or FINALIZER not in (
            namespace["spec"].get("finalizers") or ()
        ):
            return None
        remaining = await self._empty(key.name)
        namespace = await self._write_conditions(namespace, remaining)
        if remaining.errors:
            raise ApiError(f"cannot empty namespace {key.name}: {remaining.errors[0]}")
        if not remaining.is_empty:
            return RequeueAfter(LOOK_AGAIN)
        await self._finalize(namespace)
        return None

    async def _empty(self, namespace: str) -> Remaining:
        objects: Counter[GroupResource] = Counter()
        finalizers: Counter[str] = Counter()
        errors: list[str] = []
        for row in emptied(self._resources):
            try:
                left = await self._delete_all(row, namespace)
            except (NotFound, MethodNotAllowed):  # the row is not served any more
                continue
            except ApiError as error:
                errors.append(error.message)
                continue
            if left:
                objects[row.group_resource] = len(left)
                for obj in left:
                    finalizers.update(obj["metadata"].get("finalizers") or ())
                if row.group_resource == PODS:
                    break
        return Remaining(objects, finalizers, errors)

    async def _delete_all(self, row: Resource, namespace: str) -> list[Json]:
        """Ask all objects of a resource to go; gives those that are still there."""
        found = await self._client.list(row.gvr, namespace=namespace)
        if all(meta.is_being_deleted(obj) for obj in found.items):
            return found.items
        if "deletecollection" in row.verbs:
            await self._client.delete_collection(row.gvr, namespace=namespace, propagation="Background")
        else:
            for obj in found.items:
                await self._delete(row, obj)
        return (await self._client.list(row.gvr, namespace=namespace)).items

    async def _delete(self, row: Resource, obj: Json) -> None:
        metadata = obj["metadata"]
        try:
            await self._client.delete(
                row.gvr, metadata["name"], namespace=metadata["namespace"], propagation="Background"
            )
        except NotFound:
            return

    async def _write_conditions(self, namespace: Json, remaining: Remaining) -> Json:
        status = namespace.get("status") or {}
        conditions = plan_conditions(status.get("conditions") or [], remaining, self.clock.now())
        if conditions == status.get("conditions"):
            return namespace
        changed = {**namespace, "status": {**status, "conditions": conditions}}
        return await self._client.update(NAMESPACES, changed, subresource="status")

    async def _finalize(self, namespace: Json) -> None:
        left = [name for name in namespace["spec"].get("finalizers") or () if name != FINALIZER]
        changed = {**namespace, "spec": {**namespace["spec"], "finalizers": left}}
        try:
            await self._client.update(NAMESPACES, changed, subresource="finalize")
        except NotFound:
            return

    def _something_went(self, name: str) -> None:
        key = ObjectKey("", name)
        namespace = self._namespaces.get(key) if name else None
        if namespace is not None and meta.is_being_deleted(namespace):
            self.queue.add_after(key, COALESCE)


def _keys_of_ending(event: EventType, old: Json | None, new: Json | None) -> Iterable[ObjectKey]:
    if new is not None and meta.is_being_deleted(new):
        yield ObjectKey("", new["metadata"]["name"])
