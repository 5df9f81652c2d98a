"""Virtual servers as one nftables table: the kernel translates the first packet of each connection.

``plan_services`` makes the text of the whole table, and the table is replaced in one transaction; a
connection that has been translated stays with its endpoint. Packets from pods pass ``prerouting``, those of
the host ``output``, and both look up the same two maps. Which endpoint comes next is counted per server, so
that connections take turns. Whatever is still addressed to the range of virtual addresses after that has no
endpoint, and is refused; TCP by a reset, because the kernel sends few ICMP messages and has spent those on
redirects already.

A pod that reaches itself must not see its own address as the sender, or it would answer itself past the
host: such connections are masqueraded, as are those from the host's loopback to a node port.
"""

import asyncio
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from ipaddress import IPv4Network, collapse_addresses, ip_network
from pathlib import Path

from kube_lite_runtime.errors import NotSupported

from . import nft
from .bridge import service_metric, services_table
from .netlink import Netlink
from .services import ANY_LOCAL, Endpoint, VirtualServer

SYSCTL = Path("/proc/sys/net/ipv4/conf")


class ServiceRules:
    """A ``ProxyBackend`` in the kernel. ``bridge`` is the name of the pods' bridge."""

    name = "nftables"
    limits = ""

    def __init__(self, bridge: str, service_cidr: str) -> None:
        self._bridge = bridge
        self._usual = service_cidr
        self._further: list[IPv4Network] = []
        self._thread: ThreadPoolExecutor | None = None

    async def __aenter__(self) -> "ServiceRules":
        """Let the host's loopback reach node ports of pods; the rules themselves come with ``apply``."""
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="kube-lite-service-rules")
        with suppress(OSError):  # without it only 127.0.0.1:<node port> does not answer
            (SYSCTL / self._bridge / "route_localnet").write_text("1")
        return self

    async def __aexit__(self, *failure: object) -> None:
        """Let go; the rules stay."""
        if self._thread is not None:
            self._thread.shutdown()

    async def apply(self, servers: Sequence[VirtualServer]) -> None:
        """Replace the table; see ``ProxyBackend``."""
        body = plan_services(servers, bridge=self._bridge, service_cidr=self._usual, further=self._further)
        await self._in_thread(lambda: nft.apply(nft.plan_replacement(services_table(self._bridge), body)))

    async def cover(self, ranges: Sequence[str]) -> None:
        """Have the host send what goes there towards the bridge; see ``ProxyBackend``."""
        wanted = [network for network in map(ip_network, ranges) if isinstance(network, IPv4Network)]
        further = [network for network in wanted if str(network) != self._usual]
        await self._in_thread(lambda: self._route(further))
        self._further = further

    def _route(self, networks: Sequence[IPv4Network]) -> None:
        try:
            with Netlink() as host:
                bridge = host.find(self._bridge)
                if bridge is None:
                    raise NotSupported(f"the bridge {self._bridge} is gone")
                for network in networks:
                    host.add_route(bridge.number, network, metric=service_metric(self._bridge))
                for network in self._further:
                    if network not in networks:
                        with suppress(ProcessLookupError):
                            host.remove_route(bridge.number, network)
        except OSError as error:
            raise NotSupported(f"further addresses for services: {error}") from error

    async def teardown(self) -> None:
        """Remove the table."""
        await self._in_thread(lambda: nft.apply(nft.plan_removal(services_table(self._bridge))))

    async def _in_thread(self, work: Callable[[], None]) -> None:
        assert self._thread is not None  # entered
        await asyncio.get_running_loop().run_in_executor(self._thread, work)


def plan_services(
    servers: Sequence[VirtualServer], *, bridge: str, service_cidr: str, further: Sequence[IPv4Network] = ()
) -> str:
    """The body of the table that makes ``servers`` reachable from pods and host.

    Connections to other addresses of the range are refused, and so are those to ``further`` ranges if the
    host would send them to the bridge: whoever chose those may have chosen a network of the host's own.

    With one server 10.96.0.10:80 of endpoints 10.244.0.2:8080 and 10.244.0.3:8080 its heart is:

        map addresses { … elements = { 10.96.0.10 . tcp . 80 : goto server_0 } }
        chain server_0 { meta l4proto tcp dnat ip addr . port to
            numgen inc mod 2 map { 0 : 10.244.0.2 . 8080, 1 : 10.244.0.3 . 8080 } }
    """
    addresses, ports, chains = [], [], []
    for number, (endpoints, owners) in enumerate(_grouped(servers)):
        chain = f"server_{number}"
        protocol = owners[0].protocol
        chains.append(f"chain {chain} {{\n  meta l4proto {protocol} {_translation(endpoints, owners[0])}\n}}")
        for server in owners:
            place = f"{server.protocol} . {server.port} : goto {chain}"
            if server.address == ANY_LOCAL:
                ports.append(place)
            else:
                addresses.append(f"{server.address} . {place}")
    own = sorted({endpoint.address for server in servers for endpoint in server.endpoints})
    return "\n".join(
        [
            *chains,
            _elements("map addresses", "ipv4_addr . inet_proto . inet_service : verdict", addresses),
            _elements("map node_ports", "inet_proto . inet_service : verdict", ports),
            _elements(
                "set themselves", "ipv4_addr . ipv4_addr", [f"{address} . {address}" for address in own]
            ),
            _HOOKS.format(bridge=bridge, refusal=_refusal(bridge, service_cidr, further)),
        ]
    )


_HOOKS = """
chain translate {{
  ip daddr . meta l4proto . th dport vmap @addresses
  fib daddr type local meta l4proto . th dport vmap @node_ports
}}
chain prerouting {{
  type nat hook prerouting priority dstnat; policy accept;
  jump translate
}}
chain output {{
  type nat hook output priority -100; policy accept;
  jump translate
}}
chain postrouting {{
  type nat hook postrouting priority srcnat; policy accept;
  ct status dnat ip saddr . ip daddr @themselves masquerade
  ct status dnat ip saddr 127.0.0.0/8 masquerade
}}
chain refuse_pods {{
  type filter hook forward priority filter; policy accept;
{refusal}
}}
chain refuse_host {{
  type filter hook output priority filter; policy accept;
{refusal}
}}
chain guard_loopback {{
  type filter hook prerouting priority raw; policy accept;
  iifname "{bridge}" ip daddr 127.0.0.0/8 drop
}}
""".strip()


def _refusal(bridge: str, service_cidr: str, further: Sequence[IPv4Network]) -> str:
    meant = [f"ip daddr {service_cidr}"]
    if further:  # as one set, whose elements may not overlap
        networks = ", ".join(map(str, collapse_addresses(further)))
        meant.append(f'oifname "{bridge}" ip daddr {{ {networks} }}')
    return "\n".join(
        line
        for each in meant
        for line in (f"  {each} meta l4proto tcp reject with tcp reset", f"  {each} reject")
    )


def _grouped(
    servers: Sequence[VirtualServer],
) -> Iterator[tuple[tuple[Endpoint, ...], list[VirtualServer]]]:
    """Servers that may share a chain, and with it the turn: the same endpoints, protocol and stickiness."""
    groups: dict[tuple[object, ...], list[VirtualServer]] = {}
    for server in servers:
        if server.endpoints:
            groups.setdefault((server.endpoints, server.protocol, server.is_sticky), []).append(server)
    for owners in groups.values():
        yield owners[0].endpoints, owners


def _translation(endpoints: tuple[Endpoint, ...], server: VirtualServer) -> str:
    if len(endpoints) == 1:
        return f"dnat ip to {endpoints[0].address}:{endpoints[0].port}"
    choice = "jhash ip saddr" if server.is_sticky else "numgen inc"
    places = ", ".join(f"{number} : {each.address} . {each.port}" for number, each in enumerate(endpoints))
    return f"dnat ip addr . port to {choice} mod {len(endpoints)} map {{ {places} }}"


def _elements(head: str, kind: str, elements: Sequence[str]) -> str:
    content = f" elements = {{ {', '.join(elements)} }}" if elements else ""
    return f"{head} {{ type {kind};{content} }}"
