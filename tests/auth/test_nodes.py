"""What a node may, by what lies in a real store."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from kube_lite.api.identity import GroupVersionResource, Json
from kube_lite.auth.authorize import Attributes, Decision
from kube_lite.auth.nodes import NodeAuthorizer
from kube_lite.auth.user import User
from kube_lite.cluster.policy import plan_policy
from kube_lite.registry.objects import Objects
from tests.serving import PODS, Api, serving

CLAIMS = GroupVersionResource("", "v1", "persistentvolumeclaims")
VOLUMES = GroupVersionResource("", "v1", "persistentvolumes")
NODE = User("system:node:a", groups=("system:nodes", "system:authenticated"))
GET = Attributes(NODE, "get", namespace="default")
UNRELATED = Decision(None, "no relationship found between node 'a' and this object")


@pytest.fixture
async def api(tmp_path: Path) -> AsyncIterator[Api]:
    async with serving(tmp_path) as api:
        yield api


async def run_pod(api: Api, name: str, node: str, **spec: Any) -> None:
    containers = [{"name": "app", "image": "i", **spec.pop("container", {})}]
    wish = {"nodeName": node, "automountServiceAccountToken": False, "containers": containers, **spec}
    await api.client.create(PODS, {"metadata": {"name": name}, "spec": wish}, namespace="default")


def judged(api: Api, attributes: Attributes) -> Decision:
    return api.pipeline.authorizer.authorize(attributes)


def env(kind: str, name: str) -> Json:
    return {"env": [{"name": "X", "valueFrom": {kind: {"name": name, "key": "k"}}}]}


@pytest.mark.parametrize(
    ("resource", "name", "spec"),
    [
        pytest.param(
            "secrets", "s", {"volumes": [{"name": "v", "secret": {"secretName": "s"}}]}, id="secret"
        ),
        pytest.param("secrets", "s", {"imagePullSecrets": [{"name": "s"}]}, id="secret for images"),
        pytest.param("secrets", "s", {"container": env("secretKeyRef", "s")}, id="secret in a variable"),
        pytest.param(
            "configmaps",
            "c",
            {"volumes": [{"name": "v", "projected": {"sources": [{"configMap": {"name": "c"}}]}}]},
            id="config map among others",
        ),
        pytest.param("configmaps", "c", {"container": env("configMapKeyRef", "c")}, id="in a variable"),
        pytest.param(
            "persistentvolumeclaims",
            "p",
            {"volumes": [{"name": "v", "persistentVolumeClaim": {"claimName": "p"}}]},
            id="claim",
        ),
        pytest.param("serviceaccounts", "default", {}, id="account"),
    ],
)
async def test_a_node_reads_what_its_pods_need_and_other_nodes_do_not(
    api: Api, resource: str, name: str, spec: dict[str, Any]
) -> None:
    await run_pod(api, "web", "a", **spec)
    asked = GET._replace(resource=resource, name=name)
    assert judged(api, asked).allowed
    assert judged(api, asked._replace(name="other")) == UNRELATED
    assert judged(api, asked._replace(namespace="kube-system")) == UNRELATED
    other = User("system:node:b", groups=NODE.groups)
    assert not judged(api, asked._replace(user=other)).allowed


async def test_a_node_reads_a_volume_that_its_pod_claims_and_the_secret_it_is_mounted_with(api: Api) -> None:
    size = {"storage": "1Gi"}
    wish = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": size}, "volumeName": "v"}
    await api.client.create(CLAIMS, {"metadata": {"name": "p"}, "spec": wish}, namespace="default")
    secret = {"namespace": "default", "name": "mount"}
    csi = {"driver": "d", "volumeHandle": "h", "nodeStageSecretRef": secret}
    bound = {"namespace": "default", "name": "p", "kind": "PersistentVolumeClaim", "apiVersion": "v1"}
    spec = {"capacity": size, "accessModes": ["ReadWriteOnce"], "csi": csi, "claimRef": bound}
    await api.client.create(VOLUMES, {"metadata": {"name": "v"}, "spec": spec})
    volume = Attributes(NODE, "get", resource="persistentvolumes", name="v")
    mount = GET._replace(resource="secrets", name="mount")
    assert judged(api, volume) == judged(api, mount) == UNRELATED
    await run_pod(api, "web", "a", volumes=[{"name": "v", "persistentVolumeClaim": {"claimName": "p"}}])
    assert judged(api, volume).allowed
    assert judged(api, mount).allowed


@pytest.mark.parametrize(
    ("asked", "decision"),
    [
        pytest.param(
            GET._replace(verb="list", resource="pods"),
            Decision(None, "can only list/watch pods with spec.nodeName field selector"),
            id="all pods",
        ),
        pytest.param(
            GET._replace(verb="watch", resource="pods", field_selector="spec.nodeName=a"),
            Decision(True),
            id="its own pods",
        ),
        pytest.param(
            Attributes(NODE, "list", resource="nodes"),
            Decision(None, "node 'a' cannot read all nodes, only its own Node object"),
            id="all nodes",
        ),
        pytest.param(
            Attributes(NODE, "get", resource="nodes", name="b"),
            Decision(None, "node 'a' cannot read 'b', only its own Node object"),
            id="another node",
        ),
        pytest.param(Attributes(NODE, "get", resource="nodes", name="a"), Decision(True), id="itself"),
        pytest.param(
            GET._replace(verb="list", resource="secrets"),
            Decision(None, "No Object name found"),
            id="all secrets",
        ),
        pytest.param(
            GET._replace(verb="delete", resource="secrets", name="s"),
            Decision(None, "can only read resources of this type"),
            id="no writing of secrets",
        ),
        pytest.param(
            Attributes(NODE, "update", "coordination.k8s.io", "v1", "leases", "", "kube-node-lease", "b"),
            Decision(None, "can only access node lease with the same name as the requesting node"),
            id="the lease of another",
        ),
        pytest.param(
            Attributes(NODE, "list", resource="services"), Decision(True), id="what the role of nodes has"
        ),
        pytest.param(Attributes(NODE, "list", resource="endpoints"), Decision(None), id="and no more"),
    ],
)
async def test_a_node_is_told_what_it_may_not(api: Api, asked: Attributes, decision: Decision) -> None:
    roles = [entry for entry in plan_policy("1.36") if entry[1]["metadata"]["name"] == "system:node"]
    await api.pipeline.found("test", roles)
    assert judged(api, asked) == decision


async def test_of_who_is_no_node_nothing_is_said(api: Api) -> None:
    objects = NodeAuthorizer(Objects(api.store))
    for user in (User("system:node:a"), User("jane", groups=("system:nodes",))):
        assert objects.authorize(GET._replace(user=user, resource="nodes", name="a")) == Decision(None)
        assert objects.grants(user, "default").is_complete
    assert not objects.grants(NODE, "default").is_complete
