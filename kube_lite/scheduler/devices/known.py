"""What is known of claims, slices and classes, and what was decided on and has not been told of yet.

An allocation counts from the moment it is decided: the next pod must not get the same devices. It stops being
*pending* when the informer tells of a state at least as new as the one that was written, or when nothing came
of it. What is in use is kept up to date change by change.
"""

from collections.abc import Iterable
from typing import NamedTuple

from kube_lite.api import meta
from kube_lite.api.identity import GroupVersionResource, Json, ObjectKey
from kube_lite.client.informers import Informers
from kube_lite.client.protocol import EventType

from .pools import Catalogue
from .records import Features, InUse, Slice

GROUP = "resource.k8s.io"
CLAIMS = GroupVersionResource(GROUP, "v1", "resourceclaims")
SLICES = GroupVersionResource(GROUP, "v1", "resourceslices")
CLASSES = GroupVersionResource(GROUP, "v1", "deviceclasses")
IMPLICIT = "deviceclass.resource.kubernetes.io/"
"""Every class can be asked for as an extended resource: by this prefix and its name."""


class Pending(NamedTuple):
    """An allocation that was decided.

    Attributes:
        revision: of the claim with it; 0 until it is written.
    """

    allocation: Json
    revision: int = 0


class Known:
    """Informers of the resources of device allocation, and what follows from them.

    Attributes:
        generation: changes with everything that may matter to a pod with claims.
    """

    def __init__(self, informers: Informers, features: Features) -> None:
        self.features = features
        self.claims = informers.informer(CLAIMS)
        self.slices = informers.informer(SLICES)
        self.classes = informers.informer(CLASSES)
        self.catalogue = Catalogue((), features)
        self.in_use = InUse()
        self.generation = 0
        self._counted: dict[str, Json] = {}
        self._pending: dict[str, Pending] = {}
        self._by_resource: dict[str, Json] | None = None

    def watch(self) -> None:
        """Follow the informers from now on."""
        self.claims.add_handler(self._on_claim)
        self.slices.add_handler(self._on_slice)
        self.classes.add_handler(self._on_class)

    async def synced(self) -> None:
        """Wait until all of it is known."""
        for informer in (self.classes, self.slices, self.claims):
            await informer.synced()

    def claim(self, key: ObjectKey) -> Json | None:
        """One claim."""
        return self.claims.get(key)

    def device_class(self, name: str) -> Json | None:
        """One class."""
        return self.classes.get(ObjectKey("", name))

    def class_of_resource(self, name: str) -> Json | None:
        """The class that stands behind an extended resource, the youngest if several would."""
        if not self.features.extended_resources:
            return None
        if name.startswith(IMPLICIT):
            return self.device_class(name.removeprefix(IMPLICIT))
        if self._by_resource is None:
            self._by_resource = _by_resource(self.classes.list())
        return self._by_resource.get(name)

    def is_pending(self, uid: str) -> bool:
        """Whether an allocation of the claim was decided and is not known to be written."""
        return uid in self._pending

    def expect(self, uid: str, allocation: Json) -> None:
        """An allocation was decided."""
        self._pending[uid] = Pending(allocation)
        self._count(uid, allocation)

    def expect_written(self, claim: Json) -> None:
        """It was written, as this claim."""
        uid = meta.uid_of(claim)
        told = self.claims.get(ObjectKey(claim["metadata"]["namespace"], claim["metadata"]["name"]))
        revision = _revision(claim)
        if told is not None and meta.uid_of(told) == uid and _revision(told) >= revision:
            self._settle(uid, told)
        elif uid in self._pending:
            self._pending[uid] = Pending(claim["status"]["allocation"], revision)

    def forget(self, uid: str, key: ObjectKey) -> None:
        """Nothing came of an allocation; unknown ones are no error."""
        pending = self._pending.get(uid)
        if pending is not None and not pending.revision:
            told = self.claims.get(key)
            self._settle(uid, told if told is not None and meta.uid_of(told) == uid else None)

    def _settle(self, uid: str, claim: Json | None) -> None:
        self._pending.pop(uid, None)
        self._count(uid, _allocation_of(claim))

    def _count(self, uid: str, allocation: Json | None) -> None:
        self.generation += 1
        before = self._counted.get(uid)
        if before == allocation:
            return
        if before is not None:
            self.in_use.remove(self._counted.pop(uid))
        if allocation is not None:
            self._counted[uid] = allocation
            self.in_use.add(allocation)

    def _on_claim(self, event: EventType, old: Json | None, new: Json | None) -> None:
        if new is None:
            assert old is not None  # a change has at least one side
            self._settle(meta.uid_of(old), None)
            return
        uid = meta.uid_of(new)
        pending = self._pending.get(uid)
        if pending is None or _allocation_of(new) is not None or _is_past(new, pending):
            self._settle(uid, new)

    def _on_slice(self, event: EventType, old: Json | None, new: Json | None) -> None:
        self.generation += 1
        if new is not None:
            self.catalogue.set(Slice(new))
        elif old is not None:
            self.catalogue.remove(old["metadata"]["name"])

    def _on_class(self, event: EventType, old: Json | None, new: Json | None) -> None:
        self.generation += 1
        self._by_resource = None


def _allocation_of(claim: Json | None) -> Json | None:
    return ((claim or {}).get("status") or {}).get("allocation")


def _revision(claim: Json) -> int:
    return int(claim["metadata"]["resourceVersion"])


def _is_past(claim: Json, pending: Pending) -> bool:
    """Whether a claim is as it was written, or as somebody has changed it since."""
    return bool(pending.revision) and _revision(claim) >= pending.revision


def _by_resource(classes: Iterable[Json]) -> dict[str, Json]:
    """Of equally young ones the first by name.

    Source: ``deviceclass/extendedresourcecache`` of k8s.io/dynamic-resource-allocation.
    """
    by_name = sorted(classes, key=lambda entry: str(entry["metadata"]["name"]), reverse=True)
    by_age = sorted(by_name, key=lambda entry: str(entry["metadata"].get("creationTimestamp", "")))
    return {name: entry for entry in by_age if (name := entry["spec"].get("extendedResourceName"))}
