"""What of a Pod may change after it was made."""

import difflib
import json
from collections.abc import Iterator

from kube_lite.api.errors import Cause
from kube_lite.api.fielderrors import forbidden, invalid, required
from kube_lite.api.identity import Json
from kube_lite.api.meta import copy

from .go_struct import go_struct

POD_UPDATES = (
    "pod updates may not change fields other than `spec.containers[*].image`,`spec.initContainers[*].image`,"
    "`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to existing tolerations),"
    "`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)"
)


def check_pod_update(new: Json, old: Json) -> Iterator[Cause]:
    """Images, a shorter deadline, more tolerations; nothing else."""
    spec, before = new.get("spec") or {}, old.get("spec") or {}
    for kind in ("containers", "initContainers"):
        if len(spec.get(kind) or ()) != len(before.get(kind) or ()):
            yield forbidden(f"spec.{kind}", "pod updates may not add or remove containers")
            return
        for position, container in enumerate(spec.get(kind) or ()):
            if not container.get("image"):
                yield required(f"spec.{kind}[{position}].image")
    yield from _check_deadline(spec, before)
    added = _check_tolerations(spec, before)
    if added is not None:
        yield added
    if spec == before:
        return
    remaining = _without_mutable(spec, before)
    if remaining != before:
        yield forbidden("spec", f"{POD_UPDATES}\n{difference(before, remaining)}")


def _check_deadline(spec: Json, before: Json) -> Iterator[Cause]:
    new, old = spec.get("activeDeadlineSeconds"), before.get("activeDeadlineSeconds")
    here = "spec.activeDeadlineSeconds"
    if new is not None:
        if old is not None and new > old:
            yield invalid(here, new, "must be less than or equal to previous value")
    elif old is not None:
        yield invalid(here, None, "must not update from a positive integer to nil value")


def _check_tolerations(spec: Json, before: Json) -> Cause | None:
    tolerations = spec.get("tolerations") or []
    for old in before.get("tolerations") or ():
        without_time = {field: value for field, value in old.items() if field != "tolerationSeconds"}
        if not any(
            {field: value for field, value in new.items() if field != "tolerationSeconds"} == without_time
            for new in tolerations
        ):
            why = "existing toleration can not be modified except its tolerationSeconds"
            return forbidden("spec.tolerations", why)
    return None


def _without_mutable(spec: Json, before: Json) -> Json:
    """The new spec with the old values of everything that may change."""
    same: Json = copy(spec)
    for kind in ("containers", "initContainers"):
        for container, old in zip(same.get(kind) or (), before.get(kind) or (), strict=True):
            container["image"] = old.get("image", "")
    for field in ("activeDeadlineSeconds", "tolerations"):
        _restore(same, before, field)
    if (before.get("terminationGracePeriodSeconds") or 0) < 0 and spec.get(
        "terminationGracePeriodSeconds"
    ) == 1:
        _restore(same, before, "terminationGracePeriodSeconds")
    if before.get("schedulingGates"):
        for field in ("schedulingGates", "nodeSelector", "affinity"):
            _restore(same, before, field)
    return same


def difference(before: Json, after: Json, message: str = "core.v1.PodSpec") -> str:
    """What is different, as a unified diff of both values of that message as they lie in memory."""
    lines = difflib.unified_diff(_lines(before, message), _lines(after, message), lineterm="")
    return "".join(f"{line}\n" for line in list(lines)[2:])  # the first two would name the files


def _lines(value: Json, message: str) -> list[str]:
    in_memory = json.loads(go_struct(value, message))
    return json.dumps(in_memory, indent=1, ensure_ascii=False).splitlines()


def _restore(spec: Json, before: Json, field: str) -> None:
    if field in before:
        spec[field] = before[field]
    else:
        spec.pop(field, None)
