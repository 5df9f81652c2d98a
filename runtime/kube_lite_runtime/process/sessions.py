"""Streams of execs and of attached containers: the server reads and writes their pipes itself.

The descriptors came from the supervisor or went to it, so that no byte passes through it. Everything is
non-blocking and driven by the event loop; a reader that stops reading stops the process that writes.
"""

import asyncio
import fcntl
import os
import struct
import termios
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Literal, NamedTuple

from ..streams import Chunk
from ..types import ExitStatus

READ_BYTES = 64 * 1024

Name = Literal["stdout", "stderr"]


class Ends(NamedTuple):
    """Our ends of a process's streams; -1 where there is none."""

    stdin: int
    outputs: list[tuple[Name, int]]
    is_terminal: bool


class PipeSession:
    """Fulfils ``Session`` over descriptors, which it owns.

    ``exit`` is completed by whoever hears of the end; ``leave`` is awaited once when the block is left.
    """

    def __init__(
        self, ends: Ends, exit: "asyncio.Future[ExitStatus]", leave: Callable[[], Awaitable[None]]
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._input = ends.stdin
        self._outputs: dict[int, Name] = {descriptor: name for name, descriptor in ends.outputs}
        self._is_terminal = ends.is_terminal
        self._exit = exit
        self._leave = leave
        for descriptor in [*self._outputs, *([self._input] if self._input >= 0 else [])]:
            os.set_blocking(descriptor, False)

    async def __aenter__(self) -> "PipeSession":
        """Hold the streams."""
        return self

    async def __aexit__(self, *failure: object) -> None:
        """Let go of them."""
        await self.close_input()
        self._close_terminal()
        for descriptor in list(self._outputs):
            self._close_output(descriptor)
        await self._leave()

    async def output(self) -> AsyncIterator[Chunk]:
        """What the process writes, until it closes both streams."""
        while self._outputs:
            for descriptor in await self._readable():
                try:
                    content = os.read(descriptor, READ_BYTES)
                except BlockingIOError:
                    continue
                except OSError:
                    content = b""  # EIO: nobody has the terminal's other side open any more
                if content:
                    yield Chunk(self._outputs[descriptor], content)
                else:
                    self._close_output(descriptor)

    async def write(self, content: bytes) -> None:
        """Give the process input."""
        rest = memoryview(content)
        while rest and self._input >= 0:
            try:
                rest = rest[os.write(self._input, rest) :]
            except BlockingIOError:
                await self._writable()
            except OSError:
                self._close_stdin()

    async def close_input(self) -> None:
        """Tell the process that no more input comes. A terminal has no end of input: it stays open."""
        if not self._is_terminal:
            self._close_stdin()

    async def resize(self, width: int, height: int) -> None:
        """Tell the terminal its size."""
        if self._is_terminal and self._input >= 0:
            size = struct.pack("HHHH", min(height, 65535), min(width, 65535), 0, 0)
            fcntl.ioctl(self._input, termios.TIOCSWINSZ, size)

    async def wait(self) -> ExitStatus:
        """How the process ended."""
        return await asyncio.shield(self._exit)

    async def _readable(self) -> list[int]:
        ready: list[int] = []
        woken: asyncio.Future[None] = self._loop.create_future()

        def wake(descriptor: int) -> None:
            self._loop.remove_reader(descriptor)
            ready.append(descriptor)
            if not woken.done():
                woken.set_result(None)

        watched = list(self._outputs)
        for descriptor in watched:
            self._loop.add_reader(descriptor, wake, descriptor)
        try:
            await woken
        finally:
            for descriptor in watched:
                self._loop.remove_reader(descriptor)
        return ready

    async def _writable(self) -> None:
        woken: asyncio.Future[None] = self._loop.create_future()
        descriptor = self._input
        self._loop.add_writer(descriptor, _finish, woken)
        try:
            await woken
        finally:
            self._loop.remove_writer(descriptor)

    def _close_output(self, descriptor: int) -> None:
        if self._outputs.pop(descriptor, None) is not None:
            os.close(descriptor)

    def _close_stdin(self) -> None:
        if self._input >= 0:
            os.close(self._input)
            self._input = -1

    def _close_terminal(self) -> None:
        if self._is_terminal:
            self._close_stdin()


def _finish(woken: "asyncio.Future[None]") -> None:
    if not woken.done():
        woken.set_result(None)
