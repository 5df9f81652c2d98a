"""Rules for volumes: one source each, and that the source is complete."""

from collections.abc import Callable, Iterator

from kube_lite.api.errors import Cause
from kube_lite.api.fielderrors import duplicate, each, forbidden, invalid, one_of, required
from kube_lite.api.identity import Json
from kube_lite.api.names import check_label
from kube_lite.api.quantity import Quantity, parse_quantity

from .containers import check_field_ref, check_resource_ref
from .values import check_no_backsteps, check_relative_path

MODE_MAX = 0o777
BAD_MODE = "must be a number between 0 and 0777 (octal), both inclusive"
HOST_PATH_TYPES = (
    "", "BlockDevice", "CharDevice", "Directory", "DirectoryOrCreate", "File", "FileOrCreate", "Socket",
)  # fmt: skip
FILE_FIELDS = frozenset([
    "metadata.annotations", "metadata.labels", "metadata.name", "metadata.namespace", "metadata.uid",
])  # fmt: skip
TOKEN_MIN, TOKEN_MAX = 600, 1 << 32
KINDS = (
    "emptyDir", "hostPath", "gitRepo", "gcePersistentDisk", "awsElasticBlockStore", "secret", "nfs", "iscsi",
    "glusterfs", "persistentVolumeClaim", "rbd", "cinder", "cephfs", "flocker", "downwardAPI", "fc",
    "azureFile", "configMap", "vsphereVolume", "quobyte", "azureDisk", "photonPersistentDisk", "projected",
    "portworxVolume", "scaleIO", "storageos", "local", "csi", "ephemeral", "image",
)  # fmt: skip
"""In the order in which the reference looks for them: the second one found is refused."""

REQUIRED_FIELDS: dict[str, tuple[str, ...]] = {
    "gitRepo": ("repository",),
    "gcePersistentDisk": ("pdName",),
    "awsElasticBlockStore": ("volumeID",),
    "nfs": ("server", "path"),
    "iscsi": ("targetPortal", "iqn"),
    "glusterfs": ("endpoints", "path"),
    "persistentVolumeClaim": ("claimName",),
    "rbd": ("monitors", "image"),
    "cinder": ("volumeID",),
    "cephfs": ("monitors",),
    "azureFile": ("secretName", "shareName"),
    "vsphereVolume": ("volumePath",),
    "quobyte": ("registry", "volume"),
    "azureDisk": ("diskName", "diskURI"),
    "photonPersistentDisk": ("pdID",),
    "portworxVolume": ("volumeID",),
    "scaleIO": ("gateway", "system", "volumeName"),
    "csi": ("driver",),
    "image": ("reference",),
}


def check_volumes(volumes: list[Json], path: str) -> Iterator[Cause]:
    """The volumes of a Pod."""
    names: set[str] = set()
    for position, volume in enumerate(volumes):
        here = f"{path}[{position}]"
        name = volume.get("name") or ""
        wrong = list(check_source(volume, here))
        yield from wrong
        if not name:
            yield required(f"{here}.name")
        else:
            texts = check_label(name)
            yield from each(f"{here}.name", name, texts)
            if name in names and not texts:
                yield duplicate(f"{here}.name", name)
        if not wrong:
            names.add(name)


def check_source(volume: Json, path: str) -> Iterator[Cause]:
    """Exactly one source, of a Pod's volume or of a PersistentVolume."""
    found = [kind for kind in KINDS if volume.get(kind) is not None]
    for kind in found[1:]:
        yield forbidden(f"{path}.{kind}", "may not specify more than 1 volume type")
    if not found:
        yield required(path, "must specify a volume type")
        return
    kind = found[0]
    source, here = volume[kind], f"{path}.{kind}"
    for field in REQUIRED_FIELDS.get(kind, ()):
        if not source.get(field):
            yield required(f"{here}.{field}")
    check = CHECKS.get(kind)
    if check is not None:
        yield from check(source, here)


def _check_empty_dir(source: Json, path: str) -> Iterator[Cause]:
    limit = source.get("sizeLimit")
    if limit is not None and parse_quantity(limit) < Quantity(0):
        yield forbidden(f"{path}.sizeLimit", "SizeLimit field must be a valid resource quantity")


def _check_host_path(source: Json, path: str) -> Iterator[Cause]:
    place = source.get("path") or ""
    if not place:
        yield required(f"{path}.path")
    yield from check_no_backsteps(f"{path}.path", place)
    yield from one_of(f"{path}.type", source.get("type") or "", HOST_PATH_TYPES)


def _check_secret(source: Json, path: str) -> Iterator[Cause]:
    if not source.get("secretName"):
        yield required(f"{path}.secretName")
    yield from _check_mode(source.get("defaultMode"), f"{path}.defaultMode")
    yield from check_items(source, f"{path}.items")


def _check_config_map(source: Json, path: str) -> Iterator[Cause]:
    if not source.get("name"):
        yield required(f"{path}.name")
    yield from _check_mode(source.get("defaultMode"), f"{path}.defaultMode")
    yield from check_items(source, f"{path}.items")


def check_items(source: Json, path: str) -> Iterator[Cause]:
    """Which keys become which files."""
    for position, item in enumerate(source.get("items") or ()):
        here = f"{path}[{position}]"
        if not item.get("key"):
            yield required(f"{here}.key")
        yield from check_relative_path(f"{here}.path", item.get("path") or "")
        yield from _check_mode(item.get("mode"), f"{here}.mode")


def _check_mode(mode: int | None, path: str) -> Iterator[Cause]:
    if mode is not None and not 0 <= mode <= MODE_MAX:
        yield invalid(path, mode, BAD_MODE)


def _check_downward(source: Json, path: str) -> Iterator[Cause]:
    yield from _check_mode(source.get("defaultMode"), f"{path}.defaultMode")
    for item in source.get("items") or ():
        yield from _check_downward_file(item, path)


def _check_downward_file(item: Json, path: str) -> Iterator[Cause]:
    yield from check_relative_path(f"{path}.path", item.get("path") or "")
    field, resource = item.get("fieldRef"), item.get("resourceFieldRef")
    if field is not None:
        yield from check_field_ref(field, f"{path}.fieldRef", FILE_FIELDS)
        if resource is not None:
            yield invalid(
                path, "resource", "fieldRef and resourceFieldRef can not be specified simultaneously"
            )
    elif resource is not None:
        yield from check_resource_ref(resource, f"{path}.resourceFieldRef", is_file=True)
    else:
        yield required(f"{path}.fieldRef", "one of fieldRef and resourceFieldRef is required")
    yield from _check_mode(item.get("mode"), f"{path}.mode")


def _check_projected(source: Json, path: str) -> Iterator[Cause]:
    yield from _check_mode(source.get("defaultMode"), f"{path}.defaultMode")
    places: set[str] = set()
    for position, entry in enumerate(source.get("sources") or ()):
        here = f"{path}.sources[{position}]"
        found = [kind for kind in PROJECTIONS if entry.get(kind) is not None]
        for kind in found[1:]:
            yield forbidden(f"{here}.{kind}", "may not specify more than 1 volume type per source")
        if not found:
            kinds = ", ".join(PROJECTIONS)
            yield required(here, f"must specify one of: {kinds}")
            continue
        kind = found[0]
        yield from PROJECTIONS[kind](entry[kind], f"{here}.{kind}")
        for place in _places(kind, entry[kind]):
            if place in places:
                yield invalid(path, entry[kind].get("name") or "", "conflicting duplicate paths")
            places.add(place)


def _places(kind: str, source: Json) -> list[str]:
    if kind in ("serviceAccountToken", "clusterTrustBundle"):
        return [source["path"]] if source.get("path") else []
    return [item["path"] for item in source.get("items") or () if item.get("path")]


def _check_named(source: Json, path: str) -> Iterator[Cause]:
    if not source.get("name"):
        yield required(f"{path}.name")
    yield from check_items(source, f"{path}.items")


def _check_token(source: Json, path: str) -> Iterator[Cause]:
    seconds = source.get("expirationSeconds", TOKEN_MIN)
    if seconds < TOKEN_MIN:
        yield invalid(f"{path}.expirationSeconds", seconds, "may not specify a duration less than 10 minutes")
    elif seconds > TOKEN_MAX:
        yield invalid(
            f"{path}.expirationSeconds", seconds, "may not specify a duration larger than 2^32 seconds"
        )
    yield from check_relative_path(f"{path}.path", source.get("path") or "")


def _check_bundle(source: Json, path: str) -> Iterator[Cause]:
    yield from check_relative_path(f"{path}.path", source.get("path") or "")


def _check_anything(source: Json, path: str) -> Iterator[Cause]:
    return iter(())


Check = Callable[[Json, str], Iterator[Cause]]

PROJECTIONS: dict[str, Check] = {
    "secret": _check_named,
    "configMap": _check_named,
    "downwardAPI": _check_downward,
    "serviceAccountToken": _check_token,
    "clusterTrustBundle": _check_bundle,
    "podCertificate": _check_anything,
}
CHECKS: dict[str, Check] = {
    "emptyDir": _check_empty_dir,
    "hostPath": _check_host_path,
    "secret": _check_secret,
    "configMap": _check_config_map,
    "downwardAPI": _check_downward,
    "projected": _check_projected,
}
