"""The protocol every driver fulfils, shaped after the CRI (kubernetes/cri-api ``api.proto``).

Ids are chosen by the driver. Every call may be repeated: stopping what has stopped and removing what is gone
succeed. Calls for different sandboxes may run at the same time; a driver puts those for one sandbox in order.
Containers live on when the process that uses the driver ends; a driver that is opened again finds them.
"""

import socket
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Protocol

from .streams import Session
from .types import Abilities, ContainerSpec, ContainerState, ImageState, SandboxSpec, SandboxState, Usage


class Driver(Protocol):
    """Runs sandboxes and containers. Made ready by ``async with driver:``; leaving ends no container."""

    async def __aenter__(self) -> "Driver":
        """Find out what runs already and be ready."""
        ...

    async def __aexit__(self, *failure: object) -> None:
        """Let go of everything but the containers."""
        ...

    def abilities(self) -> Abilities:
        """What this driver can do here. Known after entering."""
        ...

    async def create_sandbox(self, spec: SandboxSpec) -> SandboxState:
        """Make the namespaces and the network of a pod; ready when it returns. Raises ``SandboxFailed``."""
        ...

    async def stop_sandbox(self, sandbox_id: str) -> None:
        """Kill what still runs in it and take its network away."""
        ...

    async def remove_sandbox(self, sandbox_id: str) -> None:
        """Stop it if need be, remove its containers, and forget it. Logs stay."""
        ...

    async def list_sandboxes(self) -> Sequence[SandboxState]:
        """Every sandbox not yet removed."""
        ...

    async def create_container(self, sandbox_id: str, spec: ContainerSpec) -> ContainerState:
        """Prepare a container without running its command.

        Raises ``NoSuchSandbox``, ``ImageMissing``, ``ContainerFailed``.
        """
        ...

    async def start_container(self, container_id: str) -> ContainerState:
        """Run its command; returns once the command has been executed. Raises ``ContainerFailed``."""
        ...

    async def stop_container(self, container_id: str, grace_seconds: float) -> None:
        """Signal it to stop, kill it when the grace has passed, return when it has ended."""
        ...

    async def remove_container(self, container_id: str) -> None:
        """Kill it if need be and forget it. Its log stays."""
        ...

    async def list_containers(self) -> Sequence[ContainerState]:
        """Every container not yet removed."""
        ...

    async def container_state(self, container_id: str) -> ContainerState:
        """One container. Raises ``NoSuchContainer``."""
        ...

    def events(self) -> AbstractAsyncContextManager[AsyncIterator[ContainerState]]:
        """Every change of state of any container from now on (at least its start and its end)."""
        ...

    async def exec(
        self,
        container_id: str,
        command: Sequence[str],
        *,
        tty: bool = False,
        stdin: bool = False,
        environment: Mapping[str, str] | None = None,
    ) -> Session:
        """Run one more command in a running container. Raises ``NotRunning``, ``ExecFailed``."""
        ...

    async def attach(self, container_id: str) -> Session:
        """The streams of a running container's own process. Raises ``NotRunning``, ``NotSupported``."""
        ...

    async def dial(self, sandbox_id: str, port: int) -> socket.socket:
        """A connection to a port of the pod, as its own processes have it; non-blocking, to be closed.

        Raises ``NoSuchSandbox``, ``DialFailed``, ``NotSupported``.
        """
        ...

    async def reopen_log(self, container_id: str) -> None:
        """Begin a new file at the container's ``log_path`` after the old one was renamed."""
        ...

    async def usage(self, container_id: str) -> Usage:
        """What it has used. Raises ``NoSuchContainer``, ``NotSupported``."""
        ...

    async def image(self, name: str) -> ImageState | None:
        """The image as it is on this host, or None."""
        ...

    async def pull_image(self, name: str) -> ImageState:
        """Fetch an image. Raises ``PullFailed``, ``NotSupported``."""
        ...

    async def list_images(self) -> Sequence[ImageState]:
        """Every image on this host."""
        ...
