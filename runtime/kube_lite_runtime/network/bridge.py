"""Pods on a bridge, each with an address of its own; for root.

One bridge per cluster carries the gateway address; every sandbox has a veth pair, its near end a port of the
bridge. The pod's own address has a prefix of 32 and everything goes by the gateway, so also packets between
two pods are routed by the host instead of being switched. That is what makes Services work: the answer of a
pod that was reached through a Service address passes the host, which translates it back, whether the host
has the ``br_netfilter`` module or not. Where it has, translated packets take a short cut within the bridge,
and may have to leave by the port they came in.

All of it is made by netlink messages in a thread of its own, 2 ms per pod; a second thread removes what is no
longer wanted, because there the kernel waits 15 ms for every processor to let go of an interface. Names and
hardware addresses are derived from the directory, the sandbox and the address, so that everything is found
again after a restart, and an address that is used again is not looked for at its former owner.
"""

import asyncio
import hashlib
import os
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from ipaddress import IPv4Address, IPv4Interface, IPv4Network
from pathlib import Path
from typing import TypeVar

from kube_lite_runtime.errors import NotSupported, SandboxFailed

from . import nft
from .ipam import Pool, PoolExhausted
from .netlink import Link, Netlink, Peer, in_namespace

SYSCTL = Path("/proc/sys/net/ipv4")
POD_INTERFACE = "eth0"
EVERYTHING = IPv4Network("0.0.0.0/0")
FORWARDING_SECONDS = 0.5
POD_SETTINGS = (
    # The host sees packets leave where they came in, and advises pods to talk past it; they must not listen.
    (SYSCTL / "conf" / "all" / "accept_redirects", "0"),
    (SYSCTL / "conf" / POD_INTERFACE / "accept_redirects", "0"),
    # Within a pod low ports are nobody's privilege; containerd's default too.
    (SYSCTL / "ip_unprivileged_port_start", "0"),
)
Answer = TypeVar("Answer")


class Bridge:
    """A ``Network`` of veth pairs. ``directory`` keeps the leases and names the bridge.

    Args:
        directory: made with mode 0700; another directory is another network.
        cidr: the pods' network; its first address is the host's.
        service_cidr: addresses that the host sends towards the bridge, so that it tries to reach them at all.
    """

    def __init__(
        self, directory: Path, cidr: str = "10.244.0.0/24", service_cidr: str = "10.96.0.0/16"
    ) -> None:
        self._directory = directory
        self._network = IPv4Network(cidr)
        self._services = IPv4Network(service_cidr)
        self._digest = _digest(directory)
        self.name = bridge_name(directory)
        self._thread: ThreadPoolExecutor | None = None
        self._remover: ThreadPoolExecutor | None = None
        self._pool: Pool | None = None

    @property
    def gateway(self) -> str:
        """The host's address on the bridge."""
        return str(self._network.network_address + 1)

    async def __aenter__(self) -> "Bridge":
        """Make the bridge, or find it again. Raises ``NotSupported``."""
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="kube-lite-network")
        self._remover = ThreadPoolExecutor(1, thread_name_prefix="kube-lite-network-removal")
        try:
            await self._in_thread(self._make)
        except BaseException:
            await self.__aexit__()
            raise
        return self

    async def __aexit__(self, *failure: object) -> None:
        """Let go; connected sandboxes stay connected."""
        for thread in (self._thread, self._remover):
            if thread is not None:
                thread.shutdown(wait=False)

    async def attach(self, sandbox_id: str, netns: Path) -> Sequence[str]:
        """Connect a network namespace; see ``Network``."""
        return await self._in_thread(lambda: self._attach(sandbox_id, netns))

    async def detach(self, sandbox_id: str) -> None:
        """Disconnect a sandbox; see ``Network``."""
        assert self._remover is not None  # entered
        await asyncio.get_running_loop().run_in_executor(self._remover, self._disconnect, sandbox_id)
        await self._in_thread(lambda: self._release(sandbox_id))

    async def host_address(self, name: str) -> str:
        """One more address of the host on the bridge; see ``Network``."""
        return await self._in_thread(lambda: self._add_host_address(name))

    async def teardown(self) -> None:
        """Remove the bridge, every port, the rules and the leases.

        ``ip_forward`` stays on: others may need it by now.
        """
        await self._in_thread(self._remove)

    async def _in_thread(self, work: Callable[[], Answer]) -> Answer:
        assert self._thread is not None  # entered
        return await asyncio.get_running_loop().run_in_executor(self._thread, work)

    # From here on in the network's threads; only the first of them touches the pool.

    def _make(self) -> None:
        self._pool = Pool(self._directory / "addresses", self._network)
        try:
            with Netlink() as host:
                bridge = self._bridge(host)
                host.add_address(bridge.number, IPv4Interface((self._pool.gateway, self._network.prefixlen)))
                host.set_up(bridge.number)
                host.add_route(
                    bridge.number, self._services, source=self._pool.gateway, metric=service_metric(self.name)
                )
            (SYSCTL / "ip_forward").write_text("1")
        except OSError as error:
            raise NotSupported(f"a bridge for pods needs root on Linux: {error}") from error
        nft.apply(nft.plan_replacement(self.name, nft.plan_masquerade(self.name, str(self._network))))

    def _bridge(self, host: Netlink) -> Link:
        with suppress(FileExistsError):
            host.create_bridge(self.name, _mac(self._network.network_address + 1))
        bridge = host.find(self.name)
        if bridge is None:
            raise NotSupported(f"the bridge {self.name} went away while it was being made")
        return bridge

    def _add_host_address(self, name: str) -> str:
        assert self._pool is not None
        try:
            address = self._pool.lease(f"host {name}")
            with Netlink() as host:
                host.add_address(self._bridge(host).number, IPv4Interface((address, 32)))
        except (OSError, PoolExhausted) as error:
            raise NotSupported(f"no address for {name}: {error}") from error
        return str(address)

    def _attach(self, sandbox_id: str, netns: Path) -> Sequence[str]:
        assert self._pool is not None
        try:
            address = self._pool.lease(sandbox_id)
        except (OSError, PoolExhausted) as error:
            raise SandboxFailed("lease an address", str(error)) from error
        try:
            with netns.open("rb") as namespace, Netlink() as host, Netlink(namespace.fileno()) as inside:
                self._connect(host, inside, namespace.fileno(), sandbox_id, address)
        except OSError as error:
            with suppress(OSError):
                self._disconnect(sandbox_id)
            raise SandboxFailed("connect to the network", f"{address} at {netns}: {error}") from error
        return [str(address)]

    def _connect(
        self, host: Netlink, inside: Netlink, namespace: int, sandbox_id: str, address: IPv4Address
    ) -> None:
        assert self._pool is not None
        end = inside.find(POD_INTERFACE)
        if end is None or host.find(self._veth(sandbox_id)) is None:
            if (stale := host.find(self._veth(sandbox_id))) is not None:
                host.delete(stale.number)  # of a namespace that was replaced under the same sandbox
            peer = Peer(POD_INTERFACE, _mac(address), namespace)
            host.create_veth(self._veth(sandbox_id), self._bridge(host).number, peer)
            port, end = host.find(self._veth(sandbox_id)), inside.find(POD_INTERFACE)
            if port is None or end is None:
                raise OSError("the veth pair went away while it was being made")
            host.reflect(port.number)
        loopback = inside.find("lo")
        if loopback is not None:
            inside.set_up(loopback.number)
        gateway = self._pool.gateway
        inside.add_address(end.number, IPv4Interface((address, 32)))
        inside.set_up(end.number)
        inside.add_route(end.number, EVERYTHING, gateway=gateway)
        in_namespace(namespace, POD_SETTINGS)
        self._await_forwarding(host, self._veth(sandbox_id))

    @staticmethod
    def _await_forwarding(host: Netlink, name: str) -> None:
        """Wait until the port lets packets through; a first one lost would cost its sender a second.

        Once both ends are up, the kernel's own worker tells the bridge, which takes it some tenths of a
        millisecond, or more on a busy machine.
        """
        until = time.monotonic() + FORWARDING_SECONDS
        while time.monotonic() < until:
            port = host.find(name)
            if port is None or port.forwards:
                return
            time.sleep(0.0002)

    def _release(self, sandbox_id: str) -> None:
        assert self._pool is not None
        self._pool.release(sandbox_id)

    def _disconnect(self, sandbox_id: str) -> None:
        with Netlink() as host:
            port = host.find(self._veth(sandbox_id))
            if port is not None:
                with suppress(OSError):  # it goes by itself when its namespace ends
                    host.delete(port.number)

    def _remove(self) -> None:
        with Netlink() as host:
            bridge = host.find(self.name)
            if bridge is not None:
                for link in host.links():
                    if link.master == bridge.number:
                        with suppress(OSError):
                            host.delete(link.number)
                with suppress(OSError):
                    host.delete(bridge.number)
        for table in (self.name, services_table(self.name)):
            nft.apply(nft.plan_removal(table))
        if self._pool is not None:
            with suppress(FileNotFoundError):
                self._pool.clear()

    def _veth(self, sandbox_id: str) -> str:
        """Derived, so that it need not be remembered; interface names have at most 15 characters."""
        return f"kv{hashlib.sha256(f'{self._digest} {sandbox_id}'.encode()).hexdigest()[:12]}"


def bridge_name(directory: Path) -> str:
    """The name of the bridge whose network keeps its leases in ``directory``."""
    return f"kl{_digest(directory)[:8]}"


def _digest(directory: Path) -> str:
    return hashlib.sha256(os.fsencode(directory.resolve())).hexdigest()


def service_metric(network_name: str) -> int:
    """A metric of that network's own, so that two of them do not fight for one route."""
    return 1000 + int(network_name.removeprefix("kl")[:4], 16)


def services_table(network_name: str) -> str:
    """The nftables table with the Service addresses of the cluster on that network."""
    return f"{network_name}_services"


def _mac(address: IPv4Address) -> bytes:
    """A locally administered hardware address that goes with the IP address, as kubenet chose them."""
    return b"\x0a\x58" + address.packed
