"""A key waits once, is worked on by one, and comes back if it changed meanwhile.

Three sets make that work: ``dirty`` holds keys that must be looked at, ``processing`` those that somebody is
looking at, and the queue says in which order the dirty ones that nobody holds are handed out. A key that is
added while it is being worked on becomes dirty but is queued only by ``done``, so two workers never hold the
same key and no change is missed. The number of keys bounds the size. How long keys wait and are worked on is
noted as it happens, and read when somebody asks.

Source of the model: client-go's ``util/workqueue``.
"""

import asyncio
import heapq
import itertools
from bisect import bisect_left
from types import TracebackType
from typing import Generic, TypeVar

from .backoff import Backoff
from .clock import Clock

K = TypeVar("K")

DURATIONS = tuple(10.0**power for power in range(-8, 4))
"""The bounds, in seconds, by which times are noted; upstream's."""


class WorkQueue(Generic[K]):
    """Keys that need attention, unique, in order of arrival.

    Keys may be added at any time; delays run while the queue is entered as an async context manager.
    A worker calls ``get``, works, and calls ``done`` in any case; besides, ``forget`` after success or
    ``add_rate_limited`` after failure.

    Attributes:
        adds: how many keys were added, each again after somebody had taken it.
        retries: how many of them because they had failed.
        waited: how long they waited to be taken: a count for each bound and one more, then the sum.
        worked: how long they were worked on, likewise.
    """

    def __init__(self, clock: Clock, backoff: Backoff | None = None) -> None:
        self._clock = clock
        self._backoff = backoff or Backoff()
        self.adds = self.retries = 0
        self.waited: list[float] = [0] * (len(DURATIONS) + 1) + [0.0]
        self.worked: list[float] = [0] * (len(DURATIONS) + 1) + [0.0]
        self._dirty: dict[K, float] = {}
        self._processing: dict[K, float] = {}
        """By key, since when, by the monotonic clock."""
        self._queue: asyncio.Queue[K] = asyncio.Queue()
        self._due: dict[K, float] = {}
        self._delayed: list[tuple[float, int, K]] = []
        """A heap of them; what ``_due`` says otherwise of has been overtaken by a shorter delay."""
        self._order = itertools.count()
        self._alarm: asyncio.Task[None] | None = None
        self._alarm_at = 0.0
        self._group: asyncio.TaskGroup | None = None

    async def __aenter__(self) -> "WorkQueue[K]":
        """Begin to count down delays, those asked for before included."""
        self._group = await asyncio.TaskGroup().__aenter__()
        self._set_alarm()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Drop every delay that still runs."""
        group, self._group = self._group, None
        if self._alarm is not None:
            self._alarm.cancel()
            self._alarm = None
        if group is not None:
            await group.__aexit__(kind, error, traceback)

    def __len__(self) -> int:
        """How many keys wait to be handed out."""
        return self._queue.qsize()

    @property
    def idle(self) -> bool:
        """Nothing waits and nothing is being worked on; delays may still run."""
        return not self._dirty and not self._processing

    def add(self, key: K) -> None:
        """Somebody should look at ``key`` soon."""
        if key in self._dirty:
            return
        self.adds += 1
        self._dirty[key] = self._clock.monotonic()
        if key not in self._processing:
            self._queue.put_nowait(key)

    def add_after(self, key: K, seconds: float) -> None:
        """Add ``key`` when that much time has passed; of several delays of one key the earliest counts."""
        if seconds <= 0:
            self.add(key)
            return
        due = self._clock.monotonic() + seconds
        if key in self._due and self._due[key] <= due:
            return
        self._due[key] = due
        heapq.heappush(self._delayed, (due, next(self._order), key))
        self._set_alarm()

    def add_rate_limited(self, key: K) -> None:
        """Add ``key`` after a delay that grows from failure to failure."""
        self.retries += 1
        self.add_after(key, self._backoff.next(key))

    def failures(self, key: K) -> int:
        """How often ``key`` has been added by ``add_rate_limited`` since it was last forgotten."""
        return self._backoff.failures(key)

    def forget(self, key: K) -> None:
        """``key`` has succeeded: the next failure is a first one."""
        self._backoff.forget(key)

    async def get(self) -> K:
        """Wait for a key and take it; ``done`` must follow."""
        key = await self._queue.get()
        now = self._clock.monotonic()
        _note(self.waited, now - self._dirty.pop(key))
        self._processing[key] = now
        return key

    def done(self, key: K) -> None:
        """Give ``key`` back; if it was added meanwhile it is queued again."""
        began = self._processing.pop(key, None)
        if began is not None:
            _note(self.worked, self._clock.monotonic() - began)
        if key in self._dirty:
            self._queue.put_nowait(key)

    def under_way(self) -> list[float]:
        """For how many seconds each of the keys has been worked on that somebody holds."""
        now = self._clock.monotonic()
        return [now - began for began in self._processing.values()]

    def _set_alarm(self) -> None:
        """Wake when the first delay is over: one task, for there may be thousands of delays."""
        if self._group is None or not self._delayed:
            return
        due = self._delayed[0][0]
        if self._alarm is not None:
            if self._alarm_at <= due:
                return
            self._alarm.cancel()
        self._alarm_at = due
        self._alarm = self._group.create_task(self._add_due(due))

    async def _add_due(self, due: float) -> None:
        """Add what falls due then, or has by then."""
        await self._clock.sleep(due - self._clock.monotonic())
        self._alarm = None
        now = max(due, self._clock.monotonic())  # sleep may end a little early
        while self._delayed and self._delayed[0][0] <= now:
            due, _, key = heapq.heappop(self._delayed)
            if self._due.get(key) == due:
                del self._due[key]
                self.add(key)
        self._set_alarm()


def _note(cell: list[float], seconds: float) -> None:
    cell[bisect_left(DURATIONS, seconds)] += 1
    cell[-1] += seconds
