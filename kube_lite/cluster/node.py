"""The nodes of this process: runtime driver, agents and service proxy; and what is done to them from outside.

Several nodes share the driver, and so the images, the network of the pods and the proxy; every one has an
agent, a directory, a certificate and a port of its own.
"""

import asyncio
import sys
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from kube_lite_runtime.driver import Driver
from kube_lite_runtime.errors import NotSupported
from kube_lite_runtime.images.local import LocalImages
from kube_lite_runtime.images.reference import InvalidReference
from kube_lite_runtime.images.unpack import UnsafeArchive
from kube_lite_runtime.network.service_backends import select_backend
from kube_lite_runtime.select import process_driver, select_driver

from kube_lite.kit import pki
from kube_lite.kit.service import running

from .addresses import Addresses, AddressesTaken, remembered
from .config import MAX_NODES

if TYPE_CHECKING:
    from kube_lite.client.informers import Informers

    from .compose import Cluster

RUNTIME_DIRECTORY = "runtime"
NETWORK_DIRECTORY = "network"  # where the driver made by ``process_driver`` has its bridge
AGENT_DIRECTORY = "node"  # of the first node; the others are "node-2" and so on
LOOPBACK = "127.0.0.{}" if sys.platform == "linux" else "127.0.0.1"  # elsewhere there is only the first
HostAddresses = Callable[[str], Awaitable[str | None]]
"""Gives a node an address of its own in the pods' network, if there is one; may raise ``NotSupported``."""
IMPORT_FAILURES = (InvalidReference, UnsafeArchive, OSError)
"""What an import may run into that one line explains."""


class Place(NamedTuple):
    """One of this host's nodes. What belongs to the first is kept where it was when there was only one."""

    name: str
    number: int
    address: str


async def start_node(cluster: "Cluster", stack: AsyncExitStack, informers: "Informers") -> Driver:
    """Start the parts of this host's nodes; leaving the stack ends their containers. Returns their driver."""
    from kube_lite.agent.agent import STARTS_AT_A_TIME
    from kube_lite.agent.shared_driver import NodeDriver

    stack.callback(_forget_secrets, cluster.directory)
    driver, addresses = await _start_driver(cluster, stack)
    names = cluster.config.node_names()
    starting = asyncio.Semaphore(STARTS_AT_A_TIME)
    has_pod_network = driver.abilities().pod_network
    for number, name in enumerate(names, 1):
        own = NodeDriver(driver, name, names)
        address = await _own_address(addresses, name, number) if number > 1 else None
        address = address or (cluster.addresses.gateway if has_pod_network else LOOPBACK.format(number))
        place = Place(name, number, address)
        await _start_agent(cluster, stack, informers, own, starting, place)
    if cluster.config.runtime != "fake":
        await _start_proxy(cluster, stack, informers, has_pod_network=has_pod_network)
    return driver


async def _start_agent(
    cluster: "Cluster",
    stack: AsyncExitStack,
    informers: "Informers",
    driver: Driver,
    starting: asyncio.Semaphore,
    place: Place,
) -> None:
    """Start the agent of one node."""
    from kube_lite.agent.agent import Agent
    from kube_lite.client.recorder import Recorder

    client = cluster.client_for(f"system:node:{place.name}", "kubelet")
    recorder = Recorder(client, cluster.clock, "kubelet", place.name)
    await stack.enter_async_context(running(recorder))
    serving = cluster.authority.serving(
        _numbered("kubelet", place.number), [place.name, place.address, "127.0.0.1"]
    )
    agent = Agent(
        client,
        informers,
        driver,
        cluster.clock,
        recorder,
        node_name=place.name,
        directory=cluster.directory / _numbered(AGENT_DIRECTORY, place.number),
        addresses=[place.address],
        tls=pki.server_context(serving, cluster.authority.files.certificate, demands_certificate=True),
        node_host=place.address,
        cluster_domain=cluster.config.cluster_domain,
        api_host=cluster.addresses.gateway if driver.abilities().pod_network else "127.0.0.1",
        api_port=cluster.server.port,
        kubernetes_version=cluster.server.git_version,
        starting=starting,
    )
    await stack.enter_async_context(running(agent))


async def _own_address(addresses: HostAddresses, name: str, number: int) -> str | None:
    try:
        return await addresses(name)
    except NotSupported as error:
        raise AddressesTaken(f"{error}; choose a larger --pod-cidr, or --nodes {number - 1}") from error


def _numbered(name: str, number: int) -> str:
    return name if number == 1 else f"{name}-{number}"


def _forget_secrets(data_dir: Path) -> None:
    """Remove the files of secrets of every node that ever was here."""
    from kube_lite.agent.volume_files import forget_secrets

    for number in range(1, MAX_NODES + 1):
        forget_secrets(data_dir / _numbered(AGENT_DIRECTORY, number))


async def _start_proxy(
    cluster: "Cluster", stack: AsyncExitStack, informers: "Informers", *, has_pod_network: bool
) -> None:
    from kube_lite.agent.service_proxy import SERVICE_CIDRS, ServiceProxy

    backend = select_backend(
        cluster.directory / RUNTIME_DIRECTORY / NETWORK_DIRECTORY,
        cluster.addresses.service_cidr,
        has_pod_network=has_pod_network,
    )
    has_ranges = cluster.registry.by_gvr(SERVICE_CIDRS) is not None
    proxy = ServiceProxy(informers, backend, cluster.clock, has_ranges=has_ranges)
    await stack.enter_async_context(running(proxy))
    cluster.service_limits = proxy.limits


async def _start_driver(cluster: "Cluster", stack: AsyncExitStack) -> tuple[Driver, HostAddresses]:
    runtime = cluster.config.runtime
    directory = cluster.directory / RUNTIME_DIRECTORY
    if runtime == "fake":
        fake = select_driver("fake", directory, network_cidr=cluster.addresses.pod_cidr)
        return await stack.enter_async_context(fake), _no_address
    driver = process_driver(
        directory,
        network_cidr=cluster.addresses.pod_cidr,
        service_cidr=cluster.addresses.service_cidr,
        hidden=[cluster.directory],
    )
    await stack.enter_async_context(driver)
    stack.push_async_callback(driver.teardown)
    return driver, driver.host_address


async def _no_address(name: str) -> None:
    return None


async def clean_up_after_crash(data_dir: Path) -> bool:
    """End what a killed cluster left running on this host. Returns whether there was anything."""
    directory = data_dir / RUNTIME_DIRECTORY
    if not directory.is_dir():
        return False
    addresses = remembered(data_dir) or Addresses("10.244.0.0/24", "10.96.0.0/16")
    driver = process_driver(
        directory, network_cidr=addresses.pod_cidr, service_cidr=addresses.service_cidr, hidden=[data_dir]
    )
    async with driver:
        found = bool(await driver.list_sandboxes())
        await driver.teardown()
    _forget_secrets(data_dir)
    return found


def import_image(data_dir: Path, source: Path, names: Sequence[str], command: Sequence[str]) -> str:
    """Keep a copy of a root file system as an image of the cluster in ``data_dir``. Returns its id.

    Raises one of ``IMPORT_FAILURES``.
    """
    images = _images(data_dir)
    return images.import_image(source, names, config={"command": list(command)} if command else {}).id


def image_lines(data_dir: Path) -> Iterator[str]:
    """A table of the images of the cluster in ``data_dir``, line by line."""
    yield f"{'NAME':<48} {'IMAGE ID':<14} SIZE"
    for image in _images(data_dir).all():
        size = f"{image.size_bytes / 1e6:.1f} MB" if image.size_bytes else "the host's"
        for name in image.names:
            yield f"{name:<48} {image.id.removeprefix('sha256:')[:12]:<14} {size}"


def _images(data_dir: Path) -> LocalImages:
    images = LocalImages(data_dir / RUNTIME_DIRECTORY / "images")
    images.open()
    return images
