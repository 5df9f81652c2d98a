"""Long reads in threads of their own, all of them waited for before the file is closed."""

import asyncio
import threading
from collections.abc import Callable
from typing import TypeVar

import lmdb

from .errors import StoreError

Result = TypeVar("Result")


class Copies:
    """The long reads that are under way."""

    def __init__(self) -> None:
        self._running: set[asyncio.Future[None]] = set()

    async def run(self, work: Callable[[], Result]) -> Result:
        """Do ``work`` in a thread. Whoever is cancelled leaves it running."""
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[Result] = loop.create_future()
        ended: asyncio.Future[None] = loop.create_future()
        self._running.add(ended)

        def end(result: Result | None, error: Exception | None) -> None:
            ended.set_result(None)
            self._running.discard(ended)
            if answer.done():
                return  # its caller was cancelled
            if error is not None:
                answer.set_exception(error)
            else:
                answer.set_result(result)  # type: ignore[arg-type] # it is None only where Result is

        def thread() -> None:
            try:
                result = work()
            except (StoreError, OSError, lmdb.Error) as error:
                loop.call_soon_threadsafe(end, None, error)
            else:
                loop.call_soon_threadsafe(end, result, None)

        threading.Thread(target=thread, name="kube-lite-store-copy", daemon=True).start()
        return await answer

    async def wait(self) -> None:
        """Until none is under way. Waits even when cancelled, for the file is about to be closed."""
        cancelled: asyncio.CancelledError | None = None
        while self._running:
            try:
                await asyncio.shield(next(iter(self._running)))
            except asyncio.CancelledError as error:
                cancelled = error
        if cancelled is not None:
            raise cancelled
