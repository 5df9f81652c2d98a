"""Where Pods go, and what is said when there is no such place."""

from typing import Any

from conformance.kubectl import Kubectl, eventually

from .manifests import Json, apply, events, get, template


def pod(name: str, **spec: Any) -> Json:
    made = template(name, **spec)
    metadata = {"name": name, **made["metadata"]}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": made["spec"]}


def why(kubectl: Kubectl, name: str) -> str:
    """What the condition of a Pod says that has no node."""
    conditions = get(kubectl, "pod", name)["status"].get("conditions") or ()
    found = [one.get("message", "") for one in conditions if one["type"] == "PodScheduled"]
    return str(found[0]) if found else ""


def test_a_pod_that_asks_for_what_no_node_has_waits_and_says_so(kubectl: Kubectl) -> None:
    apply(kubectl, pod("picky", nodeSelector={"conformance.test/none": "x"}))
    told = "node(s) didn't match Pod's node affinity/selector"
    eventually(lambda: told in why(kubectl, "picky"))
    eventually(lambda: any(told in message for message in events(kubectl, "FailedScheduling")))


def test_a_pod_with_gates_waits_until_they_are_open(kubectl: Kubectl) -> None:
    apply(kubectl, pod("gated", schedulingGates=[{"name": "conformance.test/gate"}]))
    eventually(lambda: "Scheduling is blocked due to non-empty scheduling gates" in why(kubectl, "gated"))
    kubectl("patch", "pod", "gated", "--type=json", "-p", '[{"op":"remove","path":"/spec/schedulingGates"}]')
    kubectl("wait", "pod/gated", "--for=condition=Ready", "--timeout=60s")


def test_a_pod_follows_those_that_it_wants_beside_it(kubectl: Kubectl) -> None:
    term = {"topologyKey": "kubernetes.io/hostname", "labelSelector": {"matchLabels": {"app": "first"}}}
    required = {"requiredDuringSchedulingIgnoredDuringExecution": [term]}
    apply(kubectl, pod("second", affinity={"podAffinity": required}))
    eventually(lambda: "didn't match pod affinity rules" in why(kubectl, "second"))
    apply(kubectl, pod("first"))
    kubectl("wait", "pod/second", "--for=condition=Ready", "--timeout=60s")
    places = {name: get(kubectl, "pod", name)["spec"]["nodeName"] for name in ("first", "second")}
    assert places["first"] == places["second"]


def test_a_pod_keeps_away_from_its_own_kind(kubectl: Kubectl) -> None:
    term = {
        "topologyKey": "kubernetes.io/os",
        "labelSelector": {"matchExpressions": [{"key": "app", "operator": "Exists"}]},
    }
    alone = {"podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [term]}}
    apply(kubectl, pod("one", affinity=alone))
    kubectl("wait", "pod/one", "--for=condition=Ready", "--timeout=60s")
    apply(kubectl, pod("two", affinity=alone))
    eventually(lambda: "anti-affinity rules" in why(kubectl, "two"))
    kubectl("delete", "pod", "one")
    kubectl("wait", "pod/two", "--for=condition=Ready", "--timeout=60s")


def test_a_more_important_pod_takes_the_room_of_others(kubectl: Kubectl) -> None:
    node = get(kubectl, "nodes")["items"][0]
    room = int(node["status"]["allocatable"]["cpu"])
    label = kubectl.namespace
    for name, value in (("low", 1), ("high", 1000)):
        priority = {"apiVersion": "scheduling.k8s.io/v1", "kind": "PriorityClass", "value": value}
        apply(kubectl, {**priority, "metadata": {"name": f"{label}-{name}"}})
    try:
        half = {"requests": {"cpu": f"{room * 1000 * 6 // 10}m"}}
        place = {"kubernetes.io/hostname": node["metadata"]["labels"]["kubernetes.io/hostname"]}

        def asking(name: str, importance: str) -> Json:
            made = pod(name, nodeSelector=place, priorityClassName=f"{label}-{importance}")
            made["spec"]["containers"][0]["resources"] = half
            return made

        apply(kubectl, asking("lesser", "low"))
        kubectl("wait", "pod/lesser", "--for=condition=Ready", "--timeout=60s")
        apply(kubectl, asking("greater", "high"))
        kubectl("wait", "pod/greater", "--for=condition=Ready", "--timeout=60s")
        assert kubectl.run("get", "pod", "lesser").returncode == 1
        assert events(kubectl, "Preempted")
    finally:
        kubectl("delete", "priorityclass", f"{label}-low", f"{label}-high")
