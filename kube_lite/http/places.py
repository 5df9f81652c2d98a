"""Where a request behind ``proxy`` goes: to a Pod, to one of a Service's, or to a node.

Pure decisions, in the words in which the real server refuses. A Service's endpoints are taken from those that
are ready Pods of its namespace, so that nobody reaches other addresses by writing them into Endpoints.
Source: ``pkg/registry/core/pod/strategy.go`` (ResourceLocation), ``service/storage/storage.go`` and
``node/strategy.go``; ``apimachinery/pkg/util/net/port_split.go``.
"""

import random
from collections.abc import Iterator, Mapping
from ipaddress import ip_address
from typing import NamedTuple

from kube_lite.api.errors import BadRequest, ServiceUnavailable
from kube_lite.api.identity import Json

from .backends import Backend

SCHEMES = ("", "http", "https")


class Named(NamedTuple):
    """What a path calls ``https:web:8443``; all but the name may be empty."""

    scheme: str
    name: str
    port: str


class Place(NamedTuple):
    """Where to connect. ``port`` may be empty, for the scheme's own. ``is_node``: with our certificate."""

    scheme: str
    host: str
    port: str
    is_node: bool = False

    @property
    def url(self) -> str:
        """``http://10.0.0.1:8080``, without a path."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.scheme or 'http'}://{host}" + (f":{self.port}" if self.port else "")


def parse_named(text: str, kind: str) -> Named:
    """Read ``web``, ``web:8080`` or ``https:web:port``.

    Raises:
        BadRequest: it is none of these.
    """
    parts = text.split(":")
    named = Named("", parts[0], "".join(parts[1:])) if len(parts) < 3 else Named(*parts[:3])
    if len(parts) > 3 or not named.name or named.scheme not in SCHEMES:
        raise BadRequest(f'invalid {kind} request "{text}"')
    return named


def place_of_pod(pod: Json, named: Named) -> Place:
    """A Pod's address, with the first port it declares where none is asked for.

    Raises:
        BadRequest: it has no address, or one that leads to the host itself.
    """
    address = (pod.get("status") or {}).get("podIP", "")
    refuse_address(address)
    port = named.port
    if not port:
        ports = (container.get("ports") or () for container in pod["spec"].get("containers") or ())
        port = next((str(found[0]["containerPort"]) for found in ports if found), "")
    return Place(named.scheme, address, port)


def refuse_address(address: str) -> None:
    """Raise ``BadRequest`` for an address that leads nowhere or to the host itself."""
    try:
        ip = ip_address(address)
    except ValueError:
        raise BadRequest("address not allowed") from None
    if ip.is_loopback or ip.is_link_local or ip.is_multicast or ip.is_unspecified:
        raise BadRequest("address not allowed")


def port_name(service: Json, named: Named) -> str:
    """The name of the Service's port that is asked for, by name or by number; empty for the one without.

    Raises:
        ServiceUnavailable: it has none of that number.
    """
    if not named.port.lstrip("+-").isdecimal():
        return named.port
    number = int(named.port)
    for port in service.get("spec", {}).get("ports") or ():
        if port.get("port") == number:
            return str(port.get("name") or "")
    raise ServiceUnavailable(f'no service port {number} found for service "{named.name}"')


def places_of_service(endpoints: Json, port: str, source: random.Random) -> Iterator[tuple[str, Json, int]]:
    """Addresses that serve the port, in random order: each with the Pod it claims to be, and its port."""
    subsets = list(endpoints.get("subsets") or ())
    source.shuffle(subsets)
    for subset in subsets:
        for entry in subset.get("ports") or ():
            if (entry.get("name") or "") == port:
                addresses = list(subset.get("addresses") or ())
                source.shuffle(addresses)
                for address in addresses:
                    yield address["ip"], address.get("targetRef") or {}, entry["port"]


def is_address_of(pod: Json | None, address: str) -> bool:
    """Whether an endpoint's address is really that of the Pod it refers to."""
    status = (pod or {}).get("status") or {}
    return address in [entry.get("ip") for entry in status.get("podIPs") or ()]


def nothing_serves(text: str) -> ServiceUnavailable:
    """The answer where there is nobody to pass a request on to; ``text`` is the name as the path has it."""
    return ServiceUnavailable(f'no endpoints available for service "{text}"')


def place_of_node(backend: Backend, named: Named) -> Place:
    """The node's own API, or another port of it.

    Raises:
        BadRequest: the other port is one of this very host.
    """
    if named.port in ("", str(backend.port)):
        return Place("https", backend.host, str(backend.port), is_node=True)
    refuse_address(backend.host)
    return Place(named.scheme, backend.host, named.port)


def rest_of(raw_path: str, *, is_namespaced: bool) -> tuple[str, str]:
    """Split the path of a request, escaped as it came, behind ``proxy``: ``("/api/…/proxy", "/a%20b/")``."""
    parts = raw_path.split("/")
    behind = 8 if is_namespaced else 6
    return "/".join(parts[:behind]), "".join(f"/{part}" for part in parts[behind:])


def rewritten(location: str, prefix: str, hosts: Mapping[str, str]) -> str:
    """A redirection as the client can follow it: below the prefix, where it leads to the same server.

    Args:
        hosts: ``backend`` and ``client``: what the server is called there, and what the client calls us.
    """
    scheme, separator, rest = location.partition("://")
    host, path = "", location
    if separator and scheme.isalpha():
        host, slash, tail = rest.partition("/")
        path = slash + tail
    if (host and host not in hosts.values()) or not path.startswith("/"):
        return location
    if path.startswith(prefix):
        return path if host != hosts["client"] else location
    return f"{scheme}://{host}{prefix}{path}" if host and host == hosts["client"] else prefix + path
