"""Where the addresses of Services come from: every ServiceCIDR that is ready and not about to go.

They are read from the store whenever an address is chosen, so that one that is being deleted gives none from
that moment on; what they say is kept as long as none of them changes. Releases without them, and a store in
which nobody has made any yet, have the range that the server was started with. Only IPv4: the cluster has one
family.

Source: ``cidrallocator.go`` of kubernetes/pkg/registry/core/service/ipallocator.
"""

from collections.abc import Iterator
from ipaddress import IPv4Network, ip_network

from kube_lite_storage import Store

from kube_lite.api import meta
from kube_lite.api.identity import GroupResource, Json

from .keys import storage_range
from .stored import Stored

SERVICE_CIDRS = GroupResource("networking.k8s.io", "servicecidrs")
READY = "Ready"


class ServiceRanges:
    """The ranges of a store.

    Args:
        default: the range that the server was started with.
    """

    def __init__(self, store: Store, default: str) -> None:
        self._store = store
        self._default = IPv4Network(default)
        self._read_at: list[tuple[bytes, int]] | None = None
        self._ready: list[IPv4Network] = []

    def ready(self) -> list[IPv4Network]:
        """Those that addresses may be taken from now; do not change the result."""
        wanted = storage_range(SERVICE_CIDRS)
        now = [(each.key, each.revision) for each in self._store.list(wanted, parts="keys").items]
        if now != self._read_at:
            found = [Stored(one.value, one.revision, one.header) for one in self._store.list(wanted).items]
            networks = [network for one in found for network in _networks(one.object)]
            self._ready = list(dict.fromkeys(networks)) if found else [self._default]
            self._read_at = now
        return self._ready


def _networks(service_cidr: Json) -> Iterator[IPv4Network]:
    ready = meta.condition(service_cidr, READY)
    is_ready = ready is None or ready["status"] == "True"  # without controllers nobody says so
    if not is_ready or meta.is_being_deleted(service_cidr):
        return
    for text in service_cidr["spec"].get("cidrs") or ():
        network = ip_network(text, strict=False)
        if isinstance(network, IPv4Network):
            yield network
