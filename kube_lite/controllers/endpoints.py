"""Service → Endpoints: the older form of EndpointSlices, one object per Service, for old clients.

Pods that are not ready are listed apart; Pods that terminate are left out, unless the Service publishes Pods
whatever their state. The Endpoints of a Service that is deleted go with it, even when somebody wrote them by
hand.

Source: kubernetes/pkg/controller/endpoint/endpoints_controller.go, pkg/api/v1/endpoints/util.go.
"""

from collections.abc import Iterable, Sequence

from kube_lite.api import meta
from kube_lite.api.errors import NotFound
from kube_lite.api.identity import Json, ObjectKey, key_of
from kube_lite.client.controller import RequeueAfter
from kube_lite.client.informers import Informers
from kube_lite.client.protocol import Client, EventType
from kube_lite.kit.clock import Clock

from . import backends
from .backends import Backend, Port, ServiceController
from .resources import ENDPOINTS

MANAGED_BY = "endpoints.kubernetes.io/managed-by"
MANAGER = "endpoint-controller"
OVER_CAPACITY = "endpoints.kubernetes.io/over-capacity"
LEADER = "control-plane.alpha.kubernetes.io/leader"  # such Endpoints are locks, not addresses
MAX_ADDRESSES = 1000  # upstream's figure; further ones are in EndpointSlices only


def plan_subsets(service: Json, found: Sequence[Backend]) -> list[Json]:
    """``subsets``: addresses that share their ports stand together, in a stable order."""
    groups: dict[tuple[Port, ...], tuple[list[Json], list[Json]]] = {}
    publishes = backends.publishes_not_ready(service)
    for backend in found:
        if backend.terminating and not publishes:
            continue
        ready, not_ready = groups.setdefault(tuple(sorted(backend.ports)), ([], []))
        (ready if backend.ready else not_ready).append(_address(service, backend))
    subsets = []
    for ports, (ready, not_ready) in sorted(groups.items(), key=lambda group: group[0]):
        if not ports and not backends.is_headless(service):
            continue
        subset: Json = {}
        for field, addresses in (("addresses", ready), ("notReadyAddresses", not_ready)):
            if addresses:
                subset[field] = sorted(addresses, key=lambda entry: backends.address_order(entry["ip"]))
        if ports:
            subset["ports"] = [_port(port) for port in ports]
        subsets.append(subset)
    return subsets


def truncate(subsets: list[Json], limit: int = MAX_ADDRESSES) -> bool:
    """Cut a private list of subsets to ``limit`` addresses, those not ready first; tells whether any went."""
    total = sum(
        len(subset.get(field, ())) for subset in subsets for field in ("addresses", "notReadyAddresses")
    )
    surplus = total - limit
    if surplus <= 0:
        return False
    for field in ("notReadyAddresses", "addresses"):
        for subset in subsets:
            addresses = subset.get(field, [])
            gone = min(surplus, len(addresses))
            if gone:
                subset[field] = addresses[: len(addresses) - gone]
                surplus -= gone
    return True


def _address(service: Json, backend: Backend) -> Json:
    address: Json = {"ip": backend.address}
    hostname = backends.hostname_of(service, backend.pod)
    if hostname:
        address["hostname"] = hostname
    if backend.pod["spec"].get("nodeName"):
        address["nodeName"] = backend.pod["spec"]["nodeName"]
    address["targetRef"] = backends.reference_to(backend.pod)
    return address


def _port(port: Port) -> Json:
    entry: Json = {"port": port.port, "protocol": port.protocol}
    if port.name:
        entry["name"] = port.name
    if port.app_protocol:
        entry["appProtocol"] = port.app_protocol
    return entry


class EndpointsController(ServiceController):
    """Keeps the Endpoints of every Service that selects Pods."""

    def __init__(self, client: Client, informers: Informers, clock: Clock) -> None:
        super().__init__("endpoints", informers, clock)
        self._client = client
        self._triggers = backends.TriggerTimes()
        self._endpoints = informers.informer(ENDPOINTS)
        self.watch(self._endpoints, self._keys_of_endpoints)

    async def reconcile(self, key: ObjectKey) -> RequeueAfter | None:
        """Write the Endpoints if they differ; delete them when the Service is gone."""
        service = self._services.get(key)
        if service is None:
            self._triggers.forget(key)
            await self._delete(key)
            return None
        if meta.is_being_deleted(service) or not backends.has_selector(service):
            return None
        pods = self.pods_of(service)
        subsets = plan_subsets(
            service, backends.plan_backends(service, pods, backends.families_of(service)[0])
        )
        annotations: Json = {}
        if truncate(subsets):
            annotations[OVER_CAPACITY] = "truncated"
        labels = backends.copied_labels(service, (backends.HEADLESS_LABEL, MANAGED_BY)) | {
            MANAGED_BY: MANAGER
        }
        trigger = self._triggers.take(key, service, pods)
        await self._write(key, subsets, labels, annotations, trigger)
        return None

    async def _write(
        self, key: ObjectKey, subsets: list[Json], labels: Json, annotations: Json, trigger: str
    ) -> None:
        found = self._endpoints.get(key)
        kept = {
            name: value
            for name, value in (meta.annotations_of(found) if found is not None else {}).items()
            if name not in (backends.TRIGGER_TIME, OVER_CAPACITY)
        }
        annotations = {**kept, **annotations}
        if found is not None and (found.get("subsets") or []) == subsets and meta.labels_of(found) == labels:
            return
        if trigger:
            annotations[backends.TRIGGER_TIME] = trigger
        metadata: Json = {"name": key.name, "namespace": key.namespace, "labels": labels}
        if annotations:
            metadata["annotations"] = annotations
        endpoints: Json = {"apiVersion": "v1", "kind": "Endpoints", "metadata": metadata}
        if subsets:
            endpoints["subsets"] = subsets
        if found is None:
            await self._client.create(ENDPOINTS, endpoints, namespace=key.namespace)
            return
        endpoints["metadata"] = {**found["metadata"], **metadata, "annotations": annotations}
        await self._client.update(ENDPOINTS, endpoints, namespace=key.namespace)

    async def _delete(self, key: ObjectKey) -> None:
        found = self._endpoints.get(key)
        if found is None:
            return
        try:
            await self._client.delete(
                ENDPOINTS, key.name, namespace=key.namespace, uid=found["metadata"]["uid"]
            )
        except NotFound:
            return

    def _keys_of_endpoints(self, event: EventType, old: Json | None, new: Json | None) -> Iterable[ObjectKey]:
        """Ours, when somebody changed them; any at the start, as its Service may have gone meanwhile."""
        obj = new or old
        is_old = not self._endpoints.has_synced and LEADER not in meta.annotations_of(obj or {"metadata": {}})
        if obj is not None and (is_old or meta.labels_of(obj).get(MANAGED_BY) == MANAGER):
            yield key_of(obj)
