"""The life of a long-running part: entered when ready, left when gone, crashes told as themselves.

One ``TaskGroup`` per service, nested by an exit stack, gives start order and reverse stop order. A single
group for all would, when one service crashes, cancel the others out of order and interrupt their clean-up.
A group must be left by the task that entered it, or a crash in between is told to nobody; whoever cannot
promise that runs the whole cluster in a thread of its own.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Protocol


class Service(Protocol):
    """A part of the cluster that runs until it is cancelled."""

    @property
    def name(self) -> str:
        """A word for logs and status screens, such as ``"scheduler"``."""
        ...

    async def run(self, ready: Callable[[], None]) -> None:
        """Serve until cancelled; call ``ready`` once others may rely on it."""
        ...


class ServiceEnded(Exception):
    """A service returned although nobody had asked it to stop."""


@asynccontextmanager
async def running(service: Service) -> AsyncIterator[None]:
    """Run ``service`` for the length of the block: entered once it is ready, left once it has ended.

    A crash cancels the block and is raised from it, as itself.
    """
    ready = asyncio.Event()
    try:
        async with asyncio.TaskGroup() as group:  # one group per service: nesting gives the order
            task = group.create_task(_until_cancelled(service, ready.set), name=service.name)
            await ready.wait()
            try:
                yield
            finally:
                task.cancel()
    except BaseExceptionGroup as failures:
        if len(failures.exceptions) > 1:
            raise
        raise failures.exceptions[0] from None


async def _until_cancelled(service: Service, ready: Callable[[], None]) -> None:
    await service.run(ready)
    raise ServiceEnded(service.name)
