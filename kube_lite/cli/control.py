"""``kube-lite control``: our controllers and scheduler for another's API server, in the foreground."""

import argparse
import asyncio

from kube_lite.api.errors import ApiError
from kube_lite.cluster.config import ConfigError

from .failure import Failure
from .serve import catch_signals, leaf_of, printer, run_loop


def run(options: argparse.Namespace) -> int:
    """Work until the first signal. Returns 0 after a clean stop."""
    from kube_lite.kit import logs

    logs.configure(options.log_level)
    try:
        return run_loop(_control(options))
    except* Exception as group:
        error = leaf_of(group)
        if isinstance(error, ApiError | ConfigError | OSError):
            raise Failure(error.message if isinstance(error, ApiError) else str(error)) from error
        raise error from None


async def _control(options: argparse.Namespace) -> int:
    from kube_lite.cluster.elsewhere import Elsewhere

    say, stop = printer(), asyncio.Event()
    catch_signals(stop)
    elsewhere = Elsewhere(
        options.kubeconfig,
        context=options.context,
        parts=tuple(name.strip() for name in options.parts.split(",") if name.strip()),
        scheduler_config=options.scheduler_config,
        on_part=lambda name, words: say(f"  {name:<12} ready   {words}".rstrip()),
    )
    async with elsewhere:
        say("Ready. Ctrl-C stops it.")
        await stop.wait()
        say("Stopping; a second signal stops at once.")
    say("Stopped.")
    return 0
