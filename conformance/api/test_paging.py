"""Lists in pages, and lists of a certain revision."""

import pytest

from conformance.api.objects import names, refusal
from conformance.http import Answer, Api


@pytest.fixture
def secrets(space: Api) -> Api:
    """Five of them, a to e."""
    place = space.at("secrets")
    for name in "abcde":
        assert place.post({"metadata": {"name": name}}).status == 201
    return place


def pages_of(place: Api, limit: int, **query: str) -> list[Answer]:
    pages = [place.get(query={"limit": limit, **query})]
    while token := pages[-1].body["metadata"].get("continue"):
        pages.append(place.get(query={"limit": limit, "continue": token, **query}))
    return pages


@pytest.mark.parametrize(
    ("limit", "sizes", "remaining"),
    [
        pytest.param(2, [2, 2, 1], [3, 1, None], id="a rest"),
        pytest.param(5, [5], [None], id="even"),
        pytest.param(9, [5], [None], id="more than there are"),
        pytest.param(1, [1] * 5, [4, 3, 2, 1, None], id="one by one"),
        pytest.param(0, [5], [None], id="no limit"),
    ],
)
def test_pages_are_the_whole_list(
    secrets: Api, limit: int, sizes: list[int], remaining: list[object]
) -> None:
    pages = pages_of(secrets, limit)
    assert [len(page.body["items"]) for page in pages] == sizes
    assert [page.body["metadata"].get("remainingItemCount") for page in pages] == remaining
    assert [name for page in pages for name in names(page)] == list("abcde")
    assert len({page.body["metadata"]["resourceVersion"] for page in pages}) == 1


def test_later_pages_show_the_revision_of_the_first(secrets: Api) -> None:
    first = secrets.get(query={"limit": 2})
    secrets.delete("d")
    secrets.post({"metadata": {"name": "cc"}})
    rest = secrets.get(query={"limit": 9, "continue": first.body["metadata"]["continue"]})
    assert names(rest) == ["c", "d", "e"]
    assert names(secrets.get()) == ["a", "b", "c", "cc", "e"]


def test_pages_of_a_selection_do_not_say_how_many_remain(secrets: Api) -> None:
    for name in "ace":
        secrets.patch({"metadata": {"labels": {"odd": "yes"}}}, name)
    pages = pages_of(secrets, 2, labelSelector="odd=yes")
    assert [names(page) for page in pages] == [["a", "c"], ["e"]]
    assert not any("remainingItemCount" in page.body["metadata"] for page in pages)


@pytest.mark.parametrize("token", ["hello", "aGVsbG8=", "e30=", "%00", "eyJ2IjoieCJ9"])
def test_what_is_no_token_is_refused(secrets: Api, token: str) -> None:
    refused = secrets.get(query={"limit": 2, "continue": token})
    assert refusal(refused) == (400, "BadRequest")
    assert "continue" in refused.body["message"]


def test_a_token_and_a_version_exclude_each_other(secrets: Api) -> None:
    token = secrets.get(query={"limit": 1}).body["metadata"]["continue"]
    refused = secrets.get(query={"limit": 1, "continue": token, "resourceVersion": "5"})
    assert refusal(refused) == (400, "BadRequest")
    assert refused.body["message"] == "specifying resource version is not allowed when using continue"
    anything = secrets.get(query={"limit": 1, "continue": token, "resourceVersion": "0"})
    assert names(anything)[0] == "b"  # a server that answers from its cache gives all the rest


def test_a_list_of_exactly_one_revision_shows_what_was_there(secrets: Api) -> None:
    version = secrets.get("b").body["metadata"]["resourceVersion"]
    exact = {"resourceVersion": version, "resourceVersionMatch": "Exact"}
    then = secrets.get(query=exact)
    assert names(then) == ["a", "b"]
    assert then.body["metadata"]["resourceVersion"] == version
    assert names(secrets.get(query={**exact, "resourceVersionMatch": "NotOlderThan"})) == list("abcde")
    assert [names(page) for page in _exact_pages(secrets, exact)] == [["a"], ["b"]]


def _exact_pages(place: Api, exact: dict[str, str]) -> list[Answer]:
    first = place.get(query={"limit": 1, **exact})
    return [first, place.get(query={"limit": 1, "continue": first.body["metadata"]["continue"]})]


@pytest.mark.parametrize(
    ("query", "told"),
    [
        pytest.param(
            {"resourceVersion": "0", "resourceVersionMatch": "Exact"}, (422, "Invalid"), id="exactly 0"
        ),
        pytest.param({"resourceVersionMatch": "Exact"}, (422, "Invalid"), id="match alone"),
        pytest.param(
            {"resourceVersion": "5", "resourceVersionMatch": "Nearly"}, (422, "Invalid"), id="unknown match"
        ),
        pytest.param({"resourceVersion": "new"}, (400, "BadRequest"), id="a word"),
        pytest.param({"resourceVersion": "-1"}, (400, "BadRequest"), id="negative"),
        pytest.param(
            {"sendInitialEvents": "true", "resourceVersionMatch": "NotOlderThan"},
            (422, "Invalid"),
            id="initial events of a list",
        ),
        pytest.param(
            {"resourceVersion": "5", "resourceVersionMatch": "Exact", "continue": "x"},
            (422, "Invalid"),
            id="match and token",
        ),
    ],
)
def test_what_does_not_go_together_is_refused(
    secrets: Api, query: dict[str, str], told: tuple[int, str]
) -> None:
    assert refusal(secrets.get(query=query)) == told


def test_a_revision_that_has_not_been_times_out(secrets: Api) -> None:
    refused = secrets.get(query={"resourceVersion": "99999999999", "resourceVersionMatch": "NotOlderThan"})
    assert refusal(refused) == (504, "Timeout")
    assert "Too large resource version: 99999999999, current: " in refused.body["message"]
    assert [cause["reason"] for cause in refused.body["details"]["causes"]] == ["ResourceVersionTooLarge"]


def test_lists_are_in_order_of_names(secrets: Api) -> None:
    for name in ("b0", "0", "a-b", "a.b"):
        secrets.post({"metadata": {"name": name}})
    assert names(secrets.get()) == sorted([*"abcde", "b0", "0", "a-b", "a.b"])


def test_an_empty_list_is_a_list(space: Api) -> None:
    listed = space.get("secrets").body
    assert (listed["kind"], listed["items"]) == ("SecretList", [])
    assert int(listed["metadata"]["resourceVersion"]) > 0
