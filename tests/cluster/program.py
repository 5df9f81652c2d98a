"""A cluster as a process of its own, started and ended as a user would."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from conformance.kubectl import Kubectl, newest_kubectl

ROOT = Path(__file__).parent.parent.parent
SOURCES = os.pathsep.join(str(ROOT / part) for part in (".", "runtime", "storage"))


class Program:
    """``kube-lite`` on one data directory."""

    def __init__(
        self, directory: Path, *, prefix: list[str] | None = None, python: str = sys.executable
    ) -> None:
        self.directory = directory
        self.command = [*(prefix or []), python, "-m", "kube_lite", "--data-dir", str(directory)]
        self.environment = {**os.environ, "PYTHONPATH": SOURCES}
        self.process: subprocess.Popen[str] | None = None

    def run(self, *arguments: str, timeout: float = 90) -> "subprocess.CompletedProcess[str]":
        """A command to its end."""
        return subprocess.run(
            [*self.command, *arguments], env=self.environment, capture_output=True, text=True, timeout=timeout
        )

    def up(self, *arguments: str) -> str:
        """Start in the foreground and wait until it is ready. Returns what was printed up to then."""
        self.process = subprocess.Popen(
            [*self.command, "up", "--listen", "127.0.0.1:0", *arguments],
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        assert self.process.stdout is not None
        lines = []
        for line in self.process.stdout:
            lines.append(line)
            if line.startswith("Ctrl-C"):
                return "".join(lines)
        raise AssertionError(f"it ended with {self.process.wait()} before it was ready:\n{''.join(lines)}")

    def kill(self) -> None:
        """End the server without a word, as a power cut would."""
        assert self.process is not None
        self.process.kill()
        self._reap(20)

    def stop(self) -> int:
        """Ctrl-C. Returns the exit code."""
        assert self.process is not None
        self.process.send_signal(signal.SIGINT)
        return self._reap(60)

    def _reap(self, within: float) -> int:
        assert self.process is not None
        self.process.communicate(timeout=within)
        code = self.process.returncode
        self.process = None
        return code

    def kubectl(self) -> Kubectl:
        """kubectl with the kubeconfig that was written."""
        binary = newest_kubectl()
        if binary is None:
            pytest.skip("needs kubectl")
        return Kubectl(binary, self.directory / "kubeconfig")

    def note(self) -> dict[str, object]:
        """What the running cluster says of itself."""
        note: dict[str, object] = json.loads((self.directory / "running.json").read_text())
        return note
