"""Rules for Services and for the addresses behind them."""

from collections.abc import Iterator

from kube_lite.api.errors import Cause
from kube_lite.api.fielderrors import Shown, duplicate, each, forbidden, invalid, one_of, required
from kube_lite.api.gotext import go_quote
from kube_lite.api.identity import Json
from kube_lite.api.metadata_rules import check_labels
from kube_lite.api.names import check_label, check_qualified_name, check_subdomain

from .containers import PROTOCOLS
from .values import (
    BAD_CIDR,
    BAD_IP,
    check_ip,
    check_port,
    check_port_or_name,
    parse_ip,
    parse_network,
)

TYPES = ("ClusterIP", "ExternalName", "LoadBalancer", "NodePort")
AFFINITIES = ("ClientIP", "None")
AFFINITY_MAX = 86400
PORT_FIELDS = ("Name", "Protocol", "AppProtocol", "Port", "TargetPort", "NodePort")
ADDRESS_TYPES = ("FQDN", "IPv4", "IPv6")
SLICE_ADDRESSES_MAX, SLICE_ENDPOINTS_MAX, SLICE_PORTS_MAX = 100, 1000, 20000

FIRST_POD_LOOPBACK, END_OF_POD_LOOPBACK = bytes([127, 64, 0, 0]), bytes([127, 192, 0, 0])
"""Where the Pods of a host without pod networks have their addresses; there Services lead to those."""


def check_service(service: Json) -> Iterator[Cause]:
    """A Service, its addresses and node ports as far as they can be judged without a registry of them."""
    spec = service.get("spec") or {}
    kind, ips = spec.get("type") or "", spec.get("clusterIPs") or []
    headless = "None" in ips or spec.get("clusterIP") == "None"
    ports = spec.get("ports") or []
    if not ports and not headless and kind != "ExternalName":
        yield required("spec.ports")
    if kind in ("NodePort", "LoadBalancer") and headless:
        yield invalid("spec.clusterIPs[0]", "None", f"may not be set to 'None' for {kind} services")
    if kind == "ExternalName":
        yield from _check_external_name(spec, ips)
    yield from _check_service_ports(ports, headless)
    yield from check_labels(spec.get("selector") or {}, "spec.selector")
    yield from _check_affinity(spec)
    yield from _check_addresses(spec, ips)
    if not kind:
        yield required("spec.type")
    else:
        yield from one_of("spec.type", kind, TYPES)
    yield from _check_node_ports(ports, kind)
    yield from _check_repeated_ports(ports)
    yield from _check_load_balancer(spec, kind)
    yield from _check_policies(spec, kind)


def _check_affinity(spec: Json) -> Iterator[Cause]:
    affinity = spec.get("sessionAffinity") or ""
    if not affinity:
        yield required("spec.sessionAffinity")
    else:
        yield from one_of("spec.sessionAffinity", affinity, AFFINITIES)
    yield from _check_affinity_config(spec, affinity)


def _check_addresses(spec: Json, ips: list[str]) -> Iterator[Cause]:
    if ips and spec.get("clusterIP") and ips[0] != spec["clusterIP"]:
        yield invalid("spec.clusterIPs", ips, "first value must match `clusterIP`")
    for position, ip in enumerate(ips):
        if ip not in ("", "None"):
            yield from check_ip(f"spec.clusterIPs[{position}]", ip)
    for position, ip in enumerate(spec.get("externalIPs") or ()):
        yield from _check_external_ip(ip, f"spec.externalIPs[{position}]")


def _check_node_ports(ports: list[Json], kind: str) -> Iterator[Cause]:
    if kind in ("NodePort", "LoadBalancer"):
        return
    for position, port in enumerate(ports):
        if port.get("nodePort"):
            yield forbidden(f"spec.ports[{position}].nodePort", "may not be used when `type` is 'ClusterIP'")


def _check_external_name(spec: Json, ips: list[str]) -> Iterator[Cause]:
    if ips and ips != [""]:
        yield forbidden("spec.clusterIPs", "may not be set for ExternalName services")
    name = (spec.get("externalName") or "").removesuffix(".")
    if name:
        yield from each("spec.externalName", name, check_subdomain(name))
    else:
        yield required("spec.externalName")


def _check_service_ports(ports: list[Json], headless: bool) -> Iterator[Cause]:
    names: set[str] = set()
    for position, port in enumerate(ports):
        here = f"spec.ports[{position}]"
        name = port.get("name") or ""
        if not name:
            if len(ports) > 1:
                yield required(f"{here}.name")
        else:
            yield from each(f"{here}.name", name, check_label(name))
            if name in names:
                yield duplicate(f"{here}.name", name)
            names.add(name)
        yield from check_port(f"{here}.port", port.get("port") or 0)
        protocol = port.get("protocol") or ""
        if not protocol:
            yield required(f"{here}.protocol")
        else:
            yield from one_of(f"{here}.protocol", protocol, PROTOCOLS)
        yield from check_port_or_name(f"{here}.targetPort", port.get("targetPort"))
        if port.get("appProtocol"):
            yield from each(
                f"{here}.appProtocol", port["appProtocol"], check_qualified_name(port["appProtocol"])
            )


def _check_repeated_ports(ports: list[Json]) -> Iterator[Cause]:
    seen: set[tuple[str, int]] = set()
    node_ports: set[tuple[str, int]] = set()
    for position, port in enumerate(ports):
        protocol = port.get("protocol") or ""
        key, node_key = (protocol, port.get("port", 0)), (protocol, port.get("nodePort", 0))
        if node_key[1] and node_key in node_ports:
            yield duplicate(f"spec.ports[{position}].nodePort", node_key[1])
        if key in seen:
            yield duplicate(f"spec.ports[{position}]", show_port(protocol, key[1]))
        seen.add(key)
        node_ports.add(node_key)


def show_port(protocol: str, port: int) -> Shown:
    """A port as the internal struct, of which only protocol and number are compared."""
    values = ('""', go_quote(protocol), "null", str(port), "0", "0")
    fields = ",".join(f'"{field}":{value}' for field, value in zip(PORT_FIELDS, values, strict=True))
    return Shown("{" + fields + "}")


def _check_affinity_config(spec: Json, affinity: str) -> Iterator[Cause]:
    config = spec.get("sessionAffinityConfig")
    if affinity == "ClientIP":
        seconds = ((config or {}).get("clientIP") or {}).get("timeoutSeconds")
        here = "spec.sessionAffinityConfig.clientIP.timeoutSeconds"
        if seconds is None:
            yield required("spec.sessionAffinityConfig", f"when session affinity type is {affinity}")
        elif not 0 < seconds <= AFFINITY_MAX:
            yield invalid(here, seconds, f"must be greater than 0 and less than {AFFINITY_MAX}")
    elif affinity == "None" and config is not None:
        why = "must not be set when session affinity is None"
        yield forbidden("spec.sessionAffinityConfig", why)


def _check_external_ip(text: str, path: str) -> Iterator[Cause]:
    ip = parse_ip(text)
    if ip is None:
        yield invalid(path, text, BAD_IP)
        return
    yield from check_reachable(text, path)


def check_reachable(text: str, path: str) -> Iterator[Cause]:
    """An address that is not special: not unspecified, loopback, link-local."""
    ip = parse_ip(text)
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


def _check_load_balancer(spec: Json, kind: str) -> Iterator[Cause]:
    ranges = spec.get("loadBalancerSourceRanges") or ()
    if ranges and kind != "LoadBalancer":
        yield forbidden("spec.LoadBalancerSourceRanges", "may only be used when `type` is 'LoadBalancer'")
    for position, text in enumerate(ranges):
        if "/" not in text or parse_network(text.strip()) is None:
            yield invalid(f"spec.LoadBalancerSourceRanges[{position}]", text, BAD_CIDR)
    if spec.get("allocateLoadBalancerNodePorts") is not None and kind != "LoadBalancer":
        yield forbidden(
            "spec.allocateLoadBalancerNodePorts", "may only be used when `type` is 'LoadBalancer'"
        )
    if spec.get("loadBalancerClass") is not None and kind != "LoadBalancer":
        yield forbidden("spec.loadBalancerClass", "may only be used when `type` is 'LoadBalancer'")


def _check_policies(spec: Json, kind: str) -> Iterator[Cause]:
    external = spec.get("externalTrafficPolicy") or ""
    reachable = kind in ("NodePort", "LoadBalancer") or (kind == "ClusterIP" and spec.get("externalIPs"))
    if not reachable:
        if external:
            why = "may only be set for externally-accessible services"
            yield invalid("spec.externalTrafficPolicy", external, why)
    elif not external:
        yield required("spec.externalTrafficPolicy")
    else:
        yield from one_of("spec.externalTrafficPolicy", external, ("Cluster", "Local"))
    internal = spec.get("internalTrafficPolicy")
    if internal is not None:
        yield from one_of("spec.internalTrafficPolicy", internal, ("Cluster", "Local"))
    for position, family in enumerate(spec.get("ipFamilies") or ()):
        yield from one_of(f"spec.ipFamilies[{position}]", family, ("IPv4", "IPv6"))
    if spec.get("ipFamilyPolicy") is not None:
        known = ("PreferDualStack", "RequireDualStack", "SingleStack")
        yield from one_of("spec.ipFamilyPolicy", spec["ipFamilyPolicy"], known)


def check_service_update(new: Json, old: Json) -> Iterator[Cause]:
    """The first address stays, as long as the type needs one."""
    spec, before = new.get("spec") or {}, old.get("spec") or {}
    ips, old_ips = spec.get("clusterIPs") or [], before.get("clusterIPs") or []
    kinds = (before.get("type"), spec.get("type"))
    first = ips[0] if ips else ""
    fixed = "ExternalName" not in kinds and old_ips and old_ips[0]
    if fixed and first != old_ips[0] and spec.get("clusterIP", first) == first:
        yield invalid("spec.clusterIPs[0]", ips, "may not change once set")
    classes = spec.get("loadBalancerClass"), before.get("loadBalancerClass")
    if kinds == ("LoadBalancer", "LoadBalancer") and classes[0] != classes[1]:
        yield invalid("spec.loadBalancerClass", classes[0], "may not change once set")


def check_endpoints(endpoints: Json) -> Iterator[Cause]:
    """Endpoints, the old form."""
    for position, subset in enumerate(endpoints.get("subsets") or ()):
        here = f"subsets[{position}]"
        if not subset.get("addresses") and not subset.get("notReadyAddresses"):
            yield required(here, "must specify `addresses` or `notReadyAddresses`")
        for kind in ("addresses", "notReadyAddresses"):
            for place, address in enumerate(subset.get(kind) or ()):
                at = f"{here}.{kind}[{place}].ip"
                yield from check_ip(at, address.get("ip") or "")
                yield from check_reachable(address.get("ip") or "", at)
        ports = subset.get("ports") or ()
        for place, port in enumerate(ports):
            at = f"{here}.ports[{place}]"
            if not port.get("name"):
                if len(ports) > 1:
                    yield required(f"{at}.name")
            else:
                yield from each(f"{at}.name", port["name"], check_label(port["name"]))
            yield from check_port(f"{at}.port", port.get("port") or 0)
            yield from one_of(f"{at}.protocol", port.get("protocol"), PROTOCOLS)


def check_endpoint_slice(endpoint_slice: Json) -> Iterator[Cause]:
    """An EndpointSlice."""
    kind = endpoint_slice.get("addressType") or ""
    if not kind:
        yield required("addressType")
    else:
        yield from one_of("addressType", kind, ADDRESS_TYPES)
    for position, endpoint in enumerate(endpoint_slice.get("endpoints") or ()):
        here = f"endpoints[{position}].addresses"
        addresses = endpoint.get("addresses") or ()
        if not addresses:
            yield required(here, "must contain at least 1 address")
        for place, address in enumerate(addresses):
            if kind == "FQDN":
                yield from each(f"{here}[{place}]", address, check_subdomain(address))
            elif kind in ("IPv4", "IPv6"):
                yield from _check_slice_address(address, kind, f"{here}[{place}]")
    yield from _check_slice_ports(endpoint_slice.get("ports") or [])


def _check_slice_ports(ports: list[Json]) -> Iterator[Cause]:
    names: set[str] = set()
    for position, port in enumerate(ports):
        here = f"ports[{position}]"
        name = port.get("name") or ""
        if name:
            yield from each(f"{here}.name", name, check_label(name))
        if name in names:
            yield duplicate(f"{here}.name", name)
        names.add(name)
        yield from one_of(f"{here}.protocol", port.get("protocol"), PROTOCOLS)


def _check_slice_address(address: str, kind: str, path: str) -> Iterator[Cause]:
    ip = parse_ip(address)
    if ip is None:
        yield invalid(path, address, BAD_IP)
    elif f"IPv{ip.version}" != kind:
        yield invalid(path, address, f"must be an {kind} address")
    else:
        yield from check_reachable(address, path)


def check_slice_update(new: Json, old: Json) -> Iterator[Cause]:
    """The kind of addresses is decided once."""
    if new.get("addressType") != old.get("addressType"):
        yield invalid("addressType", new.get("addressType"), "field is immutable")
