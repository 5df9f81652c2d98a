"""The node of this process: runtime driver, agent and service proxy; and what is done to it from outside."""

from collections.abc import Iterator, Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from kube_lite_runtime.driver import Driver
from kube_lite_runtime.images.local import LocalImages
from kube_lite_runtime.images.reference import InvalidReference
from kube_lite_runtime.images.unpack import UnsafeArchive
from kube_lite_runtime.network.services import select_backend
from kube_lite_runtime.select import process_driver, select_driver

from kube_lite.kit import pki
from kube_lite.kit.service import running

from .addresses import Addresses, remembered

if TYPE_CHECKING:
    from kube_lite.client.informers import Informers

    from .compose import Cluster

RUNTIME_DIRECTORY = "runtime"
NETWORK_DIRECTORY = "network"  # where the driver made by ``process_driver`` has its bridge
AGENT_DIRECTORY = "node"
IMPORT_FAILURES = (InvalidReference, UnsafeArchive, OSError)
"""What an import may run into that one line explains."""


async def start_node(cluster: "Cluster", stack: AsyncExitStack, informers: "Informers") -> Driver:
    """Start the node's parts; leaving the stack ends its containers."""
    from kube_lite.agent.agent import Agent
    from kube_lite.agent.volume_files import forget_secrets
    from kube_lite.client.recorder import Recorder

    stack.callback(forget_secrets, cluster.directory / AGENT_DIRECTORY)
    driver = await _start_driver(cluster, stack)
    client = cluster.client_for(f"system:node:{cluster.node_name}", "kubelet")
    recorder = Recorder(client, cluster.clock, "kubelet", cluster.node_name)
    await stack.enter_async_context(running(recorder))
    address = cluster.addresses.gateway if driver.abilities().pod_network else "127.0.0.1"
    names = [cluster.node_name, address, "127.0.0.1"]
    serving = cluster.authority.serving("kubelet", names)
    agent = Agent(
        client,
        informers,
        driver,
        cluster.clock,
        recorder,
        node_name=cluster.node_name,
        directory=cluster.directory / AGENT_DIRECTORY,
        addresses=[address],
        tls=pki.server_context(serving, cluster.authority.files.certificate, demands_certificate=True),
        node_host=address,
        cluster_domain=cluster.config.cluster_domain,
        api_host=address,
        api_port=cluster.server.port,
        kubernetes_version=cluster.server.git_version,
    )
    await stack.enter_async_context(running(agent))
    if cluster.config.runtime != "fake":
        await _start_proxy(cluster, stack, informers, has_pod_network=driver.abilities().pod_network)
    return driver


async def _start_proxy(
    cluster: "Cluster", stack: AsyncExitStack, informers: "Informers", *, has_pod_network: bool
) -> None:
    from kube_lite.agent.service_proxy import ServiceProxy

    backend = select_backend(
        cluster.directory / RUNTIME_DIRECTORY / NETWORK_DIRECTORY,
        cluster.addresses.service_cidr,
        has_pod_network=has_pod_network,
    )
    proxy = ServiceProxy(informers, backend, cluster.clock)
    await stack.enter_async_context(running(proxy))
    cluster.service_limits = proxy.limits


async def _start_driver(cluster: "Cluster", stack: AsyncExitStack) -> Driver:
    runtime = cluster.config.runtime
    directory = cluster.directory / RUNTIME_DIRECTORY
    if runtime == "fake":
        fake = select_driver("fake", directory, network_cidr=cluster.addresses.pod_cidr)
        return await stack.enter_async_context(fake)
    driver = process_driver(
        directory,
        network_cidr=cluster.addresses.pod_cidr,
        service_cidr=cluster.addresses.service_cidr,
        hidden=[cluster.directory],
    )
    await stack.enter_async_context(driver)
    stack.push_async_callback(driver.teardown)
    return driver


async def clean_up_after_crash(data_dir: Path) -> bool:
    """End what a killed cluster left running on this host. Returns whether there was anything."""
    from kube_lite.agent.volume_files import forget_secrets

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
    forget_secrets(data_dir / AGENT_DIRECTORY)
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
