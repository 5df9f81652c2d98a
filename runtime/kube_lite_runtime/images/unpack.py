"""A tar archive becomes a directory, and nothing outside it is touched, whatever the archive says.

Every member's parent is opened from the root down without following a link, and the member is made relative
to that descriptor; so neither ``..``, absolute names, nor a link planted by an earlier member leads out.
Hard links may only name what is inside. Device files are left out: a container gets its own ``/dev``.
"""

import os
import stat
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

MEMBERS = 1_000_000
"""More than any image has; an archive beyond it is an attack or a mistake."""
_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


class UnsafeArchive(ValueError):
    """The archive asks for something outside its directory, or is none; nothing of it should be used."""


def unpack(archive: Path, destination: Path) -> int:
    """Unpack ``archive``, plain or compressed, into the existing directory ``destination``; bytes of content.

    Owners and modes are kept when we may set owners, otherwise only modes.
    """
    size = 0
    try:
        with tarfile.open(archive) as tar, _opened(destination) as root:
            for count, member in enumerate(tar):
                if count >= MEMBERS:
                    raise UnsafeArchive(f"{archive.name}: more than {MEMBERS} members")
                _place(tar, member, root)
                size += member.size if member.isreg() else 0
    except tarfile.TarError as error:
        raise UnsafeArchive(f"{archive.name}: {error}") from error
    return size


def _place(tar: tarfile.TarFile, member: tarfile.TarInfo, root: int) -> None:
    parts = _parts(member.name)
    if not parts:
        return
    with _parent(root, parts) as parent:
        name = parts[-1]
        if member.isdir():
            _clear(parent, name, keep_directory=True)
            if not _is_directory(parent, name):
                os.mkdir(name, 0o755, dir_fd=parent)
        elif member.isreg():
            _clear(parent, name)
            _write(tar, member, parent, name)
        elif member.issym():
            _clear(parent, name)
            os.symlink(member.linkname, name, dir_fd=parent)
        elif member.islnk():
            _clear(parent, name)
            _link(root, _parts(member.linkname), parent, name)
            return
        elif member.isfifo():
            _clear(parent, name)
            os.mkfifo(name, dir_fd=parent)
        else:
            return
        _own(member, parent, name)


def _own(member: tarfile.TarInfo, parent: int, name: str) -> None:
    if os.geteuid() == 0:
        os.chown(name, member.uid, member.gid, dir_fd=parent, follow_symlinks=False)
    if not member.issym():
        os.chmod(name, stat.S_IMODE(member.mode), dir_fd=parent)
    os.utime(name, (member.mtime, member.mtime), dir_fd=parent, follow_symlinks=False)


def _write(tar: tarfile.TarFile, member: tarfile.TarInfo, parent: int, name: str) -> None:
    content = tar.extractfile(member)
    if content is None:
        raise UnsafeArchive(f"{member.name}: no content")
    descriptor = os.open(
        name, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600, dir_fd=parent
    )
    with content, os.fdopen(descriptor, "wb") as file:
        while piece := content.read(1024 * 1024):
            file.write(piece)


def _link(root: int, target: list[str], parent: int, name: str) -> None:
    if not target:
        raise UnsafeArchive("a hard link to nothing")
    with _parent(root, target) as source:
        try:
            os.link(target[-1], name, src_dir_fd=source, dst_dir_fd=parent, follow_symlinks=False)
        except FileNotFoundError as error:
            raise UnsafeArchive(f"{'/'.join(target)}: a hard link to what is not in the archive") from error


def _parts(name: str) -> list[str]:
    parts = [part for part in name.split("/") if part not in ("", ".")]
    if ".." in parts:
        raise UnsafeArchive(f"{name}: leads out of the archive")
    return parts


@contextmanager
def _opened(directory: Path) -> Iterator[int]:
    descriptor = os.open(directory, _DIRECTORY)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


@contextmanager
def _parent(root: int, parts: list[str]) -> Iterator[int]:
    """The directory of the last part, made where it is missing; never through a link."""
    current = os.dup(root)
    try:
        for part in parts[:-1]:
            try:
                below = os.open(part, _DIRECTORY, dir_fd=current)
            except FileNotFoundError:
                os.mkdir(part, 0o755, dir_fd=current)
                below = os.open(part, _DIRECTORY, dir_fd=current)
            except OSError as error:
                raise UnsafeArchive(f"{'/'.join(parts)}: {part} is no directory") from error
            os.close(current)
            current = below
        yield current
    finally:
        os.close(current)


def _is_directory(parent: int, name: str) -> bool:
    try:
        return stat.S_ISDIR(os.stat(name, dir_fd=parent, follow_symlinks=False).st_mode)
    except FileNotFoundError:
        return False


def _clear(parent: int, name: str, *, keep_directory: bool = False) -> None:
    """A later member of the same name replaces the earlier."""
    if _is_directory(parent, name):
        if not keep_directory:
            os.rmdir(name, dir_fd=parent)
        return
    try:
        os.unlink(name, dir_fd=parent)
    except FileNotFoundError:
        return
