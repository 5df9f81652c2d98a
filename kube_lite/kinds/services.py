"""Service: a name and an address for pods."""

from collections.abc import Mapping, Sequence

from kube_lite.api.errors import Cause
from kube_lite.api.identity import Json
from kube_lite.api.resource import Subresource
from kube_lite.api.strategy import AGE, NAME

from .base import ChangeFirst, Described, Row, age_of, on_write
from .cells import NONE, labels_text, load_balancer_text
from .pods import PROXY


class ServiceStrategy(ChangeFirst):
    """Addresses and ports of services are given out by the registry; here is how they are shown."""

    returns_deleted = True
    create_on_update = True
    initial_status = '{"loadBalancer": {}}'
    labels = ("spec.clusterIP", "spec.type")
    table = (
        NAME,
        Described("Type", "core.v1.ServiceSpec", "type"),
        Described("Cluster-IP", "core.v1.ServiceSpec", "clusterIP"),
        Described("External-IP", "core.v1.ServiceSpec", "externalIPs"),
        Described("Port(s)", "core.v1.ServiceSpec", "ports"),
        AGE,
        Described("Selector", "core.v1.ServiceSpec", "selector", priority=1),
    )

    def validate(self, obj: Json) -> Sequence[Cause]:
        """Nothing else is looked at where addresses and families are wrong: they are given out before."""
        causes: Sequence[Cause] = on_write("checks.services").check_own_addresses(obj)
        return causes or super().validate(obj)

    def validate_next(self, obj: Json, old: Json) -> Sequence[Cause]:
        """Nothing else is looked at where addresses and families are wrong: they are given out before."""
        causes: Sequence[Cause] = on_write("checks.services").check_own_addresses(obj)
        return causes or super().validate_next(obj, old)

    def selectable_fields(self, obj: Json) -> Mapping[str, str]:
        """Address and type."""
        spec = obj["spec"]
        return {"spec.clusterIP": spec.get("clusterIP", ""), "spec.type": spec.get("type", "")}

    def cells(self, obj: Json, now: float) -> list[object]:
        """Type, addresses, ports."""
        spec = obj["spec"]
        return [
            obj["metadata"]["name"],
            spec.get("type", ""),
            spec.get("clusterIP") or NONE,
            external_address(obj),
            ",".join(port_text(port) for port in spec.get("ports") or ()) or NONE,
            age_of(obj, now),
            labels_text(spec.get("selector")),
        ]


def external_address(service: Json) -> str:
    """Where a service can be reached from outside, as its type has it."""
    spec = service["spec"]
    own = ",".join(spec.get("externalIPs") or ())
    type_ = spec.get("type")
    if type_ in ("ClusterIP", "NodePort"):
        return own or NONE
    if type_ == "LoadBalancer":
        given = load_balancer_text(service.get("status", {}))
        return ",".join(filter(None, (given, own))) or "<pending>"
    return spec.get("externalName", "") if type_ == "ExternalName" else "<unknown>"


def port_text(port: Json) -> str:
    """``80/TCP``, ``80:30080/TCP``."""
    node_port = f":{port['nodePort']}" if port.get("nodePort") else ""
    return f"{port['port']}{node_port}/{port.get('protocol', 'TCP')}"


SERVICE = Row(
    "Service",
    "services",
    ServiceStrategy,
    short_names=("svc",),
    categories=("all",),
    status=True,
    subresources=(Subresource("proxy", PROXY, "ServiceProxyOptions"),),
)
