"""The protocol of pod networks: who gives a sandbox its addresses, and takes them back.

Two networks fulfil it. ``bridge.Bridge`` gives every sandbox a veth pair and an address of its own and needs
root; ``host.HostNetwork`` leaves it on the host's network. A network outlives the process that uses it, as
the sandboxes do: leaving the block disturbs no pod, and only ``teardown`` takes everything away.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol


class Network(Protocol):
    """Connects sandboxes. Made ready by ``async with network:``; leaving disconnects nobody."""

    @property
    def name(self) -> str:
        """A word for logs and status screens: the bridge's name, or ``"host"``."""
        ...

    async def __aenter__(self) -> "Network":
        """Make what all sandboxes share, or find it again. Raises ``NotSupported`` if the host forbids it."""
        ...

    async def __aexit__(self, *failure: object) -> None:
        """Let go; connected sandboxes stay connected."""
        ...

    async def attach(self, sandbox_id: str, netns: Path) -> Sequence[str]:
        """Connect the network namespace at ``netns`` (such as ``/proc/42/ns/net``) and bring its ``lo`` up.

        Called again for the same sandbox it repairs what is missing and answers the same addresses.
        Returns the sandbox's addresses, IPv4, without a prefix length.

        Raises:
            SandboxFailed: the step that failed; nothing is left behind, but the address may stay leased
                until ``detach``.
        """
        ...

    async def detach(self, sandbox_id: str) -> None:
        """Disconnect it and free its addresses. Nothing happens when it is not connected."""
        ...

    async def host_address(self, name: str) -> str:
        """An address of this host in the network, for ``name`` alone where the network has addresses to give.

        The same for the same name until ``teardown``. Raises ``NotSupported`` if there is none left.
        """
        ...

    async def teardown(self) -> None:
        """Remove all that this network ever made on the host, whoever still uses it. May be called twice."""
        ...
