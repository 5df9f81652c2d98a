"""Log files in the CRI's form: read a part, from the end, or for as long as something is written; rotate.

    2024-05-01T12:00:00.000000001Z stdout F a whole line
    2024-05-01T12:00:00.000000002Z stderr P the first part of a longer one, the last part has F

Reading goes through the file in blocks and never holds more than one. Following waits for changes of the
directory (inotify), with a slow poll beside it for file systems that do not tell; a file that was renamed
away by a rotation is read to its end before its successor is opened.

Source of the form: kubernetes/design-proposals-archive, node/kubelet-cri-logging.md; of what the options
mean: pkg/kubelet/kuberuntime/logs/logs.go.
"""

import asyncio
import ctypes
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO, Literal, NamedTuple, TypeVar

BLOCK_BYTES = 64 * 1024
POLL_SECONDS = 1.0
IN_CHANGES = 0x2 | 0x80 | 0x100  # modified, moved to, created
Result = TypeVar("Result")


class Line(NamedTuple):
    """One line of a log file. ``stamp`` is as it stands there."""

    stamp: bytes
    stream: bytes
    is_partial: bool
    content: bytes
    """Ends with a newline unless the line goes on."""


async def read_log(
    path: Path,
    *,
    follow: bool = False,
    tail_lines: int | None = None,
    since: float | None = None,
    timestamps: bool = False,
    limit_bytes: int | None = None,
    stream: Literal["stdout", "stderr"] | None = None,
    is_running: Callable[[], bool | Awaitable[bool]] | None = None,
) -> AsyncIterator[bytes]:
    """What the container wrote, in pieces of whole or partial lines.

    Args:
        path: the log file. One that does not exist (yet) is empty.
        follow: go on until the container has ended and all of it has been read.
        tail_lines: begin that many lines before the end.
        since: leave out lines written before this time, seconds since the epoch.
        timestamps: put the time of writing before every line.
        limit_bytes: end after that many bytes of output, even within a line.
        stream: only what was written to this one.
        is_running: asked while following; None: for ever.
    """
    thread = ThreadPoolExecutor(1, "kube-lite-logs")
    left = limit_bytes if limit_bytes is not None else -1
    reader = _Reader(path, _Wishes(timestamps, _stamp(since), stream and stream.encode()))
    try:
        await _in(thread, lambda: reader.open(tail_lines))
        async for piece in _pieces(reader, thread, is_running if follow else None, follow=follow):
            if limit_bytes is not None:
                piece, left = piece[:left], left - len(piece)
            if piece:
                yield piece
            if limit_bytes is not None and left <= 0:
                return
    finally:
        reader.close()
        thread.shutdown(wait=False)


def rotate(path: Path, *, keep: int, now: float) -> Path | None:
    """Rename a log file so that a new one can begin, and remove its oldest predecessors; the new name.

    Whoever writes it must then be told to reopen it. Names are those of a kubelet: ``0.log.20240501-120000``.

    Args:
        keep: how many files may be there afterwards, the new one counted; at least 2.
    """
    if not path.exists():
        return None
    stamp = datetime.fromtimestamp(now, UTC).strftime("%Y%m%d-%H%M%S")
    renamed = path.with_name(f"{path.name}.{stamp}")
    path.rename(renamed)
    for old in rotated(path)[: -max(1, keep - 1)]:
        old.unlink(missing_ok=True)
    return renamed


def rotated(path: Path) -> list[Path]:
    """The files that ``rotate`` made of this one, the oldest first."""
    return sorted(path.parent.glob(f"{path.name}.*"))


def parse_line(raw: bytes) -> Line | None:
    """Take a line of a log file apart, without its newline; None when it is none."""
    stamp, _, rest = raw.partition(b" ")
    stream, _, rest = rest.partition(b" ")
    tag, blank, content = rest.partition(b" ")
    if not blank or stream not in (b"stdout", b"stderr"):
        return None
    is_partial = tag.split(b":")[0] == b"P"
    return Line(stamp, stream, is_partial, content if is_partial else content + b"\n")


class _Wishes(NamedTuple):
    timestamps: bool
    since: bytes
    stream: bytes | None


class _Reader:
    """Reads one log file forward, over its rotations. Blocking: used in a thread."""

    def __init__(self, path: Path, wishes: _Wishes) -> None:
        self._path = path
        self._wishes = wishes
        self._file: BinaryIO | None = None
        self._rest = b""
        self._goes_on = False

    def open(self, tail_lines: int | None) -> None:
        """Begin; with ``tail_lines`` near the end."""
        try:
            self._file = self._path.open("rb", buffering=0)
        except FileNotFoundError:
            return
        if tail_lines is not None:
            self._file.seek(tail_offset(self._file, tail_lines))

    def read(self) -> bytes | None:
        """The next piece; empty when a block had nothing that is wanted, None at the end of what is there."""
        if self._file is None:
            self.open(None)
            if self._file is None:
                return None
        block = self._file.read(BLOCK_BYTES)
        if not block:
            return None if not self._was_replaced() else b""
        *lines, self._rest = (self._rest + block).split(b"\n")
        return b"".join(self._wanted(lines))

    def close(self) -> None:
        """Let go of the file."""
        if self._file is not None:
            self._file.close()

    def _was_replaced(self) -> bool:
        """Go over to the new file when this one was renamed, which is known when all of it was read."""
        if self._file is None:
            return False
        try:
            new = self._path.stat()
        except FileNotFoundError:
            return False
        old = os.fstat(self._file.fileno())
        if (old.st_dev, old.st_ino) == (new.st_dev, new.st_ino):
            if new.st_size < self._file.tell():  # emptied in place by somebody else
                self._file.seek(0)
                return True
            return False
        if self._file.read(1):  # written between the last read and the rename
            self._file.seek(-1, os.SEEK_CUR)
            return True
        self._file.close()
        self._file = self._path.open("rb", buffering=0)
        return True

    def _wanted(self, lines: list[bytes]) -> Iterator[bytes]:
        for raw in lines:
            line = parse_line(raw)
            if line is None or line.stamp < self._wishes.since:
                continue
            if self._wishes.stream is not None and line.stream != self._wishes.stream:
                continue
            if self._wishes.timestamps and not self._goes_on:
                yield line.stamp + b" "
            self._goes_on = line.is_partial
            yield line.content


def tail_offset(file: BinaryIO, lines: int) -> int:
    """Where the last ``lines`` lines begin; the parts of a long line count as one."""
    end = file.seek(0, os.SEEK_END)
    if lines <= 0:
        return end
    position, rest, found = end, b"", 0
    while position > 0:
        size = min(BLOCK_BYTES, position)
        position -= size
        file.seek(position)
        block = file.read(size) + rest
        starts = [index + 1 for index, byte in enumerate(block) if byte == 0x0A]
        # A line counts when the one before it was whole; the block's first is judged with the next block.
        for start in reversed(starts):
            if start + position >= end:
                continue
            previous = block[block.rfind(b"\n", 0, start - 1) + 1 : start - 1]
            parsed = parse_line(previous)
            if (block.rfind(b"\n", 0, start - 1) < 0 and position > 0) or (parsed and parsed.is_partial):
                continue
            found += 1
            if found == lines:
                return position + start
        rest = block[: starts[0]] if starts else block
    return 0


async def _pieces(
    reader: _Reader,
    thread: ThreadPoolExecutor,
    is_running: Callable[[], bool | Awaitable[bool]] | None,
    *,
    follow: bool,
) -> AsyncIterator[bytes]:
    with _watching(reader._path.parent if follow else None) as changed:
        while True:
            running = follow and await _answer(is_running)
            while (piece := await _in(thread, reader.read)) is not None:
                yield piece
            if not running:
                return
            with suppress(TimeoutError):
                async with asyncio.timeout(POLL_SECONDS):
                    await changed.wait()
            changed.clear()


async def _answer(question: Callable[[], bool | Awaitable[bool]] | None) -> bool:
    if question is None:
        return True
    answer = question()
    return answer if isinstance(answer, bool) else await answer


async def _in(thread: ThreadPoolExecutor, work: Callable[[], Result]) -> Result:
    return await asyncio.get_running_loop().run_in_executor(thread, work)


@contextmanager
def _watching(directory: Path | None) -> Iterator[asyncio.Event]:
    """An event that is set when something in the directory changes, where the system can tell."""
    changed, loop, descriptor = asyncio.Event(), asyncio.get_running_loop(), -1
    if directory is not None:
        with suppress(OSError, AttributeError):
            libc = ctypes.CDLL(None, use_errno=True)
            descriptor = int(libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC))
            if descriptor >= 0:
                libc.inotify_add_watch(descriptor, os.fsencode(directory), ctypes.c_uint32(IN_CHANGES))
                loop.add_reader(descriptor, _drain, descriptor, changed)
    try:
        yield changed
    finally:
        if descriptor >= 0:
            loop.remove_reader(descriptor)
            os.close(descriptor)


def _drain(descriptor: int, changed: asyncio.Event) -> None:
    with suppress(BlockingIOError):
        os.read(descriptor, 65536)
    changed.set()


def _stamp(since: float | None) -> bytes:
    """A time as it would stand in the file: the texts sort as the times do."""
    if since is None:
        return b""
    second, nanosecond = divmod(round(since * 1_000_000_000), 1_000_000_000)
    text = datetime.fromtimestamp(second, UTC).strftime("%Y-%m-%dT%H:%M:%S")
    return f"{text}.{nanosecond:09d}Z".encode()
