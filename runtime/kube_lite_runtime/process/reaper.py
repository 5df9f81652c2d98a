"""Wait for children: who has ended, and how, in the numbers that Kubernetes shows.

SIGCHLD wakes the loop through a pipe; then every child that has ended is collected. Until it is collected
its number cannot become another process, so signals sent to a known child never go astray.
"""

# pathlib and contextlib would cost the supervisor a megabyte and 5 ms of its start.
# ruff: noqa: PTH123, PTH208, SIM105

import os
import signal
from collections.abc import Callable, Iterator
from typing import NamedTuple

from .loop import Loop
from .syscalls import PR_SET_CHILD_SUBREAPER, Kernel


class Ending(NamedTuple):
    """``code`` is 0 to 255; 128 + ``signal`` when a signal ended the process."""

    code: int
    signal: int


class Reaper:
    """Calls back once for each awaited child when it has ended."""

    def __init__(self, kernel: Kernel, loop: Loop) -> None:
        self._awaited: dict[int, Callable[[Ending], None]] = {}
        self._reader, writer = os.pipe()
        os.set_blocking(self._reader, False)
        os.set_blocking(writer, False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
        # What a container leaves behind without a PID namespace becomes ours to collect, not init's.
        kernel.control_process(PR_SET_CHILD_SUBREAPER, 1)
        loop.watch(self._reader, self._woken)

    def expect(self, pid: int, on_end: Callable[[Ending], None]) -> None:
        """Tell ``on_end`` when this child has ended."""
        self._awaited[pid] = on_end

    def _woken(self) -> None:
        try:
            os.read(self._reader, 4096)
        except BlockingIOError:
            pass
        for pid, ending in list(collect()):
            on_end = self._awaited.pop(pid, None)
            if on_end is not None:
                on_end(ending)


def collect() -> Iterator[tuple[int, Ending]]:
    """Every child that has ended."""
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return
        if pid == 0:
            return
        yield pid, ending_of(status)


def ending_of(status: int) -> Ending:
    """A wait status in Kubernetes' numbers."""
    if os.WIFSIGNALED(status):
        number = os.WTERMSIG(status)
        return Ending(128 + number, number)
    return Ending(os.WEXITSTATUS(status), 0)


def descendants(pid: int) -> list[int]:
    """The living processes that descend from ``pid`` or share its session, itself excluded.

    What a plain container started: without namespaces and cgroups there is nothing else to know them by.
    """
    found, parents = {pid}, _processes()
    while True:
        more = {
            child
            for child, (parent, session) in parents.items()
            if child not in found and (parent in found or session in found)
        }
        if not more:
            return sorted(found - {pid})
        found |= more


def _processes() -> dict[int, tuple[int, int]]:
    """Parent and session of every process that can be seen."""
    found: dict[int, tuple[int, int]] = {}
    for name in os.listdir("/proc"):
        if not name.isdigit():
            continue
        try:
            with open(f"/proc/{name}/stat", "rb") as file:
                fields = file.read().rpartition(b") ")[2].split()
        except OSError:
            continue
        found[int(name)] = int(fields[1]), int(fields[3])
    return found
