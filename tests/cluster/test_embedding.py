"""Clusters inside somebody else's process."""

import asyncio
import copy
import json
import ssl
import urllib.error
import urllib.request
from pathlib import Path

import pytest

import kube_lite
from kube_lite.api.errors import NotFound
from kube_lite.api.identity import GroupVersionResource, Json
from kube_lite.api.meta import is_condition_true
from kube_lite.client.kubeconfig import access, load
from kube_lite.client.remote import RemoteClient
from kube_lite.cluster.compose import Cluster
from kube_lite.cluster.thread import ThreadedCluster
from kube_lite.kit.clock import ManualClock

CONFIG_MAPS = GroupVersionResource("", "v1", "configmaps")
CLUSTER_ROLES = GroupVersionResource("rbac.authorization.k8s.io", "v1", "clusterroles")
NODES = GroupVersionResource("", "v1", "nodes")
PODS = GroupVersionResource("", "v1", "pods")
DEPLOYMENTS = GroupVersionResource("apps", "v1", "deployments")

GONE: Json = {"key": "node.kubernetes.io/unreachable", "operator": "Exists", "effect": "NoExecute"}
CONFIG_MAP: Json = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "mine"}, "data": {"a": "1"}}
DEPLOYMENT: Json = {
    "apiVersion": "apps/v1",
    "kind": "Deployment",
    "metadata": {"name": "web"},
    "spec": {
        "replicas": 2,
        "selector": {"matchLabels": {"app": "web"}},
        "template": {
            "metadata": {"labels": {"app": "web"}},
            "spec": {"containers": [{"name": "c", "image": "nginx"}]},
        },
    },
}


async def available(cluster: Cluster, name: str, replicas: int) -> None:
    async with cluster.client.watch(DEPLOYMENTS, namespace="default") as events:
        async for event in events:
            status = event.object.get("status", {})
            if event.object["metadata"].get("name") == name and status.get("availableReplicas") == replicas:
                return


async def test_two_clusters_in_one_process_know_nothing_of_each_other() -> None:
    async with kube_lite.Cluster(parts="api") as one, kube_lite.Cluster(parts="api") as other:
        await one.client.create(CONFIG_MAPS, CONFIG_MAP, namespace="default")
        assert one.url != other.url
        with pytest.raises(NotFound):
            await other.client.get(CONFIG_MAPS, "mine", namespace="default")
        async with RemoteClient(access(load(one.kubeconfig))) as remote:
            found = await remote.get(CONFIG_MAPS, "mine", namespace="default")
        assert found["data"] == {"a": "1"}


async def test_what_clusters_have_from_the_start_is_each_ones_own() -> None:
    for seconds, time in ((1e9, "2001-09-09T01:46:40Z"), (2e9, "2033-05-18T03:33:20Z")):
        roles = []
        for _ in range(2):
            async with kube_lite.Cluster(parts="api", clock=ManualClock(seconds)) as cluster:
                listed = await cluster.client.list(CLUSTER_ROLES)
                roles += [role for role in listed.items if role["metadata"]["name"] == "view"]
        one, other = (role["metadata"] for role in roles)
        assert one.pop("uid") != other.pop("uid")
        assert one == other
        assert one["creationTimestamp"] == time
        assert [entry["time"] for entry in one["managedFields"]] == [time]


async def test_everything_is_gone_when_the_cluster_is_left() -> None:
    async with kube_lite.Cluster(parts="api") as cluster:
        directory, url = cluster.directory, cluster.url
        assert directory.is_dir()
    assert not directory.exists()
    with pytest.raises(urllib.error.URLError, match="refused"):
        await asyncio.to_thread(urllib.request.urlopen, url + "/livez")


async def test_a_deployment_becomes_available_on_the_fake_runtime() -> None:
    async with kube_lite.Cluster(runtime="fake") as cluster, asyncio.timeout(20):
        await cluster.client.create(DEPLOYMENTS, DEPLOYMENT, namespace="default")
        await available(cluster, "web", 2)
        pods = await cluster.client.list(PODS, namespace="default")
        assert [pod["status"]["phase"] for pod in pods.items] == ["Running", "Running"]


async def test_pods_that_shun_each_other_have_a_node_each() -> None:
    deployment = copy.deepcopy(DEPLOYMENT)
    deployment["spec"]["replicas"] = 3
    term = {"topologyKey": "kubernetes.io/hostname", "labelSelector": deployment["spec"]["selector"]}
    shuns = {"requiredDuringSchedulingIgnoredDuringExecution": [term]}
    deployment["spec"]["template"]["spec"]["affinity"] = {"podAntiAffinity": shuns}
    async with (
        kube_lite.Cluster(runtime="fake", nodes=3, node_name="box") as cluster,
        asyncio.timeout(20),
    ):
        await cluster.client.create(DEPLOYMENTS, deployment, namespace="default")
        await available(cluster, "web", 3)
        pods = await cluster.client.list(PODS, namespace="default")
        assert sorted(pod["spec"]["nodeName"] for pod in pods.items) == ["box", "box-2", "box-3"]
        assert len({pod["status"]["hostIP"] for pod in pods.items}) == 3


async def test_nodes_stay_ready_however_far_the_clock_is_moved() -> None:
    clock = ManualClock()
    config = kube_lite.Config(listen="127.0.0.1:0", runtime="fake", nodes=2, durable=False)
    async with kube_lite.Cluster(config, clock=clock) as cluster, asyncio.timeout(20):
        await cluster.client.create(DEPLOYMENTS, DEPLOYMENT, namespace="default")
        await available(cluster, "web", 2)
        before = (await cluster.client.list(PODS, namespace="default")).items
        await clock.advance(3600)
        for node in (await cluster.client.list(NODES)).items:
            [ready] = [one for one in node["status"]["conditions"] if one["type"] == "Ready"]
            assert (ready["status"], ready["reason"]) == ("True", "KubeletReady")
            assert not node["spec"].get("taints")
        after = (await cluster.client.list(PODS, namespace="default")).items
        assert [pod["metadata"]["uid"] for pod in after] == [pod["metadata"]["uid"] for pod in before]


async def test_pods_leave_a_node_that_stops_and_are_ready_again_on_one_that_comes_back() -> None:
    clock = ManualClock()
    async with kube_lite.Cluster(runtime="fake", clock=clock) as cluster, asyncio.timeout(20):
        client = cluster.client
        fake = {"metadata": {"name": "far", "annotations": {"kube-lite.io/fake": "true"}}}
        await client.create(NODES, fake)

        async def play(word: str) -> None:
            await client.patch(NODES, "far", {"metadata": {"annotations": {"kube-lite.io/fake": word}}})

        await clock.advance(1)
        for name, seconds in (("patient", 600), ("hasty", 30)):
            spec = copy.deepcopy(DEPLOYMENT["spec"]["template"]["spec"])
            spec |= {"nodeName": "far", "tolerations": [GONE | {"tolerationSeconds": seconds}]}
            await client.create(PODS, {"metadata": {"name": name}, "spec": spec}, namespace="default")
        await clock.advance(60)
        await play("no longer")
        await clock.advance(120)
        pods = {pod["metadata"]["name"]: pod for pod in (await client.list(PODS)).items}
        assert "deletionTimestamp" in pods["hasty"]["metadata"]
        assert not is_condition_true(pods["patient"], "Ready")
        await play("true")
        await clock.advance(60)
        assert is_condition_true(await client.get(PODS, "patient", namespace="default"), "Ready")
        assert not (await client.get(NODES, "far"))["spec"].get("taints")


async def test_an_error_in_the_body_stays_what_it_is() -> None:
    with pytest.raises(KeyError, match="mine"):
        async with kube_lite.Cluster(parts="api"):
            raise KeyError("mine")


async def test_a_second_cluster_on_a_directory_is_refused_and_leaves_the_first_alone(tmp_path: Path) -> None:
    from kube_lite_storage import StoreLocked

    async with kube_lite.Cluster(parts="api", data_dir=tmp_path) as first:
        with pytest.raises(StoreLocked):
            async with kube_lite.Cluster(parts="api", data_dir=tmp_path):
                pass
        assert (await first.client.list(CONFIG_MAPS)).resource_version


def test_a_synchronous_caller_gets_a_cluster_in_a_thread_of_its_own() -> None:
    threaded = ThreadedCluster(parts="api")
    with threaded as cluster:
        threaded.run(cluster.client.create(CONFIG_MAPS, CONFIG_MAP, namespace="default"))
        tls = ssl.create_default_context(cafile=str(cluster.authority.files.certificate))
        with urllib.request.urlopen(cluster.url + "/version", context=tls) as answer:
            assert json.load(answer)["major"] == "1"


def test_the_fixture_gives_a_cluster_that_takes_pods(cluster: Cluster) -> None:
    assert cluster.kubeconfig.exists()
    assert cluster.abilities["driver"] == "fake"
