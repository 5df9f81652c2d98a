"""What runs, told as ``PodStatus``: phase, conditions, container states. Pure.

Source of the rules: ``getPhase``, ``convertToAPIContainerStatuses`` and ``status/generate.go`` in
kubernetes/pkg/kubelet. Conditions that others have set are left to them; a condition's transition time stays
while its status does.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from kube_lite_runtime.types import ContainerState, State

from kube_lite.api.identity import Json
from kube_lite.api.times import format_time

from .plan import LOST_EXIT_CODE, Facts, Member, Role, members
from .restart import restarts
from .words import Words

LOST_MESSAGE = "The container could not be located when the pod was terminated"
START_ERROR_CODE = 128  # what runtimes give a container whose command could not be executed


class Problem(NamedTuple):
    """Why a container waits, or why a pod failed as a whole."""

    reason: str
    message: str = ""


class ImageWords(NamedTuple):
    """How a container's status names its image: for people, and exactly."""

    name: str
    identity: str


@dataclass(frozen=True, slots=True)
class View:
    """Everything that a pod's status is made from.

    Attributes:
        problems: by container name, why it does not run now.
        ready: ids of containers whose readiness probe says so, or that have none.
        concealed: ids of running containers whose start hook is not over yet.
        messages: by container id, its last words.
        images: by container id.
        failure: the pod was ended by this node for that reason.
        start_time: when this node took the pod, seconds since the epoch.
        scheme: what stands before ``://`` in container ids.
    """

    facts: Facts
    words: Words
    start_time: float
    problems: Mapping[str, Problem] = field(default_factory=dict)
    ready: frozenset[str] = frozenset()
    concealed: frozenset[str] = frozenset()
    messages: Mapping[str, str] = field(default_factory=dict)
    images: Mapping[str, ImageWords] = field(default_factory=dict)
    failure: Problem | None = None
    finished: bool = False
    host_ips: Sequence[str] = ()
    pod_ips: Sequence[str] = ()
    scheme: str = "kube-lite"


def pod_status(pod: Json, view: View) -> Json:
    """The complete status as this node sees it."""
    everyone = members(pod)
    statuses = {member.name: _container_status(pod, member, view) for member in everyone}
    inits = [statuses[member.name] for member in everyone if member.role in (Role.INIT, Role.SIDECAR)]
    ephemeral = [statuses[member.name] for member in everyone if member.role is Role.EPHEMERAL]
    mains = [statuses[member.name] for member in everyone if member.role is Role.MAIN]
    failure = view.failure if view.finished else None  # the phase is final only once nothing runs any more
    phase = "Failed" if failure else _phase(pod, view, everyone, statuses)
    status: Json = {"phase": phase, "startTime": format_time(view.start_time)}
    if failure:
        status["reason"], status["message"] = failure
    if view.host_ips:
        status["hostIP"] = view.host_ips[0]
        status["hostIPs"] = [{"ip": address} for address in view.host_ips]
    if view.pod_ips:
        status["podIP"] = view.pod_ips[0]
        status["podIPs"] = [{"ip": address} for address in view.pod_ips]
    if inits:
        status["initContainerStatuses"] = inits
    status["containerStatuses"] = mains
    if ephemeral:
        status["ephemeralContainerStatuses"] = ephemeral
    status["qosClass"] = (pod.get("status") or {}).get("qosClass") or _quality(pod)
    if view.words.tells_pod_resources:
        status["resources"] = (pod["spec"].get("resources")) or {}
    if view.words.tells_generation and pod["metadata"].get("generation"):
        status["observedGeneration"] = pod["metadata"]["generation"]
    status["conditions"] = _conditions(pod, view, phase, everyone, statuses)
    return status


def _container_status(pod: Json, member: Member, view: View) -> Json:
    lives = view.facts.containers.get(member.name) or ()
    newest = lives[0] if lives else None
    problem = view.problems.get(member.name)
    status: Json = {
        "name": member.name,
        "image": member.spec["image"],
        "imageID": "",
        "restartCount": newest.attempt if newest else view.facts.lost.get(member.name, 0),
        "ready": False,
        "started": False,
        "state": _waiting(pod, problem, view),
        "lastState": {},
    }
    former = lives[1:]
    if newest is not None:
        shown = view.images.get(newest.id) or ImageWords(newest.image, newest.image_id)
        status["image"], status["imageID"] = shown
        status["containerID"] = f"{view.scheme}://{newest.id}"
        if newest.state is State.RUNNING and newest.id not in view.concealed:
            status["state"] = {"running": {"startedAt": format_time(newest.started_at)}}
            status["started"] = newest.id in view.facts.started
            status["ready"] = newest.id in view.facts.started and newest.id in view.ready
        elif newest.state is State.EXITED and problem is None:
            status["state"] = _terminated(newest, view)
        elif newest.state is State.EXITED:
            former = lives
    elif member.name in view.facts.lost:
        status["state"], status["lastState"] = _lost_state(view, status["state"])
    if former and former[0].state is State.EXITED:
        status["lastState"] = _terminated(former[0], view)
    if member.role is Role.INIT:
        terminated = status["state"].get("terminated")
        status["ready"] = terminated is not None and terminated["exitCode"] == 0
    _add_details(status, member, view, newest)
    return status


def _add_details(status: Json, member: Member, view: View, newest: ContainerState | None) -> None:
    if newest is None:
        return
    resources = member.spec.get("resources") or {}
    if view.words.tells_resources and newest.state is State.RUNNING:
        status["resources"] = {key: resources[key] for key in ("limits", "requests") if resources.get(key)}
        if resources.get("requests"):
            status["allocatedResources"] = resources["requests"]
    mounts = member.spec.get("volumeMounts")
    if view.words.tells_mounts and mounts:
        status["volumeMounts"] = [_mount_status(mount) for mount in mounts]


def _mount_status(mount: Json) -> Json:
    shown: Json = {"name": mount["name"], "mountPath": mount["mountPath"]}
    if mount.get("readOnly"):
        shown["readOnly"] = True
        shown["recursiveReadOnly"] = "Disabled"
    return shown


def _waiting(pod: Json, problem: Problem | None, view: View) -> Json:
    if problem is not None:
        return {"waiting": _plain(problem)}
    in_init = bool(pod["spec"].get("initContainers")) and not view.failure
    return {"waiting": {"reason": "PodInitializing" if in_init else "ContainerCreating"}}


def _plain(problem: Problem) -> Json:
    return (
        {"reason": problem.reason, "message": problem.message}
        if problem.message
        else {"reason": problem.reason}
    )


def _lost_state(view: View, waiting: Json) -> tuple[Json, Json]:
    """State and last state of a container that vanished."""
    gone = {
        "terminated": {
            "exitCode": LOST_EXIT_CODE,
            "reason": "ContainerStatusUnknown",
            "message": LOST_MESSAGE,
            "startedAt": None,
            "finishedAt": None,
        }
    }
    return (gone, {}) if view.finished else (waiting, gone)


def _terminated(life: ContainerState, view: View) -> Json:
    code = life.exit.code if life.exit else LOST_EXIT_CODE
    terminated: Json = {
        "exitCode": code,
        "reason": _reason(life, code),
        "startedAt": format_time(life.started_at) if life.started_at else format_time(0),
        "finishedAt": format_time(life.finished_at) if life.finished_at else None,
        "containerID": f"{view.scheme}://{life.id}",
    }
    message = view.messages.get(life.id) or (life.exit.message if life.exit else "")
    if message:
        terminated["message"] = message
    return {"terminated": terminated}


def _reason(life: ContainerState, code: int) -> str:
    if life.exit is not None and life.exit.oom_killed:
        return "OOMKilled"
    if not life.started_at and code == START_ERROR_CODE:
        return "StartError"
    return "Error" if code else "Completed"


def _phase(pod: Json, view: View, everyone: Sequence[Member], statuses: Mapping[str, Json]) -> str:
    spec = pod["spec"]
    policy = spec.get("restartPolicy", "Always")
    mains = [member for member in everyone if member.role is Role.MAIN]
    if not view.finished and not _initialized(everyone, statuses):
        return "Pending"
    states = [_settled(statuses[member.name]) for member in mains]
    if view.finished:
        init_failed = not _initialized(everyone, statuses)
        done = all(state.get("terminated", {}).get("exitCode", 1) == 0 for state in states)
        return "Succeeded" if done and not init_failed else "Failed"
    if any("waiting" in state for state in states):
        return "Pending"
    sidecars = [statuses[member.name]["state"] for member in everyone if member.role is Role.SIDECAR]
    if policy == "Always" or any("running" in state for state in (*states, *sidecars)):
        return "Running"
    codes = [state["terminated"]["exitCode"] for state in states]
    if any(restarts(spec, member.spec, code) for member, code in zip(mains, codes, strict=True)):
        return "Running"
    return "Failed" if any(codes) else "Succeeded"


def _settled(status: Json) -> Json:
    """The state that the phase goes by: one that waits for its next life counts as ended."""
    state, last = status["state"], status["lastState"]
    return dict(last) if "waiting" in state and "terminated" in last else dict(state)


def _initialized(everyone: Sequence[Member], statuses: Mapping[str, Json]) -> bool:
    return not _uninitialized(everyone, statuses)


def _uninitialized(everyone: Sequence[Member], statuses: Mapping[str, Json]) -> list[str]:
    begun = any(
        "waiting" not in statuses[member.name]["state"] or statuses[member.name]["lastState"]
        for member in everyone
        if member.role is Role.MAIN
    )
    missing = []
    for member in everyone:
        status = statuses[member.name]
        is_done = status["ready"] if member.role is Role.INIT else status["started"] or begun
        if member.role in (Role.INIT, Role.SIDECAR) and not is_done:
            missing.append(member.name)
    return missing


def _conditions(
    pod: Json, view: View, phase: str, everyone: Sequence[Member], statuses: Mapping[str, Json]
) -> list[Json]:
    containers_ready = _containers_ready(phase, everyone, statuses)
    wanted = {
        "PodReadyToStartContainers": (_has_sandbox(view), "", ""),
        "Initialized": _initialized_condition(phase, everyone, statuses),
        "Ready": _ready(pod, containers_ready),
        "ContainersReady": containers_ready,
        "PodScheduled": (True, "", ""),
    }
    if not view.words.tells_sandbox:
        del wanted["PodReadyToStartContainers"]
    before = {one["type"]: one for one in (pod.get("status") or {}).get("conditions") or ()}
    return [_condition(pod, view, type, wish, before.get(type)) for type, wish in wanted.items()]


Wish = tuple[bool, str, str]


def _condition(pod: Json, view: View, type: str, wish: Wish, before: Json | None) -> Json:
    is_true, reason, message = wish
    status = "True" if is_true else "False"
    since = before.get("lastTransitionTime") if before and before.get("status") == status else None
    condition: Json = {
        "type": type,
        "status": status,
        "lastProbeTime": None,
        "lastTransitionTime": since or format_time(view.facts.now),
    }
    if reason:
        condition["reason"] = reason
    if message:
        condition["message"] = message
    if view.words.tells_generation and pod["metadata"].get("generation"):
        condition["observedGeneration"] = pod["metadata"]["generation"]
    return condition


def _has_sandbox(view: View) -> bool:
    sandbox = view.facts.sandbox
    return sandbox is not None and sandbox.ready and bool(view.pod_ips)


def _initialized_condition(phase: str, everyone: Sequence[Member], statuses: Mapping[str, Json]) -> Wish:
    if phase == "Succeeded":
        return True, "PodCompleted", ""
    missing = _uninitialized(everyone, statuses)
    if missing:
        return False, "ContainersNotInitialized", f"containers with incomplete status: [{' '.join(missing)}]"
    return True, "", ""


def _containers_ready(phase: str, everyone: Sequence[Member], statuses: Mapping[str, Json]) -> Wish:
    if phase in ("Succeeded", "Failed"):
        return False, "PodCompleted" if phase == "Succeeded" else "PodFailed", ""
    counted = [member.name for member in everyone if member.role in (Role.MAIN, Role.SIDECAR)]
    unready = [name for name in counted if not statuses[name]["ready"]]
    if unready:
        return False, "ContainersNotReady", f"containers with unready status: [{' '.join(unready)}]"
    return True, "", ""


def _ready(pod: Json, containers_ready: Wish) -> Wish:
    if not containers_ready[0]:
        return containers_ready
    before = {one["type"]: one.get("status") for one in (pod.get("status") or {}).get("conditions") or ()}
    messages = []
    for gate in pod["spec"].get("readinessGates") or ():
        name = gate["conditionType"]
        if name not in before:
            messages.append(f'corresponding condition of pod readiness gate "{name}" does not exist.')
        elif before[name] != "True":
            messages.append(f'the status of pod readiness gate "{name}" is not "True", but {before[name]}')
    return (False, "ReadinessGatesNotReady", ", ".join(messages)) if messages else (True, "", "")


def _quality(pod: Json) -> str:
    """``qosClass`` for a pod that the API server did not give one."""
    counted = [member for member in members(pod) if member.role is not Role.EPHEMERAL]
    wishes = [member.spec.get("resources") or {} for member in counted]
    if not any(wish.get("requests") or wish.get("limits") for wish in wishes):
        return "BestEffort"
    complete = all({"cpu", "memory"} <= set(wish.get("limits") or {}) for wish in wishes)
    equal = all((wish.get("requests") or wish.get("limits")) == wish.get("limits") for wish in wishes)
    return "Guaranteed" if complete and equal else "Burstable"
