"""The life of a container's first process from fork to exec. Runs in the forked child; standard library only.

It is given a job, which ``plan.py`` made as data, and does it in order: join cgroups and namespaces, build
the root file system, change into it, take on the user's identity, exec. Every step has a name, and the first
that fails is reported with it. Paths inside the root belong to the image, which may hold links that point
anywhere; they are resolved with ``openat2(RESOLVE_IN_ROOT)``, so that none leads out.

    {"cgroups": [directory, ...], "root": "/data/containers/4f0c/root", "steps": [[name, argument, ...], ...],
     "process": {"argv": [...], "environment": {...}, "directory": "/", "user": 1000 | null, ...}}
"""

# pathlib and contextlib would cost the supervisor a megabyte and 5 ms of its start.
# ruff: noqa: PTH101, PTH113, PTH116, PTH123

import fcntl
import os
import signal
import stat
import struct
import termios
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from .cgroups import join_cgroup
from .handshake import Reporter
from .syscalls import (
    MOUNT_ATTR_RDONLY,
    MS_BIND,
    MS_REC,
    NEW_USER,
    PR_CAP_AMBIENT,
    PR_CAP_AMBIENT_CLEAR_ALL,
    PR_CAPBSET_DROP,
    PR_SET_DUMPABLE,
    PR_SET_NO_NEW_PRIVS,
    PR_SET_PDEATHSIG,
    Kernel,
)

TIOCSPTLCK = 0x40045431
LAST_CAPABILITY = 63
LINKS = 40  # one after the other, as many as the kernel follows


class Surroundings(NamedTuple):
    """What the supervisor gives a child that is not data: descriptors."""

    report: Reporter
    namespaces: Sequence[tuple[int, int]] = ()
    """Descriptor and flags of what is joined before anything else."""
    stdin: int = -1
    stdout: int = -1
    stderr: int = -1


class StepFailed(Exception):
    """A step could not be done."""

    def __init__(self, step: str, why: str) -> None:
        super().__init__(why)
        self.step = step


class Identity(NamedTuple):
    """Who the process becomes."""

    user: int
    group: int
    groups: Sequence[int]
    home: str


def become(kernel: Kernel, job: dict[str, Any], surroundings: Surroundings) -> None:
    """Turn this process into the job's command. Returns only when that failed, after saying so."""
    report = surroundings.report
    try:
        _become(kernel, job, surroundings)
    except StepFailed as failure:
        report.failed(failure.step, str(failure))
    except OSError as error:
        report.failed("init", str(error))


def _become(kernel: Kernel, job: dict[str, Any], surroundings: Surroundings) -> None:
    os.setsid()
    process = job["process"]
    if process["may_set_user"]:
        # Until exec, what is inside must not reach through /proc at our memory, descriptors and executable:
        # they are the host's. Exec makes the process an ordinary one again.
        kernel.control_process(PR_SET_DUMPABLE, 0)
    with _named("cgroup"):
        for directory in job["cgroups"]:
            join_cgroup(directory)
    with _named("namespaces"):
        for descriptor, flags in surroundings.namespaces:
            kernel.join_namespaces(descriptor, flags)
    if job["root"]:
        build_root(kernel, job["root"], job["steps"])
    with _named("user"):
        who = resolve_identity(process)
    _take_streams(process, surroundings, who)
    _limit_files(process)
    with _named("security"):
        take_identity(kernel, process, who)
    directory = process["directory"] or "/"
    with _named("working directory"):
        os.chdir(directory)
    kernel.control_process(PR_SET_PDEATHSIG, signal.SIGKILL)
    execute(process["argv"], {"HOME": who.home, **process["environment"]}, surroundings.report)


class _named:
    """Whatever the system refuses inside the block is the failure of this step."""

    def __init__(self, step: str) -> None:
        self._step = step

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, OSError):
            raise StepFailed(self._step, str(error)) from error


def build_root(kernel: Kernel, root: str, steps: Sequence[Sequence[Any]]) -> None:
    """Do the steps in order and make ``root`` this process's root."""
    builder = RootBuilder(kernel, root)
    for name, *arguments in steps:
        try:
            builder.do(name, arguments)
        except OSError as error:
            raise StepFailed(f"{name} {arguments[0] if arguments else ''}".strip(), str(error)) from error


class RootBuilder:
    """Performs the steps of a root file system; each method is a step of that name."""

    def __init__(self, kernel: Kernel, root: str) -> None:
        self._kernel = kernel
        self._root = root
        self._descriptor = -1

    def do(self, name: str, arguments: Sequence[Any]) -> None:
        """Perform one step."""
        step: Callable[..., None] = getattr(self, f"step_{name}")
        step(*arguments)

    def step_propagation(self, flags: int) -> None:
        """Decide what this mount namespace and the one it was copied from tell each other."""
        self._kernel.mount("", "/", "", flags | MS_REC, "")

    def step_enter(self, directory: str) -> None:
        """Options of the next mounts may name paths below ``directory`` without it."""
        os.chdir(directory)

    def step_root(self, source: str, kind: str, flags: int, options: str) -> None:
        """Mount what everything else is mounted in."""
        self._kernel.mount(source, self._root, kind, flags, options)

    def step_mount(self, target: str, source: str, kind: str, flags: int, options: str) -> None:
        """Mount a new file system on a directory inside, which is made when it is missing."""
        self._mount_on(self._place(target, directory=True), source, kind, flags, options)

    def step_attempt(self, target: str, source: str, kind: str, flags: int, options: str) -> None:
        """As ``mount``, where the host may forbid it and the container can do without."""
        try:
            self.step_mount(target, source, kind, flags, options)
        except OSError:
            return

    def step_bind(self, target: str, source: str, attributes: int, propagation: int) -> None:
        """Show a file or directory of the host inside, restricted by ``attributes``."""
        is_directory = stat.S_ISDIR(os.stat(source).st_mode)
        self._mount_on(self._place(target, directory=is_directory), source, "", MS_BIND | MS_REC, "")
        mounted = self._open(target)
        try:
            path = f"/proc/self/fd/{mounted}"
            if propagation:
                self._kernel.mount("", path, "", propagation | MS_REC, "")
            if attributes:
                self._kernel.restrict_mount(path, attributes, recursive=True)
        finally:
            os.close(mounted)

    def step_directory(self, target: str, mode: int) -> None:
        """Make a directory, if it is missing."""
        descriptor = self._place(target, directory=True)
        try:
            os.chmod(f"/proc/self/fd/{descriptor}", mode)
        finally:
            os.close(descriptor)

    def step_link(self, target: str, points_to: str) -> None:
        """Make a symbolic link."""
        parent, name = self._parent(target)
        try:
            os.symlink(points_to, name, dir_fd=parent)
        finally:
            os.close(parent)

    def step_mask(self, target: str) -> None:
        """Hide a file or directory behind an empty one. Nothing happens when it is not there."""
        try:
            descriptor = self._open(target)
        except OSError:
            return
        if stat.S_ISDIR(os.fstat(descriptor).st_mode):
            self._mount_on(descriptor, "tmpfs", "tmpfs", 1, "size=0,nr_inodes=1,mode=555")
        else:
            self._mount_on(descriptor, "/dev/null", "", MS_BIND, "")

    def step_freeze(self, target: str) -> None:
        """Make a path read-only by mounting it on itself. Nothing happens when it is not there."""
        try:
            descriptor = self._open(target)
        except OSError:
            return
        self._mount_on(descriptor, f"/proc/self/fd/{descriptor}", "", MS_BIND | MS_REC, "")
        mounted = self._open(target)
        try:
            self._kernel.restrict_mount(f"/proc/self/fd/{mounted}", MOUNT_ATTR_RDONLY, recursive=True)
        finally:
            os.close(mounted)

    def step_sysctl(self, name: str, value: str) -> None:
        """Set a kernel parameter of this container's namespaces."""
        with open(f"/proc/sys/{name.replace('.', '/')}", "w", encoding="ascii") as file:
            file.write(value)

    def step_pivot(self, read_only: bool) -> None:
        """Make the root this process's root, and let go of the old one."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
        os.chdir(self._root)
        # Putting the old root on top of the new one needs no directory for it: see pivot_root(2), NOTES.
        self._kernel.pivot_root(".", ".")
        self._kernel.unmount(".")
        os.chdir("/")
        if read_only:
            self._kernel.restrict_mount("/", MOUNT_ATTR_RDONLY, recursive=False)

    def _mount_on(self, descriptor: int, source: str, kind: str, flags: int, options: str) -> None:
        try:
            self._kernel.mount(source, f"/proc/self/fd/{descriptor}", kind, flags, options)
        finally:
            os.close(descriptor)

    def _open(self, path: str) -> int:
        if self._descriptor < 0:
            self._descriptor = os.open(self._root, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        return self._kernel.open_in_root(self._descriptor, path, os.O_PATH)

    def _place(self, path: str, *, directory: bool, depth: int = 0) -> int:
        """Open what is at ``path``; what is missing of it is made, as a directory or an empty file."""
        try:
            return self._open(path)
        except FileNotFoundError:
            parent, name = self._parent(path, depth)
        try:
            if directory:
                os.mkdir(name, 0o755, dir_fd=parent)
            else:
                os.close(os.open(name, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o644, dir_fd=parent))
        except FileExistsError:
            if depth > LINKS:
                raise
            # A link to what is missing: that is made, where the link leads to inside the root.
            points_to = os.readlink(name, dir_fd=parent)
            there = points_to if points_to.startswith("/") else f"{path.rpartition('/')[0]}/{points_to}"
            return self._place(there, directory=directory, depth=depth + 1)
        finally:
            os.close(parent)
        return self._open(path)

    def _parent(self, path: str, depth: int = 0) -> tuple[int, str]:
        parent, _, name = path.rstrip("/").rpartition("/")
        return self._place(parent or "/", directory=True, depth=depth), name


def resolve_identity(process: dict[str, Any]) -> Identity:
    """Who the process is: numbers as given, what is missing from the root's own passwd and group files."""
    user, name = process["user"], process["user_name"]
    users = _colon_file("/etc/passwd", 6)
    if user is None and name:
        found = next((entry for entry in users if entry[0] == name), None)
        if found is None:
            raise StepFailed("user", f"unable to find user {name}: no matching entries in passwd file")
        user = int(found[2])
    user = user if user is not None else 0
    entry = next((entry for entry in users if entry[2] == str(user)), None)
    group = process["group"]
    if group is None and process["group_name"]:
        groups = _colon_file("/etc/group", 3)
        match = next((line for line in groups if line[0] == process["group_name"]), None)
        if match is None:
            raise StepFailed("user", f"unable to find group {process['group_name']}: no matching entries")
        group = int(match[2])
    if group is None:
        group = int(entry[3]) if entry and entry[3].isdigit() else 0
    supplemental = list(process["groups"])
    if entry:
        member = [line for line in _colon_file("/etc/group", 4) if entry[0] in line[3].split(",")]
        supplemental += [int(line[2]) for line in member if line[2].isdigit()]
    return Identity(user, group, sorted({*supplemental, group}), entry[5] if entry and entry[5] else "/")


def take_identity(kernel: Kernel, process: dict[str, Any], who: Identity) -> None:
    """Drop what the process may not have, in the order in which each step still has the right to be done."""
    if process["nested_user"] and (who.user or who.group):
        _nest_user(kernel, who)
    if process["confine"]:
        keep = int(process["capabilities"])
        for number in range(LAST_CAPABILITY + 1):
            if not keep >> number & 1:
                try:
                    kernel.control_process(PR_CAPBSET_DROP, number)
                except OSError:
                    break  # the first that this kernel does not know
    if process["may_set_user"] and not process["nested_user"]:
        os.setgroups(list(who.groups))
        os.setresgid(who.group, who.group, who.group)
        os.setresuid(who.user, who.user, who.user)
    if process["confine"]:
        kernel.control_process(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL)
        if who.user == 0 and process["may_set_user"]:
            kernel.set_capabilities(_permitted() & int(process["capabilities"]))
    if process["no_new_privileges"]:
        kernel.control_process(PR_SET_NO_NEW_PRIVS, 1)
    os.umask(0o022)


def _nest_user(kernel: Kernel, who: Identity) -> None:
    """Become another number where only one user is mapped: a user namespace that renames it."""
    kernel.unshare(NEW_USER)
    maps = (("setgroups", "deny"), ("uid_map", f"{who.user} 0 1"), ("gid_map", f"{who.group} 0 1"))
    for name, text in maps:
        with open(f"/proc/self/{name}", "w", encoding="ascii") as file:
            file.write(text)


def _permitted() -> int:
    with open("/proc/self/status", encoding="ascii", errors="replace") as file:
        for line in file:
            if line.startswith("CapPrm:"):
                return int(line.split()[1], 16)
    return 0


def _limit_files(process: dict[str, Any]) -> None:
    if process["oom_score"]:
        with _named("oom score"), open("/proc/self/oom_score_adj", "w", encoding="ascii") as file:
            file.write(str(process["oom_score"]))


def _take_streams(process: dict[str, Any], surroundings: Surroundings, who: Identity) -> None:
    with _named("streams"):
        if process["tty"]:
            slave = _open_terminal(surroundings.report, process)
            streams = [slave, slave, slave]
        else:
            null = os.open("/dev/null", os.O_RDWR | os.O_CLOEXEC)
            given = (surroundings.stdin, surroundings.stdout, surroundings.stderr)
            streams = [descriptor if descriptor >= 0 else null for descriptor in given]
        # Lifted out of the way first: one of them may itself be numbered 0, 1 or 2.
        lifted = [fcntl.fcntl(descriptor, fcntl.F_DUPFD_CLOEXEC, 10) for descriptor in streams]
        for number, descriptor in enumerate(lifted):
            os.dup2(descriptor, number, inheritable=True)
            if process["may_set_user"] and not stat.S_ISCHR(os.fstat(number).st_mode):
                os.fchown(number, who.user, who.group)
        if process["tty"] and process["may_set_user"]:
            os.fchown(0, who.user, -1)


def _open_terminal(report: Reporter, process: dict[str, Any]) -> int:
    master = os.open("/dev/ptmx", os.O_RDWR | os.O_NOCTTY | os.O_CLOEXEC)
    fcntl.ioctl(master, TIOCSPTLCK, struct.pack("i", 0))
    slave = os.open(os.ttyname(_peer(master)), os.O_RDWR | os.O_CLOEXEC)
    fcntl.ioctl(slave, termios.TIOCSCTTY, 0)
    width, height = process.get("size") or (0, 0)
    if width and height:
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", height, width, 0, 0))
    report.terminal(master)
    os.close(master)
    return slave


def _peer(master: int) -> int:
    """The other side of a terminal, whatever mount its name can be found on."""
    TIOCGPTPEER = 0x5441
    return fcntl.ioctl(master, TIOCGPTPEER, os.O_RDWR | os.O_NOCTTY | os.O_CLOEXEC)


def execute(argv: Sequence[str], environment: dict[str, str], report: Reporter) -> None:
    """Exec the command, looked up in its own PATH. Returns only when there is none, after saying so."""
    signal.pthread_sigmask(signal.SIG_SETMASK, [])
    report.executing()
    try:
        program = find_program(argv[0], environment.get("PATH", ""))
        os.execve(program, list(argv), environment)
    except OSError as error:
        text = error.strerror or str(error)
        report.failed("exec", f'exec: "{argv[0]}": {text[:1].lower() + text[1:]}')


def find_program(name: str, search: str) -> str:
    """The file that ``name`` stands for, as a shell would find it. Raises ``OSError`` with Go's texts."""
    if "/" in name:
        os.stat(name)
        if stat.S_ISDIR(os.stat(name).st_mode):
            raise IsADirectoryError(21, "is a directory")
        return name
    for directory in search.split(":"):
        candidate = f"{directory or '.'}/{name}"
        if os.path.isfile(candidate) and os.access(candidate, os.X_OK):
            return candidate
    raise FileNotFoundError(2, "executable file not found in $PATH")


def _colon_file(path: str, fields: int) -> list[list[str]]:
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            lines = [line.rstrip("\n").split(":") for line in file]
    except OSError:
        return []
    return [line for line in lines if len(line) >= fields]
