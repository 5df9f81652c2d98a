"""Which volume a claim gets, and what each of the two says of the other when they are bound.

A claim and a volume are bound when each names the other: the volume by ``spec.claimRef`` with the claim's
uid, the claim by ``spec.volumeName``. The volume's side is written first, so that whoever is killed in
between leaves a volume that is kept for its claim. Two annotations tell whether we made the bond, and whether
it was completed. All functions are pure.

Source: ``pkg/controller/volume/persistentvolume``.
"""

from collections.abc import Iterable

from kube_lite.api import meta
from kube_lite.api.identity import Json
from kube_lite.api.quantity import parse_quantity
from kube_lite.api.selectors import label_selector
from kube_lite.api.storage import claim_reference, class_of

BIND_COMPLETED = "pv.kubernetes.io/bind-completed"
BOUND_BY_CONTROLLER = "pv.kubernetes.io/bound-by-controller"
PROVISIONED_BY = "pv.kubernetes.io/provisioned-by"
SELECTED_NODE = "volume.kubernetes.io/selected-node"
STORAGE_PROVISIONER = "volume.kubernetes.io/storage-provisioner"
BETA_STORAGE_PROVISIONER = "volume.beta.kubernetes.io/storage-provisioner"
IN_TREE = "kubernetes.io/"
YES = "yes"
OTHER_CLASS = "storageClassName does not match"


def phase_of(obj: Json) -> str:
    """``status.phase``, or an empty text."""
    return str((obj.get("status") or {}).get("phase") or "")


def requested(claim: Json) -> str:
    """How much room the claim asks for, as it says it."""
    resources = claim["spec"].get("resources") or {}
    return str((resources.get("requests") or {}).get("storage", "0"))


def capacity(volume: Json) -> str:
    """How much room the volume has, as it says it."""
    return str((volume["spec"].get("capacity") or {}).get("storage", "0"))


def is_kept_for(volume: Json, claim: Json) -> bool:
    """Whether the volume names this claim; one without a uid in it was kept by hand."""
    reference = volume["spec"].get("claimRef")
    metadata = claim["metadata"]
    return (
        reference is not None
        and reference.get("name") == metadata["name"]
        and reference.get("namespace") == metadata["namespace"]
        and reference.get("uid", "") in ("", metadata["uid"])
    )


def mismatch(volume: Json, claim: Json) -> str:
    """Why a claim that names this volume cannot have it; empty if it can."""
    if parse_quantity(capacity(volume)) < parse_quantity(requested(claim)):
        return "requested PV is too small"
    if class_of(volume) != class_of(claim):
        return OTHER_CLASS
    if attributes_class(volume) != attributes_class(claim):
        return "volumeAttributesClassName does not match"
    if _mode(volume) != _mode(claim):
        return "incompatible volumeMode"
    if not set(claim["spec"].get("accessModes") or ()) <= set(volume["spec"].get("accessModes") or ()):
        return "incompatible accessMode"
    return ""


def attributes_class(obj: Json) -> str:
    """The class of attributes that is asked for; empty for none."""
    return str(obj["spec"].get("volumeAttributesClassName") or "")


def find_volume(claim: Json, volumes: Iterable[Json], *, is_delayed: bool = False) -> Json | None:
    """The volume that fits a claim best: the one that is kept for it, or the smallest that is large enough.

    Args:
        is_delayed: the claim waits until a Pod that uses it has a node, so only a kept one will do.
    """
    selector = label_selector(claim["spec"].get("selector") or {})
    smallest: Json | None = None
    for volume in volumes:
        why = mismatch(volume, claim)
        if is_kept_for(volume, claim) and why in ("", OTHER_CLASS) and not meta.is_being_deleted(volume):
            return volume
        if why or is_delayed or volume["spec"].get("claimRef") is not None or phase_of(volume) != "Available":
            continue
        if meta.is_being_deleted(volume) or not selector.matches_object(volume):
            continue
        if smallest is None or parse_quantity(capacity(volume)) < parse_quantity(capacity(smallest)):
            smallest = volume
    return smallest


def bound_volume(volume: Json, claim: Json) -> Json:
    """The volume as it names the claim; the same object if it does already."""
    metadata = claim["metadata"]
    reference = volume["spec"].get("claimRef") or {}
    if reference.get("uid") == metadata["uid"]:
        return volume
    changed: Json = meta.copy(volume)
    if not is_kept_for(volume, claim):
        _annotate(changed, BOUND_BY_CONTROLLER)
    changed["spec"]["claimRef"] = {
        **claim_reference(claim), "resourceVersion": metadata["resourceVersion"],
    }  # fmt: skip
    return changed


def bound_claim(claim: Json, volume: Json) -> Json:
    """The claim as it names the volume; the same object if it does already."""
    name = volume["metadata"]["name"]
    if claim["spec"].get("volumeName") == name and BIND_COMPLETED in meta.annotations_of(claim):
        return claim
    changed: Json = meta.copy(claim)
    if claim["spec"].get("volumeName") != name:
        _annotate(changed, BOUND_BY_CONTROLLER)
        changed["spec"]["volumeName"] = name
    _annotate(changed, BIND_COMPLETED)
    return changed


def bound_claim_status(claim: Json, volume: Json) -> Json:
    """The status of a claim that has this volume."""
    status = {**(claim.get("status") or {}), "phase": "Bound"}
    status["accessModes"] = volume["spec"].get("accessModes") or []
    granted = (claim.get("status") or {}).get("capacity")
    if not granted or phase_of(claim) != "Bound":
        status["capacity"] = volume["spec"].get("capacity") or {}
    wanted = attributes_class(volume)
    if wanted:
        status["currentVolumeAttributesClassName"] = wanted
    return status


def released_volume(volume: Json) -> Json:
    """The volume without the bond that we made; what somebody kept by hand stays kept."""
    changed: Json = meta.copy(volume)
    annotations = changed["metadata"].get("annotations") or {}
    if BOUND_BY_CONTROLLER in annotations:
        del annotations[BOUND_BY_CONTROLLER]
        del changed["spec"]["claimRef"]
    else:
        changed["spec"]["claimRef"].pop("uid", None)
        changed["spec"]["claimRef"].pop("resourceVersion", None)
    return changed


def with_provisioner(claim: Json, provisioner: str) -> Json | None:
    """The claim that says who should make its volume; None if it says so already."""
    annotations = meta.annotations_of(claim)
    if annotations.get(STORAGE_PROVISIONER) == provisioner:
        return None
    changed: Json = meta.copy(claim)
    for name in (STORAGE_PROVISIONER, BETA_STORAGE_PROVISIONER):
        _annotate(changed, name, provisioner)
    return changed


def _mode(obj: Json) -> str:
    return str(obj["spec"].get("volumeMode") or "Filesystem")


def _annotate(obj: Json, name: str, value: str = YES) -> None:
    obj["metadata"]["annotations"] = {**(obj["metadata"].get("annotations") or {}), name: value}
