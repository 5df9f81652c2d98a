"""StatefulSets: Pods with names of their own, one after the other."""

from conformance.kubectl import Kubectl, eventually

from .manifests import apply, get, names, pods, ready, workload


def test_pods_come_in_order_and_go_in_reverse(kubectl: Kubectl) -> None:
    apply(kubectl, workload("StatefulSet", "db", replicas=3, serviceName="db"))
    kubectl("rollout", "status", "statefulset/db", "--timeout=60s")
    made = pods(kubectl, "db")
    assert names(made) == ["db-0", "db-1", "db-2"]
    started = [pod["metadata"]["creationTimestamp"] for pod in made]
    assert started == sorted(started)
    kubectl("scale", "statefulset/db", "--replicas=1")
    eventually(lambda: names(pods(kubectl, "db")) == ["db-0"])


def test_a_pod_that_is_deleted_comes_back_under_its_name(kubectl: Kubectl) -> None:
    apply(kubectl, workload("StatefulSet", "db", replicas=2, serviceName="db"))
    kubectl("rollout", "status", "statefulset/db", "--timeout=60s")
    uid = pods(kubectl, "db")[0]["metadata"]["uid"]
    kubectl("delete", "pod", "db-0")

    def is_back() -> bool:
        found = pods(kubectl, "db")
        return names(found) == ["db-0", "db-1"] and found[0]["metadata"]["uid"] != uid and ready(found[0])

    eventually(is_back)


def test_an_update_stops_at_the_partition(kubectl: Kubectl) -> None:
    strategy = {"type": "RollingUpdate", "rollingUpdate": {"partition": 1}}
    apply(kubectl, workload("StatefulSet", "db", replicas=2, serviceName="db", updateStrategy=strategy))
    kubectl("rollout", "status", "statefulset/db", "--timeout=60s")
    kubectl("set", "env", "statefulset/db", "COLOR=green")

    def colors() -> list[bool]:
        return ["env" in pod["spec"]["containers"][0] for pod in pods(kubectl, "db")]

    eventually(lambda: colors() == [False, True])
    status = get(kubectl, "statefulset", "db")["status"]
    assert status["currentRevision"] != status["updateRevision"]


def test_a_parallel_set_does_not_wait(kubectl: Kubectl) -> None:
    apply(
        kubectl, workload("StatefulSet", "db", replicas=3, serviceName="db", podManagementPolicy="Parallel")
    )
    eventually(lambda: names(pods(kubectl, "db")) == ["db-0", "db-1", "db-2"])


def test_ordinals_may_begin_elsewhere(kubectl: Kubectl) -> None:
    apply(kubectl, workload("StatefulSet", "db", replicas=1, serviceName="db", ordinals={"start": 5}))
    eventually(lambda: names(pods(kubectl, "db")) == ["db-5"])
    labels = pods(kubectl, "db")[0]["metadata"]["labels"]
    assert labels["apps.kubernetes.io/pod-index"] == "5"
