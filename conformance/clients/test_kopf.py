"""An operator on kopf, from start to stop: handlers, finalizer, progress, events."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from conformance.api.objects import config_map, names
from conformance.http import Api, Json
from conformance.kubectl import eventually

from .programs import Process, kopf_operator

PROGRAM = Path(__file__).parent / "operator_program.py"
FINALIZER = "example.test/operator"


@pytest.fixture
def maps(api: Api, namespace: str) -> Api:
    return api.at(f"/api/v1/namespaces/{namespace}/configmaps")


@pytest.fixture
def operator(target: Path, namespace: str, maps: Api, tmp_path: Path) -> Iterator[Process]:
    options = ("--standalone", "--namespace", namespace, str(PROGRAM))
    try:
        with kopf_operator(target, tmp_path / "operator.log", *options) as process:
            yield process
    finally:
        for name in names(maps.get(query={"labelSelector": "role=original"})):
            maps.patch({"metadata": {"finalizers": None}}, name)


def original(name: str, **data: str) -> Json:
    return config_map(name, data, labels={"role": "original"})


def data_of(maps: Api, name: str) -> Json:
    found = maps.get(name)
    assert found.status == 200, found
    return found.body["data"]


def test_an_operator_follows_its_objects_to_the_end(
    api: Api, namespace: str, maps: Api, operator: Process
) -> None:
    maps.post(original("a", x="word"))

    def is_copied() -> None:
        assert operator.poll() is None
        assert data_of(maps, "a-copy") == {"x": "WORD"}
        annotations = maps.get("a").body["metadata"]["annotations"]
        assert "kopf.zalando.org/last-handled-configuration" in annotations
        assert "kopf.zalando.org/created" not in annotations

    eventually(is_copied)
    made = maps.get("a").body["metadata"]
    assert made["finalizers"] == [FINALIZER]
    [reference] = maps.get("a-copy").body["metadata"]["ownerReferences"]
    assert (reference["uid"], reference["controller"]) == (made["uid"], True)

    maps.patch({"data": {"y": "more"}}, "a")

    def is_updated() -> None:
        assert data_of(maps, "a-copy") == {"x": "WORD", "y": "MORE"}
        assert maps.get("a").body["metadata"]["annotations"].get("example.test/keys") == "x,y"

    eventually(is_updated)

    def is_told() -> None:
        found = api.get(
            f"/api/v1/namespaces/{namespace}/events", query={"fieldSelector": "involvedObject.name=a"}
        ).body["items"]
        assert ("Copied", "The copy is made.") in [(each["reason"], each["message"]) for each in found]

    eventually(is_told)
    assert maps.delete("a").body["metadata"]["deletionTimestamp"]

    def is_gone() -> None:
        assert maps.get("a-gone").status == 200
        assert maps.get("a").status == maps.get("a-copy").status == 404

    eventually(is_gone)


def test_an_operator_finds_what_was_there_before_it(maps: Api, request: pytest.FixtureRequest) -> None:
    maps.post(original("early", x="word"))
    maps.post(config_map("other", {"x": "word"}))
    request.getfixturevalue("operator")
    eventually(lambda: data_of(maps, "early-copy"))
    assert maps.get("other").body["metadata"].get("finalizers") is None
    maps.delete("early")

    def is_gone() -> None:
        assert maps.get("early").status == 404

    eventually(is_gone)
