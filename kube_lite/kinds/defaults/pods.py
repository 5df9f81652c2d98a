"""Defaults of Pods and of everything that holds a Pod template: ``pkg/apis/core/v1/defaults.go``."""

import re
from collections.abc import Iterator

from kube_lite.api.identity import Json
from kube_lite.api.quantity import parse_quantity
from kube_lite.api.quota import pod_total

FILE_MODE = 0o644
TOKEN_SECONDS = 3600
GRACE_SECONDS = 30
CONTAINER_LISTS = ("containers", "initContainers", "ephemeralContainers")
DISABLED_PROJECTIONS = ("clusterTrustBundle", "podCertificate")
POD_RESOURCES = ("cpu", "memory")
HUGE_PAGES = "hugepages-"
PROBES = ("livenessProbe", "readinessProbe", "startupProbe")

IMAGE_MAX = 255
_WORD = "[a-z0-9]+(?:(?:\\.|_|__|-+)[a-z0-9]+)*"
_HOST_WORD = "[A-Za-z0-9](?:[-A-Za-z0-9]*[A-Za-z0-9])?"
_HOST = rf"(?:{_HOST_WORD}(?:\.{_HOST_WORD})*|\[[A-Fa-f0-9:]+\])"
_DIGEST = "@[A-Za-z][A-Za-z0-9]*(?:[-_+.][A-Za-z][A-Za-z0-9]*)*:[0-9A-Fa-f]{32,}"
_IMAGE = re.compile(
    rf"(?:{_HOST}(?::[0-9]+)?/)?{_WORD}(?:/{_WORD})*(?::(?P<tag>\w[-\w.]{{0,127}}))?(?P<digest>{_DIGEST})?",
    re.ASCII,
)
_IDENTIFIER = re.compile("[a-f0-9]{64}")


def default_pod(pod: Json) -> None:
    """A Pod; more is filled in than in a template, because a template may still be changed."""
    spec = pod.setdefault("spec", {})
    for container in containers_of(spec, "containers", "initContainers"):
        requests_from_limits(container)
    default_pod_spec(spec)
    spec.setdefault("enableServiceLinks", True)
    if spec["terminationGracePeriodSeconds"] < 0:
        spec["terminationGracePeriodSeconds"] = 1  # negative once meant "at once", and is no longer kept
    if spec.get("hostNetwork"):
        for container in containers_of(spec, "containers", "initContainers"):
            for port in container.get("ports") or ():
                port.setdefault("hostPort", port.get("containerPort", 0))
    if spec.get("resources"):
        _default_pod_resources(spec)


def default_template(template: Json) -> None:
    """A Pod template."""
    template.setdefault("metadata", {})
    default_pod_spec(template.setdefault("spec", {}))


def default_pod_spec(spec: Json) -> None:
    """What Pods and templates have in common."""
    spec["containers"] = spec.get("containers") or []
    spec.setdefault("dnsPolicy", "ClusterFirst")
    spec.setdefault("restartPolicy", "Always")
    spec.setdefault("terminationGracePeriodSeconds", GRACE_SECONDS)
    spec.setdefault("schedulerName", "default-scheduler")
    spec.setdefault("securityContext", {})
    account = spec.get("serviceAccountName") or spec.get("serviceAccount")
    if account:
        spec["serviceAccountName"] = spec["serviceAccount"] = account
    for container in containers_of(spec, *CONTAINER_LISTS):
        default_container(container)
    for volume in spec.get("volumes") or ():
        default_volume(volume)
    round_up(spec.get("overhead"))
    drop_disabled(spec)


def containers_of(spec: Json, *lists: str) -> Iterator[Json]:
    """The containers in some lists of a Pod spec."""
    for name in lists:
        yield from spec.get(name) or ()


def default_container(container: Json) -> None:
    """A container of any kind."""
    if "imagePullPolicy" not in container:
        container["imagePullPolicy"] = pull_policy(container.get("image") or "")
    container.setdefault("terminationMessagePath", "/dev/termination-log")
    container.setdefault("terminationMessagePolicy", "File")
    for port in container.get("ports") or ():
        port.setdefault("protocol", "TCP")
    for variable in container.get("env") or ():
        _default_variable(variable)
    resources = container.setdefault("resources", {})
    if resources:
        round_up(resources.get("limits"))
        round_up(resources.get("requests"))
    for name in PROBES:
        probe = container.get(name)
        if probe is not None:
            default_probe(probe)
    for hook in (container.get("lifecycle") or {}).values():
        if isinstance(hook, dict):
            _default_action(hook)


def _default_variable(variable: Json) -> None:
    source = variable.get("valueFrom")
    if source:
        _default_field_ref(source)
        if "fileKeyRef" in source:
            source["fileKeyRef"].setdefault("optional", False)


def pull_policy(image: str) -> str:
    """Images named by ``latest``, or by nothing, may change: ``Always``. Others: ``IfNotPresent``."""
    found = _IMAGE.fullmatch(image)
    if (
        found is None
        or len(image) > IMAGE_MAX
        or _IDENTIFIER.fullmatch(image)
        or (found["digest"] and not found["tag"])
    ):
        return "IfNotPresent"
    return "Always" if found["tag"] in (None, "latest") else "IfNotPresent"


def default_probe(probe: Json) -> None:
    """When to probe, and how often it may fail."""
    probe.setdefault("timeoutSeconds", 1)
    probe.setdefault("periodSeconds", 10)
    probe.setdefault("successThreshold", 1)
    probe.setdefault("failureThreshold", 3)
    _default_action(probe)


def _default_action(handler: Json) -> None:
    request = handler.get("httpGet")
    if request is not None:
        request.setdefault("path", "/")
        request.setdefault("scheme", "HTTP")
    grpc = handler.get("grpc")
    if grpc is not None and grpc.get("service") is None:
        grpc["service"] = ""


def _default_field_ref(source: Json) -> None:
    reference = source.get("fieldRef")
    if reference is not None:
        reference.setdefault("apiVersion", "v1")


def default_volume(volume: Json) -> None:
    """A volume of a Pod; without any source it is an empty directory."""
    if len(volume) <= 1:
        volume["emptyDir"] = {}
    for kind in ("secret", "configMap", "downwardAPI", "projected"):
        source = volume.get(kind)
        if source is not None:
            source.setdefault("defaultMode", FILE_MODE)
            for item in source.get("items") or ():
                _default_field_ref(item)
    for source in (volume.get("projected") or {}).get("sources") or ():
        _default_projection(source)
    if volume.get("ephemeral"):
        claim = volume["ephemeral"].get("volumeClaimTemplate")
        if claim is not None:
            claim.setdefault("spec", {}).setdefault("volumeMode", "Filesystem")
    if volume.get("image") is not None:
        volume["image"].setdefault("pullPolicy", pull_policy(volume["image"].get("reference") or ""))
    default_volume_source(volume)


def _default_projection(source: Json) -> None:
    token = source.get("serviceAccountToken")
    if token is not None:
        token.setdefault("expirationSeconds", TOKEN_SECONDS)
    for item in (source.get("downwardAPI") or {}).get("items") or ():
        _default_field_ref(item)


def default_volume_source(source: Json) -> None:
    """The sources that Pods and PersistentVolumes share."""
    for kind, values in SOURCE_DEFAULTS.items():
        found = source.get(kind)
        if found is not None:
            for field, value in values.items():
                found.setdefault(field, value)


SOURCE_DEFAULTS: dict[str, dict[str, object]] = {
    "hostPath": {"type": ""},
    "iscsi": {"iscsiInterface": "default"},
    "rbd": {"pool": "rbd", "user": "admin", "keyring": "/etc/ceph/keyring"},
    "azureDisk": {"cachingMode": "ReadWrite", "kind": "Shared", "fsType": "ext4", "readOnly": False},
    "scaleIO": {"storageMode": "ThinProvisioned", "fsType": "xfs"},
}


def requests_from_limits(container: Json) -> None:
    """What is limited and not requested is requested as far as it is limited."""
    resources = container.get("resources") or {}
    limits = resources.get("limits")
    if limits:
        requests = resources.setdefault("requests", {})
        for name, value in limits.items():
            requests.setdefault(name, value)


def _default_pod_resources(spec: Json) -> None:
    """Of the Pod as a whole: what its containers sum up to; requests that nobody tells are its limits."""
    resources = spec["resources"]
    limits, requests = dict(resources.get("limits") or {}), dict(resources.get("requests") or {})
    if not limits and not requests:
        return
    round_up(limits)
    round_up(requests)
    parts = {kind: spec.get(kind) or () for kind in ("containers", "initContainers")}
    for name, amount in pod_total(parts, "limits").items():
        if name.startswith(HUGE_PAGES) and name not in requests:
            limits.setdefault(name, str(amount))
    if limits:
        _default_pod_requests(requests, limits, parts)
    for kind, amounts in (("limits", limits), ("requests", requests)):
        if amounts:
            resources[kind] = amounts


def _default_pod_requests(requests: Json, limits: Json, parts: Json) -> None:
    for name, amount in pod_total(parts, "requests").items():
        if name in POD_RESOURCES:
            requests.setdefault(name, str(amount))
    for name, limit in limits.items():
        if name in POD_RESOURCES or name.startswith(HUGE_PAGES):
            requests.setdefault(name, limit)


def drop_disabled(spec: Json) -> None:
    """Leave out what belongs to features that are off by default.

    Source: ``dropDisabledFields`` in ``pkg/api/pod/util.go``.
    """
    spec.pop("schedulingGroup", None)
    for container in containers_of(spec, *CONTAINER_LISTS):
        if container.get("lifecycle") is not None:
            container["lifecycle"].pop("stopSignal", None)
    for volume in spec.get("volumes") or ():
        for source in (volume.get("projected") or {}).get("sources") or ():
            for kind in DISABLED_PROJECTIONS:
                source.pop(kind, None)


def round_up(amounts: Json | None) -> None:
    """Nothing finer than a thousandth is kept in lists of resources."""
    for name, text in (amounts or {}).items():
        if text[-1:] in ("n", "u") or "e-" in text.lower():
            amounts[name] = str(parse_quantity(text).rounded_to_milli())  # type: ignore[index]  # it has items
