"""The small process that owns the containers: spawns, reaps, keeps their logs; outlives the server.

There is one for each runtime directory, kept single by a lock. It detaches from whoever started it, listens
on ``supervisor.sock`` there (0600, and only for its own user or root), and does what messages ask
(``requests.py``). It ends by itself when it owns nothing and nobody is connected, when told to, and when its
directory is gone.

When another one was killed before it, its journal says what that one owned: this one ends those processes,
removes their groups, and keeps the records as stopped sandboxes and ended containers, so that the server
sees what happened. Only the standard library is imported, and little of it: the process stays below 15 MB.
"""

# pathlib and contextlib would cost the supervisor a megabyte and 5 ms of its start.
# ruff: noqa: PTH100, PTH103, PTH108, PTH110, PTH116, SIM105

import fcntl
import gc
import os
import resource
import signal
import socket
import struct
import sys
import time
from typing import NoReturn

from .cgroups import Groups
from .containers import lost
from .journal import Journal, Record, boot_id, process_start
from .loop import Loop, Timer
from .probe import enter_user_namespace, find_mode
from .reaper import Reaper, descendants
from .requests import Office
from .sandboxes import Tools
from .syscalls import Kernel
from .wire import Message, Wire, WireBroken

SOCKET = "supervisor.sock"
LOCK = "supervisor.lock"
LINGER_SECONDS = 0.5
"""How long one who owns nothing stays, so that a server that has just found it can connect."""
HOME_SECONDS = 5.0
"""How often one without a server looks whether its directory is still there."""
BACKLOG = 8
OPEN_FILES = 65_536
"""A pod takes eight descriptors here. Its processes inherit the limit, as they would from containerd."""


class Connection:
    """One server that is connected."""

    def __init__(self, supervisor: "Supervisor", wire: Wire) -> None:
        self._supervisor = supervisor
        self.wire = wire
        self.is_open = True

    def ready(self) -> None:
        """Take in what has arrived and send what there is room for."""
        try:
            self.wire.flush()
            for message, descriptors in self.wire.receive():
                self._supervisor.office.serve(self, message, descriptors)
        except (WireBroken, ValueError, KeyError, TypeError):  # whoever sends nonsense is cut off
            self.close()
        else:
            self._watch()

    def send(self, message: Message, descriptors: list[int] | None = None) -> None:
        """Tell it something. One that does not listen is cut off."""
        if not self.is_open:
            return
        try:
            self.wire.send(message, descriptors or [])
        except WireBroken:
            self.close()
        else:
            self._watch()

    def close(self) -> None:
        """Let go of it and of what only it cared about."""
        if self.is_open:
            self.is_open = False
            self._supervisor.loop.forget(self.wire.fileno())
            self.wire.close()
            self._supervisor.disconnected(self)

    def _watch(self) -> None:
        if self.is_open:
            self._supervisor.loop.watch(self.wire.fileno(), self.ready, writable=self.wire.wants_to_write)


class Supervisor:
    """The process's life: listens, wires the parts together, knows when it is over."""

    def __init__(
        self, directory: str, listener: socket.socket, *, kernel: Kernel, mode: str, reason: str
    ) -> None:
        self.loop = Loop()
        self._directory = directory
        self._listener = listener
        self._connections: list[Connection] = []
        self._home = Timer(lambda: None)
        groups = Groups.find() if mode == "root" else None
        instance = instance_name(directory)
        tools = Tools(
            kernel=kernel,
            loop=self.loop,
            reaper=Reaper(kernel, self.loop),
            groups=groups,
            sandboxes=Journal(directory, "sandboxes"),
            containers=Journal(directory, "containers"),
            instance=instance,
            changed=self._changed,
        )
        ended, stopped = clear_leftovers(tools)
        if groups is not None:
            groups.create(instance, {})
        self._groups, self._instance = groups, instance
        self.office = Office(
            tools, mode=(mode, reason), ended=ended, stopped=stopped, shut_down=self._shut_down
        )

    def run(self) -> None:
        """Serve until there is nothing left to do."""
        self._listener.setblocking(False)
        self.loop.watch(self._listener.fileno(), self._accept)
        self.loop.later(HOME_SECONDS, self._leave_if_idle)  # for the case that nobody ever connects
        gc.collect()
        gc.freeze()  # what is there now stays; children need not copy its pages
        self.loop.run()

    def disconnected(self, connection: Connection) -> None:
        """A server has gone: end what it alone was looking at."""
        self._connections.remove(connection)
        self.office.forget_connection(connection)
        self.loop.later(LINGER_SECONDS, self._leave_if_idle)
        self._watch_home()

    def _accept(self) -> None:
        try:
            connection, _ = self._listener.accept()
        except OSError:
            return
        if not may_connect(connection):
            connection.close()
            return
        accepted = Connection(self, Wire(connection))
        self._connections.append(accepted)
        self.loop.watch(connection.fileno(), accepted.ready)

    def _changed(self, record: Record) -> None:
        for connection in list(self._connections):
            connection.send({"event": "container", "container": record})

    def _leave_if_idle(self) -> None:
        if not self._connections and self.office.is_idle:
            self._shut_down()

    def _watch_home(self) -> None:
        self._home.cancel()
        self._home = self.loop.later(HOME_SECONDS, self._leave_if_homeless)

    def _leave_if_homeless(self) -> None:
        """End what can never be found again: somebody has removed the directory, and us with it."""
        if self._connections:
            return  # the last of them to leave asks again
        if os.path.exists(f"{self._directory}/{SOCKET}"):
            self._watch_home()
        else:
            self.office.end_everything(lambda: None)

    def _shut_down(self) -> None:
        if self._groups is not None:
            deadline = time.monotonic() + 2.0
            while not self._groups.remove(self._instance) and time.monotonic() < deadline:
                time.sleep(0.01)
        for name in (SOCKET, LOCK):
            try:
                os.unlink(f"{self._directory}/{name}")
            except FileNotFoundError:
                continue
        self.loop.stop()


def instance_name(directory: str) -> str:
    """A name for this directory's groups that no other directory has: by device and inode."""
    status = os.stat(directory)
    return f"kube-lite-{status.st_dev:x}-{status.st_ino:x}"


def may_connect(connection: socket.socket) -> bool:
    """Only our own user and root may command us."""
    credentials = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
    _, user, _ = struct.unpack("3i", credentials)
    return user in (0, os.getuid())


def clear_leftovers(tools: Tools) -> tuple[list[Record], list[Record]]:
    """End what a killed supervisor has left; the records of its containers and sandboxes, all ended."""
    containers, sandboxes, boot = list(tools.containers), list(tools.sandboxes), boot_id()
    for record in [*containers, *sandboxes]:
        pid = int(record.get("pid", 0))
        if pid and record.get("boot") == boot and process_start(pid) == record.get("started"):
            for process in (pid, *descendants(pid)):
                try:
                    os.kill(process, signal.SIGKILL)
                except (ProcessLookupError, PermissionError):
                    continue
    if tools.groups is not None and tools.groups.names(tools.instance):
        tools.groups.kill(tools.instance)
        for record in sandboxes:
            tools.remove_group(f"{tools.instance}/{record['id']}")
    for record in containers:
        lost(record)
        tools.containers.write(record)
    for record in sandboxes:
        record.update(ready=False, pid=0)
        tools.sandboxes.write(record)
    return containers, sandboxes


def listen(directory: str) -> socket.socket:
    """The socket, at a name that may be longer than socket addresses can be."""
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    holder = os.open(directory, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        try:
            os.unlink(SOCKET, dir_fd=holder)
        except FileNotFoundError:
            pass
        listener.bind(f"/proc/self/fd/{holder}/{SOCKET}")
        os.chmod(SOCKET, 0o600, dir_fd=holder)
    finally:
        os.close(holder)
    listener.listen(BACKLOG)
    return listener


def detach(log: str) -> None:
    """Live on without the one who started us: no terminal, no descriptor, no directory of his."""
    os.setsid()
    if os.fork():
        os._exit(0)
    os.chdir("/")
    descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    null = os.open("/dev/null", os.O_RDONLY)
    os.dup2(null, 0)
    os.dup2(descriptor, 1)
    os.dup2(descriptor, 2)
    os.close(null)
    os.close(descriptor)


def main(directory: str, wanted: str) -> NoReturn:
    """Start, in the best mode up to ``wanted``: fails with a line on stderr, or detaches once it listens."""
    os.umask(0o077)
    os.closerange(3, OPEN_FILES)
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = OPEN_FILES if most == resource.RLIM_INFINITY else min(OPEN_FILES, most)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    for number in (signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    directory = os.path.abspath(directory)
    os.makedirs(directory, mode=0o700, exist_ok=True)
    lock = os.open(f"{directory}/{LOCK}", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        sys.exit(0)  # another one serves this directory already
    kernel = Kernel()
    mode, reason = find_mode(kernel, directory, wanted)
    if mode == "user":
        enter_user_namespace(kernel)
    listener = listen(directory)
    detach(f"{directory}/supervisor.log")
    Supervisor(directory, listener, kernel=kernel, mode=mode, reason=reason).run()
    sys.exit(0)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
