"""Which volumes are to be attached to a node, which may be taken off it, and what is told of that.

Only volumes of CSI drivers are attached, and not those of drivers that say that they need it not. A volume
that may be written on one node is given to another only when it is off the first. It is taken off when no Pod
of the node wants it any more and the node says that it does not use it; from a node that is not ready it is
torn away after six minutes. All functions are pure.

Source: ``pkg/controller/volume/attachdetach``, ``pkg/volume/csi/csi_attacher.go``,
``pkg/volume/util/operationexecutor``.
"""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from kube_lite.api import meta
from kube_lite.api.identity import Json
from kube_lite.api.storage import attached_name

from . import pods as pod_facts
from .pod_cleanup import is_out_of_service

FORCE_SECONDS = 360.0  # how long a node that is not ready keeps what it says it uses
WAIT_SECONDS = 120.0  # how long an attacher may take before somebody is told
SHARED_MODES = {"ReadWriteMany", "ReadOnlyMany"}


class Volume(NamedTuple):
    """A volume of a CSI driver, as far as attaching goes."""

    name: str
    driver: str
    handle: str
    unique: str
    """How nodes call it in their status."""
    is_shared: bool
    """It may be attached to several nodes."""

    def attachment_on(self, node: str) -> str:
        """The name of its VolumeAttachment for a node."""
        return f"csi-{hashlib.sha256(f'{self.handle}{self.driver}{node}'.encode()).hexdigest()}"


class Wanted(NamedTuple):
    """A volume, and the Pods of a node that want it there."""

    volume: Volume
    pods: Sequence[Json]


class Plan(NamedTuple):
    """What is to be done for a node.

    Attributes:
        attach: VolumeAttachments that are missing.
        blocked: volumes that another node has, and cannot share.
        detach: names of VolumeAttachments that should go.
        waits: seconds until a VolumeAttachment may be torn away; None when there is none.
        reported: ``status.volumesAttached`` of the node; None if it is right.
        arrived: volumes that are attached and not reported yet.
    """

    attach: list[Wanted]
    blocked: list[Wanted]
    detach: list[str]
    waits: float | None
    reported: list[Json] | None
    arrived: list[Wanted]


def volume_of(persistent: Json, driver: Json | None) -> Volume | None:
    """A PersistentVolume that has to be attached; None for one that has not."""
    unique, spec = attached_name(persistent, driver), persistent["spec"]
    if not unique:
        return None
    modes = set(spec.get("accessModes") or ())
    is_shared = not modes or bool(modes & SHARED_MODES)
    source = spec["csi"]
    return Volume(persistent["metadata"]["name"], source["driver"], source["volumeHandle"], unique, is_shared)


def wants_volumes(pod: Json) -> bool:
    """Whether a Pod still needs what it has on its node."""
    if not pod["spec"].get("nodeName") or pod_facts.is_finished(pod):
        return False
    statuses = (pod.get("status") or {}).get("containerStatuses") or ()
    is_over = all("running" not in (entry.get("state") or {}) for entry in statuses)
    return not (meta.is_being_deleted(pod) and is_over)


def plan_object(volume: Volume, node: str) -> Json:
    """The VolumeAttachment of a volume for a node."""
    return {
        "apiVersion": "storage.k8s.io/v1",
        "kind": "VolumeAttachment",
        "metadata": {"name": volume.attachment_on(node)},
        "spec": {
            "attacher": volume.driver,
            "nodeName": node,
            "source": {"persistentVolumeName": volume.name},
        },
    }


def plan_node(
    name: str,
    node: Json | None,
    wanted: Mapping[str, Wanted],
    ours: Mapping[str, tuple[Json, Volume]],
    taken: Mapping[str, Sequence[str]],
    unwanted_for: Mapping[str, float],
) -> Plan:
    """Compare what a node should have with what it has.

    Args:
        node: None if it is gone.
        wanted: by the name of the VolumeAttachment.
        ours: VolumeAttachments for the node that were made here, by name.
        taken: by the name of a volume, the other nodes that have it.
        unwanted_for: by the name of a VolumeAttachment, seconds for which nobody has wanted it.
    """
    missing = [entry for key, entry in wanted.items() if key not in ours]
    blocked = [entry for entry in missing if not entry.volume.is_shared and taken.get(entry.volume.name)]
    detach, waits = [], []
    for key, (attachment, volume) in ours.items():
        if key in wanted or meta.is_being_deleted(attachment):
            continue
        wait = _wait(node, volume, unwanted_for.get(key, 0.0))
        if wait <= 0:
            detach.append(key)
        elif wait <= FORCE_SECONDS:
            waits.append(wait)
    attached = {key: ours[key][1].unique for key in ours if _is_attached(ours[key][0]) and key not in detach}
    reported = _reported(node, attached.values())
    before = {entry["name"] for entry in (node or {}).get("status", {}).get("volumesAttached") or ()}
    arrived = [wanted[key] for key, unique in attached.items() if key in wanted and unique not in before]
    attach = [entry for entry in missing if entry not in blocked] if node is not None else []
    return Plan(attach, blocked, detach, min(waits, default=None), reported, arrived)


def _wait(node: Json | None, volume: Volume, unwanted_for: float) -> float:
    """Seconds until a volume that nobody wants may go; 0 for at once, much for as long as it is in use."""
    if node is None or volume.unique not in ((node.get("status") or {}).get("volumesInUse") or ()):
        return 0.0
    if is_out_of_service(node):
        return 0.0
    if meta.is_condition_true(node, "Ready"):
        return float("inf")
    return max(0.0, FORCE_SECONDS - unwanted_for)


def _is_attached(attachment: Json) -> bool:
    return bool((attachment.get("status") or {}).get("attached")) and not meta.is_being_deleted(attachment)


def _reported(node: Json | None, names: Iterable[str]) -> list[Json] | None:
    if node is None:
        return None
    before = (node.get("status") or {}).get("volumesAttached") or []
    # What others attach stays as they say.
    kept = [entry for entry in before if not entry["name"].startswith("kubernetes.io/csi/")]
    wanted = kept + [{"name": name, "devicePath": ""} for name in sorted(names)]
    return None if {entry["name"] for entry in wanted} == {entry["name"] for entry in before} else wanted


def success_words(volume: Volume) -> str:
    """The message of ``SuccessfulAttachVolume``; the space at its end is upstream's."""
    return f'AttachVolume.Attach succeeded for volume "{volume.name}" '


def failure_words(volume: Volume, why: str) -> str:
    """The message of ``FailedAttachVolume``."""
    return f'AttachVolume.Attach failed for volume "{volume.name}" : {why}'


def timeout_words(volume: Volume) -> str:
    """Why it failed when nobody has attached it in time."""
    return (
        f"timed out waiting for external-attacher of {volume.driver} CSI driver to attach volume "
        f"{volume.handle}"
    )


def blocked_words(volume: Volume, pod: Json, others: Iterable[Json]) -> str:
    """Why a Pod has to wait for a volume that Pods of another node have."""
    namespace = pod["metadata"]["namespace"]
    names, strangers = [], 0
    for other in others:
        if other["metadata"]["namespace"] == namespace:
            names.append(other["metadata"]["name"])
        else:
            strangers += 1
    said = [f"used by pod(s) {', '.join(names)}"] if names else []
    said += [f"{'' if names else 'used by '}{strangers} pod(s) in different namespaces"] if strangers else []
    words = "exclusively attached to one node and can't be attached to another"
    return f'Multi-Attach error for volume "{volume.name}" Volume is already {" and ".join(said) or words}'
