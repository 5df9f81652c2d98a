"""Addresses that stand for many: what a virtual server is, and who makes it reachable.

Two backends: ``service_rules.ServiceRules`` has the kernel translate addresses and needs root;
``forwarder.Forwarder`` accepts connections on loopback addresses and passes their bytes on. Both are told the
whole wanted state each time and find out themselves what is different.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Literal, NamedTuple, Protocol

ANY_LOCAL = ""
"""As a virtual server's address: every address of this host."""


class Endpoint(NamedTuple):
    """Who answers in the end."""

    address: str
    port: int


class VirtualServer(NamedTuple):
    """One address and port, and the endpoints that connections to it are spread over.

    Without endpoints connections are refused. ``is_sticky``: a client comes to the same endpoint each time,
    as long as the endpoints stay the same.
    """

    address: str
    port: int
    protocol: Literal["tcp", "udp", "sctp"]
    endpoints: tuple[Endpoint, ...]
    is_sticky: bool = False


class ProxyBackend(Protocol):
    """Makes virtual servers reachable. Ready by ``async with backend:``."""

    @property
    def name(self) -> str:
        """A word for logs and status screens: ``"nftables"`` or ``"userspace"``."""
        ...

    @property
    def limits(self) -> str:
        """What is not reachable, in words; empty when everything is."""
        ...

    async def __aenter__(self) -> "ProxyBackend":
        """Be ready to ``apply``. Raises ``NotSupported``."""
        ...

    async def __aexit__(self, *failure: object) -> None:
        """Let go. Rules of the kernel stay in force; forwarded connections end."""
        ...

    async def apply(self, servers: Sequence[VirtualServer]) -> None:
        """Make exactly these reachable, from one moment to the next; established connections go on.

        Raises ``NotSupported`` when the host refuses; then what was reachable before still is.
        """
        ...

    async def teardown(self) -> None:
        """Remove everything it ever made on this host. May be called twice."""
        ...


def select_backend(network_directory: Path, service_cidr: str, *, has_pod_network: bool) -> ProxyBackend:
    """The best backend that this host allows, not yet entered.

    Args:
        network_directory: the one given to ``bridge.Bridge``.
        service_cidr: the range of virtual addresses; with rules in the kernel, connections to those of them
            that have no server are refused.
        has_pod_network: pods are on that bridge; without it there is nothing to translate to.
    """
    from . import nft

    if has_pod_network and nft.is_allowed():
        from .bridge import bridge_name
        from .service_rules import ServiceRules

        return ServiceRules(bridge_name(network_directory), service_cidr)
    from .forwarder import Forwarder

    return Forwarder()
