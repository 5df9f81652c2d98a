"""Queued transactions, group commit, answers: the event loop's half of the writer.

While one group is being made durable the next one gathers, so concurrent writers share an fsync without
anybody waiting for company. The rows of a group are made, and put into LMDB's open transaction, here in the
loop, which takes some ten microseconds for each and touches no disk; the thread (``committing.py``) is given
what is left, the noting and the commit. If it did both, each of its calls into LMDB would let the interpreter
go, and the two would wrest it from each other ten times for every commit: a third of the processor time that
a write took. Large groups are the thread's from beginning to end, so that the loop is not held up by them.

What is asked in one turn of the loop is handed over together. While turns add to it, and fewer are back than
were told together last, it waits for the next turn, 3 ms at most: a loop that has answers to read and
requests to work on had better do that first. All answers of a group and its events come back in one call.
"""

import asyncio
import sys
import time
from collections import deque
from collections.abc import Callable, Sequence

import lmdb

from .batch import Commit, Written, write_group
from .committing import Call, Committer, Compact, Pending, Round, answers_of
from .environment import Environment, Transaction
from .errors import StoreClosed
from .housekeeping import Answer, Housekeeping
from .leases import Leases
from .mailbox import Mailbox
from .types import Put, Txn

GROUP_TXNS = 512
"""Most transactions of one commit; their answers wait for the last of them."""
QUEUE_TXNS = 8192
"""Most transactions that wait for the writer; beyond that ``submit`` waits for room."""
SMALL_BYTES = 256 << 10
"""Of values, which the loop itself puts into a transaction: a millisecond of its time at most."""
GATHER_SECONDS = 0.003
"""How long a group waits at most while turns of the loop add to it."""

SWITCH_SECONDS = 0.0001
"""How long the interpreter lets one thread run when another wants to: 0.1 ms for all of the process.

With Python's own 5 ms a loop that is always busy, but polls its sockets more often than that, starves the
writer for seconds: each poll wakes it to find the interpreter taken again, and its patience begins anew. At
0.1 ms the same loop shares fairly, and 16 writers beside it get twice as much done.
"""


class Writer:
    """Owns all writing. Called from the event loop; what its thread tells comes there as well."""

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
        self._asked: deque[Pending] = deque()
        self._others: list[Compact | Call] = []
        self._is_closing = False
        self._is_turning = False
        self._seen = 0
        self._last_told = 0
        self._since = 0.0
        self._is_busy = True
        """Whether the thread has a round to do, which includes making itself ready at first."""
        self._leases = Leases(environment, now)
        self._mailbox = Mailbox()
        housekeeping = Housekeeping(environment, keep_seconds, keep_bytes, monotonic)
        self._committer = Committer(environment, self._mailbox, self, housekeeping, self._leases)

    def start(self) -> None:
        """Begin to write."""
        if sys.getswitchinterval() > SWITCH_SECONDS:
            sys.setswitchinterval(SWITCH_SECONDS)
        self._committer.start()

    async def submit(self, txn: Txn) -> int:
        """Queue a transaction and wait until it is durable. Whoever is cancelled cannot know its outcome."""
        while self._closed is None and len(self._asked) >= QUEUE_TXNS:
            self._room.clear()
            await self._room.wait()
        answer = self._new_answer()
        if not self._asked:
            self._since = time.monotonic()
        self._asked.append(Pending(txn, answer))
        self._turn_soon()
        return await answer

    async def settle(self) -> bool:
        """Wait until what is asked for by now is answered; whether anything was."""
        if not self._waiting:
            return False
        await asyncio.wait(self._waiting)
        return True

    async def compact(self, revision: int) -> int:
        """Forget, and wait until it is done; bytes of values forgotten."""
        answer = self._new_answer()
        return await self._order(Compact(revision, answer))

    async def call(self, work: Callable[[], object]) -> None:
        """Have the writer's thread do something between two groups, and wait for it."""
        await self._order(Call(work, self._new_answer()))

    async def make_room(self) -> None:
        """Grow the map when it is more than half full: before something long reads it."""
        await self.call(self._committer.make_room)

    async def close(self) -> None:
        """Write what is queued and end. Waits even when cancelled, for the file is about to be closed."""
        if self._closed is None:
            self._is_closing = True
            self._turn_soon()
        cancelled: asyncio.CancelledError | None = None
        while not self._gone.done():
            try:
                await asyncio.shield(self._gone)
            except asyncio.CancelledError as error:
                cancelled = error
        self._committer.join()
        self._mailbox.close()
        if cancelled is not None:
            raise cancelled

    def _new_answer(self) -> "asyncio.Future[int]":
        if self._closed is not None:
            raise StoreClosed(str(self._closed)) from self._closed
        answer: asyncio.Future[int] = self._loop.create_future()
        self._waiting.add(answer)
        return answer

    async def _order(self, order: Compact | Call) -> int:
        self._others.append(order)
        self._turn_soon()
        return await order.answer

    def _turn_soon(self) -> None:
        if not self._is_turning and not self._is_busy:
            self._is_turning, self._seen = True, 0
            self._loop.call_soon(self._turn)

    def _turn(self) -> None:
        """At the end of a turn: hand over, or wait for the next if this one has added to what is asked.

        But only until as many are back as were told together; one who was told alone is not kept waiting.
        """
        if len(self._asked) > self._seen and self._may_gather():
            self._seen = len(self._asked)
            self._loop.call_soon(self._turn)
            return
        self._is_turning = False
        if not self._is_busy and self._closed is None:
            self._hand_over()

    def _may_gather(self) -> bool:
        return len(self._asked) < self._last_told and time.monotonic() - self._since < GATHER_SECONDS

    def _hand_over(self) -> None:
        asked, others, opened = self._asked, self._others, self._committer.opened
        group = [asked.popleft() for _ in range(min(len(asked), GROUP_TXNS))]
        is_last = self._is_closing and not asked
        self._others, self._is_busy = [], True
        written = None
        try:
            if group and opened is not None and _is_small(group):
                written = self._fill(opened, group)
        finally:
            if written is None or written.batch.commits or others or is_last:
                self._committer.give(Round(group, written, others, is_last))
            else:  # all were refused, or changed nothing
                self._is_busy = False
                self.tell(answers_of(group, written), ())
                if asked:
                    self._turn_soon()

    def _fill(self, opened: Transaction, group: Sequence[Pending]) -> Written | None:
        txns = [pending.txn for pending in group]
        try:
            return write_group(self._environment, opened, txns, self._leases.now_ms())
        except lmdb.Error:  # such as a map that is full: the thread runs into the same, and sees to it
            return None

    def take_over(self, answers: Sequence[Answer], commits: Sequence[Commit]) -> None:
        """Tell what has come of a round, and begin the next if anything is asked."""
        self._is_busy, self._last_told = False, len(answers)
        if self._asked and not self._may_gather():
            self._hand_over()  # first, for those who are told may take their time
        elif self._asked or self._others or self._is_closing:
            self._turn_soon()
        self.tell(answers, commits)

    def tell(self, answers: Sequence[Answer], commits: Sequence[Commit]) -> None:
        """Publish, then answer."""
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

    def make_time(self) -> None:
        """Let the thread keep house; with a round that is under way it has the occasion anyhow."""
        if not self._is_busy:
            self._hand_over()

    def finish(self, reason: StoreClosed) -> None:
        """End everything that waits."""
        self._closed = reason
        self._room.set()
        for answer in list(self._waiting):
            if not answer.done():
                answer.set_exception(reason)
        self._waiting.clear()
        self._ended(reason)
        self._gone.set_result(None)


def _is_small(group: Sequence[Pending]) -> bool:
    size = 0
    for pending in group:
        for write in pending.txn.writes:
            if type(write) is Put:
                size += len(write.value)
    return size <= SMALL_BYTES
