"""Rules for what containers mount: volumes as directories, and as block devices."""

from collections.abc import Iterator

from kube_lite.api.errors import Cause
from kube_lite.api.fielderrors import forbidden, invalid, not_found, not_supported, one_of, required
from kube_lite.api.identity import Json

from .values import check_descending_path

PROPAGATIONS = ("Bidirectional", "HostToContainer", "None")
RECURSIVE = ("Disabled", "Enabled", "IfPossible")
BLOCK_KINDS = ("persistentVolumeClaim", "ephemeral")


def check_mounts(container: Json, volumes: dict[str, Json], path: str) -> Iterator[Cause]:
    """Each mount has a volume, and a place of its own.

    Args:
        path: of the container.
    """
    devices = {device.get("name") or "": device.get("devicePath") or "" for device in _devices(container)}
    device_places = set(devices.values())
    places: set[str] = set()
    for position, mount in enumerate(container["volumeMounts"]):
        every, here = f"{path}.volumeMounts", f"{path}.volumeMounts[{position}]"
        name, place = mount.get("name") or "", mount.get("mountPath") or ""
        if not name:
            yield required(f"{here}.name")
        if name not in volumes:
            yield not_found(f"{here}.name", name)
        if not place:
            yield required(f"{here}.mountPath")
        if place in places:
            yield invalid(f"{here}.mountPath", place, "must be unique")
        places.add(place)
        if name in devices:
            yield invalid(f"{here}.name", name, "must not already exist in volumeDevices")
        if place in device_places:
            yield invalid(f"{here}.mountPath", place, "must not already exist as a path in volumeDevices")
        yield from _check_details(mount, container, every, here)


def _check_details(mount: Json, container: Json, every: str, here: str) -> Iterator[Cause]:
    """What else is said of a mount; most of it the reference tells without saying of which."""
    if mount.get("subPath"):
        yield from check_descending_path(f"{every}.subPath", mount["subPath"])
    expression = mount.get("subPathExpr")
    if expression:
        if mount.get("subPath"):
            why = "subPathExpr and subPath are mutually exclusive"
            yield invalid(f"{here}.subPathExpr", expression, why)
        yield from check_descending_path(f"{every}.subPathExpr", expression)
    propagation, recursive = mount.get("mountPropagation"), mount.get("recursiveReadOnly")
    if propagation is not None:
        yield from one_of(f"{every}.mountPropagation", propagation, PROPAGATIONS)
        privileged = (container.get("securityContext") or {}).get("privileged")
        if propagation == "Bidirectional" and not privileged:
            why = "Bidirectional mount propagation is available only to privileged containers"
            yield forbidden(f"{every}.mountPropagation", why)
    if recursive in ("Enabled", "IfPossible"):
        if not mount.get("readOnly"):
            why = "may only be specified when readOnly is true"
            yield forbidden(f"{every}.recursiveReadOnly", why)
        if propagation not in (None, "None"):
            why = "may only be specified when mountPropagation is None or not specified"
            yield forbidden(f"{every}.recursiveReadOnly", why)
    elif recursive not in (None, "Disabled"):
        yield not_supported(f"{every}.recursiveReadOnly", recursive, RECURSIVE)


def check_devices(container: Json, volumes: dict[str, Json], path: str) -> Iterator[Cause]:
    """Each device has a claim, and a place of its own.

    Args:
        path: of the container.
    """
    mounts = {
        mount.get("name") or "": mount.get("mountPath") or "" for mount in container.get("volumeMounts") or ()
    }
    mount_places = set(mounts.values())
    names: set[str] = set()
    places: set[str] = set()
    for position, device in enumerate(_devices(container)):
        here = f"{path}.volumeDevices[{position}]"
        name, place = device.get("name") or "", device.get("devicePath") or ""
        if not name:
            yield required(f"{here}.name")
        if name in names:
            yield invalid(f"{here}.name", name, "must be unique")
        if name not in volumes:
            yield not_found(f"{here}.name", name)
        elif not any(volumes[name].get(kind) is not None for kind in BLOCK_KINDS):
            why = "can only use volume source type of PersistentVolumeClaim or Ephemeral for block mode"
            yield invalid(f"{here}.name", name, why)
        yield from _check_device_place(place, places, f"{here}.devicePath")
        if name in mounts:
            yield invalid(f"{here}.name", name, "must not already exist in volumeMounts")
        if place in mount_places:
            why = "must not already exist as a path in volumeMounts"
            yield invalid(f"{here}.devicePath", place, why)
        if name:
            names.add(name)


def _check_device_place(place: str, places: set[str], path: str) -> Iterator[Cause]:
    if not place:
        yield required(path)
    if place in places:
        yield invalid(path, place, "must be unique")
    if ".." in place.split("/"):
        yield invalid(path, place, "can not contain backsteps ('..')")
    else:
        places.add(place)


def _devices(container: Json) -> list[Json]:
    return container.get("volumeDevices") or []
