"""Rules for Ingress, NetworkPolicy and their kin."""

from collections.abc import Iterator

from kube_lite.api.errors import Cause
from kube_lite.api.fielderrors import (
    IMMUTABLE,
    Shown,
    each,
    forbidden,
    immutable,
    invalid,
    not_supported,
    one_of,
    required,
    too_long,
)
from kube_lite.api.identity import Json
from kube_lite.api.names import check_label, check_path_segment, check_subdomain, check_wildcard_subdomain

from .go_struct import go_struct
from .selectors import check_label_selector
from .values import (
    BAD_IP,
    check_canonical_cidr,
    check_cidr,
    check_domain_prefixed_path,
    check_port,
    check_port_name,
    parse_ip,
    parse_network,
    parse_sloppy_ip,
)

BAD_PATHS = ("//", "/./", "/../", "%2f", "%2F")
BAD_ENDINGS = ("/..", "/.")
CONTROLLER_MAX = 250
FAMILIES = 2
NULL = Shown("null")


def check_ingress(ingress: Json) -> Iterator[Cause]:
    """An Ingress."""
    spec = ingress.get("spec") or {}
    if spec.get("defaultBackend") is not None:
        yield from _check_backend(spec["defaultBackend"], "spec.defaultBackend")
    elif not spec.get("rules"):
        yield invalid("spec", NULL, "either `defaultBackend` or `rules` must be specified")
    for position, rule in enumerate(spec.get("rules") or ()):
        yield from _check_rule(rule, f"spec.rules[{position}]")
    for position, tls in enumerate(spec.get("tls") or ()):
        for place, host in enumerate(tls.get("hosts") or ()):
            check = check_wildcard_subdomain if "*" in host else check_subdomain
            yield from each(f"spec.tls[{position}].hosts[{place}]", host, check(host))
        secret = tls.get("secretName")
        if secret:
            yield from each(f"spec.tls[{position}].secretName", secret, check_subdomain(secret))
    name = spec.get("ingressClassName")
    if name is not None:
        yield from each("spec.ingressClassName", name, check_subdomain(name))


def _check_rule(rule: Json, path: str) -> Iterator[Cause]:
    host = rule.get("host")
    if host:
        if parse_sloppy_ip(host) is not None:
            yield invalid(f"{path}.host", host, "must be a DNS name, not an IP address")
        check = check_wildcard_subdomain if "*" in host else check_subdomain
        yield from each(f"{path}.host", host, check(host))
    http = rule.get("http")
    if http is None:
        return
    if not http.get("paths"):
        yield required(f"{path}.http.paths")
    for position, entry in enumerate(http.get("paths") or ()):
        here = f"{path}.http.paths[{position}]"
        yield from _check_path(entry, here)
        if entry.get("pathType") is not None:
            yield from _check_backend(entry.get("backend") or {}, f"{here}.backend")


def _check_path(entry: Json, path: str) -> Iterator[Cause]:
    kind, value, here = entry.get("pathType"), entry.get("path") or "", f"{path}.path"
    if kind is None:
        yield required(f"{path}.pathType", "pathType must be specified")
        return
    if kind in ("Exact", "Prefix"):
        if not value.startswith("/"):
            yield invalid(here, value, "must be an absolute path")
        for part in BAD_PATHS:
            if part in value:
                yield invalid(here, value, f"must not contain '{part}'")
        for ending in BAD_ENDINGS:
            if value.endswith(ending):
                yield invalid(here, value, f"cannot end with '{ending}'")
    elif kind == "ImplementationSpecific":
        if value and not value.startswith("/"):
            yield invalid(here, value, "must be an absolute path")
    else:
        yield not_supported(f"{path}.pathType", kind, ("Exact", "ImplementationSpecific", "Prefix"))


def _check_backend(backend: Json, path: str) -> Iterator[Cause]:
    service, resource = backend.get("service"), backend.get("resource")
    if service is not None and resource is not None:
        yield invalid(path, "", "cannot set both resource and service backends")
    elif resource is not None:
        yield from _check_typed_reference(resource, f"{path}.resource")
    elif service is None:
        yield invalid(path, "", "resource or service backend is required")
    else:
        yield from _check_service_backend(service, path)


def _check_typed_reference(reference: Json, path: str) -> Iterator[Cause]:
    group = reference.get("apiGroup")
    if group is not None:
        yield from each(f"{path}.apiGroup", group, check_subdomain(group))
    for field in ("kind", "name"):
        if not reference.get(field):
            yield required(f"{path}.{field}")
        else:
            yield from each(f"{path}.{field}", reference[field], check_path_segment(reference[field]))


def _check_service_backend(service: Json, path: str) -> Iterator[Cause]:
    name = service.get("name") or ""
    if not name:
        yield required(f"{path}.service.name")
    else:
        yield from each(f"{path}.service.name", name, check_label(name))
    port = service.get("port") or {}
    if port.get("name") and port.get("number"):
        yield invalid(path, "", "cannot set both port name & port number")
    elif port.get("name"):
        yield from check_port_name(f"{path}.service.port.name", port["name"])
    elif port.get("number"):
        yield from check_port(f"{path}.service.port.number", port["number"])
    else:
        yield required(path, "port name or number is required")


def check_ingress_class(ingress_class: Json) -> Iterator[Cause]:
    """An IngressClass."""
    spec = ingress_class.get("spec") or {}
    if len(spec.get("controller") or "") > CONTROLLER_MAX:
        yield too_long("spec.controller", CONTROLLER_MAX)
    yield from check_domain_prefixed_path("spec.controller", spec.get("controller") or "")
    parameters, here = spec.get("parameters"), "spec.parameters"
    if parameters is None:
        return
    yield from _check_typed_reference(parameters, here)
    scope, namespace = parameters.get("scope"), parameters.get("namespace")
    if scope not in ("Cluster", "Namespace"):
        yield not_supported(f"{here}.scope", scope or "", ("Cluster", "Namespace"))
    elif scope == "Cluster":
        if namespace is not None:
            yield forbidden(f"{here}.namespace", "`parameters.scope` is set to 'Cluster'")
    elif namespace is None:
        yield required(f"{here}.namespace", "`parameters.scope` is set to 'Namespace'")
    else:
        yield from each(f"{here}.namespace", namespace, check_label(namespace))


def check_ingress_class_update(new: Json, old: Json) -> Iterator[Cause]:
    """Another controller is another class."""
    fields = [(obj.get("spec") or {}).get("controller") for obj in (new, old)]
    yield from immutable("spec.controller", fields[0] or "", fields[1] or "")


def check_network_policy(policy: Json) -> Iterator[Cause]:
    """A NetworkPolicy."""
    spec = policy.get("spec") or {}
    yield from check_label_selector(spec.get("podSelector"), "spec.podSelector")
    for direction, peers in (("ingress", "from"), ("egress", "to")):
        for position, rule in enumerate(spec.get(direction) or ()):
            here = f"spec.{direction}[{position}]"
            for place, port in enumerate(rule.get("ports") or ()):
                yield from _check_policy_port(port, f"{here}.ports[{place}]")
            for place, peer in enumerate(rule.get(peers) or ()):
                yield from _check_peer(peer, f"{here}.{peers}[{place}]")
    types = spec.get("policyTypes") or ()
    if len(types) > 2:
        yield invalid("spec.policyTypes", list(types), "may not specify more than two policyTypes")
    else:
        for position, kind in enumerate(types):
            yield from one_of(f"spec.policyTypes[{position}]", kind, ("Ingress", "Egress"))


def _check_policy_port(port: Json, path: str) -> Iterator[Cause]:
    if port.get("protocol") is not None:
        yield from one_of(f"{path}.protocol", port["protocol"], ("TCP", "UDP", "SCTP"))
    number, end = port.get("port"), port.get("endPort")
    if number is None:
        if end is not None:
            yield invalid(f"{path}.endPort", end, "may not be specified when `port` is not specified")
    elif isinstance(number, int):
        yield from check_port(f"{path}.port", number)
        if end is not None:
            if end < number:
                yield invalid(f"{path}.endPort", number, "must be greater than or equal to `port`")
            yield from check_port(f"{path}.endPort", end)
    else:
        if end is not None:
            yield invalid(f"{path}.endPort", end, "may not be specified when `port` is non-numeric")
        yield from check_port_name(f"{path}.port", number)


def _check_peer(peer: Json, path: str) -> Iterator[Cause]:
    block = peer.get("ipBlock")
    others = 0
    for field in ("podSelector", "namespaceSelector"):
        if peer.get(field) is not None:
            others += 1
            yield from check_label_selector(peer[field], f"{path}.{field}")
    if block is not None:
        yield from _check_block(block, f"{path}.ipBlock")
        if others:
            yield forbidden(path, "may not specify both ipBlock and another peer")
    elif not others:
        yield required(path, "must specify a peer")


def _check_block(block: Json, path: str) -> Iterator[Cause]:
    cidr = block.get("cidr") or ""
    if not cidr:
        yield required(f"{path}.cidr")
        return
    yield from check_cidr(f"{path}.cidr", cidr)
    whole = parse_network(cidr)
    if whole is None or "/" not in cidr:
        return
    for position, text in enumerate(block.get("except") or ()):
        here, part = f"{path}.except[{position}]", parse_network(text)
        yield from check_cidr(here, text)
        if part is None or "/" not in text:
            continue
        if not (
            part.version == whole.version and part.prefixlen > whole.prefixlen and part.subnet_of(whole)  # type: ignore[arg-type]
        ):
            yield invalid(here, text, "must be a strict subset of `cidr`")


def check_ip_address_name(name: str) -> list[str]:
    """An IPAddress is named by its address."""
    return [] if parse_ip(name) is not None else [BAD_IP]


def check_ip_address(ip_address: Json) -> Iterator[Cause]:
    """Whose the address is has to be said."""
    parent = (ip_address.get("spec") or {}).get("parentRef")
    if parent is None:
        yield required("spec.parentRef")
        return
    if parent.get("group"):
        yield from each("spec.parentRef.group", parent["group"], check_subdomain(parent["group"]))
    for field in ("resource", "name"):
        here = f"spec.parentRef.{field}"
        if parent.get(field):
            yield from each(here, parent[field], check_path_segment(parent[field]))
        else:
            yield required(here)
    if parent.get("namespace"):
        here = "spec.parentRef.namespace"
        yield from each(here, parent["namespace"], check_path_segment(parent["namespace"]))


def check_ip_address_update(new: Json, old: Json) -> Iterator[Cause]:
    """An address does not pass from one to another."""
    parent = (new.get("spec") or {}).get("parentRef")
    if parent != (old.get("spec") or {}).get("parentRef"):
        shown = NULL if parent is None else go_struct(parent, "networking.v1.ParentReference")
        yield invalid("spec.parentRef", shown, IMMUTABLE)


def check_service_cidr(service_cidr: Json) -> Iterator[Cause]:
    """A ServiceCIDR: one range, or one of each family."""
    spec = service_cidr.get("spec") or {}
    cidrs = spec.get("cidrs") or []
    if not cidrs:
        yield required("spec.cidrs", "at least one CIDR required")
    if len(cidrs) > FAMILIES:
        shown = go_struct(spec, "networking.v1.ServiceCIDRSpec")
        yield invalid("spec.cidrs", shown, f"may only hold up to {FAMILIES} values")
        return
    for position, text in enumerate(cidrs):
        yield from check_canonical_cidr(f"spec.cidrs[{position}]", text)
    versions = [network.version for network in map(parse_network, cidrs) if network is not None]
    if len(versions) == FAMILIES and len(set(versions)) == 1:
        why = "may specify no more than one IP for each IP family, i.e 192.168.0.0/24 and 2001:db8::/64"
        yield invalid("spec.cidrs", cidrs, why)


def check_service_cidr_update(new: Json, old: Json) -> Iterator[Cause]:
    """Ranges stay; one of the other family may join."""
    cidrs, before = ((one.get("spec") or {}).get("cidrs") or [] for one in (new, old))
    if len(cidrs) != len(before) and (len(before), len(cidrs)) != (1, 2):
        yield invalid("spec.cidrs", cidrs or NULL, IMMUTABLE)
        return
    for position, (text, former) in enumerate(zip(cidrs, before, strict=False)):
        yield from immutable(f"spec.cidrs[{position}]", text, former)
    if len(cidrs) != len(before):
        yield from check_service_cidr(new)
