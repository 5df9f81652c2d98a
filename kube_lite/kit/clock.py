"""Time that can be moved by hand.

Everything that waits or stamps takes a ``Clock``. The real one asks the operating system; ``ManualClock``
stands still until a test moves it, and then wakes the sleepers in the order in which they fall due.

Each of them is given the time to do what it woke for before the next one wakes, or a cluster moved by an hour
would find that nobody had renewed anything. Tasks of the event loop have had it when a number of turns bring
nothing new; work that is done elsewhere, such as by the thread that writes a store, says so by ``awaits``.
"""

import asyncio
import heapq
import itertools
import math
import time
from collections.abc import Awaitable, Callable
from typing import Protocol

SETTLING_TURNS = 20  # of the event loop; chains of tasks that wake each other are shorter

Settle = Callable[[], Awaitable[bool]]
"""Waits for the work that is under way outside the event loop; whether there was any."""


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
        self._start = start
        # Counted from zero, where numbers lie so close that who sleeps for the rest of a time has reached it.
        self._elapsed = 0.0
        self._order = itertools.count()
        self._sleepers: list[tuple[float, int, asyncio.Future[None]]] = []
        self._outside: list[Settle] = []

    def awaits(self, settle: Settle) -> Callable[[], None]:
        """Let time stand still while ``settle`` has to wait; until what is returned is called.

        ``settle`` must not depend on the clock, nor on another event loop.
        """
        self._outside.append(settle)
        return lambda: self._outside.remove(settle)

    def now(self) -> float:
        """Seconds since the epoch, as last moved."""
        return self._start + self._elapsed

    def monotonic(self) -> float:
        """Seconds since this clock was made."""
        return self._elapsed

    async def sleep(self, seconds: float) -> None:
        """Wait until the clock has been moved that far."""
        if seconds <= 0:
            await asyncio.sleep(0)
            return
        woken: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        due = max(self._elapsed + seconds, math.nextafter(self._elapsed, math.inf))
        heapq.heappush(self._sleepers, (due, next(self._order), woken))
        await woken

    def jump(self, seconds: float) -> None:
        """Let time pass in which nothing runs, as when the host sleeps: who should have woken wakes late."""
        self._elapsed += seconds

    async def advance(self, seconds: float) -> None:
        """Move the clock forward, waking each sleeper at its own time and letting it run before the next."""
        target = self._elapsed + seconds
        await self._settle()  # who is about to sleep shall be among the sleepers
        while self._sleepers and self._sleepers[0][0] <= target:
            due, _, woken = heapq.heappop(self._sleepers)
            self._elapsed = max(self._elapsed, due)
            if not woken.done():
                woken.set_result(None)
            await self._settle()
        self._elapsed = target
        await self._settle()

    async def _settle(self) -> None:
        """Let every task run until it waits: a woken one may wake others before it sleeps again."""
        turns = 0
        while turns < SETTLING_TURNS:
            await asyncio.sleep(0)
            turns += 1
            for settle in tuple(self._outside):
                if await settle():
                    turns = 0
