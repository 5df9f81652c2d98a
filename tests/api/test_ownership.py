from typing import Any

import pytest

from kube_lite.api.identity import Json
from kube_lite.api.patch.fieldset import paths, spell
from kube_lite.api.patch.ownership import ANCIENT, MAX_UPDATERS, Writer, after_update, manager_of, settle
from kube_lite.api.patch.typed import RootType
from kube_lite.api.schema.load import OBJECT_META
from kube_lite.kinds.schemas import definitions

EARLY, LATE = "2024-01-01T00:00:00Z", "2024-01-01T00:00:05Z"
STATUS: Json = {"f:status": {}}


def kind(name: str) -> RootType:
    known = definitions()
    return RootType(known.schema(f"io.k8s.api.{name}"), known.schema(OBJECT_META))


CONFIG_MAP, DEPLOYMENT, SERVICE = (
    kind("core.v1.ConfigMap"),
    kind("apps.v1.Deployment"),
    kind("core.v1.Service"),
)


def write(
    old: Json | None, new: Json, name: str, *, type: RootType = CONFIG_MAP, now: str = EARLY, **more: Any
) -> Json:
    """The object with its owners after an update."""
    writer = Writer(name, more.pop("version", "v1"), more.pop("subresource", ""))
    metadata = {"name": "a", "uid": "1", **new.get("metadata", {})}
    new = {**new, "metadata": metadata}
    owners = after_update(type, old, new, writer, now, empty={}, **more)
    return {**new, "metadata": {**metadata, "managedFields": owners}}


def owned(obj: Json, name: str) -> set[str]:
    """What somebody owns, in words."""
    return {
        spell(path)
        for entry in obj["metadata"]["managedFields"]
        if entry["manager"] == name
        for path in paths(entry["fieldsV1"])
    }


def times(obj: Json) -> dict[str, str]:
    return {entry["manager"]: entry.get("time", "") for entry in obj["metadata"]["managedFields"]}


def test_who_creates_owns_all_but_what_says_which_object_it_is() -> None:
    made = write(None, {"metadata": {"labels": {"l": "1"}}, "data": {"k": "v"}}, "maker")
    assert owned(made, "maker") == {".metadata.labels", ".metadata.labels.l", ".data", ".data.k"}


def test_an_update_takes_what_it_changes_and_nothing_else() -> None:
    made = write(None, {"data": {"k": "v", "l": "v", "m": "v"}}, "maker")
    changed = write(made, {"data": {"k": "w", "l": "v"}}, "updater", now=LATE)
    assert owned(changed, "updater") == {".data.k"}
    assert owned(changed, "maker") == {".data", ".data.l"}
    assert times(changed) == {"maker": EARLY, "updater": LATE}


def test_a_write_that_changes_nothing_changes_no_owners() -> None:
    made = write(None, {"data": {"k": "v"}}, "maker")
    same = write(made, {"data": {"k": "v"}}, "updater", now=LATE)
    assert same == made


def test_who_owns_nothing_any_more_has_no_entry() -> None:
    made = write(None, {"data": {"k": "v"}}, "maker")
    assert times(write(made, {}, "updater")) == {}


@pytest.mark.parametrize(
    ("type", "new", "expected"),
    [
        pytest.param(
            SERVICE,
            {"spec": {"ports": [{"port": 80}, {"port": 53, "protocol": "UDP"}]}},
            {
                ".spec.ports",
                '.spec.ports[port=80,protocol="TCP"]',
                '.spec.ports[port=80,protocol="TCP"].port',
                '.spec.ports[port=53,protocol="UDP"]',
                '.spec.ports[port=53,protocol="UDP"].port',
                '.spec.ports[port=53,protocol="UDP"].protocol',
            },
            id="a list with keys, one of them by default",
        ),
        pytest.param(SERVICE, {"spec": {"selector": {"a": "b"}}}, {".spec.selector"}, id="an atomic map"),
        pytest.param(SERVICE, {"spec": {"externalIPs": ["1.2.3.4"]}}, {".spec.externalIPs"}, id="an atom"),
        pytest.param(
            CONFIG_MAP,
            {"metadata": {"finalizers": ["x", "y"]}},
            {".metadata.finalizers", '.metadata.finalizers[="x"]', '.metadata.finalizers[="y"]'},
            id="a set",
        ),
        pytest.param(
            SERVICE, {"spec": {"ports": [{"port": 1}, {"port": 1}]}},
            {".spec.ports", '.spec.ports[port=1,protocol="TCP"]'}, id="one key twice",
        ),
    ],
)  # fmt: skip
def test_lists_and_maps_are_taken_apart_as_the_schema_says(
    type: RootType, new: Json, expected: set[str]
) -> None:
    made = write(None, new, "maker", type=type)
    assert owned(made, "maker") - {".spec"} == expected


def test_what_a_door_cannot_change_it_does_not_own() -> None:
    new = {"spec": {"replicas": 1}, "status": {"replicas": 1}}
    made = write(None, new, "maker", type=DEPLOYMENT, version="apps/v1", ignored=STATUS)
    assert owned(made, "maker") == {".spec", ".spec.replicas"}


def test_one_name_has_an_entry_per_version_and_subresource() -> None:
    made = write(None, {"data": {"k": "1"}}, "x")
    made = write(made, {"data": {"k": "1", "l": "1"}}, "x", subresource="status", at_version=lambda v: None)
    assert [entry.get("subresource") for entry in made["metadata"]["managedFields"]] == [None, "status"]


def test_entries_of_a_version_that_is_not_served_any_more_go() -> None:
    made = write(None, {"data": {"k": "1"}}, "x", version="v0")
    changed = write(made, {"data": {"k": "1", "l": "1"}}, "y", at_version=lambda version: None)
    assert set(times(changed)) == {"y"}


def test_too_many_updaters_are_merged_the_oldest_first() -> None:
    obj = write(None, {"data": {"k0": "v"}}, "w0", now="2024-01-01T00:00:00Z")
    for number in range(1, MAX_UPDATERS + 5):
        data = {f"k{index}": "v" for index in range(number + 1)}
        obj = write(obj, {"data": data}, f"w{number}", now=f"2024-01-01T00:00:{number:02}Z")
    names = [entry["manager"] for entry in obj["metadata"]["managedFields"]]
    assert len(names) == MAX_UPDATERS
    assert names[0] == ANCIENT
    assert owned(obj, ANCIENT) == {".data", *(f".data.k{number}" for number in range(6))}
    assert obj["metadata"]["managedFields"][0]["time"] == "2024-01-01T00:00:05Z"


@pytest.mark.parametrize("sent", [pytest.param([], id="none"), pytest.param([{}], id="an empty one")])
def test_owners_can_be_given_up_and_are_not_tracked_again(sent: list[Json]) -> None:
    made = write(None, {"data": {"k": "v"}}, "maker")
    reset = write(made, {"metadata": {"managedFields": sent}, "data": {"k": "w"}}, "x")
    assert times(reset) == {}
    assert times(write(reset, {"data": {"k": "v"}}, "x")) == {}


@pytest.mark.parametrize(
    "sent",
    [
        pytest.param([{"manager": "x", "operation": "Guess"}], id="an unknown operation"),
        pytest.param([{"manager": "x", "operation": "Apply"}], id="no version"),
        pytest.param(
            [{"manager": "x", "operation": "Apply", "apiVersion": "v1", "fieldsType": "FieldsV2"}],
            id="fields of another type",
        ),
        pytest.param(
            [
                {"manager": "x", "operation": "Apply", "apiVersion": "v1", "fieldsType": "FieldsV1",
                 "fieldsV1": {"k:{": {}}},
            ],
            id="broken fields",
        ),
    ],
)  # fmt: skip
def test_owners_that_make_no_sense_count_as_not_sent(sent: list[Json]) -> None:
    made = write(None, {"data": {"k": "v"}}, "maker")
    assert times(write(made, {"metadata": {"managedFields": sent}, "data": {"k": "v"}}, "x")) == {
        "maker": EARLY
    }


def test_owners_that_make_sense_replace_those_that_are_there() -> None:
    made = write(None, {"data": {"k": "v"}}, "maker")
    entry = {**made["metadata"]["managedFields"][0], "manager": "heir", "operation": "Apply"}
    heired = write(made, {"metadata": {"managedFields": [entry]}, "data": {"k": "v"}}, "x")
    assert owned(heired, "heir") == {".data", ".data.k"}
    assert owned(heired, "maker") == set()


def test_times_alone_are_no_change() -> None:
    made = write(None, {"metadata": {"resourceVersion": "1"}, "data": {"k": "v"}}, "maker")
    entry = {**made["metadata"]["managedFields"][0], "time": LATE}
    again = {**made, "metadata": {**made["metadata"], "managedFields": [entry]}}
    other = {**again, "metadata": dict(again["metadata"]), "data": {"k": "w"}}
    settle(again, made)
    settle(other, made)
    assert again == made
    assert times(other) == {"maker": LATE}


@pytest.mark.parametrize(
    ("given", "name"),
    [
        pytest.param("", "unknown", id="nobody"),
        pytest.param("a\x00b", "ab", id="what cannot be printed"),
        pytest.param("é" * 100, "é" * 64, id="more bytes than fit"),
        pytest.param("kubectl", "kubectl", id="a plain name"),
    ],
)
def test_names_are_cut_down_to_what_an_entry_takes(given: str, name: str) -> None:
    assert manager_of(given) == name
