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
from kube_lite.api.errors import ApiError
from kube_lite.api.identity import Json, ObjectKey
from kube_lite.api.selectors import LabelSelector, selector_of_labels
from kube_lite.client.controller import RequeueAfter, is_namespace_ending
from kube_lite.client.informers import Informers
from kube_lite.client.protocol import Client
from kube_lite.client.recorder import Recorder
from kube_lite.kit.clock import Clock

from . import pods as pod_facts
from .adoption import selects
from .owners import OwnerKind, PodOwners
from .resources import REPLICA_SET, REPLICA_SETS, REPLICATION_CONTROLLER, REPLICATION_CONTROLLERS

MAX_BURST = 500  # Pods created or deleted in one pass; upstream's BurstReplicas


REPLICA_SET_KIND = OwnerKind(REPLICA_SET, REPLICA_SETS, "replicaset-controller")
REPLICATION_CONTROLLER_KIND = OwnerKind(
    REPLICATION_CONTROLLER, REPLICATION_CONTROLLERS, "replication-controller"
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
    wanted = (((spec.get("template") or {}).get("metadata") or {}).get("labels") or {}).items()
    min_ready = spec.get("minReadySeconds") or 0
    replicas = labeled = ready = available = terminating = 0
    waits: list[float] = []
    for pod in owned:
        if not pod_facts.is_active(pod):
            terminating += pod_facts.is_terminating(pod)
            continue
        replicas += 1
        labeled += wanted <= meta.labels_of(pod).items()
        wait = pod_facts.available_in(pod, min_ready, now)
        ready += wait is not None
        available += wait == 0
        if wait:
            waits.append(wait)
    return Counts(replicas, labeled, ready, available, terminating, min(waits, default=None))


def plan_status(
    owner: Json, counts: Counts, failure: ApiError | None, *, kind: OwnerKind, missing: int, now: float
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
    if kind is REPLICA_SET_KIND:  # the older kind has no such field
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


class ReplicaSets(PodOwners):
    """Keeps the Pods of every ReplicaSet, or of every ReplicationController."""

    def __init__(
        self,
        client: Client,
        informers: Informers,
        clock: Clock,
        recorder: Recorder,
        kind: OwnerKind = REPLICA_SET_KIND,
    ) -> None:
        super().__init__(client, informers, clock, recorder, kind)

    async def reconcile(self, key: ObjectKey) -> RequeueAfter | None:
        """Create or delete Pods, then write the status."""
        owner = self.owners.get(key)
        if owner is None:
            self.expectations.forget(key)
            return None
        may_count = self.expectations.are_met(key)
        owned = await self.owned_pods(owner)
        active = [pod for pod in owned if pod_facts.is_active(pod)]
        missing = int(owner["spec"].get("replicas", 1)) - len(active)
        failure = None
        if may_count and missing and not meta.is_being_deleted(owner):
            failure = await self._scale(owner, active)
        now = self.clock.now()
        counts = count_pods(owner, owned, now)
        await self.write_status(
            owner, plan_status(owner, counts, failure, kind=self.kind, missing=missing, now=now)
        )
        if failure is not None and not is_namespace_ending(failure):
            raise failure
        return RequeueAfter(counts.next_available) if counts.next_available is not None else None

    async def _scale(self, owner: Json, active: Sequence[Json]) -> ApiError | None:
        wanted = int(owner["spec"].get("replicas", 1))
        scaling = plan_scaling(wanted, active, self._neighbours(owner), self.clock.now())
        if scaling.create:
            pod = pod_facts.pod_from(owner, self.kind.gvk, owner["spec"]["template"])
            return await self.create_pods(owner, [pod] * scaling.create)
        return await self.delete_pods(owner, scaling.delete)

    def selector_of(self, owner: Json) -> LabelSelector:
        """ReplicationControllers know labels only."""
        if self.kind is REPLICATION_CONTROLLER_KIND:
            return selector_of_labels(owner["spec"].get("selector"))
        return super().selector_of(owner)

    def selects(self, owner: Json, pod: Json) -> bool:
        """ReplicationControllers know labels only."""
        if self.kind is REPLICATION_CONTROLLER_KIND:
            wanted = owner["spec"].get("selector")
            return selects({"matchLabels": wanted} if wanted else None, pod)
        return super().selects(owner, pod)

    def _neighbours(self, owner: Json) -> Counter[str]:
        """Per node, the active Pods of all sets with the same controller: the revisions of a Deployment."""
        reference = meta.controller_of(owner)
        related = (
            [owner] if reference is None else self.owners.by_index(pod_facts.BY_CONTROLLER, reference["uid"])
        )
        counter: Counter[str] = Counter()
        for owner_set in related:
            for pod in self.pods.by_index(pod_facts.BY_CONTROLLER, owner_set["metadata"]["uid"]):
                if pod_facts.is_active(pod) and pod["spec"].get("nodeName"):
                    counter[pod["spec"]["nodeName"]] += 1
        return counter
