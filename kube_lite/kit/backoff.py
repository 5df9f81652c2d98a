"""Delays that grow from failure to failure, counted per key.

Two callers that failed at the same moment should not come back at the same moment, hence ``jitter``: a delay
is lengthened by up to that fraction of itself. The random source can be given, so that a run can be replayed.
"""

from collections.abc import Hashable
from random import Random


class Backoff:
    """How long to wait before the next try.

    Args:
        initial: seconds after the first failure.
        maximum: seconds that no delay exceeds, jitter apart.
        factor: how much longer each delay is than the one before.
        jitter: a delay is lengthened by a random part of up to this fraction of it.
    """

    def __init__(
        self,
        initial: float = 0.005,
        maximum: float = 1000.0,
        *,
        factor: float = 2.0,
        jitter: float = 0.0,
        random: Random | None = None,
    ) -> None:
        self._initial = initial
        self._maximum = maximum
        self._factor = factor
        self._jitter = jitter
        self._random = random
        self._failures: dict[Hashable, int] = {}

    def next(self, key: Hashable = None) -> float:
        """Count one more failure of ``key`` and say how many seconds to wait."""
        failures = self._failures.get(key, 0)
        self._failures[key] = failures + 1
        delay = self._initial
        for _ in range(failures):  # not a power: that would overflow after a thousand failures
            delay *= self._factor
            if delay >= self._maximum:
                break
        delay = min(delay, self._maximum)
        if not self._jitter:
            return delay
        if self._random is None:  # only now: seeding one takes longer than all the rest
            self._random = Random()
        return delay * (1 + self._jitter * self._random.random())

    def failures(self, key: Hashable = None) -> int:
        """How often ``key`` has failed since it was last forgotten."""
        return self._failures.get(key, 0)

    def forget(self, key: Hashable = None) -> None:
        """``key`` has succeeded: its next failure is a first one."""
        self._failures.pop(key, None)
