"""The writer's thread: it does all that waits for the disk, and keeps house, one round at a time.

A round is what the event loop asks for (``writer.py``): a group of transactions, other orders, or only time
to keep house. Between two rounds the thread leaves a write transaction open, which the loop may fill with
the rows of the next group; then all that is left to do here is to note, to commit, and to open the next one.
Everything else it does from beginning to end: groups that are large, or come after something went wrong,
compaction, leases, copies. A group that does not fit into the map is rolled back, the map is doubled by the
loop's thread (which has no read open between two callbacks), and the group is done again.
"""

import asyncio
import logging
import queue
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future as ThreadFuture
from typing import NamedTuple, Protocol, TypeVar

import lmdb

from .ballast import is_full
from .batch import Commit, Written, has_puts, write_group
from .environment import Environment, Transaction
from .errors import StoreClosed, StoreError, StoreFull
from .housekeeping import Answer, Housekeeping
from .leases import Leases
from .mailbox import Mailbox
from .types import Txn

log = logging.getLogger(__name__)
Result = TypeVar("Result")

FULL_SECONDS = 1.0
"""How long compaction and leases wait when there is no room for them either."""


class Pending(NamedTuple):
    """A transaction, and who waits for its revision."""

    txn: Txn
    answer: "asyncio.Future[int]"


class Compact(NamedTuple):
    """Forget what was replaced before a revision."""

    revision: int
    answer: "asyncio.Future[int]"


class Call(NamedTuple):
    """Something to do while no transaction is open in the writer's thread."""

    work: Callable[[], object]
    answer: "asyncio.Future[int]"


class Round(NamedTuple):
    """What is to be done next; then there is time to keep house.

    ``written`` when the loop has put the group's rows into the open transaction already.
    """

    group: Sequence[Pending] = ()
    written: Written | None = None
    others: Sequence[Compact | Call] = ()
    is_last: bool = False


class Loop(Protocol):
    """What the event loop is told, by mail."""

    def tell(self, answers: Sequence[Answer], commits: Sequence[Commit]) -> None:
        """Publish, then answer."""

    def take_over(self, answers: Sequence[Answer], commits: Sequence[Commit]) -> None:
        """The same at the end of a round: the next one may come."""

    def make_time(self) -> None:
        """House should be kept: the next round may as well be an empty one."""

    def finish(self, reason: StoreClosed) -> None:
        """The thread has ended."""


class Committer:
    """The thread. Started, and given rounds, by the loop; each only after the one before was taken over."""

    def __init__(
        self,
        environment: Environment,
        mailbox: Mailbox,
        loop: Loop,
        housekeeping: Housekeeping,
        leases: Leases,
    ) -> None:
        self._environment = environment
        self._mailbox = mailbox
        self._loop = loop
        self._housekeeping = housekeeping
        self._leases = leases
        self._rounds: queue.SimpleQueue[Round] = queue.SimpleQueue()
        self.opened: Transaction | None = None
        """For the loop to fill between two rounds."""
        self._looks_again = 0.0
        self._thread = threading.Thread(target=self._run, name="kube-lite-store-writer", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def give(self, wanted: Round) -> None:
        """Have a round done."""
        self._rounds.put(wanted)

    def join(self) -> None:
        """Wait for its end."""
        self._thread.join()

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
            try:
                self._drop()
            finally:
                self._mailbox.post(self._loop.finish, reason)

    def _serve(self) -> None:
        answers: Sequence[Answer] = ()
        commits: Sequence[Commit] = ()
        while True:
            if self.opened is None:
                self.opened = self._environment.begin()
            self._mailbox.post(self._loop.take_over, answers, commits)
            wanted = self._next_round()
            answers, commits = self._commit(wanted) if wanted.group else ((), ())
            if wanted.others or wanted.is_last or self._is_house_due():
                self._mailbox.post(self._loop.tell, answers, commits)
                answers, commits = (), ()
                self._drop()
                for order in wanted.others:
                    self._do(order)
                self._keep_house()
            if wanted.is_last:
                return

    def _next_round(self) -> Round:
        while True:
            timeout = self._timeout()
            try:
                return self._rounds.get(timeout=timeout) if timeout != 0 else self._rounds.get_nowait()
            except queue.Empty:
                if self._is_house_due():
                    self._mailbox.post(self._loop.make_time)
                    return self._rounds.get()

    def _timeout(self) -> float | None:
        pause = self._looks_again - time.monotonic()
        if pause > 0:
            return pause
        timeouts = [
            each for each in (self._housekeeping.timeout(), self._leases.timeout()) if each is not None
        ]
        return min(timeouts, default=None)

    def _is_house_due(self) -> bool:
        if self._looks_again and time.monotonic() < self._looks_again:
            return False
        return self._housekeeping.is_due() or self._leases.is_due()

    def _keep_house(self) -> None:
        """One step of everything that is due; writers are served before the next."""
        if not self._is_house_due():
            return
        try:
            answers = self._retry(self._housekeeping.step)
            if answers:
                self._environment.ballast.load()
                self._mailbox.post(self._loop.tell, answers, ())
            if self._leases.is_due():
                self._mailbox.post(self._loop.tell, (), self._retry(self._leases.sweep).commits)
        except StoreFull as error:
            log.warning("nothing can be forgotten or expire", exc_info=error)
            self._looks_again = time.monotonic() + FULL_SECONDS

    def _drop(self) -> None:
        opened, self.opened = self.opened, None
        if opened is not None:
            self._environment.abort(opened)

    def _commit(self, wanted: Round) -> tuple[Sequence[Answer], Sequence[Commit]]:
        written, opened = wanted.written, self.opened
        if written is not None and opened is not None:
            self.opened = None
            try:
                self._finish(opened, written)
            except lmdb.Error as error:
                if not isinstance(error, lmdb.MapFullError) and not is_full(error, self._environment.path):
                    raise
            else:
                return answers_of(wanted.group, written), written.batch.commits
        self._drop()
        return self._commit_whole(wanted.group)

    def _commit_whole(self, group: Sequence[Pending]) -> tuple[Sequence[Answer], Sequence[Commit]]:
        refused: list[Answer] = []
        while True:
            try:
                answers, commits = self._write(group)
                return refused + answers, commits
            except lmdb.MapFullError:
                if not self._grow(into_reserve=not any(has_puts(pending.txn) for pending in group)):
                    group = _refuse_puts(group, refused)
            except lmdb.Error as error:
                if not is_full(error, self._environment.path):
                    raise
                has_greedy = any(has_puts(pending.txn) for pending in group)
                if has_greedy or not self._environment.ballast.throw():
                    group = _refuse_puts(group, refused)

    def _write(self, group: Sequence[Pending]) -> tuple[list[Answer], Sequence[Commit]]:
        if not group:
            return [], ()
        environment = self._environment
        txn = environment.begin()
        try:
            written = write_group(environment, txn, [each.txn for each in group], self._leases.now_ms())
        except BaseException:
            environment.abort(txn)
            raise
        self._finish(txn, written)
        return answers_of(group, written), written.batch.commits

    def _finish(self, txn: Transaction, written: Written) -> None:
        environment = self._environment
        try:
            environment.note(txn, written.record)
        except BaseException:
            environment.abort(txn)
            raise
        environment.commit(txn)
        environment.reached("committed")
        self._leases.added(written.batch)

    def _do(self, order: Compact | Call) -> None:
        outcome: int | Exception = 0
        try:
            if isinstance(order, Compact):
                self._retry(lambda: self._housekeeping.begin(order.revision, order.answer))
                return  # answered when the last batch is forgotten
            self._retry(order.work)
        except (StoreError, OSError, lmdb.Error) as error:
            outcome = error
        self._mailbox.post(self._loop.tell, [(order.answer, outcome)], ())

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

    def make_room(self) -> None:
        """Grow the map when it is more than half full; for a ``Call``, before something long reads it."""
        environment = self._environment
        if environment.used_bytes() * 2 > environment.map_bytes:
            self._grow(into_reserve=False)

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


def answers_of(group: Sequence[Pending], written: Written) -> list[Answer]:
    """Who waits for a group, and what for."""
    return [(pending.answer, outcome) for pending, outcome in zip(group, written.outcomes, strict=True)]


def _refuse_puts(group: Sequence[Pending], refused: list[Answer]) -> list[Pending]:
    """Refuse what needs room; when nothing does, refuse all, for then there is no way left."""
    greedy = [pending for pending in group if has_puts(pending.txn)] or group
    refused.extend((pending.answer, StoreFull("the store is full")) for pending in greedy)
    return [pending for pending in group if pending not in greedy]
