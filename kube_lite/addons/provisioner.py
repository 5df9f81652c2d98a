"""Volumes on demand: each a directory on this host.

A provisioner as every cluster may have several, told by annotations what to do (see
``controllers/volume_binding.py``). A claim that names it gets a volume of type ``hostPath``, whose directory
outlives Pods and the server and goes with the volume. Every node of a cluster in this process sees the same
directory, so a volume needs no node. Room is not enforced: what a claim asks for is what its volume says, and
a claim that asks for more later has it at once.

Source: kubernetes-sigs/sig-storage-lib-external-provisioner, whose protocol and events these are.
"""

import asyncio
import shutil
from pathlib import Path

from kube_lite.api import meta
from kube_lite.api.errors import NotFound
from kube_lite.api.identity import GroupVersionResource, Json, ObjectKey
from kube_lite.api.quantity import parse_quantity
from kube_lite.api.storage import claim_reference, class_of
from kube_lite.client.controller import Controller, RequeueAfter
from kube_lite.client.informers import Informers
from kube_lite.client.protocol import Client
from kube_lite.client.recorder import Recorder
from kube_lite.kit.clock import Clock

CLAIMS = GroupVersionResource("", "v1", "persistentvolumeclaims")
VOLUMES = GroupVersionResource("", "v1", "persistentvolumes")
CLASSES = GroupVersionResource("storage.k8s.io", "v1", "storageclasses")

NAME = "kube-lite.io/directory"
STORAGE_PROVISIONER = "volume.kubernetes.io/storage-provisioner"
SELECTED_NODE = "volume.kubernetes.io/selected-node"
PROVISIONED_BY = "pv.kubernetes.io/provisioned-by"


class ClaimProvisioner(Controller):
    """Makes volumes for the claims that ask this provisioner, and lets those grow that may.

    Args:
        directory: where the volumes' directories are made; absolute.
        name: what storage classes call it.
    """

    def __init__(
        self, client: Client, informers: Informers, clock: Clock, recorder: Recorder, directory: Path,
        name: str = NAME,
    ) -> None:  # fmt: skip
        super().__init__("provisioner", clock)
        self._client = client
        self._recorder = recorder.of(name)
        self._directory = directory
        self._name = name
        self._claims = informers.informer(CLAIMS)
        self._volumes = informers.informer(VOLUMES)
        self._classes = informers.informer(CLASSES)
        self.watch(self._claims)
        self.needs(self._volumes)
        self.needs(self._classes)

    async def reconcile(self, key: ObjectKey) -> RequeueAfter | None:
        """Give a claim its volume, or more room."""
        claim = self._claims.get(key)
        if claim is None or meta.is_being_deleted(claim):
            return None
        storage_class = self._classes.get(ObjectKey("", class_of(claim)))
        if storage_class is None:
            return None
        name = claim["spec"].get("volumeName")
        if not name:
            if is_ours(claim, storage_class, self._name):
                await self._provision(claim, storage_class)
            return None
        volume = self._volumes.get(ObjectKey("", name))
        if volume is not None and meta.annotations_of(volume).get(PROVISIONED_BY) == self._name:
            await self._grow(claim, volume, storage_class)
        return None

    async def _provision(self, claim: Json, storage_class: Json) -> None:
        volume = plan_volume(claim, storage_class, self._name, self._directory)
        name = volume["metadata"]["name"]
        if self._volumes.get(ObjectKey("", name)) is not None:
            return  # made before, and to be bound by others
        if claim["spec"].get("volumeMode") == "Block":
            why = "directories are no block devices"
            words = f'failed to provision volume with StorageClass "{class_of(claim)}": {why}'
            self._recorder.event(claim, "Warning", "ProvisioningFailed", words)
            return
        namespace, claim_name = claim["metadata"]["namespace"], claim["metadata"]["name"]
        words = f'External provisioner is provisioning volume for claim "{namespace}/{claim_name}"'
        self._recorder.event(claim, "Normal", "Provisioning", words)
        await asyncio.to_thread(make_directory, Path(volume["spec"]["hostPath"]["path"]))
        await self._client.create(VOLUMES, volume)
        self._recorder.event(
            claim, "Normal", "ProvisioningSucceeded", f"Successfully provisioned volume {name}"
        )

    async def _grow(self, claim: Json, volume: Json, storage_class: Json) -> None:
        wanted = claim["spec"]["resources"]["requests"]["storage"]
        status = claim.get("status") or {}
        granted = (status.get("capacity") or {}).get("storage")
        if granted is None or parse_quantity(wanted) <= parse_quantity(granted):
            return
        if not storage_class.get("allowVolumeExpansion"):
            return
        if parse_quantity(volume["spec"]["capacity"]["storage"]) < parse_quantity(wanted):
            spec = {**volume["spec"], "capacity": {**volume["spec"]["capacity"], "storage": wanted}}
            await self._client.update(VOLUMES, {**volume, "spec": spec})
        changed = {**claim, "status": {**status, "capacity": {**status["capacity"], "storage": wanted}}}
        namespace = claim["metadata"]["namespace"]
        await self._client.update(CLAIMS, changed, namespace=namespace, subresource="status")
        name = volume["metadata"]["name"]
        self._recorder.event(
            claim, "Normal", "VolumeResizeSuccessful", f"Resize volume succeeded: volume {name}"
        )


class VolumeRemover(Controller):
    """Removes the volumes that this provisioner made, once nobody has them and their class says Delete."""

    def __init__(
        self, client: Client, informers: Informers, clock: Clock, directory: Path, name: str = NAME
    ) -> None:
        super().__init__("volume-remover", clock)
        self._client = client
        self._directory = directory
        self._name = name
        self._volumes = informers.informer(VOLUMES)
        self.watch(self._volumes)

    async def reconcile(self, key: ObjectKey) -> RequeueAfter | None:
        """Remove the directory first, so that a kill in between leaves a volume that is removed again."""
        volume = self._volumes.get(key)
        if volume is None or not is_to_be_removed(volume, self._name):
            return None
        path = Path(volume["spec"]["hostPath"]["path"])
        if path.parent == self._directory:  # anything else was written there by hand
            await asyncio.to_thread(shutil.rmtree, path, ignore_errors=True)
        try:
            await self._client.delete(VOLUMES, key.name, uid=volume["metadata"]["uid"])
        except NotFound:
            return None
        return None


def is_ours(claim: Json, storage_class: Json, name: str) -> bool:
    """Whether this provisioner should make a volume for the claim now."""
    annotations = meta.annotations_of(claim)
    if annotations.get(STORAGE_PROVISIONER) != name:
        return False
    return storage_class.get("volumeBindingMode") != "WaitForFirstConsumer" or SELECTED_NODE in annotations


def is_to_be_removed(volume: Json, name: str) -> bool:
    """Whether it is one of ours that was let go of for good."""
    return (
        meta.annotations_of(volume).get(PROVISIONED_BY) == name
        and (volume.get("status") or {}).get("phase") == "Released"
        and volume["spec"].get("persistentVolumeReclaimPolicy") == "Delete"
        and volume["spec"].get("hostPath") is not None
        and not meta.is_being_deleted(volume)
    )


def plan_volume(claim: Json, storage_class: Json, name: str, directory: Path) -> Json:
    """The volume for a claim; its name follows from the claim, so that it is not made twice."""
    metadata, spec = claim["metadata"], claim["spec"]
    volume_name = f"pvc-{metadata['uid']}"
    source = {"path": str(directory / volume_name), "type": "DirectoryOrCreate"}
    made: Json = {
        "apiVersion": "v1",
        "kind": "PersistentVolume",
        "metadata": {"name": volume_name, "annotations": {PROVISIONED_BY: name}},
        "spec": {
            "accessModes": spec["accessModes"],
            "capacity": {"storage": spec["resources"]["requests"]["storage"]},
            "claimRef": {**claim_reference(claim), "resourceVersion": metadata["resourceVersion"]},
            "hostPath": source,
            "persistentVolumeReclaimPolicy": storage_class.get("reclaimPolicy") or "Delete",
            "storageClassName": storage_class["metadata"]["name"],
            "volumeMode": spec.get("volumeMode") or "Filesystem",
        },
    }
    if storage_class.get("mountOptions"):
        made["spec"]["mountOptions"] = storage_class["mountOptions"]
    return made


def make_directory(path: Path) -> None:
    """The directory of a volume, open to whoever a Pod runs as; what is above it is the server's alone."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    path.mkdir(exist_ok=True)
    path.chmod(0o777)
