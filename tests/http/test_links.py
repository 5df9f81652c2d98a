"""Links of pages that are seen through ``proxy``."""

import gzip
import random

import pytest

from kube_lite.http.links import rewrite_page


def through(link: str) -> str:
    return f"/p{link}" if link.startswith("/") else link


@pytest.mark.parametrize(
    ("page", "shown"),
    [
        pytest.param('<a href="/x">x</a>', '<a href="/p/x">x</a>', id="a link"),
        pytest.param("<IMG alt='/x' SRC='/y'>", "<IMG alt='/x' SRC='/p/y'>", id="only links, in any case"),
        pytest.param("<a href=/x class=b>", "<a href=/p/x class=b>", id="without quotes"),
        pytest.param('<a href="x"><p title="/x">', '<a href="x"><p title="/x">', id="nothing to do"),
        pytest.param('<!-- <a href="/x"> --><b>', '<!-- <a href="/x"> --><b>', id="comments"),
        pytest.param(
            "<script src='/x'>'<a href=\"/y\">'</script><a href='/z'>",
            "<script src='/p/x'>'<a href=\"/y\">'</script><a href='/p/z'>",
            id="scripts",
        ),
        pytest.param('<a href="/x', '<a href="/x', id="an end in the middle"),
        pytest.param("<!-- <a href='/x'>", "<!-- <a href='/x'>", id="a comment without end"),
    ],
)
def test_links_of_a_page_lead_back_through_us(page: str, shown: str) -> None:
    assert rewrite_page(page.encode(), "", through).decode() == shown
    packed = rewrite_page(gzip.compress(page.encode()), "gzip", through)
    assert gzip.decompress(packed).decode() == shown


def test_what_cannot_be_read_is_passed_on_as_it_is() -> None:
    for body, encoding in (
        (b'<a href="/x">', "br"),
        (b"no gzip", "gzip"),
        (gzip.compress(b"x")[:-4], "gzip"),
    ):
        assert rewrite_page(body, encoding, through) == body
    noise = random.Random(1).randbytes(5000) + b"<a href='/\xff'>"
    assert rewrite_page(noise, "", lambda link: link) == noise
