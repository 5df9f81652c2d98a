"""Programs that run beside a test: operators, as their users start them."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

Process = subprocess.Popen[bytes]


@contextmanager
def program(kubeconfig: Path, log: Path, *command: str) -> Iterator[Process]:
    """Run a command until the block ends; what it said is in ``log``, and printed in the end."""
    with log.open("wb") as output:
        process = subprocess.Popen(
            command,
            env={**os.environ, "KUBECONFIG": str(kubeconfig)},
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    try:
        yield process
    finally:
        process.kill()
        process.wait()
        print(log.read_text()[-8000:])


@contextmanager
def kopf_operator(kubeconfig: Path, log: Path, *options: str) -> Iterator[Process]:
    """Run an operator on kopf; stopped with a signal, as in a container, it must end by itself."""
    with program(kubeconfig, log, sys.executable, "-m", "kopf", "run", *options) as process:
        yield process
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0, log.read_text()
