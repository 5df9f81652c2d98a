"""The driver's hold on the supervisor: one channel, made again when it broke, and those who listen to events.

No task waits in the background. When the channel breaks, listeners are woken; the first of them, or the next
question, connects again, and every listener is then told the state of every container, so that what happened
in between is not missed.
"""

import asyncio
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any

from ..types import ContainerState, ExitStatus
from .channel import HELLO, Channel, SupervisorGone, connect, start_supervisor
from .records import container_state, exit_status
from .wire import Message

CONNECT_TRIES = 5
END_SECONDS = 10.0  # for a process with nothing left to do but to exit


class Listener:
    """Who waits for changes. It holds the newest state of each container, so their number bounds its size."""

    def __init__(self) -> None:
        self._changed: dict[str, ContainerState] = {}
        self._wake = asyncio.Event()

    def put(self, state: ContainerState) -> None:
        """Keep the newest state."""
        self._changed.pop(state.id, None)
        self._changed[state.id] = state
        self._wake.set()

    def wake(self) -> None:
        """Return from ``take`` even with nothing."""
        self._wake.set()

    async def take(self) -> list[ContainerState]:
        """What has changed since the last time, in the order of the changes; waits for something."""
        await self._wake.wait()
        self._wake.clear()
        changed, self._changed = list(self._changed.values()), {}
        return changed


class Link:
    """Asks the supervisor of one directory. Closing it leaves the supervisor alone."""

    def __init__(self, directory: Path, wanted_mode: str) -> None:
        self._directory = directory
        self._wanted_mode = wanted_mode
        self._channel: Channel | None = None
        self._connecting = asyncio.Lock()
        self._listeners: list[Listener] = []
        self._exec_ends: dict[int, asyncio.Future[ExitStatus]] = {}
        self._container_ends: dict[str, list[asyncio.Future[ExitStatus]]] = {}
        self._is_closed = False

    async def hello(self) -> dict[str, Any]:
        """What the supervisor says of itself, and all it knows."""
        return await self.ask("hello", **HELLO)

    async def ask(self, do: str, **fields: Any) -> dict[str, Any]:
        """Ask, and wait for the answer."""
        return (await self.exchange(do, **fields))[0]

    async def exchange(self, do: str, **fields: Any) -> tuple[dict[str, Any], list[int]]:
        """As ``ask``, with the descriptors that come with the answer."""
        return await (await self.connected()).ask(do, **fields)

    async def connected(self) -> Channel:
        """The channel; connects, and starts a supervisor, when there is none."""
        async with self._connecting:
            if self._channel is None or not self._channel.is_open:
                if self._is_closed:
                    raise SupervisorGone("the driver has been left")
                again = self._channel is not None
                self._channel = await self._connect()
                if again:
                    await self._tell_everything(self._channel)
            return self._channel

    async def shut_down(self) -> None:
        """End everything that the supervisor owns and the supervisor itself; returns when it has ended."""
        channel = await self.connected()
        hello, _ = await channel.ask("hello", **HELLO)
        loop, gone = asyncio.get_running_loop(), asyncio.Event()
        process = os.pidfd_open(int(hello["pid"]))
        loop.add_reader(process, gone.set)
        try:
            with suppress(SupervisorGone):  # it may end before its answer is read
                await channel.ask("shutdown")
            with suppress(TimeoutError):
                async with asyncio.timeout(END_SECONDS):
                    await gone.wait()
        finally:
            loop.remove_reader(process)
            os.close(process)
            await self.close()

    async def close(self) -> None:
        """Let go. Whoever still waits is told that the supervisor is gone."""
        self._is_closed = True
        if self._channel is not None:
            self._channel.close()

    @contextmanager
    def listening(self) -> Iterator[Listener]:
        """A ``Listener`` for the length of the block."""
        listener = Listener()
        self._listeners.append(listener)
        try:
            yield listener
        finally:
            self._listeners.remove(listener)

    async def changes(self, listener: Listener) -> AsyncIterator[ContainerState]:
        """What a listener hears, for ever; ends when the link is closed."""
        while not self._is_closed:
            for state in await listener.take():
                yield state
            if not self._is_closed and (self._channel is None or not self._channel.is_open):
                await self.connected()

    def exec_end(self, number: int) -> "asyncio.Future[ExitStatus]":
        """Completed when the exec of that number ends, which may have happened already."""
        return self._exec_ends.setdefault(number, asyncio.get_running_loop().create_future())

    async def leave_exec(self, number: int) -> None:
        """End an exec if it still runs, and forget it."""
        ended = self._exec_ends.pop(number, None)
        if ended is not None and not ended.done() and self._channel is not None and self._channel.is_open:
            await self._channel.ask("kill_exec", exec=number)
        if ended is not None:
            ended.cancel()

    def container_end(
        self, container_id: str
    ) -> tuple["asyncio.Future[ExitStatus]", Callable[[], Awaitable[None]]]:
        """Completed when that container ends; and what forgets about it."""
        ended: asyncio.Future[ExitStatus] = asyncio.get_running_loop().create_future()
        waiting = self._container_ends.setdefault(container_id, [])
        waiting.append(ended)

        async def forget() -> None:
            if ended in waiting:
                waiting.remove(ended)
            ended.cancel()

        return ended, forget

    async def _connect(self) -> Channel:
        for _ in range(CONNECT_TRIES):
            connection = connect(self._directory)
            if connection is None:
                await self._start()
                connection = connect(self._directory)
            if connection is None:
                continue
            channel = Channel(connection, self._on_event, self._on_lost)
            try:
                await channel.ask("hello", **HELLO)
            except SupervisorGone:
                channel.close()  # it was just ending, as one does that owns nothing
                continue
            return channel
        raise SupervisorGone(
            f"the supervisor of {self._directory} ends as soon as it starts: see supervisor.log"
        )

    async def _tell_everything(self, channel: Channel) -> None:
        hello, _ = await channel.ask("hello", **HELLO)
        for record in hello["containers"]:
            self._tell(container_state(record))

    def _tell(self, state: ContainerState) -> None:
        for listener in self._listeners:
            listener.put(state)
        if state.exit is not None:
            for ended in self._container_ends.pop(state.id, ()):
                if not ended.done():
                    ended.set_result(state.exit)

    async def _start(self) -> None:
        with ThreadPoolExecutor(1, "kube-lite-supervisor") as thread:  # seldom: not worth keeping one for it
            start = partial(start_supervisor, self._directory, self._wanted_mode)
            await asyncio.get_running_loop().run_in_executor(thread, start)

    def _on_event(self, message: Message) -> None:
        if message["event"] == "container":
            self._tell(container_state(message["container"]))
        elif message["event"] == "exec":
            ended = self.exec_end(int(message["exec"]))
            if not ended.done():
                ended.set_result(exit_status(message))

    def _on_lost(self) -> None:
        for ended in self._exec_ends.values():
            if not ended.done():
                ended.set_exception(SupervisorGone("the supervisor ended while a command ran"))
                ended.exception()  # whoever waits is told; that nobody waits is no mistake
        for listener in self._listeners:
            listener.wake()
