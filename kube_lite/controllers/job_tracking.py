"""The status of a Job: counting Pods that have finished, exactly once each, and the conditions. Pure.

Source: ``trackJobStatusAndRemoveFinalizers`` in kubernetes/pkg/controller/job/job_controller.go.
"""

from collections.abc import Collection
from typing import NamedTuple

from kube_lite.api import meta
from kube_lite.api.identity import Json
from kube_lite.api.times import format_time

from . import job_policy as policy
from . import pods as pod_facts
from .job_plan import MAX_UNCOUNTED, Facts, condition

FINAL = ("Complete", "Failed")


class Numbers(NamedTuple):
    """What runs, as of the end of a pass."""

    active: int
    ready: int
    terminating: int


class Tracking(NamedTuple):
    """The status to write first, and the Pods whose finalizer to take off after that."""

    status: Json
    release: list[Json]
    is_whole: bool
    """Whether that is all; False if there were more finished Pods than fit."""


def numbers_of(facts: Facts) -> Numbers:
    """What runs now."""
    ready = sum(map(pod_facts.is_ready, facts.active))
    return Numbers(len(facts.active), ready, sum(map(pod_facts.is_terminating, facts.pods)))


def is_over(job: Json) -> bool:
    """Whether the Job is complete or has failed for good."""
    return any(meta.is_condition_true(job, type_) for type_ in FINAL)


def plan_tracking(facts: Facts, numbers: Numbers, ending: Json | None, suspended: Json | None) -> Tracking:
    """Note finished Pods, and what was decided, before anything is let go.

    Args:
        ending: the condition that decides the Job, if it is decided.
        suspended: the condition ``Suspended``, if it has changed.
    """
    still = {pod["metadata"]["uid"] for pod in facts.pods if facts.is_tracked(pod)}
    status = settle(facts.job.get("status") or {}, still)
    release, is_whole = _count(facts, status, ending)
    if not status.get("startTime") and not facts.spec.get("suspend"):
        status["startTime"] = format_time(facts.now)
    status |= {"active": numbers.active, "ready": numbers.ready, "terminating": numbers.terminating}
    conditions = meta.conditions_of(facts.job)
    if suspended is not None:
        conditions = meta.with_condition(conditions, suspended, facts.now)
        if suspended["status"] == "False":  # time for the deadline begins anew
            status["startTime"] = format_time(facts.now)
        else:
            status.pop("startTime", None)
    if ending is not None:
        conditions = meta.with_condition(conditions, ending, facts.now)
    if conditions:
        status["conditions"] = conditions
    return Tracking(_tidy(status), release, is_whole)


def _count(facts: Facts, status: Json, ending: Json | None) -> tuple[list[Json], bool]:
    """Note finished Pods in a private status; gives those to let go, and whether all had room."""
    uncounted = {name: list(uids) for name, uids in status["uncountedTerminatedPods"].items()}
    indexes = set(facts.old_indexes)
    release: list[Json] = []
    is_whole = True
    for pod in sorted(facts.pods, key=lambda pod: policy.index_of(pod) or 0):
        if not facts.is_tracked(pod) or not _may_release(facts, pod, ending):
            continue
        release.append(pod)
        _note(facts, pod, ending, uncounted, indexes)
        if sum(map(len, uncounted.values())) + len(indexes - facts.old_indexes) >= MAX_UNCOUNTED:
            is_whole = False
            break
    status["uncountedTerminatedPods"] = uncounted
    if facts.is_indexed:
        status |= {"succeeded": len(indexes), "completedIndexes": policy.format_indexes(indexes)}
        if facts.failed_indexes is not None:
            status["failedIndexes"] = policy.format_indexes(facts.failed_indexes)
    return release, is_whole


def settle(status: Json, still_tracked: Collection[str]) -> Json:
    """The status after the uids of Pods without finalizer have become numbers; a new object."""
    after = {**status, "uncountedTerminatedPods": {}}
    for name, uids in (status.get("uncountedTerminatedPods") or {}).items():
        rest = [uid for uid in uids if uid in still_tracked]
        after[name] = status.get(name, 0) + len(uids) - len(rest)
        if rest:
            after["uncountedTerminatedPods"][name] = rest
    return _tidy(after)


def plan_finish(status: Json, ending: Json | None, now: float) -> Json | None:
    """The last status of a Job that is decided, None while Pods are uncounted or still ending."""
    if ending is None or status.get("terminating") or any(status["uncountedTerminatedPods"].values()):
        return None
    is_success = ending["type"] == "SuccessCriteriaMet"
    final = condition(
        "Complete" if is_success else "Failed", ending.get("reason", ""), ending.get("message", ""), now
    )
    finished = {**status, "conditions": meta.with_condition(status.get("conditions") or [], final, now)}
    if is_success:
        finished["completionTime"] = final["lastTransitionTime"]
    return finished


def plan_suspended(facts: Facts) -> Json | None:
    """The condition ``Suspended`` if it is not what it should be; it is only False after it was True."""
    current = meta.condition(facts.job, "Suspended")
    if facts.spec.get("suspend"):
        if current is None or current["status"] != "True":
            return condition("Suspended", "JobSuspended", "Job suspended", facts.now)
    elif current is not None and current["status"] == "True":
        return condition("Suspended", "JobResumed", "Job resumed", facts.now, "False")
    return None


def _may_release(facts: Facts, pod: Json, ending: Json | None) -> bool:
    """Whether it is known what becomes of the Pod."""
    is_decided = meta.is_being_deleted(facts.job) or ending is not None
    if is_decided or pod_facts.phase_of(pod) == "Succeeded":
        return True
    if not facts.has_failed(pod):
        return False
    index = policy.index_of(pod)
    held = facts.held.get(index) if index is not None else None
    return held is None or held["metadata"]["uid"] != pod["metadata"]["uid"]


def _note(
    facts: Facts, pod: Json, ending: Json | None, uncounted: dict[str, list[str]], indexes: set[int]
) -> None:
    uid, index = pod["metadata"]["uid"], policy.index_of(pod)
    failed = uncounted.get("failed", [])
    if pod_facts.phase_of(pod) == "Succeeded" and uid not in failed:
        if not facts.is_indexed and uid not in uncounted.get("succeeded", []):
            uncounted.setdefault("succeeded", []).append(uid)
        elif facts.is_indexed and facts.is_valid(pod) and index is not None:
            indexes.add(index)
        return
    is_failure = ending is not None and ending["type"] != "SuccessCriteriaMet"
    if not facts.has_failed(pod) and not is_failure:
        return
    if uid not in failed and facts.is_valid(pod) and policy.judge_failure(facts.job, pod).counts:
        uncounted.setdefault("failed", []).append(uid)


def _tidy(status: Json) -> Json:
    """Without the numbers and texts that are left out when they are empty."""
    optional = ("active", "succeeded", "failed", "completedIndexes")
    return {name: value for name, value in status.items() if value or name not in optional}
