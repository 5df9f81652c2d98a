"""The server's side of the connection to the supervisor: questions, answers, events; and starting one.

No task belongs to it: the event loop calls back when something has arrived. When the supervisor has gone,
every open question fails with ``SupervisorGone``, and whoever asks next starts a new one.
"""

import asyncio
import os
import socket
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from .. import errors
from ..errors import ContainerFailed, RuntimeFailure, SandboxFailed
from .requests import PROTOCOL
from .supervisor import SOCKET
from .wire import Message, Wire, WireBroken

START_SECONDS = 20.0
_PROGRAM = (
    "import sys; sys.path.insert(0, sys.argv[1]); "
    "from kube_lite_runtime.process.supervisor import main; main(*sys.argv[2:])"
)


class SupervisorGone(RuntimeFailure):
    """The supervisor ended, or could not be started, while something was asked of it."""


class Channel:
    """One connection. ``on_event`` gets what is told unasked; ``on_lost`` is called once when it breaks."""

    def __init__(
        self, connection: socket.socket, on_event: Callable[[Message], None], on_lost: Callable[[], None]
    ) -> None:
        self._wire = Wire(connection)
        self._on_event = on_event
        self._on_lost = on_lost
        self._loop = asyncio.get_running_loop()
        self._waiting: dict[int, asyncio.Future[tuple[dict[str, Any], list[int]]]] = {}
        self._next = 1
        self.is_open = True
        self._loop.add_reader(self._wire.fileno(), self._readable)

    async def ask(
        self, do: str, *, descriptors: Sequence[int] = (), **fields: Any
    ) -> tuple[dict[str, Any], list[int]]:
        """Ask, and wait for the answer and the descriptors that come with it, which are the caller's.

        Raises the class of ``errors`` that the supervisor names, or ``SupervisorGone``.
        """
        if not self.is_open:
            raise SupervisorGone("the supervisor has ended")
        number, self._next = self._next, self._next + 1
        answer: asyncio.Future[tuple[dict[str, Any], list[int]]] = self._loop.create_future()
        self._waiting[number] = answer
        try:
            self._wire.send({"id": number, "do": do, **fields}, descriptors)
            self._watch_writes()
            return await answer
        except WireBroken as error:
            self.close()
            raise SupervisorGone(str(error)) from error
        finally:
            self._waiting.pop(number, None)

    def close(self) -> None:
        """Let go; calling twice is safe."""
        if not self.is_open:
            return
        self.is_open = False
        self._loop.remove_reader(self._wire.fileno())
        self._loop.remove_writer(self._wire.fileno())
        self._wire.close()
        for answer in self._waiting.values():
            if not answer.done():
                answer.set_exception(SupervisorGone("the supervisor has ended"))
        self._on_lost()

    def _readable(self) -> None:
        try:
            received = self._wire.receive()
        except WireBroken:
            self.close()
            return
        for message, descriptors in received:
            self._take(message, descriptors)

    def _take(self, message: Message, descriptors: list[int]) -> None:
        if "event" in message:
            self._on_event(message)
            return
        answer = self._waiting.get(int(message["id"]))
        if answer is None or answer.done():  # whoever asked was cancelled
            for descriptor in descriptors:
                os.close(descriptor)
        elif "error" in message:
            answer.set_exception(as_failure(message["error"]))
        else:
            answer.set_result((message["answer"], descriptors))

    def _writable(self) -> None:
        try:
            self._wire.flush()
        except WireBroken:
            self.close()
            return
        if not self._wire.wants_to_write:
            self._loop.remove_writer(self._wire.fileno())

    def _watch_writes(self) -> None:
        if self._wire.wants_to_write:
            self._loop.add_writer(self._wire.fileno(), self._writable)


def as_failure(error: Mapping[str, str]) -> RuntimeFailure:
    """What the supervisor answered, as an exception of ours."""
    kind, why, step = error["kind"], error["why"], error.get("step", "")
    if kind == "SandboxFailed":
        return SandboxFailed(step, why)
    if kind == "ContainerFailed":
        return ContainerFailed(step, why)
    found = getattr(errors, kind, RuntimeFailure)
    is_ours = isinstance(found, type) and issubclass(found, RuntimeFailure)
    return found(why) if is_ours else RuntimeFailure(why)


def connect(directory: Path) -> socket.socket | None:
    """A connection to the supervisor of this directory; None when there is none."""
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        holder = os.open(directory, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            # By way of /proc: the directory's own name may be longer than a socket's address can be.
            connection.connect(f"/proc/self/fd/{holder}/{SOCKET}")
        finally:
            os.close(holder)
    except (FileNotFoundError, ConnectionRefusedError):
        connection.close()
        return None
    except BaseException:
        connection.close()
        raise
    return connection


KEPT_VARIABLES = ("LD_LIBRARY_PATH",)
"""Of our environment the supervisor gets only what the interpreter may need to start at all."""


def start_supervisor(directory: Path, mode: str) -> None:
    """Start one, unless one runs, and wait until it listens. Blocks for as long as Python takes to start."""
    package = Path(__file__).parent.parent.parent
    command = [sys.executable, "-I", "-S", "-c", _PROGRAM, str(package), str(directory), mode]
    try:
        started = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            timeout=START_SECONDS,
            check=False,
            env={name: os.environ[name] for name in KEPT_VARIABLES if name in os.environ},
            cwd="/",
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise SupervisorGone(f"the supervisor could not be started: {error}") from error
    if started.returncode:
        last = started.stderr.decode(errors="replace").strip().splitlines()[-1:] or ["no reason given"]
        raise SupervisorGone(f"the supervisor could not be started: {last[0]}")


HELLO: dict[str, Any] = {"protocol": PROTOCOL}
