"""Extended resources that device classes stand behind: ``example.com/gpu: 2`` becomes requests of a claim.

On a node that has none of the resource itself (no device plug-in offers it), a pod's containers get devices
of the class: each container a request of its own, except that init containers, which run one after another,
are given what others use later. Pure functions.

Source: ``extendeddynamicresources.go`` of kubernetes/pkg/scheduler/framework/plugins/dynamicresources.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NamedTuple

from kube_lite.api import meta
from kube_lite.api.identity import GroupVersionKind, Json
from kube_lite.api.quantity import parse_quantity

ANNOTATION = "resource.kubernetes.io/extended-resource-claim"
UNNAMED = "<extended-resources>"
"""What the claim is called before it is written; no claim can have that name."""


class Planned(NamedTuple):
    """The requests of the claim, and which container's resource is which of them."""

    requests: list[Json]
    mappings: list[Json]


def plan_claim(pod: Json) -> Json:
    """The claim for a pod, without requests: those depend on the node."""
    metadata = pod["metadata"]
    owner = meta.owner_reference(pod, GroupVersionKind("", "v1", "Pod"))
    del owner["blockOwnerDeletion"]
    return {
        "apiVersion": "resource.k8s.io/v1",
        "kind": "ResourceClaim",
        "metadata": {
            "name": UNNAMED,
            "namespace": metadata["namespace"],
            "uid": f"extended resources of {metadata['uid']}",
            "generateName": f"{metadata['name']}-extended-resources-",
            "annotations": {ANNOTATION: "true"},
            "ownerReferences": [owner],
        },
        "spec": {"devices": {}},
    }


def is_for_resources(claim: Json) -> bool:
    """Whether a claim is for a pod's extended resources."""
    return meta.annotations_of(claim).get(ANNOTATION) == "true"


def is_unwritten(claim: Json) -> bool:
    """Whether it is ``plan_claim``'s."""
    return bool(claim["metadata"]["name"] == UNNAMED)


def find_claim(pod: Json, claims: Iterable[Json]) -> Json | None:
    """The claim that was written for a pod by an earlier try, if there is one."""
    for claim in claims:
        if is_for_resources(claim) and meta.is_controlled_by(claim, pod):
            return claim
    return None


def plan_requests(pod: Json, resources: Iterable[str], class_of: Callable[[str], Json | None]) -> Planned:
    """The requests for some of a pod's extended resources."""
    spec = pod["spec"]
    init = spec.get("initContainers") or ()
    containers = [*init, *spec["containers"]]
    is_brief = [
        number < len(init) and container.get("restartPolicy") != "Always"
        for number, container in enumerate(containers)
    ]
    planned = Planned([], [])
    for resource in sorted(resources):
        found = class_of(resource)
        if found is not None:
            _plan_resource(resource, found["metadata"]["name"], containers, is_brief, planned)
    planned.requests.sort(key=lambda request: str(request["name"]))
    return planned


def _plan_resource(
    resource: str, class_name: str, containers: Sequence[Json], is_brief: Sequence[bool], planned: Planned
) -> None:
    lasting: dict[int, Json] = {}
    for number, container in enumerate(containers):
        if not is_brief[number]:
            request, mappings = _plan_container(number, container, resource, class_name, ())
            planned.mappings.extend(mappings)
            if request is not None:
                lasting[number] = request
    brief: list[Json] = []
    mapped: list[Json] = []
    for number, container in enumerate(containers):
        if is_brief[number]:
            later = [request for other, request in lasting.items() if other >= number]
            request, mappings = _plan_container(number, container, resource, class_name, later)
            mapped.extend(mappings)
            if request is not None:
                brief.append(request)
    if brief:
        largest = max(brief, key=lambda request: int(request["exactly"]["count"]))
        smaller = {request["name"] for request in brief} - {largest["name"]}
        mapped = [
            {**entry, "requestName": largest["name"]} if entry["requestName"] in smaller else entry
            for entry in mapped
        ]
        planned.requests.append(largest)
    planned.requests.extend(lasting.values())
    planned.mappings.extend(mapped)


def _plan_container(
    number: int, container: Json, resource: str, class_name: str, reusable: Sequence[Json]
) -> tuple[Json | None, list[Json]]:
    """The request of one container, if it needs any beside those it may use too; and what is mapped."""
    requests: Mapping[str, str] = (container.get("resources") or {}).get("requests") or {}
    count = parse_quantity(requests.get(resource, "0")).value
    if not count:
        return None, []
    entry = {"containerName": container["name"], "resourceName": resource}
    mappings: list[Json] = []
    for request in reusable:
        count -= int(request["exactly"]["count"])
        mappings.append({**entry, "requestName": request["name"]})
        if count <= 0:
            return None, mappings
    name = f"container-{number}-request-{sorted(requests).index(resource)}"
    mappings.append({**entry, "requestName": name})
    exactly = {"deviceClassName": class_name, "allocationMode": "ExactCount", "count": count}
    return {"name": name, "exactly": exactly}, mappings
