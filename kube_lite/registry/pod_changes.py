"""What the doors beside the main one may change in a Pod: ephemeral containers, and resources of containers.

Of the Pod that is sent only these parts count; everything else stays as it was. Functions are pure.
Source: ``podEphemeralContainersStrategy`` and ``podResizeStrategy`` in ``pkg/registry/core/pod/strategy.go``,
``ValidatePodEphemeralContainersUpdate`` and ``ValidatePodResize`` in ``pkg/apis/core/validation``.
"""

from collections.abc import Iterator

from kube_lite.api.errors import Cause
from kube_lite.api.fielderrors import forbidden
from kube_lite.api.identity import Json
from kube_lite.kinds.checks.immutability import difference
from kube_lite.kinds.pod_resources import quality_of_service

EPHEMERAL = "ephemeralContainers"
RESIZED = ("resources", "resizePolicy")
MUTABLE = ("cpu", "memory")


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
    """The Pod with the resources that were sent for its containers, matched by name."""
    spec = dict(pod["spec"])
    for field in ("initContainers", "containers"):
        wanted = {entry["name"]: entry for entry in (sent.get("spec") or {}).get(field) or ()}
        if spec.get(field):
            spec[field] = [_resized(entry, wanted.get(entry["name"], entry)) for entry in spec[field]]
    return {**pod, "metadata": dict(pod["metadata"]), "spec": spec}


def check_resources(new: Json, old: Json) -> Iterator[Cause]:
    """Only processor and memory may be given anew, and the Pod stays of its class."""
    quality = quality_of_service(old["spec"])
    if quality != quality_of_service(new["spec"]):
        why = f'Invalid value: "{quality}": Pod QOS Class may not change as a result of resizing'
        yield Cause("FieldValueInvalid", why, "spec")
    if _immutable_parts(new) != _immutable_parts(old):
        yield Cause("FieldValueForbidden", "Forbidden: only cpu and memory resources are mutable", "spec")


def _resized(container: Json, wanted: Json) -> Json:
    kept = {key: value for key, value in container.items() if key not in RESIZED}
    return kept | {key: wanted[key] for key in RESIZED if key in wanted}


def _immutable_parts(pod: Json) -> list[Json]:
    return [
        {
            name: amount
            for name, amount in (container.get("resources", {}).get(kind) or {}).items()
            if name not in MUTABLE
        }
        for field in ("initContainers", "containers")
        for container in pod["spec"].get(field) or ()
        for kind in ("requests", "limits")
    ]
