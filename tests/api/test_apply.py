from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kube_lite.api.errors import ApiError, BadRequest, Conflict
from kube_lite.api.identity import GroupVersionKind, Json
from kube_lite.api.patch.apply import LAST_APPLIED, apply
from kube_lite.api.patch.configuration import check, parse
from kube_lite.api.patch.fieldset import paths, spell
from kube_lite.api.patch.merging import merge, merged_order
from kube_lite.api.patch.ownership import Writer
from kube_lite.api.patch.typed import ANYTHING, RootType
from kube_lite.api.schema.load import OBJECT_META
from kube_lite.kinds.schemas import definitions

NOW = "2024-01-01T00:00:00Z"


def kind(name: str) -> RootType:
    known = definitions()
    return RootType(known.schema(f"io.k8s.api.{name}"), known.schema(OBJECT_META))


CONFIG_MAP, POD = kind("core.v1.ConfigMap"), kind("core.v1.Pod")


def config(**data: str | None) -> Json:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}, "data": data}


def pod(*containers: Json, **spec: Any) -> Json:
    return {
        "apiVersion": "v1", "kind": "Pod", "metadata": {"name": "a"},
        "spec": {"containers": list(containers), **spec},
    }  # fmt: skip


def applied(
    live: Json | None, wanted: Json, name: str = "x", type: RootType = CONFIG_MAP, **more: Any
) -> Json:
    """The object with its owners after an apply."""
    found = apply(type, live, wanted, Writer(name, "v1"), NOW, empty={}, **more)
    return {**found.obj, "metadata": {**found.obj["metadata"], "managedFields": found.managed_fields}}


def owners(obj: Json) -> dict[str, set[str]]:
    return {
        entry["manager"]: {spell(path) for path in paths(entry["fieldsV1"])}
        for entry in obj["metadata"]["managedFields"]
    }


VALUES = st.dictionaries(st.sampled_from("abcd"), st.sampled_from("12"), max_size=4)


@given(VALUES, VALUES)
def test_applying_twice_is_applying_once(first: dict[str, str], second: dict[str, str]) -> None:
    live = applied(applied(None, config(**first)), config(**second), "y", force=True)
    assert applied(live, config(**second), "y") == live


@given(VALUES, VALUES)
def test_giving_up_removes_what_nobody_else_owns(first: dict[str, str], second: dict[str, str]) -> None:
    live = applied(applied(None, config(**first)), config(**second), "y", force=True)
    left = applied(live, config(), "y")
    kept = {key: value for key, value in first.items() if second.get(key, value) == value}
    assert (left.get("data") or {}) == kept


@given(st.lists(st.sampled_from("abcdef"), unique=True), st.lists(st.sampled_from("abcdef"), unique=True))
def test_a_merged_list_has_every_item_once_and_keeps_the_order_that_is_wanted(
    there: list[str], wanted: list[str]
) -> None:
    merged = [there[item] if isinstance(item, int) else item for item in merged_order(there, wanted)]
    assert sorted(merged) == sorted({*there, *wanted})
    assert [label for label in merged if label in wanted] == wanted
    others = [label for label in there if label not in wanted]
    assert [label for label in merged if label not in wanted] == others


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("ab"), inner, max_size=2),
    max_leaves=8,
)


@given(
    st.dictionaries(st.sampled_from("ab"), JSON_VALUES), st.dictionaries(st.sampled_from("ab"), JSON_VALUES)
)
def test_where_no_schema_says_anything_the_configuration_wins(live: Json, wanted: Json) -> None:
    merged = merge(live, wanted, ANYTHING)
    assert merge(merged, wanted, ANYTHING) == merged


def test_containers_of_several_owners_stand_side_by_side() -> None:
    live = applied(None, pod({"name": "a", "image": "1"}), "x", POD)
    live = applied(live, pod({"name": "b", "image": "1"}), "y", POD)
    assert [container["name"] for container in live["spec"]["containers"]] == ["a", "b"]
    live = applied(live, pod(), "x", POD)
    assert [container["name"] for container in live["spec"]["containers"]] == ["b"]


def test_an_atomic_list_is_replaced_as_a_whole() -> None:
    live = applied(None, pod({"name": "a", "command": ["x", "y"]}), "x", POD)
    live = applied(live, pod({"name": "a", "command": ["z"]}), "x", POD)
    assert live["spec"]["containers"][0]["command"] == ["z"]


def test_the_same_value_has_two_owners_and_stays_until_both_give_it_up() -> None:
    live = applied(applied(None, config(k="v")), config(k="v"), "y")
    assert owners(live) == {"x": {".data.k"}, "y": {".data.k"}}
    live = applied(live, config())
    assert live["data"] == {"k": "v"}
    assert not applied(live, config(), "y").get("data")


def test_who_gains_nothing_by_an_apply_gets_an_entry_without_a_time() -> None:
    live = applied(applied(None, config(k="v")), config(k="v"), "y")
    assert [entry.get("time") for entry in live["metadata"]["managedFields"]] == [None, NOW]


def test_conflicts_are_told_by_owner() -> None:
    live = applied(applied(None, config(a="1", b="1")), config(c="1"), "y")
    with pytest.raises(Conflict) as caught:
        applied(live, config(a="2", b="2", c="2"), "z")
    assert caught.value.message == (
        'Apply failed with 3 conflicts: conflicts with "x":\n- .data.a\n- .data.b\n'
        'conflicts with "y":\n- .data.c'
    )
    causes = (caught.value.details or {})["causes"]
    assert [cause["field"] for cause in causes] == [".data.a", ".data.b", ".data.c"]


def test_force_takes_what_others_own() -> None:
    live = applied(applied(None, config(a="1", b="1")), config(a="2"), "y", force=True)
    assert live["data"] == {"a": "2", "b": "1"}
    assert owners(live) == {"x": {".data.b"}, "y": {".data.a"}}


def test_objects_without_owners_belong_to_nobody_in_particular() -> None:
    live = {**config(a="1"), "metadata": {"name": "a", "uid": "1"}}
    with pytest.raises(Conflict, match=r'conflict with "before-first-apply" using v1: \.data\.a'):
        applied(live, config(a="2"))
    assert set(owners(applied(live, config(b="2")))) == {"before-first-apply", "x"}


def test_kubectl_takes_over_what_it_applied_from_the_client_side() -> None:
    annotation = '{"apiVersion":"v1","data":{"a":"1"},"kind":"ConfigMap","metadata":{"name":"a"}}'
    live: Json = {**config(a="1", b="1"), "metadata": {"uid": "1", "annotations": {LAST_APPLIED: annotation}}}
    moved = applied(live, config(a="2"), "kubectl")
    assert moved["data"] == {"a": "2", "b": "1"}
    assert '"a":"2"' in moved["metadata"]["annotations"][LAST_APPLIED]
    with pytest.raises(Conflict, match=r"\.data\.b"):
        applied(live, config(b="2"), "kubectl")
    with pytest.raises(Conflict, match=r"\.data\.a"):
        applied(live, config(a="2"), "another")


def test_what_became_atomic_is_owned_as_a_whole() -> None:
    live = applied(None, pod({"name": "a", "command": ["x"]}), "x", POD)
    containers = live["metadata"]["managedFields"][0]["fieldsV1"]["f:spec"]["f:containers"]
    containers['k:{"name":"a"}']["f:command"] = {'v:"x"': {}}  # as if it had been a set before
    with pytest.raises(Conflict, match=r"command$"):
        applied(live, pod({"name": "a", "command": ["y"]}), "y", POD)


@pytest.mark.parametrize(
    ("type", "sent", "why"),
    [
        pytest.param(
            CONFIG_MAP, {**config(), "colour": 1}, ".colour: field not declared in schema", id="unknown"
        ),
        pytest.param(
            CONFIG_MAP, {**config(), "data": {"k": 5}},
            ".data.k: expected string, got &value.valueUnstructured{Value:5}", id="no string",
        ),
        pytest.param(
            POD, pod({"name": "c", "stdin": "yes"}),
            '.spec.containers[name="c"].stdin: expected boolean, got &{yes}', id="no boolean",
        ),
        pytest.param(
            POD, pod({"name": "c", "ports": [{"containerPort": "80"}]}),
            '.spec.containers[name="c"].ports[containerPort="80",protocol="TCP"].containerPort: '
            "expected numeric (int or float), got string", id="no number, in a key",
        ),
        pytest.param(
            POD, pod({"name": "c"}, {"name": "c"}),
            '.spec.containers: duplicate entries for key [name="c"]', id="one key twice",
        ),
        pytest.param(
            POD, pod({"name": "c"}, volumes={}), ".spec.volumes: expected list, got &{map[]}", id="no list"
        ),
        pytest.param(
            CONFIG_MAP, {**config(), "data": ["x"], "binaryData": 5},
            "errors:\n  .data: expected map, got &{[x]}\n  .binaryData: expected map, got &{5}", id="several",
        ),
    ],
)  # fmt: skip
def test_what_does_not_follow_the_schema_is_refused(type: RootType, sent: Json, why: str) -> None:
    gvk = GroupVersionKind("", "v1", sent["kind"])
    with pytest.raises(ApiError) as caught:
        check(sent, gvk, type)
    assert (
        caught.value.message == f"failed to create typed patch object (/a; /v1, Kind={sent['kind']}): {why}"
    )


@pytest.mark.parametrize(
    ("sent", "why"),
    [
        pytest.param({}, "invalid object type: /, Kind=", id="nothing"),
        pytest.param({"kind": 5, "apiVersion": "a/b/c"}, "invalid object type: /, Kind=", id="nonsense"),
        pytest.param({**config(), "kind": "Pod"}, "invalid object type: /v1, Kind=Pod", id="another kind"),
        pytest.param(
            {**config(), "metadata": {"managedFields": []}}, "metadata.managedFields must be nil", id="owners"
        ),
    ],
)
def test_what_cannot_be_applied_here_is_refused(sent: Json, why: str) -> None:
    with pytest.raises(BadRequest) as caught:
        check(sent, GroupVersionKind("", "v1", "ConfigMap"), CONFIG_MAP)
    assert caught.value.message == why


@pytest.mark.parametrize(
    ("body", "why"),
    [
        pytest.param(b"a: b: c", "error converting YAML to JSON: yaml: mapping values", id="no YAML"),
        pytest.param(b"[1]", "json: cannot unmarshal array into Go value of type map", id="a list"),
    ],
)
def test_bodies_that_say_nothing_are_refused(body: bytes, why: str) -> None:
    with pytest.raises(BadRequest, match=why):
        parse(body)


def test_what_is_applied_empty_stays_when_nothing_is_left_in_it() -> None:
    live = applied(None, pod({"name": "c"}, securityContext={"runAsUser": 1}), type=POD)
    emptied = applied(live, pod({"name": "c"}, securityContext={}), type=POD)
    assert emptied["spec"]["securityContext"] == {}
    assert ".spec.securityContext" in owners(emptied)["x"]
    assert "securityContext" not in applied(emptied, pod({"name": "c"}), type=POD)["spec"]
