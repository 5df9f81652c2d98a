"""Is there an order in which a register could have answered as it did?

After Wing and Gong, with Lowe's memory of what was tried, as the Go library porcupine has it: take any
operation that began before every unfinished one ended, see whether the register would have answered so, go on
from there, and go back when stuck. A state that was reached with the same operations behind it is not tried
twice. What one key holds does not depend on others, so each key is looked at by itself.

The histories are those of clients which ran at the same time; an operation whose client never learned how
it ended may have happened at any time after it began, or never.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import NamedTuple

NEVER = float("inf")
"""The end of an operation that nobody heard of again."""


class Operation(NamedTuple):
    """One call of one client; ``began`` and ``ended`` are moments of one clock.

    ``get`` answers a value (None: not there). ``put`` writes ``value``. ``swap`` writes ``value`` if the key
    holds ``expected``, and answers whether it did; None when that is not known.
    """

    key: str
    name: str
    began: float
    ended: float
    value: object = None
    expected: object = None
    answer: object = None


def is_linearizable(history: Iterable[Operation]) -> bool:
    """Whether every key could have answered so."""
    by_key: dict[str, list[Operation]] = defaultdict(list)
    for operation in history:
        by_key[operation.key].append(operation)
    return all(_has_order(operations) for operations in by_key.values())


def _outcomes(state: object, operation: Operation) -> list[object]:
    """The states that may follow; none when the answer is impossible."""
    if operation.name == "get":
        return [state] if operation.answer == state else []
    if operation.name == "put":
        return [operation.value]
    would_do = state == operation.expected
    if operation.answer is not None and operation.answer != would_do:
        return []
    return [operation.value if would_do else state]


def _has_order(operations: Sequence[Operation]) -> bool:
    ordered = sorted(operations, key=lambda operation: operation.began)
    must = sum(1 << place for place, operation in enumerate(ordered) if operation.ended != NEVER)
    tried: set[tuple[int, object]] = set()
    stack: list[tuple[int, object]] = [(0, None)]
    while stack:
        done, state = stack.pop()
        if done & must == must:
            return True
        if (done, state) in tried:
            continue
        tried.add((done, state))
        # Whoever began after another had ended cannot come before it.
        horizon = min(operation.ended for place, operation in enumerate(ordered) if not done >> place & 1)
        for place, operation in enumerate(ordered):
            if operation.began > horizon:
                break
            if not done >> place & 1:
                stack += [(done | 1 << place, after) for after in _outcomes(state, operation)]
    return False
