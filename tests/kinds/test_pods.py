"""What a pod's row says of it, and how it ends."""

from typing import Any

import pytest

from kube_lite.api.identity import GroupVersionKind, Json
from kube_lite.kinds import builtin
from kube_lite.kinds.pod_resources import quality_of_service

NOW = 1_700_000_000.0  # 2023-11-14T22:13:20Z
row = builtin().by_gvk(GroupVersionKind("", "v1", "Pod"))
assert row is not None
POD = row.strategy

RUNNING: Json = {"running": {"startedAt": "2023-11-14T22:00:00Z"}}


def container(name: str = "app", **status: Any) -> Json:
    return {"name": name, "restartCount": 0, "ready": False, "state": {}, "lastState": {}, **status}


def terminated(code: int = 0, reason: str = "", **more: Any) -> Json:
    return {"terminated": {"exitCode": code, **({"reason": reason} if reason else {}), **more}}


def waiting(reason: str) -> Json:
    return {"waiting": {"reason": reason}}


def pod(
    *statuses: Json,
    phase: str = "Running",
    init: list[Json] | None = None,
    init_specs: list[Json] | None = None,
    metadata: Json | None = None,
    **status: Any,
) -> Json:
    names = [entry["name"] for entry in statuses] or ["app"]
    return {
        "metadata": {"name": "p", "creationTimestamp": "2023-11-14T22:00:00Z", **(metadata or {})},
        "spec": {
            "containers": [{"name": name, "image": "i"} for name in names],
            "initContainers": init_specs or [{"name": entry["name"]} for entry in init or ()],
        },
        "status": {
            "phase": phase,
            "containerStatuses": list(statuses),
            "initContainerStatuses": init or [],
            **status,
        },
    }


READY = {"type": "Ready", "status": "True"}
SIDECAR = [{"name": "proxy", "restartPolicy": "Always"}]


@pytest.mark.parametrize(
    ("given", "ready", "status"),
    [
        pytest.param(pod(phase="Pending"), "0/1", "Pending", id="nothing known yet"),
        pytest.param(pod(container(ready=True, state=RUNNING)), "1/1", "Running", id="running and ready"),
        pytest.param(pod(container(state=RUNNING)), "0/1", "Running", id="running, not ready"),
        pytest.param(
            pod(container(state=waiting("CrashLoopBackOff"))),
            "0/1",
            "CrashLoopBackOff",
            id="waiting to restart",
        ),
        pytest.param(
            pod(container(state=waiting("ContainerCreating")), phase="Pending"),
            "0/1",
            "ContainerCreating",
            id="being made",
        ),
        pytest.param(pod(container(state=terminated(1, "Error"))), "0/1", "Error", id="ended with a reason"),
        pytest.param(pod(container(state=terminated(3))), "0/1", "ExitCode:3", id="ended without one"),
        pytest.param(
            pod(container(state=terminated(137, signal=9))), "0/1", "Signal:9", id="ended by a signal"
        ),
        pytest.param(
            pod(container("a", ready=True, state=RUNNING), container("b", state=terminated(0, "Completed"))),
            "1/2",
            "NotReady",
            id="one has completed, one runs",
        ),
        pytest.param(
            pod(
                container("a", ready=True, state=RUNNING),
                container("b", state=terminated(0, "Completed")),
                conditions=[READY],
            ),
            "1/2",
            "Running",
            id="one has completed, and the pod is ready",
        ),
        pytest.param(
            pod(
                container("a", state=waiting("ErrImagePull")),
                container("b", state=waiting("CrashLoopBackOff")),
            ),
            "0/2",
            "ErrImagePull",
            id="the first of several in trouble",
        ),
        pytest.param(
            pod(init=[container("one", state=RUNNING), container("two")], phase="Pending"),
            "0/1",
            "Init:0/2",
            id="the first init container runs",
        ),
        pytest.param(
            pod(init=[container("one", state=terminated(0)), container("two")], phase="Pending"),
            "0/1",
            "Init:1/2",
            id="the second is next",
        ),
        pytest.param(
            pod(init=[container("one", state=terminated(2, "Error"))], phase="Pending"),
            "0/1",
            "Init:Error",
            id="an init container failed",
        ),
        pytest.param(
            pod(init=[container("one", state=terminated(2))], phase="Pending"),
            "0/1",
            "Init:ExitCode:2",
            id="an init container failed without a reason",
        ),
        pytest.param(
            pod(init=[container("one", state=waiting("CrashLoopBackOff"))], phase="Pending"),
            "0/1",
            "Init:CrashLoopBackOff",
            id="an init container waits to restart",
        ),
        pytest.param(
            pod(
                container(ready=True, state=RUNNING),
                init=[container("proxy", started=True, ready=True, state=RUNNING)],
                init_specs=SIDECAR,
            ),
            "2/2",
            "Running",
            id="a sidecar counts",
        ),
        pytest.param(
            pod(conditions=[{"type": "PodScheduled", "status": "False", "reason": "SchedulingGated"}]),
            "0/1",
            "SchedulingGated",
            id="gated",
        ),
        pytest.param(pod(phase="Failed", reason="Evicted"), "0/1", "Evicted", id="evicted"),
        pytest.param(
            pod(container(ready=True, state=RUNNING), metadata={"deletionTimestamp": "2023-11-14T22:13:00Z"}),
            "1/1",
            "Terminating",
            id="on its way out",
        ),
        pytest.param(
            pod(
                container(state=terminated(0, "Completed")),
                phase="Succeeded",
                metadata={"deletionTimestamp": "2023-11-14T22:13:00Z"},
            ),
            "0/1",
            "Completed",
            id="finished before it was deleted",
        ),
        pytest.param(
            pod(reason="NodeLost", metadata={"deletionTimestamp": "2023-11-14T22:13:00Z"}),
            "0/1",
            "Unknown",
            id="on a node that is lost",
        ),
    ],
)
def test_the_status_of_a_pod_sums_up_its_containers(given: Json, ready: str, status: str) -> None:
    assert POD.cells(given, NOW)[1:3] == [ready, status]


def test_restarts_tell_when_the_last_one_was() -> None:
    ended = terminated(1, finishedAt="2023-11-14T22:10:20Z")
    earlier = terminated(1, finishedAt="2023-11-14T21:00:00Z")
    given = pod(
        container("a", restartCount=2, lastState=earlier, state=RUNNING),
        container("b", restartCount=1, lastState=ended, state=RUNNING),
    )
    assert POD.cells(given, NOW)[3] == "3 (3m ago)"


def test_restarts_of_init_containers_count_until_they_are_done() -> None:
    trying = [container("one", restartCount=4, state=waiting("CrashLoopBackOff"))]
    done = [container("one", restartCount=4, state=terminated(0))]
    assert POD.cells(pod(init=trying), NOW)[3] == "4"
    assert POD.cells(pod(container(restartCount=1, state=RUNNING), init=done), NOW)[3] == "1"


def test_the_wide_columns_say_none_where_nothing_is_known() -> None:
    assert POD.cells(pod(), NOW)[5:] == ["<none>"] * 4
    known = pod(podIPs=[{"ip": "10.0.0.1"}], conditions=[{"type": "x", "status": "True"}])
    known["spec"]["nodeName"] = "n1"
    known["spec"]["readinessGates"] = [{"conditionType": "x"}, {"conditionType": "y"}]
    assert POD.cells(known, NOW)[5:] == ["10.0.0.1", "n1", "<none>", "1/2"]


def resources(requests: Json | None = None, limits: Json | None = None) -> Json:
    return {"resources": {"requests": requests or {}, "limits": limits or {}}}


ALL = {"cpu": "1", "memory": "1Gi"}


@pytest.mark.parametrize(
    ("containers", "expected"),
    [
        pytest.param([{}], "BestEffort", id="nothing asked for"),
        pytest.param([resources({"example.test/device": "1"})], "BestEffort", id="only a device"),
        pytest.param([resources(ALL, ALL)], "Guaranteed", id="limited to what is asked for"),
        pytest.param(
            [resources(ALL, {"cpu": "1000m", "memory": "1024Mi"})], "Guaranteed", id="in other units"
        ),
        pytest.param([resources(ALL, ALL), {}], "Burstable", id="one container asks for nothing"),
        pytest.param([resources({"cpu": "1"}, {"cpu": "1"})], "Burstable", id="no memory"),
        pytest.param([resources({"cpu": "100m", "memory": "1Gi"}, ALL)], "Burstable", id="limited to more"),
        pytest.param([resources({"cpu": "0"})], "BestEffort", id="zero is nothing"),
    ],
)
def test_the_quality_of_service_follows_from_requests_and_limits(
    containers: list[Json], expected: str
) -> None:
    assert quality_of_service({"containers": containers}) == expected


def test_a_new_pod_is_pending_and_says_so_when_gated() -> None:
    made: Json = {
        "metadata": {"name": "p", "creationTimestamp": "2023-11-14T22:13:20Z"},
        "spec": {"containers": [{}], "schedulingGates": [{"name": "g"}]},
        "status": {"phase": "Running"},
    }
    POD.prepare_for_create(made)
    assert (made["status"]["phase"], made["status"]["qosClass"]) == ("Pending", "BestEffort")
    (condition,) = made["status"]["conditions"]
    assert (condition["reason"], condition["lastTransitionTime"]) == (
        "SchedulingGated",
        "2023-11-14T22:13:20Z",
    )


@pytest.mark.parametrize(
    ("spec", "phase", "seconds"),
    [
        pytest.param({}, "Pending", None, id="nowhere yet"),
        pytest.param({"nodeName": "n"}, "Running", 30, id="the default"),
        pytest.param({"nodeName": "n", "terminationGracePeriodSeconds": 5}, "Running", 5, id="its own"),
        pytest.param({"nodeName": "n", "terminationGracePeriodSeconds": 0}, "Running", 0, id="none wanted"),
        pytest.param({"nodeName": "n", "terminationGracePeriodSeconds": -1}, "Running", 1, id="negative"),
        pytest.param({"nodeName": "n"}, "Succeeded", None, id="finished"),
    ],
)
def test_a_pod_has_time_to_stop_only_where_it_runs(spec: Json, phase: str, seconds: int | None) -> None:
    assert POD.default_grace_seconds({"metadata": {}, "spec": spec, "status": {"phase": phase}}) == seconds
