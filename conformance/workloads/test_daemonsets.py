"""DaemonSets: a Pod on every node that takes it."""

from conformance.kubectl import Kubectl, eventually

from .manifests import apply, get, pods, template, workload


def test_every_node_has_one(kubectl: Kubectl) -> None:
    everywhere = template("agent", tolerations=[{"operator": "Exists"}])
    apply(kubectl, workload("DaemonSet", "agent", template=everywhere))
    kubectl("rollout", "status", "daemonset/agent", "--timeout=60s")
    nodes = {node["metadata"]["name"] for node in get(kubectl, "nodes")["items"]}
    assert {pod["spec"]["nodeName"] for pod in pods(kubectl, "agent")} == nodes
    status = get(kubectl, "daemonset", "agent")["status"]
    assert status["desiredNumberScheduled"] == status["numberReady"] == len(nodes)


def test_one_that_asks_for_other_nodes_has_none(kubectl: Kubectl) -> None:
    elsewhere = template("agent", nodeSelector={"conformance.test/none": "x"})
    apply(kubectl, workload("DaemonSet", "agent", template=elsewhere))

    def is_seen() -> bool:
        return bool(get(kubectl, "daemonset", "agent")["status"].get("observedGeneration") == 1)

    eventually(is_seen)
    assert get(kubectl, "daemonset", "agent")["status"]["desiredNumberScheduled"] == 0
    assert pods(kubectl, "agent") == []


def test_an_update_replaces_the_pods(kubectl: Kubectl) -> None:
    apply(kubectl, workload("DaemonSet", "agent"))
    kubectl("rollout", "status", "daemonset/agent", "--timeout=60s")
    kubectl("set", "env", "daemonset/agent", "COLOR=green")
    kubectl("rollout", "status", "daemonset/agent", "--timeout=60s")
    assert all("env" in pod["spec"]["containers"][0] for pod in pods(kubectl, "agent"))
    assert len(get(kubectl, "controllerrevisions", "-l", "app=agent")["items"]) == 2


def test_on_delete_waits_for_somebody_to_delete(kubectl: Kubectl) -> None:
    apply(kubectl, workload("DaemonSet", "agent", updateStrategy={"type": "OnDelete"}))
    kubectl("wait", "pods", "-l", "app=agent", "--for=condition=Ready", "--timeout=60s")
    kubectl("set", "env", "daemonset/agent", "COLOR=green")
    eventually(lambda: len(get(kubectl, "controllerrevisions", "-l", "app=agent")["items"]) == 2)
    assert not any("env" in pod["spec"]["containers"][0] for pod in pods(kubectl, "agent"))
    kubectl("delete", "pods", "-l", "app=agent")

    def is_new() -> bool:
        found = pods(kubectl, "agent")
        return bool(found) and all("env" in pod["spec"]["containers"][0] for pod in found)

    eventually(is_new)
