"""The probes of one pod's running containers, and what they say now."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field

from kube_lite_runtime.probes import ProbeResult

from kube_lite.api.identity import Json

from .host import Host
from .images import field_path
from .probes import FIELDS, LIVENESS, READINESS, STARTUP, Prober, Target, failure_message


@dataclass(slots=True)
class _Life:
    """One running container: what is known, and the tasks that find out."""

    ready: bool
    started: asyncio.Event = field(default_factory=asyncio.Event)
    tasks: dict[str, asyncio.Task[None]] = field(default_factory=dict)


class Health:
    """Who is started and who is ready.

    Args:
        condemn: is told of a container that must be stopped, the message, and the grace its probe gives.
    """

    def __init__(self, host: Host, uid: str, condemn: Callable[[Target, str, float | None], None]) -> None:
        self._host = host
        self._uid = uid
        self._condemn = condemn
        self._lives: dict[str, _Life] = {}
        self._prober = Prober(
            host.driver, host.clock, self, user_agent=f"kube-probe/{host.kubernetes_version}"
        )

    def begin(self, target: Target, before: Json | None) -> None:
        """The container runs and may be probed; twice is no error.

        Args:
            before: its status as the API has it, if it ran already before this agent did.
        """
        if target.container_id in self._lives:
            return
        container = target.container
        probed = {kind for kind, name in FIELDS.items() if container.get(name)}
        was_started = bool(before and before.get("started"))
        life = _Life(ready=READINESS not in probed or bool(before and before.get("ready")))
        if STARTUP not in probed or was_started:
            life.started.set()
            probed.discard(STARTUP)
        self._lives[target.container_id] = life
        for kind in probed:
            may_begin = asyncio.Event() if kind == STARTUP else life.started
            if kind == STARTUP:
                may_begin.set()
            life.tasks[kind] = self._host.spawn(self._prober.watch(target, kind, may_begin))

    def end(self, container_id: str) -> None:
        """The container has ended."""
        life = self._lives.pop(container_id, None)
        if life is not None:
            for task in life.tasks.values():
                task.cancel()

    def spare(self, container_id: str) -> None:
        """The container is being stopped: it is no longer asked whether it should be."""
        life = self._lives.get(container_id)
        for kind in (LIVENESS, STARTUP):
            task = life.tasks.pop(kind, None) if life is not None else None
            if task is not None:
                task.cancel()

    def end_all(self) -> None:
        """The pod is gone."""
        for container_id in list(self._lives):
            self.end(container_id)

    def started(self) -> frozenset[str]:
        """Ids of containers whose start is complete."""
        return frozenset(identity for identity, life in self._lives.items() if life.started.is_set())

    def ready(self) -> frozenset[str]:
        """Ids of containers that may get traffic."""
        return frozenset(identity for identity, life in self._lives.items() if life.ready)

    def verdict(self, target: Target, kind: str, *, good: bool) -> None:
        """A probe has made up its mind."""
        life = self._lives.get(target.container_id)
        if life is None:
            return
        if kind == READINESS:
            if life.ready == good:
                return
            life.ready = good
        elif kind == STARTUP and good:
            life.started.set()
        elif not good:
            name = target.container["name"]
            grace = target.container[FIELDS[kind]].get("terminationGracePeriodSeconds")
            self._condemn(target, f"Container {name} failed {kind} probe, will be restarted", grace)
        else:
            return
        self._host.wake(self._uid)

    def failed(self, target: Target, kind: str, result: ProbeResult) -> None:
        """One try has failed, which people are told."""
        if target.container_id in self._lives:
            path = field_path(target.pod, target.container["name"])
            message = failure_message(kind, result)
            self._host.recorder.event(target.pod, "Warning", "Unhealthy", message, field_path=path)
