"""Ingress, IngressClass, NetworkPolicy, IPAddress, ServiceCIDR."""

from kube_lite.api.identity import GroupResource, Json
from kube_lite.api.strategy import AGE, NAME, Column

from .base import ChangeFirst, Described, Kind, Row, age_of
from .cells import LISTED, NONE, load_balancer_text, selector_text


class IngressStrategy(Kind):
    """HTTP from outside to services."""

    has_generation = True
    initial_status = '{"loadBalancer":{}}'
    table = (
        NAME,
        Column(
            "Class",
            description="The name of the IngressClass resource that should be used for additional "
            "configuration",
        ),
        Column(
            "Hosts", description="Hosts that incoming requests are matched against before the ingress rule"
        ),
        Column("Address", description="Address is a list containing ingress points for the load-balancer"),
        Column("Ports", description="Ports of TLS configurations that open"),
        AGE,
    )

    def cells(self, obj: Json, now: float) -> list[object]:
        """As kubectl shows an Ingress."""
        spec = obj.get("spec", {})
        return [
            obj["metadata"]["name"],
            spec.get("ingressClassName") or NONE,
            _hosts(spec.get("rules") or ()),
            load_balancer_text(obj.get("status", {})),
            "80, 443" if spec.get("tls") else "80",
            age_of(obj, now),
        ]


def _hosts(rules: list[Json] | tuple[Json, ...]) -> str:
    hosts = [rule["host"] for rule in rules if rule.get("host")]
    shown = ",".join(hosts[:LISTED]) or "*"
    return f"{shown} + {len(rules) - LISTED} more..." if len(hosts) > LISTED else shown


class IngressClassStrategy(ChangeFirst):
    """Who serves an Ingress."""

    has_generation = True
    table = (
        NAME,
        Column("Controller", description="Controller that is responsible for handling this class"),
        Column("Parameters", description="A reference to a resource with additional parameters"),
        AGE,
    )

    def cells(self, obj: Json, now: float) -> list[object]:
        """Controller and parameters."""
        spec = obj.get("spec", {})
        parameters = spec.get("parameters")
        reference = NONE
        if parameters:
            group = parameters.get("apiGroup")
            kind = f"{parameters['kind']}.{group}" if group else parameters["kind"]
            reference = f"{kind}/{parameters['name']}"
        return [obj["metadata"]["name"], spec.get("controller", ""), reference, age_of(obj, now)]


class NetworkPolicyStrategy(Kind):
    """Who may talk to pods."""

    has_generation = True
    table = (NAME, Described("Pod-Selector", "networking.v1.NetworkPolicySpec", "podSelector"), AGE)

    def cells(self, obj: Json, now: float) -> list[object]:
        """Which pods it is about."""
        selector = selector_text(obj.get("spec", {}).get("podSelector"))
        return [obj["metadata"]["name"], selector, age_of(obj, now)]


class IPAddressStrategy(Kind):
    """An address that is taken, and by whom."""

    unconditional_update = False
    table = (NAME, Described("ParentRef", "networking.v1.IPAddressSpec", "parentRef"))

    def cells(self, obj: Json, now: float) -> list[object]:
        """The age has a cell and no column, as upstream has it."""
        parent = obj.get("spec", {}).get("parentRef")
        reference = NONE
        if parent:
            resource = GroupResource(parent.get("group", ""), parent.get("resource", ""))
            parts = [str(resource).lower(), parent.get("namespace", ""), parent.get("name", "")]
            reference = "/".join(filter(None, parts))
        return [obj["metadata"]["name"], reference, age_of(obj, now)]


class ServiceCIDRStrategy(ChangeFirst):
    """A range that service addresses come from; of its changes nothing else is judged."""

    unconditional_update = False
    initial_status = "{}"
    table = (NAME, Described("CIDRs", "networking.v1.ServiceCIDRSpec", "cidrs"), AGE)

    def cells(self, obj: Json, now: float) -> list[object]:
        """The ranges."""
        return [obj["metadata"]["name"], ",".join(obj.get("spec", {}).get("cidrs") or ()), age_of(obj, now)]


NETWORKING = (
    Row("IngressClass", "ingressclasses", IngressClassStrategy, namespaced=False),
    Row("Ingress", "ingresses", IngressStrategy, short_names=("ing",), status=True),
    Row("IPAddress", "ipaddresses", IPAddressStrategy, namespaced=False, short_names=("ip",)),
    Row("NetworkPolicy", "networkpolicies", NetworkPolicyStrategy, short_names=("netpol",)),
    Row("ServiceCIDR", "servicecidrs", ServiceCIDRStrategy, namespaced=False, status=True),
)
