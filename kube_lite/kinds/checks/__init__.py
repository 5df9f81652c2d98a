"""Rules that a schema cannot express, in the words of the reference: functions found by group and kind.

``RULES`` is the whole table: what an object of a kind must be, what may change, and how it may be named.
Every function yields causes in the order in which the reference finds them; all of them are told. A kind
without a row has the rules of metadata alone.

Modules are loaded when the first object of one of their kinds is written.
"""

from collections.abc import Callable, Iterator, Sequence
from functools import cache
from importlib import import_module
from typing import Any, NamedTuple

from kube_lite.api import names
from kube_lite.api.errors import Cause
from kube_lite.api.identity import GroupVersionKind, Json
from kube_lite.api.metadata_rules import check_metadata, check_next_metadata

from .looks import look_again, names_finalizers_freely

Rule = Callable[[Json], Iterator[Cause]]
ChangeRule = Callable[[Json, Json], Iterator[Cause]]


class Rules(NamedTuple):
    """The rules of a kind, as ``module.function`` below this package; empty for none."""

    check: str = ""
    change: str = ""
    name: str = "subdomain"


RBAC, ADMISSION = "rbac.authorization.k8s.io", "admissionregistration.k8s.io"

RULES: dict[tuple[str, str], Rules] = {
    ("", "Pod"): Rules("pod_spec.check_pod", "immutability.check_pod_update"),
    ("", "PodTemplate"): Rules("pod_spec.check_pod_template"),
    ("", "ReplicationController"): Rules("workloads.check_replication_controller"),
    ("", "Service"): Rules("services.check_service", "services.check_service_update", "label"),
    ("", "Endpoints"): Rules("endpoints.check_endpoints"),
    ("", "ConfigMap"): Rules("config.check_config_map", "config.check_config_map_update"),
    ("", "Secret"): Rules("config.check_secret", "config.check_secret_update"),
    ("", "Namespace"): Rules("config.check_namespace", name="label"),
    ("", "Node"): Rules("nodes.check_node", "nodes.check_node_update"),
    ("", "ResourceQuota"): Rules("limits.check_quota", "limits.check_quota_update"),
    ("", "LimitRange"): Rules("limits.check_limit_range"),
    ("", "Event"): Rules("cluster.check_event"),
    ("", "PersistentVolume"): Rules("storage.check_volume", "storage.check_volume_update"),
    ("", "PersistentVolumeClaim"): Rules("claims.check_claim", "claims.check_claim_update"),
    ("apps", "Deployment"): Rules("workloads.check_deployment", "workloads.check_selector_update"),
    ("apps", "ReplicaSet"): Rules("workloads.check_replicaset", "workloads.check_selector_update"),
    ("apps", "DaemonSet"): Rules("workloads.check_daemonset", "workloads.check_selector_update"),
    ("apps", "StatefulSet"): Rules(
        "workloads.check_statefulset", "workloads.check_statefulset_update", "label"
    ),
    ("apps", "ControllerRevision"): Rules("cluster.check_revision", "cluster.check_revision_update"),
    ("batch", "Job"): Rules("jobs.check_job", "jobs.check_job_update"),
    ("batch", "CronJob"): Rules("cronjobs.check_cronjob", name="cronjob"),
    ("autoscaling", "HorizontalPodAutoscaler"): Rules("autoscalers.check_autoscaler"),
    ("policy", "PodDisruptionBudget"): Rules("cluster.check_budget", name="path_segment"),
    ("policy", "PodSecurityPolicy"): Rules("pod_security.check_pod_security"),
    ("discovery.k8s.io", "EndpointSlice"): Rules(
        "endpoints.check_endpoint_slice", "endpoints.check_slice_update"
    ),
    ("networking.k8s.io", "Ingress"): Rules("networking.check_ingress"),
    ("networking.k8s.io", "IngressClass"): Rules(
        "networking.check_ingress_class", "networking.check_ingress_class_update"
    ),
    ("networking.k8s.io", "NetworkPolicy"): Rules("networking.check_network_policy"),
    ("networking.k8s.io", "IPAddress"): Rules(
        "networking.check_ip_address", "networking.check_ip_address_update", name="ip_address"
    ),
    ("networking.k8s.io", "ServiceCIDR"): Rules(
        "networking.check_service_cidr", "networking.check_service_cidr_update"
    ),
    ("storage.k8s.io", "StorageClass"): Rules(
        "storage.check_storage_class", "storage.check_storage_class_update"
    ),
    ("storage.k8s.io", "VolumeAttachment"): Rules(
        "drivers.check_attachment", "drivers.check_attachment_update"
    ),
    ("storage.k8s.io", "CSIDriver"): Rules("drivers.check_csi_driver", "drivers.check_csi_driver_update"),
    ("storage.k8s.io", "CSINode"): Rules("drivers.check_csi_node", "drivers.check_csi_node_update"),
    ("storage.k8s.io", "CSIStorageCapacity"): Rules(
        "drivers.check_capacity", "drivers.check_capacity_update"
    ),
    ("storage.k8s.io", "VolumeAttributesClass"): Rules(
        "drivers.check_attributes_class", "drivers.check_attributes_class_update"
    ),
    (RBAC, "Role"): Rules("cluster.check_role", name="path_segment"),
    (RBAC, "ClusterRole"): Rules("cluster.check_role", name="path_segment"),
    (RBAC, "RoleBinding"): Rules("cluster.check_binding", "cluster.check_binding_update", "path_segment"),
    (RBAC, "ClusterRoleBinding"): Rules(
        "cluster.check_binding", "cluster.check_binding_update", "path_segment"
    ),
    ("scheduling.k8s.io", "PriorityClass"): Rules(
        "cluster.check_priority_class", "cluster.check_priority_class_update"
    ),
    ("coordination.k8s.io", "Lease"): Rules("cluster.check_lease"),
    ("node.k8s.io", "RuntimeClass"): Rules(
        "cluster.check_runtime_class", "cluster.check_runtime_class_update"
    ),
    ("flowcontrol.apiserver.k8s.io", "FlowSchema"): Rules("flow_control.check_flow_schema"),
    ("flowcontrol.apiserver.k8s.io", "PriorityLevelConfiguration"): Rules(
        "flow_control.check_priority_level"
    ),
    ("apiregistration.k8s.io", "APIService"): Rules("aggregation.check_api_service", name="path_segment"),
    ("certificates.k8s.io", "CertificateSigningRequest"): Rules(
        "requests.check_signing", name="path_segment"
    ),
    (ADMISSION, "ValidatingWebhookConfiguration"): Rules("admission.check_webhooks"),
    (ADMISSION, "MutatingWebhookConfiguration"): Rules("admission.check_webhooks"),
    (ADMISSION, "ValidatingAdmissionPolicy"): Rules("admission.check_policy"),
    (ADMISSION, "ValidatingAdmissionPolicyBinding"): Rules("admission.check_policy_binding"),
    (ADMISSION, "MutatingAdmissionPolicy"): Rules("admission.check_mutating_policy"),
    (ADMISSION, "MutatingAdmissionPolicyBinding"): Rules("admission.check_mutating_binding"),
    ("resource.k8s.io", "DeviceClass"): Rules("devices.check_class"),
    ("resource.k8s.io", "ResourceClaim"): Rules("devices.check_claim", "devices.check_claim_update"),
    ("resource.k8s.io", "ResourceClaimTemplate"): Rules(
        "devices.check_template", "devices.check_template_update"
    ),
    ("resource.k8s.io", "ResourceSlice"): Rules(
        "device_slices.check_slice", "device_slices.check_slice_update"
    ),
    ("certificates.k8s.io", "ClusterTrustBundle"): Rules(name="path_segment"),
    ("apiextensions.k8s.io", "CustomResourceDefinition"): Rules("definitions.check_definition"),
    ("apiextensions.k8s.io/v1beta1", "CustomResourceDefinition"): Rules("definitions.check_older_definition"),
}
"""By group and kind, or by group, version and kind where a version has rules of its own."""

STATUSES = {
    ("", "Namespace"): "status.check_namespace",
    ("", "PersistentVolumeClaim"): "claims.check_claim_status",
    ("", "Node"): "nodes.check_node_update",
    ("", "Pod"): "status.check_pod",
    ("", "ResourceQuota"): "limits.check_quota_status",
    ("flowcontrol.apiserver.k8s.io", "FlowSchema"): "flow_control.check_conditions",
    ("flowcontrol.apiserver.k8s.io", "PriorityLevelConfiguration"): "flow_control.check_conditions",
    ("", "Service"): "status.check_service",
    ("", "ReplicationController"): "status.check_replica_set",
    ("apps", "Deployment"): "status.check_deployment",
    ("apps", "ReplicaSet"): "status.check_replica_set",
    ("apps", "StatefulSet"): "status.check_stateful_set",
    ("apps", "DaemonSet"): "status.check_daemon_set",
    ("apiextensions.k8s.io", "CustomResourceDefinition"): "definitions.check_definition_status",
    ("apiregistration.k8s.io", "APIService"): "aggregation.check_status",
    ("autoscaling", "HorizontalPodAutoscaler"): "status.check_autoscaler",
    ("batch", "Job"): "status.check_job",
    ("certificates.k8s.io", "CertificateSigningRequest"): "signing.check_status",
    ("networking.k8s.io", "Ingress"): "status.check_ingress",
    ("policy", "PodDisruptionBudget"): "status.check_budget",
    ("resource.k8s.io", "ResourceClaim"): "devices.check_claim_status",
    ("storage.k8s.io", "VolumeAttachment"): "drivers.check_attachment_status",
}
"""Kinds with rules for what is written to their status."""

ONLY_CHANGE = {("networking.k8s.io", "ServiceCIDR")}
"""Kinds of whose next versions nothing but the change is judged."""

CRONJOB_NAME_MAX = 52  # of 63 characters, the names of its Jobs take eleven more


def validate(gvk: GroupVersionKind, obj: Json) -> Sequence[Cause]:
    """What is wrong with an object, beyond what its schema says."""
    check_name, check, _ = _rules_of(gvk)
    causes = [
        *check_metadata(obj["metadata"], check_name, is_built_in=not names_finalizers_freely(gvk)),
    ]
    if check is not None:
        causes += check(obj)
    return causes


def validate_definition_update(obj: Json, old: Json) -> Sequence[Cause]:
    """What is wrong with the next version of a CustomResourceDefinition.

    Other kinds are held to all their rules again; of this one less is asked where it broke rules before.
    """
    from .definitions import check_definition_update

    return [*check_next_metadata(obj["metadata"], old["metadata"]), *check_definition_update(obj, old)]


def validate_change_first(gvk: GroupVersionKind, obj: Json, old: Json) -> Sequence[Cause]:
    """What is wrong with the next version of an object whose change is judged before the rest of it."""
    check_name, check, _ = _rules_of(gvk)
    causes = [
        *check_metadata(obj["metadata"], check_name, is_built_in=True),
        *validate_update(gvk, obj, old),
    ]
    if check is not None and (gvk.group, gvk.kind) not in ONLY_CHANGE:
        causes += check(obj)
    return causes


def validate_update(gvk: GroupVersionKind, obj: Json, old: Json) -> Sequence[Cause]:
    """What is wrong with a change, ``validate`` apart.

    The reference looks at metadata several times, and its answers list each time what is wrong.
    """
    causes = [*look_again(gvk, obj["metadata"], old["metadata"])]
    change = _rules_of(gvk)[2]
    if change is not None:
        causes += change(obj, old)
    return causes


def validate_status_update(gvk: GroupVersionKind, obj: Json, old: Json) -> Sequence[Cause]:
    """What is wrong with a status."""
    name = STATUSES.get((gvk.group, gvk.kind))
    return list(_load(name)(obj, old)) if name else ()


def warnings(gvk: GroupVersionKind, obj: Json) -> Sequence[str]:
    """Texts for the client about an object that is fine, but may not do what was meant."""
    texts: Sequence[str] = _load("advice.advise")(gvk, obj)
    return texts


@cache
def _rules_of(gvk: GroupVersionKind) -> tuple[names.Check, Rule | None, ChangeRule | None]:
    """How objects of a kind may be named, what they must be, and what may change."""
    rules = RULES.get((gvk.api_version, gvk.kind)) or RULES.get((gvk.group, gvk.kind), Rules())
    check, change = (_load(name) if name else None for name in (rules.check, rules.change))
    return _name_check(rules.name), check, change


@cache
def _load(name: str) -> Callable[..., Any]:
    module, _, function = name.rpartition(".")
    found: Callable[..., Any] = getattr(import_module(f".{module}", __name__), function)
    return found


def _name_check(name: str) -> names.Check:
    if name == "ip_address":
        from .networking import check_ip_address_name

        return check_ip_address_name
    return _NAMES[name]


def _cronjob_name(name: str) -> list[str]:
    wrong = names.check_subdomain(name)
    if len(name) > CRONJOB_NAME_MAX:
        wrong.append(f"must be no more than {CRONJOB_NAME_MAX} characters")
    return wrong


_NAMES: dict[str, names.Check] = {
    "subdomain": names.check_subdomain,
    "label": names.check_label,
    "path_segment": names.check_path_segment,
    "cronjob": _cronjob_name,
}
