"""Services and their EndpointSlices → virtual servers: pure.

A connection goes to an endpoint that is ready; while a Service has none of those, to one that still serves
although it is terminating, so that a rollout of a single Pod fails no request.

Source: ``categorizeEndpoints`` in kubernetes/pkg/proxy/topology.go; KEP-1669.
"""

from collections.abc import Iterator, Sequence
from typing import Literal, NamedTuple, cast

from kube_lite_runtime.network.services import ANY_LOCAL, Endpoint, VirtualServer

from kube_lite.api.identity import Json

SERVICE_NAME = "kubernetes.io/service-name"
"""The label of a slice that says whose it is."""

Protocol = Literal["tcp", "udp", "sctp"]


class _Port(NamedTuple):
    """A Service's port as its slices know it."""

    name: str
    protocol: str


def owner_of(endpoint_slice: Json) -> str | None:
    """``namespace/name`` of the Service that a slice belongs to, or None."""
    metadata = endpoint_slice["metadata"]
    name = metadata.get("labels", {}).get(SERVICE_NAME)
    return f"{metadata['namespace']}/{name}" if name else None


def plan_servers(service: Json, slices: Sequence[Json]) -> tuple[VirtualServer, ...]:
    """The virtual servers of one Service: each of its addresses with each of its ports.

    None for a Service without an address of its own (headless, or a mere name). IPv4 only.

    Args:
        slices: those that belong to it, in any order.
    """
    spec = service["spec"]
    addresses = list(_addresses(service))
    if spec.get("type") == "ExternalName" or not addresses:
        return ()
    is_sticky = spec.get("sessionAffinity") == "ClientIP"
    servers: list[VirtualServer] = []
    for port in spec.get("ports") or ():
        protocol = port.get("protocol", "TCP")
        endpoints = _endpoints(_Port(port.get("name", ""), protocol), slices)
        lower = cast(Protocol, protocol.lower())  # the API admits TCP, UDP and SCTP only
        servers += [
            VirtualServer(address, port["port"], lower, endpoints, is_sticky) for address in addresses
        ]
        if port.get("nodePort"):
            servers.append(VirtualServer(ANY_LOCAL, port["nodePort"], lower, endpoints, is_sticky))
    return tuple(servers)


def _addresses(service: Json) -> Iterator[str]:
    """Where a Service answers: its cluster IP first, then external ones and those of its load balancer."""
    spec = service["spec"]
    cluster_ip = spec.get("clusterIP", "")
    if cluster_ip in ("", "None"):
        return
    seen = [cluster_ip, *(spec.get("externalIPs") or ())]
    balancer = service.get("status", {}).get("loadBalancer", {})
    seen += [ingress.get("ip", "") for ingress in balancer.get("ingress") or ()]
    yield from (address for address in dict.fromkeys(seen) if address and ":" not in address)


def _endpoints(port: _Port, slices: Sequence[Json]) -> tuple[Endpoint, ...]:
    """In a fixed order, so that an unchanged set is an unchanged value."""
    ready: set[Endpoint] = set()
    terminating: set[Endpoint] = set()
    for number, endpoint in _candidates(port, slices):
        conditions = endpoint.get("conditions") or {}
        places = {Endpoint(address, number) for address in endpoint.get("addresses") or ()}
        if conditions.get("ready") is not False:  # absent means ready, to be on the safe side; so upstream
            ready |= places
        elif conditions.get("serving") and conditions.get("terminating"):
            terminating |= places
    return tuple(sorted(ready or terminating))


def _candidates(port: _Port, slices: Sequence[Json]) -> Iterator[tuple[int, Json]]:
    """The endpoints that serve a port, each with the number it has there."""
    for endpoint_slice in slices:
        if endpoint_slice.get("addressType") != "IPv4":
            continue
        for offered in endpoint_slice.get("ports") or ():
            same = _Port(offered.get("name") or "", offered.get("protocol") or "TCP") == port
            if same and offered.get("port"):
                for endpoint in endpoint_slice.get("endpoints") or ():
                    yield offered["port"], endpoint
