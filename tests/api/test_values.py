"""Small values: times, durations, names, quantities, Go's texts."""

import random
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kube_lite.api import names
from kube_lite.api.fieldpath import lookup, parse_path
from kube_lite.api.gotext import go_quote, go_text
from kube_lite.api.quantity import Quantity, canonical_quantity, parse_quantity
from kube_lite.api.times import (
    canonical_micro_time,
    canonical_time,
    format_duration,
    format_micro_time,
    format_time,
    parse_duration,
    parse_time,
)

quick = settings(deadline=None, max_examples=50, suppress_health_check=[HealthCheck.too_slow])


@pytest.mark.parametrize(
    ("written", "canonical"),
    [
        ("1024Ki", "1Mi"),
        ("1000Mi", "1000Mi"),
        ("1.5Gi", "1536Mi"),
        ("0.5Ki", "512"),
        ("1.1Ki", "1126400m"),
        ("0.1", "100m"),
        ("1500m", "1500m"),
        ("1000m", "1"),
        ("2000", "2k"),
        ("128974848", "128974848"),
        ("1e3", "1e3"),
        ("12e6", "12e6"),
        ("0.0000000001", "1n"),
        ("-1.5", "-1500m"),
        ("0Gi", "0"),
        (".5", "500m"),
        (1048576, "1048576"),
        (0.25, "250m"),
        ("9999999999Ei", "9223372036854775807"),
    ],
)
def test_a_quantity_is_written_back_in_its_canonical_form(written: Any, canonical: Any) -> None:
    assert canonical_quantity(written) == canonical


@pytest.mark.parametrize("text", ["", "x", "1x", "1.1.1", "--1", "1 Gi"])
def test_what_is_no_quantity_is_refused_with_the_form_it_should_have(text: Any) -> None:
    with pytest.raises(ValueError, match="quantities must match the regular expression"):
        parse_quantity(text)


def test_an_exponent_that_would_fill_memory_is_refused() -> None:
    with pytest.raises(ValueError, match="suffix"):
        parse_quantity("1e999999999")


@quick
@given(st.integers(-(10**24), 10**24), st.sampled_from(["", "n", "u", "m", "k", "M", "G", "e3", "e-3"]))
def test_the_canonical_form_of_a_decimal_quantity_is_the_same_amount_and_stays(
    number: Any, suffix: Any
) -> None:
    first = parse_quantity(f"{number}{suffix}")
    again = parse_quantity(str(first))
    assert again == first
    assert str(again) == str(first)


@quick
@given(st.integers(0, 2**62), st.sampled_from(["Ki", "Mi", "Gi"]))
def test_binary_quantities_lose_nothing_up_to_their_cap(number: Any, suffix: Any) -> None:
    value = min(number * 1024 ** ("Ki", "Mi", "Gi").index(suffix) * 1024, 2**63 - 1)
    assert parse_quantity(f"{number}{suffix}").value == value
    assert parse_quantity(canonical_quantity(f"{number}{suffix}")).value == value


@quick
@given(st.integers(-(10**12), 10**12), st.integers(-(10**12), 10**12))
def test_sums_of_quantities_are_exact(left: Any, right: Any) -> None:
    total = Quantity.of_milli(left) + Quantity.of_milli(right)
    assert Fraction(total.nanos, 10**9) == Fraction(left + right, 1000)
    assert (Quantity.of_milli(left) < Quantity.of_milli(right)) == (left < right)


def test_amounts_are_rounded_away_from_zero() -> None:
    assert parse_quantity("1.2").value == 2
    assert parse_quantity("-1.2").value == -2
    assert str(parse_quantity("100u").rounded_to_milli()) == "1m"


def test_times_are_read_in_any_zone_and_written_in_utc() -> None:
    assert canonical_time("2020-01-01T02:00:00+02:00") == "2020-01-01T00:00:00Z"
    assert canonical_micro_time("2020-01-01T02:00:00.000001+02:00") == "2020-01-01T00:00:00.000001Z"
    assert format_time(parse_time("2020-02-29T12:30:01Z")) == "2020-02-29T12:30:01Z"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "yesterday",
            'parsing time "yesterday" as "2006-01-02T15:04:05Z07:00": cannot parse "yesterday" as "2006"',
        ),
        ("2020-01-01", 'parsing time "2020-01-01" as "2006-01-02T15:04:05Z07:00": cannot parse "" as "T"'),
        ("2020-13-01T00:00:00Z", 'parsing time "2020-13-01T00:00:00Z": month out of range'),
    ],
)
def test_what_is_no_time_is_refused_in_go_words(text: Any, message: Any) -> None:
    with pytest.raises(ValueError, match="parsing time") as caught:
        parse_time(text)
    assert str(caught.value) == message


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0s"), (1.5, "1.5s"), (90, "1m30s"), (5400.25, "1h30m0.25s"), (0.25, "250ms"), (-2, "-2s")],
)
def test_durations_are_written_and_read_as_go_does(seconds: Any, text: Any) -> None:
    assert format_duration(seconds) == text
    assert parse_duration(text) == seconds


@pytest.mark.parametrize("text", ["", "5", "s", "1h-", "1 h"])
def test_what_is_no_duration_is_refused(text: Any) -> None:
    with pytest.raises(ValueError, match="time: "):
        parse_duration(text)


def test_a_generated_name_fits_a_label_and_has_five_letters_of_the_alphabet() -> None:
    name = names.generate_name("p" * 80, random.Random(1))
    assert len(name) == names.LABEL_MAX
    assert set(name[-5:]) <= set(names.GENERATED_LETTERS)
    assert names.generate_name("web-", random.Random(1)) == names.generate_name("web-", random.Random(1))


@pytest.mark.parametrize(
    ("check", "value", "start"),
    [
        (names.check_label, "a.b", "must not contain dots"),
        (names.check_label, "A", "a lowercase RFC 1123 label must consist"),
        (names.check_label, "a" * 64, "must be no more than 63 characters"),
        (names.check_subdomain, "a_b", "a lowercase RFC 1123 subdomain must consist"),
        (names.check_path_segment, "a%b", "may not contain '%'"),
        (names.check_qualified_name, "", "name part must be non-empty"),
        (names.check_qualified_name, "/a", "prefix part must be non-empty"),
        (names.check_qualified_name, "a/b/c", "a valid label key must consist"),
        (names.check_label_value, "b" * 64, "must be no more than 63 bytes"),
        (names.check_config_key, "..", "must not be '..'"),
    ],
)
def test_a_bad_name_is_told_why(check: Any, value: Any, start: Any) -> None:
    assert check(value)[0].startswith(start)


@pytest.mark.parametrize(
    ("check", "value"),
    [
        (names.check_label, "a-1"),
        (names.check_subdomain, "a.b-1.c"),
        (names.check_qualified_name, "example.test/A_b.c"),
        (names.check_label_value, ""),
        (names.check_config_key, "..a"[1:]),
        (names.for_prefix(names.check_subdomain), "web-"),
    ],
)
def test_a_good_name_has_nothing_to_tell(check: Any, value: Any) -> None:
    assert check(value) == []


def test_values_are_printed_as_go_does() -> None:
    assert go_text({"b": [1, None, True], "a": 1.5}) == "map[a:1.5 b:[1 <nil> true]]"
    assert go_quote('a"\n\x01é') == '"a\\"\\n\\x01é"'


def test_a_field_path_leads_to_its_value() -> None:
    obj = {"spec": {"containers": [{"env": {"a.b": 1}}]}}
    assert lookup(obj, *parse_path("spec.containers[0].env['a.b']")) == 1
    assert lookup(obj, "spec", "containers", 3, default="none") == "none"


def test_years_have_four_digits() -> None:
    assert format_time(-62135596798) == "0001-01-01T00:00:02Z"
    assert format_micro_time(-62135596798) == "0001-01-01T00:00:02.000000Z"
    assert canonical_micro_time("0001-01-01T01:00:02.000000+01:00") == "0001-01-01T00:00:02.000000Z"
