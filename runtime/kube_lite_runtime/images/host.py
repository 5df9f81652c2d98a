"""The image ``localhost/host``: the host's own programs, as the read-only lower layer of containers.

It shows the directories of an operating system (``SHOWN``) and nothing else: no homes, no ``/var``, no
``/srv``, no other top-level directory, which may hold anybody's data. Of ``/etc`` it shows what every user of
the host may read: files that only root can read (password hashes, host keys, private keys) are covered by a
layer of whiteouts, because root in a container would otherwise be able to read them.

The Python that runs this may live in somebody's home (a version manager, a tool cache). Its installation
appears read-only at its own path, and its ``bin`` at the end of PATH, so that ``python3`` is found anyway.
"""

import os
import stat
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from ..process.mounts import HostRoot
from ..types import ImageState

HOST_IMAGE = "localhost/host:latest"
SCRATCH_MODE = 0o1777
SHOWN = ("/bin", "/etc", "/lib", "/lib32", "/lib64", "/libx32", "/nix", "/opt", "/sbin", "/usr")
EMPTY = (
    ("/dev", 0o755),
    ("/home", 0o755),
    ("/proc", 0o555),
    ("/root", 0o755),
    ("/run", 0o755),
    ("/sys", 0o555),
    ("/tmp", SCRATCH_MODE),
    ("/var", 0o755),
    ("/var/cache", 0o755),
    ("/var/lib", 0o755),
    ("/var/log", 0o755),
    ("/var/spool", 0o755),
    ("/var/tmp", SCRATCH_MODE),
)
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
WHITEOUT = os.makedev(0, 0)


def python_home() -> Path | None:
    """Where the running Python is installed, when the shown directories do not contain it."""
    home = Path(sys.base_prefix).resolve()
    return None if any(home.is_relative_to(path) for path in SHOWN) else home


def host_image() -> ImageState:
    """The image as others see it."""
    home = python_home()
    path = PATH if home is None else f"{PATH}:{home}/bin"
    return ImageState(
        id="sha256:" + "0" * 64,
        names=(HOST_IMAGE,),
        size_bytes=0,
        environment=(f"PATH={path}",),
    )


def plan_host_root(masks: Path, skeleton: Path, *, busy: Path) -> HostRoot:
    """What of the host's root is shown, given how it looks now.

    Args:
        masks: where ``make_masks`` has put whiteouts.
        skeleton: what ``make_skeleton`` has made.
        busy: the directory with the upper layers of containers. An overlay may not have its upper layer
            inside its lower one, so the directory that contains it appears as it is, read-only.
    """
    layers: list[tuple[str, Sequence[str]]] = []
    shown: list[str] = []
    for name in SHOWN:
        path = Path(name)
        if path.is_symlink() or not path.is_dir():
            continue
        if busy.is_relative_to(path):
            shown.append(name)
        else:
            mask = masks / name.strip("/")
            layers.append((name, [str(mask), name] if mask.is_dir() else [name]))
    home = python_home()
    if home is not None:
        shown.append(str(home))
    return HostRoot(layers=layers, shown=shown, skeleton=str(skeleton))


def make_skeleton(skeleton: Path) -> None:
    """Make what lies at the top of the root: the host's own links, empty directories, places for mounts."""
    skeleton.mkdir(mode=0o755, parents=True, exist_ok=True)
    for name, mode in EMPTY:
        place = skeleton / name.strip("/")
        place.mkdir(exist_ok=True)
        place.chmod(mode)
    for name in SHOWN:
        path, place = Path(name), skeleton / name.strip("/")
        if path.is_symlink():
            place.unlink(missing_ok=True)
            place.symlink_to(path.readlink())
        elif path.is_dir():
            place.mkdir(mode=0o755, exist_ok=True)
    run = skeleton / "var" / "run"
    if not run.is_symlink():
        run.symlink_to("/run")
    home = python_home()
    if home is not None:
        (skeleton / str(home).strip("/")).mkdir(mode=0o755, parents=True, exist_ok=True)


def make_masks(masks: Path) -> None:
    """Cover what only root may read below ``/etc`` with whiteouts, a layer's way to say "not here"."""
    root = masks / "etc"
    root.mkdir(mode=0o755, parents=True, exist_ok=True)
    for path in private_files(Path("/etc")):
        place = root / path.relative_to("/etc")
        place.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
        if not place.is_char_device():
            os.mknod(place, stat.S_IFCHR, WHITEOUT)


def private_files(directory: Path) -> Iterator[Path]:
    """What others than owner and group may not read, the outermost only."""
    try:
        entries = sorted(os.scandir(directory), key=lambda entry: entry.name)
    except OSError:
        return
    for entry in entries:
        try:
            mode = entry.stat(follow_symlinks=False).st_mode
        except OSError:
            continue
        if stat.S_ISLNK(mode):
            continue
        if not mode & stat.S_IROTH or (stat.S_ISDIR(mode) and not mode & stat.S_IXOTH):
            yield Path(entry.path)
        elif stat.S_ISDIR(mode):
            yield from private_files(Path(entry.path))
