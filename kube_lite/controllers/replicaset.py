"""ReplicaSet and ReplicationController → Pods: as many of one template as asked for.

Both kinds differ only in how they write their selector, so one controller serves either. It counts the Pods
that belong to it, creates what is missing in growing batches, ends the ones worth least when there are too
many, and keeps the status true. What it has just done but not yet seen is remembered as expectations, or it
would do it twice.

Source: kubernetes/pkg/controller/replicaset/replica_set.go and replica_set_utils.go.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from kube_lite.api import meta
from kube_lite.api.errors import ApiError, NotFound
from kube_lite.api.identity import GroupVersionKind, GroupVersionResource, Json, ObjectKey, key_of
from kube_lite.api.selectors import LabelSelector, label_selector, selector_of_labels
from kube_lite.client.informers import Informers
from kube_lite.client.protocol import Client, EventType
from kube_lite.client.recorder import Recorder
from kube_lite.kit.clock import Clock

from . import pods as pod_facts
from .adoption import Adoption, selects
from .base import Controller, RequeueAfter
from .expectations import Expectations
from .pods import PodControl
from .resources import (
    PODS,
    REPLICA_SET,
    REPLICA_SETS,
    REPLICATION_CONTROLLER,
    REPLICATION_CONTROLLERS,
)

MAX_BURST = 500  # Pods created or deleted in one pass; upstream's BurstReplicas


class Kind(NamedTuple):
    """Which of the two kinds a controller serves."""

    gvk: GroupVersionKind
    resource: GroupVersionResource
    component: str
    counts_terminating: bool


REPLICA_SET_KIND = Kind(REPLICA_SET, REPLICA_SETS, "replicaset-controller", counts_terminating=True)
REPLICATION_CONTROLLER_KIND = Kind(
    REPLICATION_CONTROLLER, REPLICATION_CONTROLLERS, "replication-controller", counts_terminating=False
)


class Scaling(NamedTuple):
    """How many Pods to create, or which to delete."""

    create: int
    delete: Sequence[Json]


def plan_scaling(wanted: int, active: Sequence[Json], neighbours: Counter[str], now: float) -> Scaling:
    """Compare what should run with what does.

    Args:
        wanted: ``spec.replicas``, ≥ 0.
        active: the Pods that belong to it and run or will run.
        neighbours: node name → how many related Pods are there.
        now: seconds since the epoch.
    """
    missing = wanted - len(active)
    if missing >= 0:
        return Scaling(create=min(missing, MAX_BURST), delete=())

    def worth(pod: Json) -> tuple[object, ...]:
        return pod_facts.worth(pod, neighbours=neighbours[pod["spec"].get("nodeName", "")], now=now)

    spare = -missing
    if wanted == 0:
        return Scaling(create=0, delete=active[:MAX_BURST])
    return Scaling(create=0, delete=sorted(active, key=worth)[: min(spare, MAX_BURST)])


class Counts(NamedTuple):
    """What the status says about Pods. In ``next_available`` seconds another will be available by itself."""

    replicas: int
    labeled: int
    ready: int
    available: int
    terminating: int
    next_available: float | None


def count_pods(owner: Json, owned: Iterable[Json], now: float) -> Counts:
    """Count the Pods that belong to ``owner``."""
    spec = owner["spec"]
    template_labels = ((spec.get("template") or {}).get("metadata") or {}).get("labels") or {}
    min_ready = spec.get("minReadySeconds") or 0
    replicas = labeled = ready = available = terminating = 0
    waits: list[float] = []
    for pod in owned:
        if not pod_facts.is_active(pod):
            terminating += pod_facts.is_terminating(pod)
            continue
        replicas += 1
        labeled += template_labels.items() <= meta.labels_of(pod).items()
        wait = pod_facts.available_in(pod, min_ready, now)
        ready += wait is not None
        available += wait == 0
        if wait:
            waits.append(wait)
    return Counts(replicas, labeled, ready, available, terminating, min(waits, default=None))


def plan_status(
    owner: Json, counts: Counts, failure: ApiError | None, *, kind: Kind, missing: int, now: float
) -> Json:
    """The status that goes with these counts.

    Args:
        failure: what went wrong when Pods were last created or deleted.
        missing: how many Pods too few there were then; negative when there were too many.
    """
    status: Json = {"replicas": counts.replicas}
    optional = {
        "fullyLabeledReplicas": counts.labeled,
        "readyReplicas": counts.ready,
        "availableReplicas": counts.available,
        "observedGeneration": meta.generation(owner),
    }
    status.update({field: value for field, value in optional.items() if value})
    if kind.counts_terminating:
        status["terminatingReplicas"] = counts.terminating
    conditions = meta.conditions_of(owner)
    failed = next((entry for entry in conditions if entry["type"] == "ReplicaFailure"), None)
    if failure is None:
        conditions = [entry for entry in conditions if entry["type"] != "ReplicaFailure"]
    elif failed is None:
        reason = "FailedCreate" if missing > 0 else "FailedDelete"
        entry = {"type": "ReplicaFailure", "status": "True", "reason": reason, "message": failure.message}
        conditions = meta.with_condition(conditions, entry, now)
    if conditions:
        status["conditions"] = conditions
    return status


class ReplicaSets(Controller):
    """Keeps the Pods of every ReplicaSet, or of every ReplicationController."""

    def __init__(
        self,
        client: Client,
        informers: Informers,
        clock: Clock,
        recorder: Recorder,
        kind: Kind = REPLICA_SET_KIND,
    ) -> None:
        super().__init__(kind.resource.resource, clock)
        self._client = client
        self._kind = kind
        self._recorder = recorder.of(kind.component)
        self._control = PodControl(client, self._recorder)
        self._adoption = Adoption(client, PODS, kind.resource, kind.gvk)
        self._expectations = Expectations(clock)
        self._sets = informers.informer(kind.resource)
        self._sets.add_index(pod_facts.BY_CONTROLLER, pod_facts.controller_uid)
        self._pods = informers.informer(PODS)
        pod_facts.add_owner_indexes(self._pods)
        self.watch(self._sets, self._keys_of_set)
        self.watch(self._pods, self._keys_of_pod)

    async def reconcile(self, key: ObjectKey) -> RequeueAfter | None:
        """Create or delete Pods, then write the status."""
        owner = self._sets.get(key)
        if owner is None:
            self._expectations.forget(key)
            return None
        may_count = self._expectations.are_met(key)
        selector = self._selector(owner)
        owned = await self._adoption.claim(
            owner,
            selector,
            self._pods.by_index(pod_facts.BY_CONTROLLER, owner["metadata"]["uid"]),
            [
                pod
                for pod in self._pods.by_index(pod_facts.ORPHANS, key.namespace)
                if pod_facts.is_active(pod)
            ],
        )
        active = [pod for pod in owned if pod_facts.is_active(pod)]
        missing = int(owner["spec"].get("replicas", 1)) - len(active)
        failure = None
        if may_count and missing and not meta.is_being_deleted(owner):
            failure = await self._scale(key, owner, active)
        counts = count_pods(owner, owned, self.clock.now())
        await self._write_status(owner, counts, failure, missing)
        if failure is not None and not pod_facts.is_namespace_ending(failure):
            raise failure
        return RequeueAfter(counts.next_available) if counts.next_available is not None else None

    async def _scale(self, key: ObjectKey, owner: Json, active: Sequence[Json]) -> ApiError | None:
        wanted = int(owner["spec"].get("replicas", 1))
        scaling = plan_scaling(wanted, active, self._neighbours(owner), self.clock.now())
        if scaling.create:
            self._expectations.expect_creations(key, scaling.create)
            done, error = await self._control.create(
                owner, self._kind.gvk, owner["spec"]["template"], scaling.create
            )
            self._expectations.creation_seen(key, scaling.create - done)
            return error
        self._expectations.expect_deletions(key, [pod["metadata"]["uid"] for pod in scaling.delete])
        refused = await self._control.delete(owner, scaling.delete)
        for pod, _ in refused:
            self._expectations.deletion_seen(key, pod["metadata"]["uid"])
        return next((error for _, error in refused if not isinstance(error, NotFound)), None)

    async def _write_status(
        self, owner: Json, counts: Counts, failure: ApiError | None, missing: int
    ) -> None:
        status = plan_status(owner, counts, failure, kind=self._kind, missing=missing, now=self.clock.now())
        if status == owner.get("status"):
            return
        changed = {**owner, "status": status}
        try:
            await self._client.update(
                self._kind.resource, changed, namespace=owner["metadata"]["namespace"], subresource="status"
            )
        except NotFound:
            return

    def _selector(self, owner: Json) -> LabelSelector:
        selector = owner["spec"].get("selector")
        if self._kind is REPLICATION_CONTROLLER_KIND:
            return selector_of_labels(selector)
        return label_selector(selector)

    def _neighbours(self, owner: Json) -> Counter[str]:
        """Per node, the active Pods of all sets with the same controller: the revisions of a Deployment."""
        reference = meta.controller_of(owner)
        related = (
            [owner] if reference is None else self._sets.by_index(pod_facts.BY_CONTROLLER, reference["uid"])
        )
        counter: Counter[str] = Counter()
        for owner_set in related:
            for pod in self._pods.by_index(pod_facts.BY_CONTROLLER, owner_set["metadata"]["uid"]):
                if pod_facts.is_active(pod) and pod["spec"].get("nodeName"):
                    counter[pod["spec"]["nodeName"]] += 1
        return counter

    def _keys_of_set(self, event: EventType, old: Json | None, new: Json | None) -> Iterable[ObjectKey]:
        obj = new or old
        if obj is None:
            return ()
        if new is None:  # a namesake that follows must not wait for what this one expected
            self._expectations.forget(key_of(obj))
        return [key_of(obj)]

    def _keys_of_pod(self, event: EventType, old: Json | None, new: Json | None) -> Iterable[ObjectKey]:
        before = self._owner_of(old) if old is not None else None
        after = self._owner_of(new) if new is not None else None
        if old is None and new is not None and after is not None and not meta.is_being_deleted(new):
            self._expectations.creation_seen(after)
        ended = old if new is None else new if meta.is_being_deleted(new) else None
        if ended is not None and (owner := after or before) is not None:
            self._expectations.deletion_seen(owner, ended["metadata"]["uid"])
        keys = {key for key in (before, after) if key is not None}
        if new is not None and meta.controller_of(new) is None and self._concerns_orphan(old, new):
            keys.update(self._sets_that_select(new))
        return keys

    def _concerns_orphan(self, old: Json | None, new: Json) -> bool:
        """An orphan may be adopted when it is new, has lost its owner, or has other labels."""
        return (
            old is None or meta.controller_of(old) is not None or meta.labels_of(old) != meta.labels_of(new)
        )

    def _sets_that_select(self, pod: Json) -> Iterable[ObjectKey]:
        for owner in self._sets.list(pod["metadata"]["namespace"]):
            selector = owner["spec"].get("selector")
            if self._kind is REPLICATION_CONTROLLER_KIND:
                selector = {"matchLabels": selector} if selector else None
            if selects(selector, pod):
                yield key_of(owner)

    def _owner_of(self, pod: Json) -> ObjectKey | None:
        reference = meta.controller_of(pod)
        if reference is None or reference.get("kind") != self._kind.gvk.kind:
            return None
        key = ObjectKey(pod["metadata"]["namespace"], reference["name"])
        owner = self._sets.get(key)
        return key if owner is not None and owner["metadata"]["uid"] == reference["uid"] else None
