"""Controllers that are killed after every few writes, and begun anew on what they left behind."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

from .harness import World, world

ROUNDS = 100
PATIENCE = 0.3  # seconds a round may take when there is nothing left to write

Step = Callable[[World], Awaitable[None]]
Claim = Callable[[World], Awaitable[bool]]
Beside = Callable[[World], contextlib.AbstractAsyncContextManager[None]]


async def nothing(it: World) -> None:
    """What happens meanwhile, where nothing has to."""


async def survive(
    path: Path,
    node: Step,
    is_done: Claim,
    *,
    only: Sequence[str] | None = None,
    writes: int = 4,
    beside: Beside | None = None,
) -> None:
    """Let controllers write one to ``writes`` times, kill them, and begin again, until it is done.

    ``beside`` runs what else there is to be killed.
    """
    for number in range(ROUNDS):
        async with world(path, only=only) as it, beside(it) if beside else contextlib.nullcontext():
            if await is_done(it):
                return
            await node(it)
            enough = it.revision + 1 + number % writes
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(PATIENCE):
                    while it.revision < enough:
                        await asyncio.sleep(0)
    raise AssertionError("it is never done")
