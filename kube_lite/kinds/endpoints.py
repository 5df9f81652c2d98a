"""Endpoints and EndpointSlice: which addresses are behind a service."""

from collections.abc import Container

from kube_lite.api.identity import Json
from kube_lite.api.strategy import AGE, NAME

from .base import Described, Kind, Row, age_of
from .cells import NONE, listed

HOST = "kubernetes.io/hostname"


class EndpointsStrategy(Kind):
    """The old form: one object with all addresses."""

    create_on_update = True
    table = (NAME, Described("Endpoints", "core.v1.Endpoints", "subsets"), AGE)

    def deprecation(self) -> str:
        """Since 1.33 clients are told what to use instead."""
        if int(self._release.split(".")[1]) < 33:
            return ""
        return "v1 Endpoints is deprecated in v1.33+; use discovery.k8s.io/v1 EndpointSlice"

    def cells(self, obj: Json, now: float) -> list[object]:
        """The first few addresses."""
        return [obj["metadata"]["name"], listed(_addresses(obj), NONE), age_of(obj, now)]


def _addresses(endpoints: Json) -> list[str]:
    found: list[str] = []
    for subset in endpoints.get("subsets") or ():
        addresses = [entry["ip"] for entry in subset.get("addresses") or ()]
        ports = subset.get("ports")
        if not ports:
            found += addresses
        for port in ports or ():
            found += [_host_port(address, port["port"]) for address in addresses]
    return found


def _host_port(address: str, port: int) -> str:
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"


class EndpointSliceStrategy(Kind):
    """The new form: slices of at most a hundred or so addresses of one family."""

    has_generation = True
    table = (
        NAME,
        Described("AddressType", "discovery.v1.EndpointSlice", "addressType"),
        Described("Ports", "discovery.v1.EndpointSlice", "ports"),
        Described("Endpoints", "discovery.v1.EndpointSlice", "endpoints"),
        AGE,
    )

    def prepare_for_update(self, obj: Json, old: Json) -> None:
        """Changes of labels count as generations, too.

        Source: ``PrepareForUpdate`` in kubernetes/pkg/registry/discovery/endpointslice/strategy.go.
        """
        generation = old["metadata"].get("generation", 0)
        changed = _meaning(obj) != _meaning(old)
        obj["metadata"]["generation"] = generation + 1 if changed else generation

    def drop_retired(self, obj: Json, old: Json | None) -> None:
        """Topology is kept while endpoints do not change; a node that was known by it is kept as such.

        Source: ``dropTopologyOnV1`` in kubernetes/pkg/registry/discovery/endpointslice/strategy.go.
        """
        endpoints = obj.get("endpoints") or ()
        before = (old.get("endpoints") or ()) if old is not None else ()
        if endpoints == before:
            return
        known = {each["deprecatedTopology"].get(HOST) for each in before if each.get("deprecatedTopology")}
        obj["endpoints"] = [_without_topology(each, known) for each in endpoints]

    def cells(self, obj: Json, now: float) -> list[object]:
        """The first few ports and addresses."""
        endpoints = [
            address for endpoint in obj.get("endpoints") or () for address in endpoint.get("addresses") or ()
        ]
        ports = [_port(port) for port in obj.get("ports") or ()]
        return [
            obj["metadata"]["name"],
            obj.get("addressType", ""),
            listed(ports),
            listed(endpoints),
            age_of(obj, now),
        ]


def _without_topology(endpoint: Json, known: Container[str]) -> Json:
    """The endpoint without a topology; with the node of it, if one of ``known``."""
    if "deprecatedTopology" not in endpoint:
        return endpoint
    bare = {field: value for field, value in endpoint.items() if field != "deprecatedTopology"}
    host = (endpoint["deprecatedTopology"] or {}).get(HOST)
    return {**bare, "nodeName": host} if "nodeName" not in bare and host in known else bare


def _meaning(obj: Json) -> Json:
    return {**obj, "metadata": obj["metadata"].get("labels") or None}


def _port(port: Json) -> str:
    if port.get("port") is not None:
        return str(port["port"])
    return port.get("name") or "*"


ENDPOINTS = Row("Endpoints", "endpoints", EndpointsStrategy, short_names=("ep",))
ENDPOINT_SLICE = Row("EndpointSlice", "endpointslices", EndpointSliceStrategy)
