"""Directories and files of volumes on this host. Everything here blocks, so it runs on the volume thread.

Files that come from the API are replaced together: they are written into a new directory beside the old
one, and ``..data``, a symbolic link through which every visible name leads, is turned over in one step. So
a reader sees either all old or all new files. Source: kubernetes/pkg/volume/util/atomic_writer.go.
"""

import os
import shutil
import stat
import tempfile
from pathlib import Path

from .payloads import Payload, VolumeFailed

DATA = "..data"
MEMORY = Path("/dev/shm")  # a tmpfs on every Linux host; on some only root may write there
KINDS = {
    "Directory": (stat.S_ISDIR, "directory"),
    "File": (stat.S_ISREG, "file"),
    "Socket": (stat.S_ISSOCK, "socket"),
    "CharDevice": (stat.S_ISCHR, "character device"),
    "BlockDevice": (stat.S_ISBLK, "block device"),
}


def write_payload(
    directory: Path, files: Payload, group: int | None = None, *, is_secret: bool = False
) -> bool:
    """Let ``directory`` show exactly ``files``; False if it did already.

    Args:
        group: owner group of the files, which may then read them.
        is_secret: keep them in memory, where the host has any, so that no disk ever holds them.
    """
    if is_secret and has_memory() and not directory.exists():
        private = memory_directory(directory)
        private.mkdir(mode=0o700, exist_ok=True)
        if private.is_symlink() or private.stat().st_uid != os.geteuid():
            raise VolumeFailed(f"{private} belongs to somebody else")
        # The modes of the files are for those in the pod; on the host the directory above keeps others out.
        (private / "files").mkdir(mode=0o755, exist_ok=True)
        _lead_to(directory, private / "files")
    directory.mkdir(mode=0o755, parents=True, exist_ok=True)
    link = directory / DATA
    if _shows(link, files):
        return False
    fresh = Path(tempfile.mkdtemp(prefix="..", dir=directory))
    fresh.chmod(0o755)
    for relative, file in files.items():
        _write(fresh / _inside(relative), file.content, file.mode, group)
    before = link.resolve() if link.is_symlink() else None
    turned = directory / "..data_tmp"
    turned.unlink(missing_ok=True)
    turned.symlink_to(fresh.name)
    turned.replace(link)
    _show(directory, {relative.split("/")[0] for relative in files})
    if before is not None and before.parent == directory.resolve():
        shutil.rmtree(before, ignore_errors=True)
    return True


def _inside(relative: str) -> Path:
    path = Path(relative)
    if path.is_absolute() or ".." in path.parts or not path.parts:
        raise VolumeFailed(f"invalid path: {relative}")
    return path


def _shows(link: Path, files: Payload) -> bool:
    if not link.is_symlink():
        return False
    there = {str(path.relative_to(link)) for path in link.rglob("*") if not path.is_dir()}
    if there != set(files):
        return False
    return all((link / relative).read_bytes() == file.content for relative, file in files.items())


def _write(path: Path, content: bytes, mode: int, group: int | None) -> None:
    path.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
    path.touch(mode=0o600)  # nobody else may read it before it has its own mode
    path.write_bytes(content)
    if group is not None:
        mode |= 0o440
        _give_to_group(path, group)
    path.chmod(mode & 0o777)


def _show(directory: Path, names: set[str]) -> None:
    for name in names:
        visible = directory / name
        if not visible.is_symlink():
            visible.symlink_to(f"{DATA}/{name}")
    for visible in directory.iterdir():
        if visible.is_symlink() and not visible.name.startswith("..") and visible.name not in names:
            visible.unlink()


def _give_to_group(path: Path, group: int) -> None:
    if os.geteuid() == 0:
        os.chown(path, -1, group)


def make_empty_directory(directory: Path, source: dict[str, object], group: int | None = None) -> Path:
    """The directory of an ``emptyDir``; in memory if it asks for that and the host can."""
    if source.get("medium") == "Memory" and has_memory() and not directory.exists():
        in_memory = memory_directory(directory)
        in_memory.mkdir(exist_ok=True)
        _lead_to(directory, in_memory)
    directory.mkdir(parents=True, exist_ok=True)
    real = directory.resolve()
    if group is not None:
        _give_to_group(real, group)
    real.chmod(0o2777 if group is not None else 0o777)
    return real


def _lead_to(directory: Path, in_memory: Path) -> None:
    """Make the link; one that leads nowhere, because the host was started anew, is replaced."""
    directory.parent.mkdir(parents=True, exist_ok=True)
    directory.unlink(missing_ok=True)
    directory.symlink_to(in_memory)


def has_memory() -> bool:
    """Whether directories can be kept in memory on this host, by this user."""
    return MEMORY.is_dir() and os.access(MEMORY, os.W_OK | os.X_OK)


def memory_directory(directory: Path) -> Path:
    """Where ``…/<uid>/volumes/<volume>`` lies if it is in memory: ``/dev/shm/kube-lite-<uid>-<volume>``."""
    return MEMORY / f"kube-lite-{directory.parent.parent.name}-{directory.name}"


def check_host_path(path: Path, kind: str) -> None:
    """Hold a host path against its ``type``, making it where the type says so. Raises ``VolumeFailed``."""
    if kind == "DirectoryOrCreate" and not path.exists():
        path.mkdir(mode=0o755, parents=True)
    if kind == "FileOrCreate" and not path.exists():
        path.touch(mode=0o644)
    wanted = kind.removesuffix("OrCreate")
    if wanted in KINDS:
        is_kind, word = KINDS[wanted]
        if not path.exists() or not is_kind(path.stat().st_mode):
            raise VolumeFailed(f"hostPath type check failed: {path} is not a {word}")
    elif not path.exists():
        path.mkdir(mode=0o755, parents=True)  # as container runtimes do for a source that is not there


def resolve_inside(volume: Path, relative: str) -> Path:
    """The file or directory that a ``subPath`` means; made as a directory if it is not there.

    Raises:
        VolumeFailed: it leads out of the volume, by itself or through a link.
    """
    base = volume.resolve()
    target = (base / relative).resolve()
    if not target.is_relative_to(base):
        raise VolumeFailed(f"subPath {relative!r} leads out of its volume")
    if not target.exists():
        target.mkdir(mode=0o750, parents=True)
        target.chmod(volume.stat().st_mode & 0o777)
    return target


def forget_secrets(root: Path) -> None:
    """Remove the files of secrets of all pods of the node at ``root``; none of them runs any more.

    They are made again when the pod is started again.
    """
    for volume in root.glob("pods/*/volumes/*"):
        private = memory_directory(volume)
        if volume.is_symlink() and volume.readlink().parent == private:
            shutil.rmtree(private, ignore_errors=True)
            volume.unlink(missing_ok=True)


def remove_pod_directory(directory: Path) -> None:
    """Remove what was made for a pod, its volumes in memory included; twice is no error."""
    volumes = directory / "volumes"
    if volumes.is_dir():
        for volume in volumes.iterdir():
            if volume.is_symlink():
                shutil.rmtree(memory_directory(volume), ignore_errors=True)
                volume.unlink(missing_ok=True)
    shutil.rmtree(directory, ignore_errors=True)
