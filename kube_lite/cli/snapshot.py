"""``kube-lite snapshot``: the whole store in one file, and back."""

import argparse
import time
from typing import TYPE_CHECKING

from .failure import Failure
from .serve import data_dir_of

if TYPE_CHECKING:
    from kube_lite.cluster.backup import Snapshot


def run(options: argparse.Namespace) -> int:
    """Save, restore or describe a snapshot. Returns 0."""
    from kube_lite.cluster import backup

    if options.action is None:
        raise Failure("which action? 'kube-lite snapshot save|restore|status FILE'")
    try:
        if options.action == "save":
            found = backup.save_store(data_dir_of(options), options.file)
            print(f"Saved revision {found.revision} in {options.file} ({words(found.data_bytes)}).")
        elif options.action == "restore":
            data_dir = data_dir_of(options)
            found = backup.restore_store(options.file, data_dir)
            print(f"Restored revision {found.revision} into {data_dir}; 'kube-lite up' starts from it.")
        else:
            print_status(backup.inspect(options.file))
    except backup.FAILURES as error:
        raise Failure(str(error)) from error
    return 0


def print_status(found: "Snapshot") -> None:
    """What the file says of itself; it has been held against its checksum."""
    taken = time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(found.taken))
    print(f"revision   {found.revision}")
    print(f"compacted  {found.compacted}")
    print(f"taken      {taken}")
    print(f"size       {words(found.data_bytes)}")
    print(f"format     {found.format}")
    print("checksum   right")


def words(size: int) -> str:
    """``1.4 MB``."""
    return f"{size / 1e6:.1f} MB" if size >= 1e5 else f"{size / 1e3:.1f} kB"
