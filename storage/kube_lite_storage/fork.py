"""An independent copy of an open store, as fast as the file system can make one.

Between two commits the data file is a consistent store; the writer's thread makes the copy then. Where the
file system shares blocks between files (btrfs, XFS) that is one call, whatever the size. Elsewhere the kernel
copies the pages in use. The copy is not synced: it is meant for tests, which lose nothing with the machine.
"""

import fcntl
import os
from pathlib import Path

from .ballast import as_store_full
from .environment import Environment, as_lock
from .errors import StoreError

_FICLONE = 0x40049409  # linux/fs.h; fcntl has it only in newer Pythons


def fork(environment: Environment, directory: Path) -> None:
    """Make ``directory`` a store with the same content. No transaction may be under way in this process.

    Raises ``StoreError`` when there is one already, ``StoreFull`` when there is no room.
    """
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    target = directory / "data.mdb"
    with as_lock(directory / "lock"):
        if target.exists():
            raise StoreError(f"{directory} holds a store already; fork into an empty directory")
        source = os.open(environment.path / "data.mdb", os.O_RDONLY | os.O_CLOEXEC)
        try:
            copy = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
            try:
                with as_store_full(directory):
                    _copy(source, copy, environment.used_bytes())
            except BaseException:
                target.unlink()
                raise
            finally:
                os.close(copy)
        finally:
            os.close(source)


def _copy(source: int, target: int, length: int) -> None:
    try:
        fcntl.ioctl(target, _FICLONE, source)
    except OSError:  # this file system cannot, or the two lie on different ones
        offset = 0
        while offset < length:
            sent = os.sendfile(target, source, offset, length - offset)
            if sent == 0:  # pages at the end that were taken and given back are counted but never written
                break
            offset += sent
