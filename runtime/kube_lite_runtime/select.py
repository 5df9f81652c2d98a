"""Which driver this host can have."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from .driver import Driver

if TYPE_CHECKING:
    from .network.driver import Network
    from .process.driver import ProcessDriver


def select_driver(
    kind: Literal["auto", "process", "fake"],
    directory: Path,
    *,
    network_cidr: str = "10.244.0.0/24",
    service_cidr: str = "10.96.0.0/16",
    hidden: Sequence[Path] = (),
) -> Driver:
    """A driver, not yet entered.

    ``auto`` and ``process`` both run real processes, with as much isolation as the host allows:
    ``abilities()`` tells how much, once the driver is entered. ``fake`` plays containers in memory.

    Args:
        directory: where the runtime keeps everything; made when missing.
        network_cidr: the addresses of this node's pods.
        service_cidr: the addresses of services, which pods reach through the node.
        hidden: directories of the host that containers of the host's own root must not see, such as the
            cluster's data directory. ``directory`` itself always is hidden.
    """
    if kind == "fake":
        from .fake import FakeDriver

        return FakeDriver(network=network_cidr)
    return process_driver(directory, network_cidr=network_cidr, service_cidr=service_cidr, hidden=hidden)


def process_driver(
    directory: Path,
    *,
    mode: Literal["auto", "root", "user", "plain"] = "auto",
    network_cidr: str = "10.244.0.0/24",
    service_cidr: str = "10.96.0.0/16",
    hidden: Sequence[Path] = (),
) -> "ProcessDriver":
    """The process driver with all that it can do beyond ``Driver``: ``import_image``, ``teardown``."""
    from .process.driver import ProcessDriver

    def make_network() -> "Network":
        from .network.bridge import Bridge

        return Bridge(directory / "network", network_cidr, service_cidr)

    return ProcessDriver(directory, mode=mode, make_network=make_network, hidden=hidden)
