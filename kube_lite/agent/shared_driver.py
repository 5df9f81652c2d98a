"""One driver for several nodes of one host: each node is shown what is its own.

What a node makes carries the node's name as a label that only this file sees. What carries none was made
before there were several nodes and is the first node's, and so is what names a node that does not run any
more: its first agent finds no Pod for it and removes it, as it does with everything that a Pod left behind.
Images, and what the host can do, are the same for all.

Calls that name a sandbox or container go to the shared driver as they are: ids cannot be guessed, and a node
knows only its own.
"""

from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace

from kube_lite_runtime.driver import Driver
from kube_lite_runtime.types import ContainerSpec, ContainerState, SandboxSpec, SandboxState

from .probes import AnswersProbes

NODE_LABEL = "kube-lite/node"


class NodeDriver:
    """Fulfils ``Driver`` for one of several nodes.

    Args:
        driver: shared with the others; who made it enters and leaves it, entering this one does nothing.
        node: whose view this is; one of ``nodes``.
        nodes: the names of all that run, the first one first.
    """

    def __init__(self, driver: Driver, node: str, nodes: Sequence[str]) -> None:
        self._driver = driver
        self._node = node
        self._others: Collection[str] = frozenset(nodes) - {node}
        self._is_first = node == nodes[0]
        self.abilities = driver.abilities
        self.stop_sandbox = driver.stop_sandbox
        self.remove_sandbox = driver.remove_sandbox
        self.stop_container = driver.stop_container
        self.remove_container = driver.remove_container
        self.exec = driver.exec
        self.attach = driver.attach
        self.dial = driver.dial
        self.reopen_log = driver.reopen_log
        self.usage = driver.usage
        self.image = driver.image
        self.pull_image = driver.pull_image
        self.list_images = driver.list_images
        if isinstance(driver, AnswersProbes):
            self.probe_network = driver.probe_network

    async def __aenter__(self) -> "NodeDriver":
        """The shared driver is ready already."""
        return self

    async def __aexit__(self, *failure: object) -> None:
        """The shared driver stays: others use it."""

    async def create_sandbox(self, spec: SandboxSpec) -> SandboxState:
        """Make it this node's."""
        made = await self._driver.create_sandbox(replace(spec, labels=self._marked(spec.labels)))
        return replace(made, labels=_unmarked(made.labels))

    async def list_sandboxes(self) -> Sequence[SandboxState]:
        """Those of this node."""
        found = await self._driver.list_sandboxes()
        return [replace(one, labels=_unmarked(one.labels)) for one in found if self._is_mine(one.labels)]

    async def create_container(self, sandbox_id: str, spec: ContainerSpec) -> ContainerState:
        """Make it this node's."""
        marked = replace(spec, labels=self._marked(spec.labels))
        return _shown(await self._driver.create_container(sandbox_id, marked))

    async def start_container(self, container_id: str) -> ContainerState:
        """Run its command."""
        return _shown(await self._driver.start_container(container_id))

    async def list_containers(self) -> Sequence[ContainerState]:
        """Those of this node."""
        return [_shown(one) for one in await self._driver.list_containers() if self._is_mine(one.labels)]

    async def container_state(self, container_id: str) -> ContainerState:
        """One container."""
        return _shown(await self._driver.container_state(container_id))

    @asynccontextmanager
    async def events(self) -> AsyncIterator[AsyncIterator[ContainerState]]:
        """Changes of this node's containers."""
        async with self._driver.events() as events:
            yield (_shown(state) async for state in events if self._is_mine(state.labels))

    def _marked(self, labels: Mapping[str, str]) -> dict[str, str]:
        return {**labels, NODE_LABEL: self._node}

    def _is_mine(self, labels: Mapping[str, str]) -> bool:
        maker = labels.get(NODE_LABEL)
        return maker == self._node or (self._is_first and maker not in self._others)


def _unmarked(labels: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in labels.items() if name != NODE_LABEL}


def _shown(state: ContainerState) -> ContainerState:
    return replace(state, labels=_unmarked(state.labels))
