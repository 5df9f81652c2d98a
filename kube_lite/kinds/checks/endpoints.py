"""Rules for the addresses behind Services: Endpoints and EndpointSlices.

Source: ``ValidateEndpoints`` in ``pkg/apis/core/validation``, and ``pkg/apis/discovery/validation``.
"""

from collections.abc import Iterator, Sequence

from kube_lite.api.errors import Cause
from kube_lite.api.fielderrors import duplicate, each, invalid, one_of, required, too_many
from kube_lite.api.identity import Json
from kube_lite.api.metadata_rules import check_labels
from kube_lite.api.names import (
    Check,
    check_label,
    check_label_value,
    check_qualified_name,
    check_subdomain,
)

from .containers import PROTOCOLS
from .values import (
    check_canonical_ip,
    check_domain_name,
    check_ip,
    check_port,
    parse_ip,
    parse_sloppy_ip,
)

ADDRESS_TYPES = ("FQDN", "IPv4", "IPv6")
SLICE_ADDRESSES_MAX, SLICE_ENDPOINTS_MAX, SLICE_PORTS_MAX = 100, 1000, 20000
TOPOLOGY_MAX, HINTS_MAX = 16, 8
FIRST_POD_LOOPBACK, END_OF_POD_LOOPBACK = bytes([127, 64, 0, 0]), bytes([127, 192, 0, 0])
"""Where the Pods of a host without pod networks have their addresses; there Services lead to those."""


def check_reachable(text: str, path: str) -> Iterator[Cause]:
    """An address that is not special: not unspecified, loopback, link-local."""
    ip = parse_sloppy_ip(text)
    if ip is None:
        yield invalid(path, text, "must be a valid IP address")
        return
    if ip.is_unspecified:
        yield invalid(path, text, f"may not be unspecified ({text})")
    if ip.is_loopback and not FIRST_POD_LOOPBACK <= ip.packed < END_OF_POD_LOOPBACK:
        yield invalid(path, text, "may not be in the loopback range (127.0.0.0/8, ::1/128)")
    if ip.is_link_local:
        yield invalid(path, text, "may not be in the link-local range (169.254.0.0/16, fe80::/10)")
    if ip.is_multicast and text.startswith(("224.0.0.", "ff02:")):
        yield invalid(path, text, "may not be in the link-local multicast range (224.0.0.0/24, ff02::/10)")


def check_endpoints(endpoints: Json) -> Iterator[Cause]:
    """Endpoints, the old form."""
    for position, subset in enumerate(endpoints.get("subsets") or ()):
        here = f"subsets[{position}]"
        if not subset.get("addresses") and not subset.get("notReadyAddresses"):
            yield required(here, "must specify `addresses` or `notReadyAddresses`")
        for kind in ("addresses", "notReadyAddresses"):
            for place, address in enumerate(subset.get(kind) or ()):
                yield from _check_address(address, f"{here}.{kind}[{place}]")
        ports = subset.get("ports") or ()
        for place, port in enumerate(ports):
            yield from _check_port(port, f"{here}.ports[{place}]", needs_name=len(ports) > 1)


def _check_address(address: Json, path: str) -> Iterator[Cause]:
    ip, node = address.get("ip") or "", address.get("nodeName")
    yield from check_ip(f"{path}.ip", ip)
    if address.get("hostname"):
        yield from each(f"{path}.hostname", address["hostname"], check_label(address["hostname"]))
    if node is not None:
        yield from each(f"{path}.nodeName", node, check_subdomain(node))
    yield from check_reachable(ip, f"{path}.ip")


def _check_port(port: Json, path: str, *, needs_name: bool) -> Iterator[Cause]:
    name, protocol, what = port.get("name") or "", port.get("protocol") or "", port.get("appProtocol")
    if name:
        yield from each(f"{path}.name", name, check_label(name))
    elif needs_name:
        yield required(f"{path}.name")
    yield from check_port(f"{path}.port", port.get("port") or 0)
    if not protocol:
        yield required(f"{path}.protocol")
    else:
        yield from one_of(f"{path}.protocol", protocol, PROTOCOLS)
    if what is not None:
        yield from each(f"{path}.appProtocol", what, check_qualified_name(what))


def check_endpoint_slice(endpoint_slice: Json) -> Iterator[Cause]:
    """An EndpointSlice."""
    kind = endpoint_slice.get("addressType") or ""
    if not kind:
        yield required("addressType")
    else:
        yield from one_of("addressType", kind, ADDRESS_TYPES)
    ports, endpoints = endpoint_slice.get("ports") or (), endpoint_slice.get("endpoints") or ()
    if len(ports) > SLICE_PORTS_MAX:
        yield too_many("ports", len(ports), SLICE_PORTS_MAX)
    else:
        yield from _check_slice_ports(ports)
    if len(endpoints) > SLICE_ENDPOINTS_MAX:
        yield too_many("endpoints", len(endpoints), SLICE_ENDPOINTS_MAX)
        return
    for position, endpoint in enumerate(endpoints):
        yield from _check_endpoint(endpoint, kind, f"endpoints[{position}]")


def _check_endpoint(endpoint: Json, kind: str, path: str) -> Iterator[Cause]:
    addresses, here = endpoint.get("addresses") or (), f"{path}.addresses"
    if not addresses:
        yield required(here, "must contain at least 1 address")
    elif len(addresses) > SLICE_ADDRESSES_MAX:
        yield too_many(here, len(addresses), SLICE_ADDRESSES_MAX)
    for place, address in enumerate(addresses):
        if kind == "FQDN":
            yield from check_domain_name(f"{here}[{place}]", address)
        elif kind in ADDRESS_TYPES:
            yield from _check_slice_address(address, kind, here, f"{here}[{place}]")
    yield from _check_place(endpoint, path)


def _check_place(endpoint: Json, path: str) -> Iterator[Cause]:
    node, host, topology = (endpoint.get(field) for field in ("nodeName", "hostname", "deprecatedTopology"))
    if node is not None:
        yield from each(f"{path}.nodeName", node, check_subdomain(node))
    if topology and len(topology) > TOPOLOGY_MAX:
        yield too_many(f"{path}.deprecatedTopology", len(topology), TOPOLOGY_MAX)
    yield from check_labels(topology or {}, f"{path}.deprecatedTopology")
    if host is not None:
        yield from each(f"{path}.hostname", host, check_label(host))
    hints = endpoint.get("hints") or {}
    for field, check in (("forZones", check_label_value), ("forNodes", check_subdomain)):
        if hints.get(field):
            yield from _check_hints(hints[field], check, f"{path}.hints.{field}")


def _check_hints(hints: Sequence[Json], check: Check, path: str) -> Iterator[Cause]:
    if len(hints) > HINTS_MAX:
        yield too_many(path, len(hints), HINTS_MAX)
        return
    names: set[str] = set()
    for position, hint in enumerate(hints):
        here, name = f"{path}[{position}].name", hint.get("name") or ""
        if name in names:
            yield duplicate(here, name)
        names.add(name)
        yield from each(here, name, check(name))


def _check_slice_address(address: str, kind: str, every: str, path: str) -> Iterator[Cause]:
    wrong = list((check_ip if kind == "IPv4" else check_canonical_ip)(path, address))
    yield from wrong
    ip = parse_ip(address)
    if wrong or ip is None:
        return
    if f"IPv{ip.version}" != kind:
        yield invalid(every, address, f"must be an {kind} address")
    yield from check_reachable(address, path)


def _check_slice_ports(ports: Sequence[Json]) -> Iterator[Cause]:
    names: set[str] = set()
    for position, port in enumerate(ports):
        here = f"ports[{position}]"
        name, what = port.get("name") or "", port.get("appProtocol")
        if name:
            yield from each(f"{here}.name", name, check_label(name))
        if name in names:
            yield duplicate(f"{here}.name", name)
        names.add(name)
        protocol = port.get("protocol")
        if protocol is None:
            yield required(f"{here}.protocol")
        else:
            yield from one_of(f"{here}.protocol", protocol, PROTOCOLS)
        if what is not None:
            yield from each(f"{here}.appProtocol", what, check_qualified_name(what))


def check_slice_update(new: Json, old: Json) -> Iterator[Cause]:
    """The kind of addresses is decided once."""
    if new.get("addressType") != old.get("addressType"):
        yield invalid("addressType", new.get("addressType"), "field is immutable")
