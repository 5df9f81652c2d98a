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
    MOUNT_ATTR_NODEV,
    MOUNT_ATTR_NOEXEC,
    MOUNT_ATTR_NOSUID,
    MOUNT_ATTR_RDONLY,
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
DEVICES = ("null", "zero", "full", "random", "urandom", "tty")
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
    steps += plan_layers(surface, flags=0 if security.privileged else MS_NODEV)
    steps += plan_kernel_files(surface, security)
    steps += plan_devices(surface, security)
    steps += [["bind", target, str(source), MOUNT_ATTR_NODEV, MS_PRIVATE] for source, target in surface.files]
    steps += [plan_mount(mount, security) for mount in in_order(mounts)]
    if not security.privileged:
        steps += [["mask", path] for path in MASKED_PATHS]
        steps += [["freeze", path] for path in READ_ONLY_PATHS]
    steps.append(["pivot", security.read_only_root])
    return steps


def plan_layers(surface: Surface, *, flags: int) -> Iterator[Step]:
    """The root itself."""
    options = ["userxattr"] if surface.in_user_namespace else []
    if surface.layers:
        lower = ":".join(_escaped(str(layer)) for layer in surface.layers)
        yield ["root", "overlay", "overlay", flags, _overlay(lower, "upper", "work", options)]
        return
    skeleton = _escaped(surface.host.skeleton)
    yield ["root", "overlay", "overlay", flags, _overlay(skeleton, "upper/root", "work/root", options)]
    for target, layers in surface.host.layers:
        name = target.strip("/")
        lower = ":".join(map(_escaped, layers))
        yield [
            "mount",
            target,
            "overlay",
            "overlay",
            flags,
            _overlay(lower, f"upper/{name}", f"work/{name}", options),
        ]
    for path in surface.host.shown:
        yield ["bind", path, path, MOUNT_ATTR_RDONLY | MOUNT_ATTR_NODEV, MS_PRIVATE]
    yield from (["mask", str(path)] for path in surface.hidden)


def plan_kernel_files(surface: Surface, security: Security) -> Iterator[Step]:
    """``/proc`` and ``/sys``."""
    if surface.own_pids:
        yield ["mount", "/proc", "proc", "proc", SAFE, ""]
    else:
        yield ["bind", "/proc", "/proc", 0, MS_PRIVATE]
    read_only = 0 if security.privileged else MS_RDONLY
    if surface.own_network or not surface.in_user_namespace:
        yield ["mount", "/sys", "sysfs", "sysfs", SAFE | read_only, ""]
    else:  # a user namespace may mount sysfs only together with a network of its own
        yield ["bind", "/sys", "/sys", 0 if security.privileged else MOUNT_ATTR_RDONLY, MS_PRIVATE]


def plan_devices(surface: Surface, security: Security) -> Iterator[Step]:
    """``/dev`` with what every program expects; all of the host's devices for a privileged container.

    A container may make device files, but every mount of its own is ``nodev``: only the devices that are
    shown here, one mount each, can be opened. That takes the place of a device cgroup, on any host.
    """
    nodev = 0 if security.privileged else MS_NODEV
    yield ["mount", "/dev", "tmpfs", "tmpfs", MS_NOSUID | nodev, "size=64k,mode=755"]
    yield from (["bind", f"/dev/{name}", f"/dev/{name}", 0, MS_PRIVATE] for name in DEVICES)
    if security.privileged and not surface.in_user_namespace:
        yield from plan_host_devices()
    for name, points_to in DEVICE_LINKS.items():
        yield ["link", f"/dev/{name}", points_to]
    terminals = "newinstance,ptmxmode=0666,mode=0620" + ("" if surface.in_user_namespace else ",gid=5")
    yield ["mount", "/dev/pts", "devpts", "devpts", MS_NOSUID | MS_NOEXEC, terminals]
    if surface.shared_memory is not None:
        attributes = MOUNT_ATTR_NODEV | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC
        yield ["bind", "/dev/shm", str(surface.shared_memory), attributes, MS_PRIVATE]
    else:
        yield ["mount", "/dev/shm", "shm", "tmpfs", SAFE, "mode=1777,size=64m"]
    if surface.own_ipc or not surface.in_user_namespace:
        yield ["attempt", "/dev/mqueue", "mqueue", "mqueue", SAFE, ""]


def plan_host_devices() -> Iterator[Step]:
    """The host's character and block devices, as they are now."""
    taken = {*DEVICES, *DEVICE_LINKS, "ptmx"}
    for entry in sorted(Path("/dev").iterdir()):
        if entry.name not in taken and (entry.is_char_device() or entry.is_block_device()):
            yield ["bind", str(entry), str(entry), 0, MS_PRIVATE]


def plan_mount(mount: Mount, security: Security) -> Step:
    """One volume. One of the devices that every container has stays a device: ``/dev/null`` hides files."""
    attributes = MOUNT_ATTR_RDONLY if mount.read_only else 0
    if not security.privileged and str(mount.source) not in {f"/dev/{name}" for name in DEVICES}:
        attributes |= MOUNT_ATTR_NODEV
    return ["bind", mount.target, str(mount.source), attributes, PROPAGATION[mount.propagation]]


def in_order(mounts: Sequence[Mount]) -> list[Mount]:
    """Outer directories before those inside them; otherwise as given, the later covering the earlier."""
    return sorted(mounts, key=lambda mount: os.path.normpath(mount.target).count("/"))


def _overlay(lower: str, upper: str, work: str, options: Sequence[str]) -> str:
    return ",".join([f"lowerdir={lower}", f"upperdir={upper}", f"workdir={work}", *options])


def _escaped(path: str) -> str:
    """A path as overlayfs reads it: colons part layers, commas part options."""
    return path.replace("\\", "\\\\").replace(":", "\\:").replace(",", "\\,")
