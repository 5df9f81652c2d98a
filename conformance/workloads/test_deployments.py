"""Deployments and ReplicaSets: as many Pods as asked for, and how one set of them follows another."""

import json

from conformance.api.objects import IMAGE
from conformance.kubectl import Kubectl, eventually

from .manifests import apply, events, get, names, pods, ready, template, workload


def roll_out(kubectl: Kubectl, name: str = "web") -> None:
    kubectl("rollout", "status", f"deployment/{name}", "--timeout=60s")


def test_a_pod_that_is_deleted_is_made_anew(kubectl: Kubectl) -> None:
    apply(kubectl, workload("ReplicaSet", "web", replicas=2))
    eventually(lambda: len(pods(kubectl, "web")) == 2)
    first = names(pods(kubectl, "web"))[0]
    kubectl("delete", "pod", first)
    eventually(lambda: len(pods(kubectl, "web")) == 2 and first not in names(pods(kubectl, "web")))


def test_a_pod_that_no_longer_matches_is_left_alone_and_replaced(kubectl: Kubectl) -> None:
    apply(kubectl, workload("ReplicaSet", "web", replicas=1))
    eventually(lambda: len(pods(kubectl, "web")) == 1)
    [freed] = names(pods(kubectl, "web"))
    kubectl("label", "pod", freed, "app=other", "--overwrite")
    eventually(lambda: len(pods(kubectl, "web")) == 1)
    eventually(lambda: "ownerReferences" not in get(kubectl, "pod", freed)["metadata"])


def test_a_change_is_rolled_out_and_undone(kubectl: Kubectl) -> None:
    apply(kubectl, workload("Deployment", "web", replicas=2))
    roll_out(kubectl)
    kubectl("set", "env", "deployment/web", "COLOR=green")
    roll_out(kubectl)
    sets = get(kubectl, "rs", "-l", "app=web")["items"]
    assert sorted(one["spec"]["replicas"] for one in sets) == [0, 2]
    kubectl("rollout", "undo", "deployment/web")
    roll_out(kubectl)
    container = get(kubectl, "deployment", "web")["spec"]["template"]["spec"]["containers"][0]
    assert "env" not in container
    history = kubectl("rollout", "history", "deployment/web")
    assert [line.split()[0] for line in history.splitlines()[2:] if line] == ["2", "3"]


def test_nothing_is_rolled_out_while_it_is_paused(kubectl: Kubectl) -> None:
    apply(kubectl, workload("Deployment", "web", replicas=1))
    roll_out(kubectl)
    kubectl("rollout", "pause", "deployment/web")
    kubectl("set", "env", "deployment/web", "COLOR=green")

    def is_seen() -> bool:
        found = get(kubectl, "deployment", "web")
        return bool(found["status"]["observedGeneration"] == found["metadata"]["generation"])

    eventually(is_seen)
    assert len(get(kubectl, "rs", "-l", "app=web")["items"]) == 1
    kubectl("rollout", "resume", "deployment/web")
    roll_out(kubectl)
    assert len(get(kubectl, "rs", "-l", "app=web")["items"]) == 2


def test_recreate_never_runs_two_sets_at_once(kubectl: Kubectl) -> None:
    apply(kubectl, workload("Deployment", "web", replicas=2, strategy={"type": "Recreate"}))
    roll_out(kubectl)
    before = set(names(pods(kubectl, "web")))
    kubectl("set", "env", "deployment/web", "COLOR=green")
    roll_out(kubectl)
    after = set(names(pods(kubectl, "web")))
    assert len(after) == 2
    assert not before & after


def test_a_rollout_that_makes_no_progress_says_so(kubectl: Kubectl) -> None:
    never = template("web", readinessProbe={"exec": {"command": ["false"]}, "periodSeconds": 1})
    apply(kubectl, workload("Deployment", "web", replicas=1, progressDeadlineSeconds=2, template=never))

    def is_over() -> bool:
        conditions = get(kubectl, "deployment", "web")["status"].get("conditions") or ()
        return "ProgressDeadlineExceeded" in [one.get("reason") for one in conditions]

    eventually(is_over)
    status = kubectl.run("rollout", "status", "deployment/web", "--timeout=10s")
    assert "exceeded its progress deadline" in status.stderr


def test_what_is_unavailable_never_exceeds_what_is_allowed(kubectl: Kubectl) -> None:
    rolling = {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}}
    apply(kubectl, workload("Deployment", "web", replicas=3, strategy=rolling))
    roll_out(kubectl)
    broken = {"spec": {"template": {"spec": {"containers": [{"name": "main", "image": "none.invalid/x:1"}]}}}}
    kubectl("patch", "deployment", "web", "-p", json.dumps(broken))
    eventually(lambda: len(pods(kubectl, "web")) == 4)
    assert sum(map(ready, pods(kubectl, "web"))) == 3
    kubectl("set", "image", "deployment/web", f"main={IMAGE}")
    roll_out(kubectl)
    eventually(lambda: len(pods(kubectl, "web")) == 3)


def test_events_tell_what_was_scaled(kubectl: Kubectl) -> None:
    apply(kubectl, workload("Deployment", "web", replicas=1))
    roll_out(kubectl)
    [owned] = names(get(kubectl, "rs", "-l", "app=web")["items"])
    eventually(lambda: f"Scaled up replica set {owned} from 0 to 1" in events(kubectl, "ScalingReplicaSet"))
