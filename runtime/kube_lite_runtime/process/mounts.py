"""The root file system of a container, as steps for ``init.RootBuilder``: pure, nothing is touched here.

An image is a directory: it becomes the lower, read-only layer of an overlay whose upper layer is the
container's own. The host's own root is an image too (``HostRoot``), made of only some of its directories:
each is the lower layer of an overlay of its own, mounted in an empty root. So a container sees the host's
programs and libraries, but not its homes, its data, what runs on it, or what only root may read.
"""

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from ..types import Mount, Security
from .security import MASKED_PATHS, READ_ONLY_PATHS
from .syscalls import (
    MS_NODEV,
    MS_NOEXEC,
    MS_NOSUID,
    MS_PRIVATE,
    MS_RDONLY,
    MS_SHARED,
    MS_SLAVE,
)

Step = Sequence[Any]

PROPAGATION = {"private": MS_PRIVATE, "rslave": MS_SLAVE, "rshared": MS_SHARED}
DEVICES = {"null": (1, 3), "zero": (1, 5), "full": (1, 7), "random": (1, 8), "urandom": (1, 9), "tty": (5, 0)}
DEVICE_LINKS = {
    "fd": "/proc/self/fd",
    "stdin": "/proc/self/fd/0",
    "stdout": "/proc/self/fd/1",
    "stderr": "/proc/self/fd/2",
    "ptmx": "pts/ptmx",
}
SAFE = MS_NOSUID | MS_NODEV | MS_NOEXEC


class HostRoot(NamedTuple):
    """What of the host's root the ``host`` image shows."""

    layers: Sequence[tuple[str, Sequence[str]]] = ()
    """Directory inside, and its layers, the topmost first: ``("/etc", ["…/masks/etc", "/etc"])``."""
    shown: Sequence[str] = ()
    """Directories that appear read-only as they are: they hold our own upper layers, or a Python."""
    skeleton: str = ""
    """A directory with the links and the empty directories of the root: its lowest layer."""


class Surface(NamedTuple):
    """What the mounts of one container depend on besides its spec."""

    directory: Path
    """The container's own: ``upper``, ``work`` and ``root`` are below it."""
    layers: Sequence[Path]
    """The image's directories, the topmost first; empty for the host's root."""
    host: HostRoot
    shared_memory: Path | None
    """The pod's ``/dev/shm``; None gives the container one of its own."""
    files: Sequence[tuple[Path, str]]
    """Files of the pod and where they appear: ``/etc/hosts`` and the like."""
    in_user_namespace: bool
    own_network: bool
    own_ipc: bool
    own_pids: bool
    hidden: Sequence[Path] = ()
    """Directories of the host that a container of the host's root must not see."""


def plan_root(surface: Surface, mounts: Sequence[Mount], security: Security) -> list[Step]:
    """Every step from a fresh mount namespace to the container's own root."""
    steps: list[Step] = [["propagation", MS_SLAVE], ["enter", str(surface.directory)]]
    steps += plan_layers(surface)
    steps += plan_kernel_files(surface, security)
    steps += plan_devices(surface, security)
    steps += [["bind", target, str(source), False, MS_PRIVATE] for source, target in surface.files]
    steps += [plan_mount(mount) for mount in in_order(mounts)]
    if not security.privileged:
        steps += [["mask", path] for path in MASKED_PATHS]
        steps += [["freeze", path] for path in READ_ONLY_PATHS]
    steps.append(["pivot", security.read_only_root])
    return steps


def plan_layers(surface: Surface) -> Iterator[Step]:
    """The root itself."""
    options = ["userxattr"] if surface.in_user_namespace else []
    if surface.layers:
        lower = ":".join(_escaped(str(layer)) for layer in surface.layers)
        yield ["root", "overlay", "overlay", 0, _overlay(lower, "upper", "work", options)]
        return
    skeleton = _escaped(surface.host.skeleton)
    yield ["root", "overlay", "overlay", 0, _overlay(skeleton, "upper/root", "work/root", options)]
    for target, layers in surface.host.layers:
        name = target.strip("/")
        lower = ":".join(map(_escaped, layers))
        yield [
            "mount",
            target,
            "overlay",
            "overlay",
            0,
            _overlay(lower, f"upper/{name}", f"work/{name}", options),
        ]
    for path in surface.host.shown:
        yield ["bind", path, path, True, MS_PRIVATE]
    yield from (["mask", str(path)] for path in surface.hidden)


def plan_kernel_files(surface: Surface, security: Security) -> Iterator[Step]:
    """``/proc`` and ``/sys``."""
    if surface.own_pids:
        yield ["mount", "/proc", "proc", "proc", SAFE, ""]
    else:
        yield ["bind", "/proc", "/proc", False, MS_PRIVATE]
    read_only = 0 if security.privileged else MS_RDONLY
    if surface.own_network or not surface.in_user_namespace:
        yield ["mount", "/sys", "sysfs", "sysfs", SAFE | read_only, ""]
    else:  # a user namespace may mount sysfs only together with a network of its own
        yield ["bind", "/sys", "/sys", not security.privileged, MS_PRIVATE]


def plan_devices(surface: Surface, security: Security) -> Iterator[Step]:
    """``/dev`` with what every program expects; all of the host's devices for a privileged container."""
    yield ["mount", "/dev", "tmpfs", "tmpfs", MS_NOSUID, "size=64k,mode=755"]
    for name, (major, minor) in DEVICES.items():
        if surface.in_user_namespace:
            yield ["bind", f"/dev/{name}", f"/dev/{name}", False, MS_PRIVATE]
        else:
            yield ["device", f"/dev/{name}", major, minor]
    if security.privileged and not surface.in_user_namespace:
        yield from plan_host_devices()
    for name, points_to in DEVICE_LINKS.items():
        yield ["link", f"/dev/{name}", points_to]
    terminals = "newinstance,ptmxmode=0666,mode=0620" + ("" if surface.in_user_namespace else ",gid=5")
    yield ["mount", "/dev/pts", "devpts", "devpts", MS_NOSUID | MS_NOEXEC, terminals]
    if surface.shared_memory is not None:
        yield ["bind", "/dev/shm", str(surface.shared_memory), False, MS_PRIVATE]
    else:
        yield ["mount", "/dev/shm", "shm", "tmpfs", SAFE, "mode=1777,size=64m"]
    if surface.own_ipc or not surface.in_user_namespace:
        yield ["attempt", "/dev/mqueue", "mqueue", "mqueue", SAFE, ""]


def plan_host_devices() -> Iterator[Step]:
    """The host's character and block devices, as they are now."""
    taken = {*DEVICES, *DEVICE_LINKS}
    for entry in sorted(Path("/dev").iterdir()):
        if entry.name not in taken and (entry.is_char_device() or entry.is_block_device()):
            yield ["bind", str(entry), str(entry), False, MS_PRIVATE]


def plan_mount(mount: Mount) -> Step:
    """One volume."""
    return ["bind", mount.target, str(mount.source), mount.read_only, PROPAGATION[mount.propagation]]


def in_order(mounts: Sequence[Mount]) -> list[Mount]:
    """Outer directories before those inside them; otherwise as given, the later covering the earlier."""
    return sorted(mounts, key=lambda mount: os.path.normpath(mount.target).count("/"))


def _overlay(lower: str, upper: str, work: str, options: Sequence[str]) -> str:
    return ",".join([f"lowerdir={lower}", f"upperdir={upper}", f"workdir={work}", *options])


def _escaped(path: str) -> str:
    """A path as overlayfs reads it: colons part layers, commas part options."""
    return path.replace("\\", "\\\\").replace(":", "\\:").replace(",", "\\,")
