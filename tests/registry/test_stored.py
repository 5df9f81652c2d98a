import orjson
import pytest
from kube_lite_storage import Store

from kube_lite.api.identity import Json
from kube_lite.api.resource import Registry
from kube_lite.registry.objects import Objects
from kube_lite.registry.stored import Stored, as_stored, encode

from .things import config_map, row


def test_metadata_comes_in_a_real_servers_order_without_what_is_empty() -> None:
    obj = config_map("a", b="2", a="1")
    obj["metadata"] |= {"finalizers": [], "annotations": None, "creationTimestamp": "2024-01-01T00:00:00Z"}
    stored = as_stored(encode(obj, {}), 7)
    assert list(stored.object["metadata"]) == [
        "name", "namespace", "uid", "resourceVersion", "creationTimestamp", "labels",
    ]  # fmt: skip
    assert list(stored.object["metadata"]["labels"]) == ["a", "b"]


def test_the_decoded_form_is_what_the_bytes_say() -> None:
    obj = config_map("a", x="1")
    stored = as_stored(encode(obj, {}), 1234)
    assert orjson.loads(stored.raw) == stored.object
    assert stored.object["metadata"]["resourceVersion"] == "1234"


def test_texts_that_look_like_a_resource_version_do_not_confuse() -> None:
    obj = config_map('"resourceVersion":""')
    obj["metadata"]["annotations"] = {"x": '"resourceVersion":""', "resourceVersion": ""}
    stored = as_stored(encode(obj, {}), 5)
    assert orjson.loads(stored.raw)["metadata"]["resourceVersion"] == "5"
    assert orjson.loads(stored.raw)["metadata"]["annotations"] == obj["metadata"]["annotations"]


def test_the_last_state_can_be_shown_under_another_version() -> None:
    obj = config_map("a")
    stored = as_stored(encode(obj, {}), 99)
    later = stored.at_revision(1000)
    assert later.object == {
        **stored.object,
        "metadata": {**stored.object["metadata"], "resourceVersion": "1000"},
    }


def test_an_item_of_a_list_names_no_kind() -> None:
    obj = config_map("a")
    item = orjson.loads(as_stored(encode(obj, {}), 1).item)
    assert set(item) == {"metadata", "data"}


def test_selectors_need_not_decode_the_object() -> None:
    obj = config_map("a", x="1")
    encoded = encode(obj, {"spec.nodeName": "n"})
    stored = Stored(b"not even json", 1, encoded.header)
    assert stored.facts.labels == {"x": "1"}
    assert stored.selectable == {"metadata.name": "a", "metadata.namespace": "x", "spec.nodeName": "n"}


async def test_the_bytes_in_the_store_are_the_bytes_that_are_handed_out(
    store: Store, objects: Objects, registry: Registry
) -> None:
    made = await objects.create(row(registry, "configmaps"), config_map("a"))
    found = store.get(b"/configmaps/x/a")
    assert found is not None
    assert found.value == made.raw
    assert orjson.loads(found.value)["metadata"]["resourceVersion"] == str(found.revision)


@pytest.mark.parametrize(
    "tail",
    [
        pytest.param({"spec": {"a": [{"b": 1}]}, "status": {}}, id="spec"),
        pytest.param({"data": {'}]},"spec":': '}]},"spec":'}}, id="texts like the end"),
    ],
)
def test_an_object_can_be_decoded_without_its_owners(tail: Json) -> None:
    obj = {**config_map("a"), **tail}
    owners = [
        {"manager": '}]},"x":', "fieldsV1": {'f:}]},"': {}, 'k:{"a":"}]},"}': {"f:spec": {}}}},
        {"manager": "b"},
    ]
    obj["metadata"]["managedFields"] = owners
    stored = as_stored(encode(obj, {}), 5)
    cut = Stored(stored.raw, 5).without_owners()
    assert cut is not None
    light, metadata = cut
    assert orjson.loads(metadata) == stored.object["metadata"]
    assert "managedFields" not in light["metadata"]
    light["metadata"]["managedFields"] = owners
    assert light == stored.object


@pytest.mark.parametrize(
    "tail",
    [
        pytest.param({"spec": {"a": 1}}, id="there are none"),
        pytest.param(
            {"spec": {"metadata": {"x": 1, "managedFields": [{}]}, "y": 1}, "status": {}}, id="of another"
        ),
        pytest.param({"spec": {"x": 1, "managedFields": [{}]}, "status": {}}, id="of the spec"),
    ],
)
def test_owners_elsewhere_than_in_the_metadata_are_left_alone(tail: Json) -> None:
    stored = as_stored(encode({**config_map("a"), **tail}, {}), 5)
    assert Stored(stored.raw, 5).without_owners() is None
