"""Groups of processes that are limited, counted and killed together: cgroup v1 and v2.

``Groups.find`` looks at what is mounted and writable. Paths below it are names such as
``kube-lite-1f3a9c/4f0c/77ab``: an instance, its sandboxes, their containers. On v1 every controller has a
tree of its own and a group is one directory in each; on v2 there is one tree.

Facts of the files: kernel Documentation/admin-guide/cgroup-v1 and cgroup-v2.rst.
"""

# pathlib and contextlib would cost the supervisor a megabyte and 5 ms of its start.
# ruff: noqa: PTH102, PTH106, PTH112, PTH123, PTH208

import errno
import os
from collections.abc import Iterator
from typing import Any, NamedTuple

PERIOD_US = 100_000
CONTROLLERS = ("cpu", "cpuacct", "memory", "pids")
KILL_ROUNDS = 50
"""Passes over a group that forks while it is killed; each pass also catches the children of the last."""


class Counters(NamedTuple):
    """What a group has used, and uses now."""

    cpu_ns: int
    memory_bytes: int
    working_set_bytes: int
    pids: int
    oom_kills: int


class Groups:
    """The trees that this host offers: ``roots`` by controller, one for all (``""``) on v2."""

    def __init__(self, version: int, roots: dict[str, str]) -> None:
        self.version = version
        self.roots = roots

    @classmethod
    def find(cls, mounts: str = "/proc/self/mounts") -> "Groups | None":
        """What can be used here; None when there is nothing, or nothing that may be written to."""
        roots: dict[str, str] = {}
        unified = ""
        with open(mounts, encoding="utf-8", errors="replace") as file:
            for line in file:
                _, path, kind, options, *_ = line.split(" ")
                if kind == "cgroup2":
                    unified = path
                elif kind == "cgroup":
                    roots.update({name: path for name in options.split(",") if name in CONTROLLERS})
        usable = {name: path for name, path in roots.items() if _may_make_groups(path)}
        if "memory" in usable or "pids" in usable:
            return cls(1, usable)
        if unified and _may_make_groups(unified) and "memory" in _words(f"{unified}/cgroup.controllers"):
            return cls(2, {"": unified})
        return None

    def directories(self, name: str) -> list[str]:
        """The directories of a group, in all trees."""
        return sorted({f"{root}/{name}" for root in self.roots.values()})

    def create(self, name: str, limits: dict[str, Any]) -> list[str]:
        """Make a group whose parent exists, or take the one that is there, and limit it.

        ``limits`` are the fields of ``types.Limits``; None or missing is no limit.
        Returns its directories.
        """
        parent = name.rpartition("/")[0]
        if self.version == 2:
            _delegate(f"{self.roots['']}/{parent}".rstrip("/"))
        directories = self.directories(name)
        for directory in directories:
            try:
                os.mkdir(directory)
            except FileExistsError:
                continue
        for controller, file, value in plan_limits(self.version, limits):
            root = self.roots.get(controller)
            if root is not None:
                _write(f"{root}/{name}/{file}", value)
        return directories

    def processes(self, name: str) -> list[int]:
        """The processes in a group and in those below it, as this PID namespace numbers them."""
        found: set[int] = set()
        for directory in self.directories(name)[:1]:
            for path in _tree(directory):
                found.update(int(word) for word in _words(f"{path}/cgroup.procs"))
        found.discard(0)
        return sorted(found)

    def kill(self, name: str) -> None:
        """SIGKILL everything in a group and in those below it."""
        if self.version == 2:
            try:
                _write(f"{self.roots['']}/{name}/cgroup.kill", "1")
                return
            except OSError:
                pass  # before Linux 5.14 there is no such file
        for _ in range(KILL_ROUNDS):
            processes = self.processes(name)
            if not processes:
                return
            for pid in processes:
                try:
                    os.kill(pid, 9)
                except ProcessLookupError:
                    continue

    def remove(self, name: str) -> bool:
        """Remove a group and those below it. False when processes are still on their way out of it."""
        gone = True
        for directory in self.directories(name):
            for path in _tree(directory):
                try:
                    os.rmdir(path)
                except FileNotFoundError:
                    continue
                except OSError as error:
                    if error.errno != errno.EBUSY:
                        raise
                    gone = False
        return gone

    def names(self, prefix: str) -> list[str]:
        """The groups at the top whose names begin with ``prefix``."""
        return sorted(
            {
                name
                for root in self.roots.values()
                for name in os.listdir(root)
                if name.startswith(prefix) and os.path.isdir(f"{root}/{name}")
            }
        )

    def counters(self, name: str) -> Counters | None:
        """What a group has used; None when it is gone."""
        try:
            return self._counters_v2(name) if self.version == 2 else self._counters_v1(name)
        except (FileNotFoundError, OSError):
            return None

    def _counters_v2(self, name: str) -> Counters:
        directory = f"{self.roots['']}/{name}"
        memory = _number(f"{directory}/memory.current")
        cold = _table(f"{directory}/memory.stat").get("inactive_file", 0)
        return Counters(
            cpu_ns=_table(f"{directory}/cpu.stat").get("usage_usec", 0) * 1000,
            memory_bytes=memory,
            working_set_bytes=max(0, memory - cold),
            pids=_number(f"{directory}/pids.current"),
            oom_kills=_table(f"{directory}/memory.events").get("oom_kill", 0),
        )

    def _counters_v1(self, name: str) -> Counters:
        memory = cold = kills = cpu = pids = 0
        if "memory" in self.roots:
            directory = f"{self.roots['memory']}/{name}"
            memory = _number(f"{directory}/memory.usage_in_bytes")
            cold = _table(f"{directory}/memory.stat").get("total_inactive_file", 0)
            kills = _table(f"{directory}/memory.oom_control").get("oom_kill", 0)
        if "cpuacct" in self.roots:
            cpu = _number(f"{self.roots['cpuacct']}/{name}/cpuacct.usage")
        if "pids" in self.roots:
            pids = _number(f"{self.roots['pids']}/{name}/pids.current")
        return Counters(cpu, memory, max(0, memory - cold), pids, kills)


def join_cgroup(directory: str) -> None:
    """Move this process, which is ``0`` to itself, into a cgroup."""
    descriptor = os.open(f"{directory}/cgroup.procs", os.O_WRONLY | os.O_CLOEXEC)
    try:
        os.write(descriptor, b"0")
    finally:
        os.close(descriptor)


def plan_limits(version: int, limits: dict[str, Any]) -> Iterator[tuple[str, str, str]]:
    """Limits as (controller, file, text), in the order in which they must be written."""
    shares, quota = limits.get("cpu_shares"), limits.get("cpu_quota_us")
    memory, pids = limits.get("memory_bytes"), limits.get("pids")
    if version == 2:
        if shares is not None:
            yield "", "cpu.weight", str(weight_of_shares(shares))
        if quota is not None:
            yield "", "cpu.max", f"{max(1000, quota)} {PERIOD_US}"
        if memory is not None:
            yield "", "memory.max", str(memory)
        if pids is not None:
            yield "", "pids.max", str(pids)
        return
    if shares is not None:
        yield "cpu", "cpu.shares", str(max(2, shares))
    if quota is not None:
        yield "cpu", "cpu.cfs_period_us", str(PERIOD_US)
        yield "cpu", "cpu.cfs_quota_us", str(max(1000, quota))  # the kernel refuses less than 1 ms
    if memory is not None:
        yield "memory", "memory.limit_in_bytes", str(memory)
    if pids is not None:
        yield "pids", "pids.max", str(pids)


def weight_of_shares(shares: int) -> int:
    """v1 shares, 2 to 262144, as v2 weight, 1 to 10000.

    Source: the conversion of KEP-2254 (cgroup v2), as in runc's ConvertCPUSharesToCgroupV2Value before 1.3.
    """
    return 1 + (min(262_144, max(2, shares)) - 2) * 9999 // 262_142


def _may_make_groups(root: str) -> bool:
    return os.path.isdir(root) and os.access(root, os.W_OK) and not os.statvfs(root).f_flag & os.ST_RDONLY


def _delegate(directory: str) -> None:
    """Let the groups below a v2 directory use its controllers."""
    available = set(_words(f"{directory}/cgroup.controllers")) & {"cpu", "memory", "pids"}
    missing = available - set(_words(f"{directory}/cgroup.subtree_control"))
    if missing:
        _write(f"{directory}/cgroup.subtree_control", " ".join(f"+{name}" for name in sorted(missing)))


def _tree(directory: str) -> Iterator[str]:
    """A directory and those below it, the deepest first."""
    try:
        below = [entry.path for entry in os.scandir(directory) if entry.is_dir(follow_symlinks=False)]
    except FileNotFoundError:
        return
    for path in below:
        yield from _tree(path)
    yield directory


def _write(path: str, text: str) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
    try:
        os.write(descriptor, text.encode())
    finally:
        os.close(descriptor)


def _words(path: str) -> list[str]:
    try:
        with open(path, encoding="ascii") as file:
            return file.read().split()
    except OSError:
        return []


def _number(path: str) -> int:
    with open(path, encoding="ascii") as file:
        return int(file.read())


def _table(path: str) -> dict[str, int]:
    """Lines of a name and a number."""
    with open(path, encoding="ascii") as file:
        return {name: int(value) for name, value in (line.split() for line in file)}
