"""A server as users start it: ``python -m kube_lite up`` in a process and a data directory of its own."""

import json
import os
import signal
import ssl
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kube_lite.kit.pki import Pair, client_context

PATIENCE = 60.0
STOP_SECONDS = 30.0


@dataclass
class Server:
    url: str
    port: int
    directory: Path
    process: subprocess.Popen[str]
    seconds: float
    """From the start of the process to its word that it is ready."""
    cpu_seconds: float
    """What it had used of the processor by then."""
    said: list[str]

    @property
    def authority(self) -> Path:
        return self.directory / "pki" / "ca.crt"

    @property
    def admin(self) -> Pair:
        return Pair(self.directory / "pki" / "admin.crt", self.directory / "pki" / "admin.key")

    def tls(self) -> ssl.SSLContext:
        return client_context(self.authority, self.admin)

    def load(self, **settings: Any) -> dict[str, Any]:
        """Run the load generator against this server."""
        return load(self, self.port, **settings)


def load_command(pki: Path, port: int, **settings: Any) -> list[str]:
    """What to run for a load on a port, with the certificates of a directory; it prints what it found."""
    wanted = {
        "port": port,
        "authority": str(pki / "ca.crt"),
        "certificate": str(pki / "admin.crt"),
        "key": str(pki / "admin.key"),
        **settings,
    }
    return [sys.executable, "-m", "tests.bench.load", json.dumps(wanted)]


def load(server: Server, port: int, **settings: Any) -> dict[str, Any]:
    command = load_command(server.directory / "pki", port, **settings)
    found: dict[str, Any] = json.loads(subprocess.run(command, capture_output=True, check=True).stdout)
    return found


@contextmanager
def started(*arguments: str, directory: Path | None = None) -> Iterator[Server]:
    """Start a server, and stop it as Ctrl-C does."""
    with tempfile.TemporaryDirectory(prefix="kube-lite-bench-") as own:
        where = directory or Path(own) / "data"
        command = [sys.executable, "-m", "kube_lite", "--data-dir", str(where)]
        command += ["up", "--listen", "127.0.0.1:0", *arguments]
        began = time.perf_counter()
        process = subprocess.Popen(
            command,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
            env=as_users_have_it(),
        )
        try:
            said = _until_ready(process)
            seconds = time.perf_counter() - began
            cpu = cpu_seconds(process.pid)
            running = json.loads((where / "running.json").read_text())
            port = int(running["url"].rpartition(":")[2])
            yield Server(running["url"], port, where, process, seconds, cpu, said)
        finally:
            process.send_signal(signal.SIGINT)
            try:
                process.communicate(timeout=STOP_SECONDS)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.communicate()


def as_users_have_it() -> dict[str, str]:
    """The environment, with which Python keeps what it has compiled."""
    return {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}


def cpu_seconds(pid: int) -> float:
    """Processor time of a process so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _until_ready(process: "subprocess.Popen[str]") -> list[str]:
    assert process.stdout is not None
    said = []
    for line in process.stdout:
        said.append(line.rstrip())
        if line.startswith("Ready"):
            return said
    raise RuntimeError("the server did not start:\n" + "\n".join(said))
