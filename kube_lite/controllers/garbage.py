"""Delete what nobody owns any more, and do what a deletion wants done with dependents first.

The collector follows every resource that can be deleted, but keeps only who owns whom. An object is deleted
when all its owners are gone; while one is left, references to those that are gone are only taken off. An
owner that is deleted in the foreground waits until the dependents that block it have gone; one that is
deleted with ``orphan`` waits until its dependents no longer name it.

Before anything is deleted the object and its owners are looked up at the source, since the graph lags behind.
Source: kubernetes/pkg/controller/garbagecollector/garbagecollector.go.
"""

import asyncio
import logging
from collections.abc import Callable, Iterable
from typing import NamedTuple

from kube_lite.api import meta
from kube_lite.api.errors import NotFound
from kube_lite.api.identity import GroupResource, GroupVersionResource, Json
from kube_lite.api.resource import Registry, Resource
from kube_lite.client.controller import Reconciler, RequeueAfter
from kube_lite.client.protocol import Client, EventType, PatchType
from kube_lite.client.reflector import Reflector, Selection
from kube_lite.kit.clock import Clock

from .garbage_graph import Graph, Node, Owner, may_matter, node_of

log = logging.getLogger(__name__)

IGNORED = frozenset(("events",))  # too many, too short-lived, and owned by nobody
NEEDED_VERBS = {"delete", "get", "list", "patch", "watch"}


def collectable(resources: Iterable[Resource]) -> list[Resource]:
    """The rows whose objects are followed: each resource once, in the first version that is served."""
    found: dict[GroupResource, Resource] = {}
    for row in resources:
        # What is defined takes no more patches while its definition goes, but is followed to the end.
        is_complete = set(row.verbs) >= NEEDED_VERBS or row.definition
        if is_complete and row.plural not in IGNORED and row.alias_of is None:
            found.setdefault(row.group_resource, row)
    return list(found.values())


class Owners(NamedTuple):
    """The owners of an object by what has become of them."""

    solid: list[Owner]
    gone: list[Owner]
    waiting: list[Owner]


class _Follower:
    """Feeds the objects of one resource into the graph."""

    def __init__(self, collector: "Garbage", row: Resource) -> None:
        self._collector = collector
        self._row = row
        self.synced = asyncio.Event()
        self.task: asyncio.Task[None] | None = None
        self._listed: list[Node] = []

    def stop(self) -> None:
        """Follow no longer what is not served any more; nobody need wait for it."""
        if self.task is not None:
            self.task.cancel()
        self.synced.set()

    def take(self, objects: list[Json], *, is_first: bool, is_last: bool) -> None:
        row, graph = self._row, self._collector.graph
        if is_first:
            self._listed = []
        self._listed += [node_of(row.gvr, obj) for obj in objects]
        if is_last:
            self._collector.look_at(graph.replace(row.gvr, row.kind, self._listed))
            self._listed = []
            self.synced.set()

    def apply(self, event: EventType, obj: Json) -> None:
        graph = self._collector.graph
        if event is EventType.DELETED:
            self._collector.look_at(graph.forget(meta.uid_of(obj)))
            self._collector.tell_deleted(obj["metadata"].get("namespace", ""))
        elif may_matter(obj) or graph.concerns(meta.uid_of(obj)):
            self._collector.look_at(graph.observe(node_of(self._row.gvr, obj)))


class Garbage(Reconciler[str]):
    """Service that collects garbage. Keys are uids.

    Args:
        resources: the rows that are served, which may come and go.
    """

    def __init__(self, client: Client, clock: Clock, resources: Registry) -> None:
        super().__init__("garbage", clock, workers=10)
        self.graph = Graph()
        self._client = client
        self._resources = resources
        self._on_deleted: list[Callable[[str], None]] = []

    def add_deletion_handler(self, handler: Callable[[str], None]) -> None:
        """Call ``handler`` with the namespace of every object that has gone, of whatever kind."""
        self._on_deleted.append(handler)

    def tell_deleted(self, namespace: str) -> None:
        """An object of that namespace has gone."""
        for handler in self._on_deleted:
            handler(namespace)

    def look_at(self, uids: Iterable[str]) -> None:
        """Put uids into the queue."""
        for uid in uids:
            self.queue.add(uid)

    async def run(self, ready: Callable[[], None]) -> None:
        """Collect until cancelled. Ready at once: work begins when every resource has been listed."""
        async with self.queue, asyncio.TaskGroup() as group:
            followed: dict[GroupVersionResource, _Follower] = {}
            self._follow(group, followed)
            forget = self._resources.on_change(lambda: self._follow(group, followed))
            try:
                ready()
                for follower in list(followed.values()):
                    await follower.synced.wait()
                await self.work()
            finally:
                forget()

    def _follow(self, group: asyncio.TaskGroup, followed: dict[GroupVersionResource, _Follower]) -> None:
        """Follow what is served now, and nothing else."""
        rows = {row.gvr: row for row in collectable(self._resources)}
        for gvr in [gvr for gvr in followed if gvr not in rows]:
            followed.pop(gvr).stop()
        for gvr, row in rows.items():
            if gvr not in followed:
                follower = followed[gvr] = _Follower(self, row)
                reflector = Reflector(self._client, self.clock, Selection(gvr), follower)
                follower.task = group.create_task(reflector.run(), name=f"garbage {row.plural}")

    async def reconcile(self, uid: str) -> RequeueAfter | None:
        """Do what has become due about one object."""
        node = self.graph.node(uid)
        if node is None:
            return None
        if node.orphans:
            await self._orphan(node)
        elif node.ends_dependents:
            await self._end_dependents(node)
        elif not node.is_deleting:
            await self._check_owners(node)
        return None

    async def _check_owners(self, node: Node) -> None:
        owners = await self._classify(node)
        if owners.solid:
            loose = owners.gone + owners.waiting
            if loose:
                await self._remove_owners(node, {owner.uid for owner in loose})
            return
        latest = await self._latest(node)
        if latest is None:
            return
        if node_of(node.resource, latest).owners != node.owners:
            self.look_at(self.graph.observe(node_of(node.resource, latest)))
            return
        policy = "Background"
        if meta.has_finalizer(latest, meta.ORPHAN_FINALIZER):
            policy = "Orphan"
        elif meta.has_finalizer(latest, meta.FOREGROUND_FINALIZER):
            policy = "Foreground"
        elif owners.waiting and self.graph.dependents(node.uid):
            await self._unblock_circle(node)
            policy = "Foreground"
        await self._delete(node, policy)

    async def _classify(self, node: Node) -> Owners:
        owners = Owners([], [], [])
        for owner in node.owners:
            if not await self._exists(node, owner):
                owners.gone.append(owner)
                continue
            known = self.graph.node(owner.uid)
            is_waiting = known is not None and known.ends_dependents and owner.blocks
            (owners.waiting if is_waiting else owners.solid).append(owner)
        return owners

    async def _exists(self, node: Node, owner: Owner) -> bool:
        known = self.graph.exists(owner.uid)
        if known is not None:
            return known
        row = self._row_of(owner)
        if row is None or (row.namespaced and not node.key.namespace):
            return True  # nobody can say; keeping is the mistake that can be undone
        try:
            found = await self._client.get(
                row.gvr, owner.name, namespace=node.key.namespace if row.namespaced else ""
            )
            exists = meta.uid_of(found) == owner.uid
        except NotFound:
            exists = False
        self.graph.learn(owner.uid, exists=exists)
        return self.graph.exists(owner.uid) is not False and exists

    def _row_of(self, owner: Owner) -> Resource | None:
        rows = [
            row for row in self._resources if (row.group, row.kind) == (owner.kind.group, owner.kind.kind)
        ]
        rows = [row for row in rows if "get" in row.verbs]
        same_version = [row for row in rows if row.version == owner.kind.version]
        return next(iter(same_version or rows), None)

    async def _end_dependents(self, node: Node) -> None:
        blocking = self.graph.blocking(node.uid)
        if not blocking:
            await self._remove_finalizer(node, meta.FOREGROUND_FINALIZER)
            return
        self.look_at(dependent.uid for dependent in blocking if not dependent.ends_dependents)

    async def _orphan(self, node: Node) -> None:
        async with asyncio.TaskGroup() as group:
            for dependent in self.graph.dependents(node.uid):
                group.create_task(self._remove_owners(dependent, {node.uid}))
        await self._remove_finalizer(node, meta.ORPHAN_FINALIZER)

    async def _unblock_circle(self, node: Node) -> None:
        """When a dependent of ``node`` is itself waiting, neither must wait for the other."""
        if not any(dependent.ends_dependents for dependent in self.graph.dependents(node.uid)):
            return
        latest = await self._latest(node)
        if latest is None:
            return
        references = [{**entry, "blockOwnerDeletion": False} for entry in meta.owner_references(latest)]
        await self._patch_metadata(node, latest, {"ownerReferences": references})

    async def _remove_owners(self, node: Node, uids: set[str]) -> None:
        latest = await self._latest(node)
        if latest is None:
            return
        left = [entry for entry in meta.owner_references(latest) if entry["uid"] not in uids]
        if len(left) != len(meta.owner_references(latest)):
            await self._patch_metadata(node, latest, {"ownerReferences": left or None})

    async def _remove_finalizer(self, node: Node, finalizer: str) -> None:
        latest = await self._latest(node)
        if latest is None:
            return
        names = latest["metadata"].get("finalizers") or []
        if finalizer in names:
            left = [name for name in names if name != finalizer]
            await self._patch_metadata(node, latest, {"finalizers": left or None})

    async def _patch_metadata(self, node: Node, latest: Json, changes: Json) -> None:
        """Change metadata, provided that nobody else has changed the object meanwhile."""
        metadata = latest["metadata"]
        patch = {
            "metadata": {**changes, "uid": metadata["uid"], "resourceVersion": metadata["resourceVersion"]}
        }
        try:
            await self._client.patch(
                node.resource,
                node.key.name,
                patch,
                namespace=node.key.namespace,
                patch_type=PatchType.MERGE,
            )
        except NotFound:
            self.look_at(self.graph.forget(node.uid))

    async def _delete(self, node: Node, policy: str) -> None:
        log.debug(
            "deleting what nobody owns", extra={"resource": node.resource.resource, "key": str(node.key)}
        )
        try:
            await self._client.delete(
                node.resource, node.key.name, namespace=node.key.namespace, uid=node.uid, propagation=policy
            )
        except NotFound:
            self.look_at(self.graph.forget(node.uid))

    def _served(self, resource: GroupVersionResource) -> GroupVersionResource | None:
        """Where the objects of a resource are found now: its versions may have changed."""
        if self._resources.by_gvr(resource) is not None:
            return resource
        rows = self._resources.of_group_resource(resource.group_resource)
        return rows[0].gvr if rows else None

    async def _latest(self, node: Node) -> Json | None:
        """The object as it is now; None when it is gone, which the graph is told."""
        served = self._served(node.resource)
        if served is None:
            return None  # of what is not served nobody can say anything
        try:
            found = await self._client.get(served, node.key.name, namespace=node.key.namespace)
        except NotFound:
            found = None
        if found is None or meta.uid_of(found) != node.uid:
            self.look_at(self.graph.forget(node.uid))
            return None
        return found
