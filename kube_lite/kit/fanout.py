"""One source, many readers, none of whom can slow the source or each other.

Every reader has a queue of its own with a limit. Publishing never waits: a reader whose queue is full is cut
off, and told so by ``ReaderTooSlow`` after it has taken what was still in the queue.
"""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from typing import Generic, TypeVar

T = TypeVar("T")


class ReaderTooSlow(Exception):
    """The reader did not keep up; what came after its last item is lost to it."""


class Reader(Generic[T]):
    """One reader's end: iterate over it. It ends when the source is closed."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._items: deque[T] = deque()
        self._news = asyncio.Event()
        self._ended = False
        self._cut_off = False

    def _offer(self, item: T) -> None:
        if self._cut_off:
            return
        if len(self._items) >= self._limit:
            self._cut_off = True
        else:
            self._items.append(item)
        self._news.set()

    def _end(self) -> None:
        self._ended = True
        self._news.set()

    async def __aiter__(self) -> AsyncIterator[T]:
        """Items in the order in which they were published."""
        while True:
            while self._items:
                yield self._items.popleft()
            if self._cut_off:
                raise ReaderTooSlow
            if self._ended:
                return
            self._news.clear()
            await self._news.wait()


class Fanout(Generic[T]):
    """Hands every published item to every reader.

    Args:
        limit: how many items may wait for one reader.
    """

    def __init__(self, limit: int = 1024) -> None:
        self._limit = limit
        self._readers: set[Reader[T]] = set()
        self._closed = False

    def publish(self, item: T) -> None:
        """Give ``item`` to everybody who reads now; never waits."""
        for reader in self._readers:
            reader._offer(item)

    def close(self) -> None:
        """End every reader once it has taken what waits for it."""
        self._closed = True
        for reader in self._readers:
            reader._end()

    @contextmanager
    def reader(self) -> Iterator[Reader[T]]:
        """Read what is published within the block."""
        reader = Reader[T](self._limit)
        if self._closed:
            reader._end()
        self._readers.add(reader)
        try:
            yield reader
        finally:
            self._readers.discard(reader)
