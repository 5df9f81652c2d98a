"""Answers of conversion webhooks: whatever they are, they are taken or refused in words."""

from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kube_lite.api.errors import ConversionFailed
from kube_lite.api.identity import Json
from kube_lite.kinds.conversion_reviews import choose_version, read_answer, write_review

V1, V2 = "zoo.example/v1", "zoo.example/v2"
SENT: Json = {
    "kind": "Widget",
    "apiVersion": V1,
    "metadata": {"name": "a", "namespace": "x", "uid": "1", "labels": {"k": "v"}},
}
FIELDS = (
    "kind", "apiVersion", "metadata", "name", "namespace", "uid", "labels", "annotations", "response",
    "result", "status", "message", "convertedObjects",
)  # fmt: skip
WORDS = st.text(max_size=5) | st.sampled_from(["Widget", V2, "Success"])
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | WORDS,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from(FIELDS), inner, max_size=6),
    max_leaves=12,
)
"""What is read from JSON."""


def right(obj: Any) -> Json:
    """The answer that gives an object."""
    response = {"uid": "7", "convertedObjects": [obj], "result": {"status": "Success"}}
    return {"kind": "ConversionReview", "apiVersion": "apiextensions.k8s.io/v1", "response": response}


@given(answer=VALUES, obj=st.dictionaries(st.sampled_from(FIELDS), VALUES))
def test_no_answer_is_too_odd_to_be_refused(answer: Any, obj: Json) -> None:
    for odd in (answer, {**right({}), "response": answer}, right(answer), right({**SENT, **obj})):
        try:
            [found] = read_answer(odd, "v1", "7", V2, [SENT])
        except ConversionFailed:
            continue
        assert (found["kind"], found["apiVersion"], found["metadata"]["uid"]) == ("Widget", V2, "1")


def test_what_is_asked_is_a_review_of_the_first_version_that_is_known() -> None:
    version = choose_version(["v3", "v1beta1", "v1"])
    review = orjson.loads(write_review(version, "7", V2, [orjson.dumps(SENT), orjson.dumps(SENT)]))
    assert review["apiVersion"] == "apiextensions.k8s.io/v1beta1"
    assert review["request"] == {"uid": "7", "desiredAPIVersion": V2, "objects": [SENT, SENT]}
    with pytest.raises(ConversionFailed, match="no supported conversion review versions"):
        choose_version(["v3"])
