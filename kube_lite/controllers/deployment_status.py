"""What a Deployment says about itself: counts and conditions, decided from its ReplicaSets. Pure.

``kubectl rollout status`` reads exactly this: ``Progressing`` tells whether the newest revision gets on, has
arrived (``NewReplicaSetAvailable``), or has made no progress for longer than ``progressDeadlineSeconds``.

Source: kubernetes/pkg/controller/deployment/progress.go, sync.go.
"""

from collections.abc import Sequence

from kube_lite.api import meta
from kube_lite.api.identity import Json
from kube_lite.api.times import format_time, parse_time

NO_DEADLINE = 2**31 - 1  # the largest int32 says that there is none
NEW_SET_AVAILABLE = "NewReplicaSetAvailable"
TIMED_OUT = "ProgressDeadlineExceeded"
PAUSED = "DeploymentPaused"
RESUMED = "DeploymentResumed"


def make_condition(type_: str, status: str, reason: str, message: str, now: float) -> Json:
    """A Deployment condition as of now."""
    moment = format_time(now)
    return {
        "type": type_,
        "status": status,
        "lastUpdateTime": moment,
        "lastTransitionTime": moment,
        "reason": reason,
        "message": message,
    }


def with_condition(conditions: Sequence[Json], entry: Json) -> list[Json]:
    """The conditions with ``entry`` as the last, unless status and reason are what they were."""
    old = next((known for known in conditions if known["type"] == entry["type"]), None)
    if old is not None and old["status"] == entry["status"]:
        if old.get("reason") == entry["reason"]:
            return list(conditions)
        entry = entry | {"lastTransitionTime": old.get("lastTransitionTime")}
    return [*without_condition(conditions, entry["type"]), entry]


def without_condition(conditions: Sequence[Json], type_: str) -> list[Json]:
    """The conditions of other types."""
    return [known for known in conditions if known["type"] != type_]


def deadline_of(deployment: Json) -> int | None:
    """``progressDeadlineSeconds``, None if there is none."""
    seconds: int | None = deployment["spec"].get("progressDeadlineSeconds")
    return None if seconds == NO_DEADLINE else seconds


def count_status(
    deployment: Json, new: Json | None, sets: Sequence[Json], unavailable: int, now: float
) -> Json:
    """Counts, and the condition ``Available``; other conditions stay as they are.

    Args:
        sets: every ReplicaSet of the Deployment, ``new`` included.
        unavailable: how many Pods may be missing.
    """

    def total(field: str) -> int:
        return sum((owned.get("status") or {}).get(field) or 0 for owned in sets)

    available = total("availableReplicas")
    asked = sum(owned["spec"].get("replicas", 1) for owned in sets)
    counts = {
        "observedGeneration": meta.generation(deployment),
        "replicas": total("replicas"),
        "updatedReplicas": ((new or {}).get("status") or {}).get("replicas", 0),
        "readyReplicas": total("readyReplicas"),
        "availableReplicas": available,
        "unavailableReplicas": max(0, asked - available),
    }
    status: Json = {field: value for field, value in counts.items() if value}
    before = deployment.get("status") or {}
    if before.get("collisionCount"):
        status["collisionCount"] = before["collisionCount"]
    if all("terminatingReplicas" in (owned.get("status") or {}) for owned in sets):
        status["terminatingReplicas"] = total("terminatingReplicas")
    if available >= deployment["spec"].get("replicas", 1) - unavailable:
        entry = make_condition(
            "Available", "True", "MinimumReplicasAvailable", "Deployment has minimum availability.", now
        )
    else:
        entry = make_condition(
            "Available",
            "False",
            "MinimumReplicasUnavailable",
            "Deployment does not have minimum availability.",
            now,
        )
    status["conditions"] = with_condition(meta.conditions_of(deployment), entry)
    return status


def plan_status(
    deployment: Json, new: Json | None, sets: Sequence[Json], unavailable: int, now: float
) -> Json:
    """The whole status during a rollout, with ``Progressing`` and ``ReplicaFailure``."""
    status = count_status(deployment, new, sets, unavailable, now)
    conditions = status["conditions"]
    current = meta.condition(deployment, "Progressing")
    if deadline_of(deployment) is None:
        conditions = without_condition(conditions, "Progressing")
    elif not _has_arrived(status, current):
        conditions = _judge_progress(deployment, new, status, current, conditions, now)
    failure = _replica_failure(new, sets)
    if failure is not None:
        conditions = with_condition(conditions, failure)
    else:
        conditions = without_condition(conditions, "ReplicaFailure")
    status["conditions"] = conditions
    return status


def is_complete(deployment: Json, status: Json) -> bool:
    """Every Pod is of the newest revision and available, and nothing else is left."""
    wanted = deployment["spec"].get("replicas", 1)
    return (
        status.get("updatedReplicas", 0) == wanted
        and status.get("replicas", 0) == wanted
        and status.get("availableReplicas", 0) == wanted
        and int(status.get("observedGeneration", 0)) >= meta.generation(deployment)
    )


def seconds_to_deadline(deployment: Json, status: Json, now: float) -> float | None:
    """When to look again because nobody else will: the deadline of a rollout that stands still.

    One second is added, since the times that are compared have whole seconds.
    """
    deadline = deadline_of(deployment)
    current = meta.condition(deployment, "Progressing")
    if deadline is None or current is None or is_complete(deployment, status):
        return None
    if current.get("reason") == TIMED_OUT or _has_arrived(status, current):
        return None
    return max(0.0, parse_time(current["lastUpdateTime"]) + deadline - now) + 1.0


def _has_arrived(status: Json, current: Json | None) -> bool:
    """The last rollout is over: what happens now (a Pod dies, the size changes) is not progress of one."""
    return (
        status.get("replicas", 0) == status.get("updatedReplicas", 0)
        and current is not None
        and current.get("reason") == NEW_SET_AVAILABLE
    )


def _judge_progress(
    deployment: Json, new: Json | None, status: Json, current: Json | None, conditions: list[Json], now: float
) -> list[Json]:
    subject = "Deployment" if new is None else "ReplicaSet"
    subject = f'{subject} "{(new or deployment)["metadata"]["name"]}"'

    def progressing(state: str, reason: str, words: str) -> Json:
        return make_condition("Progressing", state, reason, f"{subject} {words}", now)

    if is_complete(deployment, status):
        return with_condition(
            conditions, progressing("True", NEW_SET_AVAILABLE, "has successfully progressed.")
        )
    if _has_progressed(deployment.get("status") or {}, status):
        entry = progressing("True", "ReplicaSetUpdated", "is progressing.")
        if current is not None and current["status"] == "True":
            entry["lastTransitionTime"] = current.get("lastTransitionTime")
        # Even if the reason is the same: the deadline counts from the time of the last progress.
        return [*without_condition(conditions, "Progressing"), entry]
    if _is_overdue(deployment, current, now):
        return with_condition(conditions, progressing("False", TIMED_OUT, "has timed out progressing."))
    return conditions


def _has_progressed(before: Json, after: Json) -> bool:
    def old_pods(status: Json) -> int:
        return int(status.get("replicas", 0)) - int(status.get("updatedReplicas", 0))

    return old_pods(after) < old_pods(before) or any(
        after.get(field, 0) > before.get(field, 0)
        for field in ("updatedReplicas", "readyReplicas", "availableReplicas")
    )


def _is_overdue(deployment: Json, current: Json | None, now: float) -> bool:
    deadline = deadline_of(deployment)
    if deadline is None or current is None or current.get("reason") == NEW_SET_AVAILABLE:
        return False
    if current.get("reason") == TIMED_OUT:
        return True
    return parse_time(current["lastUpdateTime"]) + deadline < now


def _replica_failure(new: Json | None, sets: Sequence[Json]) -> Json | None:
    """The failure of a ReplicaSet as a condition of its Deployment; the newest one's first."""
    for owned in [*([new] if new is not None else []), *sets]:
        failure = meta.condition(owned, "ReplicaFailure")
        if failure is not None:
            return failure | {"lastUpdateTime": failure.get("lastTransitionTime")}
    return None
