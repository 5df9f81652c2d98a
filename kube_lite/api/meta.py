"""The parts of ``metadata`` and ``status`` with rules of their own: owners, finalizers, conditions, deletion.

Functions that only look take shared objects; those that change say so and want a private copy.
"""

from collections.abc import Iterator
from typing import Any

import orjson

from .identity import GroupVersionKind, Json, ObjectKey, key_of, parse_api_version
from .times import format_time

FOREGROUND_FINALIZER = "foregroundDeletion"
ORPHAN_FINALIZER = "orphan"
LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"


def gvk_of(obj: Json) -> GroupVersionKind:
    """What the object says it is; empty parts where it does not say."""
    group, version = parse_api_version(obj.get("apiVersion") or "")
    return GroupVersionKind(group, version, obj.get("kind") or "")


def labels_of(obj: Json) -> Json:
    """Its labels; do not change the result."""
    return obj["metadata"].get("labels") or {}


def annotations_of(obj: Json) -> Json:
    """Its annotations; do not change the result."""
    return obj["metadata"].get("annotations") or {}


def uid_of(obj: Json) -> str:
    """Its uid, empty before it is stored."""
    return obj["metadata"].get("uid") or ""


def describe(obj: Json) -> str:
    """``Pod default/web``, for logs and events."""
    key: ObjectKey = key_of(obj)
    return f"{obj.get('kind', 'object')} {key}"


def owner_references(obj: Json) -> list[Json]:
    """Its owners; do not change the result."""
    return obj["metadata"].get("ownerReferences") or []


def controller_of(obj: Json) -> Json | None:
    """The owner reference of the one controller that manages it, or None."""
    for owner in owner_references(obj):  # a loop, here and below: asked for every change of every Pod
        if owner.get("controller"):
            return owner
    return None


def is_controlled_by(obj: Json, owner: Json) -> bool:
    """Whether ``owner`` is the managing controller of ``obj``, by uid."""
    reference = controller_of(obj)
    return reference is not None and reference.get("uid") == owner["metadata"].get("uid")


def owner_reference(owner: Json, gvk: GroupVersionKind | None = None, *, controller: bool = True) -> Json:
    """A reference to ``owner`` as controllers put it on what they create.

    ``gvk`` is needed where the owner does not carry its kind (items of a list).
    """
    kind = gvk or gvk_of(owner)
    reference = {
        "apiVersion": kind.api_version,
        "kind": kind.kind,
        "name": owner["metadata"]["name"],
        "uid": owner["metadata"]["uid"],
    }
    if controller:
        reference |= {"controller": True, "blockOwnerDeletion": True}
    return reference


def has_finalizer(obj: Json, name: str) -> bool:
    """Whether the finalizer holds the object."""
    return name in (obj["metadata"].get("finalizers") or ())


def add_finalizer(obj: Json, name: str) -> bool:
    """Put the finalizer on a private copy; False when it was there."""
    if has_finalizer(obj, name):
        return False
    metadata = obj["metadata"]
    metadata["finalizers"] = [*(metadata.get("finalizers") or ()), name]
    return True


def remove_finalizer(obj: Json, name: str) -> bool:
    """Take the finalizer off a private copy; False when it was not there."""
    metadata = obj["metadata"]
    names: list[str] = metadata.get("finalizers") or []
    if name not in names:
        return False
    rest = [other for other in names if other != name]
    if rest:
        metadata["finalizers"] = rest
    else:
        del metadata["finalizers"]
    return True


def is_being_deleted(obj: Json) -> bool:
    """Whether somebody asked for its end."""
    return bool(obj["metadata"].get("deletionTimestamp"))


def conditions_of(obj: Json) -> list[Json]:
    """``status.conditions``; do not change the result."""
    return (obj.get("status") or {}).get("conditions") or []


def condition(obj: Json, type_: str) -> Json | None:
    """The condition of that type, or None."""
    for entry in conditions_of(obj):
        if entry.get("type") == type_:
            return entry
    return None


def is_condition_true(obj: Json, type_: str) -> bool:
    """Whether the condition is there with status ``True``."""
    found = condition(obj, type_)
    return found is not None and found.get("status") == "True"


def with_condition(conditions: list[Json], entry: Json, now: float) -> list[Json]:
    """The list with ``entry`` in the place of its type.

    ``lastTransitionTime`` is ``now`` when the status changed and kept otherwise. Everything else of the entry
    replaces what was there. The given list is not changed.
    """
    changed: list[Json] = []
    found = False
    for old in conditions:
        if old.get("type") != entry["type"]:
            changed.append(old)
            continue
        found = True
        same = old.get("status") == entry["status"] and old.get("lastTransitionTime")
        moment = old["lastTransitionTime"] if same else format_time(now)
        changed.append({**entry, "lastTransitionTime": moment})
    if not found:
        changed.append({**entry, "lastTransitionTime": format_time(now)})
    return changed


def generation(obj: Json) -> int:
    """How often the spec was changed; 0 where that is not counted."""
    return int(obj["metadata"].get("generation") or 0)


def copy(value: Any) -> Any:
    """A deep copy of a wire object; many times faster than ``copy.deepcopy``."""
    if not isinstance(value, (dict, list)):
        return value
    try:
        return orjson.loads(orjson.dumps(value))
    except orjson.JSONEncodeError:  # integers of more than 64 bits, or too deep
        return _copy(value)


def _copy(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _copy(item) for key, item in value.items()}
    return [_copy(item) for item in value] if isinstance(value, list) else value


def pod_templates(obj: Json) -> Iterator[Json]:
    """The Pod templates inside an object of a built-in workload kind."""
    spec = obj.get("spec") or {}
    if isinstance(spec.get("jobTemplate"), dict):
        spec = spec["jobTemplate"].get("spec") or {}
    if isinstance(spec.get("template"), dict):
        yield spec["template"]
    if isinstance(obj.get("template"), dict):
        yield obj["template"]
