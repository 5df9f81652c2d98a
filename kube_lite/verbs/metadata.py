"""The rules of ``metadata`` that hold for every kind: what the server sets, keeps, and refuses to change.

All functions are pure; those that change an object say so and want a private copy.
Source: ``apiserver/pkg/registry/rest`` (``create.go``, ``update.go``, ``meta.go``) and
``apimachinery/pkg/api/validation/objectmeta.go``.
"""

import random
from collections.abc import Sequence

from kube_lite.api.errors import ApiError, BadRequest, Cause
from kube_lite.api.identity import GroupResource, Json, ObjectKey
from kube_lite.api.metadata_rules import FIXED_FIELDS
from kube_lite.api.names import generate_name
from kube_lite.api.resource import Resource
from kube_lite.api.times import format_time

KEPT = ("uid", "creationTimestamp", "deletionTimestamp", "deletionGracePeriodSeconds")
"""What an update that leaves them out does not change."""
STORAGE_PATHS = {
    GroupResource("", "services"): "services/specs",
    GroupResource("", "endpoints"): "services/endpoints",
    GroupResource("", "nodes"): "minions",
    GroupResource("", "replicationcontrollers"): "controllers",
    GroupResource("networking.k8s.io", "ingresses"): "ingress",
}
"""Where the reference keeps objects whose place is not called as they are; error texts name it."""
STORED_BY_GROUP = ("apiextensions.k8s.io", "apiregistration.k8s.io")
UNCOUNTED = frozenset({"metadata", "status", "kind", "apiVersion"})
TWIN_OWNERS = (
    ".metadata.ownerReferences contains duplicate entries; API server dedups owner references in 1.20+, and "
    "may reject such requests as early as 1.24; please fix your requests; duplicate UID(s) observed: "
)
SERVER_OWN = ("deletionTimestamp", "deletionGracePeriodSeconds", "selfLink", "managedFields")
"""What a creation cannot set."""


def place(resource: Resource, obj: Json, namespace: str) -> None:
    """Put an object into the namespace of the request. Changes ``obj``.

    Raises:
        BadRequest: it says that it belongs elsewhere.
    """
    metadata = obj["metadata"]
    if not resource.namespaced:
        metadata.pop("namespace", None)
        return
    if metadata.get("namespace", namespace) != namespace:
        raise BadRequest(
            "the namespace of the provided object does not match the namespace sent on the request"
        )
    metadata["namespace"] = namespace


def without_twins(metadata: Json) -> str:
    """Leave out owners that are there already. Changes ``metadata``.

    Returns:
        what a client is told that names one twice; empty for nothing.

    Source: ``dedupOwnerReferences`` in apiserver/pkg/endpoints/handlers/rest.go.
    """
    owners = metadata.get("ownerReferences")
    if not owners or len(owners) < 2:
        return ""
    kept: list[Json] = []
    twins: list[str] = []
    for owner in owners:
        if owner in kept:
            twins.append(owner.get("uid", ""))
        else:
            kept.append(owner)
    if not twins:
        return ""
    metadata["ownerReferences"] = kept
    return f"{TWIN_OWNERS}{', '.join(twins)}"


def check_name(obj: Json, name: str) -> None:
    """Refuse an object that is not the one in the URL. Raises ``BadRequest``."""
    given = obj["metadata"].get("name")
    if not given:
        raise BadRequest(
            f"the name of the object ({name} based on URL) was undeterminable: name must be provided"
        )
    if given != name:
        raise BadRequest(f"the name of the object ({given}) does not match the name on the URL ({name})")


def begin(obj: Json, now: float, source: random.Random, *, counts_generations: bool) -> None:
    """Set what the server sets on a new object. Changes ``obj``.

    Raises:
        ApiError: it has a resourceVersion.
    """
    metadata = obj["metadata"]
    if parse_version(metadata.get("resourceVersion", "")):
        raise ApiError("resourceVersion should not be set on objects to be created")
    for field in SERVER_OWN:
        metadata.pop(field, None)
    if counts_generations:
        metadata.pop("generation", None)  # of other kinds the client may say any
    metadata["uid"] = random_uid(source)
    metadata["creationTimestamp"] = format_time(now)
    if counts_generations:
        metadata["generation"] = 1
    if metadata.get("generateName") and not metadata.get("name"):
        metadata["name"] = generate_name(metadata["generateName"], source)
    metadata.setdefault("name", "")  # whether it may be empty is for validation to say


def random_uid(source: random.Random) -> str:
    """A UUID of version 4."""
    digits = f"{source.getrandbits(124):031x}"
    variant = "89ab"[int(digits[15], 16) & 3]
    return f"{digits[:8]}-{digits[8:12]}-4{digits[12:15]}-{variant}{digits[16:19]}-{digits[19:]}"


def parse_version(text: str) -> int:
    """A ``resourceVersion`` in an object as a number; 0 for none.

    Raises:
        ApiError: it is no number.
    """
    if not text:
        return 0
    if not (text.isascii() and text.isdigit()):
        raise ApiError(f'strconv.ParseUint: parsing "{text}": invalid syntax')
    return int(text)


def keep(obj: Json, old: Json) -> None:
    """Carry over what an update does not change by leaving it out, and what none changes. Changes ``obj``."""
    metadata, before = obj["metadata"], old["metadata"]
    metadata.pop("selfLink", None)
    metadata["creationTimestamp"] = before["creationTimestamp"]
    for field in KEPT:
        if metadata.get(field) is None and field in before:
            metadata[field] = before[field]
    if "generation" in before:
        metadata["generation"] = before["generation"]
    else:
        metadata.pop("generation", None)


def count_generation(obj: Json, old: Json) -> None:
    """Raise the generation if anything but metadata and status differs. Changes ``obj``.

    What the kind has raised already, because it counts changes elsewhere too, stays as it is.
    """
    before = old["metadata"].get("generation", 0)
    if obj["metadata"].get("generation", 0) != before:
        return
    if any(obj.get(field) != old.get(field) for field in {*obj, *old} - UNCOUNTED):
        obj["metadata"]["generation"] = before + 1


def check_update(obj: Json, old: Json) -> Sequence[Cause]:
    """What is wrong with a change of metadata."""
    metadata, before = obj["metadata"], old["metadata"]
    causes: list[Cause] = []
    is_going = before.get("deletionTimestamp")
    new_finalizers = is_going and set(metadata.get("finalizers") or ()) - set(before.get("finalizers") or ())
    if new_finalizers:
        told = ", ".join(f'"{name}"' for name in sorted(new_finalizers))
        why = (
            "Forbidden: no new finalizers can be added if the object is being deleted, found new finalizers "
        )
        causes.append(Cause("FieldValueForbidden", f"{why}[]string{{{told}}}", "metadata.finalizers"))
    for field in FIXED_FIELDS:
        value = metadata.get(field)
        if value != before.get(field):
            shown = f'"{value}"' if isinstance(value, str) else value
            message = f"Invalid value: {shown}: field is immutable"
            causes.append(Cause("FieldValueInvalid", message, f"metadata.{field}"))
    return causes


def wrong_uid(resource: Resource, key: ObjectKey, given: str, found: str) -> str:
    """Why an update of an object with another uid is refused, in the words of upstream's storage layer."""
    plural = STORAGE_PATHS.get(resource.group_resource, resource.plural)
    if resource.group in STORED_BY_GROUP or resource.definition:
        plural = f"{resource.group}/{plural}"
    return (
        f"StorageError: invalid object, Code: 4, Key: /registry/{plural}/{key}, ResourceVersion: 0, "
        f"AdditionalErrorMsg: Precondition failed: UID in precondition: {given}, UID in object meta: {found}"
    )
