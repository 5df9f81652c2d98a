"""What the definitions of old versions have otherwise than those of today; ``schemas`` reads it.

A version of old is served with all fields that came later, by the names that it would have had for them: so
nothing that was written through a version of today is lost to one who edits it through an old one.
Source: types.go of each group and version in k8s.io/api, apiextensions-apiserver and kube-aggregator, of the
last release that had them.
"""

from collections.abc import Mapping
from typing import NamedTuple

EXTENSIONS_API = "io.k8s.apiextensions-apiserver.pkg.apis.apiextensions"
AGGREGATION_API = "io.k8s.kube-aggregator.pkg.apis.apiregistration"


class Part(NamedTuple):
    """Definitions that a package of old has from another one, by the beginnings of their names."""

    package: str
    taken: tuple[str, ...] = ("",)
    left: tuple[str, ...] = ()


PARTS: Mapping[str, tuple[Part, ...]] = {
    "apps.v1beta2": (Part("apps.v1"),),
    "apps.v1beta1": (
        Part(
            "apps.v1",
            ("ControllerRevision", "Deployment", "RollingUpdateDeployment", "RollingUpdateStateful"),
        ),
        Part("apps.v1", ("StatefulSet",)),
    ),
    "extensions.v1beta1": (
        Part(
            "apps.v1", ("DaemonSet", "Deployment", "ReplicaSet", "RollingUpdateDaemon", "RollingUpdateDepl")
        ),
        Part(
            "networking.v1",
            ("Ingress", "HTTPIngress", "NetworkPolicy", "IPBlock"),
            ("IngressClass", "IngressService"),
        ),
        Part("policy.v1beta1", ("PodSecurity", "Allowed", "FSGroup", "HostPort", "IDRange")),
        Part("policy.v1beta1", ("RunAs", "RuntimeClass", "SELinux", "SupplementalGroups")),
    ),
    "networking.v1beta1": (Part("networking.v1", ("Ingress", "HTTPIngress"), ("IngressService",)),),
    "autoscaling.v2beta2": (Part("autoscaling.v2"),),
    "autoscaling.v2beta1": (
        Part(
            "autoscaling.v2",
            left=(
                "HorizontalPodAutoscalerBehavior",
                "HPAScaling",
                "MetricIdent",
                "MetricTarget",
                "MetricValue",
            ),
        ),
    ),
    "batch.v1beta1": (Part("batch.v1", ("CronJob", "JobTemplate")),),
    "policy.v1beta1": (Part("policy.v1"),),
    "rbac.v1beta1": (Part("rbac.v1"),),
    "certificates.v1beta1": (Part("certificates.v1"),),
    "admissionregistration.v1beta1": (
        Part(
            "admissionregistration.v1",
            ("MutatingWebhook", "ValidatingWebhook", "RuleWith", "ServiceReference"),
        ),
        Part("admissionregistration.v1", ("WebhookClient", "MatchCondition")),
    ),
    "storage.v1beta1": (
        Part("storage.v1", ("CSI", "StorageClass", "TokenRequest", "Volume"), ("VolumeAttributes",)),
    ),
    "scheduling.v1beta1": (Part("scheduling.v1", ("PriorityClass",)),),
    "coordination.v1beta1": (Part("coordination.v1", ("Lease",), ("LeaseCandidate",)),),
    "discovery.v1beta1": (Part("discovery.v1"),),
    "events.v1beta1": (Part("events.v1"),),
    "node.v1beta1": (Part("node.v1"),),
    "authentication.v1beta1": (Part("authentication.v1", ("TokenReview", "UserInfo")),),
    "authorization.v1beta1": (Part("authorization.v1"),),
    f"{EXTENSIONS_API}.v1beta1": (
        Part(
            f"{EXTENSIONS_API}.v1", ("CustomResource", "SelectableField", "ServiceReference", "WebhookClient")
        ),
    ),
    f"{AGGREGATION_API}.v1beta1": (Part(f"{AGGREGATION_API}.v1"),),
}
"""Package of old → whence its definitions come; packages without a host are below ``io.k8s.api``."""

GROUPS: Mapping[str, str] = {
    "admissionregistration": "admissionregistration.k8s.io",
    "apiextensions": "apiextensions.k8s.io",
    "apiregistration": "apiregistration.k8s.io",
    "authentication": "authentication.k8s.io",
    "authorization": "authorization.k8s.io",
    "certificates": "certificates.k8s.io",
    "coordination": "coordination.k8s.io",
    "discovery": "discovery.k8s.io",
    "events": "events.k8s.io",
    "networking": "networking.k8s.io",
    "node": "node.k8s.io",
    "rbac": "rbac.authorization.k8s.io",
    "scheduling": "scheduling.k8s.io",
    "storage": "storage.k8s.io",
}
"""First word of a package → its group, where that is another."""


class Change(NamedTuple):
    """How a definition differs from the one that it comes from.

    Attributes:
        renamed: today's name of a field → the old one.
        gone: fields of today that it has not.
        optional: fields that it could do without.
        fields: those that it has besides, as in ``NEW``.
    """

    renamed: Mapping[str, str] = {}
    gone: tuple[str, ...] = ()
    optional: tuple[str, ...] = ()
    fields: str = ""


_DEPLOYMENT = Change(optional=("selector",), fields="rollbackTo:RollbackConfig")
_SELECTOR = Change(optional=("selector",))
_WEBHOOK = Change(optional=("sideEffects", "admissionReviewVersions"))
_GROUP = Change({"groups": "group"})

CHANGES: Mapping[str, Change] = {
    "apps.v1beta1.DeploymentSpec": _DEPLOYMENT,
    "apps.v1beta1.StatefulSetSpec": _SELECTOR,
    "extensions.v1beta1.DeploymentSpec": _DEPLOYMENT,
    "extensions.v1beta1.DaemonSetSpec": Change(optional=("selector",), fields="templateGeneration:l"),
    "extensions.v1beta1.ReplicaSetSpec": _SELECTOR,
    **{
        f"{package}.v1beta1.{kind}": change
        for package in ("extensions", "networking")
        for kind, change in (
            ("IngressSpec", Change({"defaultBackend": "backend"})),
            ("HTTPIngressPath", Change(optional=("pathType",))),
            ("IngressBackend", Change(gone=("service",), fields="serviceName:s servicePort:O")),
        )
    },
    "autoscaling.v2beta1.HorizontalPodAutoscalerSpec": Change(gone=("behavior",)),
    "certificates.v1beta1.CertificateSigningRequestSpec": Change(optional=("signerName",)),
    "certificates.v1beta1.CertificateSigningRequestCondition": Change(optional=("status",)),
    "admissionregistration.v1beta1.MutatingWebhook": _WEBHOOK,
    "admissionregistration.v1beta1.ValidatingWebhook": _WEBHOOK,
    "discovery.v1beta1.Endpoint": Change(gone=("deprecatedTopology", "zone"), fields="topology:{s"),
    "authorization.v1beta1.SubjectAccessReviewSpec": _GROUP,
    f"{EXTENSIONS_API}.v1beta1.CustomResourceDefinitionSpec": Change(
        optional=("versions",),
        fields="preserveUnknownFields:?b version:s validation:CustomResourceValidation "
        "subresources:CustomResourceSubresources selectableFields:[SelectableField "
        "additionalPrinterColumns:[CustomResourceColumnDefinition",
    ),
    f"{EXTENSIONS_API}.v1beta1.CustomResourceColumnDefinition": Change({"jsonPath": "JSONPath"}),
    f"{EXTENSIONS_API}.v1beta1.CustomResourceConversion": Change(
        gone=("webhook",), fields="webhookClientConfig:WebhookClientConfig conversionReviewVersions:[s"
    ),
}

_RANGES = "rule!:s ranges:[IDRange"
NEW: Mapping[str, str] = {
    **{
        f"{package}.v1beta1.{kind}": fields
        for package in ("apps", "extensions")
        for kind, fields in (
            ("RollbackConfig", "revision:l"),
            (
                "DeploymentRollback",
                "apiVersion:s kind:s name!:s updatedAnnotations:{s rollbackTo!:RollbackConfig",
            ),
        )
    },
    "autoscaling.v2beta1.ObjectMetricSource": "target!:CrossVersionObjectReference metricName!:s "
    "targetValue!:Q selector:meta.v1.LabelSelector averageValue:Q",
    "autoscaling.v2beta1.PodsMetricSource": "metricName!:s targetAverageValue!:Q "
    "selector:meta.v1.LabelSelector",
    "autoscaling.v2beta1.ResourceMetricSource": "name!:s targetAverageUtilization:?i targetAverageValue:Q",
    "autoscaling.v2beta1.ContainerResourceMetricSource": "name!:s targetAverageUtilization:?i "
    "targetAverageValue:Q container!:s",
    "autoscaling.v2beta1.ExternalMetricSource": "metricName!:s metricSelector:meta.v1.LabelSelector "
    "targetValue:Q targetAverageValue:Q",
    "autoscaling.v2beta1.ObjectMetricStatus": "target!:CrossVersionObjectReference metricName!:s "
    "currentValue!:Q selector:meta.v1.LabelSelector averageValue:Q",
    "autoscaling.v2beta1.PodsMetricStatus": "metricName!:s currentAverageValue!:Q "
    "selector:meta.v1.LabelSelector",
    "autoscaling.v2beta1.ResourceMetricStatus": "name!:s currentAverageUtilization:?i currentAverageValue!:Q",
    "autoscaling.v2beta1.ContainerResourceMetricStatus": "name!:s currentAverageUtilization:?i "
    "currentAverageValue!:Q container!:s",
    "autoscaling.v2beta1.ExternalMetricStatus": "metricName!:s metricSelector:meta.v1.LabelSelector "
    "currentValue!:Q currentAverageValue:Q",
    "policy.v1beta1.PodSecurityPolicy": "apiVersion:s kind:s metadata:meta.v1.ObjectMeta "
    "spec:PodSecurityPolicySpec",
    "policy.v1beta1.PodSecurityPolicyList": "apiVersion:s kind:s metadata:meta.v1.ListMeta "
    "items!:[PodSecurityPolicy",
    "policy.v1beta1.PodSecurityPolicySpec": "privileged:b defaultAddCapabilities:[s "
    "requiredDropCapabilities:[s allowedCapabilities:[s volumes:[s hostNetwork:b hostPorts:[HostPortRange "
    "hostPID:b hostIPC:b seLinux!:SELinuxStrategyOptions runAsUser!:RunAsUserStrategyOptions "
    "runAsGroup:RunAsGroupStrategyOptions supplementalGroups!:SupplementalGroupsStrategyOptions "
    "fsGroup!:FSGroupStrategyOptions readOnlyRootFilesystem:b defaultAllowPrivilegeEscalation:?b "
    "allowPrivilegeEscalation:?b allowedHostPaths:[AllowedHostPath allowedFlexVolumes:[AllowedFlexVolume "
    "allowedCSIDrivers:[AllowedCSIDriver allowedUnsafeSysctls:[s forbiddenSysctls:[s "
    "allowedProcMountTypes:[s runtimeClass:RuntimeClassStrategyOptions",
    "policy.v1beta1.AllowedHostPath": "pathPrefix:s readOnly:b",
    "policy.v1beta1.AllowedFlexVolume": "driver!:s",
    "policy.v1beta1.AllowedCSIDriver": "name!:s",
    "policy.v1beta1.HostPortRange": "min!:i max!:i",
    "policy.v1beta1.IDRange": "min!:l max!:l",
    "policy.v1beta1.SELinuxStrategyOptions": "rule!:s seLinuxOptions:core.v1.SELinuxOptions",
    "policy.v1beta1.RunAsUserStrategyOptions": _RANGES,
    "policy.v1beta1.RunAsGroupStrategyOptions": _RANGES,
    "policy.v1beta1.FSGroupStrategyOptions": "rule:s ranges:[IDRange",
    "policy.v1beta1.SupplementalGroupsStrategyOptions": "rule:s ranges:[IDRange",
    "policy.v1beta1.RuntimeClassStrategyOptions": "allowedRuntimeClassNames!:[s defaultRuntimeClassName:?s",
}
"""Definitions that have no counterpart today, as ``name:type``.

After the name ``!`` is a field that is required and always written. Types: ``s`` text, ``i`` int32, ``l``
int64, ``b`` boolean, ``Q`` quantity, ``O`` number or text, otherwise another definition, by default of the
same package. Before them ``[`` is a list, ``{`` a map and ``?`` a pointer, whose zero is kept.
"""

TEXTS: Mapping[str, str] = {
    "rollbackTo": "The config this deployment is rolling back to. Will be cleared after rollback is done.",
    "templateGeneration": "A sequence number representing a specific generation of the template. Populated "
    "by the system. It can be set only during the creation.",
    "backend": "A default backend capable of servicing requests that don't match any rule.",
    "serviceName": "Specifies the name of the referenced service.",
    "servicePort": "Specifies the port of the referenced service.",
    "topology": "Arbitrary topology information associated with the endpoint, as label keys and values.",
    "version": "The API version of the defined custom resource, the first of `versions` if they are given.",
    "validation": "The schema used for validation and pruning of all versions.",
    "webhookClientConfig": "How to call the webhook if strategy is `Webhook`.",
    "metricName": "The name of the metric in question.",
    "target": "The described Kubernetes object.",
    "targetValue": "The target value of the metric, as a quantity.",
    "targetAverageValue": "The target value of the average of the metric across all relevant pods.",
    "targetAverageUtilization": "The target value of the average of the resource metric across all relevant "
    "pods, as a percentage of what the pods request.",
}
"""Field → what the documents say of it, where it is one that came in here."""
