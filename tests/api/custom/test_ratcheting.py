"""Updates of objects that were wrong before: what did not change is let be."""

from typing import Any

from kube_lite.api.custom.structure import custom_schema
from kube_lite.api.custom.validation import validate_update
from kube_lite.kinds.schemas import definitions

SCHEMA = custom_schema(
    {
        "type": "object",
        "properties": {
            "spec": {
                "type": "object",
                "properties": {
                    "name": {"type": "string", "maxLength": 2},
                    "other": {"type": "string"},
                    "words": {"type": "array", "items": {"type": "string", "maxLength": 2}},
                    "parts": {
                        "type": "array",
                        "x-kubernetes-list-type": "map",
                        "x-kubernetes-list-map-keys": ["id"],
                        "items": {
                            "type": "object",
                            "properties": {"id": {"type": "string"}, "n": {"type": "integer", "maximum": 3}},
                        },
                    },
                    "set": {"type": "array", "x-kubernetes-list-type": "set", "items": {"type": "string"}},
                    "any": {
                        "type": "object",
                        "x-kubernetes-preserve-unknown-fields": True,
                        "minProperties": 2,
                    },
                },
            }
        },
    },
    definitions(),
)


def told(new: Any, old: Any) -> list[str]:
    return [cause.field for cause in validate_update({"spec": new}, {"spec": old}, SCHEMA)]


def test_a_wrong_value_that_stays_is_let_be_while_others_change() -> None:
    assert told({"name": "long", "other": "b"}, {"name": "long", "other": "a"}) == []
    assert told({"name": "longer"}, {"name": "long"}) == ["spec.name"]


def test_a_wrong_value_may_not_come_back() -> None:
    assert told({"name": "long"}, {}) == ["spec.name"]


def test_items_are_known_again_by_their_keys_wherever_they_stand() -> None:
    old = [{"id": "a", "n": 9}, {"id": "b", "n": 9}]
    assert told({"parts": [{"id": "c"}, *reversed(old)]}, {"parts": old}) == []
    assert told({"parts": [{"id": "a", "n": 8}, old[1]]}, {"parts": old}) == ["spec.parts[0].n"]


def test_items_without_keys_are_not_known_again_unless_nothing_changed() -> None:
    assert told({"words": ["long"], "other": "b"}, {"words": ["long"], "other": "a"}) == []
    assert told({"words": ["long", "b"]}, {"words": ["long"]}) == ["spec.words[0]"]


def test_a_value_without_a_schema_counts_as_changed() -> None:
    assert told({"any": {"a": 1}}, {"any": {"a": 1}}) == ["spec.any"]


def test_duplicates_are_let_be_once_there_are_any() -> None:
    assert told({"set": ["a", "a", "b", "b"]}, {"set": ["a", "a"]}) == []
    assert told({"set": ["a", "a"]}, {"set": ["a"]}) == ["spec.set[1]"]
