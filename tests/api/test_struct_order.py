"""The order in which refusals quote objects."""

from kube_lite.api.codecs.messages import table
from kube_lite.api.codecs.struct_order import _moved, in_struct_order


def test_fields_stand_as_in_the_structs_and_keys_of_maps_are_sorted() -> None:
    container = {"imagePullPolicy": "Always", "image": "x", "name": "c", "volumeMounts": []}
    job = {
        "spec": {
            "template": {"spec": {"containers": [container]}, "metadata": {"labels": {"b": "1", "a": "2"}}},
            "backoffLimit": 6,
            "unknown": 1,
            "selector": {},
        }
    }
    spec = in_struct_order(job, "batch.v1.Job")["spec"]
    assert list(spec) == ["backoffLimit", "selector", "template", "unknown"]
    assert list(spec["template"]) == ["metadata", "spec"]
    assert list(spec["template"]["metadata"]["labels"]) == ["a", "b"]
    assert list(spec["template"]["spec"]["containers"][0]) == [
        "name",
        "image",
        "volumeMounts",
        "imagePullPolicy",
    ]


def test_what_embeds_others_has_their_fields_in_its_own_place() -> None:
    volume = {"secret": {}, "name": "v"}
    assert list(in_struct_order(volume, "core.v1.Volume")) == ["name", "secret"]


def test_every_message_that_is_moved_is_known() -> None:
    assert set(_moved()) <= set(table())
