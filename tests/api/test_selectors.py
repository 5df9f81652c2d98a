"""Label and field selectors."""

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kube_lite.api.errors import BadRequest
from kube_lite.api.selectors import label_selector, parse_field_selector, parse_label_selector

quick = settings(deadline=None, max_examples=50, suppress_health_check=[HealthCheck.too_slow])


LABELS = {"tier": "front", "size": "7", "empty": ""}


@pytest.mark.parametrize(
    ("text", "selected"),
    [
        ("", True),
        ("tier=front", True),
        ("tier==back", False),
        ("tier!=back", True),
        ("none!=x", True),
        ("tier in (front,back)", True),
        ("tier notin (front)", False),
        ("none notin (x)", True),
        ("tier", True),
        ("!tier", False),
        ("!none", True),
        ("size>5", True),
        ("size<5", False),
        ("tier>1", False),
        ("empty=", True),
        ("empty in ()", True),
        (" tier = front , size in ( 7 ) ", True),
    ],
)
def test_labels_are_selected_by_the_query_form(text: Any, selected: Any) -> None:
    assert parse_label_selector(text).matches(LABELS) is selected


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("tier=front=back", "found '=', expected: ',' or 'end of string'"),
        ("tier in front", "unable to parse requirement: found 'front' expected: '('"),
        ("tier in (front", "unable to parse requirement: found '', expected: ',' or ')'"),
        ("=front", "found '=', expected: !, identifier, or 'end of string'"),
        ("a b", "unable to parse requirement: found 'b', expected: in, notin, =, ==, !=, gt, lt"),
        ("!", "unable to parse requirement: found '', expected: identifier"),
        ("tier,", "found '', expected: identifier after ','"),
    ],
)
def test_a_bad_label_selector_is_refused_in_the_words_of_the_reference(text: Any, message: Any) -> None:
    with pytest.raises(BadRequest) as caught:
        parse_label_selector(text)
    assert caught.value.message == message


word = st.text("abcXYZ019", min_size=1, max_size=8)
requirement = st.one_of(
    st.builds("{}={}".format, word, word),
    st.builds("{}!={}".format, word, word),
    st.builds("!{}".format, word),
    word.filter(lambda text: text not in ("in", "notin")),
    st.builds(
        lambda key, values: f"{key} in ({','.join(values)})", word, st.lists(word, min_size=1, max_size=3)
    ),
    st.builds("{}>{}".format, word, st.integers(0, 99)),
)


@quick
@given(st.lists(requirement, max_size=4), st.dictionaries(word, word, max_size=4))
def test_a_printed_selector_reads_back_as_itself(requirements: Any, labels: Any) -> None:
    selector = parse_label_selector(",".join(requirements))
    again = parse_label_selector(str(selector))
    assert again == selector
    assert again.matches(labels) == selector.matches(labels)


def test_the_object_form_selects_as_the_query_form_does() -> None:
    selector = label_selector(
        {
            "matchLabels": {"tier": "front"},
            "matchExpressions": [{"key": "size", "operator": "In", "values": ["7", "8"]}],
        }
    )
    assert selector == parse_label_selector("tier=front,size in (7,8)")
    assert label_selector({}).matches({})
    assert not label_selector(None).matches(LABELS)


def test_field_selectors_compare_texts_and_know_escapes() -> None:
    selector = parse_field_selector(r"metadata.name=a\,b,status.phase!=Running,")
    assert selector.matches({"metadata.name": "a,b", "status.phase": "Pending"})
    assert not selector.matches({"metadata.name": "a,b", "status.phase": "Running"})
    assert selector.exact("metadata.name") == "a,b"
    assert parse_field_selector(str(selector)).requirements == selector.requirements


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("metadata.name", "invalid selector: 'metadata.name'; can't understand 'metadata.name'"),
        ("metadata.name=a=b", "invalid field selector: unescaped character in value: 61"),
    ],
)
def test_a_bad_field_selector_is_refused(text: Any, message: Any) -> None:
    with pytest.raises(BadRequest) as caught:
        parse_field_selector(text)
    assert caught.value.message == message
