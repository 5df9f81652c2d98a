"""The objects that are there from the start: made again when somebody deleted them, else left alone."""

import ipaddress
from collections.abc import Iterator
from typing import Any

from kube_lite.api.identity import GroupVersionResource, Json
from kube_lite.api.resource import Registry
from kube_lite.api.times import format_time
from kube_lite.client.protocol import Client
from kube_lite.verbs.pipeline import Pipeline

from .api_services import API_SERVICES, MANAGED, ON_START, no_longer_served, plan_api_services
from .policy import KINDS, plan_policy, plan_reconciled

FRONT_PROXY = "front-proxy-client"
"""What this server calls itself to servers that extend the API."""
CONFIG_MAPS = GroupVersionResource("", "v1", "configmaps")
NAMESPACES = GroupVersionResource("", "v1", "namespaces")
SERVICES = GroupVersionResource("", "v1", "services")
ENDPOINTS = GroupVersionResource("", "v1", "endpoints")
ENDPOINT_SLICES = GroupVersionResource("discovery.k8s.io", "v1", "endpointslices")
PRIORITY_CLASSES = GroupVersionResource("scheduling.k8s.io", "v1", "priorityclasses")
POLICY_KINDS = {kind: resource for resource, kind in KINDS.items()}
SERVICE_CIDRS = GroupVersionResource("networking.k8s.io", "v1", "servicecidrs")
OF_THIS_RUN = ("subsets", "endpoints", "ports", "data")
"""The fields that say where this run is, and whom it trusts; of the following kinds."""
FOLLOWING = {"ConfigMap": CONFIG_MAPS, "Endpoints": ENDPOINTS, "EndpointSlice": ENDPOINT_SLICES}

# Source: kubernetes/pkg/apis/scheduling/v1/helpers.go.
SYSTEM_PRIORITIES = {
    "system-node-critical": (
        2_000_001_000,
        "Used for system critical pods that must not be moved from their current node.",
    ),
    "system-cluster-critical": (
        2_000_000_000,
        "Used for system critical pods that must run in the cluster, "
        "but can be moved to another node if necessary.",
    ),
}


def plan_objects(
    registry: Registry,
    now: float,
    *,
    service_cidr: str,
    api_address: str,
    api_port: int,
    ca_pem: str,
    front_proxy_pem: str = "",
) -> Iterator[tuple[GroupVersionResource, Json]]:
    """The objects that belong to a cluster, of the kinds that this release serves.

    Args:
        registry: the rows that are served.
        now: seconds since the epoch.
        service_cidr: the range of Service addresses; its first one is the API's.
        api_address: where Pods reach the API server.
        api_port: the port there.
        ca_pem: who vouches for clients, for servers that extend the API.
        front_proxy_pem: who vouches there for this server; empty where requests are not passed on.
    """
    objects: list[tuple[GroupVersionResource, Json]] = [
        (NAMESPACES, _object("v1", "Namespace", name))
        for name in ("default", "kube-node-lease", "kube-public", "kube-system")
    ]
    objects += [
        (PRIORITY_CLASSES, _priority_class(name, value, text))
        for name, (value, text) in SYSTEM_PRIORITIES.items()
    ]
    objects += [
        (SERVICE_CIDRS, _service_cidr(service_cidr, now)),
        (CONFIG_MAPS, _authentication(ca_pem, front_proxy_pem)),
        (SERVICES, _api_service(str(ipaddress.ip_network(service_cidr)[1]), api_port)),
        (ENDPOINTS, _api_endpoints(api_address, api_port)),
        (ENDPOINT_SLICES, _api_endpoint_slice(api_address, api_port)),
    ]
    for resource, obj in objects:
        if registry.by_gvr(resource) is not None:
            yield resource, obj


async def bootstrap(
    pipeline: Pipeline,
    client: Client,
    now: float,
    *,
    service_cidr: str,
    api_address: str,
    api_port: int,
    ca_pem: str,
    front_proxy_pem: str = "",
) -> None:
    """Make what is missing, and let ``default/kubernetes`` lead to the API server of this run."""
    objects = plan_objects(
        pipeline.registry,
        now,
        service_cidr=service_cidr,
        api_address=api_address,
        api_port=api_port,
        ca_pem=ca_pem,
        front_proxy_pem=front_proxy_pem,
    )
    for wanted, found in await pipeline.found("kube-apiserver", objects, judged=(SERVICE_CIDRS,)):
        fields = {name: wanted[name] for name in OF_THIS_RUN if name in wanted}
        if any(found.get(name) != value for name, value in fields.items()):  # the API moved to another port
            resource = FOLLOWING[wanted["kind"]]
            await client.update(resource, {**found, **fields}, namespace=wanted["metadata"]["namespace"])


async def found_release(pipeline: Pipeline, client: Client, version: str, now: float) -> None:
    """Make what a release, ``1.36``, has from the start: its roles and bindings, and its APIServices.

    Roles and bindings that are there get back what they lost; APIServices of what is served no more go.
    """
    services = list(plan_api_services(pipeline.registry.group_versions(), now))
    planned = [*plan_policy(version), *services]
    for wanted, found in await pipeline.found("kube-apiserver", planned):
        resource = POLICY_KINDS.get(wanted["kind"])
        reconciled = plan_reconciled(wanted, found) if resource is not None else None
        if resource is not None and reconciled is not None:
            await client.update(resource, reconciled, namespace=wanted["metadata"].get("namespace", ""))
    there = await client.list(API_SERVICES, label_selector=f"{MANAGED}={ON_START}")
    for name in no_longer_served(there.items, [service for _, service in services]):
        await client.delete(API_SERVICES, name)


def _object(api_version: str, kind: str, name: str, *, namespace: str = "", **fields: Any) -> Json:
    metadata = {"name": name, "namespace": namespace} if namespace else {"name": name}
    metadata_fields = fields.pop("metadata", {})
    return {"apiVersion": api_version, "kind": kind, "metadata": {**metadata, **metadata_fields}, **fields}


def _service_cidr(cidr: str, now: float) -> Json:
    condition = {
        "type": "Ready",
        "status": "True",
        "reason": "",
        "message": "Kubernetes default Service CIDR is ready",
        "lastTransitionTime": format_time(now),
    }
    status = {"conditions": [condition]}
    return _object("networking.k8s.io/v1", "ServiceCIDR", "kubernetes", spec={"cidrs": [cidr]}, status=status)


def _priority_class(name: str, value: int, description: str) -> Json:
    return _object("scheduling.k8s.io/v1", "PriorityClass", name, value=value, description=description)


def _authentication(ca_pem: str, front_proxy_pem: str) -> Json:
    """How servers that extend the API know their clients.

    Source: ``pkg/controlplane/controller/clusterauthenticationtrust``.
    """
    data = {"client-ca-file": ca_pem}
    if front_proxy_pem:
        data |= {
            "requestheader-allowed-names": f'["{FRONT_PROXY}"]',
            "requestheader-client-ca-file": front_proxy_pem,
            "requestheader-extra-headers-prefix": '["X-Remote-Extra-"]',
            "requestheader-group-headers": '["X-Remote-Group"]',
            "requestheader-uid-headers": '["X-Remote-Uid"]',
            "requestheader-username-headers": '["X-Remote-User"]',
        }
    return _object(
        "v1", "ConfigMap", "extension-apiserver-authentication", namespace="kube-system", data=data
    )


def _api_service(address: str, target_port: int) -> Json:
    """The Service ``default/kubernetes``."""
    return _object(
        "v1",
        "Service",
        "kubernetes",
        namespace="default",
        metadata={"labels": {"component": "apiserver", "provider": "kubernetes"}},
        spec={
            "clusterIP": address,
            "ports": [{"name": "https", "port": 443, "protocol": "TCP", "targetPort": target_port}],
            "sessionAffinity": "None",
            "type": "ClusterIP",
        },
    )


def _api_endpoints(address: str, port: int) -> Json:
    return _object(
        "v1",
        "Endpoints",
        "kubernetes",
        namespace="default",
        metadata={"labels": {"endpointslice.kubernetes.io/skip-mirror": "true"}},
        subsets=[
            {"addresses": [{"ip": address}], "ports": [{"name": "https", "port": port, "protocol": "TCP"}]}
        ],
    )


def _api_endpoint_slice(address: str, port: int) -> Json:
    return _object(
        "discovery.k8s.io/v1",
        "EndpointSlice",
        "kubernetes",
        namespace="default",
        metadata={"labels": {"kubernetes.io/service-name": "kubernetes"}},
        addressType="IPv4",
        endpoints=[{"addresses": [address], "conditions": {"ready": True}}],
        ports=[{"name": "https", "port": port, "protocol": "TCP"}],
    )
