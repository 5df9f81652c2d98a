"""Our controllers and our scheduler for a cluster whose API server is another's.

They see that server through ``client.remote`` with what a kubeconfig says, and nothing else: no store, no
keys of the cluster. So nobody signs certificates or tokens for Secrets here; and since there is no election,
no other controller manager or scheduler may play the same part meanwhile.
"""

import socket
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

from kube_lite.client.discovered import Discovered
from kube_lite.client.informers import Informers
from kube_lite.client.kubeconfig import KubeconfigError, access, load
from kube_lite.client.remote import RemoteClient
from kube_lite.kit.clock import Clock, RealClock
from kube_lite.kit.service import running

from .config import RELEASES, ConfigError, scheduler_settings

if TYPE_CHECKING:
    from kube_lite.client.kubeconfig import Access
    from kube_lite.scheduler.devices.records import Features

PARTS = ("controllers", "scheduler")


class Elsewhere:
    """Both, or one of them, for the length of the block.

    Args:
        kubeconfig: of a user who may do what a controller manager and a scheduler do.
        context: of the kubeconfig; empty: the current one.
        scheduler_config: a ``KubeSchedulerConfiguration``.
        on_part: called with a part's name and a few words about it when it is ready.

    Raises:
        ConfigError: the kubeconfig or another setting makes no sense.
        ApiError: the server does not answer, or not to this user.
    """

    def __init__(
        self,
        kubeconfig: Path,
        *,
        context: str = "",
        parts: Sequence[str] = PARTS,
        scheduler_config: Path | None = None,
        clock: Clock | None = None,
        on_part: Callable[[str, str], None] | None = None,
    ) -> None:
        unknown = sorted(set(parts) - set(PARTS))
        if unknown or not parts:
            raise ConfigError(f"parts {','.join(parts)!r}: some of {','.join(PARTS)}")
        try:
            self._access: Access = access(load(kubeconfig), context, directory=kubeconfig.parent)
        except KubeconfigError as error:
            raise ConfigError(str(error)) from error
        self._settings = scheduler_settings(scheduler_config)
        self._parts = parts
        self._clock: Clock = clock or RealClock()
        self._on_part = on_part or (lambda name, words: None)
        self._stack = AsyncExitStack()

    @property
    def url(self) -> str:
        """Where the API server is."""
        return self._access.server

    async def __aenter__(self) -> "Elsewhere":
        """Start the parts; what was started is stopped again when one fails."""
        async with AsyncExitStack() as stack:
            client = await self._client(stack, "kube-controller-manager")
            version = await _release_of(client)
            discovered = Discovered(client, self._clock)
            await stack.enter_async_context(running(discovered))
            informers = Informers(client, self._clock)
            await stack.enter_async_context(running(informers))
            self._on_part("api", f"{self.url}, {version}")
            if "controllers" in self._parts:
                await self._start_controllers(stack, client, informers, discovered, version)
            if "scheduler" in self._parts:
                await self._start_scheduler(stack, informers, discovered, version)
            self._stack = stack.pop_all()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> bool | None:
        """Stop every part, the last started first."""
        return await self._stack.__aexit__(kind, error, traceback)

    async def _client(self, stack: AsyncExitStack, name: str) -> RemoteClient:
        return await stack.enter_async_context(RemoteClient(self._access, user_agent=name))

    async def _start_controllers(
        self,
        stack: AsyncExitStack,
        client: RemoteClient,
        informers: Informers,
        discovered: Discovered,
        version: str,
    ) -> None:
        from kube_lite.controllers import controllers

        services = controllers(
            client,
            informers,
            self._clock,
            resources=discovered.rows,
            ca_pem=self._access.ca_pem.decode(),
            version=version,
        )
        for service in services:
            await stack.enter_async_context(running(service))
        self._on_part("controllers", f"{len(services) - 1} of them")

    async def _start_scheduler(
        self, stack: AsyncExitStack, informers: Informers, discovered: Discovered, version: str
    ) -> None:
        from kube_lite.client.series import SeriesRecorder
        from kube_lite.scheduler.scheduler import Scheduler

        client = await self._client(stack, "kube-scheduler")
        recorder = SeriesRecorder(client, self._clock, "default-scheduler", socket.gethostname())
        await stack.enter_async_context(running(recorder))
        devices = _device_features(discovered, version)
        scheduler = Scheduler(client, informers, self._clock, recorder, self._settings, devices)
        await stack.enter_async_context(running(scheduler))
        self._on_part("scheduler", "")


async def _release_of(client: RemoteClient) -> str:
    """``1.36``: the server's release, or the nearest that is known here."""
    told = await client.call("GET", "/version")
    minor = int("".join(letter for letter in str(told.get("minor", "")) if letter.isdigit()) or 0)
    first, last = (int(release.split(".")[1]) for release in (RELEASES[0], RELEASES[-1]))
    return f"1.{min(max(minor, first), last)}"


def _device_features(discovered: Discovered, version: str) -> "Features | None":
    from kube_lite.scheduler.devices.known import CLAIMS
    from kube_lite.scheduler.devices.records import Features

    if discovered.rows.by_gvr(CLAIMS) is None:
        return None
    return Features.of_release(int(version.split(".")[1]))
