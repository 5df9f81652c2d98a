"""Tables as kubectl prints them, and metadata alone."""

import pytest

from conformance.api.objects import config_map, deployment, pod
from conformance.http import AS_TABLE, Api, Json

AS_PARTIAL = "application/json;as=PartialObjectMetadata;v=v1;g=meta.k8s.io"
AS_PARTIAL_LIST = "application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io"


def table(place: Api, path: str = "", **query: str) -> Json:
    answer = place.get(path, headers={"Accept": AS_TABLE}, query=query)
    assert answer.status == 200
    assert (answer.body["kind"], answer.body["apiVersion"]) == ("Table", "meta.k8s.io/v1")
    return answer.body


def columns(shown: Json, priority: int = 0) -> list[str]:
    return [each["name"] for each in shown["columnDefinitions"] if each["priority"] <= priority]


def test_a_list_is_a_table_of_its_objects(maps: Api) -> None:
    for name in ("a", "b"):
        maps.post(config_map(name, {"x": "1", "y": "2"}, labels={"run": "here"}))
    shown = table(maps, labelSelector="run=here")
    assert columns(shown) == ["Name", "Data", "Age"]
    assert [row["cells"][:2] for row in shown["rows"]] == [["a", 2], ["b", 2]]
    assert {row["object"]["kind"] for row in shown["rows"]} == {"PartialObjectMetadata"}
    assert [row["object"]["metadata"]["name"] for row in shown["rows"]] == ["a", "b"]


def test_one_object_is_a_table_of_one_row(maps: Api) -> None:
    maps.post(config_map("a"))
    shown = table(maps, "a")
    assert [row["cells"][0] for row in shown["rows"]] == ["a"]


@pytest.mark.parametrize(
    ("wish", "kinds"), [("None", {None}), ("Object", {"ConfigMap"}), ("Metadata", {"PartialObjectMetadata"})]
)
def test_rows_carry_as_much_of_the_object_as_is_wished(maps: Api, wish: str, kinds: set[str | None]) -> None:
    maps.post(config_map("a"))
    rows = table(maps, includeObject=wish)["rows"]
    assert {(row.get("object") or {}).get("kind") for row in rows} == kinds


def test_an_empty_table_has_its_columns(space: Api) -> None:
    shown = table(space, "secrets")
    assert columns(shown) == ["Name", "Type", "Data", "Age"]
    assert shown["rows"] == []


def test_columns_for_wide_output_have_a_lower_priority(pods: Api, deployments: Api) -> None:
    shown = table(pods)
    assert columns(shown) == ["Name", "Ready", "Status", "Restarts", "Age"]
    assert columns(shown, 1)[5:] == ["IP", "Node", "Nominated Node", "Readiness Gates"]
    assert columns(table(deployments), 1) == [
        *("Name", "Ready", "Up-to-date", "Available", "Age"),
        *("Containers", "Images", "Selector"),
    ]


def test_cells_say_what_kubectl_prints(pods: Api, deployments: Api) -> None:
    pods.post(pod("a", nodeSelector={"example.test/nowhere": "true"}))
    [row] = table(pods)["rows"]
    assert row["cells"][:4] == ["a", "0/1", "Pending", "0"]
    deployments.post(deployment("web"))
    [row] = table(deployments)["rows"]
    assert row["cells"][:4] == ["web", "0/0", 0, 0]


def test_pages_of_tables_continue(maps: Api) -> None:
    for name in "abc":
        maps.post(config_map(name, labels={"run": "here"}))
    first = table(maps, labelSelector="run=here", limit="2")
    assert len(first["rows"]) == 2
    rest = table(maps, labelSelector="run=here", limit="2", **{"continue": first["metadata"]["continue"]})
    assert [row["cells"][0] for row in rest["rows"]] == ["c"]


def test_metadata_alone_is_everything_but_the_rest(maps: Api) -> None:
    made = maps.post(config_map("a", {"x": "1"}, labels={"run": "here"})).body
    one = maps.get("a", headers={"Accept": AS_PARTIAL}).body
    assert one == {
        "kind": "PartialObjectMetadata",
        "apiVersion": "meta.k8s.io/v1",
        "metadata": made["metadata"],
    }
    listed = maps.get(headers={"Accept": AS_PARTIAL_LIST}, query={"labelSelector": "run=here"}).body
    assert listed["kind"] == "PartialObjectMetadataList"
    assert [item["metadata"] for item in listed["items"]] == [made["metadata"]]


def test_every_kind_has_a_table(api: Api) -> None:
    for resource in _listable(api, "/api/v1"):
        shown = table(api, f"/api/v1/{resource}", limit="3")
        assert columns(shown)[0] == "Name"
        assert all(len(row["cells"]) == len(shown["columnDefinitions"]) for row in shown["rows"] or [])


def _listable(api: Api, path: str) -> list[str]:
    found = [each["name"] for each in api.get(path).body["resources"] if "list" in each["verbs"]]
    return [name for name in found if name not in ("componentstatuses", "events")]
