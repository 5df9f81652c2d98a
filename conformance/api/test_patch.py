"""JSON patches, merge patches and strategic merge patches."""

from collections.abc import Callable

import pytest

from conformance.api.objects import config_map, deployment, refusal
from conformance.http import JSON_PATCH, MERGE_PATCH, STRATEGIC_PATCH, Api, Json

START = {"a": "1", "b": "2"}


@pytest.mark.parametrize(
    ("operations", "result"),
    [
        pytest.param([{"op": "add", "path": "/data/c", "value": "3"}], {**START, "c": "3"}, id="add"),
        pytest.param([{"op": "add", "path": "/data/a", "value": "9"}], {**START, "a": "9"}, id="add over"),
        pytest.param([{"op": "remove", "path": "/data/a"}], {"b": "2"}, id="remove"),
        pytest.param([{"op": "replace", "path": "/data/a", "value": "9"}], {**START, "a": "9"}, id="replace"),
        pytest.param([{"op": "move", "from": "/data/a", "path": "/data/c"}], {"b": "2", "c": "1"}, id="move"),
        pytest.param([{"op": "copy", "from": "/data/a", "path": "/data/c"}], {**START, "c": "1"}, id="copy"),
        pytest.param(
            [{"op": "test", "path": "/data/a", "value": "1"}, {"op": "remove", "path": "/data/b"}],
            {"a": "1"},
            id="test that holds",
        ),
        pytest.param([], START, id="nothing"),
    ],
)
def test_a_json_patch_is_performed_in_order(maps: Api, operations: Json, result: dict[str, str]) -> None:
    maps.post(config_map("a", START))
    patched = maps.patch(operations, "a", JSON_PATCH)
    assert (patched.status, patched.body["data"]) == (200, result)
    assert maps.get("a").body == patched.body


@pytest.mark.parametrize(
    "operations",
    [
        pytest.param([{"op": "test", "path": "/data/a", "value": "7"}], id="test that fails"),
        pytest.param([{"op": "remove", "path": "/data/zz"}], id="remove what is not there"),
        pytest.param([{"op": "flip", "path": "/data/a"}], id="unknown operation"),
        pytest.param([{"op": "replace", "path": "/data/a", "value": 5}], id="wrong type"),
        pytest.param([{"op": "add", "path": "/spec/deep/er", "value": "1"}], id="no parent"),
        pytest.param([{"op": "replace", "path": "/kind", "value": "Secret"}], id="another kind"),
    ],
)
def test_a_json_patch_succeeds_whole_or_not_at_all(maps: Api, operations: Json) -> None:
    made = maps.post(config_map("a", START)).body
    first = {"op": "add", "path": "/data/first", "value": "x"}
    refused = maps.patch([first, *operations], "a", JSON_PATCH)
    assert refusal(refused)[0] in (400, 422)
    assert maps.get("a").body == made


@pytest.mark.parametrize(
    ("patch", "result"),
    [
        pytest.param({"data": {"c": "3"}}, {**START, "c": "3"}, id="add"),
        pytest.param({"data": {"a": "9"}}, {**START, "a": "9"}, id="replace"),
        pytest.param({"data": {"a": None}}, {"b": "2"}, id="remove"),
        pytest.param({"data": None}, None, id="remove all"),
        pytest.param({"data": {"zz": None}}, START, id="remove what is not there"),
        pytest.param({}, START, id="nothing"),
    ],
)
def test_a_merge_patch_replaces_what_it_names(maps: Api, patch: Json, result: Json) -> None:
    maps.post(config_map("a", START))
    for kind in (MERGE_PATCH, STRATEGIC_PATCH):
        patched = maps.patch(patch, "a", kind)
        assert (patched.status, patched.body.get("data")) == (200, result)


def test_a_patch_that_changes_nothing_makes_no_revision(maps: Api) -> None:
    made = maps.post(config_map("a", START)).body
    for kind, body in ((MERGE_PATCH, {"data": {"a": "1"}}), (JSON_PATCH, []), (STRATEGIC_PATCH, {})):
        assert maps.patch(body, "a", kind).body == made


def test_a_merge_patch_replaces_lists_whole(deployments: Api) -> None:
    deployments.post(deployment("web"))
    containers = [{"name": "other", "image": "localhost/other"}]
    patched = deployments.patch({"spec": {"template": {"spec": {"containers": containers}}}}, "web").body
    assert [each["name"] for each in patched["spec"]["template"]["spec"]["containers"]] == ["other"]


def _main(**fields: Json) -> Json:
    return {"containers": [{"name": "main", **fields}]}


def _containers(spec: Json) -> Json:
    return [each["name"] for each in spec["containers"]]


def _first(field: str) -> Callable[[Json], Json]:
    return lambda spec: spec["containers"][0].get(field)


STRATEGIC = [
    pytest.param(_main(image="localhost/new"), _first("image"), "localhost/new", id="merge by name"),
    pytest.param(
        {"containers": [{"name": "side", "image": "localhost/side"}]},
        lambda spec: sorted(_containers(spec)),
        ["main", "side"],
        id="add by name",
    ),
    pytest.param(
        {
            "containers": [
                {"name": "side", "image": "localhost/side"},
                {"name": "main", "$patch": "delete"},
            ]
        },
        _containers,
        ["side"],
        id="delete by name",
    ),
    pytest.param(
        {"containers": [{"name": "only", "image": "localhost/only"}, {"$patch": "replace"}]},
        _containers,
        ["only"],
        id="replace the list",
    ),
    pytest.param(
        {
            "$setElementOrder/containers": [{"name": "side"}, {"name": "main"}],
            "containers": [{"name": "side", "image": "localhost/side"}],
        },
        _containers,
        ["side", "main"],
        id="order",
    ),
    pytest.param(
        _main(env=[{"name": "B", "value": "2"}]),
        lambda spec: sorted(each["name"] for each in spec["containers"][0]["env"]),
        ["A", "B"],
        id="nested lists merge too",
    ),
    pytest.param(_main(args=["c"]), _first("args"), ["c"], id="lists without a key are replaced"),
    pytest.param(_main(env=None), _first("env"), None, id="null removes"),
]


@pytest.mark.parametrize(("patch", "look", "result"), STRATEGIC)
def test_a_strategic_patch_merges_lists_by_key(
    deployments: Api, patch: Json, look: Callable[[Json], Json], result: Json
) -> None:
    wanted = deployment("web")
    wanted["spec"]["template"]["spec"]["containers"][0] |= {
        "env": [{"name": "A", "value": "1"}],
        "args": ["a", "b"],
    }
    deployments.post(wanted)
    patched = deployments.patch({"spec": {"template": {"spec": patch}}}, "web", STRATEGIC_PATCH)
    assert patched.status == 200, patched
    assert look(patched.body["spec"]["template"]["spec"]) == result


def test_retain_keys_drops_what_is_not_named(deployments: Api) -> None:
    deployments.post(deployment("web"))
    strategy = {"type": "Recreate", "$retainKeys": ["type"]}
    patched = deployments.patch({"spec": {"strategy": strategy}}, "web", STRATEGIC_PATCH)
    assert patched.body["spec"]["strategy"] == {"type": "Recreate"}


def test_primitive_lists_are_merged_and_pruned(maps: Api) -> None:
    maps.post(config_map("a", finalizers=["example.test/a", "example.test/b"]))
    added = maps.patch({"metadata": {"finalizers": ["example.test/c"]}}, "a", STRATEGIC_PATCH).body
    assert set(added["metadata"]["finalizers"]) == {"example.test/a", "example.test/b", "example.test/c"}
    pruned = {"metadata": {"$deleteFromPrimitiveList/finalizers": ["example.test/a", "example.test/b"]}}
    assert maps.patch(pruned, "a", STRATEGIC_PATCH).body["metadata"]["finalizers"] == ["example.test/c"]
    assert maps.patch({"metadata": {"finalizers": None}}, "a").status == 200


@pytest.mark.parametrize(
    ("kind", "body", "code"),
    [
        pytest.param(JSON_PATCH, b"{}", 400, id="an object as JSON patch"),
        pytest.param(MERGE_PATCH, b"[]", 400, id="a list as merge patch"),
        pytest.param(MERGE_PATCH, b"data: {}", 400, id="YAML"),
        pytest.param(MERGE_PATCH, b"{", 400, id="half an object"),
        pytest.param("application/json", b"{}", 415, id="no patch type"),
        pytest.param("text/plain", b"{}", 415, id="text"),
    ],
)
def test_what_is_no_patch_is_refused(maps: Api, kind: str, body: bytes, code: int) -> None:
    maps.post(config_map("a"))
    assert refusal(maps.request("PATCH", "a", raw=body, content_type=kind))[0] == code


@pytest.mark.parametrize(
    ("field", "value", "code"),
    [("name", "b", 400), ("namespace", "other", 400), ("uid", "00000000-0000-0000-0000-000000000000", 422)],
)
def test_a_patch_cannot_make_it_another_object(maps: Api, field: str, value: str, code: int) -> None:
    maps.post(config_map("a"))
    assert maps.patch({"metadata": {field: value}}, "a").status in (code, 409)
    assert maps.get("a").body["metadata"][field] != value
