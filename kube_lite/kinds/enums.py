"""The texts that fields with a fixed set of them take; the published OpenAPI documents leave them out.

For documents only: what is accepted is decided by ``kinds.checks``, which knows when a text is allowed.
Source: the types marked ``+enum`` in ``k8s.io/api``.
"""

from collections.abc import Mapping

Values = Mapping[str, str]
"""Value → what the documents say of it, empty where they say nothing."""

PROTOCOL: Values = {name: f"is the {name} protocol." for name in ("SCTP", "TCP", "UDP")}
SCHEME: Values = {name: f"means that the scheme used will be {name.lower()}://" for name in ("HTTP", "HTTPS")}


def _plain(*values: str) -> Values:
    return dict.fromkeys(values, "")


_PULL_POLICY = _plain("Always", "IfNotPresent", "Never")
_TERMINATION_MESSAGE = _plain("FallbackToLogsOnError", "File")
_CONTAINER = {"imagePullPolicy": _PULL_POLICY, "terminationMessagePolicy": _TERMINATION_MESSAGE}
_TAINT_EFFECT = _plain("NoExecute", "NoSchedule", "PreferNoSchedule")
_INCLUSION = _plain("Honor", "Ignore")
_VOLUME_MODE = _plain("Block", "Filesystem")
_PROFILE = _plain("Localhost", "RuntimeDefault", "Unconfined")
_ADDRESS = _plain("FQDN", "IPv4", "IPv6")

_CORE: Mapping[str, Mapping[str, Values]] = {
    "AppArmorProfile": {"type": _PROFILE},
    "Container": _CONTAINER,
    "ContainerPort": {"protocol": PROTOCOL},
    "EndpointPort": {"protocol": PROTOCOL},
    "EphemeralContainer": _CONTAINER,
    "HTTPGetAction": {"scheme": SCHEME},
    "HostPathVolumeSource": {
        "type": _plain(
            "",
            "BlockDevice",
            "CharDevice",
            "Directory",
            "DirectoryOrCreate",
            "File",
            "FileOrCreate",
            "Socket",
        )
    },
    "NamespaceStatus": {"phase": _plain("Active", "Terminating")},
    "NodeSelectorRequirement": {"operator": _plain("DoesNotExist", "Exists", "Gt", "In", "Lt", "NotIn")},
    "NodeStatus": {"phase": _plain("Pending", "Running", "Terminated")},
    "PersistentVolumeClaimSpec": {"volumeMode": _VOLUME_MODE},
    "PersistentVolumeClaimStatus": {"phase": _plain("Bound", "Lost", "Pending")},
    "PersistentVolumeSpec": {
        "persistentVolumeReclaimPolicy": _plain("Delete", "Recycle", "Retain"),
        "volumeMode": _VOLUME_MODE,
    },
    "PersistentVolumeStatus": {"phase": _plain("Available", "Bound", "Failed", "Pending", "Released")},
    "PodSecurityContext": {
        "fsGroupChangePolicy": _plain("Always", "OnRootMismatch"),
        "supplementalGroupsPolicy": _plain("Merge", "Strict"),
    },
    "PodSpec": {
        "dnsPolicy": _plain("ClusterFirst", "ClusterFirstWithHostNet", "Default", "None"),
        "preemptionPolicy": _plain("Never", "PreemptLowerPriority"),
        "restartPolicy": _plain("Always", "Never", "OnFailure"),
    },
    "PodStatus": {
        "phase": _plain("Failed", "Pending", "Running", "Succeeded", "Unknown"),
        "qosClass": _plain("BestEffort", "Burstable", "Guaranteed"),
    },
    "ScopedResourceSelectorRequirement": {"operator": _plain("DoesNotExist", "Exists", "In", "NotIn")},
    "SeccompProfile": {"type": _PROFILE},
    "SecurityContext": {"procMount": _plain("Default", "Unmasked")},
    "ServicePort": {"protocol": PROTOCOL},
    "ServiceSpec": {
        "externalTrafficPolicy": _plain("Cluster", "Local"),
        "internalTrafficPolicy": _plain("Cluster", "Local"),
        "ipFamilyPolicy": _plain("PreferDualStack", "RequireDualStack", "SingleStack"),
        "sessionAffinity": _plain("ClientIP", "None"),
        "type": _plain("ClusterIP", "ExternalName", "LoadBalancer", "NodePort"),
    },
    "Taint": {"effect": _TAINT_EFFECT},
    "Toleration": {"effect": _TAINT_EFFECT, "operator": _plain("Equal", "Exists", "Gt", "Lt")},
    "TopologySpreadConstraint": {
        "nodeAffinityPolicy": _INCLUSION,
        "nodeTaintsPolicy": _INCLUSION,
        "whenUnsatisfiable": _plain("DoNotSchedule", "ScheduleAnyway"),
    },
}
_OTHERS: Mapping[str, Mapping[str, Values]] = {
    "apps.v1.DaemonSetUpdateStrategy": {"type": _plain("OnDelete", "RollingUpdate")},
    "apps.v1.DeploymentStrategy": {"type": _plain("Recreate", "RollingUpdate")},
    "apps.v1.StatefulSetSpec": {"podManagementPolicy": _plain("OrderedReady", "Parallel")},
    "apps.v1.StatefulSetUpdateStrategy": {"type": _plain("OnDelete", "RollingUpdate")},
    "batch.v1.CronJobSpec": {"concurrencyPolicy": _plain("Allow", "Forbid", "Replace")},
    "batch.v1.JobSpec": {
        "completionMode": _plain("Indexed", "NonIndexed"),
        "podReplacementPolicy": _plain("Failed", "TerminatingOrFailed"),
    },
    "batch.v1.PodFailurePolicyOnExitCodesRequirement": {"operator": _plain("In", "NotIn")},
    "batch.v1.PodFailurePolicyRule": {"action": _plain("Count", "FailIndex", "FailJob", "Ignore")},
    "discovery.v1.EndpointSlice": {"addressType": _ADDRESS},
    "networking.v1.HTTPIngressPath": {"pathType": _plain("Exact", "ImplementationSpecific", "Prefix")},
    "networking.v1.NetworkPolicyPort": {"protocol": PROTOCOL},
    "policy.v1.PodDisruptionBudgetSpec": {
        "unhealthyPodEvictionPolicy": _plain("AlwaysAllow", "IfHealthyBudget")
    },
    "storage.v1.StorageClass": {
        "reclaimPolicy": _plain("Delete", "Recycle", "Retain"),
        "volumeBindingMode": _plain("Immediate", "WaitForFirstConsumer"),
    },
}
PACKAGE = "io.k8s.api."


def enums_of(definition: str) -> Mapping[str, Values]:
    """Field → its values, of the fields of a definition that have a fixed set of them."""
    name = definition.removeprefix(PACKAGE)
    core = name.removeprefix("core.v1.")
    return _CORE.get(core, {}) if core != name else _OTHERS.get(name, {})
