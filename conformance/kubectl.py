"""Stock kubectl as tests use it."""

import os
import re
import shutil
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest


def newest_kubectl() -> Path | None:
    """``$KUBECTL``, or the newest release beside the one on PATH (``kubectl.1.33``), or the one on PATH."""
    if chosen := os.environ.get("KUBECTL"):
        return Path(chosen)
    found = shutil.which("kubectl")
    releases = _beside(found)
    return releases[-1] if releases else Path(found) if found else None


def releases() -> list[Path]:
    """The oldest kubectl and the newest one at hand."""
    newest = newest_kubectl()
    return list(dict.fromkeys([*_beside(shutil.which("kubectl"))[:1], *([newest] if newest else [])]))


def _beside(found: str | None) -> list[Path]:
    """The releases beside a kubectl, the oldest first."""
    numbered = [
        (tuple(map(int, match.groups())), path)
        for path in (Path(found).resolve().parent.glob("kubectl.*") if found else ())
        if (match := re.fullmatch(r"kubectl\.(\d+)\.(\d+)", path.name))
    ]
    return [path for _, path in sorted(numbered)]


@dataclass
class Kubectl:
    """Stock kubectl with a kubeconfig and a namespace."""

    binary: Path
    kubeconfig: Path
    namespace: str = "default"

    def start(self, *arguments: str, **options: object) -> "subprocess.Popen[str]":
        """Start a command that goes on, with its output in a pipe."""
        command = [str(self.binary), "--namespace", self.namespace, *arguments]
        environment = {**os.environ, "KUBECONFIG": str(self.kubeconfig)}
        return subprocess.Popen(  # type: ignore[call-overload,no-any-return]
            command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment, **options
        )

    def run(
        self, *arguments: str, stdin: str | None = None, timeout: float = 60
    ) -> "subprocess.CompletedProcess[str]":
        """Run a command to its end, whatever its exit code."""
        process = self.start(*arguments, stdin=subprocess.PIPE if stdin is not None else subprocess.DEVNULL)
        try:
            out, error = process.communicate(stdin, timeout)
        except subprocess.TimeoutExpired:
            process.kill()
            out, error = process.communicate()
            pytest.fail(f"kubectl {' '.join(arguments)} did not end within {timeout} s:\n{out}{error}")
        return subprocess.CompletedProcess(arguments, process.returncode, out, error)

    def __call__(self, *arguments: str, stdin: str | None = None, timeout: float = 60) -> str:
        """Run a command that must succeed; its standard output."""
        done = self.run(*arguments, stdin=stdin, timeout=timeout)
        assert done.returncode == 0, f"kubectl {' '.join(arguments)}\n{done.stdout}{done.stderr}"
        return done.stdout


def eventually(check: Callable[[], object], within: float = 30) -> None:
    """Wait until ``check`` neither fails an assertion nor says False, at most ``within`` seconds."""
    deadline = time.monotonic() + within
    while True:
        try:
            assert check() is not False, check
            return
        except AssertionError:
            if time.monotonic() > deadline:
                raise
        time.sleep(0.05)
