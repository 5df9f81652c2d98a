"""How far a Job has come, whether it is over and why, and which Pods to make or end next: without a cluster.

Every Pod of a Job carries a finalizer until it has been counted. Counting takes two steps, so that a kill in
between neither loses nor repeats one: the uid of a finished Pod is written to
``status.uncountedTerminatedPods``, then its finalizer is taken off, and then the uid becomes one more in
``succeeded`` or ``failed``. Successes of an indexed Job need no uids: the set of indexes says it all.

Source: kubernetes/pkg/controller/job/job_controller.go.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from kube_lite.api import meta
from kube_lite.api.identity import Json
from kube_lite.api.times import format_time, parse_time

from . import job_policy as policy
from . import pods as pod_facts
from .job_policy import COMPLETION_INDEX, FAIL_INDEX
from .resources import JOB

FINALIZER = "batch.kubernetes.io/job-tracking"
INDEX_FAILURES = "batch.kubernetes.io/job-index-failure-count"
INDEX_IGNORED_FAILURES = "batch.kubernetes.io/job-index-ignored-failure-count"
FIRST_DELAY, LONGEST_DELAY = 10.0, 600.0  # before a failed Pod is replaced; doubles from failure to failure
MAX_BURST = 500  # Pods made or ended in one pass; upstream's MaxPodCreateDeletePerSync
MAX_UNCOUNTED = 500  # uids in the status, so that it stays small


class Failures(NamedTuple):
    """How many Pods have failed since the last one that succeeded, and when the last of them did."""

    number: int = 0
    last: float = 0.0


@dataclass
class Facts:
    """One Job and its Pods as a pass sees them."""

    job: Json
    pods: Sequence[Json]
    released: frozenset[str]
    """Uids of Pods whose finalizer is off although the informer may still show it."""
    failures: Failures
    now: float
    active: list[Json] = field(default_factory=list)
    new_succeeded: list[Json] = field(default_factory=list)
    new_failed: list[Json] = field(default_factory=list)
    succeeded: int = 0
    failed: int = 0
    old_indexes: set[int] = field(default_factory=set)
    """Indexes that the status already says have succeeded."""
    succeeded_indexes: set[int] = field(default_factory=set)
    failed_indexes: set[int] | None = None
    """None unless failures are counted per index."""
    held: Mapping[int, Json] = field(default_factory=dict)
    """Per index, the failed Pod that is kept until its replacement knows of its failures."""

    @property
    def spec(self) -> Json:
        """The Job's spec."""
        spec: Json = self.job["spec"]
        return spec

    @property
    def is_indexed(self) -> bool:
        """Whether every Pod stands for an index."""
        return self.spec.get("completionMode") == "Indexed"

    @property
    def waits_for_the_end(self) -> bool:
        """Whether a Pod is replaced only when it is over, not as soon as it is ending."""
        return self.spec.get("podReplacementPolicy") == "Failed"

    def is_tracked(self, pod: Json) -> bool:
        """Whether the Pod is still to be counted."""
        return meta.has_finalizer(pod, FINALIZER) and pod["metadata"]["uid"] not in self.released

    def has_failed(self, pod: Json) -> bool:
        """Whether it failed; a Pod that somebody deletes counts as failed at once, unless asked otherwise."""
        phase = pod_facts.phase_of(pod)
        if phase == "Failed" or self.waits_for_the_end:
            return phase == "Failed"
        return meta.is_being_deleted(pod) and phase != "Succeeded"

    def is_valid(self, pod: Json) -> bool:
        """Whether it counts at all: Pods of an indexed Job need an index that is asked for."""
        index = policy.index_of(pod)
        return not self.is_indexed or (index is not None and index < self.spec["completions"])


def observe(
    job: Json, pods: Sequence[Json], released: Iterable[str], failures: Failures | None, now: float
) -> Facts:
    """Count. ``failures`` is what was known before, None if nothing is remembered."""
    status = job.get("status") or {}
    facts = Facts(job, pods, frozenset(released), failures or Failures(), now)
    if failures is None:  # after a restart: from the Pods that were counted before
        counted = [pod for pod in pods if not facts.is_tracked(pod)]
        over = [pod for pod in counted if pod_facts.phase_of(pod) == "Succeeded"]
        facts.failures = count_failures(Failures(), over, filter(facts.has_failed, counted), now)
    facts.active = [pod for pod in pods if pod_facts.is_active(pod)]
    uncounted = status.get("uncountedTerminatedPods") or {}
    known = {name: set(uncounted.get(name) or ()) for name in ("succeeded", "failed")}
    new = [pod for pod in pods if facts.is_tracked(pod) and facts.is_valid(pod)]
    facts.new_succeeded = [
        pod
        for pod in new
        if pod_facts.phase_of(pod) == "Succeeded" and pod["metadata"]["uid"] not in known["succeeded"]
    ]
    facts.new_failed = [
        pod for pod in new if facts.has_failed(pod) and pod["metadata"]["uid"] not in known["failed"]
    ]
    facts.succeeded = status.get("succeeded", 0) + len(facts.new_succeeded) + len(known["succeeded"])
    counting = sum(policy.judge_failure(job, pod).counts for pod in facts.new_failed)
    facts.failed = status.get("failed", 0) + counting + len(known["failed"])
    facts.failures = count_failures(facts.failures, facts.new_succeeded, facts.new_failed, now)
    if facts.is_indexed:
        _observe_indexes(facts, new)
    return facts


def _observe_indexes(facts: Facts, tracked: Iterable[Json]) -> None:
    status, completions = facts.job.get("status") or {}, facts.spec["completions"]
    facts.old_indexes = policy.parse_indexes(status.get("completedIndexes") or "", completions)
    facts.succeeded_indexes = facts.old_indexes | {
        index for pod in facts.new_succeeded if (index := policy.index_of(pod)) is not None
    }
    facts.succeeded = len(facts.succeeded_indexes)
    if facts.spec.get("backoffLimitPerIndex") is None:
        return
    failed = [pod for pod in tracked if facts.has_failed(pod)]
    facts.failed_indexes = policy.parse_indexes(status.get("failedIndexes") or "", completions)
    facts.failed_indexes.update(
        index for pod in failed if _fails_index(facts, pod) and (index := policy.index_of(pod)) is not None
    )
    over = facts.succeeded_indexes | facts.failed_indexes | _indexes(facts.active)
    held: dict[int, Json] = {}
    for pod in failed:
        index = policy.index_of(pod)
        if index is not None and index not in over:
            last = held.get(index)
            if last is None or _seniority(pod, facts.now) > _seniority(last, facts.now):
                held[index] = pod
    facts.held = held


def _seniority(pod: Json, now: float) -> tuple[int, float]:
    return sum(_index_failures(pod)), finished_at(pod, now)


def _fails_index(facts: Facts, pod: Json) -> bool:
    verdict = policy.judge_failure(facts.job, pod)
    if verdict.action == FAIL_INDEX:
        return True
    return verdict.counts and _index_failures(pod)[0] >= facts.spec["backoffLimitPerIndex"]


def _index_failures(pod: Json) -> tuple[int, int]:
    """How many Pods of its index had failed before: those that counted, and those that did not."""
    texts = [meta.annotations_of(pod).get(name, "0") for name in (INDEX_FAILURES, INDEX_IGNORED_FAILURES)]
    counted, ignored = (int(text) if text.isdecimal() else 0 for text in texts)
    return counted, ignored


def _indexes(pods: Iterable[Json]) -> set[int]:
    return {index for pod in pods if (index := policy.index_of(pod)) is not None}


def finished_at(pod: Json, now: float) -> float:
    """When the last container of a Pod ended; if none did, when its end was asked for."""
    status = pod.get("status") or {}
    moments = [
        parse_time(ended["finishedAt"])
        for container in status.get("containerStatuses") or ()
        if (ended := (container.get("state") or {}).get("terminated")) and ended.get("finishedAt")
    ]
    if moments:
        return max(moments)
    asked = pod["metadata"].get("deletionTimestamp")
    return min(now, parse_time(asked)) if asked else now


def count_failures(
    before: Failures, succeeded: Iterable[Json], failed: Iterable[Json], now: float
) -> Failures:
    """How things stand after some more Pods have finished."""
    last_success = max((finished_at(pod, now) for pod in succeeded), default=None)
    times = sorted(finished_at(pod, now) for pod in failed)
    if last_success is not None:
        times = [moment for moment in times if moment > last_success]
        return Failures(len(times), times[-1]) if times else Failures()
    return Failures(before.number + len(times), max(before.last, times[-1])) if times else before


def delay_of(failures: int, last: float, now: float) -> float:
    """Seconds until a Pod may be replaced after that many failures, the last of them at ``last``."""
    if not failures:
        return 0.0
    delay = min(FIRST_DELAY * 2.0 ** min(failures - 1, 10), LONGEST_DELAY)
    return max(0.0, last + delay - now)


def plan_end(facts: Facts) -> Json | None:
    """The condition that decides the Job, None while it is undecided.

    What was decided before stays: ``SuccessCriteriaMet`` and ``FailureTarget`` come before everything else.
    Then failures are judged, then successes by policy. Reaching the completions is judged separately.
    """
    for type_ in ("SuccessCriteriaMet", "FailureTarget"):
        if meta.is_condition_true(facts.job, type_):
            return meta.condition(facts.job, type_)
    found = _find_failure(facts)
    if found is not None:
        return condition("FailureTarget", *found, facts.now)
    if facts.is_indexed:
        words = policy.judge_success(facts.job, facts.succeeded_indexes)
        if words:
            return condition("SuccessCriteriaMet", "SuccessPolicy", words, facts.now)
    return None


def _find_failure(facts: Facts) -> tuple[str, str] | None:
    for pod in facts.pods:
        if facts.has_failed(pod) and (words := policy.judge_failure(facts.job, pod).message):
            return "PodFailurePolicy", words
    if facts.failed > facts.spec.get("backoffLimit", 6) or _restarts_too_often(facts):
        return "BackoffLimitExceeded", "Job has reached the specified backoff limit"
    left = seconds_to_deadline(facts.job, facts.now)
    if left is not None and left <= 0:
        return "DeadlineExceeded", "Job was active longer than specified deadline"
    failed = len(facts.failed_indexes or ())
    if failed > facts.spec.get("maxFailedIndexes", failed):
        return "MaxFailedIndexesExceeded", "Job has exceeded the specified maximal number of failed indexes"
    if failed and failed + len(facts.succeeded_indexes) >= facts.spec["completions"]:
        return "FailedIndexes", "Job has failed indexes"
    return None


def _restarts_too_often(facts: Facts) -> bool:
    """Pods that are restarted in place have their restarts counted against the limit."""
    if facts.spec["template"]["spec"].get("restartPolicy") != "OnFailure":
        return False
    restarts = sum(
        container.get("restartCount", 0)
        for pod in facts.pods
        if not pod_facts.is_finished(pod)
        for name in ("initContainerStatuses", "containerStatuses")
        for container in (pod.get("status") or {}).get(name) or ()
    )
    return bool(restarts >= max(1, int(facts.spec.get("backoffLimit", 6))))


def seconds_to_deadline(job: Json, now: float) -> float | None:
    """Seconds left by ``activeDeadlineSeconds``; None where time does not run."""
    limit = job["spec"].get("activeDeadlineSeconds")
    started = (job.get("status") or {}).get("startTime")
    if limit is None or not started or job["spec"].get("suspend"):
        return None
    return float(parse_time(started) + limit - now)


def is_complete(facts: Facts) -> bool:
    """Whether as many have succeeded as were asked for, and nothing runs any more.

    Without a number of completions one success is enough, but those that still run may finish.
    """
    completions = facts.spec.get("completions")
    enough = 1 if completions is None else int(completions)
    return not facts.active and facts.succeeded >= enough


class PodPlan(NamedTuple):
    """What to do about Pods; in ``wait`` seconds more may be made."""

    create: Sequence[Json] = ()
    delete: Sequence[Json] = ()
    wait: float | None = None


def plan_pods(facts: Facts) -> PodPlan:
    """Which Pods to end or else to make; never both in one pass."""
    spec, active = facts.spec, len(facts.active)
    if spec.get("suspend"):
        return PodPlan(delete=facts.active[:MAX_BURST])
    parallelism = int(spec.get("parallelism", 1))
    if spec.get("completions") is None:
        wanted = active if facts.succeeded else parallelism
    else:
        wanted = max(0, min(spec["completions"] - facts.succeeded, parallelism))
    spare = _spare_pods(facts, active - wanted)
    if spare:
        return PodPlan(delete=spare[:MAX_BURST])
    ending = sum(map(pod_facts.is_terminating, facts.pods)) if facts.waits_for_the_end else 0
    missing = min(wanted - active - ending, MAX_BURST)
    if missing <= 0:
        return PodPlan()
    if facts.failed_indexes is None:
        wait = delay_of(*facts.failures, facts.now)
        if wait:
            return PodPlan(wait=wait)
    if not facts.is_indexed:
        return PodPlan(create=[new_pod(facts.job)] * missing)
    return _plan_indexes(facts, missing)


def _plan_indexes(facts: Facts, missing: int) -> PodPlan:
    taken = facts.succeeded_indexes | (facts.failed_indexes or set()) | _indexes(facts.active)
    if facts.waits_for_the_end:
        taken |= _indexes(filter(pod_facts.is_terminating, facts.pods))
    pending: list[int] = []
    for index in range(facts.spec["completions"]):
        if index not in taken:
            pending.append(index)
        if len(pending) == missing:
            break
    waits = {
        index: delay_of(sum(_index_failures(pod)) + 1, finished_at(pod, facts.now), facts.now)
        for index in pending
        if (pod := facts.held.get(index)) is not None
    }
    now = [index for index in pending if not waits.get(index)]
    if not now:
        return PodPlan(wait=min(waits.values(), default=None))
    pods = [new_pod(facts.job, index, facts.held.get(index)) for index in now]
    return PodPlan(create=pods, wait=min((wait for wait in waits.values() if wait), default=None))


def _spare_pods(facts: Facts, spare: int) -> list[Json]:
    """Those to end: of an indexed Job first those with no use, such as a second one for an index."""
    by_worth = sorted(facts.active, key=lambda pod: pod_facts.worth(pod, neighbours=0, now=facts.now))
    if not facts.is_indexed:
        return by_worth[: max(0, spare)]
    useless: list[Json] = []
    useful: list[Json] = []
    seen: set[int] = set()
    for pod in reversed(by_worth):
        index = policy.index_of(pod)
        if index is None or index >= facts.spec["completions"] or index in seen:
            useless.append(pod)
        else:
            seen.add(index)
            useful.insert(0, pod)
    return useless + useful[: max(0, spare - len(useless))]


def new_pod(job: Json, index: int | None = None, replaced: Json | None = None) -> Json:
    """A Pod of the Job, for one index if it has indexes.

    Args:
        replaced: the failed Pod of the same index that this one comes after.
    """
    pod = pod_facts.pod_from(job, JOB, job["spec"]["template"])
    metadata = pod["metadata"]
    finalizers = metadata.get("finalizers") or []
    metadata["finalizers"] = finalizers if FINALIZER in finalizers else [*finalizers, FINALIZER]
    if index is None:
        return pod
    name, text = job["metadata"]["name"], str(index)
    metadata["generateName"] = f"{name}-{index}-"
    metadata["labels"] = {**(metadata.get("labels") or {}), COMPLETION_INDEX: text}
    annotations = {**(metadata.get("annotations") or {}), COMPLETION_INDEX: text}
    if job["spec"].get("backoffLimitPerIndex") is not None:
        counted, ignored = _index_failures(replaced) if replaced is not None else (0, 0)
        if replaced is not None:
            counts = policy.judge_failure(job, replaced).counts
            counted, ignored = counted + counts, ignored + (not counts)
        annotations[INDEX_FAILURES] = str(counted)
        if ignored:
            annotations[INDEX_IGNORED_FAILURES] = str(ignored)
    metadata["annotations"] = annotations
    spec = {**pod["spec"], "hostname": f"{name}-{index}"}
    for kind in ("containers", "initContainers"):
        if spec.get(kind):
            spec[kind] = [_with_index(container) for container in spec[kind]]
    return {**pod, "spec": spec}


def _with_index(container: Json) -> Json:
    variables = container.get("env") or []
    if any(entry["name"] == "JOB_COMPLETION_INDEX" for entry in variables):
        return container
    source = {"fieldRef": {"fieldPath": f"metadata.labels['{COMPLETION_INDEX}']"}}
    return {**container, "env": [*variables, {"name": "JOB_COMPLETION_INDEX", "valueFrom": source}]}


def condition(type_: str, reason: str, message: str, now: float, status: str = "True") -> Json:
    """A condition of a Job."""
    moment = format_time(now)
    words = {"reason": reason, "message": message}
    return {
        "type": type_,
        "status": status,
        "lastProbeTime": moment,
        "lastTransitionTime": moment,
        **{name: text for name, text in words.items() if text},
    }
