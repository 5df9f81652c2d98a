"""Time that can be moved by hand.

Everything that waits or stamps takes a ``Clock``. The real one asks the operating system; ``ManualClock``
stands still until a test moves it, and then wakes the sleepers in the order in which they fall due.
"""

import asyncio
import heapq
import itertools
import time
from typing import Protocol

SETTLING_TURNS = 20  # of the event loop; chains of tasks that wake each other are shorter


class Clock(Protocol):
    """What a component may know about time."""

    def now(self) -> float:
        """Seconds since the epoch, as ``time.time``."""
        ...

    def monotonic(self) -> float:
        """Seconds that never go back, from an arbitrary start."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Wait; zero or less only yields to others."""
        ...


class RealClock:
    """The operating system's time."""

    def now(self) -> float:
        """Seconds since the epoch."""
        return time.time()

    def monotonic(self) -> float:
        """Seconds that never go back."""
        return time.monotonic()

    async def sleep(self, seconds: float) -> None:
        """Wait for real."""
        await asyncio.sleep(max(0.0, seconds))


class ManualClock:
    """Time that stands still until ``advance`` is called."""

    def __init__(self, start: float = 1_700_000_000.0) -> None:
        self._now = start
        self._start = start
        self._order = itertools.count()
        self._sleepers: list[tuple[float, int, asyncio.Future[None]]] = []

    def now(self) -> float:
        """Seconds since the epoch, as last moved."""
        return self._now

    def monotonic(self) -> float:
        """Seconds since this clock was made."""
        return self._now - self._start

    async def sleep(self, seconds: float) -> None:
        """Wait until the clock has been moved that far."""
        if seconds <= 0:
            await asyncio.sleep(0)
            return
        woken: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        heapq.heappush(self._sleepers, (self._now + seconds, next(self._order), woken))
        await woken

    async def advance(self, seconds: float) -> None:
        """Move the clock forward, waking each sleeper at its own time and letting it run before the next."""
        target = self._now + seconds
        await _settle()  # who is about to sleep shall be among the sleepers
        while self._sleepers and self._sleepers[0][0] <= target:
            due, _, woken = heapq.heappop(self._sleepers)
            self._now = max(self._now, due)
            if not woken.done():
                woken.set_result(None)
            await _settle()
        self._now = target
        await _settle()


async def _settle() -> None:
    """Let every task run until it waits: a woken one may wake others before it sleeps again."""
    for _ in range(SETTLING_TURNS):
        await asyncio.sleep(0)
