"""What a Service holds beside itself: its cluster address and its node ports.

``plan_addresses`` completes a new version of a Service and says what it takes and gives back; that is then
written in one transaction with the Service. Addresses are chosen before it is known whether somebody else
takes them in the same moment, so the whole is tried again when a claim turns out to be taken.
Source: ``pkg/registry/core/service/storage/alloc.go``.
"""

import random
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from ipaddress import IPv4Address
from typing import NamedTuple

import orjson
from kube_lite_storage import Store

from kube_lite.api.errors import Cause, InternalError, Invalid, invalid
from kube_lite.api.fielderrors import invalid as invalid_value
from kube_lite.api.identity import Json

from .allocators import ClusterIPs, NodePorts, RangeFull, together
from .objects import NOTHING_ELSE, Also, Taken

HEADLESS = "None"
SERVICE_CIDR = "10.96.0.0/16"
FIRST_NODE_PORT, LAST_NODE_PORT = 30000, 32767
WITH_NODE_PORTS = ("NodePort", "LoadBalancer")


class Held(NamedTuple):
    """What a version of a Service holds."""

    addresses: frozenset[str]
    ports: frozenset[str]


class ServiceAddresses:
    """Gives addresses and node ports to Services."""

    def __init__(self, store: Store, source: random.Random, cidr: str = SERVICE_CIDR) -> None:
        self.cluster_ips = ClusterIPs(store, cidr, source)
        self.node_ports = NodePorts(store, FIRST_NODE_PORT, LAST_NODE_PORT, source)

    def complete(self, service: Json, old: Json | None) -> None:
        """Fill in what the Service lacks: address, families, node ports. ``service`` is changed in place.

        Raises:
            Invalid: it asks for what is taken or out of range.
            InternalError: the range is used up.
        """
        spec, before = service["spec"], (old or {}).get("spec") or {}
        kind = spec.get("type", "ClusterIP")
        drop_what_type_had(spec, before)
        if kind == "ExternalName":  # what it may not have is for validation to refuse
            if spec.get("clusterIP") and not spec.get("clusterIPs"):
                spec["clusterIPs"] = [spec["clusterIP"]]
        else:
            with _told("failed to allocate a serviceIP"):
                self._complete_address(service, spec, before)
        with _told("failed to allocate a nodePort"):
            self._complete_ports(service, spec, before, kind)

    def changes(self, new: Json | None, old: Json | None) -> Also:
        """What is claimed and released when ``new`` follows ``old``; either may be None."""
        after, before = held_by(new), held_by(old)
        if after == before:
            return NOTHING_ELSE
        owner = "{namespace}/{name}".format(**((new or old or {})["metadata"]))
        return together(
            self.cluster_ips.claims(sorted(after.addresses - before.addresses), owner),
            self.cluster_ips.releases(sorted(before.addresses - after.addresses)),
            self.node_ports.claims(sorted(after.ports - before.ports), owner),
            self.node_ports.releases(sorted(before.ports - after.ports)),
        )

    def refuse_taken(self, service: Json, taken: Taken) -> Invalid:
        """The error for a Service that asked for an address or port which somebody else has."""
        address = self.cluster_ips.owns(taken.key)
        if address is not None:
            return _refusal(service, "spec.clusterIPs", f'["{address}"]', "failed to allocate IP "
                            f"{address}: provided IP is already allocated")  # fmt: skip
        port = self.node_ports.owns(taken.key) or ""
        return _refusal(
            service,
            _path_of_port(service, port),
            port.partition("/")[0],
            "provided port is already allocated",
        )

    def _complete_address(self, service: Json, spec: Json, before: Json) -> None:
        if before.get("clusterIP") and before.get("type") != "ExternalName":
            _keep_address(spec, before)
        else:
            self._give_address(service, spec)
        asked = spec.get("clusterIP")
        if spec.get("ipFamilyPolicy") == "RequireDualStack" and (spec.get("selector") or asked != HEADLESS):
            raise _no_dual_stack(service, spec)
        has_selector = bool(spec.get("selector"))
        policy = "RequireDualStack" if asked == HEADLESS and not has_selector else "SingleStack"
        families = ["IPv4", "IPv6"] if policy == "RequireDualStack" else ["IPv4"]
        spec.setdefault("ipFamilies", before.get("ipFamilies") or families)
        spec.setdefault("ipFamilyPolicy", before.get("ipFamilyPolicy") or policy)

    def _give_address(self, service: Json, spec: Json) -> None:
        several = spec.get("clusterIPs") or []
        asked = spec.get("clusterIP") or ""
        if several and not asked:
            return  # which is for validation to refuse
        if several and several[0] != asked:
            shown = orjson.dumps(several).decode()
            raise _refusal(service, "spec.clusterIPs", shown, "first value must match `clusterIP`")
        if not asked:
            asked = self.cluster_ips.pick()
        elif _is_address(asked):  # what is none is for validation to refuse
            why = f"failed to allocate IP {asked}: "
            if not self.cluster_ips.contains(asked):
                why += "the provided network does not match the current range"
                raise _refusal(service, "spec.clusterIPs", f'["{asked}"]', why)
            if not self.cluster_ips.is_free(asked):
                why += "provided IP is already allocated"
                raise _refusal(service, "spec.clusterIPs", f'["{asked}"]', why)
        spec["clusterIP"], spec["clusterIPs"] = asked, [asked]

    def _complete_ports(self, service: Json, spec: Json, before: Json, kind: str) -> None:
        ports = spec.get("ports") or []
        if kind not in WITH_NODE_PORTS:
            return
        if kind == "LoadBalancer" and spec.get("externalTrafficPolicy") == "Local":
            self._complete_health_port(service, spec, before)
        if kind == "LoadBalancer" and spec.get("allocateLoadBalancerNodePorts") is False:
            return
        earlier = {
            (p.get("protocol", "TCP"), p["port"]): p.get("nodePort") for p in before.get("ports") or ()
        }
        kept = set(_ports_of(before))
        for position, port in enumerate(ports):
            protocol = port.get("protocol", "TCP")
            asked = port.get("nodePort") or earlier.get((protocol, port.get("port")))
            if not asked:
                used = {str(other["nodePort"]) for other in ports if other.get("nodePort")}
                used.add(str(spec.get("healthCheckNodePort", "")))
                port["nodePort"] = int(self.node_ports.pick(avoid=used))
                continue
            if str(asked) not in kept:
                self._check_port(service, f"spec.ports[{position}].nodePort", asked)
            port["nodePort"] = asked

    def _complete_health_port(self, service: Json, spec: Json, before: Json) -> None:
        asked = spec.get("healthCheckNodePort") or before.get("healthCheckNodePort")
        if not asked:
            used = {str(port["nodePort"]) for port in spec.get("ports") or () if port.get("nodePort")}
            asked = int(self.node_ports.pick(avoid=used))
        elif not _needs_health_port(before) and str(asked) not in set(_ports_of(before)):
            self._check_port(service, "spec.healthCheckNodePort", asked)
        spec["healthCheckNodePort"] = asked

    def _check_port(self, service: Json, path: str, port: int) -> None:
        if not self.node_ports.contains(port):
            span = f"{self.node_ports.first}-{self.node_ports.last}"
            raise _refusal(
                service,
                path,
                str(port),
                f"provided port is not in the valid range. The range of valid ports is {span}",
            )
        if not self.node_ports.is_free(str(port)):
            raise _refusal(service, path, str(port), "provided port is already allocated")


def _keep_address(spec: Json, before: Json) -> None:
    """Both fields of the address follow the one that changed, or are as before. Changes ``spec``.

    Source: ``normalizeClusterIPs`` and ``patchAllocatedValues`` in ``pkg/registry/core/service/storage``.
    """
    one, former = spec.get("clusterIP") or "", before.get("clusterIP") or ""
    several, had = spec.get("clusterIPs") or [], before.get("clusterIPs") or []
    if not several and one == former:
        several = had
    elif one != former and several == had:
        several = [one] if one else []
    spec["clusterIP"], spec["clusterIPs"] = one or former, list(several or had)


def drop_what_type_had(spec: Json, before: Json) -> None:
    """Take out of an update what only the former type needed and nobody changed. Changes ``spec``.

    Source: ``dropTypeDependentFields`` in ``pkg/registry/core/service/strategy.go``.
    """
    kind, former = spec.get("type", "ClusterIP"), before.get("type")
    if former is None:
        return
    if _is_open(before) and not _is_open(spec):
        _drop_unchanged(spec, before, ("externalTrafficPolicy",))
    if _needs_health_port(before) and not _needs_health_port(spec):
        _drop_unchanged(spec, before, ("healthCheckNodePort",))
    if former == kind:
        return
    had_ports, has_ports = former in WITH_NODE_PORTS, kind in WITH_NODE_PORTS
    if had_ports and not has_ports:
        earlier = [port.get("nodePort") for port in before.get("ports") or ()]
        if [port.get("nodePort") for port in spec.get("ports") or ()] == earlier:
            for port in spec.get("ports") or ():
                port.pop("nodePort", None)
    if former == "LoadBalancer":
        _drop_unchanged(spec, before, ("allocateLoadBalancerNodePorts", "loadBalancerClass"))
    if kind == "ExternalName":
        _drop_unchanged(spec, before, ("internalTrafficPolicy", "ipFamilies", "ipFamilyPolicy"))
        _drop_unchanged(spec, before, ("clusterIP", "clusterIPs"))


def _is_open(spec: Json) -> bool:
    """Whether a Service can be reached from outside."""
    kind = spec.get("type", "ClusterIP")
    return kind in WITH_NODE_PORTS or bool(kind == "ClusterIP" and spec.get("externalIPs"))


def _needs_health_port(spec: Json) -> bool:
    return spec.get("type") == "LoadBalancer" and spec.get("externalTrafficPolicy") == "Local"


def _drop_unchanged(spec: Json, before: Json, fields: Iterable[str]) -> None:
    for field in fields:
        if field in spec and spec[field] == before.get(field):
            del spec[field]


def _is_address(text: str) -> bool:
    try:
        IPv4Address(text)
    except ValueError:
        return False
    return True


def held_by(service: Json | None) -> Held:
    """What this version of a Service holds."""
    if service is None:
        return Held(frozenset(), frozenset())
    spec = service.get("spec") or {}
    address = spec.get("clusterIP") or HEADLESS
    addresses = frozenset() if address == HEADLESS else frozenset({address})
    return Held(addresses, frozenset(_ports_of(spec)))


def _ports_of(spec: Json) -> Iterator[str]:
    if spec.get("type") not in WITH_NODE_PORTS:
        return
    yield from {str(port["nodePort"]) for port in spec.get("ports") or () if port.get("nodePort")}
    if spec.get("healthCheckNodePort"):
        yield str(spec["healthCheckNodePort"])


def _path_of_port(service: Json, port: str) -> str:
    for position, entry in enumerate(service["spec"].get("ports") or ()):
        if str(entry.get("nodePort")) == port:
            return f"spec.ports[{position}].nodePort"
    return "spec.healthCheckNodePort"


@contextmanager
def _told(what: str) -> Iterator[None]:
    """Say what was not to be had."""
    try:
        yield
    except RangeFull as error:
        raise InternalError(f"Internal error occurred: {what}: range is full") from error


def _no_dual_stack(service: Json, spec: Json) -> Invalid:
    why = "this cluster is not configured for dual-stack services"
    causes = [invalid_value("spec.ipFamilyPolicy", "RequireDualStack", why)]
    causes += [
        invalid_value(f"spec.ipFamilies[{place}]", family, "not configured on this cluster")
        for place, family in enumerate(spec.get("ipFamilies") or ())
        if family != "IPv4"
    ]
    return invalid("", "Service", service["metadata"]["name"], causes)


def _refusal(service: Json, path: str, value: str, why: str) -> Invalid:
    cause = Cause("FieldValueInvalid", f"Invalid value: {value}: {why}", path)
    return invalid("", "Service", service["metadata"]["name"], [cause])
