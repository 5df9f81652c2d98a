"""What a node may not do to others, even where it may do it to itself."""

from collections.abc import Awaitable
from typing import Any

import pytest

from kube_lite.admission.node_restriction import forbidden_labels
from kube_lite.api.errors import Forbidden
from kube_lite.api.identity import GroupVersionResource, Json
from kube_lite.auth.user import User
from kube_lite.cluster.policy import plan_policy
from kube_lite.verbs.local import LocalClient
from tests.serving import ACCOUNTS, NAMESPACES, PODS, Api, pod

NODES = GroupVersionResource("", "v1", "nodes")
LEASES = GroupVersionResource("coordination.k8s.io", "v1", "leases")
MIRROR = "kubernetes.io/config.mirror"


@pytest.fixture
async def node(api: Api) -> LocalClient:
    """The node ``a``, which is registered, beside a node ``b``; each runs a Pod of its name."""
    roles = [entry for entry in plan_policy("1.36") if entry[1]["metadata"]["name"] == "system:node"]
    await api.pipeline.found("test", roles)
    for name in ("a", "b"):
        await api.client.create(NODES, {"metadata": {"name": name}})
        await api.client.create(PODS, pod(name, nodeName=name), namespace="default")
    return api.client_of(User("system:node:a", groups=("system:nodes", "system:authenticated")))


async def refused(action: Awaitable[object], why: str) -> None:
    with pytest.raises(Forbidden) as caught:
        await action
    assert why in caught.value.message


async def with_status(client: LocalClient, name: str, **metadata: Any) -> Json:
    found = await client.get(PODS, name, namespace="default")
    return {**found, "metadata": {**found["metadata"], **metadata}, "status": {"message": "hello"}}


async def test_a_node_reports_on_its_own_pods(api: Api, node: LocalClient) -> None:
    mine, other = [await with_status(api.client, name) for name in ("a", "b")]
    await node.update(PODS, mine, namespace="default", subresource="status")
    why = 'node "a" can only update pod status for pods with spec.nodeName set to itself'
    await refused(node.update(PODS, other, namespace="default", subresource="status"), why)
    labelled = await with_status(api.client, "a", labels={"a": "b"})
    why = 'node "a" cannot update labels through pod status'
    await refused(node.update(PODS, labelled, namespace="default", subresource="status"), why)


async def test_a_node_ends_its_own_pods(node: LocalClient) -> None:
    await node.delete(PODS, "a", namespace="default")
    why = 'node "a" can only delete pods with spec.nodeName set to itself'
    await refused(node.delete(PODS, "b", namespace="default"), why)
    eviction = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": "b"}}
    evicting = node.create(PODS, eviction, namespace="default", name="b", subresource="eviction")
    await refused(evicting, "node a can only evict pods with spec.nodeName set to itself")


async def test_a_node_makes_mirror_pods_only(api: Api, node: LocalClient) -> None:
    uid = (await api.client.get(NODES, "a"))["metadata"]["uid"]
    itself = {"apiVersion": "v1", "kind": "Node", "name": "a", "uid": uid}
    mirror = pod("mirror", nodeName="a")
    mirror["metadata"] |= {"annotations": {MIRROR: "hash"}, "ownerReferences": [itself]}
    await node.create(PODS, mirror, namespace="default")
    await refused(
        node.create(PODS, pod("own", nodeName="a"), namespace="default"), "can only create mirror pods"
    )
    foreign = {**mirror, "metadata": {**mirror["metadata"], "ownerReferences": [{**itself, "uid": "x"}]}}
    why = 'node "a" can only create pods with an owner reference set to itself'
    await refused(node.create(PODS, foreign, namespace="default"), why)


async def test_a_node_changes_itself_but_not_what_draws_pods_to_it(api: Api, node: LocalClient) -> None:
    found = await api.client.get(NODES, "a")

    def labelled(**labels: str) -> Json:
        return {**found, "metadata": {**found["metadata"], "labels": labels}}

    why = 'node "a" is not allowed to modify labels: node-restriction.kubernetes.io/secure'
    secure = labelled(**{"node-restriction.kubernetes.io/secure": "true"})
    await refused(node.update(NODES, secure), why)
    await refused(node.update(NODES, {**found, "spec": {}}), 'node "a" is not allowed to modify taints')
    other = await api.client.get(NODES, "b")
    await refused(node.update(NODES, other), 'node "a" is not allowed to modify node "b"')
    await node.update(NODES, labelled(zone="x"))


async def test_a_node_has_one_lease(api: Api, node: LocalClient) -> None:
    await api.client.create(NAMESPACES, {"metadata": {"name": "kube-node-lease"}})
    lease = {"metadata": {"name": "a"}, "spec": {"holderIdentity": "a"}}
    await node.create(LEASES, lease, namespace="kube-node-lease")
    other = {"metadata": {"name": "b"}, "spec": {"holderIdentity": "a"}}
    why = "can only access node lease with the same name as the requesting node"
    await refused(node.create(LEASES, other, namespace="kube-node-lease"), why)


async def test_a_node_gets_tokens_for_its_pods_only(api: Api, node: LocalClient) -> None:
    async def ask(name: str, **bound: str) -> Json:
        found = await api.client.get(PODS, name, namespace="default")
        reference = {"apiVersion": "v1", "kind": "Pod", "name": name, "uid": found["metadata"]["uid"]}
        body = {"spec": {"audiences": [], "boundObjectRef": {**reference, **bound}}}
        return await node.create(ACCOUNTS, body, namespace="default", name="default", subresource="token")

    assert (await ask("a"))["status"]["token"]
    await refused(ask("b"), "node requested token bound to a pod scheduled on a different node")
    await refused(ask("a", uid=""), "node requested token with a pod binding without a uid")
    await refused(ask("a", kind="Secret"), "node requested token not bound to a pod")


@pytest.mark.parametrize(
    ("label", "is_forbidden"),
    [
        pytest.param("zone", False, id="anything without a domain"),
        pytest.param("example.test/a", False, id="other domains"),
        pytest.param("kubernetes.io/hostname", False, id="what nodes have always said"),
        pytest.param("node.kubernetes.io/exclude", False, id="their own domain"),
        pytest.param("a.kubelet.kubernetes.io/b", False, id="below their own domain"),
        pytest.param("kubernetes.io/role", True, id="other labels of Kubernetes"),
        pytest.param("node-role.kubernetes.io/control-plane", True, id="roles"),
        pytest.param("a.node-restriction.kubernetes.io/b", True, id="restricted ones"),
    ],
)
def test_which_labels_are_not_a_nodes_to_set(label: str, is_forbidden: bool) -> None:
    assert forbidden_labels({}, {label: "x"}) == ([label] if is_forbidden else [])
    assert forbidden_labels({label: "x"}, {label: "x"}) == []
