"""PersistentVolume, PersistentVolumeClaim, and the kinds of storage.k8s.io."""

from kube_lite.api.identity import Json
from kube_lite.api.storage import IS_DEFAULT, class_of
from kube_lite.api.strategy import AGE, NAME, Column
from kube_lite.api.times import format_time

from .base import OWN_METADATA, ChangeFirst, Described, Kind, Row, age_of, on_write
from .cells import NONE, UNSET, access_modes

DEFAULT_ATTRIBUTES_CLASS = ("volumeattributesclass.kubernetes.io/is-default-class",)


def _phase(obj: Json) -> str:
    return "Terminating" if "deletionTimestamp" in obj["metadata"] else obj.get("status", {}).get("phase", "")


class PersistentVolumeStrategy(Kind):
    """Storage that exists, or will."""

    returns_deleted = True
    table = (
        NAME,
        Described("Capacity", "core.v1.PersistentVolumeSpec", "capacity"),
        Described("Access Modes", "core.v1.PersistentVolumeSpec", "accessModes"),
        Described("Reclaim Policy", "core.v1.PersistentVolumeSpec", "persistentVolumeReclaimPolicy"),
        Described("Status", "core.v1.PersistentVolumeStatus", "phase"),
        Described("Claim", "core.v1.PersistentVolumeSpec", "claimRef"),
        Column("StorageClass", description="StorageClass of the pv"),
        Column("VolumeAttributesClass", description="VolumeAttributesClass of the pv"),
        Described("Reason", "core.v1.PersistentVolumeStatus", "reason"),
        AGE,
        Described("VolumeMode", "core.v1.PersistentVolumeSpec", "volumeMode", priority=1),
    )

    def prepare_for_create(self, obj: Json) -> None:
        """Pending since it was made."""
        obj["status"] = {"phase": "Pending"}
        if "creationTimestamp" in obj["metadata"]:
            obj["status"]["lastPhaseTransitionTime"] = obj["metadata"]["creationTimestamp"]

    def prepare_for_status_update(self, obj: Json, old: Json, now: float) -> None:
        """The time of the last change of the phase, unless it is told.

        Source: ``persistentvolumeStatusStrategy`` in pkg/registry/core/persistentvolume/strategy.go.
        """
        status, before = obj.setdefault("status", {}), old.get("status", {})
        last = before.get("lastPhaseTransitionTime")
        if status.get("phase") != before.get("phase"):
            if status.get("lastPhaseTransitionTime") in (None, last):
                status["lastPhaseTransitionTime"] = format_time(now)
        elif "lastPhaseTransitionTime" not in status and last:
            status["lastPhaseTransitionTime"] = last

    def cells(self, obj: Json, now: float) -> list[object]:
        """As kubectl shows a volume."""
        spec = obj["spec"]
        claim = spec.get("claimRef")
        return [
            obj["metadata"]["name"],
            (spec.get("capacity") or {}).get("storage", "0"),
            access_modes(spec.get("accessModes") or ()),
            spec.get("persistentVolumeReclaimPolicy", ""),
            _phase(obj),
            f"{claim.get('namespace', '')}/{claim.get('name', '')}" if claim else "",
            class_of(obj),
            spec.get("volumeAttributesClassName") or UNSET,
            obj.get("status", {}).get("reason", ""),
            age_of(obj, now),
            spec.get("volumeMode") or UNSET,
        ]


class PersistentVolumeClaimStrategy(Kind):
    """Storage that somebody wants."""

    returns_deleted = True
    initial_status = '{"phase": "Pending"}'
    table = (
        NAME,
        Described("Status", "core.v1.PersistentVolumeClaimStatus", "phase"),
        Described("Volume", "core.v1.PersistentVolumeClaimSpec", "volumeName"),
        Described("Capacity", "core.v1.PersistentVolumeClaimStatus", "capacity"),
        Described("Access Modes", "core.v1.PersistentVolumeClaimStatus", "accessModes"),
        Column("StorageClass", description="StorageClass of the pvc"),
        Column("VolumeAttributesClass", description="VolumeAttributesClass of the pvc"),
        AGE,
        Described("VolumeMode", "core.v1.PersistentVolumeClaimSpec", "volumeMode", priority=1),
    )

    def prepare_for_create(self, obj: Json) -> None:
        """Both fields for the source say the same."""
        super().prepare_for_create(obj)
        on_write("defaults.core").complete_data_sources(obj["spec"], {})

    def prepare_for_update(self, obj: Json, old: Json) -> None:
        """Both fields for the source say the same."""
        on_write("defaults.core").complete_data_sources(obj["spec"], old["spec"])

    def cells(self, obj: Json, now: float) -> list[object]:
        """As kubectl shows a claim; capacity and modes once there is a volume."""
        spec, status = obj["spec"], obj.get("status", {})
        capacity = modes = ""
        if spec.get("volumeName"):
            capacity = (status.get("capacity") or {}).get("storage", "0")
            modes = access_modes(status.get("accessModes") or ())
        return [
            obj["metadata"]["name"],
            _phase(obj),
            spec.get("volumeName", ""),
            capacity,
            modes,
            class_of(obj),
            spec.get("volumeAttributesClassName") or UNSET,
            age_of(obj, now),
            spec.get("volumeMode") or UNSET,
        ]


def _name_with_default(obj: Json, annotations: tuple[str, ...]) -> str:
    own = obj["metadata"].get("annotations") or {}
    mark = " (default)" if any(own.get(annotation) == "true" for annotation in annotations) else ""
    return f"{obj['metadata']['name']}{mark}"


class StorageClassStrategy(Kind):
    """How volumes are made."""

    returns_deleted = True
    table = (
        NAME,
        Described("Provisioner", "storage.v1.StorageClass", "provisioner"),
        Described("ReclaimPolicy", "storage.v1.StorageClass", "reclaimPolicy"),
        Described("VolumeBindingMode", "storage.v1.StorageClass", "volumeBindingMode"),
        Described("AllowVolumeExpansion", "storage.v1.StorageClass", "allowVolumeExpansion"),
        AGE,
    )

    def cells(self, obj: Json, now: float) -> list[object]:
        """As kubectl shows a class; the default one is marked."""
        return [
            _name_with_default(obj, IS_DEFAULT),
            obj.get("provisioner", ""),
            obj.get("reclaimPolicy") or "Delete",
            obj.get("volumeBindingMode") or "Immediate",
            bool(obj.get("allowVolumeExpansion")),
            age_of(obj, now),
        ]


class VolumeAttributesClassStrategy(ChangeFirst):
    """Attributes of volumes that may change while they are used."""

    returns_deleted = True
    table = (NAME, Described("DriverName", "storage.v1.VolumeAttributesClass", "driverName"), AGE)

    def cells(self, obj: Json, now: float) -> list[object]:
        """Name and driver."""
        return [
            _name_with_default(obj, DEFAULT_ATTRIBUTES_CLASS),
            obj.get("driverName", ""),
            age_of(obj, now),
        ]


class VolumeAttachmentStrategy(Kind):
    """A volume is to be attached to a node."""

    returns_deleted = True
    unconditional_update = False
    kept_by_status = OWN_METADATA
    initial_status = '{"attached": false}'
    table = (
        NAME,
        Described("Attacher", "storage.v1.VolumeAttachmentSpec", "attacher", format="name"),
        Described("PV", "storage.v1.VolumeAttachmentSource", "persistentVolumeName"),
        Described("Node", "storage.v1.VolumeAttachmentSpec", "nodeName"),
        Described("Attached", "storage.v1.VolumeAttachmentStatus", "attached", type="boolean"),
        AGE,
    )

    def cells(self, obj: Json, now: float) -> list[object]:
        """What is attached where."""
        spec = obj["spec"]
        return [
            obj["metadata"]["name"],
            spec.get("attacher", ""),
            spec.get("source", {}).get("persistentVolumeName", ""),
            spec.get("nodeName", ""),
            bool(obj.get("status", {}).get("attached")),
            age_of(obj, now),
        ]


class CSIDriverStrategy(Kind):
    """What a storage driver can do."""

    returns_deleted = True
    unconditional_update = False
    table = (
        NAME,
        Described("AttachRequired", "storage.v1.CSIDriverSpec", "attachRequired", type="boolean"),
        Described("PodInfoOnMount", "storage.v1.CSIDriverSpec", "podInfoOnMount", type="boolean"),
        Described("StorageCapacity", "storage.v1.CSIDriverSpec", "storageCapacity", type="boolean"),
        Described("TokenRequests", "storage.v1.CSIDriverSpec", "tokenRequests"),
        Described("RequiresRepublish", "storage.v1.CSIDriverSpec", "requiresRepublish", type="boolean"),
        Described("Modes", "storage.v1.CSIDriverSpec", "volumeLifecycleModes"),
        AGE,
    )

    def prepare_for_update(self, obj: Json, old: Json) -> None:
        """Changes are counted, but the first version is not one; limits of volumes do not scale."""
        field, before = "preventPodSchedulingIfMissing", old.get("spec") or {}
        if field in obj.get("spec", {}) and before.get(field) is None:
            del obj["spec"][field]
        if obj.get("spec") != old.get("spec"):
            obj["metadata"]["generation"] = old["metadata"].get("generation", 0) + 1

    def cells(self, obj: Json, now: float) -> list[object]:
        """As kubectl shows a driver."""
        spec = obj["spec"]
        return [
            obj["metadata"]["name"],
            bool(spec.get("attachRequired", True)),
            bool(spec.get("podInfoOnMount")),
            bool(spec.get("storageCapacity")),
            ",".join(entry["audience"] for entry in spec.get("tokenRequests") or ()) or UNSET,
            bool(spec.get("requiresRepublish")),
            ",".join(spec.get("volumeLifecycleModes") or ()) or NONE,
            age_of(obj, now),
        ]


class CSINodeStrategy(Kind):
    """The storage drivers of one node."""

    returns_deleted = True
    unconditional_update = False
    table = (
        NAME,
        Column(
            "Drivers",
            "integer",
            description="Drivers indicates the number of CSI drivers registered on the node",
        ),
        AGE,
    )

    def cells(self, obj: Json, now: float) -> list[object]:
        """How many drivers there are."""
        return [obj["metadata"]["name"], len(obj["spec"].get("drivers") or ()), age_of(obj, now)]


class CSIStorageCapacityStrategy(Kind):
    """How much a driver has left somewhere."""

    unconditional_update = False


PERSISTENT_VOLUME = Row(
    "PersistentVolume",
    "persistentvolumes",
    PersistentVolumeStrategy,
    namespaced=False,
    short_names=("pv",),
    status=True,
)
PERSISTENT_VOLUME_CLAIM = Row(
    "PersistentVolumeClaim",
    "persistentvolumeclaims",
    PersistentVolumeClaimStrategy,
    short_names=("pvc",),
    status=True,
)
STORAGE = (
    Row("CSIDriver", "csidrivers", CSIDriverStrategy, namespaced=False),
    Row("CSINode", "csinodes", CSINodeStrategy, namespaced=False),
    Row("CSIStorageCapacity", "csistoragecapacities", CSIStorageCapacityStrategy),
    Row("StorageClass", "storageclasses", StorageClassStrategy, namespaced=False, short_names=("sc",)),
    Row("VolumeAttachment", "volumeattachments", VolumeAttachmentStrategy, namespaced=False, status=True),
    Row(
        "VolumeAttributesClass",
        "volumeattributesclasses",
        VolumeAttributesClassStrategy,
        namespaced=False,
        short_names=("vac",),
    ),
)
