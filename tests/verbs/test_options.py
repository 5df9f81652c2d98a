import pytest

from kube_lite.api.errors import ApiError, BadRequest, Invalid
from kube_lite.verbs.options import (
    Repeated,
    delete_options_from_query,
    parse_bool,
    parse_list_options,
    parse_write_options,
)


@pytest.mark.parametrize(
    ("query", "watch", "why"),
    [
        pytest.param(
            {"resourceVersionMatch": "Exact"},
            False,
            "is forbidden unless resourceVersion is provided",
            id="match alone",
        ),
        pytest.param(
            {"resourceVersionMatch": "Exact", "resourceVersion": "0"},
            False,
            'for resourceVersion "0"',
            id="exactly any",
        ),
        pytest.param(
            {"resourceVersionMatch": "Nearly", "resourceVersion": "1"},
            False,
            'Unsupported value: "Nearly": supported values: "Exact", "NotOlderThan", ""',
            id="unknown match",
        ),
        pytest.param({"sendInitialEvents": "true"}, False, "is forbidden for list", id="events of a list"),
        pytest.param(
            {"sendInitialEvents": "true"},
            True,
            "requires setting resourceVersionMatch",
            id="events without match",
        ),
        pytest.param(
            {"resourceVersionMatch": "NotOlderThan"},
            True,
            "for watch unless sendInitialEvents",
            id="watch with match",
        ),
        pytest.param(
            {"continue": "x"}, True, "is forbidden when continue is provided", id="watch with token"
        ),
    ],
)
def test_lists_and_watches_that_contradict_themselves_are_refused(
    query: dict[str, str], watch: bool, why: str
) -> None:
    with pytest.raises(Invalid) as caught:
        parse_list_options(query, watch=watch)
    assert why in caught.value.message
    assert caught.value.status()["details"]["kind"] == "ListOptions"


@pytest.mark.parametrize("query", [{"limit": "many"}, {"timeoutSeconds": "soon"}])
def test_a_number_that_is_none_is_refused(query: dict[str, str]) -> None:
    with pytest.raises(BadRequest, match=r"strconv\.ParseInt: parsing"):
        parse_list_options(query)


def test_a_version_that_is_none_is_refused_differently_by_lists_and_watches() -> None:
    with pytest.raises(BadRequest, match="invalid resource version"):
        parse_list_options({"resourceVersion": "new"})
    with pytest.raises(ApiError) as caught:
        parse_list_options({"resourceVersion": "-4"}, watch=True)
    assert caught.value.code == 500


def test_the_manager_is_the_first_word_of_the_client() -> None:
    assert parse_write_options("CreateOptions", {}, user_agent="kubectl/v1.36 (linux)").manager == "kubectl"
    assert parse_write_options("CreateOptions", {"fieldManager": "me"}, user_agent="x/1").manager == "me"


@pytest.mark.parametrize(
    ("query", "why"),
    [
        ({"dryRun": "Some"}, 'dryRun: Unsupported value: ["Some"]: supported values: "All"'),
        ({"fieldManager": "m" * 129}, "fieldManager: Too long: may not be more than 128 bytes"),
        ({"fieldManager": "a\tb"}, 'Invalid value: "a\\tb": invalid character U+0009 (at position 1)'),
        ({"force": "true"}, "force: Forbidden: may not be specified for non-apply patch"),
    ],
)
def test_options_of_writes_that_make_no_sense_are_refused(query: dict[str, str], why: str) -> None:
    with pytest.raises(Invalid) as caught:
        parse_write_options("PatchOptions", query)
    assert why in caught.value.message


def test_a_delete_may_say_its_options_in_the_query() -> None:
    options = delete_options_from_query(
        {"gracePeriodSeconds": "5", "propagationPolicy": "Orphan", "dryRun": "All"}
    )
    assert (options.grace_seconds, options.propagation, options.dry_run) == (5, "Orphan", True)
    with pytest.raises(Invalid, match="orphanDependents and deletionPropagation cannot be both set"):
        delete_options_from_query({"orphanDependents": "true", "propagationPolicy": "Orphan"})


@pytest.mark.parametrize(
    ("text", "meaning"), [("true", True), ("false", False), ("0", False), ("maybe", True)]
)
def test_everything_but_false_and_zero_is_true(text: str, meaning: bool) -> None:
    assert parse_bool(text) is meaning


@pytest.mark.parametrize(
    ("query", "why"),
    [
        pytest.param(
            {"dryRun": ""}, r'dryRun: Unsupported value: \[""\]: supported values: "All"', id="empty"
        ),
        pytest.param(
            Repeated({"dryRun": "All"}, {"dryRun": ["x"]}),
            r'dryRun: Unsupported value: \["All","x"\]: supported values: "All"',
            id="one of two",
        ),
    ],
)
def test_every_value_of_dry_run_counts(query: dict[str, str], why: str) -> None:
    with pytest.raises(Invalid, match=why):
        parse_write_options("CreateOptions", query)


def test_numbers_have_64_bits() -> None:
    with pytest.raises(BadRequest, match='parsing "99999999999999999999": value out of range'):
        parse_list_options({"limit": "99999999999999999999"})
    with pytest.raises(BadRequest, match=r'strconv\.ParseUint: parsing "9{20}": value out of range'):
        parse_list_options({"resourceVersion": "99999999999999999999"})


def test_a_query_may_say_which_object_is_to_be_deleted() -> None:
    options = delete_options_from_query({"uid": "x", "resourceVersion": "7"})
    assert (options.uid, options.resource_version) == ("x", "7")
