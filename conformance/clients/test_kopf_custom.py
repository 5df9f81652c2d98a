"""An operator on kopf that follows a custom resource: status apart, progress, finalizer, events, peering."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from conformance.http import Api, Json
from conformance.kubectl import eventually

from .programs import Process, kopf_operator

PROGRAM = Path(__file__).parent / "widget_program.py"
GROUP = "kopf.example.test"
FINALIZER = f"{GROUP}/operator"
DEFINITIONS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
PEERING = "crew"


def definition(group: str, plural: str, kind: str, schema: Json, *, status: bool) -> Json:
    version = {"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": schema}}
    if status:
        version["subresources"] = {"status": {}}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{plural}.{group}"},
        "spec": {
            "group": group,
            "scope": "Namespaced",
            "names": {"plural": plural, "kind": kind},
            "versions": [version],
        },
    }


ANYTHING: Json = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
SPEC: Json = {
    "type": "object",
    "required": ["size"],
    "properties": {"size": {"type": "integer", "minimum": 1}, "color": {"type": "string", "default": "red"}},
}
WIDGET: Json = {"type": "object", "properties": {"spec": SPEC, "status": ANYTHING}}


@pytest.fixture
def widgets(api: Api, namespace: str) -> Iterator[Api]:
    """The collection of widgets, and one of peerings with one in it; defined for the test."""
    wanted = [
        definition(GROUP, "widgets", "Widget", WIDGET, status=True),
        definition("kopf.dev", "kopfpeerings", "KopfPeering", ANYTHING, status=False),
    ]
    made = api.at(DEFINITIONS)
    for body in wanted:
        assert made.post(body).status == 201
    collection = api.at(f"/apis/{GROUP}/v1/namespaces/{namespace}/widgets")
    peerings = api.at(f"/apis/kopf.dev/v1/namespaces/{namespace}/kopfpeerings")

    def is_served() -> None:
        assert collection.get().status == peerings.get().status == 200

    try:
        eventually(is_served)
        peering = {"apiVersion": "kopf.dev/v1", "kind": "KopfPeering", "metadata": {"name": PEERING}}
        assert peerings.post(peering).status == 201
        yield collection
    finally:
        for body in wanted:
            made.delete(body["metadata"]["name"])


@pytest.fixture
def operator(target: Path, namespace: str, widgets: Api, tmp_path: Path) -> Iterator[Process]:
    options = (f"--peering={PEERING}", "--namespace", namespace, str(PROGRAM))
    try:
        with kopf_operator(target, tmp_path / "operator.log", *options) as process:
            yield process
    finally:
        for item in widgets.get().body["items"]:
            merge = {"metadata": {"finalizers": None}}
            widgets.patch(merge, item["metadata"]["name"])


def widget(name: str, size: int) -> Json:
    spec = {"size": size}
    return {"apiVersion": f"{GROUP}/v1", "kind": "Widget", "metadata": {"name": name}, "spec": spec}


def test_an_operator_follows_custom_resources_to_the_end(
    api: Api, namespace: str, widgets: Api, operator: Process
) -> None:
    assert widgets.post(widget("a", 2)).body["spec"] == {"size": 2, "color": "red"}

    def is_made() -> None:
        assert operator.poll() is None
        found = widgets.get("a").body
        assert found["metadata"].get("finalizers") == [FINALIZER]
        status = found.get("status", {})
        assert status.get("created") == {"size": 2}
        assert not status.get("progress")

    eventually(is_made)
    peers = api.get(f"/apis/kopf.dev/v1/namespaces/{namespace}/kopfpeerings/{PEERING}").body["status"]
    assert [peer["priority"] for peer in peers.values()] == [0]

    widgets.patch({"spec": {"size": 3}}, "a")

    def is_resized() -> None:
        found = widgets.get("a").body
        assert found["status"].get("resized") == {"from": 2, "to": 3}
        assert found["metadata"]["generation"] == 2

    eventually(is_resized)
    assert widgets.delete("a").body["metadata"]["deletionTimestamp"]
    eventually(lambda: gone(widgets))

    def is_told() -> None:
        query = {"fieldSelector": "involvedObject.name=a"}
        found = api.get(f"/api/v1/namespaces/{namespace}/events", query=query).body["items"]
        told = {(each["reason"], each["message"]) for each in found}
        assert {("Made", "A widget of size 2."), ("Unmade", "The widget is taken apart.")} <= told

    eventually(is_told)


def gone(widgets: Api) -> None:
    assert widgets.get("a").status == 404
