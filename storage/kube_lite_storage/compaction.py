"""What may be forgotten, and forgetting it in small batches.

A compaction first says, durably, from which revision on the store may be read; what lies before is then
removed a few hundred revisions at a time, with waiting writers served in between. Whoever dies in the middle
goes on where he was: ``forgotten`` in the ``meta`` table says how far it got.
"""

from collections import deque
from typing import NamedTuple

from . import layout
from .environment import Environment, Transaction

BATCH_REVISIONS = 256
"""Removed in one transaction; about a millisecond's work, so no writer is held up for longer."""
BATCH_KEYS = 512
"""A batch also ends with the revision that brings it to so many keys."""


class Sample(NamedTuple):
    """The revision that was the newest at a moment."""

    moment: float
    revision: int


def plan_compaction(samples: deque[Sample], now: float, keep_seconds: float) -> int:
    """The newest revision that was already the newest ``keep_seconds`` ago; 0 when none is known.

    Samples before it are dropped from the left.
    """
    revision = 0
    while samples and samples[0].moment <= now - keep_seconds:
        revision = samples.popleft().revision
    return revision


def plan_by_size(kept_bytes: int, keep_bytes: int, *, compacted: int, revision: int) -> int:
    """The middle of the history kept, when replaced versions take more than ``keep_bytes``; else 0."""
    return (compacted + revision) // 2 if kept_bytes > keep_bytes else 0


class Forgotten(NamedTuple):
    """One batch's result: bytes of values removed, and whether more is left to remove."""

    value_bytes: int
    more: bool


def forget_batch(environment: Environment, txn: Transaction, limit: int = BATCH_REVISIONS) -> Forgotten:
    """Remove up to ``limit`` revisions that lie before ``compacted``, with the versions they ended."""
    compacted = environment.number(txn, layout.COMPACTED_ROW)
    value_bytes, last, keys = 0, 0, 0
    cursor = txn.cursor(environment.log)
    found = cursor.first()
    for _ in range(limit):
        if not found or layout.parse_number(cursor.key()) >= compacted:
            environment.put_number(txn, layout.FORGOTTEN_ROW, compacted)
            return Forgotten(value_bytes, False)
        if keys >= BATCH_KEYS:
            break
        last = layout.parse_number(cursor.key())
        for _change, key in layout.parse_log_row(cursor.value()):
            keys += 1
            old = txn.pop(layout.past_row(key, last), db=environment.past)
            if old is not None:
                value_bytes += len(layout.parse_version(key, old).value)
        found = cursor.delete()
    environment.put_number(txn, layout.FORGOTTEN_ROW, last + 1)
    return Forgotten(value_bytes, True)
