"""Rules for volumes, claims and storage classes."""

from collections.abc import Iterator

from kube_lite.api.errors import Cause
from kube_lite.api.fielderrors import (
    IMMUTABLE,
    Shown,
    each,
    forbidden,
    immutable,
    invalid,
    not_supported,
    one_of,
    required,
)
from kube_lite.api.gotext import go_json
from kube_lite.api.identity import Json
from kube_lite.api.names import check_subdomain
from kube_lite.api.quantity import Quantity, parse_quantity
from kube_lite.api.storage import BETA_CLASS

from .selectors import check_label_selector
from .volume_sources import KINDS, check_source

ACCESS_MODES = ("ReadOnlyMany", "ReadWriteMany", "ReadWriteOnce", "ReadWriteOncePod")
NULL = Shown("null")


def check_claim(claim: Json) -> Iterator[Cause]:
    """A PersistentVolumeClaim."""
    spec = claim.get("spec") or {}
    modes = spec.get("accessModes") or ()
    if not modes:
        yield required("spec.accessModes", "at least 1 access mode is required")
    yield from check_label_selector(spec.get("selector"), "spec.selector")
    yield from _check_modes(modes, "spec.accessModes")
    storage = ((spec.get("resources") or {}).get("requests") or {}).get("storage")
    if storage is None:
        yield required("spec.resources[storage]")
    elif parse_quantity(storage) <= Quantity(0):
        yield invalid("spec.resources[storage]", storage, "must be greater than zero")
    name = spec.get("storageClassName")
    if name:
        yield from each("spec.storageClassName", name, check_subdomain(name))
    if spec.get("volumeMode") is not None:
        yield from one_of("spec.volumeMode", spec["volumeMode"], ("Block", "Filesystem"))


def _check_modes(modes: list[str] | tuple[str, ...], path: str) -> Iterator[Cause]:
    for mode in modes:
        yield from one_of(path, mode, ACCESS_MODES)
    if "ReadWriteOncePod" in modes and len(modes) > 1:
        yield forbidden(path, "may not use ReadWriteOncePod with other access modes")


def check_claim_update(new: Json, old: Json) -> Iterator[Cause]:
    """A claim may grow once it is bound, and that is all."""
    spec, before = new.get("spec") or {}, old.get("spec") or {}
    free = {"volumeAttributesClassName"}
    if not before.get("volumeName"):
        free.add("volumeName")
    had_class = (old["metadata"].get("annotations") or {}).get(BETA_CLASS)
    if before.get("storageClassName") is None and had_class in (None, spec.get("storageClassName")):
        free.add("storageClassName")  # a default class that is newer than the claim, or the older spelling
    bound = (old.get("status") or {}).get("phase") == "Bound"
    if bound:
        free.add("resources")
    fixed = [
        {field: value for field, value in each_.items() if field not in free} for each_ in (spec, before)
    ]
    if fixed[0] != fixed[1]:
        yield forbidden(
            "spec",
            "spec is immutable after creation except resources.requests and volumeAttributesClassName "
            "for bound claims",
        )
    elif bound:
        wanted, had = (
            ((each_.get("resources") or {}).get("requests") or {}).get("storage", "0")
            for each_ in (spec, before)
        )
        reached = ((old.get("status") or {}).get("capacity") or {}).get("storage", "0")
        if parse_quantity(wanted) < parse_quantity(had) and parse_quantity(wanted) <= parse_quantity(reached):
            why = "field can not be less than status.capacity"
            yield forbidden("spec.resources.requests.storage", why)


def check_volume(volume: Json) -> Iterator[Cause]:
    """A PersistentVolume."""
    spec = volume.get("spec") or {}
    modes, capacity = spec.get("accessModes") or (), spec.get("capacity") or {}
    if not modes:
        yield required("spec.accessModes")
    yield from _check_modes(modes, "spec.accessModes")
    if not capacity:
        yield required("spec.capacity")
    if "storage" not in capacity or len(capacity) > 1:
        yield not_supported("spec.capacity", capacity or NULL, ("storage",))
    for name, text in capacity.items():
        if parse_quantity(text) <= Quantity(0):
            yield invalid(f"spec.capacity[{name}]", text, "must be greater than zero")
    policy = spec.get("persistentVolumeReclaimPolicy") or ""
    if policy:
        known = ("Delete", "Recycle", "Retain")
        yield from one_of("spec.persistentVolumeReclaimPolicy", policy, known)
    yield from check_source({kind: spec[kind] for kind in KINDS if kind in spec}, "spec")
    if spec.get("local") is not None and not spec.get("nodeAffinity"):
        yield required("spec.nodeAffinity", "Local volume requires node affinity")
    if spec.get("storageClassName"):
        yield from each(
            "spec.storageClassName", spec["storageClassName"], check_subdomain(spec["storageClassName"])
        )
    if spec.get("volumeMode") is not None:
        yield from one_of("spec.volumeMode", spec["volumeMode"], ("Block", "Filesystem"))


def check_volume_update(new: Json, old: Json) -> Iterator[Cause]:
    """Where the data is does not change."""
    spec, before = new.get("spec") or {}, old.get("spec") or {}
    if any(spec.get(kind) != before.get(kind) for kind in KINDS):
        why = "spec.persistentvolumesource is immutable after creation"
        yield forbidden("spec.persistentvolumesource", why)
    yield from immutable("volumeMode", spec.get("volumeMode"), before.get("volumeMode"))
    if before.get("nodeAffinity") is not None:
        yield from immutable("spec.nodeAffinity", spec.get("nodeAffinity"), before.get("nodeAffinity"))


def check_storage_class(storage_class: Json) -> Iterator[Cause]:
    """A StorageClass."""
    if not storage_class.get("provisioner"):
        yield required("provisioner")
    policy = storage_class.get("reclaimPolicy")
    if policy:
        yield from one_of("reclaimPolicy", policy, ("Delete", "Retain"))
    mode = storage_class.get("volumeBindingMode")
    if mode is None:
        yield required("volumeBindingMode")
    else:
        yield from one_of("volumeBindingMode", mode, ("Immediate", "WaitForFirstConsumer"))


def check_storage_class_update(new: Json, old: Json) -> Iterator[Cause]:
    """Claims rely on what a class meant when they were made."""
    if (new.get("parameters") or {}) != (old.get("parameters") or {}):
        yield invalid("parameters", new.get("parameters"), "field is immutable")
    for field in ("provisioner", "reclaimPolicy", "volumeBindingMode"):
        yield from immutable(field, new.get(field), old.get(field))


def check_csi_driver(driver: Json) -> Iterator[Cause]:
    """A CSIDriver."""
    for mode in (driver.get("spec") or {}).get("volumeLifecycleModes") or ():
        yield from one_of("spec.volumeLifecycleModes", mode, ("Persistent", "Ephemeral"))


def check_csi_driver_update(new: Json, old: Json) -> Iterator[Cause]:
    """How volumes are attached is decided once."""
    spec, before = new.get("spec") or {}, old.get("spec") or {}
    yield from immutable("spec.attachedRequired", spec.get("attachRequired"), before.get("attachRequired"))


def check_attachment_update(new: Json, old: Json) -> Iterator[Cause]:
    """A VolumeAttachment is for one volume and one node."""
    spec = new.get("spec") or {}
    if spec == old.get("spec"):
        return
    source = spec.get("source") or {}
    shown = (
        f'{{"Attacher":{go_json(spec.get("attacher"))},"Source":{{"PersistentVolumeName":'
        f'{go_json(source.get("persistentVolumeName"))},"InlineVolumeSpec":'
        f'{go_json(source.get("inlineVolumeSpec"))}}},"NodeName":{go_json(spec.get("nodeName"))}}}'
    )
    yield invalid("spec", Shown(shown), IMMUTABLE)
