"""Service → EndpointSlices: where the Pods of every Service with a selector are, and in what state.

The source of rules is kubernetes/staging/src/k8s.io/endpointslice; which endpoint goes into which slice is
decided in ``slices``.
"""

from collections.abc import Iterable

from kube_lite.api import meta
from kube_lite.api.identity import Json, ObjectKey
from kube_lite.client.controller import RequeueAfter
from kube_lite.client.informers import Informers
from kube_lite.client.protocol import Client, EventType
from kube_lite.kit.clock import Clock

from . import backends
from .backends import Backend, ServiceController
from .resources import ENDPOINT_SLICES
from .slice_writer import SliceWriter
from .slices import MANAGED_BY, SERVICE_NAME, Ports, Wanted, plan_slices

MANAGER = "endpointslice-controller.k8s.io"
RESERVED_LABELS = (SERVICE_NAME, MANAGED_BY, backends.HEADLESS_LABEL)


def endpoint_of(service: Json, backend: Backend, zone: str) -> Json:
    """One entry of ``endpoints``."""
    endpoint: Json = {
        "addresses": [backend.address],
        "conditions": {
            "ready": backend.ready,
            "serving": backend.serving,
            "terminating": backend.terminating,
        },
    }
    hostname = backends.hostname_of(service, backend.pod)
    if hostname:
        endpoint["hostname"] = hostname
    if backend.pod["spec"].get("nodeName"):
        endpoint["nodeName"] = backend.pod["spec"]["nodeName"]
    endpoint["targetRef"] = backends.reference_to(backend.pod)
    if zone:
        endpoint["zone"] = zone
    return endpoint


class EndpointSlices(ServiceController):
    """Keeps the slices of every Service that selects Pods."""

    def __init__(self, client: Client, informers: Informers, clock: Clock) -> None:
        super().__init__("endpointslices", informers, clock)
        slices = informers.informer(ENDPOINT_SLICES)
        self._writer = SliceWriter(client, slices, MANAGER)
        self._triggers = backends.TriggerTimes()
        self.watch(slices, self._keys_of_slice)

    async def reconcile(self, key: ObjectKey) -> RequeueAfter | None:
        """Write what differs. Slices of a Service that is gone are garbage, and collected as such."""
        service = self._services.get(key)
        if service is None:
            self._triggers.forget(key)
            return None
        if meta.is_being_deleted(service) or not backends.has_selector(service):
            return None
        pods = self.pods_of(service)
        families = backends.families_of(service)
        wanted = [group for family in families for group in self._wanted(service, pods, family)]
        plan = plan_slices(wanted, self._writer.existing(key), families)
        labels = backends.copied_labels(service, RESERVED_LABELS)
        trigger = self._triggers.take(key, service, pods)
        annotations = {backends.TRIGGER_TIME: trigger} if trigger else {}
        await self._writer.perform(key, service, plan, labels, annotations)
        return None

    def _wanted(self, service: Json, pods: Iterable[Json], family: str) -> list[Wanted]:
        groups: dict[Ports, dict[str, Json]] = {}
        for backend in backends.plan_backends(service, pods, family):
            endpoint = endpoint_of(service, backend, self.zone_of(backend.pod))
            uid = backend.pod["metadata"]["uid"]
            groups.setdefault(tuple(sorted(backend.ports)), {})[f"{backend.address} {uid}"] = endpoint
        return [Wanted(family, ports, endpoints) for ports, endpoints in groups.items()]

    def _keys_of_slice(self, event: EventType, old: Json | None, new: Json | None) -> Iterable[ObjectKey]:
        return [*self._writer.keys_of(old), *self._writer.keys_of(new)]
