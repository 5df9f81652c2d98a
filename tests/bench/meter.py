"""What each layer of a request costs the event loop's thread, measured by wrapping its functions.

A wrapped function's own time is what it takes less what other wrapped functions take inside it; a
coroutine's is that of its steps, not of its waiting. The clock is the thread's processor time, so that other
programs do not count, and the meter's own cost is measured on functions that do nothing and taken off again.
"""

import inspect
import time
import types
from collections import defaultdict
from collections.abc import Callable, Coroutine, Generator, Iterator
from contextlib import contextmanager
from typing import Any

CALIBRATION = 20_000


class Meter:
    """Adds up time by layer, between two ``reset``."""

    def __init__(self) -> None:
        self._open: list[list[Any]] = []
        self._inside_ns, self._around_ns = 0.0, 0.0
        self.reset()
        self._inside_ns, self._around_ns = self._calibrate()
        self.reset()

    def reset(self) -> None:
        """Forget what was added up."""
        self._own: dict[str, float] = defaultdict(float)
        self._calls = 0

    def microseconds(self) -> dict[str, float]:
        """The time of every layer so far, all its calls together."""
        return {layer: own / 1000 for layer, own in self._own.items()}

    def overhead(self) -> float:
        """What measuring itself has cost so far, in microseconds."""
        return self._calls * (self._inside_ns + self._around_ns) / 1000

    @contextmanager
    def measuring(self, owner: Any, name: str, layer: str) -> Iterator[None]:
        """For the length of the block, time in ``owner.name`` counts for ``layer``."""
        was = getattr(owner, name)
        setattr(owner, name, self._wrapped(was, layer))
        try:
            yield
        finally:
            setattr(owner, name, was)

    def _wrapped(self, function: Callable[..., Any], layer: str) -> Callable[..., Any]:
        if inspect.iscoroutinefunction(function):

            async def measured_steps(*args: Any, **kwargs: Any) -> Any:
                return await self._steps(function(*args, **kwargs), layer)

            return measured_steps

        def measured(*args: Any, **kwargs: Any) -> Any:
            self._enter(layer)
            try:
                return function(*args, **kwargs)
            finally:
                self._leave()

        return measured

    @types.coroutine
    def _steps(self, coroutine: Coroutine[Any, Any, Any], layer: str) -> Generator[Any, Any, Any]:
        sent, thrown = None, None
        while True:
            self._enter(layer)
            try:
                waits_for = coroutine.send(sent) if thrown is None else coroutine.throw(thrown)
            except StopIteration as stop:
                return stop.value
            finally:
                self._leave()
            sent, thrown = None, None
            try:
                sent = yield waits_for
            except BaseException as error:
                thrown = error

    def _enter(self, layer: str) -> None:
        self._open.append([layer, 0.0, time.thread_time_ns()])

    def _leave(self) -> None:
        layer, inner, began = self._open.pop()
        self._calls += 1
        took = time.thread_time_ns() - began
        self._own[layer] += took - inner - self._inside_ns
        if self._open:
            self._open[-1][1] += took + self._around_ns

    def _calibrate(self) -> tuple[float, float]:
        """How much of a wrapper's cost falls inside what it measures, and how much outside of it."""
        nothing = self._wrapped(lambda: None, "nothing")
        began = time.thread_time_ns()
        for _ in range(CALIBRATION):
            nothing()
        total = (time.thread_time_ns() - began) / CALIBRATION
        inside = self._own["nothing"] / CALIBRATION
        return inside, total - inside
