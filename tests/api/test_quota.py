from typing import Any

import pytest

from kube_lite.api.identity import GroupResource, Json
from kube_lite.api.quota import CLAIMS, PODS, SERVICES, concerns, resource_of, usage_of

NOW = 1_700_000_000.0


def resources(requests: Json | None = None, limits: Json | None = None) -> Json:
    return {"resources": {"requests": requests or {}, "limits": limits or {}}}


def pod(*containers: Json, phase: str = "Running", **spec: Any) -> Json:
    return {
        "metadata": {"name": "p"},
        "spec": {"containers": list(containers), **spec},
        "status": {"phase": phase},
    }


def texts(resource: GroupResource, obj: Json) -> dict[str, str]:
    return {name: str(amount) for name, amount in usage_of(resource, obj, NOW).items()}


@pytest.mark.parametrize(
    ("name", "resource"),
    [
        ("pods", "pods"),
        ("limits.cpu", "pods"),
        ("requests.nvidia.com/gpu", "pods"),
        ("services.nodeports", "services"),
        ("requests.storage", "persistentvolumeclaims"),
        ("gold.storageclass.storage.k8s.io/persistentvolumeclaims", "persistentvolumeclaims"),
        ("secrets", "secrets"),
        ("count/deployments.apps", "deployments.apps"),
    ],
)
def test_a_limit_says_of_which_resource_it_speaks(name: str, resource: str) -> None:
    assert str(resource_of(name)) == resource


def test_a_pod_counts_what_its_containers_ask_for() -> None:
    made = pod(resources({"cpu": "250m", "memory": "1Gi"}, {"cpu": "1"}), resources({"cpu": "500m"}))
    assert texts(PODS, made) == {
        "count/pods": "1",
        "pods": "1",
        "cpu": "750m",
        "requests.cpu": "750m",
        "memory": "1Gi",
        "requests.memory": "1Gi",
        "limits.cpu": "1",
    }


def test_the_largest_init_container_counts_and_sidecars_are_added() -> None:
    sidecar = {**resources({"cpu": "100m"}), "restartPolicy": "Always"}
    made = pod(
        resources({"cpu": "1"}),
        initContainers=[sidecar, resources({"cpu": "2"})],
        overhead={"cpu": "50m"},
    )
    assert texts(PODS, made)["requests.cpu"] == "2150m"


def test_a_finished_pod_is_only_counted_as_an_object() -> None:
    assert texts(PODS, pod(resources({"cpu": "1"}), phase="Succeeded")) == {"count/pods": "1"}


def test_services_count_their_node_ports() -> None:
    made = {"spec": {"type": "LoadBalancer", "ports": [{"nodePort": 30001}, {"port": 80}]}}
    assert texts(SERVICES, made) == {
        "count/services": "1",
        "services": "1",
        "services.loadbalancers": "1",
        "services.nodeports": "1",
    }


def test_claims_count_for_their_class_too() -> None:
    made = {"metadata": {}, "spec": {"storageClassName": "gold", **resources({"storage": "2Gi"})}}
    found = texts(CLAIMS, made)
    assert found["requests.storage"] == "2Gi"
    assert found["gold.storageclass.storage.k8s.io/requests.storage"] == "2Gi"
    assert found["gold.storageclass.storage.k8s.io/persistentvolumeclaims"] == "1"


@pytest.mark.parametrize(
    ("scope", "made", "expected"),
    [
        ({"scopes": ["BestEffort"]}, pod({}), True),
        ({"scopes": ["BestEffort"]}, pod(resources({"cpu": "1"})), False),
        ({"scopes": ["Terminating"]}, pod({}, activeDeadlineSeconds=5), True),
        ({"scopes": ["NotTerminating"]}, pod({}, activeDeadlineSeconds=5), False),
        (
            {"scopeSelector": {"matchExpressions": [
                {"scopeName": "PriorityClass", "operator": "In", "values": ["high"]}]}},
            pod({}, priorityClassName="high"),
            True,
        ),
    ],
)  # fmt: skip
def test_scopes_choose_pods(scope: Json, made: Json, expected: bool) -> None:
    assert concerns({"spec": scope}, PODS, made) is expected
    assert not concerns({"spec": scope}, SERVICES, {"spec": {}})
