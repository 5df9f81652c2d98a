"""What every pod worker of a node shares."""

import asyncio
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from kube_lite_runtime.driver import Driver

from kube_lite.api.identity import Json
from kube_lite.client.protocol import Client
from kube_lite.client.recorder import Recorder
from kube_lite.kit.clock import Clock

from .containers import Resolver
from .downward import Surroundings
from .images import Images
from .lifecycle import Hooks
from .resources import Directories
from .status_writer import StatusWriter
from .volumes import Volumes
from .words import Words

Spawn = Callable[[Coroutine[Any, Any, None]], asyncio.Task[None]]


@dataclass(slots=True)
class Host:
    """One node, as its pods see it.

    Attributes:
        starting: bounds how many sandboxes and containers are being made at a time.
        services: the Services that containers are told of, as of now.
        spawn: run something beside the workers, for as long as the agent runs.
        wake: let the worker of the pod with that uid look again.
    """

    client: Client
    driver: Driver
    clock: Clock
    recorder: Recorder
    words: Words
    directories: Directories
    images: Images
    volumes: Volumes
    hooks: Hooks
    statuses: StatusWriter
    resolver: Resolver
    addresses: Sequence[str]
    allocatable: Mapping[str, str]
    starting: asyncio.Semaphore
    services: Callable[[], Sequence[Json]]
    spawn: Spawn
    wake: Callable[[str], None]
    kubernetes_version: str

    def surroundings(self, pod_ips: Sequence[str]) -> Surroundings:
        """What a pod with those addresses may ask about where it runs."""
        return Surroundings(tuple(self.addresses), tuple(pod_ips), self.allocatable)
