"""Defaults of networking and discovery: ``pkg/apis/{networking,discovery}/*/defaults.go``."""

from kube_lite.api.identity import Json

from . import Default


def default_network_policy(policy: Json) -> None:
    """Which directions it speaks of follows from what it says."""
    spec = policy.setdefault("spec", {})
    for rule in (*(spec.get("ingress") or ()), *(spec.get("egress") or ())):
        for port in rule.get("ports") or ():
            port.setdefault("protocol", "TCP")
    if not spec.get("policyTypes"):
        spec["policyTypes"] = ["Ingress", "Egress"] if spec.get("egress") else ["Ingress"]


def default_ingress_class(ingress_class: Json) -> None:
    """Parameters are cluster-scoped."""
    parameters = (ingress_class.get("spec") or {}).get("parameters")
    if parameters is not None and parameters.get("scope") is None:
        parameters["scope"] = "Cluster"


def default_endpoint_slice(endpoint_slice: Json) -> None:
    """Ports are TCP and have a name, if an empty one."""
    for port in endpoint_slice.get("ports") or ():
        port.setdefault("name", "")
        port.setdefault("protocol", "TCP")


DEFAULTS: dict[tuple[str, str], Default] = {
    ("networking.k8s.io", "NetworkPolicy"): default_network_policy,
    ("networking.k8s.io", "IngressClass"): default_ingress_class,
    ("discovery.k8s.io", "EndpointSlice"): default_endpoint_slice,
}
