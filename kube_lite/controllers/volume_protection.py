"""Storage that is on its way out goes when nobody uses it any more.

Claims, volumes and classes of attributes carry a finalizer from their creation (``admission/protection.py``).
Each controller here gives it to those that lack it, and takes it off those that are being deleted once
nothing refers to them: a claim while a Pod with a node names it, a volume while it is bound, a class while a
claim or a volume names it. Whoever may have been the last user causes another look.
Source: ``pkg/controller/volume/pvcprotection``, ``pvprotection``, ``vacprotection``.
"""

from abc import abstractmethod
from collections.abc import Callable, Iterable

from kube_lite.api import meta
from kube_lite.api.errors import NotFound
from kube_lite.api.identity import GroupVersionResource, Json, ObjectKey
from kube_lite.api.storage import claims_of
from kube_lite.client.controller import Controller, RequeueAfter
from kube_lite.client.informers import Informers
from kube_lite.client.protocol import Client, EventType, PatchType
from kube_lite.kit.clock import Clock

from .resources import PERSISTENT_VOLUME_CLAIMS, PERSISTENT_VOLUMES, PODS

ATTRIBUTES_CLASSES = GroupVersionResource("storage.k8s.io", "v1", "volumeattributesclasses")
BY_CLAIM = "claims"
BY_CLASS = "attributes classes"


def claim_keys(pod: Json) -> list[str]:
    """The values of the index ``BY_CLAIM`` of Pods."""
    return [str(key) for key in claims_of(pod)]


class Protection(Controller):
    """What the three have in common: the finalizer comes and goes."""

    def __init__(
        self, name: str, client: Client, informers: Informers, clock: Clock,
        resource: GroupVersionResource, finalizer: str,
    ) -> None:  # fmt: skip
        super().__init__(name, clock)
        self._client = client
        self._resource = resource
        self._finalizer = finalizer
        self._objects = informers.informer(resource)
        self.watch(self._objects)

    @abstractmethod
    def is_used(self, key: ObjectKey, obj: Json) -> bool:
        """Whether somebody still needs it."""

    async def reconcile(self, key: ObjectKey) -> RequeueAfter | None:
        """Protect it, or let it go."""
        obj = self._objects.get(key)
        if obj is None:
            return None
        names = plan_finalizers(obj, self._finalizer, is_used=lambda: self.is_used(key, obj))
        if names is None:
            return None
        patch = {
            "metadata": {
                "finalizers": names or None,
                "resourceVersion": obj["metadata"]["resourceVersion"],  # as we have seen it, or not at all
            }
        }
        try:
            await self._client.patch(
                self._resource, key.name, patch, namespace=key.namespace, patch_type=PatchType.MERGE
            )
        except NotFound:
            return None
        return None


def plan_finalizers(obj: Json, finalizer: str, *, is_used: Callable[[], bool]) -> list[str] | None:
    """The finalizers an object should have; None if they are right."""
    names: list[str] = obj["metadata"].get("finalizers") or []
    if not meta.is_being_deleted(obj):
        return None if finalizer in names else [*names, finalizer]
    if finalizer not in names or is_used():
        return None
    return [name for name in names if name != finalizer]


class ClaimProtection(Protection):
    """Claims stay while Pods use them."""

    def __init__(self, client: Client, informers: Informers, clock: Clock) -> None:
        super().__init__(
            "claim-protection", client, informers, clock,
            PERSISTENT_VOLUME_CLAIMS, "kubernetes.io/pvc-protection",
        )  # fmt: skip
        self._pods = informers.informer(PODS)
        self._pods.add_index(BY_CLAIM, claim_keys)
        self.watch(self._pods, _claims_let_go)

    def is_used(self, key: ObjectKey, obj: Json) -> bool:
        """By a Pod that has a node: one without will not be started with a claim that is going."""
        pods = self._pods.by_index(BY_CLAIM, str(key))
        return any(pod["spec"].get("nodeName") for pod in pods)


class VolumeProtection(Protection):
    """Volumes stay while they are bound."""

    def __init__(self, client: Client, informers: Informers, clock: Clock) -> None:
        super().__init__(
            "volume-protection", client, informers, clock, PERSISTENT_VOLUMES, "kubernetes.io/pv-protection"
        )

    def is_used(self, key: ObjectKey, obj: Json) -> bool:
        """By the claim it is bound to."""
        return bool((obj.get("status") or {}).get("phase") == "Bound")


class AttributesClassProtection(Protection):
    """Classes of attributes stay while claims or volumes are of them."""

    def __init__(self, client: Client, informers: Informers, clock: Clock) -> None:
        super().__init__(
            "attributes-class-protection", client, informers, clock,
            ATTRIBUTES_CLASSES, "kubernetes.io/vac-protection",
        )  # fmt: skip
        self._users = [informers.informer(PERSISTENT_VOLUME_CLAIMS), informers.informer(PERSISTENT_VOLUMES)]
        for informer in self._users:
            informer.add_index(BY_CLASS, classes_of)
            self.watch(informer, _classes_let_go)

    def is_used(self, key: ObjectKey, obj: Json) -> bool:
        """By any claim or volume."""
        return any(informer.by_index(BY_CLASS, key.name) for informer in self._users)


def classes_of(obj: Json) -> set[str]:
    """The classes of attributes that a claim or volume is of, or was of until now."""
    spec, status = obj.get("spec") or {}, obj.get("status") or {}
    changing = status.get("modifyVolumeStatus") or {}
    names = (
        spec.get("volumeAttributesClassName"),
        status.get("currentVolumeAttributesClassName"),
        changing.get("targetVolumeAttributesClassName"),
    )
    return {name for name in names if name}


def _claims_let_go(event: EventType, old: Json | None, new: Json | None) -> Iterable[ObjectKey]:
    if event is EventType.DELETED and old is not None:
        return claims_of(old)
    return ()  # while a Pod is there it keeps its volumes, even when it has ended


def _classes_let_go(event: EventType, old: Json | None, new: Json | None) -> Iterable[ObjectKey]:
    if old is None:
        return ()
    still = classes_of(new) if new is not None else set()
    return [ObjectKey("", name) for name in classes_of(old) - still]
