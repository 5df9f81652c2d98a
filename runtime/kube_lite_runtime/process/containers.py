"""One container as the supervisor holds it: its process, its streams, its log, its end.

``record`` is what the journal keeps and the server is told; ``plan`` (the job for ``init.py``, as JSON text,
and how to join it later) stays in memory only, because commands and environments carry secrets.

    created ──start──▶ running ──process ends──▶ exited
       └──────start fails, code 128──────────────▶ exited
"""

# pathlib and contextlib would cost the supervisor a megabyte and 5 ms of its start.
# ruff: noqa: PTH115

import json
import os
import signal
import socket
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple

from .capture import LogFile, Stream
from .handshake import Listener, Outcome, Reporter
from .init import Surroundings, become
from .journal import Record, boot_id, process_start
from .reaper import Ending, descendants
from .sandboxes import Sandbox, Tools
from .spawn import spawn, spawn_in_pid_namespace
from .syscalls import NEW_PID, NEW_USER

START_FAILED_CODE = 128
LOST_CODE = 137


class Plan(NamedTuple):
    """What ``plan.py`` decided, as far as the supervisor itself must know it."""

    job: str
    """JSON for ``init.become``."""
    flags: int
    """The namespaces that are made for the container alone."""
    join: int
    """The namespaces of the sandbox that it enters."""
    inside: int
    """All that are not the host's: what another process must enter to be inside."""
    limits: dict[str, Any]
    stdin: bool
    stdin_once: bool
    tty: bool
    stop_signal: int


class Container:
    """Starts, watches and ends one container."""

    def __init__(self, tools: Tools, sandbox: Sandbox, record: Record, plan: Plan) -> None:
        self._tools = tools
        self._sandbox = sandbox
        self._plan = plan
        self.record = record
        self._log = LogFile("")
        self._streams: list[Stream] = []
        self._input = -1
        self._terminal = -1
        self._on_end: list[Callable[[], None]] = []
        self._hear: Callable[[], None] | None = None
        """Takes in what the set-up tells, while it lasts."""

    @property
    def pid(self) -> int:
        """Its first process, 0 when there is none."""
        return int(self.record["pid"])

    @property
    def is_running(self) -> bool:
        """Its command runs."""
        return bool(self.record["state"] == "running")

    @property
    def group(self) -> str:
        """The name of its group."""
        return f"{self._sandbox.group}/{self.record['id']}"

    @property
    def has_own_pids(self) -> bool:
        """It is alone in its PID namespace, which ends with its first process."""
        return bool(self._plan.flags & NEW_PID)

    def start(self, done: Callable[[Outcome], None]) -> None:
        """Run its command."""
        try:
            self._log = LogFile(self.record["log_path"])
            cgroups = self._make_group()
        except OSError as error:
            self._start_failed(Outcome("prepare", str(error)), done)
            return
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        inner = self._open_streams()
        surroundings = Surroundings(
            Reporter(theirs),
            [(descriptor, kind) for kind, descriptor in self._joined() if kind != NEW_PID],
            *inner,
        )
        try:
            self.record["pid"] = self._spawn(
                lambda: become(self._tools.kernel, _with_cgroups(self._plan.job, cgroups), surroundings)
            )
        except OSError as error:
            self._start_failed(Outcome("clone", str(error)), done)
            return
        finally:
            theirs.close()
            for descriptor in inner:
                if descriptor >= 0:
                    os.close(descriptor)
        self._tools.reaper.expect(self.pid, self._ended)
        listener = Listener(ours)
        self._hear = lambda: self._heard(listener, done)
        self._tools.loop.watch(ours.fileno(), self._hear)

    def signal(self, number: int) -> None:
        """Send a signal to its first process."""
        if self.pid:
            os.kill(self.pid, number)

    def kill(self) -> None:
        """End all its processes."""
        if not self.pid:
            return
        if not self.has_own_pids:
            self._kill_rest(self.pid)
        os.kill(self.pid, signal.SIGKILL)

    def stop(self, grace_seconds: float, done: Callable[[], None]) -> None:
        """Ask it to end, kill it after the grace, and tell when it has ended."""
        if not self.pid:
            done()
            return
        if grace_seconds > 0:
            self.signal(self._plan.stop_signal)
            timer = self._tools.loop.later(grace_seconds, self.kill)
            self._on_end.append(timer.cancel)
        else:
            self.kill()
        self._on_end.append(done)

    def attach(self) -> tuple[dict[str, Any], list[int]]:
        """What its streams are, and their descriptors, the caller's to close: any writer, then readers."""
        readers = [stream.attach() for stream in self._streams]
        writer = self._terminal if self._terminal >= 0 else self._input
        answer = {"tty": self._terminal >= 0, "stdin": writer >= 0, "outputs": len(readers)}
        descriptors = [os.dup(writer), *readers] if writer >= 0 else readers
        if self._plan.stdin_once and self._input >= 0:
            os.close(self._input)
            self._input = -1
        return answer, descriptors

    def run_more(self, wanted: dict[str, Any], streams: Sequence[int]) -> tuple[int, Listener]:
        """Run another command inside: its process, and what will tell how its set-up went.

        ``wanted`` replaces what it names of the container's own process: ``argv``, ``tty``, ``size``;
        its ``environment`` is added to the container's.
        """
        process = json.loads(self._plan.job)["process"]
        environment = {**process["environment"], **wanted.pop("environment")}
        cgroups = self._tools.groups.directories(self.group) if self._tools.groups else []
        process = {**process, **wanted, "environment": environment, "nested_user": False}
        job = {"cgroups": cgroups, "root": "", "steps": [], "process": process}
        return self._spawn_inside(job, streams)

    def _spawn_inside(self, job: dict[str, Any], streams: Sequence[int]) -> tuple[int, Listener]:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        kernel, target = self._tools.kernel, os.pidfd_open(self.pid)
        flags = self._plan.inside & ~NEW_PID
        if os.readlink(f"/proc/{self.pid}/ns/user") != os.readlink("/proc/self/ns/user"):
            flags |= NEW_USER
        surroundings = Surroundings(Reporter(theirs), [(target, flags)] if flags else [], *streams)
        try:
            if self._plan.inside & NEW_PID:
                pids = os.open(f"/proc/{self.pid}/ns/pid", os.O_RDONLY | os.O_CLOEXEC)
                try:
                    pid = spawn_in_pid_namespace(kernel, pids, 0, lambda: become(kernel, job, surroundings))
                finally:
                    os.close(pids)
            else:
                pid = spawn(kernel, 0, lambda: become(kernel, job, surroundings))
        except OSError:
            ours.close()
            raise
        finally:
            theirs.close()
            os.close(target)
        return pid, Listener(ours)

    def reopen_log(self) -> None:
        """Go on in a new log file."""
        if self.is_running:
            self._log.reopen()

    def forget(self) -> None:
        """Close what is left of it and drop its record. It must have ended."""
        self._close_streams()
        self._tools.containers.forget(self.record["id"])

    def _make_group(self) -> list[str]:
        groups = self._tools.groups
        return groups.create(self.group, self._plan.limits) if groups else []

    def _joined(self) -> list[tuple[int, int]]:
        return [(kind, fd) for kind, fd in self._sandbox.namespaces.items() if kind & self._plan.join]

    def _spawn(self, body: Callable[[], None]) -> int:
        shared = self._sandbox.namespaces.get(NEW_PID) if self._plan.join & NEW_PID else None
        if shared is not None:
            return spawn_in_pid_namespace(self._tools.kernel, shared, self._plan.flags, body)
        return spawn(self._tools.kernel, self._plan.flags, body)

    def _open_streams(self) -> tuple[int, int, int]:
        """Make the pipes; the ends that go to the child. With a terminal the child makes it."""
        if self._plan.tty:
            return -1, -1, -1
        stdin = -1
        if self._plan.stdin:
            stdin, self._input = os.pipe()
        inner = []
        for name in ("stdout", "stderr"):
            reader, writer = os.pipe()
            self._watch_stream(name, reader)
            inner.append(writer)
        return stdin, inner[0], inner[1]

    def _watch_stream(self, name: str, descriptor: int) -> None:
        stream = Stream(name, descriptor, self._log)
        self._streams.append(stream)
        self._tools.loop.watch(descriptor, lambda: self._pump(stream, descriptor))

    def _pump(self, stream: Stream, descriptor: int) -> None:
        if not stream.pump(partial(self._tools.loop.forget, descriptor)):
            self._streams.remove(stream)

    def _heard(self, listener: Listener, done: Callable[[Outcome], None]) -> None:
        listener.read()
        if listener.terminal >= 0:
            self._terminal, listener.terminal = listener.terminal, -1
            self._watch_stream("stdout", os.dup(self._terminal))
        if listener.outcome is None:
            return
        self._hear = None
        self._tools.loop.forget(listener.channel.fileno())
        outcome = listener.outcome
        listener.close()
        if outcome.step:
            self._start_failed(outcome, done)
            return
        self._running()
        done(outcome)

    def _running(self) -> None:
        start = process_start(self.pid)
        self.record.update(state="running", started_at=time.time(), boot=boot_id(), started=start)
        self._tools.containers.update(self.record)
        self._tools.changed(self.record)

    def _start_failed(self, outcome: Outcome, done: Callable[[Outcome], None]) -> None:
        self._exited({"code": START_FAILED_CODE, "signal": 0, "oom_killed": False, "message": outcome.why})
        done(outcome)

    def _ended(self, ending: Ending) -> None:
        if self._hear is not None:
            self._hear()  # it ended so soon that its start has not been heard of yet
        pid, self.record["pid"] = self.pid, 0
        if not self.has_own_pids:
            self._kill_rest(pid)
        if self.record["state"] != "exited":
            counters = self._tools.groups.counters(self.group) if self._tools.groups else None
            oom = bool(counters and counters.oom_kills and ending.code)
            self._exited({"code": ending.code, "signal": ending.signal, "oom_killed": oom, "message": ""})
        if self._tools.groups:
            self._tools.remove_group(self.group)
        waiting, self._on_end = self._on_end, []
        for told in waiting:
            told()

    def _exited(self, ending: dict[str, Any]) -> None:
        for stream in list(self._streams):
            self._pump(stream, stream.descriptor)
        self.record.update(state="exited", finished_at=time.time(), exit=ending)
        for descriptor in (self._input, self._terminal):
            if descriptor >= 0:
                os.close(descriptor)
        self._input = self._terminal = -1
        self._tools.containers.update(self.record)
        self._tools.changed(self.record)

    def _kill_rest(self, pid: int) -> None:
        """End what runs beside the first process where no PID namespace does it."""
        if self._tools.groups:
            self._tools.groups.kill(self.group)
        for other in descendants(pid):
            try:
                os.kill(other, signal.SIGKILL)
            except ProcessLookupError:
                continue

    def _close_streams(self) -> None:
        for stream in self._streams:
            stream.finish(partial(self._tools.loop.forget, stream.descriptor))
        self._streams.clear()
        self._log.close()


def lost(record: Record) -> None:
    """Turn the record of a container whose supervisor was killed into that of an ended one."""
    if record["state"] != "exited":
        message = "the process that watched it was killed; how it ended is not known"
        ending = {"code": LOST_CODE, "signal": 9, "oom_killed": False, "message": message}
        record.update(state="exited", finished_at=time.time(), exit=ending, pid=0)


def _with_cgroups(job: str, cgroups: list[str]) -> dict[str, Any]:
    parsed: dict[str, Any] = json.loads(job)
    parsed["cgroups"] = cgroups
    return parsed
