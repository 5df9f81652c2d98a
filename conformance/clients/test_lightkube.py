"""A program on lightkube: typed models, chunked lists, watches, conditions, streams."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from lightkube import ApiError, Client, KubeConfig
from lightkube.models.meta_v1 import ObjectMeta
from lightkube.resources.apps_v1 import Deployment
from lightkube.resources.core_v1 import ConfigMap, Pod
from lightkube.types import CascadeType, PatchType

from conformance.api.objects import deployment
from conformance.conftest import Running


@pytest.fixture
def session(target: Path, namespace: str) -> Iterator[Client]:
    made = Client(KubeConfig.from_file(target), namespace=namespace)
    yield made
    made.close()


def config_map(name: str, data: dict[str, str] | None = None, **labels: str) -> ConfigMap:
    return ConfigMap(metadata=ObjectMeta(name=name, labels=labels), data=data)


def test_an_object_lives_from_creation_to_deletion(session: Client) -> None:
    made = session.create(config_map("a", {"x": "1"}))
    assert session.get(ConfigMap, "a") == made
    patched = session.patch(ConfigMap, "a", {"data": {"y": "2"}}, patch_type=PatchType.MERGE)
    assert patched.data == {"x": "1", "y": "2"}
    patched.data = {"z": "3"}
    assert session.replace(patched).data == {"z": "3"}
    removal = [{"op": "remove", "path": "/data/z"}]
    assert not session.patch(ConfigMap, "a", removal, patch_type=PatchType.JSON).data
    session.delete(ConfigMap, "a")
    with pytest.raises(ApiError, match='configmaps "a" not found') as refused:
        session.get(ConfigMap, "a")
    assert (refused.value.status.code, refused.value.status.reason) == (404, "NotFound")


def test_who_comes_late_learns_of_the_conflict(session: Client) -> None:
    made = session.create(config_map("a"))
    session.set(ConfigMap, "a", labels={"x": "y"})
    with pytest.raises(ApiError) as refused:
        session.replace(made)
    assert refused.value.status.reason == "Conflict"


def test_a_list_comes_in_chunks_and_by_selectors(session: Client) -> None:
    for number in range(5):
        session.create(config_map(f"n-{number}", run="here", parity="odd" if number % 2 else "even"))
    chunked = session.list(ConfigMap, labels={"run": "here"}, chunk_size=2)
    assert [item.metadata.name for item in chunked] == [f"n-{number}" for number in range(5)]
    odd = session.list(ConfigMap, labels={"run": "here", "parity": ("odd", "none")})
    assert [item.metadata.name for item in odd] == ["n-1", "n-3"]
    one = session.list(ConfigMap, fields={"metadata.name": "n-4"})
    assert [item.metadata.name for item in one] == ["n-4"]
    session.deletecollection(ConfigMap)
    assert not list(session.list(ConfigMap, labels={"run": "here"}))


def test_a_watch_goes_on_from_a_list(session: Client) -> None:
    session.create(config_map("before", run="here"))
    listed = session.list(ConfigMap, labels={"run": "here"})
    assert [item.metadata.name for item in listed] == ["before"]
    session.create(config_map("after", run="here"))
    session.delete(ConfigMap, "before")
    watching = session.watch(ConfigMap, labels={"run": "here"}, resource_version=listed.resourceVersion)
    seen = [(kind, item.metadata.name) for kind, item in (next(watching), next(watching))]
    assert seen == [("ADDED", "after"), ("DELETED", "before")]
    watching.close()


def test_a_deployment_is_scaled_waited_for_and_taken_away(session: Client) -> None:
    session.create(Deployment.from_dict(deployment("web")))
    scale = session.get(Deployment.Scale, "web")
    assert not scale.spec.replicas
    session.wait(Deployment, "web", for_conditions=["Available"])
    status = session.get(Deployment.Status, "web").status
    assert status.observedGeneration == 1
    session.delete(Deployment, "web", cascade=CascadeType.FOREGROUND)


def test_a_pod_is_talked_to(session: Client, running: Running) -> None:
    place = running.namespace
    assert list(session.log(running.name, namespace=place)) == ["first\n", "second\n"]
    assert list(session.log(running.name, namespace=place, tail_lines=1)) == ["second\n"]
    said = session.exec(
        running.name,
        namespace=place,
        command=["sh", "-c", "cat; echo trouble >&2; exit 3"],
        stdin="a word\n",
        stdout=True,
        stderr=True,
    )
    assert (said.stdout, said.stderr, said.exit_code) == ("a word\n", "trouble\n", 3)
    found = session.get(Pod, running.name, namespace=place)
    assert found.status.phase == "Running"
