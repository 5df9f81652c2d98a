"""Jobs and CronJobs: work that ends, fails, and comes again."""

from typing import Any

from conformance.kubectl import Kubectl, eventually

from .manifests import Json, apply, events, get, job, pods


def conditions(kubectl: Kubectl, name: str) -> dict[str, str]:
    """Type → reason of the conditions of a Job that hold."""
    found = get(kubectl, "job", name)["status"].get("conditions") or ()
    return {one["type"]: one.get("reason", "") for one in found if one["status"] == "True"}


def test_a_job_is_complete_when_as_many_as_asked_for_have_succeeded(kubectl: Kubectl) -> None:
    apply(kubectl, job("sum", "true", completions=3, parallelism=2))
    kubectl("wait", "job/sum", "--for=condition=Complete", "--timeout=60s")
    status = get(kubectl, "job", "sum")["status"]
    assert (status["succeeded"], status.get("failed", 0)) == (3, 0)
    assert "completionTime" in status
    eventually(lambda: "Job completed" in events(kubectl, "Completed"))


def test_every_index_succeeds_once(kubectl: Kubectl) -> None:
    command = ("sh", "-c", "test -n $JOB_COMPLETION_INDEX")
    apply(kubectl, job("sum", *command, completions=3, parallelism=3, completionMode="Indexed"))
    kubectl("wait", "job/sum", "--for=condition=Complete", "--timeout=60s")
    assert get(kubectl, "job", "sum")["status"]["completedIndexes"] == "0-2"


def test_one_that_fails_too_often_has_failed(kubectl: Kubectl) -> None:
    apply(kubectl, job("sum", "false", backoffLimit=0))
    kubectl("wait", "job/sum", "--for=condition=Failed", "--timeout=60s")
    assert conditions(kubectl, "sum")["Failed"] == "BackoffLimitExceeded"


def test_one_that_takes_too_long_is_ended(kubectl: Kubectl) -> None:
    apply(kubectl, job("sum", activeDeadlineSeconds=1))
    kubectl("wait", "job/sum", "--for=condition=Failed", "--timeout=60s")
    assert conditions(kubectl, "sum")["Failed"] == "DeadlineExceeded"
    eventually(lambda: pods(kubectl, "sum") == [])


def test_an_exit_code_may_end_it_at_once(kubectl: Kubectl) -> None:
    rule = {"action": "FailJob", "onExitCodes": {"operator": "In", "values": [42]}}
    apply(kubectl, job("sum", "sh", "-c", "exit 42", backoffLimit=6, podFailurePolicy={"rules": [rule]}))
    kubectl("wait", "job/sum", "--for=condition=Failed", "--timeout=60s")
    assert conditions(kubectl, "sum")["Failed"] == "PodFailurePolicy"


def test_a_suspended_one_has_no_pods_until_it_goes_on(kubectl: Kubectl) -> None:
    apply(kubectl, job("sum", "true", suspend=True))
    kubectl("wait", "job/sum", "--for=condition=Suspended", "--timeout=60s")
    assert pods(kubectl, "sum") == []
    kubectl("patch", "job", "sum", "-p", '{"spec":{"suspend":false}}')
    kubectl("wait", "job/sum", "--for=condition=Complete", "--timeout=60s")


def test_one_that_is_over_goes_after_its_time(kubectl: Kubectl) -> None:
    apply(kubectl, job("sum", "true", ttlSecondsAfterFinished=1))
    eventually(lambda: get(kubectl, "jobs")["items"] == [] and get(kubectl, "pods")["items"] == [], 60)


def cron(name: str, **spec: Any) -> Json:
    return {
        "apiVersion": "batch/v1",
        "kind": "CronJob",
        "metadata": {"name": name},
        "spec": {"schedule": "0 0 1 1 *", "jobTemplate": {"spec": job(name, "true")["spec"]}, **spec},
    }


def test_a_cron_job_is_started_by_hand(kubectl: Kubectl) -> None:
    apply(kubectl, cron("yearly", suspend=True))
    kubectl("create", "job", "now", "--from=cronjob/yearly")
    kubectl("wait", "job/now", "--for=condition=Complete", "--timeout=60s")
    [owner] = get(kubectl, "job", "now")["metadata"]["ownerReferences"]
    assert (owner["kind"], owner["name"]) == ("CronJob", "yearly")


def test_its_jobs_go_with_it(kubectl: Kubectl) -> None:
    apply(kubectl, cron("yearly", suspend=True))
    kubectl("create", "job", "now", "--from=cronjob/yearly")
    kubectl("delete", "cronjob", "yearly")
    eventually(lambda: get(kubectl, "jobs")["items"] == [])
