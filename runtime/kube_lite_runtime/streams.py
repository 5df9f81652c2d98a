"""A process's stdin, stdout, stderr, terminal size and exit as one object, whatever driver runs it."""

from collections.abc import AsyncIterator
from typing import Literal, NamedTuple, Protocol

from .types import ExitStatus


class Chunk(NamedTuple):
    """Bytes that a process wrote. With a terminal everything is ``stdout``."""

    stream: Literal["stdout", "stderr"]
    content: bytes


class Session(Protocol):
    """A process whose streams somebody holds. Leaving the block lets go of it; an exec then ends."""

    async def __aenter__(self) -> "Session":
        """Hold the streams."""
        ...

    async def __aexit__(self, *failure: object) -> None:
        """Let go; the process of an exec is killed if it still runs."""
        ...

    def output(self) -> AsyncIterator[Chunk]:
        """What it writes, until it closes both streams. For one reader, for whom an exec waits."""
        ...

    async def write(self, content: bytes) -> None:
        """Give it input; returns when there is room for more. For one who no longer reads it is lost."""
        ...

    async def close_input(self) -> None:
        """Tell it that no more input comes."""
        ...

    async def resize(self, width: int, height: int) -> None:
        """Tell its terminal the size in characters; without a terminal nothing happens."""
        ...

    async def wait(self) -> ExitStatus:
        """How it ended, once it has."""
        ...
