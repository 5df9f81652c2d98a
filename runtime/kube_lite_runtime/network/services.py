"""Addresses that stand for many: what a virtual server is, and what makes it reachable.

A backend is told the whole wanted state each time and finds out itself what is different. Which ones there
are, and which one this host allows: ``service_backends.py``.
"""

from collections.abc import Sequence
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

    async def cover(self, ranges: Sequence[str]) -> None:
        """Further ranges of virtual addresses, beside the usual one: all of them, each time.

        Where rules are the kernel's, this host learns where to send what goes there, and connections to
        addresses without a server are refused.
        """
        ...

    async def teardown(self) -> None:
        """Remove everything it ever made on this host. May be called twice."""
        ...
