"""A pod's own fields and resources as text, for variables and files.

Source: kubernetes/pkg/fieldpath and pkg/api/v1/resource.
"""

import json
import re
from collections.abc import Mapping
from typing import NamedTuple

from kube_lite.api.identity import Json
from kube_lite.api.quantity import parse_quantity

SUBSCRIPT = re.compile(r"metadata\.(labels|annotations)\['(.+)'\]")


class FieldUnknown(Exception):
    """A field reference that means nothing for a pod."""


class Surroundings(NamedTuple):
    """What a pod may ask about where it runs: addresses of host and pod, and what the node can give."""

    host_ips: tuple[str, ...] = ()
    pod_ips: tuple[str, ...] = ()
    allocatable: Mapping[str, str] = {}


def field_text(pod: Json, path: str, surroundings: Surroundings) -> str:
    """The value of ``fieldRef.fieldPath``.

    Raises:
        FieldUnknown: there is no such field.
    """
    metadata, spec = pod["metadata"], pod["spec"]
    found = SUBSCRIPT.fullmatch(path)
    if found is not None:
        return str((metadata.get(found[1]) or {}).get(found[2], ""))
    if path in ("metadata.labels", "metadata.annotations"):
        return _lines(metadata.get(path.removeprefix("metadata.")) or {})
    simple = {
        "metadata.name": metadata["name"],
        "metadata.namespace": metadata["namespace"],
        "metadata.uid": metadata["uid"],
        "spec.nodeName": spec.get("nodeName", ""),
        "spec.serviceAccountName": spec.get("serviceAccountName", ""),
        "status.hostIP": next(iter(surroundings.host_ips), ""),
        "status.hostIPs": ",".join(surroundings.host_ips),
        "status.podIP": next(iter(surroundings.pod_ips), ""),
        "status.podIPs": ",".join(surroundings.pod_ips),
    }
    if path not in simple:
        raise FieldUnknown(f"unsupported fieldPath: {path}")
    return str(simple[path])


def _lines(entries: Mapping[str, str]) -> str:
    """``a="b"`` line by line, in order, quoted as Go's %q does for ordinary text."""
    return "\n".join(f"{key}={json.dumps(entries[key], ensure_ascii=False)}" for key in sorted(entries))


def resource_text(pod: Json, reference: Json, container: Json, surroundings: Surroundings) -> str:
    """The value of a ``resourceFieldRef``, in units of its divisor, rounded up.

    Args:
        container: the one that asks; ``reference`` may name another.

    Raises:
        FieldUnknown: the container or the resource is not there.
    """
    name = reference.get("containerName")
    if name:
        everyone = [*(pod["spec"].get("initContainers") or ()), *pod["spec"]["containers"]]
        found = next((other for other in everyone if other["name"] == name), None)
        if found is None:
            raise FieldUnknown(f"container {name} not found")
        container = found
    bound, _, resource = reference["resource"].partition(".")
    if bound not in ("limits", "requests"):
        raise FieldUnknown(f"unsupported container resource : {reference['resource']}")
    amount = (container.get("resources") or {}).get(bound, {}).get(resource)
    if amount is None:  # no limit is as much as the node has
        amount = surroundings.allocatable.get(resource, "0") if bound == "limits" else "0"
    divisor = parse_quantity(reference.get("divisor") or "1")
    if not divisor:
        divisor = parse_quantity("1")
    return str(-(-parse_quantity(amount).nanos // divisor.nanos))
