"""Rules for volumes: one source each, and that the source is complete.

Pods and PersistentVolumes know nearly the same sources, in orders of their own: the second one that is found
is refused. Source: ``validateVolumeSource`` and what it calls in ``pkg/apis/core/validation/validation.go``.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from functools import partial

from kube_lite.api.errors import Cause
from kube_lite.api.fielderrors import duplicate, each, forbidden, invalid, not_supported, one_of, required
from kube_lite.api.identity import Json
from kube_lite.api.names import check_label, check_subdomain
from kube_lite.api.quantity import Quantity, parse_quantity

from .claims import check_claim_template
from .projections import check_downward, check_items, check_mode, check_projected
from .values import check_csi_driver_name, check_descending_path, check_no_backsteps

HOST_PATH_TYPES = (
    "", "BlockDevice", "CharDevice", "Directory", "DirectoryOrCreate", "File", "FileOrCreate", "Socket",
)  # fmt: skip
PULL_POLICIES = ("Always", "IfNotPresent", "Never")
POD_KINDS = (
    "emptyDir", "hostPath", "gitRepo", "gcePersistentDisk", "awsElasticBlockStore", "secret", "nfs", "iscsi",
    "glusterfs", "flocker", "persistentVolumeClaim", "rbd", "cinder", "cephfs", "quobyte", "downwardAPI",
    "fc", "flexVolume", "configMap", "azureFile", "vsphereVolume", "photonPersistentDisk", "portworxVolume",
    "azureDisk", "storageos", "projected", "scaleIO", "csi", "ephemeral", "image",
)  # fmt: skip
KINDS = (
    "hostPath", "gcePersistentDisk", "awsElasticBlockStore", "glusterfs", "flocker", "nfs", "rbd", "quobyte",
    "cephfs", "iscsi", "cinder", "fc", "flexVolume", "azureFile", "vsphereVolume", "photonPersistentDisk",
    "portworxVolume", "azureDisk", "scaleIO", "local", "storageos", "csi",
)  # fmt: skip
"""What a PersistentVolume may be."""

MISSPELT = {"cephfs": "cephFS", "downwardAPI": "downwarAPI"}
"""As the reference tells of a second source."""
NUMBER_MAX = 255  # of partitions and units
BAD_NUMBER = f"must be between 0 and {NUMBER_MAX}, inclusive"
BAD_PARTITION = f"must be between 1 and {NUMBER_MAX}, inclusive"
BAD_INITIATOR = "must be valid format"
PORTAL_MAX = 64
TENANT_MAX = 64
MANAGED_DISK = (
    "/subscriptions/{sub-id}/resourcegroups/{group-name}/providers/microsoft.compute/disks/{disk-id}"
)
BLOB_DISK = "https://{account-name}.blob.core.windows.net/{container-name}/{disk-name}.vhd"
_INITIATORS = {
    "iqn": re.compile(r"iqn\.\d{4}-\d{2}\.([A-Za-z0-9\-.]+)(:[^,;*&$|\s]+)$"),
    "eui": re.compile(r"eui.[A-Za-z0-9]{16}"),
    "naa": re.compile(r"naa.[A-Za-z0-9]{32}"),
}

Check = Callable[[Json, str], Iterator[Cause]]


def check_volumes(volumes: list[Json], path: str, pod_name: str = "") -> Iterator[Cause]:
    """The volumes of a Pod.

    Args:
        pod_name: claims that are made for the Pod are called after it; empty where it is not known.
    """
    names: set[str] = set()
    made = {
        f"{pod_name}-{volume.get('name')}"
        for volume in volumes
        if pod_name and volume.get("ephemeral") is not None
    }
    for position, volume in enumerate(volumes):
        here = f"{path}[{position}]"
        name = volume.get("name") or ""
        wrong = list(check_source(volume, here, POD_KINDS, POD_CHECKS))
        if pod_name and name and volume.get("ephemeral") is not None:
            claim = f"{pod_name}-{name}"
            wrong += [
                invalid(f"{here}.name", name, f'PVC name "{claim}": {text}')
                for text in check_subdomain(claim)
            ]
        if not name:
            wrong.append(required(f"{here}.name"))
        else:
            wrong += each(f"{here}.name", name, check_label(name))
        if name in names:
            wrong.append(duplicate(f"{here}.name", name))
        if not wrong:
            names.add(name)
        yield from wrong
        used = (volume.get("persistentVolumeClaim") or {}).get("claimName")
        if used in made:
            why = "must not reference a PVC that gets created for an ephemeral volume"
            yield invalid(f"{here}.persistentVolumeClaim.claimName", used, why)


def good_volumes(volumes: Sequence[Json], path: str) -> Iterator[Json]:
    """Those that nothing is wrong with; containers do not find the others."""
    names: set[str] = set()
    for position, volume in enumerate(volumes):
        name = volume.get("name") or ""
        if not name or name in names or check_label(name):
            continue
        if not any(check_source(volume, f"{path}[{position}]", POD_KINDS, POD_CHECKS)):
            names.add(name)
            yield volume


def check_source(
    volume: Json, path: str, kinds: Sequence[str], checks: "dict[str, Check]"
) -> Iterator[Cause]:
    """Exactly one source, of a Pod's volume or of a PersistentVolume."""
    found = [kind for kind in kinds if volume.get(kind) is not None]
    if not found:
        yield required(path, "must specify a volume type")
        return
    kind = found[0]
    told = "persistentDisk" if kind == "gcePersistentDisk" else kind
    yield from checks[kind](volume[kind], f"{path}.{told}")
    if kind == "iscsi" and "name" in volume:
        yield from _check_portal(volume["iscsi"], volume["name"] or "", path)
    for kind in found[1:]:
        yield forbidden(f"{path}.{MISSPELT.get(kind, kind)}", "may not specify more than 1 volume type")


def _check_portal(source: Json, name: str, path: str) -> Iterator[Cause]:
    portal = source.get("targetPortal") or ""
    if source.get("initiatorName") is not None and len(f"{name}:{portal}") > PORTAL_MAX:
        why = (
            "Total length of <volume name>:<iscsi.targetPortal> must be under 64 characters if "
            "iscsi.initiatorName is specified."
        )
        yield invalid(f"{path}.name", name, why)


def _need(*fields: str) -> Check:
    """The check of a source that only has to have some fields."""

    def check(source: Json, path: str) -> Iterator[Cause]:
        for field in fields:
            if not source.get(field):
                yield required(f"{path}.{field}")

    return check


def _check_empty_dir(source: Json, path: str) -> Iterator[Cause]:
    limit = source.get("sizeLimit")
    if limit is not None and parse_quantity(limit) < Quantity(0):
        yield forbidden(f"{path}.sizeLimit", "SizeLimit field must be a valid resource quantity")


def _check_host_path(source: Json, path: str) -> Iterator[Cause]:
    place = source.get("path") or ""
    if not place:
        yield required(f"{path}.path")
        return
    yield from check_no_backsteps(f"{path}.path", place)
    yield from one_of(f"{path}.type", source.get("type") or "", HOST_PATH_TYPES)


def _check_git(source: Json, path: str) -> Iterator[Cause]:
    if not source.get("repository"):
        yield required(f"{path}.repository")
    yield from check_descending_path(f"{path}.directory", source.get("directory") or "")


def _check_disk(source: Json, path: str, *, field: str) -> Iterator[Cause]:
    if not source.get(field):
        yield required(f"{path}.{field}")
    partition = source.get("partition") or 0
    if not 0 <= partition <= NUMBER_MAX:
        yield invalid(f"{path}.partition", partition, BAD_PARTITION)


def _check_files(source: Json, path: str, *, field: str) -> Iterator[Cause]:
    if not source.get(field):
        yield required(f"{path}.{field}")
    yield from check_mode(source.get("defaultMode"), f"{path}.defaultMode")
    yield from check_items(source, f"{path}.items")


def _check_nfs(source: Json, path: str) -> Iterator[Cause]:
    place = source.get("path") or ""
    yield from _need("server", "path")(source, path)
    if not place.startswith("/"):
        yield invalid(f"{path}.path", place, "must be an absolute path")


def _check_iscsi(source: Json, path: str, *, persistent: bool = False) -> Iterator[Cause]:
    name, secret = source.get("iqn") or "", source.get("secretRef")
    yield from _need("targetPortal")(source, path)
    beginning = BAD_INITIATOR if persistent else f"{BAD_INITIATOR} starting with iqn, eui, or naa"
    if not name:
        yield required(f"{path}.iqn")
    else:
        yield from list(_check_initiator(name, f"{path}.iqn", beginning))[:1]
    unit = source.get("lun") or 0
    if not 0 <= unit <= NUMBER_MAX:
        yield invalid(f"{path}.lun", unit, BAD_NUMBER)
    if (source.get("chapAuthDiscovery") or source.get("chapAuthSession")) and secret is None:
        yield required(f"{path}.secretRef")
    if persistent and secret is not None and not secret.get("name"):
        yield required(f"{path}.secretRef.name")
    initiator = source.get("initiatorName")
    if initiator is not None:
        yield from _check_initiator(initiator, f"{path}.initiatorname", beginning)


def _check_initiator(name: str, path: str, beginning: str) -> Iterator[Cause]:
    pattern = _INITIATORS.get(name[:3])
    if pattern is None:
        yield invalid(path, name, beginning)
    elif not (pattern.search(name) if name.startswith("iqn") else pattern.fullmatch(name)):
        yield invalid(path, name, BAD_INITIATOR)


def _check_glusterfs(source: Json, path: str) -> Iterator[Cause]:
    yield from _need("endpoints", "path")(source, path)
    namespace = source.get("endpointsNamespace")
    if namespace == "":
        why = "if the endpointnamespace is set, it must be a valid namespace name"
        yield invalid(f"{path}.endpointsNamespace", namespace, why)
    elif namespace is not None:
        yield from each(f"{path}.endpointsNamespace", namespace, check_label(namespace))


def _check_flocker(source: Json, path: str) -> Iterator[Cause]:
    name, uuid = source.get("datasetName") or "", source.get("datasetUUID")
    if not name and not uuid:
        yield required(path, "one of datasetName and datasetUUID is required")
    if name and uuid:
        yield invalid(path, "resource", "datasetName and datasetUUID can not be specified simultaneously")
    if "/" in name:
        yield invalid(f"{path}.datasetName", name, "must not contain '/'")


def _check_quobyte(source: Json, path: str) -> Iterator[Cause]:
    registry = source.get("registry") or ""
    pairs = "must be a host:port pair or multiple pairs separated by commas"
    if not registry:
        yield required(f"{path}.registry", pairs)
    elif len(source.get("tenant") or "") > TENANT_MAX:
        yield required(f"{path}.tenant", "must be a UUID and may not exceed a length of 64 characters")
    else:
        for pair in registry.split(","):
            if not re.fullmatch(r"[^:\[\]]*:[^:\[\]]*|\[[^\[\]]*\]:[^:\[\]]*", pair):
                yield invalid(f"{path}.registry", registry, pairs)
    yield from _need("volume")(source, path)


def _check_fc(source: Json, path: str) -> Iterator[Cause]:
    names, ids, unit = source.get("targetWWNs"), source.get("wwids"), source.get("lun")
    if not names and not ids:
        yield required(f"{path}.targetWWNs", "must specify either targetWWNs or wwids, but not both")
    if names and ids:
        why = "targetWWNs and wwids can not be specified simultaneously"
        yield invalid(f"{path}.targetWWNs", names, why)
    if names and unit is None:
        yield required(f"{path}.lun", "lun is required if targetWWNs is specified")
    elif names and not 0 <= (unit or 0) <= NUMBER_MAX:
        yield invalid(f"{path}.lun", unit, BAD_NUMBER)


def _check_flex(source: Json, path: str) -> Iterator[Cause]:
    yield from _need("driver")(source, path)
    for key in source.get("options") or ():
        if f".{key.partition('/')[0].lower()}".endswith((".kubernetes.io", ".k8s.io")):
            why = "kubernetes.io and k8s.io namespaces are reserved"
            yield invalid(f"{path}.options[{key}]", key, why)


def _check_azure_file(source: Json, path: str) -> Iterator[Cause]:
    yield from _need("secretName", "shareName")(source, path)
    if source.get("secretNamespace") == "":
        yield required(f"{path}.secretNamespace")


def _check_azure_disk(source: Json, path: str) -> Iterator[Cause]:
    yield from _need("diskName", "diskURI")(source, path)
    place, kind = source.get("diskURI") or "", source.get("kind")
    if source.get("cachingMode") is not None:
        yield from one_of(f"{path}.cachingMode", source["cachingMode"], ("None", "ReadOnly", "ReadWrite"))
    if kind is None:
        return
    yield from one_of(f"{path}.kind", kind, ("Dedicated", "Managed", "Shared"))
    start, form = ("/subscriptions/", MANAGED_DISK) if kind == "Managed" else ("https://", BLOB_DISK)
    if not place.startswith(start):
        yield not_supported(f"{path}.diskURI", place, (form,))


def _check_secret_name(source: Json, path: str, *, fields: Sequence[str]) -> Iterator[Cause]:
    secret = source.get("secretRef")
    if secret is None:
        return
    for field in fields:
        if not secret.get(field):
            yield required(f"{path}.secretRef.{field}")


def _check_cinder(source: Json, path: str, *, fields: Sequence[str] = ("name",)) -> Iterator[Cause]:
    yield from _need("volumeID")(source, path)
    yield from _check_secret_name(source, path, fields=fields)


def _check_storage_os(source: Json, path: str, *, fields: Sequence[str] = ("name",)) -> Iterator[Cause]:
    yield from _need("volumeName")(source, path)
    for field in ("volumeName", "volumeNamespace"):
        if source.get(field):
            yield from each(f"{path}.{field}", source[field], check_label(source[field]))
    yield from _check_secret_name(source, path, fields=fields)


def _check_local(source: Json, path: str) -> Iterator[Cause]:
    place = source.get("path") or ""
    if not place:
        yield required(f"{path}.path")
    yield from check_no_backsteps(f"{path}.path", place)


def _check_csi(source: Json, path: str) -> Iterator[Cause]:
    yield from check_csi_driver_name(f"{path}.driver", source.get("driver") or "")
    secret = source.get("nodePublishSecretRef")
    if secret is not None and not secret.get("name"):
        yield required(f"{path}.nodePublishSecretRef.name")
    elif secret is not None:
        yield from each(f"{path}.name", secret["name"], check_subdomain(secret["name"]))


def _check_persistent_csi(source: Json, path: str) -> Iterator[Cause]:
    yield from check_csi_driver_name(f"{path}.driver", source.get("driver") or "")
    yield from _need("volumeHandle")(source, path)
    for use in ("controllerPublish", "controllerExpand", "nodePublish", "nodeExpand"):
        secret, here = source.get(f"{use}SecretRef"), f"{path}.{use}SecretRef"
        if secret is None:
            continue
        for field, check in (("name", check_subdomain), ("namespace", check_label)):
            if not secret.get(field):
                yield required(f"{here}.{field}")
            else:
                yield from each(f"{here}.{field}", secret[field], check(secret[field]))


def _check_ephemeral(source: Json, path: str) -> Iterator[Cause]:
    template, here = source.get("volumeClaimTemplate"), f"{path}.volumeClaimTemplate"
    if template is None:
        yield required(here)
    else:
        yield from check_claim_template(template, here)


def _check_image(source: Json, path: str) -> Iterator[Cause]:
    if path.startswith("spec.volumes") and not source.get("reference"):  # others fill it in where they use it
        yield required(f"{path}.reference")
    policy = source.get("pullPolicy") or ""
    if not policy:
        yield required(f"{path}.pullPolicy")
    else:
        yield from one_of(f"{path}.pullPolicy", policy, PULL_POLICIES)


BOTH_NAMES = ("name", "namespace")
PERSISTENT_CHECKS: dict[str, Check] = {
    "hostPath": _check_host_path,
    "gcePersistentDisk": partial(_check_disk, field="pdName"),
    "awsElasticBlockStore": partial(_check_disk, field="volumeID"),
    "glusterfs": _check_glusterfs,
    "flocker": _check_flocker,
    "nfs": _check_nfs,
    "rbd": _need("monitors", "image"),
    "quobyte": _check_quobyte,
    "cephfs": _need("monitors"),
    "iscsi": partial(_check_iscsi, persistent=True),
    "cinder": partial(_check_cinder, fields=BOTH_NAMES),
    "fc": _check_fc,
    "flexVolume": _check_flex,
    "azureFile": _check_azure_file,
    "vsphereVolume": _need("volumePath"),
    "photonPersistentDisk": _need("pdID"),
    "portworxVolume": _need("volumeID"),
    "azureDisk": _check_azure_disk,
    "scaleIO": _need("gateway", "system", "volumeName"),
    "local": _check_local,
    "storageos": partial(_check_storage_os, fields=BOTH_NAMES),
    "csi": _check_persistent_csi,
}
POD_CHECKS: dict[str, Check] = {
    **PERSISTENT_CHECKS,
    "emptyDir": _check_empty_dir,
    "gitRepo": _check_git,
    "secret": partial(_check_files, field="secretName"),
    "configMap": partial(_check_files, field="name"),
    "persistentVolumeClaim": _need("claimName"),
    "iscsi": _check_iscsi,
    "cinder": _check_cinder,
    "storageos": _check_storage_os,
    "downwardAPI": check_downward,
    "projected": check_projected,
    "csi": _check_csi,
    "ephemeral": _check_ephemeral,
    "image": _check_image,
}
