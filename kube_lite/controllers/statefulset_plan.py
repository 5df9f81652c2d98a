"""What a StatefulSet should do next, and its status: decisions without a cluster.

Pods have numbers. With ``OrderedReady`` one thing is done at a time: Pod n+1 is made only when Pod n is
available, Pods are ended from the highest number down, and nothing goes on while something is ending. With
``Parallel`` everything missing is made and everything spare is ended at once. Updates come last: when all
numbers have their Pods, those of an old revision are ended from the top, and come back as the new one.

Source: kubernetes/pkg/controller/statefulset/stateful_set_control.go.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from kube_lite.api import meta
from kube_lite.api.identity import Json

from . import pods as pod_facts
from .history import REVISION_HASH, Past, template_of
from .resources import STATEFUL_SET
from .rollout import share_of
from .statefulset_claims import claim_name, first_ordinal, is_wanted, ordinal_of, templates_of

POD_NAME_LABEL = "statefulset.kubernetes.io/pod-name"
POD_INDEX_LABEL = "apps.kubernetes.io/pod-index"


@dataclass
class Step:
    """What to do now; the lists are worked on in this order."""

    create: list[int] = field(default_factory=list)
    """Numbers of Pods to make, with their claims."""
    complete: list[Json] = field(default_factory=list)
    """Pods that wait and may lack claims."""
    keep: list[Json] = field(default_factory=list)
    """Pods that may need their identity and the owners of their claims brought up to date."""
    delete: list[Json] = field(default_factory=list)
    """Pods to end."""


def plan_step(owner: Json, pods: Sequence[Json], newest: str, now: float) -> Step:
    """What comes next.

    Args:
        pods: the Pods that belong to the set.
        newest: the name of the current template's revision.
    """
    step = Step()
    if meta.is_being_deleted(owner):
        return step
    numbered = {number: pod for pod in pods if (number := _ordinal(owner, pod)) is not None}
    start = first_ordinal(owner)
    wanted = range(start, start + int(owner["spec"].get("replicas", 1)))
    condemned = [numbered[number] for number in sorted(numbered, reverse=True) if number not in wanted]
    is_ordered = owner["spec"].get("podManagementPolicy") != "Parallel"
    for number in wanted:
        if not _plan_replica(owner, numbered.get(number), number, step, now) and is_ordered:
            return step
    step.keep.extend(condemned)
    replicas = [numbered.get(number) for number in wanted]
    if not _plan_condemned(owner, replicas, condemned, step, is_ordered=is_ordered, now=now):
        return step
    step.delete.extend(plan_update(owner, replicas, newest, now))
    return step


def _plan_replica(owner: Json, pod: Json | None, number: int, step: Step, now: float) -> bool:
    """Note what one wanted Pod needs; False if those after it have to wait for it."""
    if pod is None:
        step.create.append(number)
        return False
    if pod_facts.is_finished(pod):
        if not meta.is_being_deleted(pod):
            step.delete.append(pod)
        return False
    if pod_facts.phase_of(pod) == "Pending":
        step.complete.append(pod)
    step.keep.append(pod)
    return is_available(owner, pod, now)


def _plan_condemned(
    owner: Json,
    replicas: Iterable[Json | None],
    condemned: Sequence[Json],
    step: Step,
    *,
    is_ordered: bool,
    now: float,
) -> bool:
    """Note which spare Pods to end; False if an update has to wait."""
    if not is_ordered:
        step.delete.extend(pod for pod in condemned if not meta.is_being_deleted(pod))
        return True
    if not condemned:
        return True
    upwards = [*replicas, *reversed(condemned)]
    first_unavailable = next((pod for pod in upwards if pod and not is_available(owner, pod, now)), None)
    highest = condemned[0]
    if not meta.is_being_deleted(highest) and (
        is_available(owner, highest, now) or highest is first_unavailable
    ):
        step.delete.append(highest)
    return False


def plan_update(owner: Json, replicas: Sequence[Json | None], newest: str, now: float) -> list[Json]:
    """The Pods of old revisions to end now, from the highest number down.

    At most ``maxUnavailable`` are unavailable at a time. One that is unavailable already may go in any case:
    that costs nothing, and a broken template could not be mended otherwise.
    """
    strategy = owner["spec"].get("updateStrategy") or {}
    if strategy.get("type") == "OnDelete":
        return []
    rolling = strategy.get("rollingUpdate") or {}
    limit = max(1, math.ceil(share_of(rolling.get("maxUnavailable", 1), len(replicas))))
    room = limit - sum(pod is None or not is_available(owner, pod, now) for pod in replicas)
    doomed = []
    for pod in reversed(replicas[int(rolling.get("partition", 0)) :]):
        if pod is None or meta.is_being_deleted(pod) or revision_of(pod) == newest:
            continue
        if is_available(owner, pod, now):
            if room <= 0:
                continue
            room -= 1
        doomed.append(pod)
    return doomed


def is_available(owner: Json, pod: Json, now: float) -> bool:
    """It runs, has been ready for long enough, and is not ending."""
    if meta.is_being_deleted(pod) or pod_facts.phase_of(pod) != "Running":
        return False
    return pod_facts.available_in(pod, owner["spec"].get("minReadySeconds") or 0, now) == 0


def revision_of(pod: Json) -> str:
    """The name of the revision that a Pod was made from."""
    return str(meta.labels_of(pod).get(REVISION_HASH, ""))


def _ordinal(owner: Json, pod: Json) -> int | None:
    return ordinal_of(owner, pod["metadata"]["name"])


def plan_status(owner: Json, pods: Sequence[Json], past: Past, now: float) -> tuple[Json, float | None]:
    """The status that goes with these Pods, and in how many seconds another will be available by itself."""
    newest = past.newest["metadata"]["name"]
    before = owner.get("status") or {}
    current = before.get("currentRevision", "")
    if past.named(current) is None:
        current = newest
    min_ready = owner["spec"].get("minReadySeconds") or 0
    ready = [
        wait
        for pod in pods
        if pod_facts.phase_of(pod) == "Running"
        and (wait := pod_facts.available_in(pod, min_ready, now)) is not None
    ]
    revisions = [revision_of(pod) for pod in pods if not meta.is_being_deleted(pod)]
    counts = {
        "readyReplicas": len(ready),
        "currentReplicas": revisions.count(current),
        "updatedReplicas": revisions.count(newest),
    }
    wanted = int(owner["spec"].get("replicas", 1))
    is_rolling = (owner["spec"].get("updateStrategy") or {}).get("type") != "OnDelete"
    if is_rolling and len(pods) == counts["updatedReplicas"] == counts["readyReplicas"] == wanted:
        current, counts["currentReplicas"] = newest, wanted
    status: Json = {
        "observedGeneration": meta.generation(owner),
        "replicas": len(pods),
        **{name: count for name, count in counts.items() if count},
        "currentRevision": current,
        "updateRevision": newest,
        "collisionCount": past.collisions,
        "availableReplicas": ready.count(0),
    }
    if before.get("conditions"):
        status["conditions"] = before["conditions"]
    return status, min((wait for wait in ready if wait), default=None)


def new_pod(owner: Json, ordinal: int, past: Past) -> Json:
    """The Pod of that number, of the revision that the number should have now."""
    revision = _revision_for(owner, ordinal, past)
    pod = pod_facts.pod_from(owner, STATEFUL_SET, template_of(revision))
    metadata = pod["metadata"]
    metadata["name"] = f"{owner['metadata']['name']}-{ordinal}"
    metadata["labels"] = {
        **(metadata.get("labels") or {}),
        **identity_labels(metadata["name"], ordinal),
        REVISION_HASH: revision["metadata"]["name"],
    }
    spec = {**pod["spec"], "hostname": metadata["name"]}
    if owner["spec"].get("serviceName"):
        spec["subdomain"] = owner["spec"]["serviceName"]
    volumes = {
        template["metadata"]["name"]: {
            "name": template["metadata"]["name"],
            "persistentVolumeClaim": {"claimName": claim_name(owner, template, ordinal)},
        }
        for template in templates_of(owner)
    }
    rest = [volume for volume in spec.get("volumes") or () if volume["name"] not in volumes]
    if volumes or rest:
        spec["volumes"] = [*volumes.values(), *rest]
    return {**pod, "spec": spec}


def identity_labels(name: str, ordinal: int) -> Json:
    """The labels by which one Pod of a set can be selected."""
    return {POD_NAME_LABEL: name, POD_INDEX_LABEL: str(ordinal)}


def _revision_for(owner: Json, ordinal: int, past: Past) -> Json:
    """Below the partition Pods stay what they were, even when they have to be made anew."""
    rolling = (owner["spec"].get("updateStrategy") or {}).get("rollingUpdate") or {}
    if ordinal < first_ordinal(owner) + int(rolling.get("partition", 0)):
        current = past.named((owner.get("status") or {}).get("currentRevision", ""))
        return current or past.newest
    return past.newest


def is_spare(owner: Json, pod: Json) -> bool:
    """Whether the set no longer asks for that Pod."""
    ordinal = _ordinal(owner, pod)
    return ordinal is not None and not is_wanted(owner, ordinal)
