"""The note that a running cluster leaves in its data directory, for the commands that act on it.

It is there from readiness to the clean end. One that a crash left behind is told from a live one by the
process: its number and the time it was started must both be right, because numbers are used again.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

from kube_lite.kit.files import write_private

FILE = "running.json"


class Running(NamedTuple):
    """What there is to know about a running cluster."""

    pid: int
    process_started: int
    """When the kernel started the process, in clock ticks since boot; 0 where that cannot be read."""
    url: str
    kubeconfig: str
    version: str
    """The Kubernetes version that ``/version`` reports."""
    program: str
    """The version of this program."""
    started_at: float
    """Seconds since the epoch."""
    parts: list[str]
    node: str = ""
    abilities: Mapping[str, Any] = MappingProxyType({})
    """What the node's runtime can do here, and why it cannot do the rest."""
    durable: bool = True
    """Whether a write is on the disk before it is acknowledged."""
    service_limits: str = ""
    """Which Service addresses are not reachable on this host, in words."""


def process_started(pid: int) -> int:
    """When the process was started, in clock ticks since boot; 0 if there is none.

    Source: proc(5), field 22 of ``/proc/PID/stat``; the command's name may contain spaces and parentheses.
    """
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return 0
    fields = stat.rpartition(")")[2].split()
    return 0 if fields[0] == "Z" else int(fields[19])


def write(data_dir: Path, running: Running) -> None:
    """Leave the note, in one step. A power cut ends the process, so it may take the note along."""
    write_private(data_dir / FILE, json.dumps(running._asdict(), default=dict).encode(), durable=False)


def read(data_dir: Path) -> Running | None:
    """The note, whether its process lives or not; None when there is none that can be read."""
    try:
        return Running(**json.loads((data_dir / FILE).read_text()))
    except (FileNotFoundError, ValueError, TypeError):
        return None


def is_alive(running: Running) -> bool:
    """Whether the process that left the note still runs."""
    started = process_started(running.pid)
    return started != 0 and started == running.process_started


def remove(data_dir: Path) -> None:
    """Take the note away; it may be gone already."""
    (data_dir / FILE).unlink(missing_ok=True)
