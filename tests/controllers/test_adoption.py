import pytest

from kube_lite.api.identity import Json
from kube_lite.api.selectors import label_selector
from kube_lite.controllers.adoption import plan_claims, selects

from .objects import pod, replica_set

IN_WEB = {"matchExpressions": [{"key": "app", "operator": "In", "values": ["web"]}]}


@pytest.mark.parametrize(
    ("selector", "matches"),
    [
        pytest.param({"matchLabels": {"app": "web"}}, True, id="labels"),
        pytest.param({"matchLabels": {"app": "web", "tier": "x"}}, False, id="all labels must be there"),
        pytest.param(IN_WEB, True, id="expressions"),
        pytest.param(IN_WEB | {"matchLabels": {"tier": "x"}}, False, id="both"),
        pytest.param({}, True, id="an empty selector is everything"),
        pytest.param(None, False, id="no selector is nothing"),
    ],
)
def test_selectors_match(selector: Json | None, matches: bool) -> None:
    assert selects(selector, pod("a")) is matches
    assert label_selector(selector).matches_object(pod("a")) is matches


def test_what_matches_is_kept_or_adopted_and_what_does_not_is_let_go() -> None:
    fits, other, ending = pod("a"), pod("b", labels={}), pod("c", deleting=True)
    owner = replica_set()
    selector = label_selector(owner["spec"]["selector"])
    assert plan_claims(owner, selector, [fits, other], []) == ([fits], [], [other])
    assert plan_claims(owner, selector, [], [fits, other, ending]) == ([], [fits], [])


def test_an_owner_that_ends_neither_adopts_nor_lets_go() -> None:
    owner = replica_set()
    owner["metadata"]["deletionTimestamp"] = "2023-11-14T22:00:00Z"
    selector = label_selector(owner["spec"]["selector"])
    assert plan_claims(owner, selector, [pod("b", labels={})], [pod("a")]) == ([], [], [])
