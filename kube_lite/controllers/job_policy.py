"""Indexes of Jobs as text, and the rules that say when a failed Pod or a few successes decide a Job.

Pods of an indexed Job each stand for one index. Sets of indexes are written as ``0,1,4-7``. The first rule
of ``podFailurePolicy`` that a failed Pod matches says what the failure means; the first rule of
``successPolicy`` that is met ends the Job early. All functions are pure.

Source: kubernetes/pkg/controller/job/indexed_job_utils.go, pod_failure_policy.go, success_policy.go.
"""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from kube_lite.api import meta
from kube_lite.api.identity import Json

COMPLETION_INDEX = "batch.kubernetes.io/job-completion-index"  # annotation and label of Pods
FAIL_JOB, FAIL_INDEX, IGNORE = "FailJob", "FailIndex", "Ignore"


def index_of(pod: Json) -> int | None:
    """Which index a Pod stands for, None if it does not say."""
    text = meta.annotations_of(pod).get(COMPLETION_INDEX, "")
    return int(text) if text.isdecimal() else None


def parse_indexes(text: str, completions: int) -> set[int]:
    """The indexes below ``completions`` that a text names; what cannot be read is left out.

    >>> sorted(parse_indexes("1,3-5", 5))
    [1, 3, 4]
    """
    found: set[int] = set()
    for part in text.split(","):
        first, _, last = part.partition("-")
        if first.isdecimal() and (last or first).isdecimal():
            found.update(range(int(first), min(int(last or first) + 1, completions)))
    return found


def format_indexes(indexes: Iterable[int]) -> str:
    """The text that names these indexes.

    >>> format_indexes({1, 2, 4, 5, 6})
    '1,2,4-6'
    """
    runs: list[list[int]] = []
    for index in sorted(indexes):
        if runs and runs[-1][-1] == index - 1:
            runs[-1][1:] = [index]
        else:
            runs.append([index])
    return ",".join(
        str(run[0]) if len(run) == 1 else f"{run[0]}{',' if run[0] + 1 == run[1] else '-'}{run[1]}"
        for run in runs
    )


class Verdict(NamedTuple):
    """What a failed Pod means for its Job."""

    counts: bool = True
    """Whether it counts towards the limits."""
    action: str = ""
    """The action of the rule that it matched, if any."""
    message: str = ""
    """Why the whole Job fails, if it does."""


def judge_failure(job: Json, pod: Json) -> Verdict:
    """Apply ``podFailurePolicy``; without one every failure counts."""
    for number, rule in enumerate((job["spec"].get("podFailurePolicy") or {}).get("rules") or ()):
        why = _matching_exit_code(rule, pod) or _matching_condition(rule, pod)
        if not why:
            continue
        action = rule["action"]
        message = f"{why} matching {action} rule at index {number}" if action == FAIL_JOB else ""
        return Verdict(action != IGNORE, action, message)
    return Verdict()


def _matching_exit_code(rule: Json, pod: Json) -> str:
    wanted = rule.get("onExitCodes")
    if wanted is None:
        return ""
    status = pod.get("status") or {}
    for container in [
        *(status.get("containerStatuses") or ()),
        *(status.get("initContainerStatuses") or ()),
    ]:
        name = wanted.get("containerName")
        ended = (container.get("state") or {}).get("terminated")
        if (name and container["name"] != name) or ended is None or not ended.get("exitCode"):
            continue
        code = ended["exitCode"]
        if (code in wanted["values"]) == (wanted["operator"] == "In"):
            return f"Container {container['name']} for pod {_name(pod)} failed with exit code {code}"
    return ""


def _matching_condition(rule: Json, pod: Json) -> str:
    patterns = rule.get("onPodConditions") or ()
    for entry in meta.conditions_of(pod):
        for pattern in patterns:
            if entry["type"] == pattern["type"] and entry["status"] == pattern.get("status", "True"):
                return f"Pod {_name(pod)} has condition {entry['type']}"
    return ""


def _name(pod: Json) -> str:
    return f"{pod['metadata']['namespace']}/{pod['metadata']['name']}"


def judge_success(job: Json, succeeded: set[int]) -> str:
    """Why ``successPolicy`` is met, empty if it is not."""
    rules: Sequence[Json] = (job["spec"].get("successPolicy") or {}).get("rules") or ()
    for number, rule in enumerate(rules) if succeeded else ():
        named = rule.get("succeededIndexes")
        wanted = parse_indexes(named, job["spec"]["completions"]) if named is not None else succeeded
        enough = rule.get("succeededCount", len(wanted))
        if len(wanted & succeeded) >= enough:
            return f"Matched rules at index {number}"
    return ""
