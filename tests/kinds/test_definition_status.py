"""The names of CustomResourceDefinitions, and what is told of their groups."""

import pytest

from kube_lite.api.identity import Json
from kube_lite.kinds.approval import is_protected
from kube_lite.kinds.definition_status import Taken, plan_names, plan_status
from kube_lite.kinds.outlines import deprecation, outline_of, read_outline
from tests.definitions import definition, version

NOW = 1_700_000_000.0
WANTED: Json = {
    "plural": "cats",
    "singular": "cat",
    "kind": "Cat",
    "listKind": "CatList",
    "shortNames": ["c"],
}


def test_names_that_are_free_are_accepted() -> None:
    assert plan_names(WANTED, {}, Taken(frozenset(), frozenset())) == (WANTED, None)


def test_each_name_is_accepted_for_itself_and_the_last_conflict_is_told() -> None:
    taken = Taken(frozenset({"cat", "c"}), frozenset())
    names, conflict = plan_names(WANTED, {}, taken)
    assert names == {"plural": "cats", "kind": "Cat", "listKind": "CatList"}
    assert conflict == (False, "ShortNamesConflict", '"c" is already in use')


def test_names_that_are_its_own_do_not_clash() -> None:
    taken = Taken(frozenset({"cats", "cat", "c"}), frozenset({"Cat", "CatList"}))
    assert plan_names({**WANTED, "shortNames": ["c", "ct"]}, WANTED, taken)[1] is None


def test_what_was_established_stays_so_when_it_wants_a_name_that_is_taken() -> None:
    body = {**definition(), "status": {}}
    body["spec"]["names"] |= {"singular": "widget", "listKind": "WidgetList"}
    body["status"] = plan_status(body, Taken(frozenset(), frozenset()), [], NOW)
    body["spec"] = {**body["spec"], "names": {**body["spec"]["names"], "shortNames": ["x"]}}
    status = plan_status(body, Taken(frozenset({"x"}), frozenset()), [], NOW)
    assert {entry["type"]: entry["status"] for entry in status["conditions"]} == {
        "NamesAccepted": "False",
        "Established": "True",
    }
    assert "shortNames" not in status["acceptedNames"]


def test_violations_of_structure_are_told_and_forgotten() -> None:
    body = definition()
    body["status"] = plan_status(body, Taken(frozenset(), frozenset()), ["a: wrong", "b: wrong"], NOW)
    assert body["status"]["conditions"][-1]["message"] == "[a: wrong, b: wrong]"
    status = plan_status(body, Taken(frozenset(), frozenset()), [], NOW)
    assert "NonStructuralSchema" not in [entry["type"] for entry in status["conditions"]]


@pytest.mark.parametrize(
    ("group", "protected"),
    [("k8s.io", True), ("a.k8s.io", True), ("a.kubernetes.io", True), ("ak8s.io", False), ("x.test", False)],
)
def test_groups_of_the_community_are_protected(group: str, protected: bool) -> None:
    assert is_protected(group) is protected


def test_an_outline_is_read_as_it_was_written() -> None:
    columns = [{"name": "Size", "type": "integer", "jsonPath": ".spec.size"}]
    body = definition(
        version(additionalPrinterColumns=columns, selectableFields=[{"jsonPath": ".spec.size"}])
    )
    body["metadata"]["uid"] = "1"
    outline = outline_of(body)
    assert read_outline(outline.text()) == outline
    assert outline.versions[0].columns == columns


def test_a_tag_follows_the_schema_alone() -> None:
    def tag(body: Json) -> str:
        return outline_of({**body, "metadata": {**body["metadata"], "uid": "1"}}).versions[0].tag

    assert tag(definition()) == tag(definition(version(), plural="cats"))
    assert tag(definition()) != tag(definition(version(spec={"type": "object"})))


def test_without_a_newer_version_a_deprecated_one_names_none() -> None:
    spec = definition(version("v1", deprecated=True))["spec"]
    assert deprecation(spec, spec["versions"][0]) == "zoo.example/v1 Widget is deprecated"
