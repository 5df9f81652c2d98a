"""StatefulSet → Pods with numbers, names and claims of their own, in order.

The plan says what comes next; this performs it and writes the status. Names are fixed, so a Pod is never
made twice; expectations only spare a second look before the first has shown. A Pod whose claim still belongs
to an earlier Pod of its name waits until that claim is gone.

Source: kubernetes/pkg/controller/statefulset.
"""

from collections.abc import Iterable, Sequence

from kube_lite.api import meta
from kube_lite.api.errors import AlreadyExists, ApiError, Conflict, NotFound
from kube_lite.api.identity import Json, ObjectKey, key_of
from kube_lite.client.controller import RequeueAfter, is_namespace_ending
from kube_lite.client.informers import Informers
from kube_lite.client.protocol import Client, EventType, PatchType
from kube_lite.client.recorder import Recorder
from kube_lite.kit.clock import Clock

from . import statefulset_claims as claims
from . import statefulset_plan as plans
from .history import History, Past
from .owners import OwnerKind, PodOwners
from .pods import EventWords
from .resources import PERSISTENT_VOLUME_CLAIMS, PODS, STATEFUL_SET, STATEFUL_SETS

KIND = OwnerKind(STATEFUL_SET, STATEFUL_SETS, "statefulset-controller")
HASH_LABEL = "controller.kubernetes.io/hash"
WORDS = EventWords(
    created="Create Pod {pod} in StatefulSet {owner} successful",
    not_created="Create Pod {pod} in StatefulSet {owner} failed error: {error}",
    deleted="Delete Pod {pod} in StatefulSet {owner} successful",
    not_deleted="Delete Pod {pod} in StatefulSet {owner} failed error: {error}",
)


class StatefulSets(PodOwners):
    """Keeps the Pods, claims and revisions of every StatefulSet."""

    def __init__(self, client: Client, informers: Informers, clock: Clock, recorder: Recorder) -> None:
        super().__init__(client, informers, clock, recorder, KIND, words=WORDS)
        self._history = History(client, informers, KIND, hash_label=HASH_LABEL)
        self._claims = informers.informer(PERSISTENT_VOLUME_CLAIMS)
        self.needs(self._history.informer)
        self.watch(self._claims, self._keys_of_claim)

    async def reconcile(self, key: ObjectKey) -> RequeueAfter | None:
        """Take the next step, then write the status."""
        owner = self.owners.get(key)
        if owner is None:
            self.expectations.forget(key)
            return None
        may_act = self.expectations.are_met(key)
        owned = await self.owned_pods(
            owner, lambda pod: claims.ordinal_of(owner, pod["metadata"]["name"]) is not None
        )
        pods = [pod for pod in owned if claims.ordinal_of(owner, pod["metadata"]["name"]) is not None]
        past = await self._history.sync(owner)
        if past is None:
            return None
        now = self.clock.now()
        status, next_available = plans.plan_status(owner, pods, past, now)
        failure = None
        if may_act:
            step = plans.plan_step(owner, pods, past.newest["metadata"]["name"], now)
            failure = await self._perform(owner, step, past)
        await self.write_status(owner, status)
        if failure is not None and not is_namespace_ending(failure):
            raise failure
        live = {status["currentRevision"], status["updateRevision"], *map(plans.revision_of, pods)}
        await self._history.trim(owner, past, live)
        return RequeueAfter(next_available) if next_available is not None else None

    async def _perform(self, owner: Json, step: plans.Step, past: Past) -> ApiError | None:
        new = [plans.new_pod(owner, ordinal, past) for ordinal in step.create]
        try:
            ready = [pod for pod in new if await self._provide_claims(owner, pod)]
            for pod in step.complete:
                await self._provide_claims(owner, pod)
            for pod in step.keep:
                await self._keep_identity(owner, pod)
                await self._keep_claims(owner, pod)
        except ApiError as error:
            return error
        failure = await self.create_pods(owner, ready) if ready else None
        if step.delete and failure is None:
            failure = await self.delete_pods(owner, step.delete)
        return failure

    async def _provide_claims(self, owner: Json, pod: Json) -> bool:
        """Make the claims that are missing; False while an earlier Pod's claim is in the way."""
        name = pod["metadata"]["name"]
        ordinal = claims.ordinal_of(owner, name)
        wanted = claims.claims_for(owner, ordinal) if ordinal is not None else []
        found = [self._claims.get(key_of(claim)) for claim in wanted]
        is_new = not pod["metadata"].get("uid")
        if is_new and any(
            claim is not None and (claims.is_left_over(claim, name) or meta.is_being_deleted(claim))
            for claim in found
        ):
            return False
        for claim, existing in zip(wanted, found, strict=True):
            if existing is None:
                await self._create_claim(owner, claim, name)
        return True

    async def _create_claim(self, owner: Json, claim: Json, pod_name: str) -> None:
        name, set_name = claim["metadata"]["name"], owner["metadata"]["name"]
        try:
            await self.client.create(
                PERSISTENT_VOLUME_CLAIMS, claim, namespace=claim["metadata"]["namespace"]
            )
        except AlreadyExists:  # the informer does not know it yet
            return
        except ApiError as error:
            if not is_namespace_ending(error):
                words = f"Create Claim {name} for Pod {pod_name} in StatefulSet {set_name} failed error: "
                self.recorder.event(owner, "Warning", "FailedCreate", words + error.message)
            raise
        words = f"Create Claim {name} Pod {pod_name} in StatefulSet {set_name} success"
        self.recorder.event(owner, "Normal", "SuccessfulCreate", words)

    async def _keep_identity(self, owner: Json, pod: Json) -> None:
        """Give an adopted Pod the labels by which it can be selected."""
        name, namespace = pod["metadata"]["name"], pod["metadata"]["namespace"]
        ordinal = claims.ordinal_of(owner, name)
        labels = plans.identity_labels(name, ordinal) if ordinal is not None else {}
        if plans.is_spare(owner, pod) or labels.items() <= meta.labels_of(pod).items():
            return
        patch = {"metadata": {"labels": labels, "uid": pod["metadata"]["uid"]}}
        await self.client.patch(PODS, name, patch, namespace=namespace, patch_type=PatchType.MERGE)

    async def _keep_claims(self, owner: Json, pod: Json) -> None:
        """Give the claims of a Pod the owners that the retention policy asks for."""
        namespace = owner["metadata"]["namespace"]
        ordinal = claims.ordinal_of(owner, pod["metadata"]["name"])
        for template in claims.templates_of(owner) if ordinal is not None else ():
            name = claims.claim_name(owner, template, ordinal or 0)
            claim = self._claims.get(ObjectKey(namespace, name))
            if claim is None:
                continue
            owners = claims.plan_owners(owner, pod, claim)
            if owners == meta.owner_references(claim):
                continue
            changed = {**claim, "metadata": {**claim["metadata"], "ownerReferences": owners}}
            try:
                await self.client.update(PERSISTENT_VOLUME_CLAIMS, changed, namespace=namespace)
            except NotFound:
                continue
            except Conflict:
                self.queue.add_rate_limited(key_of(owner))

    def _keys_of_claim(self, event: EventType, old: Json | None, new: Json | None) -> Iterable[ObjectKey]:
        """Only the end of a claim may be waited for."""
        if old is None or new is not None:
            return []
        name, namespace = old["metadata"]["name"], old["metadata"]["namespace"]
        owners: Sequence[Json] = self.owners.list(namespace)
        return [key_of(owner) for owner in owners if claims.is_claim_of(owner, name)]
