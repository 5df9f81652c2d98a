"""The hint by which headers are passed over never passes over what is selected."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from kube_lite.api.selectors import parse_field_selector, parse_label_selector
from kube_lite.registry.stored import Stored, encode
from kube_lite.verbs.selecting import hint_of, matcher

LABELS = some.dictionaries(some.sampled_from(["a", "b", "x.io/a"]), some.sampled_from(["", "1", "a", "web"]))
SELECTORS = [
    "a=1",
    "a=",
    "a==web",
    "a in (1)",
    "a in (1,web)",
    "a",
    "!a",
    "a!=1",
    "a notin (1)",
    "b,a=a",
    "a>0",
]


@settings(max_examples=8)
@given(labels=LABELS, fields=some.dictionaries(some.just("status.phase"), some.sampled_from(["", "Running"])))
@pytest.mark.parametrize("label_selector", ["", *SELECTORS])
@pytest.mark.parametrize(
    "field_selector", ["", "status.phase=Running", "status.phase=", "status.phase!=Running"]
)
def test_whatever_is_selected_has_the_hint_in_its_header(
    labels: dict[str, str], fields: dict[str, str], label_selector: str, field_selector: str
) -> None:
    chosen_labels = parse_label_selector(label_selector) if label_selector else None
    chosen_fields = parse_field_selector(field_selector) if field_selector else None
    obj = {"kind": "Pod", "apiVersion": "v1", "metadata": {"name": "web", "labels": labels}}
    header = encode(obj, fields).header
    matches = matcher(chosen_labels, chosen_fields)
    if matches is None or matches(Stored(b"", 1, header)):
        assert hint_of(chosen_labels, chosen_fields) in header


def test_a_hint_says_as_much_as_one_requirement_does() -> None:
    obj = {"kind": "Pod", "apiVersion": "v1", "metadata": {"name": "web", "labels": {"app": "web"}}}
    header = encode(obj, {"status.phase": "Running"}).header
    assert hint_of(parse_label_selector("app=db"), None) not in header
    assert hint_of(parse_label_selector("tier"), None) not in header
    assert hint_of(None, parse_field_selector("status.phase=Failed")) not in header
