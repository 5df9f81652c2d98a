from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kube_lite.api.patch.fieldset import (
    FieldSet,
    difference,
    has,
    intersection,
    parse,
    paths,
    spell,
    union,
    without,
)

LABELS = st.sampled_from(["f:a", "f:b", 'k:{"n":9}', 'k:{"n":10}', 'v:"x"', "i:2"])
PATHS = st.sets(st.lists(LABELS, min_size=1, max_size=4).map(tuple), max_size=8)


def of(wanted: set[tuple[str, ...]]) -> FieldSet:
    """A set with these members."""
    fields: FieldSet = {}
    for path in wanted:
        one: Any = {}
        for label in reversed(path):
            one = {label: one}
        fields = union(fields, one)
    return fields


@given(PATHS, PATHS)
def test_sets_of_fields_are_sets(one: set[tuple[str, ...]], other: set[tuple[str, ...]]) -> None:
    assert set(paths(of(one))) == one
    assert set(paths(union(of(one), of(other)))) == one | other
    assert set(paths(difference(of(one), of(other)))) == one - other
    assert set(paths(intersection(of(one), of(other)))) == one & other
    assert all(has(of(one), path) for path in one)
    assert not any(has(of(one), path) for path in other - one)


@given(PATHS, PATHS)
def test_what_lies_below_goes_with_what_is_excluded(
    one: set[tuple[str, ...]], other: set[tuple[str, ...]]
) -> None:
    starts = {path[:length] for path in one for length in range(1, len(path) + 1)}
    gone = {path for path in one if any(path[:length] in other for length in range(1, len(path) + 1))}
    assert starts >= one
    assert set(paths(without(of(one), of(other)))) == one - gone


@given(PATHS, PATHS)
def test_sets_stay_in_the_order_in_which_they_are_printed(
    one: set[tuple[str, ...]], other: set[tuple[str, ...]]
) -> None:
    joined = union(of(one), of(other))
    assert str(parse(joined)) == str(joined)
    assert str(joined) == str(of(one | other))


def test_numbers_in_keys_are_ordered_by_value() -> None:
    fields = parse({'k:{"port":443}': {}, 'k:{"port":80}': {}, "f:b": {}, 'v:"x"': {}, "f:a": {".": {}}})
    assert list(fields) == ["f:a", "f:b", 'k:{"port":80}', 'k:{"port":443}', 'v:"x"']
    assert fields["f:a"] == {}


def test_keys_are_written_one_way_only() -> None:
    assert list(parse({'k:{ "protocol": "TCP", "port": 80 }': {}})) == ['k:{"port":80,"protocol":"TCP"}']


@pytest.mark.parametrize(
    ("sent", "why"),
    [
        pytest.param({"f:a": 5}, "no object", id="no object below"),
        pytest.param({"k:{": {}}, "line 1", id="a broken key"),
        pytest.param({"k:5": {}}, "no key", id="a key without names"),
        pytest.param({"i:x": {}}, "invalid literal", id="an index that is no number"),
        pytest.param([], "no object", id="a list"),
    ],
)
def test_what_is_no_set_is_refused(sent: Any, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        parse(sent)


def test_labels_of_another_kind_are_passed_over() -> None:
    assert parse({"x:future": {}, "f:a": {}, ".": {}}) == {"f:a": {}}


def test_paths_are_told_in_words() -> None:
    path = ("f:spec", 'k:{"port":80,"protocol":"TCP"}', 'v:"x"', "i:3")
    assert spell(path) == '.spec[port=80,protocol="TCP"][="x"][3]'
