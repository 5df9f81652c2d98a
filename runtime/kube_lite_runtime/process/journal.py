"""What the supervisor owns, on disk, so that another one finds it when the first was killed.

One small file for each sandbox and container, ``<directory>/<kind>/<id>/record.json``, replaced in one
step. It holds what identifies and describes them, and never their environment or command, which may carry
secrets. Nothing is synced: after a loss of power the processes are gone too, which ``boot`` tells.

    {"id": "4f0c…", "boot": "b3c1…", "pid": 4711, "started": 90210, "state": "running", …}

``started`` is the process's start in clock ticks since boot; id and start together name one process for
good, whoever got the number later.
"""

# pathlib and contextlib would cost the supervisor a megabyte and 5 ms of its start.
# ruff: noqa: PTH102, PTH103, PTH104, PTH108, PTH118, PTH123, PTH208

import json
import os
import sys
from collections.abc import Iterator
from typing import Any

Record = dict[str, Any]


class Journal:
    """The records of one kind below one directory."""

    def __init__(self, directory: str, kind: str) -> None:
        self._directory = os.path.join(directory, kind)
        os.makedirs(self._directory, mode=0o700, exist_ok=True)

    def directory(self, identity: str) -> str:
        """Where the files of one record are."""
        return f"{self._directory}/{identity}"

    def write(self, record: Record) -> None:
        """Keep ``record`` under its ``id``."""
        directory = self.directory(record["id"])
        make_directory(directory)
        new = f"{directory}/record.new"
        descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        try:
            os.write(descriptor, json.dumps(record, separators=(",", ":")).encode())
        finally:
            os.close(descriptor)
        os.rename(new, f"{directory}/record.json")

    def update(self, record: Record) -> None:
        """As ``write``, but a full or broken disk only costs what another supervisor would have learned."""
        try:
            self.write(record)
        except OSError as error:
            print(f"journal: {record['id']}: {error}", file=sys.stderr, flush=True)

    def forget(self, identity: str) -> None:
        """Drop a record; the other files beside it stay for whoever made them."""
        try:
            os.unlink(f"{self.directory(identity)}/record.json")
        except FileNotFoundError:
            return

    def __iter__(self) -> Iterator[Record]:
        """Every record that can be read; one torn by a crash is not there."""
        for name in sorted(os.listdir(self._directory)):
            try:
                with open(f"{self._directory}/{name}/record.json", "rb") as file:
                    record = json.loads(file.read())
            except (FileNotFoundError, NotADirectoryError, ValueError):
                continue
            if isinstance(record, dict) and record.get("id") == name:
                yield record


def make_directory(path: str) -> None:
    """Make a directory, but not those above it: what somebody removed must not come back."""
    try:
        os.mkdir(path, 0o700)
    except FileExistsError:
        return


def boot_id() -> str:
    """A name for this boot of the machine."""
    try:
        with open("/proc/sys/kernel/random/boot_id", encoding="ascii") as file:
            return file.read().strip()
    except OSError:
        return ""


def process_start(pid: int) -> int:
    """When a process started, in clock ticks since boot; 0 when there is none of that id."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            content = file.read()
    except OSError:
        return 0
    # The command's name may contain blanks and parentheses: fields are counted from its last one.
    fields = content[content.rindex(b")") + 2 :].split()
    return 0 if fields[0] in (b"Z", b"X") else int(fields[19])
