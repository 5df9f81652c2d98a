"""resource.k8s.io: ResourceClaim, ResourceClaimTemplate, DeviceClass, ResourceSlice."""

from collections.abc import Mapping

from kube_lite.api.identity import Json
from kube_lite.api.strategy import AGE, NAME, Column

from .base import OWN_METADATA, Described, Kind, NameAndAge, Row, age_of


class DeviceClassStrategy(NameAndAge):
    """A kind of device that can be claimed."""

    returns_deleted = True
    has_generation = True


class ResourceClaimTemplateStrategy(NameAndAge):
    """What the claims of a pod will be."""

    returns_deleted = True


class ResourceClaimStrategy(Kind):
    """Devices that somebody wants."""

    returns_deleted = True
    initial_status = "{}"
    kept_by_status = OWN_METADATA
    table = (
        NAME,
        Column("State", description="A summary of the current state (allocated, pending, reserved, etc.)."),
        AGE,
    )

    def cells(self, obj: Json, now: float) -> list[object]:
        """Whether there are devices, and whether they are used."""
        status = obj.get("status", {})
        states = ["deleted"] if "deletionTimestamp" in obj["metadata"] else []
        if status.get("allocation"):
            states.append("allocated")
            if status.get("reservedFor"):
                states.append("reserved")
        elif not states:
            states.append("pending")
        return [obj["metadata"]["name"], ",".join(states), age_of(obj, now)]


class ResourceSliceStrategy(Kind):
    """Devices that there are."""

    returns_deleted = True
    has_generation = True
    labels = ("spec.nodeName", "spec.driver")
    table = (
        NAME,
        Described("Node", "resource.v1.ResourceSliceSpec", "nodeName"),
        Described("Driver", "resource.v1.ResourceSliceSpec", "driver"),
        Described("Pool", "resource.v1.ResourcePool", "name"),
        AGE,
    )

    def selectable_fields(self, obj: Json) -> Mapping[str, str]:
        """Where they are and whose they are."""
        spec = obj["spec"]
        return {"spec.nodeName": spec.get("nodeName") or "", "spec.driver": spec.get("driver", "")}

    def field_label_error(self, label: str) -> str:
        """In words of its own."""
        return f"field label not supported for {self.gvk}: {label}"

    def cells(self, obj: Json, now: float) -> list[object]:
        """Node, driver and pool."""
        spec = obj["spec"]
        return [
            obj["metadata"]["name"],
            spec.get("nodeName") or "",
            spec.get("driver", ""),
            spec.get("pool", {}).get("name", ""),
            age_of(obj, now),
        ]


CLAIMS = (
    Row("DeviceClass", "deviceclasses", DeviceClassStrategy, namespaced=False),
    Row("ResourceClaim", "resourceclaims", ResourceClaimStrategy, status=True),
    Row("ResourceClaimTemplate", "resourceclaimtemplates", ResourceClaimTemplateStrategy),
    Row("ResourceSlice", "resourceslices", ResourceSliceStrategy, namespaced=False),
)
