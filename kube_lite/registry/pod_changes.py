"""What the doors beside the main one may change in a Pod: ephemeral containers, and resources of containers.

Of the Pod that is sent only these parts count; everything else stays as it was. Functions are pure.
Source: ``podEphemeralContainersStrategy`` and ``podResizeStrategy`` in ``pkg/registry/core/pod/strategy.go``,
``ValidatePodEphemeralContainersUpdate`` and ``ValidatePodResize`` in ``pkg/apis/core/validation``.
"""

from collections.abc import Iterator

from kube_lite.api.errors import Cause
from kube_lite.api.fielderrors import forbidden, invalid
from kube_lite.api.identity import Json
from kube_lite.kinds.checks.immutability import difference
from kube_lite.kinds.pod_resources import quality_of_service

EPHEMERAL = "ephemeralContainers"
RESIZED = ("resources", "resizePolicy")
MUTABLE = ("cpu", "memory")
CONTAINERS = ("containers", "initContainers")
RESTARTED = "non-sidecar init containers with a resize policy of RestartContainer cannot be resized"


def with_ephemeral_containers(pod: Json, sent: Json) -> Json:
    """The Pod with the ephemeral containers that were sent."""
    spec = {key: value for key, value in pod["spec"].items() if key != EPHEMERAL}
    wanted = (sent.get("spec") or {}).get(EPHEMERAL)
    if wanted:
        spec[EPHEMERAL] = wanted
    return {**pod, "metadata": dict(pod["metadata"]), "spec": spec}


def check_ephemeral_containers(new: Json, old: Json) -> Iterator[Cause]:
    """Those that are there stay as they are; more may come."""
    after = {entry["name"]: entry for entry in new["spec"].get(EPHEMERAL) or ()}
    for before in old["spec"].get(EPHEMERAL) or ():
        name = before["name"]
        told = f'existing ephemeral containers "{name}" may not be'
        if name not in after:
            yield forbidden(f"spec.{EPHEMERAL}", f"{told} removed\n")
        elif after[name] != before:
            shown = difference(before, after[name], "core.v1.EphemeralContainer")
            yield forbidden(f"spec.{EPHEMERAL}", f"{told} changed\n{shown}")


def with_resources(pod: Json, sent: Json) -> Json:
    """The Pod with the resources that were sent for its containers.

    Containers that are others than before are taken over too, for ``check_resources`` to refuse.
    """
    spec, wanted = dict(pod["spec"]), sent.get("spec") or {}
    for field in CONTAINERS:
        before, after = spec.get(field) or [], wanted.get(field) or []
        if [one["name"] for one in before] != [one["name"] for one in after]:
            spec[field] = after
        elif before:
            spec[field] = [_resized(one, other) for one, other in zip(before, after, strict=True)]
    spec.pop("resources", None)
    if wanted.get("resources") is not None:
        spec["resources"] = wanted["resources"]
    return {**pod, "metadata": dict(pod["metadata"]), "spec": spec}


def check_resources(new: Json, old: Json) -> Iterator[Cause]:
    """Only processor and memory may be given anew, and the Pod stays of its class."""
    quality = quality_of_service(old["spec"])
    if quality != quality_of_service(new["spec"]):
        yield invalid("spec", quality, "Pod QOS Class may not change as a result of resizing")
    if not _is_resizable(old):
        yield forbidden("spec", "Pod running on node without support for resize")
    yield from _check_pod_resources(new["spec"].get("resources"), old["spec"].get("resources"))
    others = list(_check_same_containers(new["spec"], old["spec"]))
    yield from others
    if others:
        return
    for field in reversed(CONTAINERS):
        for position, (after, before) in enumerate(_pairs(new["spec"], old["spec"], field)):
            where = f"spec.{field}[{position}]"
            for kind in ("requests", "limits"):
                if _amounts(before, kind).keys() - _amounts(after, kind).keys():
                    yield forbidden(f"{where}.resources.{kind}", f"resource {kind} cannot be removed")
    yield from _check_mutable(new["spec"], old["spec"])


def _check_mutable(new: Json, old: Json) -> Iterator[Cause]:
    for after, before in _pairs(new, old, "containers"):
        if _fixed(after) != _fixed(before):
            yield forbidden("spec", "only cpu and memory resources are mutable")
    for position, (after, before) in enumerate(_pairs(new, old, "initContainers")):
        where = f"spec.initContainers[{position}]"
        if _fixed(after) != _fixed(before):
            told = "only cpu and memory resources for init or sidecar containers are mutable"
            yield forbidden(where, told)
        if after == before or after.get("restartPolicy") == "Always":
            continue
        for policy in after.get("resizePolicy") or ():
            if policy.get("restartPolicy") == "RestartContainer":
                yield forbidden(where, RESTARTED)


def _check_same_containers(new: Json, old: Json) -> Iterator[Cause]:
    for field in CONTAINERS:
        if len(new.get(field) or ()) != len(old.get(field) or ()):
            yield forbidden(f"spec.{field}", f"{field} may not be added or removed on resize")
            continue
        for position, (after, before) in enumerate(_pairs(new, old, field)):
            if after["name"] != before["name"]:
                told = f"{field} may not be renamed or reordered on resize"
                yield forbidden(f"spec.{field}[{position}].name", told)


def _check_pod_resources(new: Json | None, old: Json | None) -> Iterator[Cause]:
    if old and not new:
        yield forbidden("spec.resources", "pod-level resources cannot be removed")
        return
    for kind in ("requests", "limits") if old and new else ():
        if ((old or {}).get(kind) or {}).keys() - ((new or {}).get(kind) or {}).keys():
            yield forbidden(f"spec.resources.{kind}", f"pod-level resource {kind} cannot be removed")
    if _fixed({"resources": new}) != _fixed({"resources": old}):
        yield forbidden("spec", "only cpu and memory resources are mutable at pod-level")


def _is_resizable(pod: Json) -> bool:
    """Whether the node has told of the resources of a container that runs, as those do that can resize."""
    for status in (pod.get("status") or {}).get("containerStatuses") or ():
        if (status.get("state") or {}).get("running") is not None:
            return status.get("resources") is not None
    return True


def _pairs(new: Json, old: Json, field: str) -> Iterator[tuple[Json, Json]]:
    return zip(new.get(field) or (), old.get(field) or (), strict=False)


def _amounts(container: Json, kind: str) -> Json:
    return (container.get("resources") or {}).get(kind) or {}


def _fixed(container: Json) -> Json:
    """What a resize has to leave alone: everything but processor and memory, and how they are resized."""
    kept = {field: value for field, value in container.items() if field != "resources"}
    for kind in ("requests", "limits"):
        kept[kind] = {
            name: amount for name, amount in _amounts(container, kind).items() if name not in MUTABLE
        }
    return kept


def _resized(container: Json, wanted: Json) -> Json:
    kept = {key: value for key, value in container.items() if key not in RESIZED}
    return kept | {key: wanted[key] for key in RESIZED if key in wanted}
