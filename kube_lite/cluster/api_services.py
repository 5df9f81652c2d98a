"""The APIServices of a release: this server serves every group that it serves itself.

Those of groups that CustomResourceDefinitions bring come and go with them, see ``http/aggregation.py``; the
others are made at the first start, and again where somebody deleted them; those of versions that this release
does not serve go. What others made of one, such as another server in our place, is theirs.
Source: ``pkg/controlplane/apiserver/aggregator.go`` (the priorities), and ``pkg/controllers/autoregister`` of
kube-aggregator.
"""

from collections.abc import Iterable, Iterator

from kube_lite.api.identity import GroupVersion, GroupVersionResource, Json
from kube_lite.api.times import format_time

API_SERVICES = GroupVersionResource("apiregistration.k8s.io", "v1", "apiservices")
MANAGED = "kube-aggregator.kubernetes.io/automanaged"
ON_START = "onstart"
# Of each group the least priority, and of its versions that of each.
PRIORITIES = {
    "": (18000, {"v1": 1}),
    "apps": (17800, {"v1": 15}),
    "events.k8s.io": (17750, {"v1": 15, "v1beta1": 5}),
    "authentication.k8s.io": (17700, {"v1": 15, "v1beta1": 9, "v1alpha1": 1}),
    "authorization.k8s.io": (17600, {"v1": 15}),
    "autoscaling": (17500, {"v1": 15, "v2": 30, "v2beta2": 1, "v2beta1": 9}),
    "batch": (17400, {"v1": 15, "v1beta1": 9}),
    "extensions": (17150, {"v1beta1": 1}),
    "certificates.k8s.io": (17300, {"v1": 15, "v1beta1": 9, "v1alpha1": 1}),
    "networking.k8s.io": (17200, {"v1": 15, "v1beta1": 9, "v1alpha1": 1}),
    "policy": (17100, {"v1": 15, "v1beta1": 9}),
    "rbac.authorization.k8s.io": (17000, {"v1": 15}),
    "storage.k8s.io": (16800, {"v1": 15, "v1beta1": 9, "v1alpha1": 1}),
    "apiextensions.k8s.io": (16700, {"v1": 15}),
    "admissionregistration.k8s.io": (16700, {"v1": 15, "v1beta1": 12, "v1alpha1": 9}),
    "scheduling.k8s.io": (16600, {"v1": 15}),
    "coordination.k8s.io": (16500, {"v1": 15, "v1beta1": 9, "v1alpha2": 6, "v1alpha1": 6}),
    "node.k8s.io": (16300, {"v1": 15, "v1beta1": 9, "v1alpha1": 1}),
    "discovery.k8s.io": (16200, {"v1": 15, "v1beta1": 12}),
    "resource.k8s.io": (16200, {"v1": 21, "v1beta2": 15, "v1beta1": 9, "v1alpha3": 1}),
    "flowcontrol.apiserver.k8s.io": (16100, {"v1": 21, "v1beta3": 18, "v1beta2": 15, "v1beta1": 12}),
}


def plan_api_services(
    served: Iterable[GroupVersion], now: float
) -> Iterator[tuple[GroupVersionResource, Json]]:
    """One for each group and version that is served and has a priority."""
    for group_version in served:
        least, versions = PRIORITIES.get(group_version.group, (0, {}))
        if group_version.version in versions:
            priorities = least, versions[group_version.version]
            yield API_SERVICES, local_service(group_version, priorities, ON_START, now)


def local_service(group_version: GroupVersion, priorities: tuple[int, int], managed: str, now: float) -> Json:
    """One that says that this server serves it."""
    group, version = group_version
    spec: Json = {"group": group, "version": version} if group else {"version": version}
    available = {
        "type": "Available",
        "status": "True",
        "lastTransitionTime": format_time(now),
        "reason": "Local",
        "message": "Local APIServices are always available",
    }
    return {
        "kind": "APIService",
        "apiVersion": API_SERVICES.api_version,
        "metadata": {"name": f"{version}.{group}", "labels": {MANAGED: managed}},
        "spec": {**spec, "groupPriorityMinimum": priorities[0], "versionPriority": priorities[1]},
        "status": {"conditions": [available]},
    }


def no_longer_served(found: Iterable[Json], planned: Iterable[Json]) -> list[str]:
    """The names of those that an earlier start made, and this one would not."""
    names = {service["metadata"]["name"] for service in planned}
    return [
        service["metadata"]["name"]
        for service in found
        if (service["metadata"].get("labels") or {}).get(MANAGED) == ON_START
        and service["metadata"]["name"] not in names
    ]
