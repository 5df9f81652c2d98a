"""The loop that every controller is: events become keys, keys are reconciled until nothing is left to do.

A controller says with ``watch`` which informers concern it and which keys an event touches, and implements
``reconcile``, which compares what should be with what is and takes a step. There are three outcomes: it
returns, and the key rests until something happens; it returns ``RequeueAfter``, and the key comes back by
itself; it raises, and the key comes back after a delay that grows. Events say only *that* something changed,
never what, so a controller that was killed begins again where the objects stand. While nothing happens
nothing runs.
"""

import asyncio
import logging
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from typing import Generic, NamedTuple, TypeVar

from kube_lite.api.errors import AlreadyExists, ApiError, Conflict, NotFound
from kube_lite.api.identity import Json, ObjectKey, key_of
from kube_lite.kit.clock import Clock
from kube_lite.kit.workqueue import WorkQueue

from .informer import Informer
from .protocol import EventType

log = logging.getLogger(__name__)

K = TypeVar("K")
Keys = Callable[[EventType, Json | None, Json | None], Iterable[ObjectKey]]
"""Which keys an event touches; arguments as for an informer's handler."""
Pace = Callable[[EventType, ObjectKey], float]


class RequeueAfter(NamedTuple):
    """The key should be looked at again when that many seconds have passed, whatever happens."""

    seconds: float


class Reconciler(ABC, Generic[K]):
    """Works on keys from a queue. Subclasses implement ``reconcile``.

    Args:
        name: for logs and status screens.
        workers: how many keys may be worked on at once; never the same one twice.
    """

    def __init__(self, name: str, clock: Clock, *, workers: int = 4) -> None:
        self.name = name
        self.clock = clock
        self.queue: WorkQueue[K] = WorkQueue(clock)
        self._workers = workers

    @abstractmethod
    async def reconcile(self, key: K) -> RequeueAfter | None:
        """Bring what is closer to what should be. Must be safe to call at any time and twice."""

    async def work(self) -> None:
        """Work on keys until cancelled; for use inside ``async with self.queue``."""
        async with asyncio.TaskGroup() as group:
            for number in range(self._workers):
                group.create_task(self._work(), name=f"{self.name} worker {number}")

    async def _work(self) -> None:
        while True:
            key = await self.queue.get()
            try:
                after = await self.reconcile(key)
            except (Conflict, AlreadyExists, NotFound) as error:  # what others did will be seen in a moment
                log.debug("lost a race", extra={"part": self.name, "key": str(key), "why": error.message})
                self.queue.add_rate_limited(key)
            except ApiError as error:
                if is_namespace_ending(error):  # trying again would change nothing, and nobody waits for it
                    self.queue.forget(key)
                    continue
                log.warning("refused", extra={"part": self.name, "key": str(key), "why": error.message})
                self.queue.add_rate_limited(key)
            except Exception:
                log.exception("cannot reconcile", extra={"part": self.name, "key": str(key)})
                self.queue.add_rate_limited(key)
            else:
                self.queue.forget(key)
                if after is not None:
                    self.queue.add_after(key, after.seconds)
            finally:
                self.queue.done(key)


class Controller(Reconciler[ObjectKey]):
    """Service that reconciles objects named by keys. Subclasses watch informers in ``__init__``."""

    def __init__(self, name: str, clock: Clock, *, workers: int = 4) -> None:
        super().__init__(name, clock, workers=workers)
        self._informers: list[Informer] = []

    def watch(self, informer: Informer, keys: Keys | None = None, pace: Pace | None = None) -> None:
        """Queue the keys of every event, by default the object's own; work waits until it synced.

        Args:
            pace: in how many seconds a key should be looked at because of an event; None: at once.
        """
        find = keys or _own_key

        def handler(event: EventType, old: Json | None, new: Json | None) -> None:
            try:
                for key in find(event, old, new):
                    self.queue.add_after(key, pace(event, key) if pace is not None else 0.0)
            except Exception:  # an odd object must not end the informer, which others share
                log.exception("cannot judge an event", extra={"part": self.name})

        self.needs(informer)
        informer.add_handler(handler)

    def needs(self, informer: Informer) -> None:
        """Only wait until it has synced before working."""
        if informer not in self._informers:
            self._informers.append(informer)

    async def run(self, ready: Callable[[], None]) -> None:
        """Work until cancelled. Ready at once: work begins when the informers have synced."""
        async with self.queue:
            ready()
            for informer in self._informers:
                await informer.synced()
            await self.work()


def _own_key(event: EventType, old: Json | None, new: Json | None) -> Iterable[ObjectKey]:
    obj = new or old
    return [key_of(obj)] if obj is not None else []


def is_namespace_ending(error: ApiError) -> bool:
    """The creation was refused because the namespace is being emptied; nothing to tell anybody about."""
    causes = (error.details or {}).get("causes") or ()
    return any(cause.get("reason") == "NamespaceTerminating" for cause in causes)
