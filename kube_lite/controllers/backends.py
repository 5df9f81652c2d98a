"""The Pods behind a Service, as endpoint controllers see them: addresses, readiness, ports.

A Pod stands behind a Service when the selector matches, it has an address and has not finished. It is
*serving* while its Ready condition is true, *terminating* from the moment its end was asked for, and *ready*
for new connections while it serves and does not terminate; always, if the Service publishes all Pods.

Source: kubernetes/staging/src/k8s.io/endpointslice/utils.go, pkg/controller/endpoint/endpoints_controller.go.
"""

import ipaddress
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from kube_lite.api import meta
from kube_lite.api.identity import Json, ObjectKey, key_of
from kube_lite.client.controller import Controller
from kube_lite.client.informers import Informers
from kube_lite.client.protocol import EventType
from kube_lite.kit.clock import Clock

from . import pods as pod_facts
from .resources import NODES, PODS, SERVICES

HEADLESS_LABEL = "service.kubernetes.io/headless"
ZONE_LABEL = "topology.kubernetes.io/zone"
TRIGGER_TIME = "endpoints.kubernetes.io/last-change-trigger-time"
IPV4, IPV6 = "IPv4", "IPv6"


class Port(NamedTuple):
    """One port as it is reached at a Pod. ``app_protocol`` is empty if nobody said."""

    name: str
    protocol: str
    port: int
    app_protocol: str = ""


class Backend(NamedTuple):
    """One address of one Pod behind a Service."""

    address: str
    ready: bool
    serving: bool
    terminating: bool
    ports: tuple[Port, ...]
    pod: Json


def is_headless(service: Json) -> bool:
    """It has no address of its own: clients find the Pods by DNS."""
    return service["spec"].get("clusterIP", "") in ("None", "")


def has_selector(service: Json) -> bool:
    """Its endpoints are found by selector; those of other Services are written by their owners."""
    return bool(service["spec"].get("selector")) and service["spec"].get("type") != "ExternalName"


def families_of(service: Json) -> Sequence[str]:
    """``IPv4``, ``IPv6``, in the Service's order."""
    return service["spec"].get("ipFamilies") or (IPV4,)


def publishes_not_ready(service: Json) -> bool:
    """Whether Pods count as ready that are not."""
    return bool(service["spec"].get("publishNotReadyAddresses"))


def address_of(pod: Json, family: str) -> str:
    """Its address of that family, or nothing."""
    status = pod.get("status") or {}
    addresses = [entry.get("ip", "") for entry in status.get("podIPs") or ()] or [status.get("podIP") or ""]
    for address in addresses:
        if address and (IPV6 if ":" in address else IPV4) == family:
            return str(address)
    return ""


def plan_backends(service: Json, pods: Iterable[Json], family: str) -> list[Backend]:
    """The addresses of one family behind the Service; Pods without one and finished Pods are left out."""
    backends = []
    for pod in pods:
        address = address_of(pod, family)
        if not address or pod_facts.is_finished(pod):
            continue
        serving = pod_facts.is_ready(pod)
        terminating = meta.is_being_deleted(pod)
        ready = publishes_not_ready(service) or (serving and not terminating)
        backends.append(Backend(address, ready, serving, terminating, ports_of(service, pod), pod))
    return backends


def ports_of(service: Json, pod: Json) -> tuple[Port, ...]:
    """The Service's ports as this Pod has them; a named target that the Pod does not know is left out."""
    ports = []
    for port in service["spec"].get("ports") or ():
        protocol = port.get("protocol") or "TCP"
        number = _target(port.get("targetPort") or port["port"], protocol, pod)
        if number:
            ports.append(Port(port.get("name") or "", protocol, number, port.get("appProtocol") or ""))
    return tuple(ports)


def _target(target: int | str, protocol: str, pod: Json) -> int:
    if isinstance(target, int):
        return target
    sidecars = [
        container
        for container in pod["spec"].get("initContainers") or ()
        if container.get("restartPolicy") == "Always"
    ]
    for container in [*(pod["spec"].get("containers") or ()), *sidecars]:
        for port in container.get("ports") or ():
            if port.get("name") == target and (port.get("protocol") or "TCP") == protocol:
                return int(port["containerPort"])
    return int(target) if target.isdigit() else 0


def hostname_of(service: Json, pod: Json) -> str:
    """The host name under which DNS tells the Pod's address, if it has one in this Service."""
    spec = pod["spec"]
    if spec.get("hostname") and spec.get("subdomain") == service["metadata"]["name"]:
        return str(spec["hostname"])
    return ""


def reference_to(pod: Json) -> Json:
    """The ``targetRef`` of an endpoint."""
    metadata = pod["metadata"]
    return {
        "kind": "Pod",
        "namespace": metadata["namespace"],
        "name": metadata["name"],
        "uid": metadata["uid"],
    }


class TriggerTimes:
    """What made a controller look at a Service again: the earliest change that it has not seen before.

    Source: ``TriggerTimeTracker`` in k8s.io/endpointslice/trigger_time_tracker.go.
    """

    def __init__(self) -> None:
        self._seen: dict[ObjectKey, tuple[str, dict[str, str]]] = {}

    def take(self, key: ObjectKey, service: Json, pods: Iterable[Json]) -> str:
        """When the first of the changes since the last call happened; empty where Pods only went."""
        created = service["metadata"].get("creationTimestamp") or ""
        moments = {
            pod["metadata"]["name"]: (meta.condition(pod, "Ready") or {}).get("lastTransitionTime") or ""
            for pod in pods
        }
        before, known = self._seen.get(key, ("", {}))
        self._seen[key] = created, moments
        changed = [moment for name, moment in moments.items() if moment > known.get(name, "")]
        return min([*changed, *([created] if created > before else [])], default="")

    def forget(self, key: ObjectKey) -> None:
        """The Service is gone."""
        self._seen.pop(key, None)


def copied_labels(service: Json, reserved: Iterable[str]) -> Json:
    """The Service's labels without those that mean something on endpoints; headless ones say so."""
    labels = {name: value for name, value in meta.labels_of(service).items() if name not in reserved}
    if is_headless(service):
        labels[HEADLESS_LABEL] = ""
    return labels


def address_order(address: str) -> tuple[int, int]:
    """A sort key: by number, not by text."""
    parsed = ipaddress.ip_address(address)
    return parsed.version, int(parsed)


def _concerns(pod: Json) -> tuple[object, ...]:
    """All of a Pod that endpoints are made from; while it is the same nothing has to be done."""
    status, spec = pod.get("status") or {}, pod["spec"]
    return (
        status.get("podIP"),
        status.get("podIPs"),
        pod_facts.is_finished(pod),
        pod_facts.is_ready(pod),
        meta.is_being_deleted(pod),
        spec.get("nodeName"),
        spec.get("hostname"),
        spec.get("subdomain"),
    )


class ServiceController(Controller):
    """What the controllers of endpoints have in common: they look at a Service when its Pods change."""

    def __init__(self, name: str, informers: Informers, clock: Clock) -> None:
        super().__init__(name, clock)
        self._services = informers.informer(SERVICES)
        self._pods = informers.informer(PODS)
        self._nodes = informers.informer(NODES)
        self.watch(self._services)
        self.watch(self._pods, self._services_of)
        self.needs(self._nodes)

    def pods_of(self, service: Json) -> list[Json]:
        """The Pods that the Service selects, in a stable order."""
        selector = service["spec"]["selector"].items()
        pods = self._pods.list(service["metadata"]["namespace"])
        return sorted((pod for pod in pods if selector <= meta.labels_of(pod).items()), key=key_of)

    def zone_of(self, pod: Json) -> str:
        """The zone of its node, if it says so."""
        node = self._nodes.get(ObjectKey("", pod["spec"].get("nodeName") or ""))
        return str(meta.labels_of(node).get(ZONE_LABEL, "")) if node is not None else ""

    def _services_of(self, event: EventType, old: Json | None, new: Json | None) -> Iterable[ObjectKey]:
        if old is not None and new is not None and meta.labels_of(old) == meta.labels_of(new):
            if _concerns(old) == _concerns(new):
                return
            old = None
        pods = [pod for pod in (old, new) if pod is not None]
        for service in self._services.list(pods[0]["metadata"]["namespace"]):
            if has_selector(service):
                selector = service["spec"]["selector"].items()
                if any(selector <= meta.labels_of(pod).items() for pod in pods):
                    yield key_of(service)
