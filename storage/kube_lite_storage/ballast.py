"""Room on the disk that is kept for the day it is full, and telling that day from others.

LMDB never writes in place, so even a delete needs new pages, and on a full disk it could not be done. So a
file of a few megabytes lies beside the data. When a delete or a compaction finds no room it is thrown away,
the delete goes through, and the pages it frees serve the next ones. It is laid out again when the store is
opened, or has compacted, and the disk has room.
"""

import errno
import os
import resource
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import lmdb

from .errors import StoreFull

BALLAST_BYTES = 4 << 20
LITTLE_BYTES = 1 << 20
"""With less than this free a write that LMDB could not finish is put down to a full disk."""
_NO_ROOM = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


class Ballast:
    """The file that can be thrown away."""

    def __init__(self, path: Path, *, is_wanted: bool) -> None:
        self._path = path
        self._is_wanted = is_wanted

    def load(self) -> None:
        """Lay it out, unless it is there or there is no room."""
        if not self._is_wanted:
            return
        with suppress(OSError):
            descriptor = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
            try:
                os.posix_fallocate(descriptor, 0, BALLAST_BYTES)
            except OSError:
                self._path.unlink()
            finally:
                os.close(descriptor)

    def throw(self) -> bool:
        """Make room; False when that was done already."""
        try:
            self._path.unlink()
        except FileNotFoundError:
            return False
        return True


def is_full(error: Exception, directory: Path) -> bool:
    """Whether what LMDB or the system raised means that the disk, a quota or a limit of the process is full.

    LMDB 0.9 tells of a write that was cut short as of an input/output error, and does not say why it was.
    """
    code = error.errno if isinstance(error, OSError) else getattr(error, "code", None)
    if isinstance(error, lmdb.DiskError) or code in _NO_ROOM:
        return True
    return code == errno.EIO and _room_bytes(directory) < LITTLE_BYTES


def _room_bytes(directory: Path) -> int:
    found = os.statvfs(directory)
    free = found.f_bavail * found.f_frsize
    limit, _ = resource.getrlimit(resource.RLIMIT_FSIZE)
    if limit == resource.RLIM_INFINITY:
        return free
    data = directory / "data.mdb"
    return min(free, limit - (data.stat().st_size if data.exists() else 0))


@contextmanager
def as_store_full(directory: Path) -> Iterator[None]:
    """Tell of a full disk inside the block as of ``StoreFull``."""
    try:
        yield
    except (lmdb.Error, OSError) as error:
        if is_full(error, directory):
            raise StoreFull(f"there is no room in {directory}") from error
        raise
