"""kr8s: asynchronous, objects with methods, streams over WebSocket."""

import os
import subprocess
import sys
from pathlib import Path

from conformance.conftest import Running


def test_a_program_on_kr8s_does_everything(target: Path, namespace: str, running: Running) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "conformance.clients.kr8s_program", namespace, *running],
        cwd=Path(__file__).parents[2],
        env={**os.environ, "KUBECONFIG": str(target)},
        capture_output=True,
        text=True,
        timeout=50,
    )
    assert done.returncode == 0, done.stdout + done.stderr
