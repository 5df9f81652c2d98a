"""Rules for volumes, claims and storage classes."""

import posixpath
from collections.abc import Iterable, Iterator

from kube_lite.api.errors import Cause
from kube_lite.api.fielderrors import (
    IMMUTABLE,
    Shown,
    duplicate,
    each,
    forbidden,
    immutable,
    invalid,
    not_supported,
    one_of,
    required,
    too_long,
)
from kube_lite.api.identity import Json
from kube_lite.api.names import check_qualified_name

from .claims import VOLUME_MODES, check_access_modes, check_class_name
from .go_struct import go_struct
from .immutability import difference
from .selectors import check_node_selector
from .values import check_basic_amount, check_positive_amount
from .volume_sources import KINDS, PERSISTENT_CHECKS, PORTAL_MAX, check_source

PARAMETERS_MAX, PARAMETERS_SIZE_MAX = 512, 256 * 1024
NULL = Shown("null")
INLINE = "in the context of inline volumes"


def check_volume(volume: Json) -> Iterator[Cause]:
    """A PersistentVolume."""
    yield from check_volume_spec(volume.get("spec") or {}, volume["metadata"].get("name") or "", "spec")


def check_volume_spec(spec: Json, name: str, path: str, *, inline: bool = False) -> Iterator[Cause]:
    """Where the data is, and who may have it.

    Args:
        inline: it is no volume of its own, but stands in an attachment.
    """
    if inline:
        for field in ("claimRef", "capacity"):
            if spec.get(field):
                yield forbidden(f"{path}.{field}", f"may not be specified {INLINE}")
        if spec.get("csi") is None:
            yield required(f"{path}.csi", f"has to be specified {INLINE}")
    modes = spec.get("accessModes") or ()
    if not modes:
        yield required(f"{path}.accessModes")
    yield from check_access_modes(modes, f"{path}.accessModes")
    if not inline:
        yield from _check_capacity(spec.get("capacity") or {}, f"{path}.capacity")
    yield from _check_reclaim(spec, path, inline=inline)
    if spec.get("nodeAffinity") is not None:
        yield from _check_node_affinity(spec["nodeAffinity"], f"{path}.nodeAffinity", inline=inline)
    yield from check_source(spec, path, KINDS, PERSISTENT_CHECKS)
    kind = next((kind for kind in KINDS if spec.get(kind) is not None), "")
    if kind == "local" and spec.get("nodeAffinity") is None:
        yield required(f"{path}.nodeAffinity", "Local volume requires node affinity")
    if kind == "iscsi":
        yield from _check_portal(spec["iscsi"], name, f"{path}.iscsi")
    yield from _check_classes(spec, path, inline=inline)


def _check_capacity(capacity: Json, path: str) -> Iterator[Cause]:
    if not capacity:
        yield required(path)
    if "storage" not in capacity or len(capacity) > 1:
        yield not_supported(path, capacity or NULL, ("storage",))
    for name, text in capacity.items():
        yield from check_basic_amount(f"{path}[{name}]", text)
        yield from check_positive_amount(f"{path}[{name}]", text)


def _check_reclaim(spec: Json, path: str, *, inline: bool) -> Iterator[Cause]:
    policy, here = spec.get("persistentVolumeReclaimPolicy") or "", f"{path}.persistentVolumeReclaimPolicy"
    if not policy:
        return
    if not inline:
        yield from one_of(here, policy, ("Delete", "Recycle", "Retain"))
    elif policy != "Retain":
        yield forbidden(here, f"may only be Retain {INLINE}")


def _check_node_affinity(affinity: Json, path: str, *, inline: bool) -> Iterator[Cause]:
    if inline:
        yield forbidden(path, f"may not be specified {INLINE}")
    elif affinity.get("required") is None:
        yield required(f"{path}.required", "must specify required node constraints")
    else:
        yield from check_node_selector(affinity["required"], f"{path}.required")


def _check_portal(source: Json, name: str, path: str) -> Iterator[Cause]:
    portal = source.get("targetPortal") or ""
    if source.get("initiatorName") is not None and len(f"{name}:{portal}") > PORTAL_MAX:
        why = (
            "Total length of <volume name>:<iscsi.targetPortal> must be under 64 characters if "
            "iscsi.initiatorName is specified."
        )
        yield invalid(f"{path}.targetportal", portal, why)


def _check_classes(spec: Json, path: str, *, inline: bool) -> Iterator[Cause]:
    place = (spec.get("hostPath") or {}).get("path") or ""
    policy = spec.get("persistentVolumeReclaimPolicy")
    if spec.get("hostPath") is not None and policy == "Recycle" and posixpath.normpath(place) in ("/", "//"):
        why = "may not be 'recycle' for a hostPath mount of '/'"
        yield forbidden(f"{path}.persistentVolumeReclaimPolicy", why)
    if spec.get("storageClassName") and inline:
        yield forbidden(f"{path}.storageClassName", f"may not be specified {INLINE}")
    elif not inline:
        yield from check_class_name(f"{path}.storageClassName", spec.get("storageClassName"))
    mode, here = spec.get("volumeMode"), f"{path}.volumeMode"
    if mode is not None and not inline:
        yield from one_of(here, mode, VOLUME_MODES)
    elif mode not in (None, "Filesystem"):
        yield forbidden(here, f"may not specify volumeMode other than Filesystem {INLINE}")
    class_name = spec.get("volumeAttributesClassName")
    if class_name is None:
        return
    if not class_name:
        yield required(f"{path}.volumeAttributesClassName", "an empty string is disallowed")
    yield from check_class_name(f"{path}.volumeAttributesClassName", class_name)
    if spec.get("csi") is None:
        yield required(f"{path}.csi", "has to be specified when using volumeAttributesClassName")


def check_volume_update(new: Json, old: Json) -> Iterator[Cause]:
    """Where the data is does not change."""
    yield from check_volume(new)  # the reference holds it to all rules twice
    spec, before = new.get("spec") or {}, old.get("spec") or {}
    was, now = ({kind: one[kind] for kind in KINDS if one.get(kind) is not None} for one in (before, spec))
    secret = "controllerExpandSecretRef"
    if "csi" in was and "csi" in now and was["csi"].get(secret) is None:  # may be added later
        now["csi"] = {field: value for field, value in now["csi"].items() if field != secret}
    if was != now:
        what = difference(was, now, "core.v1.PersistentVolumeSource")
        why = f"spec.persistentvolumesource is immutable after creation\n{what}"
        yield forbidden("spec.persistentvolumesource", why)
    mode = spec.get("volumeMode")
    if mode != before.get("volumeMode"):
        yield invalid("volumeMode", NULL if mode is None else mode, IMMUTABLE)
    affinity = spec.get("nodeAffinity")
    if before.get("nodeAffinity") is not None and affinity != before["nodeAffinity"]:
        shown = NULL if affinity is None else go_struct(affinity, "core.v1.VolumeNodeAffinity")
        yield invalid("nodeAffinity", shown, f"{IMMUTABLE}, except for updating from beta label to GA")
    class_name = "volumeAttributesClassName"
    if before.get(class_name) is not None and spec.get(class_name) is None:
        yield forbidden(f"spec.{class_name}", "update from non-nil value to nil is forbidden")


def check_storage_class(storage_class: Json) -> Iterator[Cause]:
    """A StorageClass."""
    yield from check_provisioner("provisioner", storage_class.get("provisioner") or "")
    yield from check_parameters(storage_class.get("parameters") or {}, "parameters")
    policy = storage_class.get("reclaimPolicy")
    if policy:
        yield from one_of("reclaimPolicy", policy, ("Delete", "Retain"))
    mode = storage_class.get("volumeBindingMode")
    if mode is None:
        yield required("volumeBindingMode")
    else:
        yield from one_of("volumeBindingMode", mode, ("Immediate", "WaitForFirstConsumer"))
    terms = storage_class.get("allowedTopologies") or ()
    seen: list[dict[str, set[str]]] = [{} for _ in terms]  # so no term may be empty
    for position, term in enumerate(terms):
        here = f"allowedTopologies[{position}].matchLabelExpressions"
        found: dict[str, set[str]] = {}
        yield from _check_topology(term.get("matchLabelExpressions") or (), here, found)
        for other in seen:
            if other == found:
                yield duplicate(here, "")
        seen.append(found)


def _check_topology(expressions: Iterable[Json], path: str, found: dict[str, set[str]]) -> Iterator[Cause]:
    """Labels of nodes, each with the values it may have; they are put into ``found``."""
    for position, expression in enumerate(expressions):
        here, key = f"{path}[{position}]", expression.get("key") or ""
        values: set[str] = set()
        if not expression.get("values"):
            yield required(f"{here}.values")
        for place, value in enumerate(expression.get("values") or ()):
            if value in values:
                yield duplicate(f"{here}.values[{place}]", value)
            values.add(value)
        yield from each(f"{here}.key", key, check_qualified_name(key))
        if key in found:
            yield duplicate(f"{here}.key", key)
        found[key] = values


def check_provisioner(path: str, name: str) -> Iterator[Cause]:
    """Who makes volumes."""
    if not name:
        yield required(path)
    else:
        yield from each(path, name.lower(), check_qualified_name(name.lower()))


def check_parameters(parameters: Json, path: str) -> Iterator[Cause]:
    """What a provisioner is told."""
    if len(parameters) > PARAMETERS_MAX:
        yield too_long(path, PARAMETERS_MAX)
        return
    for key in parameters:
        if not key:
            yield invalid(path, key, "field can not be empty.")
    size = sum(len(key.encode()) + len(value.encode()) for key, value in parameters.items())
    if size > PARAMETERS_SIZE_MAX:
        yield too_long(path, PARAMETERS_SIZE_MAX)


def check_storage_class_update(new: Json, old: Json) -> Iterator[Cause]:
    """Claims rely on what a class meant when they were made."""
    if (new.get("parameters") or {}) != (old.get("parameters") or {}):
        yield invalid("parameters", new.get("parameters"), IMMUTABLE)
    for field in ("provisioner", "reclaimPolicy", "volumeBindingMode"):
        yield from immutable(field, new.get(field), old.get(field))
