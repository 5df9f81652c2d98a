"""Rules for statuses, which controllers, node agents and signers write through a door of their own.

Source: the ``Validate…StatusUpdate`` functions of ``pkg/apis/*/validation``.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from kube_lite.api.errors import Cause
from kube_lite.api.fielderrors import (
    duplicate,
    each,
    forbidden,
    invalid,
    invalid_state,
    not_negative,
    required,
)
from kube_lite.api.identity import Json
from kube_lite.api.meta import is_condition_true
from kube_lite.api.names import check_subdomain
from kube_lite.api.times import parse_time

from .values import check_ip, parse_ip


class Counts(NamedTuple):
    """The numbers in a workload's status: what may not be negative, and what may not exceed ``replicas``."""

    known: Sequence[str]
    at_most_all: Sequence[str] = ()
    ready: str = "readyReplicas"
    """How the text calls the field that ``availableReplicas`` may not exceed."""


DEPLOYMENT = Counts(
    ("observedGeneration", "replicas", "updatedReplicas", "readyReplicas", "availableReplicas",
     "unavailableReplicas", "terminatingReplicas", "collisionCount"),
    ("updatedReplicas", "readyReplicas", "availableReplicas"),
)  # fmt: skip
REPLICA_SET = Counts(
    ("replicas", "fullyLabeledReplicas", "readyReplicas", "availableReplicas", "terminatingReplicas",
     "observedGeneration"),
    ("fullyLabeledReplicas", "readyReplicas", "availableReplicas"),
)  # fmt: skip
STATEFUL_SET = Counts(
    ("replicas", "readyReplicas", "currentReplicas", "updatedReplicas", "availableReplicas",
     "observedGeneration", "collisionCount"),
    ("readyReplicas", "currentReplicas", "updatedReplicas", "availableReplicas"),
    "status.readyReplicas",
)  # fmt: skip
DAEMON_SET = Counts((
    "currentNumberScheduled", "numberMisscheduled", "desiredNumberScheduled", "numberReady",
    "observedGeneration", "updatedNumberScheduled", "numberAvailable", "numberUnavailable", "collisionCount",
))  # fmt: skip
AUTOSCALER = Counts(("currentReplicas", "desiredReplicas"))
BUDGET = Counts(("disruptionsAllowed", "currentHealthy", "desiredHealthy", "expectedPods"))


def check_counts(counts: Counts, new: Json, old: Json) -> Iterator[Cause]:
    """Numbers of Pods that fit together."""
    status = new.get("status") or {}
    for field in counts.known:
        yield from not_negative(f"status.{field}", status.get(field))
    for field in counts.at_most_all:
        if status.get(field, 0) > status.get("replicas", 0):
            yield invalid(f"status.{field}", status.get(field, 0), "cannot be greater than status.replicas")
    if counts.at_most_all and status.get("availableReplicas", 0) > status.get("readyReplicas", 0):
        why = f"cannot be greater than {counts.ready}"
        yield invalid("status.availableReplicas", status["availableReplicas"], why)
    before = (old.get("status") or {}).get("collisionCount")
    if "collisionCount" in counts.known and before is not None:
        now = status.get("collisionCount") or 0
        if now < before:
            yield invalid("status.collisionCount", now, "cannot be decremented")


def check_deployment(new: Json, old: Json) -> Iterator[Cause]:
    """Of a Deployment."""
    return check_counts(DEPLOYMENT, new, old)


def check_replica_set(new: Json, old: Json) -> Iterator[Cause]:
    """Of a ReplicaSet or a ReplicationController."""
    return check_counts(REPLICA_SET, new, old)


def check_stateful_set(new: Json, old: Json) -> Iterator[Cause]:
    """Of a StatefulSet."""
    return check_counts(STATEFUL_SET, new, old)


def check_daemon_set(new: Json, old: Json) -> Iterator[Cause]:
    """Of a DaemonSet."""
    return check_counts(DAEMON_SET, new, old)


def check_autoscaler(new: Json, old: Json) -> Iterator[Cause]:
    """Of a HorizontalPodAutoscaler."""
    return check_counts(AUTOSCALER, new, old)


def check_budget(new: Json, old: Json) -> Iterator[Cause]:
    """Of a PodDisruptionBudget."""
    return check_counts(BUDGET, new, old)


def check_namespace(new: Json, old: Json) -> Iterator[Cause]:
    """The phase follows from whether the namespace is on its way out."""
    is_going = bool(new["metadata"].get("deletionTimestamp"))
    phase = (new.get("status") or {}).get("phase", "")
    wanted = "Terminating" if is_going else "Active"
    if phase != wanted:
        why = f"may only be '{wanted}' if `deletionTimestamp` is {'not ' if is_going else ''}empty"
        yield invalid("status.Phase", phase, why)


def check_pod(new: Json, old: Json) -> Iterator[Cause]:
    """Addresses that are some, and containers that stay ended where nothing restarts them."""
    status, before = new.get("status") or {}, old.get("status") or {}
    nominated = status.get("nominatedNodeName", "")
    if nominated and nominated != before.get("nominatedNodeName"):
        yield from each("status.nominatedNodeName", nominated, check_subdomain(nominated))
    policy = old["spec"].get("restartPolicy", "Always")
    for field in ("containerStatuses", "initContainerStatuses"):
        yield from _check_transitions(f"status.{field}", status.get(field), before.get(field), policy)
    yield from _check_pod_ips(status.get("podIPs") or ())
    addresses = status.get("hostIPs") or ()
    for place, entry in enumerate(addresses):
        yield from check_ip(f"status.hostIPs[{place}]", entry.get("ip", ""))
    if addresses and addresses[0].get("ip") != status.get("hostIP"):
        yield invalid("status.hostIPs[0].ip", addresses[0].get("ip", ""), "must be equal to `hostIP`")


def _check_transitions(
    path: str, new: Sequence[Json] | None, old: Sequence[Json] | None, policy: str
) -> Iterator[Cause]:
    if policy == "Always":
        return
    for place, before in enumerate(old or ()):
        ended = before.get("state", {}).get("terminated")
        if ended is None or (ended.get("exitCode") and policy == "OnFailure"):
            continue
        for now in new or ():
            if now.get("name") == before.get("name") and "terminated" not in now.get("state", {}):
                yield forbidden(f"{path}[{place}].state", "may not be transitioned to non-terminated state")


def _check_pod_ips(entries: Sequence[Json]) -> Iterator[Cause]:
    texts = [entry.get("ip", "") for entry in entries]
    for place, text in enumerate(texts):
        yield from check_ip(f"status.podIPs[{place}]", text)
    families = [parsed.version for parsed in map(parse_ip, texts) if parsed is not None]
    if len(families) != len(set(families)):
        yield invalid("status.podIPs", list(entries), "may specify no more than one IP for each IP family")
    for place, text in enumerate(texts):
        if text in texts[:place]:
            yield duplicate(f"status.podIPs[{place}]", text)


def check_service(new: Json, old: Json) -> Iterator[Cause]:
    """Where a load balancer answers."""
    entries = ((new.get("status") or {}).get("loadBalancer") or {}).get("ingress") or ()
    path = "status.loadBalancer.ingress"
    if entries and new["spec"].get("type") != "LoadBalancer":
        yield forbidden(path, "may only be used when `spec.type` is 'LoadBalancer'")
        return
    yield from _check_entrances(path, entries)


def check_ingress(new: Json, old: Json) -> Iterator[Cause]:
    """Where an Ingress answers."""
    entries = ((new.get("status") or {}).get("loadBalancer") or {}).get("ingress") or ()
    return _check_entrances("status.loadBalancer.ingress", entries)


def _check_entrances(path: str, entries: Sequence[Json]) -> Iterator[Cause]:
    for place, entry in enumerate(entries):
        here, host = f"{path}[{place}]", entry.get("hostname")
        if entry.get("ip"):
            yield from check_ip(f"{here}.ip", entry["ip"])
        elif entry.get("ipMode") is not None:
            yield forbidden(f"{here}.ipMode", "may not be specified when `ip` is not set")
        if host:
            yield from each(f"{here}.hostname", host, check_subdomain(host))
            if parse_ip(host) is not None:
                yield invalid(f"{here}.hostname", host, "must be a DNS name, not an IP address")


COMPLETE, FAILED, TARGET, MET = "Complete", "Failed", "FailureTarget", "SuccessCriteriaMet"
CONDITIONS = "status.conditions"
JOB_NUMBERS = ("active", "succeeded", "failed", "ready", "terminating")
EXCLUSIVE = ((MET, FAILED), (MET, TARGET))
TERMINAL = (FAILED, COMPLETE, TARGET)


def check_job(new: Json, old: Json) -> Iterator[Cause]:
    """Of a Job: an end is announced, dated, told once, and final."""
    status = new.get("status") or {}
    for field in JOB_NUMBERS:
        yield from not_negative(f"status.{field}", status.get(field))
    yield from _check_end(new, status)
    if status.get("ready") is not None and status["ready"] > status.get("active", 0):
        yield invalid("status.ready", status["ready"], "cannot set more ready pods than active")
    for one, other in EXCLUSIVE:
        if is_condition_true(new, one) and is_condition_true(new, other):
            yield invalid_state(CONDITIONS, f"cannot set {one}=True and {other}=true conditions")
    yield from _check_course(new, old)


def _check_end(job: Json, status: Json) -> Iterator[Cause]:
    is_complete, has_failed = is_condition_true(job, COMPLETE), is_condition_true(job, FAILED)
    began, ended = status.get("startTime"), status.get("completionTime")
    for other in (FAILED, TARGET):
        if is_complete and is_condition_true(job, other):
            yield invalid_state(CONDITIONS, f"cannot set Complete=True and {other}=true conditions")
    if ended and not is_complete:
        why = "cannot set completionTime when there is no Complete=True condition"
        yield invalid("status.completionTime", ended, why)
    if is_complete and not ended:
        yield required("status.completionTime", "completionTime is required for Complete jobs")
    if began and ended and parse_time(ended) < parse_time(began):
        yield invalid("status.completionTime", ended, "must be equal to or after `startTime`")
    if has_failed and not is_condition_true(job, TARGET):
        why = "cannot set Failed=True condition without the FailureTarget=true condition"
        yield invalid_state(CONDITIONS, why)
    if is_complete and not is_condition_true(job, MET):
        why = "cannot set Complete=True condition without the SuccessCriteriaMet=true condition"
        yield invalid_state(CONDITIONS, why)
    if is_complete or has_failed:
        yield from _check_rest(status, began)


def _check_rest(status: Json, began: str | None) -> Iterator[Cause]:
    """What a Job that has ended may not have any more."""
    if status.get("active", 0) > 0:
        yield invalid("status.active", status["active"], "active>0 is invalid for finished job")
    if not began:
        yield required("status.startTime", "startTime is required for finished job")
    uncounted = status.get("uncountedTerminatedPods") or {}
    if uncounted.get("failed") or uncounted.get("succeeded"):
        why = "uncountedTerminatedPods needs to be empty for finished job"
        yield invalid("status.uncountedTerminatedPods", uncounted, why)
    if (status.get("terminating") or 0) > 0:
        yield invalid(
            "status.terminating", status["terminating"], "terminating>0 is invalid for finished job"
        )


def _check_course(new: Json, old: Json) -> Iterator[Cause]:
    """What may not be taken back."""
    status, before = new.get("status") or {}, old.get("status") or {}
    for type_ in TERMINAL:
        if is_condition_true(old, type_) and not is_condition_true(new, type_):
            yield invalid_state(CONDITIONS, f"cannot disable the terminal {type_}=True condition")
    for field in ("failed", "succeeded"):
        if status.get(field, 0) < before.get(field, 0):
            yield invalid(f"status.{field}", status.get(field, 0), f"cannot decrease the {field} counter")
    ended, before_ended = status.get("completionTime"), before.get("completionTime")
    if ended and before_ended and ended != before_ended:
        yield invalid("status.completionTime", ended, "completionTime cannot be mutated")
    began = before.get("startTime")
    is_resumed = is_condition_true(old, "Suspended") and not is_condition_true(new, "Suspended")
    if (
        began
        and began != status.get("startTime")
        and not new["spec"].get("suspend")
        and not is_resumed  # its time begins anew; refused by the first patches of 1.32 to 1.34 (#134521)
    ):
        yield required("status.startTime", "startTime cannot be removed for unsuspended job")
    if is_condition_true(old, MET) and not is_condition_true(new, MET):
        yield invalid_state(CONDITIONS, "cannot disable the SuccessCriteriaMet=True condition")
