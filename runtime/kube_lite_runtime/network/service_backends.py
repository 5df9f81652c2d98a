"""Which backend makes virtual servers reachable on this host.

``service_rules.ServiceRules`` has the kernel translate addresses and needs root; ``forwarder.Forwarder``
accepts connections on loopback addresses and passes their bytes on. Only the chosen one is loaded.
"""

from pathlib import Path

from .services import ProxyBackend


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
