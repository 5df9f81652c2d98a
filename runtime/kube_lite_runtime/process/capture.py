"""What containers write, into log files of the CRI's form, and to whoever is attached.

    2024-05-01T12:00:00.000000001Z stdout F a whole line
    2024-05-01T12:00:00.000000002Z stderr P the first 16 KiB of a longer one; more follow, the last with F

Source: kubernetes/design-proposals-archive, node/kubelet-cri-logging.md. A reader who is attached gets the
same bytes through a pipe of his own. When he does not read and the pipe is full he is cut off: neither the
container nor the log waits for him.
"""

# pathlib and contextlib would cost the supervisor a megabyte and 5 ms of its start.
# ruff: noqa: SIM105

import fcntl
import os
import time
from collections.abc import Callable

LINE_BYTES = 16 * 1024
READ_BYTES = 64 * 1024
ROUNDS = 8
"""Reads in a row from one stream before others have their turn."""
ATTACH_PIPE_BYTES = 1024 * 1024
"""The most that an unprivileged process may ask for: fs.pipe-max-size."""


class LogFile:
    """One container's log, open for appending. An empty path keeps no log."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._descriptor = -1
        self._second = -1
        self._stamp = ""
        self.reopen()

    def reopen(self) -> None:
        """Go on in a new file of the same name."""
        self.close()
        if self._path:
            flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC
            self._descriptor = os.open(self._path, flags, 0o640)

    def write(self, lines: list[tuple[bytes, bytes]]) -> None:
        """Append lines, each after its stream and tag, such as ``b" stdout F "``."""
        if self._descriptor < 0 or not lines:
            return
        stamp = self._now()
        content = b"".join([part for tag, line in lines for part in (stamp, tag, line, b"\n")])
        try:
            while content:
                content = content[os.write(self._descriptor, content) :]
        except OSError:
            return  # a full disk must not end the container; what cannot be kept is lost

    def close(self) -> None:
        """Let go of the file."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def _now(self) -> bytes:
        second, nanosecond = divmod(time.time_ns(), 1_000_000_000)
        if second != self._second:
            self._second, self._stamp = second, time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(second))
        return f"{self._stamp}.{nanosecond:09d}Z".encode()


class Stream:
    """The reading end of what a container writes to stdout or stderr. Owns the descriptor."""

    def __init__(self, name: str, descriptor: int, log: LogFile) -> None:
        self.descriptor = descriptor
        self._full = f" {name} F ".encode()
        self._part = f" {name} P ".encode()
        self._log = log
        self._rest = b""
        self._readers: list[int] = []
        os.set_blocking(descriptor, False)

    def attach(self) -> int:
        """A pipe that gets everything from now on: its reading end, the caller's to close."""
        reader, writer = os.pipe()
        os.set_blocking(writer, False)
        try:
            fcntl.fcntl(writer, fcntl.F_SETPIPE_SZ, ATTACH_PIPE_BYTES)
        except OSError:
            pass  # the user's share of pipe memory is used up: 64 KiB must do
        self._readers.append(writer)
        return reader

    def pump(self, before_close: Callable[[], object]) -> bool:
        """Move what is there. False at its end, before which ``before_close`` was called."""
        for _ in range(ROUNDS):
            if self.descriptor < 0:
                return False
            try:
                content = os.read(self.descriptor, READ_BYTES)
            except BlockingIOError:
                return True
            except OSError:
                content = b""  # EIO: nobody has the terminal's other side open any more
            if not content:
                self.finish(before_close)
                return False
            self._take(content)
        return True

    def finish(self, before_close: Callable[[], object]) -> None:
        """Write the last, unended line, to which no newline belongs; tell those who are attached; close."""
        if self._rest:
            self._log.write([(self._part, self._rest)])
            self._rest = b""
        for writer in self._readers:
            os.close(writer)
        self._readers.clear()
        if self.descriptor >= 0:
            before_close()
            os.close(self.descriptor)
            self.descriptor = -1

    def _take(self, content: bytes) -> None:
        for writer in list(self._readers):
            self._copy(writer, content)
        lines = (self._rest + content if self._rest else content).split(b"\n")
        self._rest = lines.pop()
        logged: list[tuple[bytes, bytes]] = []
        for line in lines:
            if len(line) > LINE_BYTES:
                line = self._cut(line, logged)
            logged.append((self._full, line))
        if len(self._rest) >= LINE_BYTES:
            self._rest = self._cut(self._rest, logged)
        self._log.write(logged)

    def _cut(self, line: bytes, logged: list[tuple[bytes, bytes]]) -> bytes:
        while len(line) > LINE_BYTES:
            logged.append((self._part, line[:LINE_BYTES]))
            line = line[LINE_BYTES:]
        return line

    def _copy(self, writer: int, content: bytes) -> None:
        try:
            if os.write(writer, content) == len(content):
                return
        except OSError:
            pass  # gone, or full: either way he is cut off
        self._readers.remove(writer)
        os.close(writer)
