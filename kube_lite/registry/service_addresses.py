"""Where a Service leads: its endpoints, chosen by the server itself, which does not ask the cluster's DNS.

For what the server calls of its own accord: webhooks, and the APIs of others. Whoever may write a definition
of these decides where they lead, so addresses are taken as they are.
Source: ``apiserver/pkg/util/proxy/proxy.go`` (``ResolveEndpoint``).
"""

from collections.abc import Callable, Iterator
from typing import NamedTuple

from kube_lite.api.identity import GroupResource, Json, ObjectKey

SERVICES = GroupResource("", "services")
ENDPOINTS = GroupResource("", "endpoints")

Look = Callable[[GroupResource, ObjectKey], Json | None]
"""Finds an object as it is now; None where there is none."""


class Address(NamedTuple):
    """Where to connect: an IP address, or the name that an ExternalName stands for."""

    host: str
    port: int


class NoAddress(Exception):
    """A Service that leads nowhere; says why."""


def addresses_of(look: Look, key: ObjectKey, port: int) -> list[Address]:
    """The ready endpoints behind a port of a Service, in the order of the Endpoints.

    Raises:
        NoAddress: there are none.
    """
    service = look(SERVICES, key)
    if service is None:
        raise NoAddress(f'service "{key.name}" not found')
    spec = service["spec"]
    if spec.get("type") == "ExternalName":
        return [Address(spec["externalName"], port)]
    named = next(
        (entry.get("name") or "" for entry in spec.get("ports") or () if entry["port"] == port), None
    )
    if named is None:
        raise NoAddress(f'no service port {port} found for service "{key.name}"')
    found = list(_serving(look(ENDPOINTS, key) or {}, named))
    if not found:
        raise NoAddress(f'no endpoints available for service "{key.name}"')
    return found


def _serving(endpoints: Json, port: str) -> Iterator[Address]:
    for subset in endpoints.get("subsets") or ():
        for entry in subset.get("ports") or ():
            if (entry.get("name") or "") == port:
                for address in subset.get("addresses") or ():
                    yield Address(address["ip"], entry["port"])
