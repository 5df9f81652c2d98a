"""What controllers share whose objects own Pods: finding them, claiming them, not counting too early.

A Pod belongs to whom its controller reference names, by uid. An event of a Pod therefore touches its owner
before and after, and, if it has none, every object that selects it and might adopt it. Expectations are kept
here too: they are met by the events of Pods, and forgotten with the owner, so that a namesake starts anew.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

from kube_lite.api import meta
from kube_lite.api.errors import ApiError, NotFound
from kube_lite.api.identity import GroupVersionKind, GroupVersionResource, Json, ObjectKey, key_of
from kube_lite.api.selectors import LabelSelector, label_selector
from kube_lite.client.controller import Controller
from kube_lite.client.informers import Informers
from kube_lite.client.protocol import Client, EventType
from kube_lite.client.recorder import Recorder
from kube_lite.kit.clock import Clock

from . import pods as pod_facts
from .adoption import Adoption, selects
from .expectations import Expectations
from .pods import EventWords, PodControl
from .resources import PODS

LARGE = 200  # Pods; owners of fewer look at every event at once
PACE_SECONDS = 0.0001  # for each Pod of a large owner


class OwnerKind(NamedTuple):
    """A kind whose objects own Pods, and as whom its controller reports."""

    gvk: GroupVersionKind
    resource: GroupVersionResource
    component: str


class PodOwners(Controller):
    """A controller whose objects own Pods directly."""

    def __init__(
        self,
        client: Client,
        informers: Informers,
        clock: Clock,
        recorder: Recorder,
        kind: OwnerKind,
        *,
        words: EventWords | None = None,
        finalizer: str = "",
    ) -> None:
        super().__init__(kind.resource.resource, clock)
        self.client = client
        self.kind = kind
        self.recorder = recorder.of(kind.component)
        self.control = PodControl(client, self.recorder, words)
        self.expectations = Expectations(clock)
        self._adoption = Adoption(client, PODS, kind.resource, kind.gvk, finalizer)
        self.owners = informers.informer(kind.resource)
        self.owners.add_index(pod_facts.BY_CONTROLLER, pod_facts.controller_uid)
        self.pods = informers.informer(PODS)
        pod_facts.add_owner_indexes(self.pods)
        self._sizes: dict[ObjectKey, int] = {}
        self.watch(self.owners, self._keys_of_owner, self._pace)
        self.watch(self.pods, self.keys_of_pod, self._pace)

    def selector_of(self, owner: Json) -> LabelSelector:
        """Which Pods the owner asks for."""
        return label_selector(owner["spec"].get("selector"))

    def selects(self, owner: Json, pod: Json) -> bool:
        """Whether the owner asks for this Pod; quicker than to parse a selector for one Pod."""
        return selects(owner["spec"].get("selector"), pod)

    async def owned_pods(
        self, owner: Json, may_adopt: Callable[[Json], bool] = pod_facts.is_active
    ) -> Sequence[Json]:
        """The Pods that belong to ``owner``, after orphans were adopted and strangers let go."""
        namespace = owner["metadata"]["namespace"]
        owned = self.pods.by_index(pod_facts.BY_CONTROLLER, owner["metadata"]["uid"])
        self._sizes[key_of(owner)] = len(owned)
        return await self._adoption.claim(
            owner,
            self.selector_of(owner),
            owned,
            [pod for pod in self.pods.by_index(pod_facts.ORPHANS, namespace) if may_adopt(pod)],
        )

    async def create_pods(self, owner: Json, pods: Sequence[Json]) -> ApiError | None:
        """Create Pods and expect to see them; gives the first error."""
        key = key_of(owner)
        self.expectations.expect_creations(key, len(pods))
        done, error = await self.control.create(owner, pods)
        self.expectations.creation_seen(key, len(pods) - done)
        return error

    async def delete_pods(self, owner: Json, pods: Sequence[Json]) -> ApiError | None:
        """Ask for the end of Pods and expect to see it; gives the first error but those that are gone."""
        key = key_of(owner)
        self.expectations.expect_deletions(key, [pod["metadata"]["uid"] for pod in pods])
        refused = await self.control.delete(owner, pods)
        for pod, _ in refused:
            self.expectations.deletion_seen(key, pod["metadata"]["uid"])
        return next((error for _, error in refused if not isinstance(error, NotFound)), None)

    async def write_status(self, owner: Json, status: Json) -> None:
        """Bring the status to the API if it differs; an owner that is gone needs none."""
        if status == owner.get("status"):
            return
        changed = {**owner, "status": status}
        namespace = owner["metadata"]["namespace"]
        try:
            await self.client.update(self.kind.resource, changed, namespace=namespace, subresource="status")
        except NotFound:
            return

    def owner_of(self, pod: Json) -> ObjectKey | None:
        """The key of the owner, if it is of this kind and there."""
        reference = meta.controller_of(pod)
        if reference is None or reference.get("kind") != self.kind.gvk.kind:
            return None
        key = ObjectKey(pod["metadata"]["namespace"], reference["name"])
        owner = self.owners.get(key)
        return key if owner is not None and owner["metadata"]["uid"] == reference["uid"] else None

    def keys_of_pod(self, event: EventType, old: Json | None, new: Json | None) -> Iterable[ObjectKey]:
        """Whom an event of a Pod concerns; expectations are told as well."""
        before = self.owner_of(old) if old is not None else None
        after = self.owner_of(new) if new is not None else None
        if old is None and new is not None and after is not None and not meta.is_being_deleted(new):
            self.expectations.creation_seen(after)
        ended = old if new is None else new if meta.is_being_deleted(new) else None
        if ended is not None and (owner := after or before) is not None:
            self.expectations.deletion_seen(owner, ended["metadata"]["uid"])
        keys = {key for key in (before, after) if key is not None}
        if new is not None and meta.controller_of(new) is None and _concerns_orphan(old, new):
            namespace = new["metadata"]["namespace"]
            keys.update(key_of(owner) for owner in self.owners.list(namespace) if self.selects(owner, new))
        return keys

    def _pace(self, event: EventType, key: ObjectKey) -> float:
        """Seconds until an event of a Pod, or of the owner, is looked at.

        Each look counts all Pods of an owner, so of a large one's events several share a look. Not so the one
        that completes what was expected: more may be created then.
        """
        size = self._sizes.get(key, 0)
        if size < LARGE or (event is EventType.ADDED and self.expectations.are_met(key)):
            return 0.0
        return size * PACE_SECONDS

    def _keys_of_owner(self, event: EventType, old: Json | None, new: Json | None) -> Iterable[ObjectKey]:
        obj = new or old
        if obj is None:
            return ()
        if new is None:  # a namesake that follows must not wait for what this one expected
            self.expectations.forget(key_of(obj))
            self._sizes.pop(key_of(obj), None)
        return [key_of(obj)]


def _concerns_orphan(old: Json | None, new: Json) -> bool:
    """An orphan may be adopted when it is new, has lost its owner, or has other labels."""
    return old is None or meta.controller_of(old) is not None or meta.labels_of(old) != meta.labels_of(new)
