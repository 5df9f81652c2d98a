"""Who owns whom, as far as anybody has said so; and what has to be looked at when something changes. Pure.

Only objects that matter are kept: those with owners, and those that are being deleted and wait for their
dependents. An owner is known by its uid alone until it is observed or looked up, so it need not be in the
graph; what is known about owners is whether they exist, and a uid that has gone never comes back.

Example: a ReplicaSet ``r`` owned by a Deployment ``d`` with Pods ``p1`` and ``p2``:

    nodes       {r: owners (d), p1: owners (r), p2: owners (r)}
    dependents  {d: {r}, r: {p1, p2}}

When ``d`` is gone, ``forget(d)`` gives ``{r}``; once ``r`` is deleted too, ``forget(r)`` gives ``{p1, p2}``.
"""

from collections.abc import Iterable
from typing import NamedTuple

from kube_lite.api import meta
from kube_lite.api.identity import (
    GroupVersionKind,
    GroupVersionResource,
    Json,
    ObjectKey,
    key_of,
    parse_api_version,
)


class Owner(NamedTuple):
    """One owner reference. ``blocks``: the owner, if deleted in the foreground, waits for this dependent."""

    uid: str
    kind: GroupVersionKind
    name: str
    blocks: bool


class Node(NamedTuple):
    """One object of the graph.

    ``ends_dependents``: it is being deleted in the foreground and waits. ``orphans``: it is being deleted and
    wants its dependents to be let go first.
    """

    uid: str
    resource: GroupVersionResource
    key: ObjectKey
    owners: tuple[Owner, ...]
    is_deleting: bool
    ends_dependents: bool
    orphans: bool

    @property
    def matters(self) -> bool:
        """Whether it belongs into the graph."""
        return bool(self.owners) or self.ends_dependents or self.orphans


def may_matter(obj: Json) -> bool:
    """Whether a look inside is worth the while; for most objects of a cluster it is not."""
    metadata = obj["metadata"]
    return bool(metadata.get("ownerReferences") or metadata.get("deletionTimestamp"))


def node_of(resource: GroupVersionResource, obj: Json) -> Node:
    """What the graph wants to know about an object."""
    is_deleting = meta.is_being_deleted(obj)
    return Node(
        uid=meta.uid_of(obj),
        resource=resource,
        key=key_of(obj),
        owners=tuple(_owner(reference) for reference in meta.owner_references(obj)),
        is_deleting=is_deleting,
        ends_dependents=is_deleting and meta.has_finalizer(obj, meta.FOREGROUND_FINALIZER),
        orphans=is_deleting and meta.has_finalizer(obj, meta.ORPHAN_FINALIZER),
    )


def _owner(reference: Json) -> Owner:
    group, version = parse_api_version(reference.get("apiVersion", ""))
    kind = GroupVersionKind(group, version, reference.get("kind", ""))
    return Owner(reference["uid"], kind, reference.get("name", ""), bool(reference.get("blockOwnerDeletion")))


class Graph:
    """The nodes, and for every uid that somebody names as owner, who does."""

    def __init__(self) -> None:
        self._nodes: dict[str, Node] = {}
        self._dependents: dict[str, set[str]] = {}
        self._exists: dict[str, bool] = {}

    def node(self, uid: str) -> Node | None:
        """The node, if it matters."""
        return self._nodes.get(uid)

    def concerns(self, uid: str) -> bool:
        """Whether it is a node, or named as owner by one."""
        return uid in self._nodes or uid in self._dependents

    def dependents(self, uid: str) -> list[Node]:
        """Who names ``uid`` as owner."""
        return [self._nodes[dependent] for dependent in self._dependents.get(uid, ())]

    def blocking(self, uid: str) -> list[Node]:
        """The dependents that an owner which is deleted in the foreground waits for."""
        return [
            node
            for node in self.dependents(uid)
            if any(owner.uid == uid and owner.blocks for owner in node.owners)
        ]

    def exists(self, uid: str) -> bool | None:
        """Whether an owner is there; None: nobody has looked."""
        return self._exists.get(uid)

    def learn(self, uid: str, *, exists: bool) -> None:
        """Somebody has looked an owner up. A uid that is known to be gone stays gone."""
        if uid in self._dependents and self._exists.get(uid) is not False:
            self._exists[uid] = exists

    def observe(self, node: Node) -> set[str]:
        """Take in an object that was added or has changed; gives the uids that have to be looked at."""
        old = self._nodes.get(node.uid)
        if node.uid in self._dependents and node.uid not in self._exists:
            self._exists[node.uid] = True
        if old == node:
            return set()
        if node.matters:
            self._nodes[node.uid] = node
        elif old is not None:
            del self._nodes[node.uid]
        work = self._change_owners(node.uid, old.owners if old is not None else (), node.owners)
        if not node.matters:
            return work
        if node.ends_dependents and not (old is not None and old.ends_dependents):
            work.update(self._dependents.get(node.uid, ()))
        if node.ends_dependents or node.orphans or not node.is_deleting:
            work.add(node.uid)
        return work

    def forget(self, uid: str) -> set[str]:
        """Take out an object that is gone; gives the uids that have to be looked at."""
        old = self._nodes.pop(uid, None)
        work = self._change_owners(uid, old.owners, ()) if old is not None else set()
        if uid in self._dependents:
            self._exists[uid] = False
            work.update(self._dependents[uid])
        return work

    def replace(self, resource: GroupVersionResource, kind: str, nodes: Iterable[Node]) -> set[str]:
        """Take in a complete list of a resource; owners of its kind that are not in it must be looked up."""
        work: set[str] = set()
        present = set()
        for node in nodes:
            present.add(node.uid)
            work |= self.observe(node)
        for node in [node for node in self._nodes.values() if node.resource == resource]:
            if node.uid not in present:
                work |= self.forget(node.uid)
        for uid in [uid for uid, exists in self._exists.items() if exists and uid not in present]:
            dependents = self._dependents[uid]
            if any(
                owner.kind.kind == kind
                for node in self.dependents(uid)
                for owner in node.owners
                if owner.uid == uid
            ):
                del self._exists[uid]
                work.update(dependents)
        return work

    def _change_owners(self, uid: str, old: Iterable[Owner], new: Iterable[Owner]) -> set[str]:
        """Keep ``_dependents`` right; owners that wait for this dependent and need not any more are given."""
        work = set()
        after = {owner.uid: owner for owner in new}
        for owner in old:
            still = after.get(owner.uid)
            if still is None:
                self._remove_dependent(owner.uid, uid)
            waiting = self._nodes.get(owner.uid)
            if waiting is not None and waiting.ends_dependents and (still is None or not still.blocks):
                work.add(owner.uid)
        for owner in after.values():
            self._dependents.setdefault(owner.uid, set()).add(uid)
        return work

    def _remove_dependent(self, owner: str, uid: str) -> None:
        dependents = self._dependents.get(owner)
        if dependents is None:
            return
        dependents.discard(uid)
        if not dependents:
            del self._dependents[owner]
            self._exists.pop(owner, None)
