"""Defaults of storage and of device claims: ``pkg/apis/{storage,resource}/*/defaults.go``."""

from kube_lite.api.identity import Json

from . import Default


def default_storage_class(storage_class: Json) -> None:
    """Volumes are made at once, and go with their claim."""
    storage_class.setdefault("reclaimPolicy", "Delete")
    storage_class.setdefault("volumeBindingMode", "Immediate")


def default_csi_driver(driver: Json) -> None:
    """A driver that attaches and wants to know nothing."""
    spec = driver.setdefault("spec", {})
    spec.setdefault("attachRequired", True)
    spec.setdefault("podInfoOnMount", False)
    spec.setdefault("storageCapacity", False)
    spec.setdefault("fsGroupPolicy", "ReadWriteOnceWithFSType")
    spec.setdefault("volumeLifecycleModes", ["Persistent"])
    spec.setdefault("requiresRepublish", False)
    spec.setdefault("seLinuxMount", False)


def default_claim(claim: Json) -> None:
    """A ResourceClaim."""
    _default_devices((claim.get("spec") or {}).get("devices") or {})


def default_claim_template(template: Json) -> None:
    """A ResourceClaimTemplate."""
    spec = (template.get("spec") or {}).get("spec") or {}
    _default_devices(spec.get("devices") or {})


def _default_devices(devices: Json) -> None:
    """A request is for exactly one device, and a taint is tolerated if it is equal."""
    for request in devices.get("requests") or ():
        exactly = request.get("exactly")
        if exactly is None and "deviceClassName" in request:
            exactly = request  # the older versions have its fields in the request itself
        for wish in (exactly, *(request.get("firstAvailable") or ())):
            if wish is not None:
                _default_request(wish)


def _default_request(request: Json) -> None:
    if request.setdefault("allocationMode", "ExactCount") == "ExactCount":
        request.setdefault("count", 1)
    for toleration in request.get("tolerations") or ():
        toleration.setdefault("operator", "Equal")


DEFAULTS: dict[tuple[str, str], Default] = {
    ("storage.k8s.io", "StorageClass"): default_storage_class,
    ("storage.k8s.io", "CSIDriver"): default_csi_driver,
    ("resource.k8s.io", "ResourceClaim"): default_claim,
    ("resource.k8s.io", "ResourceClaimTemplate"): default_claim_template,
}
