"""Log files: what is written by the supervisor is what is read back."""

import asyncio
import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from kube_lite_runtime.logs import parse_line, read_log, rotate, rotated
from kube_lite_runtime.process.capture import LINE_BYTES, LogFile, Stream

from tests.contracts.driver_contract import WITHIN

STAMPS = [f"2024-05-01T12:00:0{second}.000000000Z" for second in range(6)]
AT_3 = 1714564803.0


async def all_of(pieces: AsyncIterator[bytes]) -> bytes:
    return b"".join([piece async for piece in pieces])


@pytest.fixture
def log(tmp_path: Path) -> Path:
    path = tmp_path / "0.log"
    lines = [
        f"{STAMPS[0]} stdout F one",
        f"{STAMPS[1]} stderr F two",
        f"{STAMPS[2]} stdout P thr",
        f"{STAMPS[3]} stdout F ee",
        f"{STAMPS[4]} stdout F ",
        f"{STAMPS[5]} stdout F five",
    ]
    path.write_text("".join(f"{line}\n" for line in lines))
    return path


async def test_lines_are_read_and_their_parts_joined(log: Path) -> None:
    assert await all_of(read_log(log)) == b"one\ntwo\nthree\n\nfive\n"


async def test_a_log_that_is_not_there_is_empty(tmp_path: Path) -> None:
    assert await all_of(read_log(tmp_path / "none.log")) == b""


@pytest.mark.parametrize(
    ("lines", "text"),
    [
        pytest.param(0, b"", id="none"),
        pytest.param(1, b"five\n", id="the last"),
        pytest.param(3, b"three\n\nfive\n", id="the parts of one line count once"),
        pytest.param(5, b"one\ntwo\nthree\n\nfive\n", id="all"),
        pytest.param(50, b"one\ntwo\nthree\n\nfive\n", id="more than there are"),
    ],
)
async def test_the_end_of_a_log(log: Path, lines: int, text: bytes) -> None:
    assert await all_of(read_log(log, tail_lines=lines)) == text


async def test_the_end_of_a_log_longer_than_a_block(tmp_path: Path) -> None:
    path = tmp_path / "0.log"
    lines = [f"{STAMPS[0]} stdout F {number:06} {'x' * (number % 300)}" for number in range(4000)]
    path.write_text("".join(f"{line}\n" for line in lines))
    for wanted in (1, 700, 3999, 4000):
        text = (await all_of(read_log(path, tail_lines=wanted))).decode()
        assert [line.split()[0] for line in text.splitlines()] == [
            f"{n:06}" for n in range(4000 - wanted, 4000)
        ]


async def test_times_streams_and_bounds(log: Path) -> None:
    assert await all_of(read_log(log, since=AT_3 + 0.5)) == b"\nfive\n"
    assert await all_of(read_log(log, stream="stderr")) == b"two\n"
    assert await all_of(read_log(log, limit_bytes=6)) == b"one\ntw"
    assert await all_of(read_log(log, limit_bytes=0)) == b""
    stamped = await all_of(read_log(log, timestamps=True, tail_lines=3))
    assert stamped.decode() == f"{STAMPS[2]} three\n{STAMPS[4]} \n{STAMPS[5]} five\n"


async def test_following_reads_what_is_added_over_a_rotation_until_the_container_has_ended(
    tmp_path: Path,
) -> None:
    path, running = tmp_path / "0.log", True
    log = LogFile(str(path))
    log.write([(b" stdout F ", b"one")])
    received = asyncio.Event()
    read: list[bytes] = []

    async def follow() -> None:
        async for piece in read_log(path, follow=True, is_running=lambda: running):
            read.append(piece)
            received.set()

    async def seen(text: bytes) -> None:
        while text not in b"".join(read):
            received.clear()
            await received.wait()

    async with asyncio.timeout(WITHIN), asyncio.TaskGroup() as group:
        group.create_task(follow())
        await seen(b"one\n")
        log.write([(b" stdout F ", b"two")])
        await seen(b"two\n")
        assert rotate(path, keep=2, now=AT_3) == tmp_path / "0.log.20240501-120003"
        log.write([(b" stdout F ", b"three")])
        log.reopen()
        log.write([(b" stdout F ", b"four")])
        await seen(b"four\n")
        running = False
        log.write([(b" stdout F ", b"last")])
    assert b"".join(read) == b"one\ntwo\nthree\nfour\nlast\n"


def test_rotating_keeps_so_many(tmp_path: Path) -> None:
    path = tmp_path / "0.log"
    for number in range(4):
        path.write_text(str(number))
        rotate(path, keep=3, now=AT_3 + number)
    assert [old.read_text() for old in rotated(path)] == ["2", "3"]
    assert rotate(path, keep=3, now=AT_3) is None


def lines_of(path: Path) -> list[tuple[str, bytes]]:
    parsed = [parse_line(raw) for raw in path.read_bytes().split(b"\n")[:-1]]
    return [
        ("P" if line.is_partial else "F", line.content.rstrip(b"\n")) for line in parsed if line is not None
    ]


def test_a_long_line_is_written_in_parts(tmp_path: Path) -> None:
    reader, writer = os.pipe()
    path = tmp_path / "0.log"
    stream = Stream("stdout", reader, LogFile(str(path)))
    long = b"x" * (LINE_BYTES * 2 + 5)
    os.write(writer, b"short\n" + long + b"\nend")
    assert stream.pump(lambda: None)
    os.close(writer)
    assert not stream.pump(lambda: None)
    parts = [("P", long[:LINE_BYTES]), ("P", long[:LINE_BYTES]), ("F", long[:5])]
    assert lines_of(path) == [("F", b"short"), *parts, ("P", b"end")]  # no newline came after it


def test_a_line_that_ends_where_a_part_ends_is_not_followed_by_an_empty_one(tmp_path: Path) -> None:
    reader, writer = os.pipe()
    path = tmp_path / "0.log"
    stream = Stream("stdout", reader, LogFile(str(path)))
    os.write(writer, b"x" * LINE_BYTES)
    stream.pump(lambda: None)
    os.write(writer, b"\n\n")
    os.close(writer)
    stream.pump(lambda: None)
    assert [(tag, len(content)) for tag, content in lines_of(path)] == [("F", LINE_BYTES), ("F", 0)]
