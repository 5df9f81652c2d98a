"""What is behind a claim, in the words of a pod's own volumes. Pure functions."""

from kube_lite.api.identity import Json

from .payloads import VolumeFailed

READ_ONLY_MODES = {"ReadOnlyMany"}


def claim_name(pod: Json, volume: Json) -> str:
    """The claim that a volume of a pod is, empty for other volumes; the pod's own is named after both."""
    if volume.get("persistentVolumeClaim") is not None:
        return str(volume["persistentVolumeClaim"]["claimName"])
    if volume.get("ephemeral") is not None:
        return f"{pod['metadata']['name']}-{volume['name']}"
    return ""


def plan_claimed(volume: Json, bound: Json) -> Json:
    """A pod's volume and the PersistentVolume its claim is bound to → a volume that this node can make.

    ``readOnly`` beside the source is ours: nothing may be written through it.

    Raises:
        VolumeFailed: it is of a type this node has no plugin for.
    """
    spec = bound["spec"]
    modes = set(spec.get("accessModes") or ())
    made: Json = {"name": volume["name"]}
    if (modes and modes <= READ_ONLY_MODES) or (volume.get("persistentVolumeClaim") or {}).get("readOnly"):
        made["readOnly"] = True
    if spec.get("hostPath") is not None:
        return {**made, "hostPath": spec["hostPath"]}
    if spec.get("local") is not None:
        return {**made, "hostPath": {"path": spec["local"]["path"], "type": ""}}
    known = {"accessModes", "capacity", "claimRef", "mountOptions", "nodeAffinity", "volumeMode"}
    known |= {"persistentVolumeReclaimPolicy", "storageClassName", "volumeAttributesClassName"}
    kinds = ", ".join(sorted(set(spec) - known))
    raise VolumeFailed(f"this node has no plugin for volumes of type {kinds}")
