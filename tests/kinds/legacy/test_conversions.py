"""Nothing that is written in one version is lost in another, whatever it is."""

from copy import deepcopy

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kube_lite.api.identity import GroupVersionKind, Json, parse_api_version
from kube_lite.api.resource import Resource
from kube_lite.kinds import builtin
from kube_lite.kinds.conversions import convert, stored_as
from kube_lite.kinds.legacy import KINDS, way
from kube_lite.kinds.legacy.networking import newer_backend
from kube_lite.kinds.schemas import definitions

from .generated import objects

REGISTRY = builtin(legacy=True)
DEFINITIONS = definitions(legacy=True)
EVENT = "Event"  # whose forms have tests of their own


def row(api_version: str, kind: str) -> Resource:
    found = REGISTRY.by_gvk(GroupVersionKind(*parse_api_version(api_version), kind))
    assert found is not None, (api_version, kind)
    return found


OLD = [
    row(api_version, life.kind)
    for api_version, lives in KINDS.items()
    for life in lives
    if life.kind != EVENT
]
DIFFERENT = [old for old in OLD if way(old.gvk) is not None]


def there_and_back(obj: Json, old: Resource, *, begins_today: bool) -> None:
    stored, before = stored_as(old), deepcopy(obj)
    today = obj if begins_today else convert(obj, stored)
    older = convert(today, old.gvk)
    assert older["apiVersion"] == old.api_version
    assert convert(older, stored) == today
    assert obj == before


@pytest.mark.parametrize("old", DIFFERENT, ids=lambda old: f"{old.api_version}/{old.kind}")
@settings(max_examples=20, deadline=None)
@given(data=st.data())
def test_what_today_says_survives_the_old_version(old: Resource, data: st.DataObject) -> None:
    stored = stored_as(old)
    there_and_back(
        data.draw(objects(row(stored.api_version, stored.kind), DEFINITIONS)), old, begins_today=True
    )


@pytest.mark.parametrize("old", DIFFERENT, ids=lambda old: f"{old.api_version}/{old.kind}")
@settings(max_examples=20, deadline=None)
@given(data=st.data())
def test_what_the_old_version_says_survives_today(old: Resource, data: st.DataObject) -> None:
    there_and_back(data.draw(objects(old, DEFINITIONS)), old, begins_today=False)


@settings(max_examples=30, deadline=None)
@given(data=st.data())
def test_most_versions_differ_in_nothing_but_their_name(data: st.DataObject) -> None:
    old = data.draw(st.sampled_from([old for old in OLD if old not in DIFFERENT and old.storage_version]))
    obj = data.draw(objects(old, DEFINITIONS))
    today = convert(obj, stored_as(old))
    assert {**today, "apiVersion": old.api_version} == obj
    there_and_back(obj, old, begins_today=False)


def deployment(**spec: object) -> Json:
    return {"apiVersion": "extensions/v1beta1", "kind": "Deployment", "metadata": {"name": "a"}, "spec": spec}


def test_a_rollback_that_was_asked_for_is_an_annotation_today() -> None:
    today = convert(deployment(rollbackTo={"revision": 3}), row("apps/v1", "Deployment").gvk)
    assert today["metadata"]["annotations"] == {"deprecated.deployment.rollback.to": "3"}
    assert "rollbackTo" not in today["spec"]
    again = convert(today, row("apps/v1beta1", "Deployment").gvk)
    assert (again["spec"]["rollbackTo"], "annotations" in again["metadata"]) == ({"revision": 3}, False)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ({"serviceName": "a", "servicePort": 80}, {"service": {"name": "a", "port": {"number": 80}}}),
        ({"serviceName": "a", "servicePort": "80"}, {"service": {"name": "a", "port": {"name": "80"}}}),
        ({"serviceName": "a"}, {"service": {"name": "a", "port": {}}}),
        ({"resource": {"kind": "B"}}, {"resource": {"kind": "B"}}),
        ({}, {}),
    ],
)
def test_a_backend_is_a_service_and_its_port(old: Json, new: Json) -> None:
    assert newer_backend(old) == new


def test_what_all_versions_of_a_definition_share_stands_at_the_top() -> None:
    schema = {"openAPIV3Schema": {"type": "object"}}
    columns = [{"name": "Age", "type": "date", "jsonPath": ".metadata.creationTimestamp"}]
    first = {
        "name": "v1",
        "served": True,
        "storage": True,
        "schema": schema,
        "additionalPrinterColumns": columns,
    }
    second = {"name": "v2", "served": True, "storage": False, "schema": schema}
    spec = {"group": "example.com", "versions": [first, second]}
    today = {"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition", "spec": spec}
    old = convert(today, row("apiextensions.k8s.io/v1beta1", "CustomResourceDefinition").gvk)["spec"]
    assert (old["version"], old["validation"]) == ("v1", schema)
    assert [set(version) & {"schema"} for version in old["versions"]] == [set(), set()]
    assert old["versions"][0]["additionalPrinterColumns"][0]["JSONPath"] == ".metadata.creationTimestamp"


def test_a_version_meets_another_old_one_by_way_of_today() -> None:
    ingress = {"apiVersion": "extensions/v1beta1", "kind": "Ingress", "metadata": {"name": "a"}}
    spec = {"backend": {"serviceName": "a", "servicePort": 80}}
    other = convert({**ingress, "spec": spec}, row("networking.k8s.io/v1beta1", "Ingress").gvk)
    assert (other["apiVersion"], other["spec"]) == ("networking.k8s.io/v1beta1", spec)
