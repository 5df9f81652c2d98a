"""What the containers of one pod share, as the supervisor holds it: namespaces, and a group to limit them.

A namespace lives as long as somebody holds it. The supervisor holds a descriptor for each, made by a child
that enters new ones, is seen through ``/proc``, and ends. Nothing is mounted on the host, so nothing is left
behind even when the supervisor is killed. Only a shared PID namespace needs a process of its own, its init.
"""

# pathlib and contextlib would cost the supervisor a megabyte and 5 ms of its start.
# ruff: noqa: PTH123

import fcntl
import os
import signal
import socket
import struct
from collections.abc import Callable
from typing import Any, NamedTuple

from .cgroups import Groups, join_cgroup
from .handshake import Listener, Outcome, Reporter
from .journal import Journal, Record, boot_id, process_start
from .loop import Loop
from .reaper import Ending, Reaper
from .spawn import spawn
from .syscalls import NEW_IPC, NEW_NETWORK, NEW_PID, NEW_UTS, PR_SET_DUMPABLE, PR_SET_PDEATHSIG, Kernel

FILES = {NEW_NETWORK: "net", NEW_IPC: "ipc", NEW_UTS: "uts", NEW_PID: "pid"}
GROUP_RETRY_SECONDS = 0.05
GROUP_RETRIES = 100
SIOCGIFFLAGS, SIOCSIFFLAGS, IFF_UP = 0x8913, 0x8914, 0x1


class Tools(NamedTuple):
    """What sandboxes and containers are made with."""

    kernel: Kernel
    loop: Loop
    reaper: Reaper
    groups: Groups | None
    sandboxes: Journal
    containers: Journal
    instance: str
    """The name of the topmost group: ``kube-lite-`` and the instance."""
    changed: Callable[[Record], None]
    """Told the record of each container whose state has changed."""

    def remove_group(self, name: str, tries: int = GROUP_RETRIES) -> None:
        """Remove a group as soon as its last process is out of it."""
        if self.groups is not None and not self.groups.remove(name) and tries:
            self.loop.later(GROUP_RETRY_SECONDS, lambda: self.remove_group(name, tries - 1))


class Sandbox:
    """One pod's namespaces. ``record`` is what the journal keeps and the server is told."""

    def __init__(self, tools: Tools, record: Record) -> None:
        self._tools = tools
        self.record = record
        self.namespaces: dict[int, int] = {}
        """Descriptor by the flag of its kind, such as ``NEW_NETWORK``."""
        self._init = 0
        self._released: list[Callable[[], object]] = []

    @property
    def group(self) -> str:
        """The name of its group."""
        return f"{self._tools.instance}/{self.record['id']}"

    @property
    def network_path(self) -> str:
        """Where its network namespace can be opened, empty when it has none of its own."""
        descriptor = self.namespaces.get(NEW_NETWORK)
        return "" if descriptor is None else f"/proc/{os.getpid()}/fd/{descriptor}"

    def create(self, wanted: dict[str, Any], done: Callable[[Outcome], None]) -> None:
        """Make what ``wanted`` asks for: {"namespaces": flags, "hostname", "sysctls", "limits"}."""
        tools, flags = self._tools, int(wanted["namespaces"])
        groups: list[str] = []
        if tools.groups is not None:
            try:
                groups = tools.groups.create(self.group, wanted["limits"])
            except OSError as error:
                done(Outcome("cgroup", str(error)))
                return
        if not flags:
            self._ready(done)
            return
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        release_reader, release_writer = os.pipe()
        listener = Listener(ours)
        pid = spawn(
            tools.kernel,
            flags & NEW_PID,
            lambda: _hold_namespaces(
                tools.kernel,
                flags & ~NEW_PID,
                wanted,
                Reporter(theirs),
                theirs,
                release_reader,
                release_writer,
                groups,
            ),
        )
        theirs.close()
        os.close(release_reader)
        if flags & NEW_PID:
            self._init = pid
            tools.reaper.expect(pid, self._init_ended)

        def heard() -> None:
            listener.read()
            if listener.outcome is None:
                return
            tools.loop.forget(ours.fileno())
            outcome = listener.outcome if listener.outcome.step else self._take_namespaces(pid, flags)
            listener.close()
            os.close(release_writer)
            if outcome.step:
                done(outcome)
            else:
                self._ready(done)

        tools.loop.watch(ours.fileno(), heard)

    def release(self, done: Callable[[], object]) -> None:
        """Let go of the namespaces; its containers must have ended."""
        for descriptor in self.namespaces.values():
            os.close(descriptor)
        self.namespaces.clear()
        if self.record["ready"]:
            self.record["ready"] = False
            self._tools.sandboxes.update(self.record)
        self._tools.remove_group(self.group)
        if self._init:
            self._released.append(done)
            os.kill(self._init, signal.SIGKILL)
        else:
            done()

    def _ready(self, done: Callable[[Outcome], None]) -> None:
        start = process_start(self._init) if self._init else 0
        self.record.update(ready=True, boot=boot_id(), pid=self._init, started=start)
        self._tools.sandboxes.update(self.record)
        done(Outcome())

    def _take_namespaces(self, pid: int, flags: int) -> Outcome:
        try:
            for flag, name in FILES.items():
                if flags & flag:
                    self.namespaces[flag] = os.open(f"/proc/{pid}/ns/{name}", os.O_RDONLY | os.O_CLOEXEC)
        except OSError as error:
            return Outcome("namespaces", str(error))
        return Outcome()

    def _init_ended(self, ending: Ending) -> None:
        self._init = 0
        for done in self._released:
            done()
        self._released.clear()


def _hold_namespaces(
    kernel: Kernel,
    flags: int,
    wanted: dict[str, Any],
    report: Reporter,
    channel: socket.socket,
    release_reader: int,
    release_writer: int,
    groups: list[str],
) -> None:
    """The child: make the namespaces, say so, stay until they are held, then end or be the pod's init."""
    os.close(release_writer)
    kernel.control_process(PR_SET_PDEATHSIG, signal.SIGKILL)
    step = "namespaces"
    try:
        kernel.unshare(flags)
        if flags & NEW_UTS:
            step = "hostname"
            kernel.set_hostname(wanted["hostname"])
        if flags & NEW_NETWORK:
            step = "loopback"
            _raise_loopback()
        for name, value in wanted["sysctls"].items():
            step = f"sysctl {name}"
            with open(f"/proc/sys/{name.replace('.', '/')}", "w", encoding="ascii") as file:
                file.write(value)
    except OSError as error:
        report.failed(step, str(error))
        return
    report.executing()
    channel.close()
    os.read(release_reader, 1)
    # The first process that is moved into a group waits for the kernel 10 to 20 ms, those soon after it do
    # not. So this one is moved, though it ends: nobody waits for it, and the pod's containers come soon.
    for directory in groups:
        join_cgroup(directory)
    if wanted["namespaces"] & NEW_PID:
        # It is a copy of the supervisor, whose memory is no business of the pod's other processes.
        kernel.control_process(PR_SET_DUMPABLE, 0)
        _be_init()


def _be_init() -> None:
    """Collect orphans for ever. What memory it has it shares with the supervisor it was forked from."""
    os.closerange(0, 65536)
    waited = {signal.SIGCHLD, signal.SIGTERM, signal.SIGINT}
    signal.pthread_sigmask(signal.SIG_BLOCK, waited)
    while signal.sigwait(waited) == signal.SIGCHLD:
        try:
            while os.waitpid(-1, os.WNOHANG)[0]:
                continue
        except ChildProcessError:
            continue


def _raise_loopback() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        request = struct.pack("16sh14x", b"lo", 0)
        answer = fcntl.ioctl(control, SIOCGIFFLAGS, request)
        (flags,) = struct.unpack_from("h", answer, 16)
        fcntl.ioctl(control, SIOCSIFFLAGS, struct.pack("16sh14x", b"lo", flags | IFF_UP))
