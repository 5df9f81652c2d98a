"""Rules for ``metadata``, the same for every kind but for what names look like.

Source: ``apimachinery/pkg/api/validation/objectmeta.go``, ``pkg/apis/core/validation`` (ValidateObjectMeta).
"""

from collections.abc import Iterable, Iterator

from .errors import Cause
from .fielderrors import Shown, each, forbidden, immutable, invalid, required, too_long
from .gotext import go_json, go_quote
from .identity import Json, parse_api_version
from .names import Check, check_label_value, check_qualified_name, for_prefix

ANNOTATIONS_MAX = 256 * 1024  # bytes of all keys and values together
MANAGER_BYTES, SUBRESOURCE_BYTES = 128, 256
STANDARD_FINALIZERS = ("kubernetes", "orphan", "foregroundDeletion")
OWNER_FIELDS = ("apiVersion", "kind", "name", "uid", "controller", "blockOwnerDeletion")
FIXED_FIELDS = (
    "name", "namespace", "uid", "creationTimestamp", "deletionTimestamp", "deletionGracePeriodSeconds",
)  # fmt: skip
NEW_NAME = "name or generateName is required"


def check_metadata(metadata: Json, check_name: Check, *, is_built_in: bool = True) -> Iterator[Cause]:
    """The metadata of a new object.

    Args:
        is_built_in: its kind comes with the server; finalizers of others may be called more freely.
    """
    prefix, name = metadata.get("generateName"), metadata.get("name") or ""
    if prefix:
        yield from each("metadata.generateName", prefix, for_prefix(check_name)(prefix))
    if name:
        yield from each("metadata.name", name, check_name(name))
    else:
        yield required("metadata.name", NEW_NAME)
    if metadata.get("generation", 0) < 0:
        yield invalid("metadata.generation", metadata["generation"], "must be greater than or equal to 0")
    yield from check_texts(metadata)
    yield from check_managers(metadata.get("managedFields") or ())
    if not metadata.get("finalizers"):
        return
    yield from check_finalizers(metadata)
    if is_built_in:
        yield from check_finalizer_names(metadata)


def check_managers(entries: Iterable[Json]) -> Iterator[Cause]:
    """Names of those who own fields; what else a client may say of them was read before."""
    for position, entry in enumerate(entries):
        path = f"metadata.managedFields[{position}]"
        if (
            len(manager := entry.get("manager", "")) > MANAGER_BYTES // 4
            and len(manager.encode()) > MANAGER_BYTES
        ):
            yield too_long(f"{path}.manager", MANAGER_BYTES)
        if len(entry.get("subresource", "")) > SUBRESOURCE_BYTES:
            yield too_long(f"{path}.subresource", SUBRESOURCE_BYTES)


def check_finalizer_names(metadata: Json) -> Iterator[Cause]:
    """Finalizers that are qualified, or standard."""
    for position, finalizer in enumerate(metadata.get("finalizers") or ()):
        path = f"metadata.finalizers[{position}]"
        if "/" not in finalizer and finalizer not in STANDARD_FINALIZERS:
            yield invalid(
                path, finalizer, "name is neither a standard finalizer name nor is it fully qualified"
            )


def check_texts(metadata: Json) -> Iterator[Cause]:
    """Labels, annotations and owners, which follow the same rules in new and in changed objects."""
    labels, annotations = metadata.get("labels"), metadata.get("annotations")
    if labels:
        yield from check_labels(labels, "metadata.labels")
    if annotations:
        yield from check_annotations(annotations, "metadata.annotations")
    if metadata.get("ownerReferences"):
        yield from check_owners(metadata["ownerReferences"])


def check_labels(labels: Json, path: str) -> Iterator[Cause]:
    """Labels, and selectors that are plain maps."""
    for key, value in labels.items():
        wrong_key, wrong_value = check_qualified_name(key), check_label_value(value)
        if wrong_key or wrong_value:
            yield from each(path, key, wrong_key)
            yield from each(path, value, wrong_value)


def check_annotations(annotations: Json, path: str) -> Iterator[Cause]:
    """Keys are qualified names in any case; values are anything, but not too much of it."""
    size = 0
    for key, value in annotations.items():
        wrong = check_qualified_name(key.lower())
        if wrong:
            yield from each(path, key, wrong)
        size += len(key.encode()) + len(value.encode())
    if size > ANNOTATIONS_MAX:
        yield too_long(path, ANNOTATIONS_MAX)


def check_owners(owners: list[Json]) -> Iterator[Cause]:
    """Complete references, at most one of them to a controller."""
    path = "metadata.ownerReferences"
    controller: Json | None = None
    for owner in owners:
        api_version = owner.get("apiVersion") or ""
        if not api_version.rpartition("/")[2]:
            yield invalid(f"{path}.apiVersion", api_version, "version must not be empty")
        for field in ("kind", "name", "uid"):
            if not owner.get(field):
                yield invalid(f"{path}.{field}", "", "must not be empty")
        group, version = parse_api_version(api_version)
        if owner.get("kind") == "Event" and (group, version) in (("", "v1"), ("events.k8s.io", "v1")):
            why = f"{group}/{version}, Kind=Event is disallowed from being an owner"
            yield invalid(path, Shown(_show_owner(owner)), why)
        if owner.get("controller"):
            if controller is not None:
                shown = Shown("[" + ",".join(map(_show_owner, owners)) + "]")
                pair = " and ".join(f"{one.get('kind')}/{one.get('name')}" for one in (controller, owner))
                why = 'Only one reference can have Controller set to true. Found "true" in references for '
                yield invalid(path, shown, why + pair)
            controller = owner


def _show_owner(owner: Json) -> str:
    shown = ",".join(f"{go_quote(field)}:{go_json(owner[field])}" for field in OWNER_FIELDS if field in owner)
    return "{" + shown + "}"


def check_finalizers(metadata: Json) -> Iterator[Cause]:
    """Names of finalizers, and that the two ways of deleting dependents are not mixed."""
    finalizers = metadata.get("finalizers") or ()
    for finalizer in finalizers:
        yield from each("metadata.finalizers", finalizer, check_qualified_name(finalizer))
    if "orphan" in finalizers and "foregroundDeletion" in finalizers:
        why = "finalizer orphan and foregroundDeletion cannot be both set"
        yield invalid("metadata.finalizers", list(finalizers), why)


def check_next_metadata(new: Json, old: Json) -> Iterator[Cause]:
    """The metadata of the next version of an object that is not held to all rules for new ones again.

    The reference looks at them three times, and at what may not change twice, of which the pipeline does one.
    """
    yield from check_texts(new)
    yield from check_finalizers(new)
    yield from check_metadata_update(new, old)
    yield from list(check_texts(new)) * 2


def check_metadata_update(new: Json, old: Json) -> Iterator[Cause]:
    """What may not change between two versions of an object."""
    for field in FIXED_FIELDS:
        if new.get(field) != old.get(field):
            yield from immutable(f"metadata.{field}", new.get(field), old.get(field))
    if new.get("generation", 0) < old.get("generation", 0):
        yield invalid("metadata.generation", new.get("generation", 0), "must not be decremented")
    if old.get("deletionTimestamp"):
        known = old.get("finalizers") or ()
        added = [finalizer for finalizer in new.get("finalizers") or () if finalizer not in known]
        if added:
            listed = ", ".join(map(go_quote, added))
            yield forbidden(
                "metadata.finalizers",
                "no new finalizers can be added if the object is being deleted, found new finalizers "
                f"[]string{{{listed}}}",
            )
