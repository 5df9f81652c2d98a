"""Host ports: two pods of one node cannot have the same one."""

from collections.abc import Iterable
from typing import NamedTuple

from kube_lite.api.identity import Json

TAKEN = "node(s) didn't have free ports for the requested pod ports"
EVERY_ADDRESS = "0.0.0.0"


class HostPort(NamedTuple):
    """A port of the host, on one of its addresses or on all of them."""

    protocol: str
    address: str
    port: int


def host_ports_of(pod: Json) -> frozenset[HostPort]:
    """The host ports that a pod's containers ask for."""
    spec = pod["spec"]
    sidecars = (entry for entry in spec.get("initContainers", ()) if entry.get("restartPolicy") == "Always")
    return frozenset(
        HostPort(port.get("protocol") or "TCP", port.get("hostIP") or EVERY_ADDRESS, port["hostPort"])
        for container in (*spec.get("containers", ()), *sidecars)
        for port in container.get("ports") or ()
        if port.get("hostPort")
    )


def conflict(wanted: Iterable[HostPort], taken: Iterable[HostPort]) -> bool:
    """Whether one of the wanted ports is taken; a port on every address meets that port on any."""
    used = set(taken)
    numbers = {(port.protocol, port.port) for port in used}
    for port in wanted:
        if port in used or port._replace(address=EVERY_ADDRESS) in used:
            return True
        if port.address == EVERY_ADDRESS and (port.protocol, port.port) in numbers:
            return True
    return False
