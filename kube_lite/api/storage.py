"""Storage: of what class a claim or volume is, which class is the default, and how both are called."""

from collections.abc import Iterable, Iterator, Sequence

from . import meta
from .identity import Json, ObjectKey

BETA_CLASS = "volume.beta.kubernetes.io/storage-class"
IS_DEFAULT = (
    "storageclass.kubernetes.io/is-default-class",
    "storageclass.beta.kubernetes.io/is-default-class",
)

CONTROLLER_ATTACHES = "volumes.kubernetes.io/controller-managed-attach-detach"
"""The annotation of a node to which the control plane attaches volumes."""


def attached_name(volume: Json, driver: Json | None) -> str:
    """How a node's status calls a volume that must be attached to it; empty for one that needs not be.

    Args:
        driver: the CSIDriver of the volume. While there is none it may be on its way.
    """
    source = volume["spec"].get("csi")
    if source is None or (driver is not None and driver["spec"].get("attachRequired") is False):
        return ""
    return f"kubernetes.io/csi/{source['driver']}^{source['volumeHandle']}"


def claims_of(pod: Json) -> Iterator[ObjectKey]:
    """The claims that a Pod uses; one it has for itself is named after both."""
    metadata = pod["metadata"]
    for volume in pod["spec"].get("volumes") or ():
        claim = volume.get("persistentVolumeClaim")
        if claim is not None:
            yield ObjectKey(metadata["namespace"], claim["claimName"])
        elif volume.get("ephemeral") is not None:
            yield ObjectKey(metadata["namespace"], f"{metadata['name']}-{volume['name']}")


def class_of(obj: Json) -> str:
    """The storage class of a claim or volume; empty for none."""
    annotated = meta.annotations_of(obj).get(BETA_CLASS)
    return str(annotated if annotated is not None else (obj.get("spec") or {}).get("storageClassName") or "")


def claim_reference(claim: Json) -> Json:
    """How a volume names its claim in ``claimRef``, whichever version of the claim is meant."""
    metadata = claim["metadata"]
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "namespace": metadata["namespace"],
        "name": metadata["name"],
        "uid": metadata["uid"],
    }


def default_class(classes: Iterable[Json], marks: Sequence[str] = IS_DEFAULT) -> str:
    """The name of the class that those without one get; empty for none.

    Of several the newest wins, so that a new default takes over while the old one is still marked.

    Args:
        marks: the annotations that say of a class that it is the default one.
    """
    marked = [
        entry for entry in classes if any(meta.annotations_of(entry).get(mark) == "true" for mark in marks)
    ]
    newest = max(marked, key=lambda entry: str(entry["metadata"]["creationTimestamp"]), default=None)
    return str(newest["metadata"]["name"]) if newest is not None else ""
