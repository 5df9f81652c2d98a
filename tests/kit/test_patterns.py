import re

import pytest

from kube_lite.kit.patterns import pattern


def test_a_pattern_does_what_a_compiled_one_does() -> None:
    word = pattern("[a-z]+(-[a-z]+)?", re.IGNORECASE)
    found = word.fullmatch("Big-endian")
    assert found is not None
    assert found[1] == "-endian"
    assert word.fullmatch("9") is None
    assert word.sub("x", "a 1 b") == "x 1 x"
    assert word.pattern == "[a-z]+(-[a-z]+)?"


def test_a_text_that_is_no_pattern_is_refused_when_it_is_used() -> None:
    broken = pattern("(")
    with pytest.raises(re.error):
        broken.match("a")
