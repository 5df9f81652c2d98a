"""Where a Service leads: the endpoints that are ready, chosen by the server itself.

For what the server calls of its own accord, webhooks and the APIs of others: it makes no difference whether
this host routes the addresses of Services. Pure decisions over the Service and its EndpointSlices.
Source: ``apiserver/pkg/util/proxy/proxy.go`` (``ResolveEndpoint``).
"""

import random
from collections.abc import Iterable
from typing import NamedTuple

from .errors import ServiceUnavailable
from .identity import Json

SERVICE_NAME = "kubernetes.io/service-name"
"""The label of an EndpointSlice that says of which Service it is."""


class Address(NamedTuple):
    """Where to connect."""

    host: str
    port: int

    @property
    def url(self) -> str:
        """``https://10.0.0.1:8443``, without a path."""
        return f"https://{self}"

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def addresses_of(
    name: str, port: int, service: Json | None, slices: Iterable[Json], source: random.Random
) -> list[Address]:
    """Who serves a port of a Service, those of its first family first, else in random order.

    Args:
        service: of that name; None where there is none.
        slices: its EndpointSlices.

    Raises:
        ServiceUnavailable: nobody does.
    """
    if service is None:
        raise ServiceUnavailable(f'service "{name}" not found')
    spec = service["spec"]
    if spec.get("type") == "ExternalName":
        return [Address(spec.get("externalName") or "", port)]
    entry = port_of(service, port)
    if entry is None:
        raise ServiceUnavailable(f'no service port {port} found for service "{name}"')
    family = (spec.get("ipFamilies") or ["IPv4"])[0]
    found = [
        (each.get("addressType") != family, source.random(), Address(endpoint["addresses"][0], number))
        for each in slices
        for number in numbers_in(each, entry.get("name") or "")
        for endpoint in ready_in(each)
    ]
    if not found:
        raise ServiceUnavailable(f'no endpoints available for service "{name}"')
    return [address for *_, address in sorted(found)]


def port_of(service: Json, number: int) -> Json | None:
    """The port of a Service with that number."""
    return next((port for port in service["spec"].get("ports") or () if port.get("port") == number), None)


def ready_in(entry: Json) -> list[Json]:
    """The endpoints of an EndpointSlice that are ready."""
    return [
        endpoint
        for endpoint in entry.get("endpoints") or ()
        if (endpoint.get("conditions") or {}).get("ready") is not False and endpoint.get("addresses")
    ]


def numbers_in(entry: Json, name: str) -> list[int]:
    """The ports of that name in an EndpointSlice."""
    ports = entry.get("ports") or ()
    return [port["port"] for port in ports if (port.get("name") or "") == name and port.get("port")]
