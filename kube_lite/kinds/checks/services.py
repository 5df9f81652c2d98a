"""Rules for Services: ports, addresses, what balances load, and where traffic may go.

Source: ``ValidateServiceCreate`` and ``ValidateServiceUpdate`` in ``pkg/apis/core/validation/validation.go``.
"""

from collections.abc import Iterator

from kube_lite.api.errors import Cause
from kube_lite.api.fielderrors import (
    Shown,
    duplicate,
    each,
    forbidden,
    invalid,
    not_supported,
    one_of,
    required,
)
from kube_lite.api.gotext import go_quote
from kube_lite.api.identity import Json
from kube_lite.api.metadata_rules import check_labels
from kube_lite.api.names import check_label, check_qualified_name, check_subdomain

from .containers import PROTOCOLS
from .endpoints import check_reachable
from .values import check_cidr, check_ip, check_port, check_port_or_name, parse_ip

TYPES = ("ClusterIP", "ExternalName", "LoadBalancer", "NodePort")
AFFINITIES = ("ClientIP", "None")
AFFINITY_MAX = 86400
PORT_FIELDS = ("Name", "Protocol", "AppProtocol", "Port", "TargetPort", "NodePort")
FAMILIES = ("IPv4", "IPv6")
FAMILY_POLICIES = ("PreferDualStack", "RequireDualStack", "SingleStack")
TRAFFIC_POLICIES = ("Cluster", "Local")
DISTRIBUTIONS = ("PreferClose", "PreferSameZone", "PreferSameNode")
ADDRESSES_MAX = 2
TOPOLOGY_HINTS, TOPOLOGY_MODE = (
    "service.kubernetes.io/topology-aware-hints", "service.kubernetes.io/topology-mode",
)  # fmt: skip
SOURCE_RANGES = "service.beta.kubernetes.io/load-balancer-source-ranges"
ONLY_BALANCED = "may only be used when `type` is 'LoadBalancer'"
NULL = Shown("null")


def check_service(service: Json) -> Iterator[Cause]:
    """A Service, its addresses and node ports as far as they can be judged without a registry of them."""
    spec, annotations = service.get("spec") or {}, service["metadata"].get("annotations") or {}
    kind, ips = spec.get("type") or "", spec.get("clusterIPs") or []
    mode, hints = annotations.get(TOPOLOGY_MODE), annotations.get(TOPOLOGY_HINTS)
    if mode is not None and hints is not None and mode != hints:
        why = f"must match annotations[{TOPOLOGY_HINTS}] when both are specified"
        yield invalid(f"metadata.annotations[{TOPOLOGY_MODE}]", mode, why)
    headless, ports = is_headless(spec), spec.get("ports") or []
    if not ports and not headless and kind != "ExternalName":
        yield required("spec.ports")
    if kind in ("NodePort", "LoadBalancer") and headless:
        yield invalid("spec.clusterIPs[0]", "None", f"may not be set to 'None' for {kind} services")
    if kind == "ExternalName":
        yield from _check_external_name(spec, ips)
    yield from _check_service_ports(ports)
    yield from check_labels(spec.get("selector") or {}, "spec.selector")
    yield from _check_affinity(spec)
    for position, ip in enumerate(spec.get("externalIPs") or ()):
        here = f"spec.externalIPs[{position}]"
        yield from list(check_ip(here, ip)) or check_reachable(ip, here)
    if not kind:
        yield required("spec.type")
    else:
        yield from one_of("spec.type", kind, TYPES)
    yield from _check_repeated_ports(ports, kind)
    yield from _check_load_balancer(spec, annotations, kind)
    yield from _check_policies(spec, kind)


def check_own_addresses(service: Json) -> list[Cause]:
    """What is wrong with the addresses and families of a Service, where its type has such."""
    spec = service.get("spec") or {}
    if spec.get("type") == "ExternalName":
        return []
    return list(_check_addresses(spec, spec.get("clusterIPs") or [], is_headless(spec)))


def is_headless(spec: Json) -> bool:
    """Whether a Service has no address of its own."""
    return spec.get("clusterIPs") == ["None"]


def _check_affinity(spec: Json) -> Iterator[Cause]:
    affinity, config = spec.get("sessionAffinity") or "", spec.get("sessionAffinityConfig")
    if not affinity:
        yield required("spec.sessionAffinity")
    else:
        yield from one_of("spec.sessionAffinity", affinity, AFFINITIES)
    here = "spec.sessionAffinityConfig"
    if affinity == "ClientIP":
        seconds = ((config or {}).get("clientIP") or {}).get("timeoutSeconds")
        if seconds is None:
            yield required(here, f"when session affinity type is {affinity}")
        elif not 0 < seconds <= AFFINITY_MAX:
            why = f"must be greater than 0 and less than {AFFINITY_MAX}"
            yield invalid(f"{here}.clientIP.timeoutSeconds", seconds, why)
    elif affinity == "None" and config is not None:
        yield forbidden(here, "must not be set when session affinity is None")


def _check_addresses(spec: Json, ips: list[str], headless: bool) -> Iterator[Cause]:
    here, first = "spec.clusterIPs", spec.get("clusterIP") or ""
    if first and not ips:
        yield required(here)
    elif first and ips[0] != first:
        yield invalid(here, ips, "first value must match `clusterIP`")
    elif ips and not first:
        yield invalid(here, ips, "must be empty when `clusterIP` is not specified")
    families = spec.get("ipFamilies") or []
    for position, family in enumerate(families):
        yield from one_of(f"spec.ipFamilies[{position}]", family, FAMILIES)
        if family in families[:position]:
            yield duplicate(f"spec.ipFamilies[{position}]", family)
    if spec.get("ipFamilyPolicy") is not None:
        yield from one_of("spec.ipFamilyPolicy", spec["ipFamilyPolicy"], FAMILY_POLICIES)
    wrong = list(_check_each_address(ips))
    yield from wrong
    if len(ips) > ADDRESSES_MAX:
        yield invalid(here, ips, f"may only hold up to {ADDRESSES_MAX} values")
    if not wrong and not headless:
        yield from _check_families(ips, families)


def _check_each_address(ips: list[str]) -> Iterator[Cause]:
    for position, ip in enumerate(ips):
        if position == 0 and ip == "None":
            if len(ips) > 1:
                yield invalid("spec.clusterIPs", ips, "'None' must be the first and only value")
            continue
        yield from check_ip(f"spec.clusterIPs[{position}]", ip)


def _check_families(ips: list[str], families: list[str]) -> Iterator[Cause]:
    versions = [f"IPv{ip.version}" for ip in map(parse_ip, ips) if ip is not None]
    if len(ips) > 1 and len(set(versions)) < len(FAMILIES):
        yield invalid("spec.clusterIPs", ips, "may specify no more than one IP for each IP family")
    for position, (version, family) in enumerate(zip(versions, families, strict=False)):
        if family in FAMILIES and version != family:
            why = f"expected an {family} value as indicated by `ipFamilies[{position}]`"
            yield invalid(f"spec.clusterIPs[{position}]", ips[position], why)


def _check_external_name(spec: Json, ips: list[str]) -> Iterator[Cause]:
    why = "may not be set for ExternalName services"
    if ips:
        yield forbidden("spec.clusterIPs", why)
    if spec.get("ipFamilies"):
        yield forbidden("spec.ipFamilies", why)
    if spec.get("ipFamilyPolicy") is not None:
        yield forbidden("spec.ipFamilyPolicy", why)
    name = (spec.get("externalName") or "").removesuffix(".")
    if name:
        yield from each("spec.externalName", name, check_subdomain(name))
    else:
        yield required("spec.externalName")


def _check_service_ports(ports: list[Json]) -> Iterator[Cause]:
    names: set[str] = set()
    for position, port in enumerate(ports):
        here = f"spec.ports[{position}]"
        name = port.get("name") or ""
        if name:
            yield from each(f"{here}.name", name, check_label(name))
            if name in names:
                yield duplicate(f"{here}.name", name)
            names.add(name)
        elif len(ports) > 1:
            yield required(f"{here}.name")
        yield from check_port(f"{here}.port", port.get("port") or 0)
        protocol = port.get("protocol") or ""
        if not protocol:
            yield required(f"{here}.protocol")
        else:
            yield from one_of(f"{here}.protocol", protocol, PROTOCOLS)
        yield from check_port_or_name(f"{here}.targetPort", port.get("targetPort"))
        what = port.get("appProtocol")
        if what is not None:
            yield from each(f"{here}.appProtocol", what, check_qualified_name(what))


def _check_repeated_ports(ports: list[Json], kind: str) -> Iterator[Cause]:
    if kind == "ClusterIP":
        for position, port in enumerate(ports):
            if port.get("nodePort"):
                why = "may not be used when `type` is 'ClusterIP'"
                yield forbidden(f"spec.ports[{position}].nodePort", why)
    for field in ("nodePort", "port"):
        seen: set[tuple[str, int]] = set()
        for position, port in enumerate(ports):
            protocol, number = port.get("protocol") or "", port.get(field) or 0
            here = f"spec.ports[{position}]"
            if (protocol, number) in seen:
                if field == "port":
                    yield duplicate(here, show_port(protocol, number))
                elif number:
                    yield duplicate(f"{here}.nodePort", number)
            seen.add((protocol, number))


def show_port(protocol: str, port: int) -> Shown:
    """A port as the internal struct, of which only protocol and number are compared."""
    values = ('""', go_quote(protocol), "null", str(port), "0", "0")
    fields = ",".join(f'"{field}":{value}' for field, value in zip(PORT_FIELDS, values, strict=True))
    return Shown("{" + fields + "}")


def _check_load_balancer(spec: Json, annotations: Json, kind: str) -> Iterator[Cause]:
    balanced = kind == "LoadBalancer"
    yield from _check_source_ranges(spec, annotations, balanced=balanced)
    allocates = spec.get("allocateLoadBalancerNodePorts")
    if allocates is not None and not balanced:
        yield forbidden("spec.allocateLoadBalancerNodePorts", ONLY_BALANCED)
    if allocates is None and balanced:
        yield required("allocateLoadBalancerNodePorts")
    if spec.get("loadBalancerClass") is not None:
        yield from _check_class(spec)


def _check_source_ranges(spec: Json, annotations: Json, *, balanced: bool) -> Iterator[Cause]:
    ranges, annotated = spec.get("loadBalancerSourceRanges") or (), annotations.get(SOURCE_RANGES)
    here = "spec.LoadBalancerSourceRanges" if ranges else f"metadata.annotations[{SOURCE_RANGES}]"
    if (ranges or annotated is not None) and not balanced:
        yield forbidden(here, ONLY_BALANCED)
    for position, text in enumerate(ranges):
        yield from check_cidr(f"{here}[{position}]", text.strip())
    if not ranges and annotated and annotated.strip():
        for text in annotated.split(","):
            yield from check_cidr(here, text.strip())


def _check_policies(spec: Json, kind: str) -> Iterator[Cause]:
    external, here = spec.get("externalTrafficPolicy") or "", "spec.externalTrafficPolicy"
    reachable = kind in ("NodePort", "LoadBalancer") or (kind == "ClusterIP" and spec.get("externalIPs"))
    if not reachable:
        if external:
            yield invalid(here, external, "may only be set for externally-accessible services")
    elif not external:
        yield required(here)
    else:
        yield from one_of(here, external, TRAFFIC_POLICIES)
    yield from _check_health_port(spec, needed=kind == "LoadBalancer" and external == "Local")
    internal = spec.get("internalTrafficPolicy")
    if internal is not None:
        yield from one_of("spec.internalTrafficPolicy", internal, TRAFFIC_POLICIES)
    elif kind in ("ClusterIP", "NodePort", "LoadBalancer"):
        yield required("spec.internalTrafficPolicy")
    distribution = spec.get("trafficDistribution")
    if distribution is not None and distribution not in DISTRIBUTIONS:
        yield not_supported("spec.trafficDistribution", distribution, DISTRIBUTIONS)


def _check_health_port(spec: Json, *, needed: bool) -> Iterator[Cause]:
    port, here = spec.get("healthCheckNodePort") or 0, "spec.healthCheckNodePort"
    if not needed and port:
        why = "may only be set when `type` is 'LoadBalancer' and `externalTrafficPolicy` is 'Local'"
        yield invalid(here, port, why)
    elif needed and not port:
        yield required(here)
    elif needed:
        yield from check_port(here, port)


def check_service_update(new: Json, old: Json) -> Iterator[Cause]:
    """Addresses and families stay, as long as the type needs them."""
    spec, before = new.get("spec") or {}, old.get("spec") or {}
    kinds = (before.get("type"), spec.get("type"))
    if "ExternalName" not in kinds:
        yield from _check_changed_addresses(spec, before)
        if not is_headless(spec) and not is_headless(before):
            yield from _check_changed_families(spec, before)
    classes = spec.get("loadBalancerClass"), before.get("loadBalancerClass")
    if kinds == ("LoadBalancer", "LoadBalancer") and classes[0] != classes[1]:
        shown = NULL if classes[0] is None else classes[0]
        yield invalid("spec.loadBalancerClass", shown, "may not change once set")
    if spec.get("loadBalancerClass") is not None:
        yield from _check_class(spec)  # the reference looks at it twice
    needs = [
        each_.get("type") == "LoadBalancer" and each_.get("externalTrafficPolicy") == "Local"
        for each_ in (spec, before)
    ]
    if all(needs) and spec.get("healthCheckNodePort") != before.get("healthCheckNodePort"):
        yield forbidden("spec.healthCheckNodePort", "field is immutable")


def _check_class(spec: Json) -> Iterator[Cause]:
    name = spec["loadBalancerClass"]
    if spec.get("type") == "LoadBalancer":
        yield from each("spec.loadBalancerClass", name, check_qualified_name(name))
    else:
        yield forbidden("spec.loadBalancerClass", ONLY_BALANCED)


def _check_changed_addresses(spec: Json, before: Json) -> Iterator[Cause]:
    ips, had = spec.get("clusterIPs") or [], before.get("clusterIPs") or []
    here, shown = "spec.clusterIPs", spec.get("clusterIPs") or NULL
    if is_headless(spec) and is_headless(before):
        return
    if len(ips) == len(had):
        for position, (ip, other) in enumerate(zip(ips, had, strict=True)):
            if ip != other:
                yield invalid(f"{here}[{position}]", ips, "may not change once set")
        return
    if not ips:
        yield invalid(f"{here}[0]", shown, "primary clusterIP can not be unset")
    if ips and had and ips[0] != had[0]:
        yield invalid(f"{here}[0]", ips, "may not change once set")
    if len(ips) == 1 < len(had):
        yield from _check_single(spec, "clusterIP")


def _check_changed_families(spec: Json, before: Json) -> Iterator[Cause]:
    families, had = spec.get("ipFamilies") or [], before.get("ipFamilies") or []
    here = "spec.ipFamilies[0]"
    if len(families) == len(had):
        for family, other in zip(families, had, strict=True):
            if family != other:
                yield invalid(here, families, "may not change once set")
        return
    if len(families) < len(had) and not spec.get("clusterIPs"):
        yield invalid(here, families or NULL, "primary ipFamily can not be unset")
    if families and had and families[0] != had[0]:
        yield invalid(
            here, spec.get("clusterIPs") or NULL, "may not change once set"
        )  # as the reference shows
    if len(families) == 1 < len(had):
        yield from _check_single(spec, "ipFamily")


def _check_single(spec: Json, what: str) -> Iterator[Cause]:
    policy = spec.get("ipFamilyPolicy")
    if policy != "SingleStack":
        why = f"must be set to 'SingleStack' when releasing the secondary {what}"
        yield invalid("spec.ipFamilyPolicy", NULL if policy is None else policy, why)
