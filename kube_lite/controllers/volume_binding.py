"""Claims get volumes: found among those that are there, or made by a provisioner when the class names one.

Two loops, as upstream has them in one controller. The loop of claims binds, asks for provisioning and says
what a claim waits for; the loop of volumes keeps the phase of each volume and lets go of those whose claim is
gone. Volumes are made and removed by provisioners, programs of their own that follow the protocol of external
provisioners: a claim is theirs when its annotation names them, a volume to remove is one they made, that is
released, with the reclaim policy Delete.

Source: ``pkg/controller/volume/persistentvolume/pv_controller.go``; external-provisioner for the protocol.
"""

from collections.abc import Iterable

from kube_lite.api import meta
from kube_lite.api.identity import GroupVersionResource, Json, ObjectKey, key_of
from kube_lite.api.storage import class_of, default_class
from kube_lite.client.controller import Controller, RequeueAfter
from kube_lite.client.informers import Informers
from kube_lite.client.protocol import Client, EventType
from kube_lite.client.recorder import Recorder
from kube_lite.kit.clock import Clock

from . import pods as pod_facts
from .resources import PERSISTENT_VOLUME_CLAIMS, PERSISTENT_VOLUMES, PODS, STORAGE_CLASSES
from .volume_plan import (
    BIND_COMPLETED,
    BOUND_BY_CONTROLLER,
    IN_TREE,
    PROVISIONED_BY,
    SELECTED_NODE,
    bound_claim,
    bound_claim_status,
    bound_volume,
    find_volume,
    is_kept_for,
    mismatch,
    phase_of,
    released_volume,
    with_provisioner,
)
from .volume_protection import BY_CLAIM, claim_keys

COMPONENT = "persistentvolume-controller"
REPEAT_SECONDS = 15.0  # a claim that is looked at after that long says again what it waits for
BY_REFERENCE = "claimRef"


class ClaimBinding(Controller):
    """Gives every claim a volume."""

    def __init__(self, client: Client, informers: Informers, clock: Clock, recorder: Recorder) -> None:
        super().__init__("claim-binding", clock, workers=1)  # two claims must not choose the same volume
        self._client = client
        self._recorder = recorder.of(COMPONENT)
        self._claims = informers.informer(PERSISTENT_VOLUME_CLAIMS)
        self._volumes = informers.informer(PERSISTENT_VOLUMES)
        self._classes = informers.informer(STORAGE_CLASSES)
        self._pods = informers.informer(PODS)
        self._pods.add_index(BY_CLAIM, claim_keys)
        self._told: dict[ObjectKey, tuple[str, str, float]] = {}
        self.watch(self._claims)
        self.watch(self._volumes, self._keys_of_volume)
        self.watch(self._classes, self._keys_of_class)
        self.needs(self._pods)

    async def reconcile(self, key: ObjectKey) -> RequeueAfter | None:
        """Take one step with a claim."""
        claim = self._claims.get(key)
        if claim is None:
            self._told.pop(key, None)
            return None
        if BIND_COMPLETED in meta.annotations_of(claim):
            await self._check_bond(claim)
        elif claim["spec"].get("volumeName"):
            await self._bind_named(claim)
        else:
            await self._find(claim)
        return None

    async def _find(self, claim: Json) -> None:
        """Bind a claim that leaves the choice to us, or say what it waits for."""
        found = self._class(claim)
        is_delayed = (
            found is not None
            and found.get("volumeBindingMode") == "WaitForFirstConsumer"
            and SELECTED_NODE not in meta.annotations_of(claim)
        )
        volume = find_volume(claim, self._volumes.list(), is_delayed=is_delayed)
        if volume is not None:
            await self._bind(claim, volume)
            return
        if is_delayed:
            self._say(claim, "Normal", *self._awaited_pod(claim))
        elif class_of(claim):
            await self._ask_for_volume(claim, found)
        elif await self._take_default_class(claim):
            return
        else:
            words = "no persistent volumes available for this claim and no storage class is set"
            self._say(claim, "Normal", "FailedBinding", words)
        await self._set_phase(claim, "Pending")

    async def _ask_for_volume(self, claim: Json, storage_class: Json | None) -> None:
        if storage_class is None:
            words = f'storageclass.storage.k8s.io "{class_of(claim)}" not found'
            self._say(claim, "Warning", "ProvisioningFailed", words)
            return
        provisioner = storage_class["provisioner"]
        if provisioner.startswith(IN_TREE):
            self._say(claim, "Warning", "ProvisioningFailed", f"no volume plugin matched name: {provisioner}")
            return
        changed = with_provisioner(claim, provisioner)
        if changed is not None:
            claim = await self._client.update(
                PERSISTENT_VOLUME_CLAIMS, changed, namespace=claim["metadata"]["namespace"]
            )
        words = (
            "Waiting for a volume to be created either by the external provisioner "
            f"'{provisioner}' or manually by the system administrator. If volume creation is delayed, "
            "please verify that the provisioner is running and correctly registered."
        )
        self._say(claim, "Normal", "ExternalProvisioning", words)

    async def _take_default_class(self, claim: Json) -> bool:
        """Give a claim that said nothing of a class the default one, which may be newer than the claim."""
        name = default_class(self._classes.list())
        if not name or claim["spec"].get("storageClassName") is not None:
            return False
        changed = {**claim, "spec": {**claim["spec"], "storageClassName": name}}
        await self._client.update(PERSISTENT_VOLUME_CLAIMS, changed, namespace=claim["metadata"]["namespace"])
        return True

    async def _bind_named(self, claim: Json) -> None:
        """Bind a claim that says which volume it wants."""
        name = claim["spec"]["volumeName"]
        volume = self._volumes.get(ObjectKey("", name))
        if volume is None:
            await self._set_phase(claim, "Pending")
        elif is_kept_for(volume, claim):
            await self._bind(claim, volume)
        elif volume["spec"].get("claimRef") is not None:
            if BOUND_BY_CONTROLLER not in meta.annotations_of(claim):
                words = f'volume "{name}" already bound to a different claim.'
                self._say(claim, "Warning", "FailedBinding", words)
                await self._set_phase(claim, "Pending")
        elif why := mismatch(volume, claim):
            self._say(claim, "Warning", "VolumeMismatch", f'Cannot bind to requested volume "{name}": {why}')
            await self._set_phase(claim, "Pending")
        else:
            await self._bind(claim, volume)

    async def _check_bond(self, claim: Json) -> None:
        """A claim that was bound stays with its volume, or is lost."""
        name = claim["spec"].get("volumeName")
        if not name:
            words = "Bound claim has lost reference to PersistentVolume. Data on the volume is lost!"
            await self._lose(claim, "ClaimLost", words)
            return
        volume = self._volumes.get(ObjectKey("", name))
        if volume is None:
            words = "Bound claim has lost its PersistentVolume. Data on the volume is lost!"
            await self._lose(claim, "ClaimLost", words)
        elif volume["spec"].get("claimRef") is None or is_kept_for(volume, claim):
            await self._bind(claim, volume)
        else:
            words = "Two claims are bound to the same volume, this one is bound incorrectly"
            await self._lose(claim, "ClaimMisbound", words)

    async def _bind(self, claim: Json, volume: Json) -> None:
        """Make each name the other; every part may have been done before."""
        changed = bound_volume(volume, claim)
        if changed is not volume:
            volume = await self._client.update(PERSISTENT_VOLUMES, changed)
        await set_volume_phase(self._client, volume, "Bound")
        namespace = claim["metadata"]["namespace"]
        named = bound_claim(claim, volume)
        if named is not claim:
            claim = await self._client.update(PERSISTENT_VOLUME_CLAIMS, named, namespace=namespace)
        status = bound_claim_status(claim, volume)
        if status != claim.get("status"):
            self._told.pop(key_of(claim), None)
            await self._client.update(
                PERSISTENT_VOLUME_CLAIMS,
                {**claim, "status": status},
                namespace=namespace,
                subresource="status",
            )

    async def _lose(self, claim: Json, reason: str, words: str) -> None:
        if phase_of(claim) != "Lost":
            self._recorder.event(claim, "Warning", reason, words)
            await self._set_phase(claim, "Lost")

    async def _set_phase(self, claim: Json, phase: str) -> None:
        if phase_of(claim) == phase:
            return
        kept = {
            name: value
            for name, value in (claim.get("status") or {}).items()
            if name not in ("accessModes", "capacity")
        }
        await self._client.update(
            PERSISTENT_VOLUME_CLAIMS,
            {**claim, "status": {**kept, "phase": phase}},
            namespace=claim["metadata"]["namespace"],
            subresource="status",
        )

    def _say(self, claim: Json, type_: str, reason: str, words: str) -> None:
        """Tell what a claim waits for; not again for every write of our own."""
        key, now = key_of(claim), self.clock.now()
        told = self._told.get(key)
        if told is None or told[:2] != (reason, words) or now - told[2] >= REPEAT_SECONDS:
            self._told[key] = (reason, words, now)
            self._recorder.event(claim, type_, reason, words)

    def _awaited_pod(self, claim: Json) -> tuple[str, str]:
        users = (pod for pod in self._pods.by_index(BY_CLAIM, str(key_of(claim))))
        names = sorted(pod["metadata"]["name"] for pod in users if not pod_facts.is_finished(pod))
        if names:
            plural = "s" if len(names) > 1 else ""
            return "WaitForPodScheduled", f"waiting for pod{plural} {','.join(names)} to be scheduled"
        return "WaitForFirstConsumer", "waiting for first consumer to be created before binding"

    def _class(self, claim: Json) -> Json | None:
        name = class_of(claim)
        return self._classes.get(ObjectKey("", name)) if name else None

    def _keys_of_volume(self, event: EventType, old: Json | None, new: Json | None) -> Iterable[ObjectKey]:
        """The claim a volume is bound to; for one that is free, every claim that waits."""
        for volume in (old, new):
            reference = volume["spec"].get("claimRef") if volume is not None else None
            if reference is not None:
                yield ObjectKey(reference.get("namespace", ""), reference.get("name", ""))
        if new is not None and new["spec"].get("claimRef") is None and phase_of(new) == "Available":
            yield from self._waiting()

    def _keys_of_class(self, event: EventType, old: Json | None, new: Json | None) -> Iterable[ObjectKey]:
        return self._waiting() if new is not None else ()

    def _waiting(self) -> Iterable[ObjectKey]:
        return [
            key_of(claim) for claim in self._claims.list() if BIND_COMPLETED not in meta.annotations_of(claim)
        ]


class VolumePhases(Controller):
    """Keeps the phase of every volume, and lets go of those whose claim is gone."""

    def __init__(self, client: Client, informers: Informers, clock: Clock, recorder: Recorder) -> None:
        super().__init__("volume-phases", clock)
        self._client = client
        self._recorder = recorder.of(COMPONENT)
        self._claims = informers.informer(PERSISTENT_VOLUME_CLAIMS)
        self._volumes = informers.informer(PERSISTENT_VOLUMES)
        self._volumes.add_index(BY_REFERENCE, _reference_keys)
        self.watch(self._volumes)
        self.watch(self._claims, self._keys_of_claim)

    async def reconcile(self, key: ObjectKey) -> RequeueAfter | None:
        """Take one step with a volume."""
        volume = self._volumes.get(key)
        if volume is None:
            return None
        reference = volume["spec"].get("claimRef")
        if reference is None or not reference.get("uid"):
            await set_volume_phase(self._client, volume, "Available")
            return None
        claim = self._claims.get(ObjectKey(reference["namespace"], reference["name"]))
        if claim is not None and claim["metadata"]["uid"] != reference["uid"]:
            claim = None  # another of the same name
        if claim is None:
            await self._release(volume)
        elif claim["spec"].get("volumeName") == key.name:
            await set_volume_phase(self._client, volume, "Bound")
        elif claim["spec"].get("volumeName"):
            await self._unbind(volume)
        return None  # a claim that names no volume yet will be bound to this one by the other loop

    async def _release(self, volume: Json) -> None:
        if phase_of(volume) not in ("Released", "Failed"):
            volume = await set_volume_phase(self._client, volume, "Released")
        policy = volume["spec"].get("persistentVolumeReclaimPolicy", "Retain")
        if policy == "Retain" or phase_of(volume) == "Failed":
            return
        if policy == "Delete" and PROVISIONED_BY in meta.annotations_of(volume):
            return  # whoever made it removes it
        if policy == "Delete":
            await self._fail(volume, "VolumeFailedDelete", why_not_deleted(volume))
        else:
            await self._fail(volume, "VolumeFailedRecycle", "No recycler plugin found for the volume!")

    async def _fail(self, volume: Json, reason: str, words: str) -> None:
        self._recorder.event(volume, "Warning", reason, words)
        await set_volume_phase(self._client, volume, "Failed", words)

    async def _unbind(self, volume: Json) -> None:
        """Its claim has taken another volume."""
        policy = volume["spec"].get("persistentVolumeReclaimPolicy", "Retain")
        if PROVISIONED_BY in meta.annotations_of(volume) and policy == "Delete":
            await set_volume_phase(self._client, volume, "Released")
        else:
            volume = await self._client.update(PERSISTENT_VOLUMES, released_volume(volume))
            await set_volume_phase(self._client, volume, "Available")

    def _keys_of_claim(self, event: EventType, old: Json | None, new: Json | None) -> Iterable[ObjectKey]:
        claim = new or old
        if claim is None:
            return
        name = claim["spec"].get("volumeName")
        if name:
            yield ObjectKey("", name)
        for volume in self._volumes.by_index(BY_REFERENCE, str(key_of(claim))):
            yield key_of(volume)


def _reference_keys(volume: Json) -> list[str]:
    reference = volume["spec"].get("claimRef")
    if reference is None:
        return []
    return [str(ObjectKey(reference.get("namespace", ""), reference.get("name", "")))]


async def set_volume_phase(client: Client, volume: Json, phase: str, message: str = "") -> Json:
    """Write the phase if it is not so; returns the volume as it is then."""
    if phase_of(volume) == phase:
        return volume
    status = {name: value for name, value in (volume.get("status") or {}).items() if name != "message"}
    status["phase"] = phase
    if message:
        status["message"] = message
    resource: GroupVersionResource = PERSISTENT_VOLUMES
    return await client.update(resource, {**volume, "status": status}, subresource="status")


def why_not_deleted(volume: Json) -> str:
    """Why nobody removes what is in a volume: of those made by hand only directories for tests ever are."""
    path = (volume["spec"].get("hostPath") or {}).get("path")
    if path is not None and not path.startswith("/tmp/"):
        return f"host_path deleter only supports /tmp/.+ but received provided {path}"
    name = volume["metadata"]["name"]
    return f'error getting deleter volume plugin for volume "{name}": no deletable volume plugin matched'
