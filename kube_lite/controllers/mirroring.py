"""Endpoints written by hand → EndpointSlices, for Services without a selector.

Whoever routes traffic reads slices only; so Endpoints that a user writes for such a Service are mirrored,
unless they say that they should not be.

Source: kubernetes/pkg/controller/endpointslicemirroring.
"""

from collections.abc import Iterable

from kube_lite.api import meta
from kube_lite.api.identity import Json, ObjectKey
from kube_lite.client.controller import Controller, RequeueAfter
from kube_lite.client.informers import Informers
from kube_lite.client.protocol import Client, EventType
from kube_lite.kit.clock import Clock

from . import backends
from .endpoints import LEADER
from .resources import ENDPOINT_SLICES, ENDPOINTS, SERVICES
from .slice_writer import SliceWriter
from .slices import MANAGED_BY, SERVICE_NAME, Plan, Ports, Wanted, key_of_endpoint, plan_slices

MANAGER = "endpointslicemirroring-controller.k8s.io"
SKIP_LABEL = "endpointslice.kubernetes.io/skip-mirror"
MAX_PER_SUBSET = 1000  # upstream's figure
NOT_COPIED = (meta.LAST_APPLIED, backends.TRIGGER_TIME)


def is_mirrored(endpoints: Json, service: Json | None) -> bool:
    """Whether somebody wrote these Endpoints for a Service that selects nothing itself."""
    return (
        service is not None
        and not service["spec"].get("selector")
        and meta.labels_of(endpoints).get(SKIP_LABEL) != "true"
        and LEADER not in meta.annotations_of(endpoints)
    )


def plan_mirror(endpoints: Json) -> list[Wanted]:
    """What the slices of these Endpoints should hold."""
    groups: dict[tuple[str, Ports], dict[str, Json]] = {}
    for subset in endpoints.get("subsets") or ():
        ports = _ports(subset)
        ready = [(address, True) for address in subset.get("addresses") or ()]
        others = [(address, False) for address in subset.get("notReadyAddresses") or ()]
        for address, is_ready in (ready + others)[:MAX_PER_SUBSET]:
            family = backends.IPV6 if ":" in address["ip"] else backends.IPV4
            endpoint = _endpoint(address, is_ready)
            groups.setdefault((family, ports), {})[key_of_endpoint(endpoint)] = endpoint
    return [Wanted(family, ports, found) for (family, ports), found in groups.items()]


def _ports(subset: Json) -> Ports:
    return tuple(
        sorted(
            (
                port.get("name") or "",
                port.get("protocol") or "TCP",
                port["port"],
                port.get("appProtocol") or "",
            )
            for port in subset.get("ports") or ()
        )
    )


def _endpoint(address: Json, is_ready: bool) -> Json:
    endpoint: Json = {"addresses": [address["ip"]], "conditions": {"ready": is_ready}}
    for field in ("hostname", "nodeName", "targetRef"):
        if address.get(field):
            endpoint[field] = address[field]
    return endpoint


class EndpointMirroring(Controller):
    """Keeps the slices of Endpoints that nobody else keeps."""

    def __init__(self, client: Client, informers: Informers, clock: Clock) -> None:
        super().__init__("endpointslicemirroring", clock)
        self._services = informers.informer(SERVICES)
        self._endpoints = informers.informer(ENDPOINTS)
        slices = informers.informer(ENDPOINT_SLICES)
        self._writer = SliceWriter(client, slices, MANAGER)
        self.watch(self._services)
        self.watch(self._endpoints)
        self.watch(slices, self._keys_of_slice)

    async def reconcile(self, key: ObjectKey) -> RequeueAfter | None:
        """Write what differs; slices that mirror nothing any more are deleted."""
        endpoints = self._endpoints.get(key)
        existing = self._writer.existing(key)
        if endpoints is None or not is_mirrored(endpoints, self._services.get(key)):
            if existing:
                await self._writer.perform(key, existing[0], Plan([], existing), {}, {})
            return None
        plan = plan_slices(plan_mirror(endpoints), existing, ())
        labels = {
            name: value
            for name, value in meta.labels_of(endpoints).items()
            if name not in (SERVICE_NAME, MANAGED_BY)
        }
        annotations = {
            name: value for name, value in meta.annotations_of(endpoints).items() if name not in NOT_COPIED
        }
        await self._writer.perform(key, endpoints, plan, labels, annotations)
        return None

    def _keys_of_slice(self, event: EventType, old: Json | None, new: Json | None) -> Iterable[ObjectKey]:
        return [*self._writer.keys_of(old), *self._writer.keys_of(new)]
