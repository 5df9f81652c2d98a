"""The resources in the namespace of a test."""

import pytest

from conformance.http import Api
from conformance.kubectl import eventually


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

    def has_account() -> None:
        assert space.get("serviceaccounts/default").status == 200

    eventually(has_account)
    return space.at("pods")


@pytest.fixture
def deployments(api: Api, namespace: str) -> Api:
    return api.at(f"/apis/apps/v1/namespaces/{namespace}/deployments")
