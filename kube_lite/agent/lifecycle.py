"""Hooks, and the graceful end of a container.

The grace begins when the end is decided and includes the time of the preStop hook; a container gets at least
two seconds after its hook. Source: ``killContainer`` in kubernetes/pkg/kubelet/kuberuntime, ``lifecycle``.
"""

import asyncio
from typing import NamedTuple

from kube_lite_runtime.driver import Driver
from kube_lite_runtime.errors import ExecFailed, NotRunning
from kube_lite_runtime.probes import Outcome, probe_exec, probe_http

from kube_lite.api.identity import Json
from kube_lite.kit.clock import Clock

from .probes import Target, port_number

MIN_GRACE = 2.0  # what is left for the container itself after its hook


class HookFailed(Exception):
    """A hook did not do what it should."""


class Hooks(NamedTuple):
    """Runs the hooks of containers."""

    driver: Driver
    clock: Clock

    async def run(self, target: Target, handler: Json, limit: float | None) -> None:
        """Perform one handler; ``limit`` is in seconds, None for no limit. Raises ``HookFailed``."""
        if handler.get("sleep") is not None:
            seconds = float(handler["sleep"].get("seconds") or 0)
            await self.clock.sleep(seconds if limit is None else min(seconds, limit))
            return
        try:
            async with asyncio.timeout(limit):
                await self._perform(target, handler)
        except TimeoutError as error:
            raise HookFailed("it did not end in time") from error
        except (ExecFailed, NotRunning) as error:
            raise HookFailed(str(error)) from error

    async def _perform(self, target: Target, handler: Json) -> None:
        forever = 24 * 3600.0  # the caller's limit is the real one
        if handler.get("exec") is not None:
            command = handler["exec"].get("command") or ()
            result = await probe_exec(self.driver, target.container_id, command, forever)
            if result.outcome is not Outcome.SUCCESS:
                raise HookFailed(f"{' '.join(command)}: {result.message}")
        elif handler.get("httpGet") is not None:
            action = handler["httpGet"]
            result = await probe_http(
                action.get("host") or target.address,
                port_number(target.container, action["port"]),
                path=action.get("path") or "/",
                scheme=(action.get("scheme") or "HTTP").lower(),
                headers=[(header["name"], header["value"]) for header in action.get("httpHeaders") or ()],
                within=forever,
                user_agent="kube-lifecycle",
            )
            if result.outcome is not Outcome.SUCCESS:
                raise HookFailed(result.message)

    async def stop(self, target: Target, deadline: float) -> str:
        """End a container by ``deadline`` (seconds since the epoch), its preStop hook first.

        Returns:
            what went wrong with the hook, or "".
        """
        handler = (target.container.get("lifecycle") or {}).get("preStop")
        trouble = ""
        if handler and deadline > self.clock.now():
            try:
                await self.run(target, handler, deadline - self.clock.now())
            except HookFailed as failure:
                trouble = str(failure)
        left = deadline - self.clock.now()
        await self.driver.stop_container(
            target.container_id, max(left, MIN_GRACE) if handler else max(left, 0.0)
        )
        return trouble
