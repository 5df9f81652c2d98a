"""ResourceClaims that Pods describe by a template: made for the Pod, kept while it needs them, gone with it.

One controller makes the claims and writes their names into the Pod's status. A claim has a name that nobody
can know beforehand, so one made for a Pod whose status does not tell of it yet is found by its owner and
annotation. The other takes Pods that have ended off the claims they had reserved, gives back what was
allocated once nobody is left, and deletes what was made for a Pod that will not run any more.
Source: ``pkg/controller/resourceclaim``.
"""

from collections.abc import Iterable, Iterator

from kube_lite.api import meta
from kube_lite.api.errors import NotFound
from kube_lite.api.identity import GroupVersionKind, GroupVersionResource, Json, ObjectKey, key_of
from kube_lite.client.controller import Controller, RequeueAfter
from kube_lite.client.informers import Informers
from kube_lite.client.protocol import Client, EventType, PatchType
from kube_lite.client.recorder import Recorder
from kube_lite.kit.clock import Clock

from .resources import PODS

CLAIMS = GroupVersionResource("resource.k8s.io", "v1", "resourceclaims")
TEMPLATES = GroupVersionResource("resource.k8s.io", "v1", "resourceclaimtemplates")
POD = GroupVersionKind("", "v1", "Pod")
FOR_CLAIM = "resource.kubernetes.io/pod-claim-name"
FINALIZER = "resource.kubernetes.io/delete-protection"
MANAGER = "ResourceClaimController"
MOST_CONSUMERS = 256
LONGEST_BASE = 57  # of a generated name, which is 63 characters at most
BY_OWNER, BY_TEMPLATE, BY_CLAIM = "owning Pods", "claim templates", "resource claims"


def claim_names(pod: Json) -> dict[str, str | None]:
    """What the Pod calls a claim → which it is: ``""`` where it is to be made, None where none is needed."""
    told = {entry["name"]: entry for entry in (pod.get("status") or {}).get("resourceClaimStatuses") or ()}
    names: dict[str, str | None] = {}
    for entry in pod["spec"].get("resourceClaims") or ():
        name = entry["name"]
        if entry.get("resourceClaimName"):
            names[name] = entry["resourceClaimName"]
        else:
            names[name] = told[name].get("resourceClaimName") if name in told else ""
    return names


def is_done(pod: Json) -> bool:
    """Whether none of its containers runs or ever will."""
    if (pod.get("status") or {}).get("phase") in ("Succeeded", "Failed"):
        return True
    return meta.is_being_deleted(pod) and not pod["spec"].get("nodeName")


def plan_claim(pod: Json, name: str, template: Json) -> Json:
    """The claim that a Pod calls ``name``, as it is to be created.

    Where the names of both are too long together, each loses in proportion.
    """
    described = template["spec"].get("metadata") or {}
    base = f"{pod['metadata']['name']}-{name}-"
    if len(base) > LONGEST_BASE:
        first, second = (
            text[: len(text) * LONGEST_BASE // len(base)] for text in (pod["metadata"]["name"], name)
        )
        base = f"{first}-{second}"
    metadata: Json = {
        "generateName": base,
        "annotations": {**(described.get("annotations") or {}), FOR_CLAIM: name},
        "ownerReferences": [meta.owner_reference(pod, POD)],
    }
    if described.get("labels"):
        metadata["labels"] = described["labels"]
    spec = template["spec"]["spec"]
    return {"apiVersion": CLAIMS.api_version, "kind": "ResourceClaim", "metadata": metadata, "spec": spec}


class PodClaims(Controller):
    """Makes what Pods describe. Keys are those of Pods."""

    def __init__(self, client: Client, informers: Informers, clock: Clock, recorder: Recorder) -> None:
        super().__init__("pod-resource-claims", clock)
        self._client = client
        self._recorder = recorder.of("resource_claim")
        self._made: dict[tuple[str, str], Json] = {}
        """uid of a Pod and its name for a claim → the claim, until the informer tells of it."""
        self._pods = informers.informer(PODS)
        self._claims = informers.informer(CLAIMS)
        self._templates = informers.informer(TEMPLATES)
        self._pods.add_index(BY_CLAIM, _claims_of)
        self._pods.add_index(BY_TEMPLATE, _templates_of)
        self._claims.add_index(BY_OWNER, lambda claim: [owner["uid"] for owner in _owners(claim)])
        self.watch(self._pods, _with_claims)
        self.watch(self._claims, self._claim_changed)
        self.watch(self._templates, self._template_changed)

    async def reconcile(self, key: ObjectKey) -> RequeueAfter | None:
        """Make what is missing, tell the Pod, and reserve for it what it has been placed with."""
        pod = self._pods.get(key)
        if pod is None or meta.is_being_deleted(pod) or is_done(pod):  # what was for it is to go
            return None
        names = claim_names(pod)
        found: dict[str, str] = {}
        for entry in pod["spec"].get("resourceClaims") or ():
            name = names[entry["name"]]
            if not entry.get("resourceClaimTemplateName") or name is None:
                continue
            claim = self._claims.get(ObjectKey(key.namespace, name)) if name else None
            if claim is None or not meta.is_controlled_by(claim, pod):
                claim = await self._make(pod, entry["name"], entry["resourceClaimTemplateName"])
            if claim is None:
                return None
            found[entry["name"]] = claim["metadata"]["name"]
        if any(names[name] != claim_name for name, claim_name in found.items()):
            await self._tell(pod, {**names, **found})
        elif pod["spec"].get("nodeName"):
            await self._reserve(pod, names)
        return None

    async def _make(self, pod: Json, name: str, template_name: str) -> Json | None:
        """The claim of a Pod; None where there is no template of which to make it."""
        uid, namespace = meta.uid_of(pod), pod["metadata"]["namespace"]
        for claim in [*self._claims.by_index(BY_OWNER, uid), self._made.get((uid, name))]:
            if claim is not None and meta.annotations_of(claim).get(FOR_CLAIM) == name:
                return claim
        template = self._templates.get(ObjectKey(namespace, template_name))
        if template is None:
            try:
                template = await self._client.get(TEMPLATES, template_name, namespace=namespace)
            except NotFound:
                why = f'resource claim template "{template_name}": resourceclaimtemplate.resource.k8s.io '
                why += f'"{template_name}" not found'
                words = f"PodResourceClaim {name}: {why}"
                self._recorder.event(pod, "Warning", "FailedResourceClaimCreation", words)
                return None
        claim = await self._client.create(CLAIMS, plan_claim(pod, name, template), namespace=namespace)
        self._made[uid, name] = claim
        return claim

    async def _tell(self, pod: Json, names: dict[str, str | None]) -> None:
        templated = {
            entry["name"] for entry in pod["spec"]["resourceClaims"] if not entry.get("resourceClaimName")
        }
        statuses = [
            {"name": name} | ({"resourceClaimName": claim} if claim else {})
            for name, claim in names.items()
            if name in templated and claim != ""
        ]
        metadata = pod["metadata"]
        patch = {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": metadata["name"], "uid": metadata["uid"]},
            "status": {"resourceClaimStatuses": statuses},
        }
        await self._client.patch(
            PODS, metadata["name"], patch, namespace=metadata["namespace"], subresource="status",
            patch_type=PatchType.APPLY, field_manager=MANAGER, force=True,
        )  # fmt: skip

    async def _reserve(self, pod: Json, names: dict[str, str | None]) -> None:
        """For Pods that were given a node by somebody else than a scheduler that knows of claims."""
        metadata = pod["metadata"]
        for name in filter(None, names.values()):
            claim = self._claims.get(ObjectKey(metadata["namespace"], name))
            status = (claim or {}).get("status") or {}
            consumers = status.get("reservedFor") or []
            if claim is None or not status.get("allocation") or len(consumers) >= MOST_CONSUMERS:
                continue
            if any(entry["uid"] == metadata["uid"] for entry in consumers):
                continue
            mine = {"resource": "pods", "name": metadata["name"], "uid": metadata["uid"]}
            changed = {**claim, "status": {**status, "reservedFor": [*consumers, mine]}}
            await self._client.update(CLAIMS, changed, namespace=metadata["namespace"], subresource="status")

    def _claim_changed(self, event: EventType, old: Json | None, new: Json | None) -> Iterable[ObjectKey]:
        claim = new or old
        if claim is None:
            return
        for owner in _owners(claim):
            self._made.pop((owner["uid"], meta.annotations_of(claim).get(FOR_CLAIM, "")), None)
            yield ObjectKey(claim["metadata"]["namespace"], owner["name"])
        yield from (key_of(pod) for pod in self._pods.by_index(BY_CLAIM, str(key_of(claim))))

    def _template_changed(self, event: EventType, old: Json | None, new: Json | None) -> Iterable[ObjectKey]:
        if old is None and new is not None:
            yield from (key_of(pod) for pod in self._pods.by_index(BY_TEMPLATE, str(key_of(new))))


class ClaimReservations(Controller):
    """Frees claims of Pods that need them no more. Keys are those of claims."""

    def __init__(self, client: Client, informers: Informers, clock: Clock) -> None:
        super().__init__("resource-claim-reservations", clock)
        self._client = client
        self._pods = informers.informer(PODS)
        self._claims = informers.informer(CLAIMS)
        self.watch(self._claims)
        self.watch(self._pods, _let_go)

    async def reconcile(self, key: ObjectKey) -> RequeueAfter | None:
        """Free it from who has ended, and delete it if it was for nobody else."""
        claim = self._claims.get(key)
        if claim is None:
            return None
        consumers = (claim.get("status") or {}).get("reservedFor") or []
        if any(entry.get("apiGroup") or entry["resource"] != "pods" for entry in consumers):
            return None  # of consumers that are no Pods nobody knows when they have ended
        kept = [entry for entry in consumers if not await self._has_ended(key.namespace, entry)]
        claim = await self._free(claim, consumers, kept)
        if not kept:
            await self._delete_unless_needed(claim)
        return None

    async def _has_ended(self, namespace: str, consumer: Json) -> bool:
        pod = self._pods.get(ObjectKey(namespace, consumer["name"]))
        if pod is None:  # a scheduler may know of a Pod before we do
            try:
                pod = await self._client.get(PODS, consumer["name"], namespace=namespace)
            except NotFound:
                return True
        return meta.uid_of(pod) != consumer["uid"] or is_done(pod)

    async def _free(self, claim: Json, consumers: list[Json], kept: list[Json]) -> Json:
        """Write who is left; when nobody is, what was allocated for them goes back, and the finalizer."""
        namespace, before = claim["metadata"]["namespace"], claim.get("status") or {}
        ended = bool(consumers) or meta.is_being_deleted(claim)
        gives_back = not kept and ended and meta.has_finalizer(claim, FINALIZER)
        status = {**before, "reservedFor": kept}
        if not kept:
            del status["reservedFor"]
        if gives_back:
            status.pop("allocation", None)
        if status != before:
            changed = {**claim, "status": status}
            claim = await self._client.update(CLAIMS, changed, namespace=namespace, subresource="status")
        if gives_back:
            changed = meta.copy(claim)
            meta.remove_finalizer(changed, FINALIZER)
            claim = await self._client.update(CLAIMS, changed, namespace=namespace)
        return claim

    async def _delete_unless_needed(self, claim: Json) -> None:
        """Where the Pod it was made for is there but will not run; one that has gone takes it with it."""
        name, namespace = claim["metadata"]["name"], claim["metadata"]["namespace"]
        for owner in _owners(claim):
            pod = self._pods.get(ObjectKey(namespace, owner["name"]))
            if pod is None or (meta.uid_of(pod) == owner["uid"] and not is_done(pod)):
                continue
            try:
                await self._client.delete(CLAIMS, name, namespace=namespace, uid=meta.uid_of(claim))
            except NotFound:
                return


def _owners(claim: Json) -> Iterator[Json]:
    """The Pod a claim was made for."""
    owner = meta.controller_of(claim)
    if owner is not None and (owner["apiVersion"], owner["kind"]) == ("v1", "Pod"):
        yield owner


def _claims_of(pod: Json) -> list[str]:
    if not pod["spec"].get("resourceClaims"):
        return []
    namespace = pod["metadata"]["namespace"]
    return [str(ObjectKey(namespace, name)) for name in claim_names(pod).values() if name]


def _templates_of(pod: Json) -> list[str]:
    namespace = pod["metadata"]["namespace"]
    return [
        str(ObjectKey(namespace, entry["resourceClaimTemplateName"]))
        for entry in pod["spec"].get("resourceClaims") or ()
        if entry.get("resourceClaimTemplateName")
    ]


def _with_claims(event: EventType, old: Json | None, new: Json | None) -> Iterable[ObjectKey]:
    if new is not None and new["spec"].get("resourceClaims"):
        yield key_of(new)


def _let_go(event: EventType, old: Json | None, new: Json | None) -> Iterable[ObjectKey]:
    pod = new or old
    if pod is None or (new is not None and not is_done(new)):
        return
    extended = (pod.get("status") or {}).get("extendedResourceClaimStatus") or {}
    names = [*claim_names(pod).values(), extended.get("resourceClaimName")]
    for name in filter(None, names):
        yield ObjectKey(pod["metadata"]["namespace"], name)
