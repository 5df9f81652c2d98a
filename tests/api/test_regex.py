"""Regular expressions in RE2's syntax, and Go's words for what is none."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kube_lite.api import regex
from kube_lite.api.regex import BadPattern, why_not
from kube_lite.api.regex_syntax import mistake


@pytest.mark.parametrize(
    ("pattern", "told"),
    [
        ("(", "missing closing ): `(`"),
        ("a)", "unexpected ): `a)`"),
        ("x[a", "missing closing ]: `[a`"),
        ("[z-a]", "invalid character class range: `z-a`"),
        ("[[:foo:]]", "invalid character class range: `[:foo:]`"),
        (r"\p{Foo}", r"invalid character class range: `\p{Foo}`"),
        ("a**", "invalid nested repetition operator: `**`"),
        ("a{2}{3}", "invalid nested repetition operator: `{2}{3}`"),
        ("(|*)", "missing argument to repetition operator: `*`"),
        ("a{1001}", "invalid repeat count: `{1001}`"),
        ("((a{100}){100}){100}", "invalid repeat count: `{100}`"),
        ("(?=x)", "invalid or unsupported Perl syntax: `(?=`"),
        ("(?<=x)", "invalid named capture: `(?<=x)`"),
        (r"\8", r"invalid escape sequence: `\8`"),
        (r"\C", r"invalid escape sequence: `\C`"),
        ("\\", "trailing backslash at end of expression: ``"),
    ],
)
def test_a_text_that_is_no_pattern_is_refused_in_go_words(pattern: str, told: str) -> None:
    assert why_not(pattern) == f"error parsing regexp: {told}"
    with pytest.raises(BadPattern):
        regex.tester(pattern)


@pytest.mark.parametrize("pattern", ["{", "a{,2}", "[]a]", r"[\d-a]", "x{0}", "^*", "(?P<n>a)", r"\Qa", ""])
def test_what_looks_wrong_but_is_a_pattern_is_taken(pattern: str) -> None:
    assert why_not(pattern) == ""


def test_a_pattern_is_looked_for_anywhere_and_ends_at_the_end_of_the_text() -> None:
    assert regex.tester("b+")("abbc")
    assert not regex.tester("^[a-z]+$")("abc\n")
    assert regex.tester(r"^\p{L}+$")("naïve")


def test_a_pattern_that_python_would_choke_on_is_done_at_once() -> None:
    assert not regex.tester("^(a+)+$")("a" * 5000 + "b")


@given(st.text(alphabet="ab(?P<>n)[]{}1,2*+?|\\dpLQEx^$.-:i=!", max_size=14))
def test_library_and_scanner_agree_about_what_is_a_pattern(pattern: str) -> None:
    told = why_not(pattern)
    assert "too large" not in told
    assert told == mistake(pattern) or told.startswith(
        "error parsing regexp: invalid character class range: `\\"
    )
