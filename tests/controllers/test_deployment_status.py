from kube_lite.api import meta
from kube_lite.api.identity import Json
from kube_lite.api.times import format_time
from kube_lite.controllers.deployment_status import plan_status, seconds_to_deadline

from .objects import NOW, deployment, replica_set


def counts(replicas: int, available: int) -> Json:
    found: Json = {"replicas": replicas, "observedGeneration": 1, "terminatingReplicas": 0}
    return found | {"readyReplicas": available, "availableReplicas": available}


def reasons(status: Json) -> dict[str, tuple[str, str]]:
    return {entry["type"]: (entry["status"], entry["reason"]) for entry in status["conditions"]}


def with_progress(owner: Json, reason: str, updated: float, *, status: str = "True", **more: object) -> Json:
    entry = {
        "type": "Progressing",
        "status": status,
        "reason": reason,
        "lastUpdateTime": format_time(updated),
    }
    entry["lastTransitionTime"] = format_time(updated)
    return {**owner, "status": {"conditions": [entry], **more}}


def test_a_rollout_that_has_arrived_says_so() -> None:
    new = replica_set("web-a", status=counts(2, 2))
    status = plan_status(deployment(), new, [new], 0, NOW)
    assert reasons(status) == {
        "Available": ("True", "MinimumReplicasAvailable"),
        "Progressing": ("True", "NewReplicaSetAvailable"),
    }
    assert status["conditions"][1]["message"] == 'ReplicaSet "web-a" has successfully progressed.'
    assert status | {"conditions": []} == {
        "observedGeneration": 1,
        "replicas": 2,
        "updatedReplicas": 2,
        "readyReplicas": 2,
        "availableReplicas": 2,
        "terminatingReplicas": 0,
        "conditions": [],
    }


def test_pods_that_come_up_are_progress_and_move_the_deadline() -> None:
    owner = with_progress(deployment(), "ReplicaSetUpdated", NOW - 500, replicas=2, updatedReplicas=2)
    new = replica_set("web-a", status=counts(2, 1))
    status = plan_status(owner, new, [new], 0, NOW)
    entry = meta.condition({"status": status}, "Progressing")
    assert entry is not None
    assert entry["lastUpdateTime"] == format_time(NOW)
    assert entry["lastTransitionTime"] == format_time(NOW - 500)
    assert reasons(status)["Available"] == ("False", "MinimumReplicasUnavailable")
    assert status["unavailableReplicas"] == 1


def test_a_rollout_without_progress_is_overdue_after_the_deadline_and_not_before() -> None:
    new = replica_set("web-a", status=counts(2, 0))
    for age, reason in ((599, "ReplicaSetUpdated"), (601, "ProgressDeadlineExceeded")):
        owner = with_progress(deployment(), "ReplicaSetUpdated", NOW - age, replicas=2, updatedReplicas=2)
        assert reasons(plan_status(owner, new, [new], 0, NOW))["Progressing"][1] == reason


def test_a_finished_rollout_is_not_overdue_when_its_pods_die_later() -> None:
    owner = with_progress(deployment(), "NewReplicaSetAvailable", NOW - 10_000, replicas=2, updatedReplicas=2)
    new = replica_set("web-a", status=counts(2, 0))
    assert reasons(plan_status(owner, new, [new], 0, NOW))["Progressing"] == (
        "True",
        "NewReplicaSetAvailable",
    )


def test_without_a_deadline_nothing_is_said_about_progress() -> None:
    for deadline in (None, 2**31 - 1):
        owner = with_progress(deployment(progressDeadlineSeconds=deadline), "ReplicaSetUpdated", NOW)
        new = replica_set("web-a", status=counts(2, 2))
        assert "Progressing" not in reasons(plan_status(owner, new, [new], 0, NOW))


def test_a_replica_sets_failure_becomes_the_deployments_and_goes_again() -> None:
    failing = counts(0, 0) | {
        "conditions": [
            {"type": "ReplicaFailure", "status": "True", "reason": "FailedCreate", "message": "quota"}
        ]
    }
    new = replica_set("web-a", status=failing)
    status = plan_status(deployment(), new, [new], 0, NOW)
    assert reasons(status)["ReplicaFailure"] == ("True", "FailedCreate")
    fine = replica_set("web-a", status=counts(2, 2))
    assert "ReplicaFailure" not in reasons(
        plan_status({**deployment(), "status": status}, fine, [fine], 0, NOW)
    )


def test_a_status_that_is_true_already_is_planned_again_unchanged() -> None:
    new = replica_set("web-a", status=counts(2, 2))
    status = plan_status(deployment(), new, [new], 0, NOW)
    assert plan_status({**deployment(), "status": status}, new, [new], 0, NOW + 100) == status


def test_only_a_rollout_that_stands_still_is_looked_at_again_by_itself() -> None:
    waiting = with_progress(deployment(), "ReplicaSetUpdated", NOW - 100, replicas=2, updatedReplicas=2)
    assert seconds_to_deadline(waiting, waiting["status"], NOW) == 501
    late = with_progress(deployment(), "ProgressDeadlineExceeded", NOW - 700, status="False")
    assert seconds_to_deadline(late, late["status"], NOW) is None
    new = replica_set("web-a", status=counts(2, 2))
    done = {**deployment(), "status": plan_status(deployment(), new, [new], 0, NOW)}
    assert seconds_to_deadline(done, done["status"], NOW) is None
