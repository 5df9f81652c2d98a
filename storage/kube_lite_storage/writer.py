"""The one writer thread: queued transactions, group commit, answers back to the event loop.

While one group is being made durable the next one gathers, so concurrent writers share an fsync without
anybody waiting for company. What is asked in one turn of the loop is handed over at its end, together: woken
at the first of 16 writes, this thread would commit it alone, and the two would wrest the interpreter from
each other for the rest. All answers of a group and its events travel to the loop in one call. A group that
does not fit into the map is rolled back, the map is doubled by the loop's thread (which has no read open
between two callbacks), and the group is done again.
"""

import asyncio
import logging
import queue
import sys
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future as ThreadFuture
from typing import NamedTuple, TypeAlias, TypeVar

import lmdb

from . import layout
from .ballast import is_full
from .batch import Batch, Commit, has_puts, keys_of
from .environment import Environment
from .errors import StoreClosed, StoreError, StoreFull
from .housekeeping import Answer, Housekeeping
from .leases import Leases
from .mailbox import Mailbox
from .types import Txn

log = logging.getLogger(__name__)
Result = TypeVar("Result")

GROUP_TXNS = 512
"""Most transactions of one commit; their answers wait for the last of them."""
QUEUE_TXNS = 8192
"""Most transactions that wait for the writer; beyond that ``submit`` waits for room."""

FULL_SECONDS = 1.0
"""How long compaction and leases wait when there is no room for them either."""

SWITCH_SECONDS = 0.0001
"""How long the interpreter lets one thread run when another wants to: 0.1 ms for all of the process.

With Python's own 5 ms a loop that is always busy, but polls its sockets more often than that, starves the
writer for seconds: each poll wakes it to find the interpreter taken again, and its patience begins anew. At
0.1 ms the same loop shares fairly, and 16 writers beside it get twice as much done.
"""


class _Pending(NamedTuple):
    txn: Txn
    answer: "asyncio.Future[int]"


class _Compact(NamedTuple):
    revision: int
    answer: "asyncio.Future[int]"


class _Call(NamedTuple):
    """Something to do while no transaction is open in the writer's thread."""

    work: Callable[[], object]
    answer: "asyncio.Future[int]"


class _Stop(NamedTuple):
    pass


_Order: TypeAlias = _Pending | _Compact | _Call | _Stop


class Writer:
    """Owns all writing. Its methods are called from the event loop; those below ``_run`` are the thread's."""

    def __init__(
        self,
        environment: Environment,
        publish: Callable[[Sequence[Commit]], None],
        ended: Callable[[StoreClosed], None],
        *,
        keep_seconds: float | None,
        keep_bytes: int,
        monotonic: Callable[[], float],
        now: Callable[[], float],
    ) -> None:
        self._environment = environment
        self._publish = publish
        self._ended = ended
        self._loop = asyncio.get_running_loop()
        self._closed: StoreClosed | None = None
        self._gone = self._loop.create_future()
        self._room = asyncio.Event()
        self._waiting: set[asyncio.Future[int]] = set()
        self._asked: list[_Order] = []
        self._queue: queue.SimpleQueue[_Order] = queue.SimpleQueue()
        self._housekeeping = Housekeeping(environment, keep_seconds, keep_bytes, monotonic)
        self._leases = Leases(environment, now)
        self._looks_again = 0.0
        self._mailbox = Mailbox()
        self._thread = threading.Thread(target=self._run, name="kube-lite-store-writer", daemon=True)

    def start(self) -> None:
        """Begin to write."""
        if sys.getswitchinterval() > SWITCH_SECONDS:
            sys.setswitchinterval(SWITCH_SECONDS)
        self._thread.start()

    async def submit(self, txn: Txn) -> int:
        """Queue a transaction and wait until it is durable. Whoever is cancelled cannot know its outcome."""
        while self._closed is None and self._queue.qsize() + len(self._asked) >= QUEUE_TXNS:
            self._room.clear()
            await self._room.wait()
        return await self._ask(lambda answer: _Pending(txn, answer))

    async def settle(self) -> bool:
        """Wait until what is asked for by now is answered; whether anything was."""
        if not self._waiting:
            return False
        await asyncio.wait(self._waiting)
        return True

    async def compact(self, revision: int) -> int:
        """Forget, and wait until it is done; bytes of values forgotten."""
        return await self._ask(lambda answer: _Compact(revision, answer))

    async def call(self, work: Callable[[], object]) -> None:
        """Have the writer's thread do something between two groups, and wait for it."""
        await self._ask(lambda answer: _Call(work, answer))

    def make_room(self) -> None:
        """Grow the map when it is more than half full; for ``call``, before something long reads it."""
        environment = self._environment
        if environment.used_bytes() * 2 > environment.map_bytes:
            self._grow(into_reserve=False)

    async def close(self) -> None:
        """Write what is queued and end. Waits even when cancelled, for the file is about to be closed."""
        if self._closed is None:
            self._give(_Stop())
        cancelled: asyncio.CancelledError | None = None
        while not self._gone.done():
            try:
                await asyncio.shield(self._gone)
            except asyncio.CancelledError as error:
                cancelled = error
        self._thread.join()
        self._mailbox.close()
        if cancelled is not None:
            raise cancelled

    async def _ask(self, order: Callable[["asyncio.Future[int]"], _Pending | _Compact | _Call]) -> int:
        if self._closed is not None:
            raise StoreClosed(str(self._closed)) from self._closed
        answer: asyncio.Future[int] = self._loop.create_future()
        self._waiting.add(answer)
        self._give(order(answer))
        return await answer

    def _give(self, order: _Order) -> None:
        self._asked.append(order)
        if len(self._asked) == 1:
            self._loop.call_soon(self._hand_over)

    def _hand_over(self) -> None:
        for order in self._asked:
            self._queue.put(order)
        self._asked.clear()

    def _deliver(self, answers: Sequence[Answer], commits: Sequence[Commit]) -> None:
        self._publish(commits)
        self._environment.reached("published")
        for answer, outcome in answers:
            self._waiting.discard(answer)
            if answer.done():
                continue  # its caller was cancelled
            if isinstance(outcome, int):
                answer.set_result(outcome)
            else:
                answer.set_exception(outcome)
        self._room.set()

    def _finish(self, reason: StoreClosed) -> None:
        self._closed = reason
        self._room.set()
        for answer in list(self._waiting):
            if not answer.done():
                answer.set_exception(reason)
        self._waiting.clear()
        self._ended(reason)
        self._gone.set_result(None)

    # From here on in the writer's thread.

    def _run(self) -> None:
        reason = StoreClosed("the store's writer has failed")
        try:
            self._serve()
            reason = StoreClosed("the store is closed")
        except (lmdb.Error, OSError, StoreError) as error:
            log.error("the store's writer has failed", exc_info=error)
            reason = StoreClosed(f"the store's writer has failed: {error}")
            reason.__cause__ = error
        finally:
            self._mailbox.post(self._finish, reason)

    def _serve(self) -> None:
        while True:
            txns, others, is_last = self._take_group(self._timeout())
            if txns:
                answers, commits = self._commit(txns)
                self._mailbox.post(self._deliver, answers, commits)
            for order in others:
                self._do(order)
            try:
                self._keep_house()
            except StoreFull as error:
                self._wait_for_room(error)
            if is_last:
                return

    def _keep_house(self) -> None:
        if time.monotonic() < self._looks_again:
            return
        answers = self._retry(self._housekeeping.step)
        if answers:
            self._environment.ballast.load()
            self._mailbox.post(self._deliver, answers, ())
        while self._leases.is_due() and self._queue.empty():
            self._mailbox.post(self._deliver, (), self._retry(self._leases.sweep).commits)

    def _wait_for_room(self, error: StoreFull) -> None:
        log.warning("nothing can be forgotten or expire", exc_info=error)
        self._looks_again = time.monotonic() + FULL_SECONDS

    def _timeout(self) -> float | None:
        timeouts = [
            each for each in (self._housekeeping.timeout(), self._leases.timeout()) if each is not None
        ]
        pause = self._looks_again - time.monotonic()
        if pause > 0:
            return pause
        return min(timeouts, default=None)

    def _take_group(self, timeout: float | None) -> tuple[list[_Pending], list[_Compact | _Call], bool]:
        txns: list[_Pending] = []
        others: list[_Compact | _Call] = []
        try:
            order = self._queue.get(timeout=timeout) if timeout != 0 else self._queue.get_nowait()
            while True:
                if isinstance(order, _Pending):
                    txns.append(order)
                elif isinstance(order, _Stop):
                    return txns, others, True
                else:
                    others.append(order)
                if len(txns) >= GROUP_TXNS:
                    break
                order = self._queue.get_nowait()
        except queue.Empty:
            pass
        return txns, others, False

    def _commit(self, group: list[_Pending]) -> tuple[list[Answer], Sequence[Commit]]:
        refused: list[Answer] = []
        while True:
            try:
                answers, commits = self._write(group)
                return refused + answers, commits
            except lmdb.MapFullError:
                if not self._grow(into_reserve=not any(has_puts(pending.txn) for pending in group)):
                    group = self._refuse_puts(group, refused)
            except lmdb.Error as error:
                if not is_full(error, self._environment.path):
                    raise
                has_greedy = any(has_puts(pending.txn) for pending in group)
                if has_greedy or not self._environment.ballast.throw():
                    group = self._refuse_puts(group, refused)

    @staticmethod
    def _refuse_puts(group: list[_Pending], refused: list[Answer]) -> list[_Pending]:
        """Refuse what needs room; when nothing does, refuse all, for then there is no way left."""
        greedy = [pending for pending in group if has_puts(pending.txn)] or group
        refused.extend((pending.answer, StoreFull("the store is full")) for pending in greedy)
        return [pending for pending in group if pending not in greedy]

    def _write(self, group: list[_Pending]) -> tuple[list[Answer], Sequence[Commit]]:
        if not group:
            return [], ()
        environment = self._environment
        keys = keys_of([pending.txn for pending in group])
        with environment.writing() as txn:
            present: dict[bytes, bytes | None] = dict.fromkeys(keys)
            present.update(txn.cursor(environment.now).getmulti(keys))
            revision = environment.number(txn, layout.REVISION_ROW)
            batch = Batch(revision, present, environment.versions, self._leases.now_ms())
            answers: list[Answer] = []
            for pending in group:
                try:
                    answers.append((pending.answer, batch.apply(pending.txn)))
                except StoreError as error:
                    answers.append((pending.answer, error))
            batch.write(environment, txn)
        environment.reached("committed")
        self._leases.added(batch)
        return answers, batch.commits

    def _do(self, order: _Compact | _Call) -> None:
        outcome: int | Exception = 0
        try:
            if isinstance(order, _Compact):
                self._retry(lambda: self._housekeeping.begin(order.revision, order.answer))
                return  # answered when the last batch is forgotten
            self._retry(order.work)
        except (StoreError, OSError, lmdb.Error) as error:
            outcome = error
        self._mailbox.post(self._deliver, [(order.answer, outcome)], ())

    def _retry(self, work: Callable[[], Result]) -> Result:
        while True:
            try:
                return work()
            except lmdb.MapFullError as error:
                if not self._grow(into_reserve=True):
                    raise StoreFull("the store is full") from error
            except lmdb.Error as error:
                if not is_full(error, self._environment.path):
                    raise
                if not self._environment.ballast.throw():
                    raise StoreFull(f"{self._environment.path}: the disk is full") from error

    def _grow(self, *, into_reserve: bool) -> bool:
        """Have the loop's thread enlarge the map while this one holds no transaction."""
        answer: ThreadFuture[bool] = ThreadFuture()
        with self._environment.copying:  # whoever reads the map elsewhere would lose it under his feet
            self._mailbox.post(self._grow_in_loop, into_reserve, answer)
            return answer.result()

    def _grow_in_loop(self, into_reserve: bool, answer: "ThreadFuture[bool]") -> None:
        try:
            answer.set_result(self._environment.grow(into_reserve=into_reserve))
        except lmdb.Error as error:
            answer.set_exception(error)
