"""What the status of a CustomResourceDefinition says: whether its names are free, and whether it is served.

Names are claimed within a group: whoever's status has accepted a name keeps it, and who comes later waits
until it is free. A definition is established as soon as all its names are accepted, and stays so
afterwards. ``nonstructuralschema``, ``finalizer``).
Source: ``apiextensions-apiserver/pkg/controller`` (``status``, ``establish``, ``apiapproval``,
"""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from kube_lite.api.gotext import go_quote
from kube_lite.api.identity import Json
from kube_lite.api.meta import conditions_of, is_condition_true, with_condition
from kube_lite.api.times import format_time

from .approval import approval_of, is_protected
from .outlines import CLEANUP, Outline

PENDING = (
    "InstanceDeletionPending",
    "CustomResourceDefinition marked for deletion; CustomResource deletion will begin soon",
)
IN_PROGRESS = "InstanceDeletionInProgress", "CustomResource deletion is in progress"
UNCONFIRMED = (
    "InstanceDeletionCheck",
    "could not confirm zero CustomResources remaining: timed out waiting for the condition",
)
COMPLETED = "InstanceDeletionCompleted", "removed all instances"
NEVER_SERVED = "NeverEstablished", "resource was never established"


class Taken(NamedTuple):
    """The names that the definitions of a group have been accepted with."""

    resources: frozenset[str]
    kinds: frozenset[str]


def taken_names(outlines: Iterable[Outline]) -> Taken:
    """The names that are not free; those of a definition itself may be among them."""
    resources: set[str] = set()
    kinds: set[str] = set()
    for outline in outlines:
        names = outline.names
        resources.update(
            (names.get("plural", ""), names.get("singular", ""), *(names.get("shortNames") or ()))
        )
        kinds.update((names.get("kind", ""), names.get("listKind", "")))
    return Taken(frozenset(resources - {""}), frozenset(kinds - {""}))


def plan_status(definition: Json, taken: Taken, nonstructural: Sequence[str], now: float) -> Json:
    """The status that a definition should have; equal to the one it has where nothing is to be done.

    Args:
        taken: the names of the group's definitions.
        nonstructural: what is not structural about its schemas, as texts.
        now: seconds since the epoch.
    """
    status = definition.get("status") or {}
    names, conflict = plan_names(definition["spec"]["names"], status.get("acceptedNames") or {}, taken)
    accepted = _condition("NamesAccepted", *(conflict or (True, "NoConflicts", "no conflicts found")))
    approval = _approval(definition)
    conditions = conditions_of(definition)
    if approval is not None:
        conditions = _put(conditions, approval, now)
    conditions = _put(conditions, accepted, now)
    if not is_condition_true(definition, "Established"):
        served = (True, "InitialNamesAccepted", "the initial names have been accepted")
        waits = (False, "NotAccepted", "not all names are accepted")
        conditions = _put(conditions, _condition("Established", *(waits if conflict else served)), now)
    if nonstructural:
        told = nonstructural[0] if len(nonstructural) == 1 else f"[{', '.join(nonstructural)}]"
        conditions = _put(conditions, _condition("NonStructuralSchema", True, "Violations", told), now)
    else:
        conditions = [entry for entry in conditions if entry["type"] != "NonStructuralSchema"]
    return {**status, "conditions": conditions, "acceptedNames": names}


def plan_names(wanted: Json, accepted: Json, taken: Taken) -> tuple[Json, tuple[bool, str, str] | None]:
    """The names to accept, each for itself; and the last conflict, as status, reason and message."""
    names = dict(accepted)
    conflict: tuple[bool, str, str] | None = None
    for field, reason, used in (
        ("plural", "PluralConflict", taken.resources),
        ("singular", "SingularConflict", taken.resources),
        ("shortNames", "ShortNamesConflict", taken.resources),
        ("kind", "KindConflict", taken.kinds),
        ("listKind", "ListKindConflict", taken.kinds),
    ):
        clashes = _clashes(wanted.get(field), accepted.get(field), used)
        if clashes:
            conflict = (False, reason, clashes[0] if len(clashes) == 1 else f"[{', '.join(clashes)}]")
        else:
            _set(names, field, wanted.get(field))
    _set(names, "categories", wanted.get("categories"))
    return {"plural": "", "kind": "", **names}, conflict


def _clashes(wanted: object, accepted: object, used: frozenset[str]) -> list[str]:
    if wanted == accepted:
        return []
    mine = accepted if isinstance(accepted, list) else [accepted]
    asked = wanted if isinstance(wanted, list) else [wanted]
    clashing = [name for name in asked if name and name not in mine and name in used]
    return [f"{go_quote(name)} is already in use" for name in clashing]


def _set(names: Json, field: str, value: object) -> None:
    if value:
        names[field] = value
    else:
        names.pop(field, None)


def terminating(definition: Json, why: tuple[str, str], now: float, *, goes_on: bool = True) -> Json:
    """The status that tells how far its end is; ``goes_on`` until its objects are gone."""
    entry = _condition("Terminating", goes_on, *why)
    status = definition.get("status") or {}
    return {**status, "conditions": _put(conditions_of(definition), entry, now)}


def begin_deletion(definition: Json, now: float) -> Json:
    """What a first delete request makes of a definition: from now on it only waits for its objects' end."""
    metadata = definition["metadata"]
    finalizers = metadata.get("finalizers") or []
    if CLEANUP not in finalizers:
        finalizers = [*finalizers, CLEANUP]
    marked = {**metadata, "deletionTimestamp": format_time(now), "finalizers": finalizers}
    return {**definition, "metadata": marked, "status": terminating(definition, PENDING, now)}


def _approval(definition: Json) -> Json | None:
    """The condition about the review of a protected group's API; None for other groups."""
    if not is_protected(definition["spec"]["group"]):
        return None
    state, why = approval_of(definition)
    type_ = "KubernetesAPIApprovalPolicyConformant"
    return _condition(type_, state == "Approved", f"{state}Annotation", why)


def _condition(type_: str, status: bool, reason: str, message: str) -> Json:
    return {"type": type_, "status": "True" if status else "False", "reason": reason, "message": message}


def _put(conditions: list[Json], entry: Json, now: float) -> list[Json]:
    """The conditions with an entry that replaces the one of its type, if it says anything new."""
    known = next((known for known in conditions if known["type"] == entry["type"]), None)
    if known is not None and all(known.get(field) == value for field, value in entry.items()):
        return conditions
    return with_condition(conditions, entry, now)
