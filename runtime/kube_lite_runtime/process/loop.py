"""The supervisor's event loop: descriptors and timers, and nothing that asyncio would cost in memory.

One thread. A callback never waits; while nothing happens the process sleeps without a single wake-up.
"""

import heapq
import itertools
import selectors
import sys
import time
from collections.abc import Callable
from typing import cast

Callback = Callable[[], object]


class Timer:
    """A call that is due later, unless it is cancelled."""

    __slots__ = ("callback",)

    def __init__(self, callback: Callback) -> None:
        self.callback: Callback | None = callback

    def cancel(self) -> None:
        """Forget it. Calling twice, or too late, changes nothing."""
        self.callback = None


class Loop:
    """Calls back when descriptors are ready and when time has come."""

    def __init__(self) -> None:
        self._selector = selectors.DefaultSelector()
        self._timers: list[tuple[float, int, Timer]] = []
        self._order = itertools.count()
        self._running = True

    def watch(self, descriptor: int, on_ready: Callback, *, writable: bool = False) -> None:
        """Call ``on_ready`` whenever the descriptor can be read, with ``writable`` also when written."""
        events = selectors.EVENT_READ | (selectors.EVENT_WRITE if writable else 0)
        if descriptor in self._selector.get_map():
            self._selector.modify(descriptor, events, on_ready)
        else:
            self._selector.register(descriptor, events, on_ready)

    def forget(self, descriptor: int) -> None:
        """Watch it no longer; to be said before it is closed."""
        if descriptor in self._selector.get_map():
            self._selector.unregister(descriptor)

    def later(self, seconds: float, callback: Callback) -> Timer:
        """Call once, after ``seconds``."""
        timer = Timer(callback)
        heapq.heappush(self._timers, (time.monotonic() + seconds, next(self._order), timer))
        return timer

    def stop(self) -> None:
        """Return from ``run`` after the callbacks of this round."""
        self._running = False

    def run(self) -> None:
        """Serve until ``stop``."""
        while self._running:
            for key, _ in self._selector.select(self._patience()):
                if key.fd in self._selector.get_map():  # an earlier callback may have let go of it
                    _call(cast("Callback", key.data))
            self._run_timers()

    def _patience(self) -> float | None:
        while self._timers and self._timers[0][2].callback is None:
            heapq.heappop(self._timers)
        return max(0.0, self._timers[0][0] - time.monotonic()) if self._timers else None

    def _run_timers(self) -> None:
        now = time.monotonic()
        while self._timers and self._timers[0][0] <= now:
            _, _, timer = heapq.heappop(self._timers)
            if timer.callback is not None:
                _call(timer.callback)


def _call(callback: Callback) -> None:
    """What the system refuses one container, for want of memory or descriptors, must not end the others."""
    try:
        callback()
    except OSError:
        sys.excepthook(*sys.exc_info())
        sys.stderr.flush()
