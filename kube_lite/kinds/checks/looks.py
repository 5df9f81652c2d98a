"""How often the reference looks at the metadata of an object that changes.

It does for the resource and then again for the kind, whose rules may ask for metadata of a new object, for
what may not change, for both or for neither. Its answers list each time what is wrong.
Source: the causes that a real server lists; the functions ``Validate*Update`` of each API group.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from kube_lite.api.errors import Cause
from kube_lite.api.identity import GroupVersionKind, Json
from kube_lite.api.metadata_rules import check_finalizer_names, check_metadata_update, check_texts


class Looks(NamedTuple):
    """How often a kind's own rules look at metadata as that of a new object, and as a change."""

    whole: int = 1
    change: int = 1


ADMISSION = "admissionregistration.k8s.io"
WORKLOADS = ("Deployment", "ReplicaSet", "StatefulSet", "DaemonSet")
LOOKS = {
    ("apps", "ControllerRevision"): Looks(1, 2),
    ("", "PersistentVolume"): Looks(2, 0),
    **dict.fromkeys(
        (("", "Event"), ("events.k8s.io", "Event"), ("policy", "PodDisruptionBudget")), Looks(0, 0)
    ),
    **dict.fromkeys(
        (
            ("", "LimitRange"),
            ("storage.k8s.io", "CSINode"),
            ("storage.k8s.io", "VolumeAttachment"),
            ("discovery.k8s.io", "EndpointSlice"),
            ("flowcontrol.apiserver.k8s.io", "FlowSchema"),
            ("flowcontrol.apiserver.k8s.io", "PriorityLevelConfiguration"),
            (ADMISSION, "MutatingAdmissionPolicy"),
            (ADMISSION, "MutatingAdmissionPolicyBinding"),
            (ADMISSION, "MutatingWebhookConfiguration"),
            (ADMISSION, "ValidatingAdmissionPolicy"),
            (ADMISSION, "ValidatingAdmissionPolicyBinding"),
            (ADMISSION, "ValidatingWebhookConfiguration"),
        ),
        Looks(1, 0),
    ),
    **dict.fromkeys(
        (
            *(("", kind) for kind in ("PodTemplate", "ReplicationController", "ResourceQuota", "Service")),
            *(("apps", kind) for kind in WORKLOADS),
            ("autoscaling", "HorizontalPodAutoscaler"),
            ("batch", "CronJob"),
            ("coordination.k8s.io", "Lease"),
            ("networking.k8s.io", "NetworkPolicy"),
            ("networking.k8s.io", "ServiceCIDR"),
            ("resource.k8s.io", "ResourceSlice"),
            ("scheduling.k8s.io", "PriorityClass"),
            ("storage.k8s.io", "CSIDriver"),
        ),
        Looks(0, 1),
    ),
}
"""By group and kind; all others look once each way."""

FREE_FINALIZERS = frozenset(
    {
        ADMISSION, "apiextensions.k8s.io", "apiregistration.k8s.io", "coordination.k8s.io", "node.k8s.io",
        "policy", "events.k8s.io",
    }
)  # fmt: skip
"""Groups whose kinds do not ask that names of finalizers be qualified."""


def names_finalizers_freely(gvk: GroupVersionKind) -> bool:
    """Whether finalizers of a kind may have any name."""
    return gvk.group in FREE_FINALIZERS or (gvk.group, gvk.kind) == ("", "Event")


def without_generated_name(gvk: GroupVersionKind, causes: Sequence[Cause]) -> Sequence[Cause]:
    """What is wrong with a change: those who never look at metadata as a whole do not see this field."""
    if LOOKS.get((gvk.group, gvk.kind), Looks()).whole:
        return causes
    return [cause for cause in causes if cause.field != "metadata.generateName"]


def look_again(gvk: GroupVersionKind, new: Json, old: Json) -> Iterator[Cause]:
    """What is wrong with changed metadata, as often as it is told beside ``validate`` and the pipeline."""
    looks = LOOKS.get((gvk.group, gvk.kind), Looks())
    changes = list(check_metadata_update(new, old))
    yield from changes * looks.change
    texts = list(check_texts(new))
    if texts:
        yield from texts * (1 + looks.whole + looks.change)
    if new.get("finalizers") and not names_finalizers_freely(gvk):
        yield from list(check_finalizer_names(new)) * (looks.whole + looks.change - 1)
