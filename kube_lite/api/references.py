"""What a Pod and its volumes refer to, and a node that runs it therefore has to read.

Source: ``pkg/api/v1/pod`` (VisitPodSecretNames, VisitPodConfigmapNames), ``pkg/api/v1/persistentvolume``.
"""

from collections.abc import Iterator

from kube_lite.api.identity import GroupResource, Json, ObjectKey

ACCOUNTS = GroupResource("", "serviceaccounts")
CLAIMS = GroupResource("", "persistentvolumeclaims")
CONFIG_MAPS = GroupResource("", "configmaps")
RESOURCE_CLAIMS = GroupResource("resource.k8s.io", "resourceclaims")
SECRETS = GroupResource("", "secrets")


def references_of(pod: Json) -> Iterator[tuple[GroupResource, str]]:
    """What a Pod needs to run: Secrets, ConfigMaps, claims, its account."""
    spec = pod["spec"]
    yield ACCOUNTS, spec.get("serviceAccountName") or "default"
    for entry in spec.get("imagePullSecrets") or ():
        yield SECRETS, entry.get("name", "")
    for kind in ("initContainers", "containers", "ephemeralContainers"):
        for container in spec.get(kind) or ():
            yield from _of_environment(container)
    for volume in spec.get("volumes") or ():
        yield from _of_volume(volume, pod["metadata"]["name"])
    for entry in (pod.get("status") or {}).get("resourceClaimStatuses") or ():
        yield RESOURCE_CLAIMS, entry.get("resourceClaimName") or ""
    for entry in spec.get("resourceClaims") or ():
        yield RESOURCE_CLAIMS, entry.get("resourceClaimName") or ""


def _of_environment(container: Json) -> Iterator[tuple[GroupResource, str]]:
    sources = [*(container.get("envFrom") or ())]
    sources += [entry.get("valueFrom") or {} for entry in container.get("env") or ()]
    for source in sources:
        for field, resource in (
            ("secretRef", SECRETS),
            ("secretKeyRef", SECRETS),
            ("configMapRef", CONFIG_MAPS),
            ("configMapKeyRef", CONFIG_MAPS),
        ):
            if source.get(field):
                yield resource, source[field].get("name", "")


def _of_volume(volume: Json, pod: str) -> Iterator[tuple[GroupResource, str]]:
    if volume.get("persistentVolumeClaim"):
        yield CLAIMS, volume["persistentVolumeClaim"].get("claimName", "")
    if volume.get("ephemeral"):
        yield CLAIMS, f"{pod}-{volume['name']}"
    for source in (volume, *((volume.get("projected") or {}).get("sources") or ())):
        if source.get("configMap"):
            yield CONFIG_MAPS, source["configMap"].get("name", "")
        if source.get("secret"):
            yield SECRETS, source["secret"].get("name", "")
    for source in volume.values():
        if isinstance(source, dict):
            yield from ((SECRETS, name) for name in _secrets_of_source(source))


def _secrets_of_source(source: Json) -> Iterator[str]:
    if source.get("secretName"):  # a Secret itself, or that of an Azure share
        yield source["secretName"]
    for field in ("secretRef", "nodePublishSecretRef"):
        if source.get(field):
            yield source[field].get("name", "")


def secrets_of_volume(volume: Json, namespace: str) -> Iterator[ObjectKey]:
    """The Secrets with which a volume is mounted; ``namespace`` is that of its claim."""
    for source in volume["spec"].values():
        if isinstance(source, dict):
            for field, reference in source.items():
                if field.lower().endswith("secretref") and isinstance(reference, dict):
                    yield ObjectKey(reference.get("namespace") or namespace, reference.get("name", ""))


def claim_of(volume: Json | None) -> ObjectKey | None:
    """The claim that a volume is bound to."""
    reference = ((volume or {}).get("spec") or {}).get("claimRef")
    return ObjectKey(reference.get("namespace", ""), reference.get("name", "")) if reference else None
