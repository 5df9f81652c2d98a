"""Fan committed events out to watchers without ever waiting for one.

A watcher is *live* (gets each commit as it happens) or *catching up* (reads history in stretches until it
meets the present). Reading the last stretch and becoming live is one step of the event loop, and what was
already given is dropped, so nothing can fall between the two nor come twice.

Each live watcher has a queue of at most ``QUEUE_EVENTS``. When it is full the watcher is moved back to
catching up, from the last revision it took; when that is compacted meanwhile it ends with ``Compacted``. So
the work per commit is constant, however many watchers are slow.
"""

import asyncio
from collections import deque
from collections.abc import Sequence

from .batch import Commit
from .errors import StoreClosed
from .history import History
from .types import Event, Range

QUEUE_EVENTS = 1000


class Watch:
    """The changes of a range, in order, as batches of whole revisions: ``with store.watch(...) as watch:
    async for events in watch:``. For one reader.
    """

    def __init__(self, hub: "Hub", history: History, wanted: Range, after: int) -> None:
        self._hub = hub
        self._history = history
        self._wanted = wanted
        self._taken = after
        self._is_live = False
        self._queue: deque[Commit] = deque()
        self._queued_events = 0
        self._waiter: asyncio.Future[None] | None = None
        self._is_ended = False

    def __enter__(self) -> "Watch":
        """Begin. Raises ``Compacted``, ``FutureRevision``, ``StoreClosed``."""
        self._hub.check_open()
        self._history.check_start(self._taken)
        self._hub.add(self._wanted, self)
        return self

    def __exit__(self, *failure: object) -> None:
        """End, and forget what was not taken."""
        self._hub.remove(self._wanted, self)
        self._is_live = False
        self._queue.clear()

    @property
    def progress(self) -> int:
        """Every event up to this revision has been delivered."""
        if not self._is_live:
            return self._taken
        reached = self._queue[0].revision - 1 if self._queue else self._hub.revision
        return max(self._taken, reached)

    def __aiter__(self) -> "Watch":
        return self

    async def __anext__(self) -> Sequence[Event]:
        """The next batch, never empty. Raises ``Compacted``, ``StoreClosed``."""
        while True:
            self._hub.check_open()
            if not self._is_live:
                await asyncio.sleep(0)  # between stretches it is the others' turn
                self._hub.check_open()
                stretch = self._history.read(self._wanted, self._taken)
                self._taken, self._is_live = stretch.reached, stretch.is_end
                if stretch.events:
                    return stretch.events
            elif self._queue:
                return self._take()
            elif self._is_ended:
                raise StopAsyncIteration
            else:
                self._waiter = asyncio.get_running_loop().create_future()
                try:
                    await self._waiter
                finally:
                    self._waiter = None

    def end(self) -> None:
        """Let the reader come to an end once it has taken what there is."""
        self._is_ended = True
        self.wake()

    def offer(self, commit: Commit) -> None:
        """Queue a commit's events for a live watcher, or send it back to history when it has no room."""
        if not self._is_live or commit.revision <= self._taken:
            return
        self._queued_events += len(commit.events)
        if self._queued_events > QUEUE_EVENTS:
            # All that lies before the first event not taken is known to hold nothing for this watcher.
            first = self._queue[0].revision if self._queue else commit.revision
            self._taken, self._is_live = first - 1, False
            self._queue.clear()
            self._queued_events = 0
        else:
            self._queue.append(commit)
        self.wake()

    def wake(self) -> None:
        """Let the reader look again."""
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def _take(self) -> Sequence[Event]:
        self._taken = self._queue[-1].revision
        self._queued_events = 0
        if len(self._queue) == 1:
            return self._queue.popleft().events
        events = [event for commit in self._queue for event in commit.events]
        self._queue.clear()
        return events


class Hub:
    """All watchers. Lives in the event loop; the writer's commits arrive there in order."""

    def __init__(self, revision: int) -> None:
        self.revision = revision
        """The newest that has been offered to the watchers."""
        self._ended: StoreClosed | None = None
        # Watchers of the same range share the choice of events.
        self._watchers: dict[Range, set[Watch]] = {}

    def add(self, wanted: Range, watch: Watch) -> None:
        """Offer it what is published from now on."""
        self._watchers.setdefault(wanted, set()).add(watch)

    def remove(self, wanted: Range, watch: Watch) -> None:
        """Forget it; twice is harmless."""
        watchers = self._watchers.get(wanted, set())
        watchers.discard(watch)
        if not watchers:
            self._watchers.pop(wanted, None)

    def publish(self, commits: Sequence[Commit]) -> None:
        """Offer new commits, oldest first."""
        if not commits:
            return
        self.revision = commits[-1].revision
        for (start, end), watchers in self._watchers.items():
            for revision, events in commits:
                chosen = [event for event in events if start <= event.key < end]
                if chosen:
                    commit = Commit(revision, chosen)
                    for watch in watchers:
                        watch.offer(commit)

    def check_open(self) -> None:
        """Raise ``StoreClosed`` once the watches have been ended."""
        if self._ended is not None:
            raise StoreClosed(str(self._ended)) from self._ended

    def close(self, reason: StoreClosed) -> None:
        """End every watch with ``reason``."""
        self._ended = reason
        for watchers in self._watchers.values():
            for watch in watchers:
                watch.wake()
