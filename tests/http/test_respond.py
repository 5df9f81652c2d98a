import pytest

from kube_lite.http.call import warning
from kube_lite.http.respond import PIECE_BYTES, accepts_gzip, cut


@pytest.mark.parametrize(
    "pieces",
    [
        pytest.param([b"a"] * 1000, id="many small ones"),
        pytest.param([b"a" * (3 * PIECE_BYTES + 7)], id="one large one"),
        pytest.param([b"a", b"b" * 2 * PIECE_BYTES, b"c"], id="large between small"),
        pytest.param([], id="none"),
    ],
)
def test_pieces_are_cut_to_size_and_nothing_is_lost(pieces: list[bytes]) -> None:
    found = list(cut(pieces))
    assert b"".join(found) == b"".join(pieces)
    assert all(0 < len(piece) <= 2 * PIECE_BYTES for piece in found)
    assert len(found) <= sum(map(len, pieces)) // PIECE_BYTES + 3


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("gzip", True),
        ("gzip, deflate, br", True),
        ("deflate, gzip;q=0.5", True),
        ("gzip;q=0", False),
        ("identity", False),
        ("", False),
    ],
)
def test_gzip_is_used_only_when_it_is_named_and_wanted(header: str, expected: bool) -> None:
    assert accepts_gzip(header) is expected


def test_a_warning_cannot_break_out_of_its_header() -> None:
    assert warning('say "hi"\r\nX-Evil: \\') == '299 - "say \\"hi\\"X-Evil: \\\\"'
