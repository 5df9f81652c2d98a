"""A cluster for synchronous callers: in a thread of its own, on an event loop of its own.

The pytest fixture uses it too, for an asynchronous fixture may be entered in one task and left in another,
and then a crash in between would be told to nobody.
"""

import asyncio
import threading
from collections.abc import Coroutine
from concurrent.futures import Future
from types import TracebackType
from typing import Any, TypeVar

from kube_lite import Cluster

from .config import Config

Result = TypeVar("Result")


class ThreadedCluster:
    """``with ThreadedCluster() as cluster:`` — ready when entered, gone when left.

    Arguments are those of ``Cluster``. A part that crashes meanwhile is raised when the block is left, or by
    the next ``run``.
    """

    def __init__(self, config: Config | None = None, **settings: Any) -> None:
        self._config, self._settings = config, settings
        self._ready: Future[Cluster] = Future()
        self._failure: BaseException | None = None
        self._thread = threading.Thread(target=self._main, name="kube-lite", daemon=True)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stop: asyncio.Event | None = None

    def __enter__(self) -> Cluster:
        """Start it and wait until it is ready."""
        self._thread.start()
        return self._ready.result()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Stop it and wait until it has ended."""
        if self._loop is not None and self._stop is not None and self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join()
        if self._failure is not None and error is None:
            raise self._failure

    def run(self, work: Coroutine[Any, Any, Result]) -> Result:
        """Run a coroutine on the cluster's loop, such as ``cluster.client.list(PODS)``, and wait for it."""
        if self._failure is not None or self._loop is None:
            work.close()
            raise self._failure or RuntimeError("the cluster has not been started")
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()

    def _main(self) -> None:
        try:
            asyncio.run(self._serve())
        except BaseException as failure:
            if self._ready.done():
                self._failure = failure
            else:
                self._ready.set_exception(failure)

    async def _serve(self) -> None:
        self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
        async with Cluster(self._config, **self._settings) as cluster:
            self._ready.set_result(cluster)
            await self._stop.wait()
