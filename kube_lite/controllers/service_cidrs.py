"""ServiceCIDRs: the ranges of Service addresses say whether they are ready, and end late enough.

One that is there is held by a finalizer and ready. One that is asked to go stays as long as a Service has an
address that no other range has; then it waits a while more, for an address may just have been chosen, and is
let go. The range that the server was started with is made again when it is missing.

Source: ``pkg/controller/servicecidrs`` and ``pkg/controlplane/controller/defaultservicecidr``.
"""

from collections.abc import Iterable, Sequence
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network

from kube_lite.api import meta
from kube_lite.api.errors import AlreadyExists, ApiError
from kube_lite.api.identity import Json, ObjectKey, key_of
from kube_lite.api.times import format_time, parse_time
from kube_lite.client.controller import Controller, RequeueAfter
from kube_lite.client.informers import Informers
from kube_lite.client.protocol import Client, EventType, PatchType
from kube_lite.client.recorder import Recorder
from kube_lite.kit.clock import Clock

from .resources import IP_ADDRESSES, SERVICE_CIDRS

FINALIZER = "networking.k8s.io/service-cidr-finalizer"
MANAGED_BY, MANAGER = "ipaddress.kubernetes.io/managed-by", "ipallocator.k8s.io"
"""The label of IPAddresses that tell of Services."""
NAME = "service-cidr-controller"
DEFAULT = "kubernetes"
GRACE_SECONDS = 10.0  # upstream's, for allocators to hear of a deletion
READY = "Kubernetes Service CIDR is ready"
IS_DEFAULT = "Kubernetes default Service CIDR is ready"
STILL_USED = (
    "There are still IPAddresses referencing the ServiceCIDR, please remove them or create a new ServiceCIDR"
)

Network = IPv4Network | IPv6Network


def networks_of(service_cidr: Json) -> list[Network]:
    """The ranges of one ServiceCIDR."""
    return [ip_network(text, strict=False) for text in service_cidr["spec"].get("cidrs") or ()]


def has_address(network: Network, text: str) -> bool:
    """Whether a range can give an address; network and broadcast address of IPv4 are nobody's."""
    address = ip_address(text)
    if address not in network or address == network.network_address:
        return False
    return network.version == 6 or address != network.broadcast_address


def ranges_with(address: str, service_cidrs: Iterable[Json]) -> list[str]:
    """The names of the ServiceCIDRs that can give an address."""
    return [
        one["metadata"]["name"]
        for one in service_cidrs
        if any(has_address(network, address) for network in networks_of(one))
    ]


def may_go(service_cidr: Json, others: Sequence[Json], addresses: Iterable[str]) -> bool:
    """Whether a ServiceCIDR can be deleted and no Service be left with an address of no range.

    Args:
        addresses: of Services.
    """
    wider = [network for other in others for network in networks_of(other)]
    if all(any(_includes(one, network) for one in wider) for network in networks_of(service_cidr)):
        return True
    own = networks_of(service_cidr)
    return not any(
        any(has_address(network, text) for network in own) and not ranges_with(text, others)
        for text in addresses
    )


def _includes(wide: Network, narrow: Network) -> bool:
    return wide.version == narrow.version and wide.overlaps(narrow) and wide.prefixlen <= narrow.prefixlen


def plan_ready(service_cidr: Json, *, is_ready: bool, now: float) -> Json | None:
    """The condition that says so; None when it does already."""
    wanted: Json = {
        "type": "Ready",
        "status": "True" if is_ready else "False",
        "reason": "",
        "message": READY,
    }
    if not is_ready:
        wanted |= {"reason": "Terminating", "message": STILL_USED}
    present = meta.condition(service_cidr, "Ready") or {}
    if all(present.get(field, "") == value for field, value in wanted.items()):
        return None
    since = present.get("lastTransitionTime")
    if present.get("status") != wanted["status"] or not since:
        since = format_time(now)
    return {**wanted, "lastTransitionTime": since}


class ServiceCIDRs(Controller):
    """Keeps finalizers and conditions. Keys are those of ServiceCIDRs."""

    def __init__(self, client: Client, informers: Informers, clock: Clock, recorder: Recorder) -> None:
        super().__init__("service-cidrs", clock)
        self._client = client
        self._recorder = recorder.of(NAME)
        self._service_cidrs = informers.informer(SERVICE_CIDRS)
        self._addresses = informers.informer(IP_ADDRESSES)
        self.watch(self._service_cidrs, self._overlapping)
        self.watch(self._addresses, self._containing)

    async def reconcile(self, key: ObjectKey) -> RequeueAfter | None:
        """Hold it and say that it is ready, or let it go when it can."""
        found = self._service_cidrs.get(key)
        if found is None:
            return None
        if meta.is_being_deleted(found):
            return await self._let_go(found)
        if not meta.has_finalizer(found, FINALIZER):
            patch = {"metadata": {"finalizers": [FINALIZER]}}
            await self._client.patch(SERVICE_CIDRS, key.name, patch, patch_type=PatchType.STRATEGIC)
        await self._say(found, is_ready=True)
        return None

    async def _let_go(self, found: Json) -> RequeueAfter | None:
        name = found["metadata"]["name"]
        if not meta.has_finalizer(found, FINALIZER):
            return None
        others = [one for one in self._service_cidrs.list() if one["metadata"]["name"] != name]
        if not may_go(found, others, self._service_addresses()):
            await self._say(found, is_ready=False)
            return None
        left = GRACE_SECONDS - (self.clock.now() - parse_time(found["metadata"]["deletionTimestamp"]))
        if left > 0:
            return RequeueAfter(left)
        patch = {"metadata": {"uid": meta.uid_of(found), "$deleteFromPrimitiveList/finalizers": [FINALIZER]}}
        await self._client.patch(SERVICE_CIDRS, name, patch, patch_type=PatchType.STRATEGIC)
        return None

    def _service_addresses(self) -> list[str]:
        managed = [one for one in self._addresses.list() if meta.labels_of(one).get(MANAGED_BY) == MANAGER]
        return [one["metadata"]["name"] for one in managed]

    async def _say(self, found: Json, *, is_ready: bool) -> None:
        condition = plan_ready(found, is_ready=is_ready, now=self.clock.now())
        if condition is None:
            return
        name = found["metadata"]["name"]
        patch = {
            "apiVersion": SERVICE_CIDRS.api_version, "kind": "ServiceCIDR",
            "metadata": {"name": name, "uid": meta.uid_of(found)}, "status": {"conditions": [condition]},
        }  # fmt: skip
        try:
            await self._client.patch(
                SERVICE_CIDRS, name, patch, subresource="status", patch_type=PatchType.APPLY,
                field_manager=NAME, force=True,
            )  # fmt: skip
        except ApiError:
            if is_ready:
                words = "The ServiceCIDR Status can not be set to Ready=True"
                self._recorder.event(found, "Warning", "KubernetesServiceCIDRError", words)
            raise

    def _overlapping(self, event: EventType, old: Json | None, new: Json | None) -> Iterable[ObjectKey]:
        """Itself, and when it comes or goes those that wait for a range that covers theirs, or lose it."""
        changed = new or old
        if changed is None:
            return
        yield key_of(changed)
        if old is None or new is None:
            for other in self._service_cidrs.list():
                if meta.is_being_deleted(other):
                    yield key_of(other)

    def _containing(self, event: EventType, old: Json | None, new: Json | None) -> Iterable[ObjectKey]:
        """Those that wait to be let go."""
        address = (new or old or {})["metadata"]["name"]
        for one in self._service_cidrs.list():
            if meta.is_being_deleted(one) and ranges_with(address, [one]):
                yield key_of(one)


class DefaultServiceCIDR(Controller):
    """Makes the range that the server was started with again. The only key is its.

    Args:
        cidr: that range.
    """

    def __init__(
        self, client: Client, informers: Informers, clock: Clock, recorder: Recorder, cidr: str
    ) -> None:
        super().__init__("default-service-cidr", clock, workers=1)
        self._client = client
        self._recorder = recorder.of("kubernetes-default-service-cidr-controller")
        self._cidr = cidr
        self._has_told = False
        self._service_cidrs = informers.informer(SERVICE_CIDRS)
        self.watch(self._service_cidrs, lambda *_: [ObjectKey("", DEFAULT)])
        self.queue.add(ObjectKey("", DEFAULT))  # where there is none, nothing happens to any

    async def reconcile(self, key: ObjectKey) -> RequeueAfter | None:
        """Make it, and say that it is ready, if nobody has said whether it is."""
        found = self._service_cidrs.get(key)
        if found is None:
            found = await self._make()
        if meta.is_being_deleted(found):
            return None
        cidrs = found["spec"].get("cidrs") or []
        if cidrs != [self._cidr]:
            if not self._has_told:
                self._has_told = True
                words = f"The default ServiceCIDR [{' '.join(cidrs)}] does not match the controller flag"
                words += f" configurations [{self._cidr}]"
                self._recorder.event(found, "Warning", "KubernetesDefaultServiceCIDRInconsistent", words)
            return None
        if meta.condition(found, "Ready") is None:
            ready = {
                "type": "Ready", "status": "True", "reason": "", "message": IS_DEFAULT,
                "lastTransitionTime": format_time(self.clock.now()),
            }  # fmt: skip
            status = {**found, "status": {"conditions": [ready]}}
            await self._client.update(SERVICE_CIDRS, status, subresource="status")
        return None

    async def _make(self) -> Json:
        body = {
            "apiVersion": SERVICE_CIDRS.api_version, "kind": "ServiceCIDR", "metadata": {"name": DEFAULT},
            "spec": {"cidrs": [self._cidr]},
        }  # fmt: skip
        try:
            return await self._client.create(SERVICE_CIDRS, body)
        except AlreadyExists:
            return await self._client.get(SERVICE_CIDRS, DEFAULT)
