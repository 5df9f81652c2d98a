"""A namespace for each test, and the resources in it."""

import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from conformance.http import Api, Server, server_of
from conformance.kubectl import eventually


@pytest.fixture(scope="session")
def server(target: Path) -> Server:
    return server_of(target)


@pytest.fixture(scope="session")
def api(server: Server) -> Iterator[Api]:
    """The root of the API."""
    root = Api(server)
    yield root
    root.close()


@pytest.fixture
def namespace(api: Api) -> Iterator[str]:
    """The name of a namespace that goes with the test."""
    name = f"test-{uuid.uuid4().hex[:8]}"
    made = api.at("/api/v1/namespaces").post({"metadata": {"name": name}})
    assert made.status == 201, made
    yield name
    api.delete(f"/api/v1/namespaces/{name}")


@pytest.fixture
def space(api: Api, namespace: str) -> Api:
    """What is in the namespace, of the core group."""
    return api.at(f"/api/v1/namespaces/{namespace}")


@pytest.fixture
def maps(space: Api) -> Api:
    """The ConfigMaps in the namespace."""
    return space.at("configmaps")


@pytest.fixture
def pods(space: Api) -> Api:
    """The Pods in the namespace, whose service account is there."""
    eventually(lambda: _is_there(space, "serviceaccounts/default"))
    return space.at("pods")


def _is_there(place: Api, path: str) -> None:
    assert place.get(path).status == 200


@pytest.fixture
def deployments(api: Api, namespace: str) -> Api:
    return api.at(f"/apis/apps/v1/namespaces/{namespace}/deployments")
