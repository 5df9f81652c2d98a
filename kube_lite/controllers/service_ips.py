"""An IPAddress for every address that a Service has, which says whose it is.

Which Service has an address is decided when the Service is written; these objects tell of it and go with the
Service. Those that somebody else has made stay, and their addresses are not given out. So creating a Service
costs no more than the Service. What somebody did to them behind its back is repaired, and told.

Source: ``pkg/registry/core/service/ipallocator/controller/repairip.go``.
"""

from collections.abc import Iterable
from ipaddress import ip_address

from kube_lite.api import meta
from kube_lite.api.errors import NotFound
from kube_lite.api.identity import Json, ObjectKey, key_of
from kube_lite.client.controller import Controller, RequeueAfter
from kube_lite.client.informers import Informers
from kube_lite.client.protocol import Client, EventType
from kube_lite.client.recorder import Recorder
from kube_lite.kit.clock import Clock

from .resources import IP_ADDRESSES, SERVICE_CIDRS, SERVICES
from .service_cidrs import MANAGED_BY, MANAGER, ranges_with

FAMILY = "ipaddress.kubernetes.io/ip-family"
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

    def __init__(self, client: Client, informers: Informers, clock: Clock, recorder: Recorder) -> None:
        super().__init__("service-ips", clock)
        self._client = client
        self._recorder = recorder.of("ipallocator-repair-controller")
        self._released: set[str] = set()
        """Addresses that a Service has given back, so that their objects go in silence."""
        self._removed: set[str] = set()
        """The uids of objects that were deleted here."""
        self._lost: set[str] = set()
        """Addresses whose objects somebody else has deleted."""
        self._services = informers.informer(SERVICES)
        self._addresses = informers.informer(IP_ADDRESSES)
        self._ranges = informers.informer(SERVICE_CIDRS)
        self._services.add_index(BY_ADDRESS, addresses_of)
        self.watch(self._services, self._of_service)
        self.watch(self._addresses, self._of_address)
        self.watch(self._ranges, self._of_range)

    async def reconcile(self, key: ObjectKey) -> RequeueAfter | None:
        """Make the object of an address that a Service has; see to one that is wrong, or nobody's."""
        found, services = self._addresses.get(key), self._services.by_index(BY_ADDRESS, key.name)
        if not services:
            if found is None or meta.labels_of(found).get(MANAGED_BY) != MANAGER:
                self._released.discard(key.name)
                self._lost.discard(key.name)
                return None
            if key.name not in self._released:
                self._tell_orphan(key.name, found)
            await self._delete(found)
            return None
        if found is None:
            await self._make(key.name, services[0])
        elif not await self._is_right(key.name, found, services):
            await self._delete(found)  # whose it is cannot be changed: its end is told, and it is made anew
        return None

    async def _make(self, address: str, service: Json) -> None:
        if not self._is_in_range(address):
            words = f"{_of(address)} is not within any configured Service CIDR; please recreate service"
            self._tell(service, "ClusterIPOutOfRange", f"Cluster IP {words}")
            return
        if address in self._lost:
            self._tell(
                service, "ClusterIPNotAllocated", f"Cluster IP {_of(address)} is not allocated; repairing"
            )
        await self._client.create(IP_ADDRESSES, plan_object(address, service))
        self._lost.discard(address)
        self._released.discard(address)

    async def _is_right(self, address: str, found: Json, services: list[Json]) -> bool:
        """Whether the object tells of the Service, or of one of them; says so where it does not."""
        parents = [plan_object(address, service)["spec"]["parentRef"] for service in services]
        if _without_group(found["spec"].get("parentRef") or {}) not in parents:
            if address not in self._released:
                metadata = services[0]["metadata"]
                words = (
                    f"for Service {metadata['namespace']}/{metadata['name']} has a wrong reference; repairing"
                )
                self._tell(services[0], "ClusterIPNotAllocated", f"the ClusterIP {_of(address)} {words}")
            return False
        for service, parent in zip(services, parents, strict=True):
            if parent != _without_group(found["spec"]["parentRef"]):
                words = f"{_of(address, space='')} was assigned to multiple services; please recreate service"
                self._tell(service, "ClusterIPAlreadyAllocated", f"Cluster IP {words}")
        self._released.discard(address)
        labels: Json = plan_object(address, services[0])["metadata"]["labels"]
        return labels.items() <= meta.labels_of(found).items()

    def _tell_orphan(self, address: str, found: Json) -> None:
        """Say why an object goes that tells of no Service with the address.

        Upstream waits a minute for the Service, as its objects are written before their Services.
        """
        parent = found["spec"].get("parentRef") or {}
        whose = f"IPAddress: {address} for Service {parent.get('namespace', '')}/{parent.get('name', '')}"
        if parent.get("group") or parent.get("resource") != "services":
            shown = " ".join(parent.get(field, "") for field in ("group", "resource", "namespace", "name"))
            words = f"appears to have been modified, not referencing a Service &{{{shown}}}: cleaning up"
            self._tell(found, "IPAddressNotAllocated", f"IPAddress {address} {words}")
        elif self._services.get(ObjectKey(parent.get("namespace", ""), parent.get("name", ""))) is not None:
            self._tell(found, "IPAddressWrongReference", f"{whose} has a wrong reference; cleaning up")
        else:
            self._tell(found, "IPAddressNotAllocated", f"{whose} appears to have leaked: cleaning up")

    async def _delete(self, found: Json) -> None:
        uid = meta.uid_of(found)
        self._removed.add(uid)
        try:
            await self._client.delete(IP_ADDRESSES, found["metadata"]["name"], uid=uid)
        except NotFound:
            if self._addresses.get(key_of(found)) is None:  # else its end is still to be told
                self._removed.discard(uid)

    def _is_in_range(self, address: str) -> bool:
        ranges = self._ranges.list()
        return not ranges or bool(ranges_with(address, ranges))

    def _tell(self, obj: Json, reason: str, message: str) -> None:
        kind = IP_ADDRESSES if "parentRef" in obj["spec"] else SERVICES
        name = "IPAddress" if kind is IP_ADDRESSES else "Service"
        self._recorder.event(
            {**obj, "apiVersion": kind.api_version, "kind": name}, "Warning", reason, message
        )

    def _of_service(self, event: EventType, old: Json | None, new: Json | None) -> Iterable[ObjectKey]:
        had, has = (set(addresses_of(service)) if service is not None else set() for service in (old, new))
        self._released |= had - has
        return [ObjectKey("", address) for address in had ^ has]

    def _of_address(self, event: EventType, old: Json | None, new: Json | None) -> Iterable[ObjectKey]:
        found = new or old
        if found is None:
            return
        name, uid = found["metadata"]["name"], meta.uid_of(found)
        if new is None and uid not in self._removed and self._services.by_index(BY_ADDRESS, name):
            self._lost.add(name)
        if new is None:
            self._removed.discard(uid)
        yield ObjectKey("", name)

    def _of_range(self, event: EventType, old: Json | None, new: Json | None) -> Iterable[ObjectKey]:
        """Addresses that had no range before."""
        for service in self._services.list() if old is None else ():
            for address in addresses_of(service):
                if self._addresses.get(ObjectKey("", address)) is None:
                    yield ObjectKey("", address)


def _without_group(parent: Json) -> Json:
    """The core group may be named by nothing at all."""
    return {field: value for field, value in parent.items() if field != "group" or value}


def _of(address: str, space: str = " ") -> str:
    """``[IPv4]: 10.96.0.1``."""
    return f"[IPv{ip_address(address).version}]:{space}{address}"
