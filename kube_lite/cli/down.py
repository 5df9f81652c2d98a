"""``kube-lite down``: stop a cluster, and clean up after one that died."""

import argparse
import os
import select
import signal
from pathlib import Path

from kube_lite.cluster import runfile

from .failure import Failure
from .serve import data_dir_of

STOPPED_WITHIN = 60.0  # seconds for every container to end; beyond it something hangs


def run(options: argparse.Namespace) -> int:
    """Stop the cluster of the data directory; that none runs is no error."""
    data_dir = data_dir_of(options)
    running = runfile.read(data_dir)
    if running is not None and runfile.is_alive(running):
        stop(running, data_dir)
        print(f"Stopped the cluster in {data_dir}.")
        return 0
    if not data_dir.is_dir():
        print(f"There is no cluster in {data_dir}.")
        return 0
    from .serve import run_loop

    found = run_loop(clean_up(data_dir))
    runfile.remove(data_dir)
    print(f"No cluster runs in {data_dir}{'; cleaned up what one had left' if found else ''}.")
    return 0


def stop(running: runfile.Running, data_dir: Path) -> None:
    """Ask the process to stop and wait until it has ended. Raises ``Failure``."""
    try:
        descriptor = os.pidfd_open(running.pid)
    except ProcessLookupError:
        return
    try:
        os.kill(running.pid, signal.SIGTERM)
        ended, _, _ = select.select([descriptor], [], [], STOPPED_WITHIN)
    except PermissionError as error:
        raise Failure(f"process {running.pid} belongs to another user; stop it as that user") from error
    finally:
        os.close(descriptor)
    if not ended:
        raise Failure(
            f"process {running.pid} has not ended after {STOPPED_WITHIN:.0f} s; see {data_dir}/kube-lite.log"
        )


async def clean_up(data_dir: Path) -> bool:
    """End the containers of a process that was killed. Returns whether there were any."""
    from kube_lite.cluster.node import clean_up_after_crash

    return await clean_up_after_crash(data_dir)
