"""An IPAddress for every address that a Service has, which says whose it is.

Which Service has an address is decided when the Service is written; these objects tell of it, are made again
when somebody deletes them, and go with the Service. Those that somebody else has made stay, and their
addresses are not given out. So creating a Service costs no more than the Service.
Source: ``pkg/registry/core/service/ipallocator/controller/repairip.go``.
"""

from collections.abc import Iterable
from ipaddress import ip_address

from kube_lite.api import meta
from kube_lite.api.errors import NotFound
from kube_lite.api.identity import GroupVersionResource, Json, ObjectKey
from kube_lite.client.controller import Controller, RequeueAfter
from kube_lite.client.informers import Informers
from kube_lite.client.protocol import Client, EventType
from kube_lite.kit.clock import Clock

from .resources import SERVICES

IP_ADDRESSES = GroupVersionResource("networking.k8s.io", "v1", "ipaddresses")
FAMILY = "ipaddress.kubernetes.io/ip-family"
MANAGED_BY = "ipaddress.kubernetes.io/managed-by"
MANAGER = "ipallocator.k8s.io"
BY_ADDRESS = "address"


def addresses_of(service: Json) -> list[str]:
    """The addresses a Service has, as IPAddresses are called: the canonical form of IPv6."""
    addresses = []
    for text in service["spec"].get("clusterIPs") or [service["spec"].get("clusterIP") or ""]:
        try:
            addresses.append(str(ip_address(text)))
        except ValueError:  # "None", or nothing at all
            continue
    return addresses


def plan_object(address: str, service: Json) -> Json:
    """The IPAddress of an address that the Service has."""
    metadata = service["metadata"]
    family = f"IPv{ip_address(address).version}"
    parent = {"resource": "services", "namespace": metadata["namespace"], "name": metadata["name"]}
    return {
        "apiVersion": IP_ADDRESSES.api_version,
        "kind": "IPAddress",
        "metadata": {"name": address, "labels": {FAMILY: family, MANAGED_BY: MANAGER}},
        "spec": {"parentRef": parent},
    }


class ServiceIPs(Controller):
    """Keeps the IPAddresses of Services. Keys are addresses."""

    def __init__(self, client: Client, informers: Informers, clock: Clock) -> None:
        super().__init__("service-ips", clock)
        self._client = client
        self._services = informers.informer(SERVICES)
        self._addresses = informers.informer(IP_ADDRESSES)
        self._services.add_index(BY_ADDRESS, addresses_of)
        self.watch(self._services, _keys_of_service)
        self.watch(self._addresses)

    async def reconcile(self, key: ObjectKey) -> RequeueAfter | None:
        """Make the object, or delete one that tells of a Service that has the address no more."""
        found = self._addresses.get(key)
        service = next(iter(self._services.by_index(BY_ADDRESS, key.name)), None)
        wanted = None if service is None else plan_object(key.name, service)
        if found is None:
            if wanted is not None:
                await self._client.create(IP_ADDRESSES, wanted)
        elif meta.labels_of(found).get(MANAGED_BY) == MANAGER and (
            wanted is None or found["spec"].get("parentRef") != wanted["spec"]["parentRef"]
        ):
            try:  # whose an address is cannot be changed: its end is told, and then it is made anew
                await self._client.delete(IP_ADDRESSES, key.name, uid=meta.uid_of(found))
            except NotFound:
                return None
        return None


def _keys_of_service(event: EventType, old: Json | None, new: Json | None) -> Iterable[ObjectKey]:
    had, has = (set(addresses_of(service)) if service is not None else set() for service in (old, new))
    return [ObjectKey("", address) for address in had ^ has]
