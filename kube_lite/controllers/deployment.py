"""Deployment → ReplicaSets: one per revision of the Pod template, sized so that limits are kept.

Each pass takes at most one step (grow the new revision, or shrink old ones) and writes the status. What that
leads to comes back as events of the ReplicaSets, and the next pass takes the next step; so a controller that
is killed anywhere in a rollout goes on with it. A change of size, unlike a change of the template, is spread
over all active revisions before the rollout continues. A paused Deployment is resized but not rolled.

Source: kubernetes/pkg/controller/deployment/deployment_controller.go, sync.go, rolling.go, recreate.go.
"""

import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from kube_lite.api import meta
from kube_lite.api.errors import AlreadyExists, ApiError, NotFound
from kube_lite.api.identity import Json, ObjectKey, key_of
from kube_lite.api.selectors import label_selector
from kube_lite.client.controller import Controller, RequeueAfter, is_namespace_ending
from kube_lite.client.informers import Informers
from kube_lite.client.protocol import Client, EventType, PatchType
from kube_lite.client.recorder import Recorder
from kube_lite.kit.clock import Clock

from . import deployment_status as statuses
from . import pods as pod_facts
from . import revisions, rollout
from .adoption import Adoption, selects
from .resources import DEPLOYMENT, DEPLOYMENTS, PODS, REPLICA_SETS
from .rollback import Rollback, plan_rollback
from .rollout import Limits, Revision, Sizes

log = logging.getLogger(__name__)


@dataclass
class _Work:
    """One Deployment as this pass sees it; objects are replaced by newer ones as they are written."""

    deployment: Json
    new: Json | None
    old: list[Json]
    limits: Limits
    condition: Json | None = None
    """A condition that this pass has found and not yet written."""

    @property
    def sets(self) -> list[Json]:
        return [*self.old, *([self.new] if self.new is not None else [])]

    @property
    def wanted(self) -> int:
        return int(self.deployment["spec"].get("replicas", 1))


class Deployments(Controller):
    """Keeps the ReplicaSets of every Deployment."""

    def __init__(self, client: Client, informers: Informers, clock: Clock, recorder: Recorder) -> None:
        super().__init__("deployments", clock)
        self._client = client
        self._recorder = recorder.of("deployment-controller")
        self._adoption = Adoption(client, REPLICA_SETS, DEPLOYMENTS, DEPLOYMENT)
        self._deployments = informers.informer(DEPLOYMENTS)
        self._sets = informers.informer(REPLICA_SETS)
        pod_facts.add_owner_indexes(self._sets)
        self._pods = informers.informer(PODS)
        pod_facts.add_owner_indexes(self._pods)
        self.watch(self._deployments)
        self.watch(self._sets, self._keys_of_set)
        self.watch(self._pods, self._keys_of_pod)

    async def reconcile(self, key: ObjectKey) -> RequeueAfter | None:
        """Take the next step."""
        deployment = self._deployments.get(key)
        if deployment is None:
            return None
        selector = label_selector(deployment["spec"].get("selector"))
        if selector.is_everything:
            await self._refuse_empty_selector(deployment)
            return None
        sets = await self._adoption.claim(
            deployment,
            selector,
            self._sets.by_index(pod_facts.BY_CONTROLLER, deployment["metadata"]["uid"]),
            self._sets.by_index(pod_facts.ORPHANS, key.namespace),
        )
        work = self._begin(deployment, sets)
        if meta.is_being_deleted(deployment):
            await self._write_counts(work)
            return None
        wished = None if deployment["spec"].get("paused") else plan_rollback(deployment, sets)
        if wished is not None:
            await self._roll_back(wished)
            return None
        work.condition = _paused_condition(deployment, self.clock.now())
        if deployment["spec"].get("paused") or rollout.is_scaling(work.wanted, map(_revision, sets)):
            await self._resize(work)
            return None
        if (deployment["spec"].get("strategy") or {}).get("type") == "Recreate":
            return await self._recreate(work)
        return await self._roll(work)

    def _begin(self, deployment: Json, sets: Sequence[Json]) -> _Work:
        new = revisions.find_new(deployment, sets)
        old = [owned for owned in sets if new is None or owned["metadata"]["uid"] != new["metadata"]["uid"]]
        return _Work(deployment, new, old, limits_of(deployment))

    async def _roll_back(self, wished: Rollback) -> None:
        deployment = wished.deployment
        await self._client.update(DEPLOYMENTS, deployment, namespace=deployment["metadata"]["namespace"])
        self._recorder.event(deployment, wished.type, wished.reason, wished.message)

    async def _resize(self, work: _Work) -> None:
        await self._sync_revision(work)
        new = _revision(work.new) if work.new is not None else None
        sizes = rollout.plan_scaling(work.wanted, work.limits, new, [_revision(owned) for owned in work.old])
        active = {owned["metadata"]["name"]: _size(owned) for owned in work.sets if _size(owned)}
        await self._apply(work, active | dict(sizes))
        if work.deployment["spec"].get("paused"):
            await self._clean_up(work)
        await self._write_counts(work)

    async def _roll(self, work: _Work) -> RequeueAfter | None:
        new = await self._ensure_new(work)
        total = sum(_size(owned) for owned in work.sets)
        size = rollout.plan_new_size(work.wanted, work.limits, _size(new), total)
        sizes: Sizes = {new["metadata"]["name"]: size} if size != _size(new) else {}
        if not sizes:
            old = [_revision(owned) for owned in work.old]
            sizes = rollout.plan_shrinking(work.wanted, work.limits, _revision(new), old)
        await self._apply(work, sizes)
        return await self._finish(work, has_changed=bool(sizes))

    async def _recreate(self, work: _Work) -> RequeueAfter | None:
        await self._sync_revision(work)
        sizes = {owned["metadata"]["name"]: 0 for owned in work.old if _size(owned)}
        if sizes or self._runs_old_pods(work):
            await self._apply(work, sizes)
            return await self._finish(work, has_changed=True)
        new = await self._ensure_new(work)
        if _size(new) != work.wanted:
            sizes = {new["metadata"]["name"]: work.wanted}
        await self._apply(work, sizes)
        return await self._finish(work, has_changed=bool(sizes))

    async def _finish(self, work: _Work, *, has_changed: bool) -> RequeueAfter | None:
        now = self.clock.now()
        status = statuses.plan_status(_with_found(work), work.new, work.sets, work.limits.unavailable, now)
        if not has_changed and statuses.is_complete(work.deployment, status):
            await self._clean_up(work)
        if status != work.deployment.get("status"):
            await self._write_status(work, status)
            written = {**work.deployment, "status": status}
            return _requeue(statuses.seconds_to_deadline(written, status, now))
        return _requeue(statuses.seconds_to_deadline(work.deployment, status, now))

    async def _write_counts(self, work: _Work) -> None:
        status = statuses.count_status(
            _with_found(work), work.new, work.sets, work.limits.unavailable, self.clock.now()
        )
        if status != work.deployment.get("status"):
            await self._write_status(work, status)

    async def _write_status(self, work: _Work, status: Json) -> None:
        changed = {**work.deployment, "status": status}
        await self._client.update(
            DEPLOYMENTS, changed, namespace=changed["metadata"]["namespace"], subresource="status"
        )

    async def _ensure_new(self, work: _Work) -> Json:
        """The ReplicaSet of the current template, made if it is not there."""
        await self._sync_revision(work)
        if work.new is None:
            work.new = await self._create_new(work)
            await self._note_revision(work, revisions.revision_of(work.new))
        return work.new

    async def _sync_revision(self, work: _Work) -> None:
        """Make the current template's ReplicaSet the newest in numbers, and copy what it takes over."""
        if work.new is None:
            return
        deployment = work.deployment
        number = max((revisions.revision_of(owned) for owned in work.old), default=0) + 1
        existing = meta.annotations_of(work.new)
        annotations = revisions.annotations_for(deployment, existing, number)
        min_ready = deployment["spec"].get("minReadySeconds", 0)
        if annotations != existing or min_ready != work.new["spec"].get("minReadySeconds", 0):
            changed = {
                **work.new,
                "metadata": {**work.new["metadata"], "annotations": annotations},
                "spec": {**work.new["spec"], "minReadySeconds": min_ready},
            }
            work.new = await self._client.update(
                REPLICA_SETS, changed, namespace=deployment["metadata"]["namespace"]
            )
        await self._note_revision(work, revisions.revision_of(work.new))
        if meta.condition(deployment, "Progressing") is None and work.condition is None:
            words = f'Found new replica set "{work.new["metadata"]["name"]}"'
            work.condition = self._progressing("True", "FoundNewReplicaSet", words)

    async def _note_revision(self, work: _Work, number: int) -> None:
        """Written with the status, because another annotation of a Deployment is another generation."""
        if revisions.revision_of(work.deployment) == number:
            return
        metadata = work.deployment["metadata"]
        patch = {
            "metadata": {
                "annotations": {revisions.REVISION: str(number)},
                "resourceVersion": metadata["resourceVersion"],
            }
        }
        work.deployment = await self._client.patch(
            DEPLOYMENTS,
            metadata["name"],
            patch,
            namespace=metadata["namespace"],
            patch_type=PatchType.MERGE,
            subresource="status",
        )

    async def _create_new(self, work: _Work) -> Json:
        deployment = work.deployment
        collisions = (deployment.get("status") or {}).get("collisionCount", 0)
        total = sum(_size(owned) for owned in work.old)
        recreates = (deployment["spec"].get("strategy") or {}).get("type") == "Recreate"
        size = work.wanted if recreates else rollout.plan_new_size(work.wanted, work.limits, 0, total)
        number = max((revisions.revision_of(owned) for owned in work.old), default=0) + 1
        new = revisions.new_set(
            deployment, replicas=size, surge=work.limits.surge, revision=number, collisions=collisions
        )
        name, namespace = new["metadata"]["name"], new["metadata"]["namespace"]
        try:
            created = await self._client.create(REPLICA_SETS, new, namespace=namespace)
        except AlreadyExists:
            return await self._take_existing(work, name, collisions)
        except ApiError as error:
            await self._report_failed_creation(work, name, error)
            raise
        if size:
            self._tell_scaled(deployment, name, 0, size)
        work.condition = self._progressing(
            "True", "NewReplicaSetCreated", f'Created new replica set "{name}"'
        )
        return created

    async def _take_existing(self, work: _Work, name: str, collisions: int) -> Json:
        """The name is taken: by our own set that the informer does not know yet, or by another template's."""
        deployment = work.deployment
        found = await self._client.get(REPLICA_SETS, name, namespace=deployment["metadata"]["namespace"])
        template = deployment["spec"]["template"]
        if meta.is_controlled_by(found, deployment) and revisions.same_template(
            found["spec"]["template"], template
        ):
            return found
        log.info("hash collision", extra={"deployment": str(key_of(deployment)), "set": name})
        status = {**(deployment.get("status") or {}), "collisionCount": collisions + 1}
        await self._write_status(work, status)
        raise AlreadyExists(f'replica set "{name}" is not of this template; trying another name')

    async def _report_failed_creation(self, work: _Work, name: str, error: ApiError) -> None:
        deployment = work.deployment
        if is_namespace_ending(error) or statuses.deadline_of(deployment) is None:
            return
        words = f'Failed to create new replica set "{name}": {error.message}'
        self._recorder.event(deployment, "Warning", "ReplicaSetCreateError", words)
        entry = self._progressing("False", "ReplicaSetCreateError", words)
        conditions = statuses.with_condition(meta.conditions_of(deployment), entry)
        if conditions != meta.conditions_of(deployment):
            await self._write_status(work, {**(deployment.get("status") or {}), "conditions": conditions})

    async def _apply(self, work: _Work, sizes: Sizes) -> None:
        """Give sets their sizes; one that has its size only gets its annotations brought up to date."""
        for position, owned in enumerate(work.old):
            if owned["metadata"]["name"] in sizes:
                work.old[position] = await self._scale(work, owned, sizes[owned["metadata"]["name"]])
        if work.new is not None and work.new["metadata"]["name"] in sizes:
            work.new = await self._scale(work, work.new, sizes[work.new["metadata"]["name"]])

    async def _scale(self, work: _Work, owned: Json, size: int) -> Json:
        before = _size(owned)
        annotations = revisions.sized(meta.annotations_of(owned), work.wanted, work.limits.surge)
        if size == before and annotations == meta.annotations_of(owned):
            return owned
        changed = {
            **owned,
            "metadata": {**owned["metadata"], "annotations": annotations},
            "spec": {**owned["spec"], "replicas": size},
        }
        written = await self._client.update(REPLICA_SETS, changed, namespace=changed["metadata"]["namespace"])
        if size != before:
            self._tell_scaled(work.deployment, owned["metadata"]["name"], before, size)
        return written

    async def _clean_up(self, work: _Work) -> None:
        for owned in revisions.plan_cleanup(work.deployment, work.old):
            metadata = owned["metadata"]
            try:
                await self._client.delete(
                    REPLICA_SETS, metadata["name"], namespace=metadata["namespace"], uid=metadata["uid"]
                )
            except NotFound:
                continue

    async def _refuse_empty_selector(self, deployment: Json) -> None:
        words = "This deployment is selecting all pods. A non-empty selector is required."
        self._recorder.event(deployment, "Warning", "SelectingAll", words)
        status = deployment.get("status") or {}
        if status.get("observedGeneration", 0) < meta.generation(deployment):
            seen = {**status, "observedGeneration": meta.generation(deployment)}
            await self._write_status(self._begin(deployment, []), seen)

    def _progressing(self, status: str, reason: str, message: str) -> Json:
        return statuses.make_condition("Progressing", status, reason, message, self.clock.now())

    def _tell_scaled(self, deployment: Json, name: str, before: int, after: int) -> None:
        direction = "up" if after > before else "down"
        words = f"Scaled {direction} replica set {name} from {before} to {after}"
        self._recorder.event(deployment, "Normal", "ScalingReplicaSet", words)

    def _runs_old_pods(self, work: _Work) -> bool:
        """Whether Pods of another revision have not ended yet, the ones that are ending included."""
        return any(
            not pod_facts.is_finished(pod)
            for owned in work.old
            for pod in self._pods.by_index(pod_facts.BY_CONTROLLER, owned["metadata"]["uid"])
        )

    def _keys_of_set(self, event: EventType, old: Json | None, new: Json | None) -> Iterable[ObjectKey]:
        keys = {key for obj in (old, new) if obj is not None and (key := self._owner_of(obj)) is not None}
        if new is not None and meta.controller_of(new) is None and not meta.is_being_deleted(new):
            for deployment in self._deployments.list(new["metadata"]["namespace"]):
                if selects(deployment["spec"].get("selector"), new):
                    keys.add(key_of(deployment))
        return keys

    def _keys_of_pod(self, event: EventType, old: Json | None, new: Json | None) -> Iterable[ObjectKey]:
        """Only ``Recreate`` waits for the end of Pods; everything else is told by the ReplicaSets."""
        pod = new or old
        if pod is None or (new is not None and not pod_facts.is_finished(new)):
            return
        reference = meta.controller_of(pod)
        if reference is None or reference.get("kind") != "ReplicaSet":
            return
        owner = self._sets.get(ObjectKey(pod["metadata"]["namespace"], reference["name"]))
        key = self._owner_of(owner) if owner is not None else None
        deployment = self._deployments.get(key) if key is not None else None
        if deployment is not None and (deployment["spec"].get("strategy") or {}).get("type") == "Recreate":
            yield key_of(deployment)

    def _owner_of(self, owned: Json) -> ObjectKey | None:
        reference = meta.controller_of(owned)
        if reference is None or reference.get("kind") != DEPLOYMENT.kind:
            return None
        key = ObjectKey(owned["metadata"]["namespace"], reference["name"])
        deployment = self._deployments.get(key)
        return key if deployment is not None and deployment["metadata"]["uid"] == reference["uid"] else None


def limits_of(deployment: Json) -> Limits:
    """How far its rollout may go beyond or below the wanted number; ``Recreate`` knows neither."""
    strategy = deployment["spec"].get("strategy") or {}
    if strategy.get("type") == "Recreate":
        return Limits(0, 0)
    rolling = strategy.get("rollingUpdate") or {}
    wanted = int(deployment["spec"].get("replicas", 1))
    return rollout.resolve_limits(
        wanted, rolling.get("maxSurge", "25%"), rolling.get("maxUnavailable", "25%")
    )


def _revision(owned: Json) -> Revision:
    return Revision(
        name=owned["metadata"]["name"],
        replicas=_size(owned),
        available=(owned.get("status") or {}).get("availableReplicas", 0),
        created=owned["metadata"].get("creationTimestamp") or "",
        desired=revisions.number_annotation(owned, revisions.DESIRED_REPLICAS),
        maximum=revisions.number_annotation(owned, revisions.MAX_REPLICAS),
    )


def _size(owned: Json) -> int:
    return int(owned["spec"].get("replicas", 1))


def _requeue(seconds: float | None) -> RequeueAfter | None:
    return RequeueAfter(seconds) if seconds is not None else None


def _with_found(work: _Work) -> Json:
    """The Deployment with the condition that this pass has found, for planning only."""
    if work.condition is None or statuses.deadline_of(work.deployment) is None:
        return work.deployment
    conditions = statuses.with_condition(meta.conditions_of(work.deployment), work.condition)
    return {**work.deployment, "status": {**(work.deployment.get("status") or {}), "conditions": conditions}}


def _paused_condition(deployment: Json, now: float) -> Json | None:
    """Pausing is told as ``Progressing: Unknown``, so that a pause does not count as a standstill."""
    current = meta.condition(deployment, "Progressing")
    if current is not None and current.get("reason") == statuses.TIMED_OUT:
        return None
    is_told = current is not None and current.get("reason") == statuses.PAUSED
    if deployment["spec"].get("paused") and not is_told:
        return statuses.make_condition("Progressing", "Unknown", statuses.PAUSED, "Deployment is paused", now)
    if is_told and not deployment["spec"].get("paused"):
        return statuses.make_condition(
            "Progressing", "Unknown", statuses.RESUMED, "Deployment is resumed", now
        )
    return None
