"""Save, restore and verify the store of a cluster, whether the cluster runs or not.

A snapshot holds every object at one revision with its kept history. What lies beside the store in the data
directory (the cluster's CA, its token key, the keys of encrypted Secrets, images) is not in it: restored into
a directory of its own, a cluster makes itself a new CA, and Secrets need the keys they were written with.

Verifying happens in a process of its own, because LMDB trusts its file: reading a damaged page may end the
process that reads it, and that is an answer as well.
"""

import signal
import subprocess
import sys
from pathlib import Path

from kube_lite_storage import Snapshot, Store, StoreError, inspect, restore

__all__ = ["FAILURES", "Snapshot", "check_store", "inspect", "restore_store", "save_store"]

FAILURES = (StoreError, OSError)
"""What these functions raise when the answer is a line for the terminal."""
CHECK_SECONDS = 900.0  # a sound store of many gigabytes takes minutes
STORE = "store"
"""The store's folder in a data directory."""


def save_store(data_dir: Path, file: Path) -> Snapshot:
    """Write a snapshot, beside a running cluster or of one that is down."""
    with Store.open_read_only(data_dir / STORE) as view:
        return view.snapshot(file)


def restore_store(file: Path, data_dir: Path) -> Snapshot:
    """Make the store of a new cluster of a snapshot; ``kube-lite up`` on ``data_dir`` starts from it."""
    data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    return restore(file, data_dir / STORE)


def check_store(data_dir: Path) -> list[str]:
    """Walk every table, index and checksum; each problem in words, empty when the store is sound."""
    command = [sys.executable, "-c", _CHECK, str(data_dir / STORE)]
    try:
        answer = subprocess.run(command, capture_output=True, text=True, check=False, timeout=CHECK_SECONDS)
    except subprocess.TimeoutExpired:
        return [
            f"{data_dir / STORE}: reading it does not come to an end; pages refer to each other in a circle"
        ]
    if answer.returncode < 0:
        name = signal.Signals(-answer.returncode).name
        return [f"{data_dir / STORE}: reading it ends in {name}; pages are damaged or missing"]
    problems = answer.stdout.splitlines()
    if answer.returncode and not problems:
        last = answer.stderr.strip().splitlines()[-1:]
        return [f"{data_dir / STORE}: it cannot be read: {''.join(last)}"]
    return problems


_CHECK = """
import sys
from pathlib import Path
from kube_lite_storage import Store, StoreError
try:
    with Store.open_read_only(Path(sys.argv[1])) as view:
        problems = view.check()
except StoreError as error:
    problems = [str(error)]
for problem in problems:
    print(problem)
"""
