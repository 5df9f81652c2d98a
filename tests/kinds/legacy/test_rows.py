"""The table of old versions, as it is served."""

import pytest

from kube_lite.api.codecs.messages import has_message
from kube_lite.api.identity import GroupVersionKind, GroupVersionResource, parse_api_version
from kube_lite.api.resource import Registry, Resource
from kube_lite.kinds import builtin
from kube_lite.kinds.legacy import KINDS
from kube_lite.kinds.schemas import definitions
from kube_lite.registry.keys import ALIASES

TODAY, ALL = builtin(), builtin(legacy=True)
DEFINITIONS = definitions(legacy=True)
GVKS = [
    GroupVersionKind(*parse_api_version(api_version), life.kind)
    for api_version, lives in KINDS.items()
    for life in lives
]


def row(registry: Registry, gvk: GroupVersionKind) -> Resource:
    found = registry.by_gvk(gvk)
    assert found is not None, gvk
    return found


def test_without_the_switch_a_release_is_what_it_was() -> None:
    assert [gvk for gvk in GVKS if TODAY.by_gvk(gvk) is not None] == []
    assert {today.gvr for today in TODAY} < {one.gvr for one in ALL}


@pytest.mark.parametrize("gvk", GVKS, ids=lambda gvk: f"{gvk.api_version}/{gvk.kind}")
def test_every_kind_of_old_is_defined_and_says_that_it_is_gone(gvk: GroupVersionKind) -> None:
    old = row(ALL, gvk)
    assert DEFINITIONS.schema(old.schema).gvks == (gvk,)
    assert DEFINITIONS.name_of(gvk) == old.schema
    assert old.strategy.deprecation().startswith(f"{gvk.api_version} {gvk.kind} is deprecated in v1.")
    assert not old.categories
    if "list" in old.verbs:
        assert has_message(gvk.api_version, gvk.kind)
        assert f"{old.schema}List" in DEFINITIONS
        assert has_message(gvk.api_version, f"{gvk.kind}List")


def test_what_lies_in_another_group_is_known_where_objects_are_stored() -> None:
    found = {one.group_resource: one.alias_of for one in ALL if one.alias_of is not None}
    assert found == ALIASES


@pytest.mark.parametrize("release", ["1.25", "1.36"])
def test_every_reference_leads_to_a_definition(release: str) -> None:
    table, known = builtin(release, legacy=True), definitions(release, legacy=True)
    waiting = [row(table, gvk).schema for gvk in GVKS]
    seen: set[str] = set()
    while waiting:
        name = waiting.pop()
        if name in seen:
            continue
        seen.add(name)
        assert name in known
        fields = [known.document(name)]
        while fields:
            field = fields.pop()
            if isinstance(field.get("$ref"), str):
                waiting.append(field["$ref"])
            fields += [below for below in field.get("properties", {}).values() if isinstance(below, dict)]
            fields += [
                field[word] for word in ("items", "additionalProperties") if isinstance(field.get(word), dict)
            ]


@pytest.mark.parametrize(
    ("release", "served", "text"),
    [
        ("1.25", ("autoscaling", "v2beta2", "horizontalpodautoscalers"), "v1.23+, unavailable in v1.26+"),
        ("1.25", ("extensions", "v1beta1", "ingresses"), "v1.14+, unavailable in v1.22+"),
        ("1.37", ("batch", "v1beta1", "cronjobs"), "v1.21+, unavailable in v1.25+"),
    ],
)
def test_every_release_can_serve_them(release: str, served: tuple[str, str, str], text: str) -> None:
    found = builtin(release, legacy=True).by_gvr(GroupVersionResource(*served))
    assert found is not None
    assert text in found.strategy.deprecation()
    assert found.schema in definitions(release, legacy=True)
