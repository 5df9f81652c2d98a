"""Warnings: objects that are accepted and will probably disappoint.

Source: ``pkg/api/pod/warnings.go``, ``pkg/api/service/warnings.go`` and the ``WarningsOnCreate`` of
strategies.
"""

from collections.abc import Callable, Iterator, Sequence

from kube_lite.api.identity import GroupVersionKind, Json
from kube_lite.api.names import check_label

ENFORCE_SECRETS = "kubernetes.io/enforce-mountable-secrets"
INGRESS_CLASS = "kubernetes.io/ingress.class"
POD_NAME = "this is used in the Pod's hostname"
WORKLOAD_NAME = "this is used in Pod names and hostnames"


def advise(gvk: GroupVersionKind, obj: Json) -> Sequence[str]:
    """Every warning about an object, in order."""
    advice = ADVICE.get((gvk.group, gvk.kind))
    return tuple(advice(obj)) if advice is not None else ()


def _advise_definition(definition: Json) -> Iterator[str]:
    from .definitions import advise_definition  # most kinds do without

    yield from advise_definition(definition)


def _advise_pod(pod: Json) -> Iterator[str]:
    yield from _name(pod, POD_NAME)
    yield from _pod_spec(pod.get("spec") or {}, "spec")


def _advise_workload(obj: Json) -> Iterator[str]:
    yield from _name(obj, WORKLOAD_NAME)
    yield from _pod_spec(
        ((obj.get("spec") or {}).get("template") or {}).get("spec") or {}, "spec.template.spec"
    )


def _advise_template(obj: Json) -> Iterator[str]:
    yield from _pod_spec(
        ((obj.get("spec") or {}).get("template") or {}).get("spec") or {}, "spec.template.spec"
    )


def _advise_cronjob(obj: Json) -> Iterator[str]:
    job = ((obj.get("spec") or {}).get("jobTemplate") or {}).get("spec") or {}
    spec = (job.get("template") or {}).get("spec") or {}
    yield from _pod_spec(spec, "spec.jobTemplate.spec.template.spec")


def _name(obj: Json, use: str) -> Iterator[str]:
    name = obj["metadata"].get("name") or ""
    wrong = check_label(name) if name else []
    if wrong:
        yield (
            f"metadata.name: {use}, which can result in surprising behavior; a DNS label is recommended: "
            f"[{' '.join(wrong)}]"
        )


def _pod_spec(spec: Json, path: str) -> Iterator[str]:
    for label in spec.get("nodeSelector") or ():
        if label in OLD_NODE_LABELS:
            yield (
                f"{path}.nodeSelector[{label}]: deprecated since {OLD_NODE_LABELS[label][1]}; "
                f'use "{OLD_NODE_LABELS[label][0]}" instead'
            )
    for position, container in enumerate(spec.get("containers") or ()):
        yield from _repeated_variables(container, f"{path}.containers[{position}]")


OLD_NODE_LABELS = {
    "beta.kubernetes.io/arch": ("kubernetes.io/arch", "v1.14"),
    "beta.kubernetes.io/os": ("kubernetes.io/os", "v1.14"),
    "failure-domain.beta.kubernetes.io/region": ("topology.kubernetes.io/region", "v1.17"),
    "failure-domain.beta.kubernetes.io/zone": ("topology.kubernetes.io/zone", "v1.17"),
    "beta.kubernetes.io/instance-type": ("node.kubernetes.io/instance-type", "v1.17"),
}
"""Label → what took its place, and since when."""


def _repeated_variables(container: Json, path: str) -> Iterator[str]:
    seen: set[str] = set()
    for position, variable in enumerate(container.get("env") or ()):
        name = variable.get("name") or ""
        if name in seen and f"$({name})" not in (variable.get("value") or ""):
            yield f'{path}.env[{position}]: hides previous definition of "{name}", which may be overwritten'
        seen.add(name)


IGNORED_WHEN_HEADLESS = {
    "loadBalancerIP": "loadBalancerIP",
    "externalIPs": "externalIPs",
    "sessionAffinity": "SessionAffinity",
}


def _advise_service(service: Json) -> Iterator[str]:
    spec = service.get("spec") or {}
    if spec.get("clusterIP") == "None":
        for field, told in IGNORED_WHEN_HEADLESS.items():
            if spec.get(field) not in (None, "", [], "None"):
                yield f"spec.{told} is ignored for headless services"
    elif spec.get("externalIPs"):
        yield "spec.externalIPs is deprecated and may no longer be implemented in some clusters"
    if spec.get("trafficDistribution") == "PreferClose":
        yield 'spec.trafficDistribution: "PreferClose" is deprecated; use "PreferSameZone"'


def _advise_ingress(ingress: Json) -> Iterator[str]:
    if INGRESS_CLASS in (ingress["metadata"].get("annotations") or {}):
        yield f"annotation \"{INGRESS_CLASS}\" is deprecated, please use 'spec.ingressClassName' instead"


def _advise_account(account: Json) -> Iterator[str]:
    if ENFORCE_SECRETS in (account["metadata"].get("annotations") or {}):
        yield (
            f"metadata.annotations[{ENFORCE_SECRETS}]: deprecated in v1.32+; prefer separate namespaces to "
            "isolate access to mounted secrets"
        )


def _advise_slice(endpoint_slice: Json) -> Iterator[str]:
    if endpoint_slice.get("addressType") == "FQDN":
        yield "spec.addressType: FQDN endpoints are deprecated"


def _advise_volume(volume: Json) -> Iterator[str]:
    if (volume.get("spec") or {}).get("persistentVolumeReclaimPolicy") == "Recycle":
        yield (
            "spec.persistentVolumeReclaimPolicy: The Recycle reclaim policy is deprecated. Instead, the "
            "recommended approach is to use dynamic provisioning."
        )


def _advise_driver(driver: Json) -> Iterator[str]:
    spec = driver.get("spec") or {}
    if spec.get("tokenRequests") and spec.get("serviceAccountTokenInSecrets") is None:
        yield (
            "spec.serviceAccountTokenInSecrets is unset; if supported by this CSI driver, set to true to "
            "prevent possible logging of tokens in volume attributes"
        )


ADVICE: dict[tuple[str, str], Callable[[Json], Iterator[str]]] = {
    ("", "Pod"): _advise_pod,
    ("", "Service"): _advise_service,
    ("", "ServiceAccount"): _advise_account,
    ("", "PersistentVolume"): _advise_volume,
    ("apiextensions.k8s.io", "CustomResourceDefinition"): _advise_definition,
    ("apps", "Deployment"): _advise_workload,
    ("apps", "ReplicaSet"): _advise_workload,
    ("apps", "DaemonSet"): _advise_template,
    ("apps", "StatefulSet"): _advise_template,
    ("batch", "Job"): _advise_template,
    ("batch", "CronJob"): _advise_cronjob,
    ("networking.k8s.io", "Ingress"): _advise_ingress,
    ("discovery.k8s.io", "EndpointSlice"): _advise_slice,
    ("storage.k8s.io", "CSIDriver"): _advise_driver,
}
