"""Rules for PersistentVolumeClaims, and for templates of them in Pods and StatefulSets."""

from collections.abc import Iterable, Iterator

from kube_lite.api.errors import Cause
from kube_lite.api.fielderrors import (
    IMMUTABLE,
    Shown,
    each,
    forbidden,
    invalid,
    not_supported,
    one_of,
    required,
)
from kube_lite.api.identity import Json
from kube_lite.api.metadata_rules import check_annotations, check_labels
from kube_lite.api.names import check_label, check_qualified_name, check_subdomain
from kube_lite.api.quantity import Quantity, parse_quantity
from kube_lite.api.storage import BETA_CLASS

from .immutability import difference
from .selectors import check_label_selector
from .values import check_amount, check_basic_amount, check_positive_amount, is_native

ACCESS_MODES = ("ReadOnlyMany", "ReadWriteMany", "ReadWriteOnce", "ReadWriteOncePod")
VOLUME_MODES = ("Block", "Filesystem")
CLAIM = "PersistentVolumeClaim"
RESIZING = (
    "ControllerResizeInProgress", "ControllerResizeInfeasible", "NodeResizeInProgress",
    "NodeResizeInfeasible", "NodeResizePending",
)  # fmt: skip
TEMPLATE_METADATA = ("labels", "annotations")
OTHER_METADATA = (
    "name", "generateName", "namespace", "selfLink", "uid", "resourceVersion", "generation",
    "creationTimestamp", "deletionTimestamp", "deletionGracePeriodSeconds", "ownerReferences", "finalizers",
    "managedFields",
)  # fmt: skip


def check_claim(claim: Json) -> Iterator[Cause]:
    """A PersistentVolumeClaim."""
    yield from check_claim_spec(claim.get("spec") or {}, "spec")


def check_claim_template(template: Json, path: str) -> Iterator[Cause]:
    """A claim that is made for a Pod, which says nothing of metadata but labels and annotations."""
    metadata, here = template.get("metadata") or {}, f"{path}.metadata"
    yield from check_annotations(metadata.get("annotations") or {}, f"{here}.annotations")
    yield from check_labels(metadata.get("labels") or {}, f"{here}.labels")
    for field in OTHER_METADATA:
        if metadata.get(field):
            yield forbidden(f"{here}.{field}", "cannot be set")
    yield from check_claim_spec(template.get("spec") or {}, f"{path}.spec")


def check_claim_spec(spec: Json, path: str) -> Iterator[Cause]:
    """What storage is wanted."""
    modes = spec.get("accessModes") or ()
    if not modes:
        yield required(f"{path}.accessModes", "at least 1 access mode is required")
    yield from check_label_selector(spec.get("selector"), f"{path}.selector")
    yield from check_access_modes(modes, f"{path}.accessModes")
    storage, here = ((spec.get("resources") or {}).get("requests") or {}).get("storage"), f"{path}.resources"
    if storage is None:
        yield required(f"{here}[storage]")
    else:
        yield from check_positive_amount(f"{here}[storage]", storage)
    yield from check_class_name(f"{path}.storageClassName", spec.get("storageClassName"))
    if spec.get("volumeMode") is not None:
        yield from one_of(f"{path}.volumeMode", spec["volumeMode"], VOLUME_MODES)
    yield from _check_data_sources(spec, path)
    yield from check_class_name(f"{path}.volumeAttributesClassName", spec.get("volumeAttributesClassName"))


def check_access_modes(modes: Iterable[str], path: str) -> Iterator[Cause]:
    """Known modes, of which that for a single Pod stands alone."""
    for mode in modes:
        yield from one_of(path, mode, ACCESS_MODES)
    known = set(modes) & set(ACCESS_MODES)
    if "ReadWriteOncePod" in known and len(known) > 1:
        yield forbidden(path, "may not use ReadWriteOncePod with other access modes")


def check_class_name(path: str, name: str | None) -> Iterator[Cause]:
    """The name of a class, where there is one."""
    if name:
        yield from each(path, name, check_subdomain(name))


def _check_data_sources(spec: Json, path: str) -> Iterator[Cause]:
    source, reference = spec.get("dataSource"), spec.get("dataSourceRef")
    if source is not None:
        yield from _check_data_source(source, f"{path}.dataSource")
    if reference is None:
        return
    yield from _check_data_source(reference, f"{path}.dataSourceRef")
    namespace, shown = reference.get("namespace"), Shown("{}")
    if namespace:
        yield from each(f"{path}.dataSourceRef.namespace", namespace, check_label(namespace))
        if source is not None:
            yield invalid(path, shown, "may not be specified when dataSourceRef.namespace is specified")
    elif source is not None and any(
        source.get(field) != reference.get(field) for field in ("apiGroup", "kind", "name")
    ):
        yield invalid(path, shown, "must match dataSourceRef")


def _check_data_source(source: Json, path: str) -> Iterator[Cause]:
    group, kind = source.get("apiGroup") or "", source.get("kind") or ""
    for field in ("name", "kind"):
        if not source.get(field):
            yield required(f"{path}.{field}")
    if not group and kind != CLAIM:
        yield invalid(path, kind, f"must be '{CLAIM}' when referencing the default apiGroup")
    if group:
        yield from each(f"{path}.apiGroup", group, check_subdomain(group))


def check_claim_update(new: Json, old: Json) -> Iterator[Cause]:
    """A claim may grow once it is bound, and that is all."""
    spec, before = new.get("spec") or {}, old.get("spec") or {}
    free, upgraded = _free_fields(new, old)
    was, now = ((each_["metadata"].get("annotations") or {}).get(BETA_CLASS, "") for each_ in (old, new))
    if was != now and not upgraded:
        yield invalid(f"metadata.annotations[{BETA_CLASS}]", now, IMMUTABLE)
    fixed = [
        {field: value for field, value in each_.items() if field not in free} for each_ in (spec, before)
    ]
    if (new.get("status") or {}).get("phase") == "Bound" and (spec.get("resources") or {}).get("requests"):
        for each_ in fixed:
            each_["resources"] = _without_size(each_.get("resources") or {})
    if fixed[0] != fixed[1]:
        what = difference(fixed[1], fixed[0], "core.v1.PersistentVolumeClaimSpec")
        yield forbidden(
            "spec",
            "spec is immutable after creation except resources.requests and volumeAttributesClassName "
            f"for bound claims\n{what}",
        )
    size, size_before = (_amount((each_.get("resources") or {}).get("requests")) for each_ in (spec, before))
    status = old.get("status") or {}
    if size < size_before and size <= _amount(status.get("capacity")):
        yield forbidden("spec.resources.requests.storage", "field can not be less than status.capacity")
    mode = spec.get("volumeMode")
    if mode != before.get("volumeMode"):
        yield invalid("volumeMode", mode, IMMUTABLE)
    class_name = spec.get("volumeAttributesClassName")
    applied = status.get("currentVolumeAttributesClassName") is not None
    if applied and not class_name and before.get("volumeAttributesClassName") != class_name:
        what = "nil" if class_name is None else "empty string"
        why = f"update to {what} is forbidden when status.currentVolumeAttributesClassName is not nil"
        yield forbidden("spec.volumeAttributesClassName", why)


def _free_fields(new: Json, old: Json) -> tuple[set[str], bool]:
    """Fields that may change, and whether the class moves from its older spelling to the newer."""
    spec, before = new.get("spec") or {}, old.get("spec") or {}
    free: set[str] = set()
    if not before.get("volumeName"):
        free.add("volumeName")
    if (new.get("status") or {}).get("phase") == "Bound":
        free.add("volumeAttributesClassName")
    had = (old["metadata"].get("annotations") or {}).get(BETA_CLASS)
    has = (new["metadata"].get("annotations") or {}).get(BETA_CLASS)
    name = spec.get("storageClassName")
    upgraded = (
        had is not None and before.get("storageClassName") is None and name == had and has in (None, had)
    )
    if name is not None and before.get("storageClassName") is None and had in (None, name):
        free.add("storageClassName")  # a default class that is newer than the claim, or the older spelling
    return free, upgraded


def _without_size(resources: Json) -> Json:
    requests = {name: text for name, text in (resources.get("requests") or {}).items() if name != "storage"}
    return {**resources, "requests": requests}


def _amount(amounts: Json | None) -> Quantity:
    return parse_quantity((amounts or {}).get("storage", "0"))


def check_claim_status(new: Json, old: Json) -> Iterator[Cause]:
    """The status of a claim."""
    status = new.get("status") or {}
    for name, text in (status.get("capacity") or {}).items():
        yield from check_basic_amount(f"status.capacity[{name}]", text)
    here = "status.allocatedResourceStatuses"
    for name, progress in (status.get("allocatedResourceStatuses") or {}).items():
        yield from _check_allocated(name, here)
        if progress not in RESIZING:
            yield not_supported(here, name, sorted(RESIZING))
    here = "status.allocatedResources"
    for name, text in (status.get("allocatedResources") or {}).items():
        wrong = list(_check_allocated(name, here)) or list(check_basic_amount(f"{here}[{name}]", text))
        yield from wrong or check_amount(f"{here}[{name}]", text)


def _check_allocated(name: str, path: str) -> Iterator[Cause]:
    texts = check_qualified_name(name)
    yield from each(path, name, texts)
    if not texts and is_native(name) and name != "storage":
        yield not_supported(path, name, ("storage",))
