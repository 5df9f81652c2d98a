"""JSON, merge and strategic merge patches."""

import copy
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kube_lite.api.errors import ApiError, BadRequest, Invalid, RequestEntityTooLarge
from kube_lite.api.patch import jsonpatch, merge, refused, strategic
from kube_lite.kinds.schemas import definitions

quick = settings(deadline=None, max_examples=50, suppress_health_check=[HealthCheck.too_slow])


DEPLOYMENT = "io.k8s.api.apps.v1.Deployment"


def pods(*containers: Any, **spec: Any) -> Any:
    return {"spec": {"template": {"spec": {"containers": list(containers), **spec}}}}


def patched(obj: Any, patch: Any, definition: str = DEPLOYMENT) -> Any:
    """The result, once it is certain that the arguments are as they were."""
    before = copy.deepcopy((obj, patch))
    result = strategic.apply(obj, patch, definitions().schema(definition))
    assert (obj, patch) == before
    return result


APP, SIDE = {"name": "app", "image": "i:1"}, {"name": "side", "image": "s:1"}


@pytest.mark.parametrize(
    ("patch", "containers"),
    [
        pytest.param(
            pods({"name": "side", "image": "s:2"}), [APP, {**SIDE, "image": "s:2"}], id="merged by name"
        ),
        pytest.param(
            pods({"name": "new", "image": "n"}), [{"name": "new", "image": "n"}, APP, SIDE], id="new first"
        ),
        pytest.param(pods({"name": "side", "$patch": "delete"}), [APP], id="deleted"),
        pytest.param(pods({"name": "none", "$patch": "delete"}), [APP, SIDE], id="nothing to delete"),
        pytest.param(pods({"name": "x"}, {"$patch": "replace"}), [{"name": "x"}], id="replaced"),
        pytest.param(
            pods(
                {"name": "app", "image": "i:9"},
                **{"$setElementOrder/containers": [{"name": "side"}, {"name": "app"}]},
            ),
            [SIDE, {**APP, "image": "i:9"}],
            id="ordered",
        ),
        pytest.param(
            pods(
                {"name": "mid", "image": "m"},
                **{"$setElementOrder/containers": [{"name": "app"}, {"name": "mid"}, {"name": "side"}]},
            ),
            [APP, {"name": "mid", "image": "m"}, SIDE],
            id="new in the middle",
        ),
        pytest.param(
            {"spec": {"template": {"spec": {"containers": None}}}}, None, id="null removes the list"
        ),
    ],
)
def test_lists_are_merged_by_their_key(patch: Any, containers: Any) -> None:
    result = patched(pods(APP, SIDE), patch)
    assert result["spec"]["template"]["spec"].get("containers") == containers


def test_scalars_are_merged_as_a_set_where_the_schema_says_so() -> None:
    obj = {"metadata": {"finalizers": ["a/1", "a/2"]}}
    assert patched(obj, {"metadata": {"finalizers": ["a/3"]}})["metadata"]["finalizers"] == [
        "a/3",
        "a/1",
        "a/2",
    ]
    dropped = {"metadata": {"$deleteFromPrimitiveList/finalizers": ["a/1"]}}
    assert patched(obj, dropped)["metadata"]["finalizers"] == ["a/2"]
    ordered = {"metadata": {"$setElementOrder/finalizers": ["a/2", "a/1"]}}
    assert patched(obj, ordered)["metadata"]["finalizers"] == ["a/2", "a/1"]


def test_lists_without_a_strategy_are_replaced() -> None:
    obj = pods(APP, tolerations=[{"key": "a"}])
    result = patched(obj, {"spec": {"template": {"spec": {"tolerations": [{"key": "z"}]}}}})
    assert result["spec"]["template"]["spec"]["tolerations"] == [{"key": "z"}]


def test_retained_keys_are_all_that_stays() -> None:
    obj = {"spec": {"strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1}}}}
    patch = {"spec": {"strategy": {"$retainKeys": ["type"], "type": "Recreate"}}}
    assert patched(obj, patch) == {"spec": {"strategy": {"type": "Recreate"}}}


def test_directives_on_maps() -> None:
    obj = {"metadata": {"labels": {"a": "1", "b": "2"}}}
    assert patched(obj, {"metadata": {"labels": {"$patch": "replace", "c": "3"}}})["metadata"] == {
        "labels": {"c": "3"}
    }
    assert patched(obj, {"metadata": {"labels": {"$patch": "delete"}}})["metadata"] == {"labels": {}}


def test_of_what_was_not_there_a_directive_takes_its_whole_map_along() -> None:
    strategy = {"type": "Recreate", "rollingUpdate": None}
    assert patched({"spec": {}}, {"spec": {"strategy": strategy}}) == {
        "spec": {"strategy": {"type": "Recreate"}}
    }
    assert patched({"spec": {}}, {"spec": {"strategy": {"$patch": "replace", **strategy}}}) == {"spec": {}}


def test_other_directives_end_up_as_fields_that_nobody_knows() -> None:
    patch = {"spec": {"strategy": {"$retainKeys": ["type"], "type": "Recreate"}}}
    assert patched({"spec": {}}, patch)["spec"]["strategy"]["$retainKeys"] == ["type"]


def test_items_of_one_list_are_of_one_type() -> None:
    obj = {"spec": {"template": {"spec": {"containers": [{"name": "a"}]}}}}
    with pytest.raises(ApiError, match=r"list element types are not identical: \[\[map\[name:a\]\] \[x\]\]"):
        patched(obj, {"spec": {"template": {"spec": {"containers": ["x"]}}}})


@pytest.mark.parametrize(
    ("patch", "code", "message"),
    [
        (pods({"image": "x"}), 500, "map: map[image:x] does not contain declared merge key: name"),
        (
            pods({"name": "app", "$patch": "shuffle"}),
            500,
            "unknown patch type: shuffle in map: map[$patch:shuffle name:app]",
        ),
        (
            {"spec": {"strategy": {"$retainKeys": ["type"], "rollingUpdate": {}}}},
            400,
            "invalid patch format of retainKeys",
        ),
        (
            pods({"name": "mid"}, **{"$setElementOrder/containers": [{"name": "app"}]}),
            500,
            "The order in patch list:\n[map[name:mid]]\n doesn't match $setElementOrder list:\n"
            "[map[name:app]]\n",
        ),
    ],
)
def test_a_bad_directive_is_told(patch: Any, code: Any, message: Any) -> None:
    obj = pods(APP)
    obj["spec"]["strategy"] = {"type": "RollingUpdate"}
    with pytest.raises(ApiError) as caught:
        patched(obj, patch)
    assert (caught.value.code, caught.value.message) == (code, message)


def operations(*given: Any) -> Any:
    return [dict(zip(("op", "path", "value"), operation, strict=False)) for operation in given]


@pytest.mark.parametrize(
    ("patch", "result"),
    [
        (operations(("add", "/data/c", "3")), {"data": {"a": "1", "c": "3"}, "list": [1, 2]}),
        (operations(("add", "/list/-", 3)), {"data": {"a": "1"}, "list": [1, 2, 3]}),
        (operations(("add", "/list/0", 0)), {"data": {"a": "1"}, "list": [0, 1, 2]}),
        (operations(("remove", "/list/-1")), {"data": {"a": "1"}, "list": [1]}),
        (operations(("replace", "/data/new", "x")), {"data": {"a": "1", "new": "x"}, "list": [1, 2]}),
        ([{"op": "move", "from": "/data/a", "path": "/data/b"}], {"data": {"b": "1"}, "list": [1, 2]}),
        (operations(("test", "/data/a", "1"), ("remove", "/data/a")), {"data": {}, "list": [1, 2]}),
        (operations(("add", "/data/x~1y~0z", "1")), {"data": {"a": "1", "x/y~z": "1"}, "list": [1, 2]}),
        (operations(("replace", "", {"only": 1})), {"only": 1}),
    ],
)
def test_operations_are_performed_in_order(patch: Any, result: Any) -> None:
    obj = {"data": {"a": "1"}, "list": [1, 2]}
    assert jsonpatch.apply(obj, patch) == result
    assert obj == {"data": {"a": "1"}, "list": [1, 2]}


@pytest.mark.parametrize(
    "patch",
    [
        operations(("remove", "/data/zz")),
        operations(("add", "/none/x", 1)),
        operations(("add", "/list/9", 1)),
        operations(("remove", "/list/first")),
        operations(("test", "/data/a", 1)),
        operations(("flip", "/data/a")),
        [{"path": "/data/a"}],
        [{"op": "add", "value": 1}],
        [{"op": "move", "from": "/data/zz", "path": "/data/z"}],
    ],
)
def test_an_operation_that_does_not_apply_is_refused_without_details(patch: Any) -> None:
    with pytest.raises(Invalid) as caught:
        jsonpatch.apply({"data": {"a": "1"}, "list": [1, 2]}, patch)
    assert (
        caught.value.status()["message"] == "the server rejected our request due to an error in our request"
    )
    assert caught.value.status()["details"] == {}


def test_patches_that_grow_without_end_are_stopped() -> None:
    doubling = [{"op": "copy", "from": "/a", "path": "/a/-"}] * 40
    with pytest.raises(Invalid):
        jsonpatch.apply({"a": ["x" * 1000]}, doubling)
    with pytest.raises(RequestEntityTooLarge, match="10000, got 10001"):
        jsonpatch.parse(b"[" + b",".join([b"{}"] * 10_001) + b"]")


@pytest.mark.parametrize(
    ("kind", "body", "message"),
    [
        (
            jsonpatch,
            b"{}",
            "error decoding patch: json: cannot unmarshal object into Go value of type "
            "[]handlers.jsonPatchOp",
        ),
        (jsonpatch, b"x", "error decoding patch: invalid character 'x' looking for beginning of value"),
        (
            merge,
            b"[]",
            "error decoding patch: json: cannot unmarshal array into Go value of type "
            "map[string]interface {}",
        ),
        (merge, b"null", "Invalid JSON Patch"),
        (strategic, b"[]", "json: cannot unmarshal array into Go value of type map[string]interface {}"),
        (strategic, b"", "unexpected end of JSON input"),
    ],
)
def test_a_body_that_is_no_patch_is_refused(kind: Any, body: Any, message: Any) -> None:
    with pytest.raises(BadRequest) as caught:
        kind.parse(body)
    assert caught.value.message == message


json_values = st.recursive(
    st.booleans() | st.integers() | st.text(max_size=3),
    lambda below: st.lists(below, max_size=2) | st.dictionaries(st.sampled_from("abc"), below, max_size=3),
    max_leaves=6,
)
objects = st.dictionaries(st.sampled_from("abcd"), json_values, max_size=4)


@quick
@given(objects, objects)
def test_a_merge_patch_leads_from_one_object_to_the_other(old: Any, new: Any) -> None:
    before = copy.deepcopy(old)
    assert merge.apply(old, merge.diff(old, new)) == new
    assert old == before


def test_a_patch_whose_result_is_no_object_of_the_kind_is_quoted() -> None:
    status = refused({"spec": {"sizes": 3}}, "why not").status()
    assert status["message"] == ' "" is invalid: patch: Invalid value: "map[spec:map[sizes:3]]": why not'


def test_what_is_left_of_a_patch_is_what_a_refusal_quotes() -> None:
    patch = pods({"name": "app", "odd": 1}, other=1, **{"$setElementOrder/containers": [{"name": "app"}]})
    left = strategic.merge(pods(APP), patch, definitions().schema(DEPLOYMENT)).left
    assert left == {"spec": {"template": {"spec": {"other": 1}}}}


def test_an_operation_with_a_field_too_many_is_told_where_somebody_wants_to_know() -> None:
    body = b'[{"op": "remove", "path": "/a", "extra": 1, "extra": 2}]'
    operations = jsonpatch.parse(body)
    told = jsonpatch.strict_texts(operations, ['duplicate field "[0].extra"'])
    assert told == ('json patch duplicate field "[0].extra"', 'json patch unknown field "[0].extra"')


def test_types_of_operations_matter_where_somebody_wants_to_know() -> None:
    with pytest.raises(BadRequest, match=r"jsonPatchOp\.op of type string"):
        jsonpatch.parse(b'[{"op": 1}]')
    assert jsonpatch.parse(b'[{"op": 1}, null]', is_checked=False) == [{"op": 1}, None]
