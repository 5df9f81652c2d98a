"""An operator on the official Python client that converts its own kind by a webhook."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from conformance.http import Api, Json
from conformance.kubectl import eventually

from .programs import Process, program

PROGRAM = Path(__file__).parent / "route_program.py"
GROUP = "route.example.test"
DEFINITION = f"routes.{GROUP}"


@pytest.fixture
def operator(target: Path, api: Api, namespace: str, tmp_path: Path) -> Iterator[Process]:
    """It brings its definition itself, which goes while it still runs, since it holds the objects."""
    definitions = api.at("/apis/apiextensions.k8s.io/v1/customresourcedefinitions")
    command = (sys.executable, str(PROGRAM), namespace)
    try:
        with program(target, tmp_path / "operator.log", *command) as process:
            yield process
            definitions.delete(DEFINITION)
            eventually(lambda: gone(definitions, DEFINITION))
    finally:
        definitions.delete(DEFINITION)


def gone(place: Api, name: str) -> None:
    assert place.get(name).status == 404


def route(version: str, name: str, **spec: str | int) -> Json:
    return {"apiVersion": f"{GROUP}/{version}", "kind": "Route", "metadata": {"name": name}, "spec": spec}


def test_an_operator_works_in_one_version_and_its_users_in_another(
    api: Api, namespace: str, operator: Process
) -> None:
    old, new = (api.at(f"/apis/{GROUP}/{version}/namespaces/{namespace}/routes") for version in ("v1", "v2"))

    def is_served() -> None:
        assert operator.poll() is None
        assert old.get().status == new.get().status == 200

    eventually(is_served)
    made = old.post(route("v1", "a", host="one", port=1))
    assert (made.status, made.body["spec"]) == (201, {"host": "one", "port": 1})

    def serves(address: str, generation: int) -> None:
        assert operator.poll() is None
        for place in (old, new):
            found = place.get("a").body
            assert found.get("status") == {"serving": address, "observedGeneration": generation}

    eventually(lambda: serves("one:1", 1))
    seen = new.get("a").body
    assert (seen["apiVersion"], seen["spec"]) == (f"{GROUP}/v2", {"address": "one:1"})
    assert seen["metadata"]["uid"] == made.body["metadata"]["uid"]

    seen["spec"]["address"] = "two:2"
    updated = new.put(seen, "a")
    assert updated.status == 409 or updated.body["spec"] == {"address": "two:2"}
    eventually(lambda: serves("two:2", 2))
    assert old.get("a").body["spec"] == {"host": "two", "port": 2}
    assert old.patch({"spec": {"port": 3}}, "a").body["spec"] == {"host": "two", "port": 3}
    eventually(lambda: serves("two:3", 3))

    assert new.post(route("v2", "b", address="four:4")).body["spec"] == {"address": "four:4"}
    listed = old.get().body["items"]
    assert [item["spec"] for item in listed] == [{"host": "two", "port": 3}, {"host": "four", "port": 4}]

    old.delete("a")
    eventually(lambda: gone(new, "a"))
    note = api.get(f"/api/v1/namespaces/{namespace}/configmaps/a-gone").body
    assert note["data"] == {"address": "two:3"}
