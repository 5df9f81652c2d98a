"""A driver in memory: containers that run nothing and do what a script says.

A container runs from the moment it is started. Unless a script for it says otherwise it runs until it is
stopped, ends at once on its stop signal, and answers every exec with success and every network probe as if
something listened. Scripts are found by ``namespace/pod/container``, container name, or image, in this order.

A running container costs one record and no task, so that thousands fit into a test; only containers that
end by themselves keep a timer, on the clock that was given. Containers live as long as the driver object,
also while nobody has it entered, which is how a restart of the server is played.
"""

import asyncio
import hashlib
import ipaddress
import itertools
import socket
import time
from collections.abc import AsyncIterator, Callable, Collection, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Protocol

from .errors import (
    ContainerFailed,
    ExecFailed,
    ImageMissing,
    NoSuchContainer,
    NoSuchSandbox,
    NotRunning,
    NotSupported,
    PullFailed,
)
from .streams import Chunk, Session
from .types import (
    Abilities,
    ContainerSpec,
    ContainerState,
    ExitStatus,
    ImageState,
    SandboxSpec,
    SandboxState,
    State,
    Usage,
)

SIGTERM, SIGKILL = 15, 9
INPUT_CHUNKS = 64  # more input than this waits for the reader of an exec that copies its input


class Clock(Protocol):
    """What the driver needs to know of time."""

    def now(self) -> float:
        """Seconds since the epoch."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Wait."""
        ...


class WallClock:
    """The operating system's time."""

    def now(self) -> float:
        """Seconds since the epoch."""
        return time.time()

    async def sleep(self, seconds: float) -> None:
        """Wait for real."""
        await asyncio.sleep(seconds)


@dataclass(frozen=True, slots=True)
class Reply:
    """What an exec answers; with no ``code`` it fails to start.

    ``copy_input`` writes its input to stdout until the input ends.
    """

    code: int | None = 0
    stdout: bytes = b""
    stderr: bytes = b""
    copy_input: bool = False


@dataclass(frozen=True, slots=True)
class Script:
    """What a container does.

    ``exit_after`` is in seconds after its start; None runs until stopped. ``exit_codes`` gives one code for
    each life (attempt), the last one again and again. ``lines`` are written to its log at the start.
    ``exec`` is asked with the command. ``listens`` answers network probes. ``start_error`` is the text with
    which it fails to start.
    """

    exit_after: float | None = None
    exit_codes: Sequence[int] = (0,)
    lines: Sequence[str] = ()
    oom_killed: bool = False
    ignores_stop_signal: bool = False
    exec: Callable[[Sequence[str]], Reply] = field(default=lambda command: Reply())
    listens: Callable[[], bool] = field(default=lambda: True)
    start_error: str = ""

    def exit_status(self, attempt: int) -> ExitStatus:
        """How the life of that number ends."""
        code = self.exit_codes[min(attempt, len(self.exit_codes) - 1)]
        return ExitStatus(code, oom_killed=self.oom_killed)


@dataclass(slots=True)
class _Container:
    state: ContainerState
    spec: ContainerSpec
    script: Script
    timer: asyncio.Task[None] | None = None
    ended: asyncio.Event | None = None


@dataclass(slots=True)
class _Sandbox:
    state: SandboxState
    containers: list[str] = field(default_factory=list)


@dataclass(slots=True)
class _Listener:
    """Who waits for events. It holds the newest state of each container, so their number bounds its size."""

    changed: dict[str, ContainerState] = field(default_factory=dict)
    wake: asyncio.Event = field(default_factory=asyncio.Event)


class FakeDriver:
    """Fulfils ``Driver`` without running anything.

    Args:
        clock: stamps times and runs the timers of containers that end by themselves.
        images: names that are present on this host; None: whatever is asked for.
        pullable: names that ``pull_image`` finds; None: all of them.
        network: addresses of pods; give each fake node its own.
    """

    def __init__(
        self,
        clock: Clock | None = None,
        *,
        images: Collection[str] | None = None,
        pullable: Collection[str] | None = None,
        network: str = "10.200.0.0/16",
    ) -> None:
        self._clock: Clock = clock or WallClock()
        self._images = None if images is None else dict.fromkeys(images)
        self._pullable = pullable
        self._addresses = self._free_addresses(network)
        self._scripts: dict[str, Script] = {}
        self._sandboxes: dict[str, _Sandbox] = {}
        self._containers: dict[str, _Container] = {}
        self._numbers = itertools.count(1)
        self._listeners: list[_Listener] = []
        self._group: asyncio.TaskGroup | None = None
        self.calls: list[str] = []
        """What was asked, in order, such as ``start web/c/0``; for tests."""

    def script(self, match: str, script: Script) -> None:
        """Let containers made from now on do this; ``match`` is one of the three forms above."""
        self._scripts[match] = script

    async def __aenter__(self) -> "FakeDriver":
        """Be ready; timers of containers that still run go on from where they were."""
        self._group = asyncio.TaskGroup()
        await self._group.__aenter__()
        for container in self._containers.values():
            if container.state.state is State.RUNNING:
                self._begin_timer(container)
        await asyncio.sleep(0)
        return self

    async def __aexit__(self, *failure: object) -> None:
        """Stop the timers; containers stay as they are."""
        for container in self._containers.values():
            if container.timer is not None:
                container.timer.cancel()
                container.timer = None
        group, self._group = self._group, None
        if group is not None:
            await group.__aexit__(None, None, None)

    def abilities(self) -> Abilities:
        """Nothing is run, and that is said."""
        nothing = "containers are only played in memory"
        reasons = dict.fromkeys(("isolation", "pod_network", "limits"), nothing)
        return Abilities(
            "fake", "1", isolation=False, pod_network=False, limits=False, images=True, reasons=reasons
        )

    async def create_sandbox(self, spec: SandboxSpec) -> SandboxState:
        """Remember a pod and give it an address."""
        self._note(f"sandbox {spec.name}/{spec.attempt}")
        state = SandboxState(
            id=self._identity("sandbox"),
            namespace=spec.namespace,
            name=spec.name,
            uid=spec.uid,
            attempt=spec.attempt,
            ready=True,
            created_at=self._clock.now(),
            addresses=() if spec.host_network else (next(self._addresses),),
            labels=spec.labels,
            annotations=spec.annotations,
        )
        self._sandboxes[state.id] = _Sandbox(state)
        return state

    async def stop_sandbox(self, sandbox_id: str) -> None:
        """End what runs in it."""
        sandbox = self._sandboxes.get(sandbox_id)
        if sandbox is None:
            return
        for container_id in sandbox.containers:
            self._end(self._containers[container_id], ExitStatus(128 + SIGKILL, SIGKILL))
        sandbox.state = replace(sandbox.state, ready=False)

    async def remove_sandbox(self, sandbox_id: str) -> None:
        """Forget it and its containers."""
        await self.stop_sandbox(sandbox_id)
        sandbox = self._sandboxes.pop(sandbox_id, None)
        if sandbox is not None:
            self._note(f"remove sandbox {sandbox.state.name}/{sandbox.state.attempt}")
            for container_id in sandbox.containers:
                self._containers.pop(container_id, None)

    async def list_sandboxes(self) -> Sequence[SandboxState]:
        """Every sandbox not yet removed."""
        return [sandbox.state for sandbox in self._sandboxes.values()]

    async def create_container(self, sandbox_id: str, spec: ContainerSpec) -> ContainerState:
        """Remember a container."""
        sandbox = self._sandboxes.get(sandbox_id)
        if sandbox is None or not sandbox.state.ready:
            raise NoSuchSandbox(sandbox_id)
        image = await self.image(spec.image)
        if image is None:
            raise ImageMissing(f'image "{spec.image}" is not on this host')
        state = ContainerState(
            id=self._identity("container"),
            sandbox_id=sandbox_id,
            name=spec.name,
            attempt=spec.attempt,
            image=spec.image,
            image_id=image.id,
            state=State.CREATED,
            created_at=self._clock.now(),
            labels=spec.labels,
            log_path=spec.log_path,
        )
        container = _Container(state, spec, self._script_of(sandbox.state, spec))
        self._containers[state.id] = container
        sandbox.containers.append(state.id)
        return state

    async def start_container(self, container_id: str) -> ContainerState:
        """Let it run, or fail as its script says."""
        container = self._container(container_id)
        pod = self._sandboxes[container.state.sandbox_id].state.name
        self._note(f"start {pod}/{container.state.name}/{container.state.attempt}")
        if container.script.start_error:
            failed = ExitStatus(128, message=container.script.start_error)
            now = self._clock.now()
            container.state = replace(container.state, state=State.EXITED, finished_at=now, exit=failed)
            raise ContainerFailed("exec", container.script.start_error)
        self._change(container, state=State.RUNNING, started_at=self._clock.now(), pid=next(self._numbers))
        self._write_log(container)
        self._begin_timer(container)
        await asyncio.sleep(0)  # its timer counts from now on, even if the clock is moved right after
        return container.state

    async def stop_container(self, container_id: str, grace_seconds: float) -> None:
        """End it at once, or after the grace if its script ignores the signal."""
        container = self._containers.get(container_id)
        if container is None or container.state.state is not State.RUNNING:
            return
        self._note(f"stop {container.state.name}/{container.state.attempt} {grace_seconds:g}")
        if container.script.ignores_stop_signal and grace_seconds > 0:
            await self._clock.sleep(grace_seconds)
            self._end(container, ExitStatus(128 + SIGKILL, SIGKILL))
        elif grace_seconds > 0:
            self._end(container, ExitStatus(128 + SIGTERM, SIGTERM))
        else:
            self._end(container, ExitStatus(128 + SIGKILL, SIGKILL))

    async def remove_container(self, container_id: str) -> None:
        """Forget it."""
        container = self._containers.get(container_id)
        if container is not None:
            self._end(container, ExitStatus(128 + SIGKILL, SIGKILL))
            del self._containers[container_id]
            self._sandboxes[container.state.sandbox_id].containers.remove(container_id)

    async def list_containers(self) -> Sequence[ContainerState]:
        """Every container not yet removed."""
        return [container.state for container in self._containers.values()]

    async def container_state(self, container_id: str) -> ContainerState:
        """One container."""
        return self._container(container_id).state

    def end(self, container_id: str, code: int, *, oom_killed: bool = False) -> None:
        """Let a running container end now by itself; for tests."""
        self._end(self._container(container_id), ExitStatus(code, oom_killed=oom_killed))

    @asynccontextmanager
    async def events(self) -> AsyncIterator[AsyncIterator[ContainerState]]:
        """Changes from now on; who reads slowly sees only the newest state of each container."""
        listener = _Listener()
        self._listeners.append(listener)
        try:
            yield self._read(listener)
        finally:
            self._listeners.remove(listener)

    async def exec(
        self,
        container_id: str,
        command: Sequence[str],
        *,
        tty: bool = False,
        stdin: bool = False,
        environment: Mapping[str, str] | None = None,
    ) -> Session:
        """Answer as the script does."""
        container = self._container(container_id)
        if container.state.state is not State.RUNNING:
            raise NotRunning(f"container {container.state.name} is not running")
        reply = container.script.exec(command)
        if reply.code is None:
            raise ExecFailed(f'"{command[0]}": executable file not found in $PATH')
        return _Played(reply)

    async def attach(self, container_id: str) -> Session:
        """Copy input until the container ends."""
        container = self._container(container_id)
        if container.state.state is not State.RUNNING:
            raise NotRunning(f"container {container.state.name} is not running")
        return _Played(
            Reply(stdout="".join(f"{line}\n" for line in container.script.lines).encode(), copy_input=True)
        )

    async def probe_network(self, container_id: str) -> bool:
        """Whether something listens in the container, as its script says."""
        container = self._container(container_id)
        return container.state.state is State.RUNNING and container.script.listens()

    async def dial(self, sandbox_id: str, port: int) -> socket.socket:
        """Nothing runs, so nothing listens."""
        raise NotSupported("containers that are only played listen to nothing")

    async def reopen_log(self, container_id: str) -> None:
        """Logs are written by appending, so there is nothing to reopen."""
        self._container(container_id)

    async def usage(self, container_id: str) -> Usage:
        """Nothing runs, so nothing is used."""
        raise NotSupported("containers that are only played use nothing")

    async def image(self, name: str) -> ImageState | None:
        """Present if it was said to be, or always."""
        if self._images is not None and name not in self._images:
            return None
        digest = hashlib.sha256(name.encode()).hexdigest()
        return ImageState(id=f"sha256:{digest}", names=(name,), size_bytes=0)

    async def pull_image(self, name: str) -> ImageState:
        """Make it present if it can be found."""
        self._note(f"pull {name}")
        if self._pullable is not None and name not in self._pullable:
            raise PullFailed(f'failed to resolve reference "{name}": not found')
        if self._images is not None:
            self._images[name] = None
        image = await self.image(name)
        assert image is not None  # it was made present just now
        return image

    async def list_images(self) -> Sequence[ImageState]:
        """The images that were said to be present."""
        found = [await self.image(name) for name in self._images or ()]
        return [image for image in found if image is not None]

    # What follows is how the above is done.

    def _note(self, call: str) -> None:
        if len(self.calls) < 10_000:  # a long-lived fake cluster must not grow for the sake of tests
            self.calls.append(call)

    def _identity(self, kind: str) -> str:
        return hashlib.sha256(f"{kind}-{id(self)}-{next(self._numbers)}".encode()).hexdigest()

    @staticmethod
    def _free_addresses(network: str) -> Iterator[str]:
        subnet = ipaddress.ip_network(network)
        return itertools.cycle(map(str, itertools.islice(subnet.hosts(), 1, None)))

    def _container(self, container_id: str) -> _Container:
        container = self._containers.get(container_id)
        if container is None:
            raise NoSuchContainer(container_id)
        return container

    def _script_of(self, sandbox: SandboxState, spec: ContainerSpec) -> Script:
        for match in (f"{sandbox.namespace}/{sandbox.name}/{spec.name}", spec.name, spec.image):
            if match in self._scripts:
                return self._scripts[match]
        return _ORDINARY

    def _write_log(self, container: _Container) -> None:
        path, lines = container.spec.log_path, container.script.lines
        if path is None or not lines:
            return
        stamp = datetime.fromtimestamp(self._clock.now(), UTC).strftime("%Y-%m-%dT%H:%M:%S.%f000Z")
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("a", encoding="utf-8") as log:
            log.writelines(f"{stamp} stdout F {line}\n" for line in lines)

    def _begin_timer(self, container: _Container) -> None:
        if container.script.exit_after is None:
            return
        status = container.script.exit_status(container.state.attempt)
        left = container.state.started_at + container.script.exit_after - self._clock.now()
        if left <= 0:
            self._end(container, status)
        elif self._group is not None:
            container.timer = self._group.create_task(self._end_later(container, left, status))

    async def _end_later(self, container: _Container, seconds: float, status: ExitStatus) -> None:
        await self._clock.sleep(seconds)
        container.timer = None
        self._end(container, status)

    def _end(self, container: _Container, status: ExitStatus) -> None:
        if container.timer is not None:
            container.timer.cancel()
            container.timer = None
        if container.state.state is State.RUNNING:
            self._change(container, state=State.EXITED, finished_at=self._clock.now(), exit=status, pid=0)

    def _change(self, container: _Container, **fields: object) -> None:
        container.state = replace(container.state, **fields)  # type: ignore[arg-type]  # names are checked above
        for listener in self._listeners:
            listener.changed[container.state.id] = container.state
            listener.wake.set()

    @staticmethod
    async def _read(listener: _Listener) -> AsyncIterator[ContainerState]:
        while True:
            await listener.wake.wait()
            listener.wake.clear()
            changed, listener.changed = listener.changed, {}
            for state in changed.values():
                yield state


_ORDINARY = Script()


class _Played:
    """The streams of an exec that was never run."""

    def __init__(self, reply: Reply) -> None:
        self._reply = reply
        self._input: asyncio.Queue[bytes] = asyncio.Queue(INPUT_CHUNKS)
        self._done = asyncio.Event()

    async def __aenter__(self) -> "_Played":
        return self

    async def __aexit__(self, *failure: object) -> None:
        self._done.set()

    async def output(self) -> AsyncIterator[Chunk]:
        if self._reply.stdout:
            yield Chunk("stdout", self._reply.stdout)
        if self._reply.stderr:
            yield Chunk("stderr", self._reply.stderr)
        while self._reply.copy_input and (content := await self._input.get()):
            yield Chunk("stdout", content)
        self._done.set()

    async def write(self, content: bytes) -> None:
        if self._reply.copy_input and content and not self._done.is_set():
            await self._input.put(content)

    async def close_input(self) -> None:
        if self._reply.copy_input and not self._done.is_set():
            await self._input.put(b"")

    async def resize(self, width: int, height: int) -> None:
        """There is no terminal."""

    async def wait(self) -> ExitStatus:
        await self._done.wait()
        return ExitStatus(self._reply.code or 0)
