"""Zone and region come with the node."""

from kube_lite.api.identity import GroupVersionResource
from tests.serving import PODS, Api, pod

NODES = GroupVersionResource("", "v1", "nodes")
ZONE = "topology.kubernetes.io/zone"


async def test_a_pod_gets_the_zone_of_its_node_when_it_is_bound_and_when_it_names_it(api: Api) -> None:
    labels = {ZONE: "a", "kubernetes.io/os": "linux"}
    await api.client.create(NODES, {"metadata": {"name": "n1", "labels": labels}})
    await api.client.create(PODS, pod("bound"), namespace="default")
    named = await api.client.create(PODS, pod("named", nodeName="n1"), namespace="default")
    binding = {"metadata": {"name": "bound"}, "target": {"kind": "Node", "name": "n1"}}
    await api.client.create(PODS, binding, namespace="default", name="bound", subresource="binding")
    bound = await api.client.get(PODS, "bound", namespace="default")
    for one in (bound, named):
        assert one["metadata"]["labels"][ZONE] == "a"
        assert "kubernetes.io/os" not in one["metadata"]["labels"]
