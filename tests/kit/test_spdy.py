"""SPDY frames: what one side writes the other reads, wherever it is cut, and nonsense is refused."""

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kube_lite.kit import spdy

HEADERS = st.dictionaries(st.from_regex(r"[a-z-]{1,20}", fullmatch=True), st.text(max_size=40), max_size=4)


@given(st.lists(HEADERS, min_size=1, max_size=4), st.binary(max_size=200), st.integers(1, 40))
def test_frames_come_whole_however_they_are_cut(
    opened: list[dict[str, str]], content: bytes, piece: int
) -> None:
    writer, reader = spdy.Framing(), spdy.Framing()
    sent = b"".join(writer.open(2 * number + 1, headers) for number, headers in enumerate(opened))
    sent += spdy.data(1, content) + spdy.ping(7) + spdy.data(1, b"", is_last=True) + spdy.reset(3, 5)
    frames = [
        frame for start in range(0, len(sent), piece) for frame in reader.feed(sent[start : start + piece])
    ]
    streams = [frame for frame in frames if isinstance(frame, spdy.Opened)]
    assert [(stream.stream, stream.headers) for stream in streams] == [
        (2 * number + 1, headers) for number, headers in enumerate(opened)
    ]
    data = [frame for frame in frames if isinstance(frame, spdy.Data)]
    assert b"".join(frame.content for frame in data) == content
    assert [frame.is_last for frame in data[-1:]] == [True]
    assert frames[-1] == spdy.Reset(3)
    assert spdy.Ping(7) in frames


@pytest.mark.parametrize(
    ("sent", "message"),
    [
        (struct.pack(">II", 1 << 31 | 2 << 16 | 1, 10) + bytes(10), "version 2 of SPDY is not spoken"),
        (struct.pack(">II", 1 << 31 | 3 << 16 | 1, 1 << 20), "a frame that controls has 1048576 bytes"),
        (struct.pack(">II", 1 << 31 | 3 << 16 | 1, 12) + bytes(12), "a frame of type 1"),
        (struct.pack(">II", 1 << 31 | 3 << 16 | 6, 2) + bytes(2), "a frame of type 6"),
    ],
)
def test_nonsense_is_refused(sent: bytes, message: str) -> None:
    with pytest.raises(spdy.SpdyError, match=message):
        list(spdy.Framing().feed(sent))


def test_headers_that_unpack_to_more_than_they_may_are_refused() -> None:
    bomb = spdy.Framing().open(1, {"a": "x" * (spdy.MAX_HEADER_BYTES + 1)})
    assert len(bomb) < 1000
    with pytest.raises(spdy.SpdyError, match="headers of more than"):
        list(spdy.Framing().feed(bomb))


def test_what_nobody_needs_is_passed_over() -> None:
    settings = struct.pack(">II", 1 << 31 | 3 << 16 | 4, 4) + bytes(4)
    window = struct.pack(">II", 1 << 31 | 3 << 16 | 9, 8) + bytes(8)
    assert list(spdy.Framing().feed(settings + window + spdy.ping(1))) == [spdy.Ping(1)]
