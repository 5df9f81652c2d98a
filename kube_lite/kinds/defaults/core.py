"""Defaults of the core group, Pods apart: ``pkg/apis/core/v1/defaults.go``."""

from base64 import b64encode

from kube_lite.api.identity import Json

from . import Default
from .pods import default_pod, default_template, default_volume_source, round_up

AFFINITY_SECONDS = 10800


def default_namespace(namespace: Json) -> None:
    """Its name is also a label, so that selectors can name it."""
    metadata = namespace["metadata"]
    if metadata.get("name"):
        metadata.setdefault("labels", {})["kubernetes.io/metadata.name"] = metadata["name"]
    namespace.setdefault("status", {}).setdefault("phase", "Active")


def default_secret(secret: Json) -> None:
    """``stringData`` is a way of writing ``data``, and is never read back."""
    secret.setdefault("type", "Opaque")
    texts = secret.pop("stringData", None)
    if texts:
        encoded = {key: b64encode(text.encode()).decode() for key, text in texts.items()}
        secret["data"] = {**(secret.get("data") or {}), **encoded}


def default_service(service: Json) -> None:
    """Type, affinity, traffic policies and ports; addresses are not defaults but allocations."""
    spec = service.setdefault("spec", {})
    if spec.setdefault("sessionAffinity", "None") == "None":
        spec.pop("sessionAffinityConfig", None)
    elif spec["sessionAffinity"] == "ClientIP":
        config = spec.setdefault("sessionAffinityConfig", {})
        config.setdefault("clientIP", {}).setdefault("timeoutSeconds", AFFINITY_SECONDS)
    kind = spec.setdefault("type", "ClusterIP")
    for port in spec.get("ports") or ():
        port.setdefault("protocol", "TCP")
        if port.get("targetPort") in (None, 0, ""):
            port["targetPort"] = port.get("port", 0)
    is_external = kind in ("NodePort", "LoadBalancer") or (kind == "ClusterIP" and spec.get("externalIPs"))
    if is_external:
        spec.setdefault("externalTrafficPolicy", "Cluster")
    if kind in ("NodePort", "LoadBalancer", "ClusterIP"):
        spec.setdefault("internalTrafficPolicy", "Cluster")
    if kind == "LoadBalancer":
        spec.setdefault("allocateLoadBalancerNodePorts", True)


def default_endpoints(endpoints: Json) -> None:
    """Ports are TCP."""
    for subset in endpoints.get("subsets") or ():
        for port in subset.get("ports") or ():
            port.setdefault("protocol", "TCP")


def default_volume(volume: Json) -> None:
    """A PersistentVolume is kept when its claim goes."""
    spec = volume.setdefault("spec", {})
    spec.setdefault("persistentVolumeReclaimPolicy", "Retain")
    spec.setdefault("volumeMode", "Filesystem")
    round_up(spec.get("capacity"))
    default_volume_source(spec)
    volume.setdefault("status", {}).setdefault("phase", "Pending")


def default_claim(claim: Json) -> None:
    """A PersistentVolumeClaim asks for a file system."""
    spec = claim.setdefault("spec", {})
    spec.setdefault("volumeMode", "Filesystem")
    resources = spec.get("resources") or {}
    round_up(resources.get("limits"))
    round_up(resources.get("requests"))
    claim.setdefault("status", {}).setdefault("phase", "Pending")


def complete_data_sources(spec: Json, old: Json) -> None:
    """The old field and the new one say the same; what the old one cannot say is dropped.

    Source: ``pkg/api/persistentvolumeclaim/util.go``; sources in other namespaces are off by default.
    """
    had_reference = old.get("dataSourceRef") is not None
    if (spec.get("dataSourceRef") or {}).get("namespace") and not had_reference:
        del spec["dataSourceRef"]
    source, reference = spec.get("dataSource"), spec.get("dataSourceRef")
    is_free = old.get("dataSource") is None and not had_reference and reference is None
    if source is not None and is_free and (source.get("apiGroup") or "", source.get("kind")) not in CLONEABLE:
        del spec["dataSource"]
        source = None
    if source is not None and reference is None:
        spec["dataSourceRef"] = dict(source)
    elif reference is not None and source is None:
        spec["dataSource"] = {field: value for field, value in reference.items() if field != "namespace"}


CLONEABLE = {("", "PersistentVolumeClaim"), ("snapshot.storage.k8s.io", "VolumeSnapshot")}
"""What the old field ``dataSource`` may name."""


def default_limit_range(limits: Json) -> None:
    """For containers, what is not said follows from what is: maximum → default → default request."""
    for item in (limits.get("spec") or {}).get("limits") or ():
        for name in ("max", "min", "default", "defaultRequest", "maxLimitRequestRatio"):
            round_up(item.get(name))
        if item.get("type") != "Container":
            continue
        default = {**(item.get("max") or {}), **(item.get("default") or {})}
        requests = {**(item.get("min") or {}), **default, **(item.get("defaultRequest") or {})}
        if default:
            item["default"] = default
        if requests:
            item["defaultRequest"] = requests


def default_quota(quota: Json) -> None:
    """Amounts are rounded as everywhere."""
    round_up((quota.get("spec") or {}).get("hard"))


def default_node(node: Json) -> None:
    """What may be allocated is what there is; one address range is also a list of one."""
    spec, status = node.setdefault("spec", {}), node.setdefault("status", {})
    first, ranges = spec.get("podCIDR"), spec.get("podCIDRs")
    if first and (not ranges or ranges[0] != first):
        spec["podCIDRs"] = [first]
    elif ranges:
        spec["podCIDR"] = ranges[0]
    if status.get("capacity"):
        round_up(status["capacity"])
        status.setdefault("allocatable", dict(status["capacity"]))
        round_up(status["allocatable"])


def default_replication_controller(controller: Json) -> None:
    """Labels and selector follow the template."""
    spec = controller.setdefault("spec", {})
    template = spec.get("template")
    if template is not None:
        default_template(template)
        labels = template["metadata"].get("labels")
        if labels:
            spec.setdefault("selector", dict(labels))
            controller["metadata"].setdefault("labels", dict(labels))
    spec.setdefault("replicas", 1)


def default_pod_template(template: Json) -> None:
    """A PodTemplate."""
    default_template(template.setdefault("template", {}))


DEFAULTS: dict[tuple[str, str], Default] = {
    ("", "Pod"): default_pod,
    ("", "PodTemplate"): default_pod_template,
    ("", "ReplicationController"): default_replication_controller,
    ("", "Namespace"): default_namespace,
    ("", "Secret"): default_secret,
    ("", "Service"): default_service,
    ("", "Endpoints"): default_endpoints,
    ("", "PersistentVolume"): default_volume,
    ("", "PersistentVolumeClaim"): default_claim,
    ("", "LimitRange"): default_limit_range,
    ("", "ResourceQuota"): default_quota,
    ("", "Node"): default_node,
}
