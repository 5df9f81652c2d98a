"""When the writer's thread compacts: on request, by age, by size; in batches between groups of writes."""

import asyncio
from collections import deque
from collections.abc import Callable

from . import layout
from .compaction import Sample, forget_batch, plan_by_size, plan_compaction
from .environment import Environment
from .errors import FutureRevision

Answer = tuple["asyncio.Future[int]", int | Exception]
"""Who waits, and what for."""


class Housekeeping:
    """Compaction as the writer's thread does it between two groups: on request, by age and by size."""

    def __init__(
        self,
        environment: Environment,
        keep_seconds: float | None,
        keep_bytes: int,
        monotonic: Callable[[], float],
    ) -> None:
        self._environment = environment
        self._keep_seconds = keep_seconds
        self._keep_bytes = keep_bytes
        self._monotonic = monotonic
        self._interval = None if keep_seconds is None else min(max(keep_seconds / 10, 0.05), 30.0)
        self._next_sample = monotonic()
        self._samples: deque[Sample] = deque()
        self._answers: list[asyncio.Future[int]] = []
        self._value_bytes = 0
        with environment.lmdb.begin() as txn:  # whoever had the file before may have died half way
            forgotten = environment.number(txn, layout.FORGOTTEN_ROW)
            self._has_more = forgotten < environment.number(txn, layout.COMPACTED_ROW)

    def timeout(self) -> float | None:
        """How long to wait for work before ``step`` is due: seconds, None for ever."""
        return 0.0 if self._has_more else self._interval

    def is_due(self) -> bool:
        """Whether ``step`` has something to do, or to look at."""
        return self._has_more or (self._interval is not None and self._monotonic() >= self._next_sample)

    def begin(self, revision: int, answer: "asyncio.Future[int]") -> list[Answer]:
        """Say durably what may no longer be read. Raises ``FutureRevision``."""
        environment = self._environment
        with environment.writing() as txn:
            newest = environment.number(txn, layout.REVISION_ROW)
            if revision > newest:
                raise FutureRevision(revision, newest)
            if revision > environment.number(txn, layout.COMPACTED_ROW):
                environment.put_number(txn, layout.COMPACTED_ROW, revision)
        environment.reached("compaction begun")
        self._answers.append(answer)
        self._has_more = True
        return []

    def step(self) -> list[Answer]:
        """Forget one batch if there is something to forget; the answers of those who waited for the last."""
        if not self._has_more:
            self._sample()
        if not self._has_more:
            return []
        with self._environment.writing() as txn:
            forgotten = forget_batch(self._environment, txn)
            self._environment.reached("forgetting")
        self._environment.reached("forgotten")
        self._value_bytes += forgotten.value_bytes
        self._has_more = forgotten.more
        if self._has_more:
            return []
        answers: list[Answer] = [(answer, self._value_bytes) for answer in self._answers]
        self._answers, self._value_bytes = [], 0
        return answers

    def _sample(self) -> None:
        now = self._monotonic()
        if self._keep_seconds is None or self._interval is None or now < self._next_sample:
            return
        self._next_sample = now + self._interval
        environment = self._environment
        environment.lmdb.reader_check()  # one who died while it looked would pin every page since
        with environment.lmdb.begin() as txn:
            revision = environment.number(txn, layout.REVISION_ROW)
            compacted = environment.number(txn, layout.COMPACTED_ROW)
            past = txn.stat(environment.past)
        kept_bytes = past["psize"] * (past["leaf_pages"] + past["overflow_pages"])
        if not self._samples or self._samples[-1].revision != revision:
            self._samples.append(Sample(now, revision))
        target = max(
            plan_compaction(self._samples, now, self._keep_seconds),
            plan_by_size(kept_bytes, self._keep_bytes, compacted=compacted, revision=revision),
        )
        if target > compacted:
            with environment.writing() as txn:
                environment.put_number(txn, layout.COMPACTED_ROW, target)
            self._has_more = True
