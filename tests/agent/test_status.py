"""How what runs is told, and what of it is written."""

from dataclasses import replace

import pytest
from kube_lite_runtime.types import ContainerState, ExitStatus, SandboxState, State

from kube_lite.agent.plan import Facts
from kube_lite.agent.status import Problem, View, pod_status
from kube_lite.agent.status_writer import plan_patch
from kube_lite.agent.words import Words
from kube_lite.api.identity import Json

NOW = 1_700_000_000.0
SANDBOX = SandboxState("s", "default", "web", "u", 0, ready=True, created_at=NOW, addresses=("10.0.0.2",))
RUNNING = ContainerState("id", "s", "c", 0, "i", "sha256:1", State.RUNNING, NOW, started_at=NOW)


def pod(policy: str = "Always", **spec: object) -> Json:
    containers = [{"name": "c", "image": "i"}]
    metadata = {"name": "web", "namespace": "default", "uid": "u", "generation": 3}
    return {"metadata": metadata, "spec": {"restartPolicy": policy, "containers": containers, **spec}}


def exited(code: int, **more: object) -> ContainerState:
    ended = replace(RUNNING, state=State.EXITED, finished_at=NOW + 5, exit=ExitStatus(code))
    return replace(ended, **more)  # type: ignore[arg-type]


def view(*lives: ContainerState, version: str = "1.36", **more: object) -> View:
    containers: dict[str, list[ContainerState]] = {}
    for life in lives:
        containers.setdefault(life.name, []).append(life)
    ids = frozenset(life.id for life in lives)
    facts = Facts(NOW, sandbox=SANDBOX, containers=containers, started=ids)
    fields = {"ready": ids, "pod_ips": ("10.0.0.2",), "host_ips": ("192.0.2.1",), **more}
    return View(facts, Words(version), NOW, **fields)  # type: ignore[arg-type]


def conditions(status: Json) -> dict[str, str]:
    return {one["type"]: one["status"] for one in status["conditions"]}


@pytest.mark.parametrize(
    ("spec", "seen", "phase"),
    [
        pytest.param(pod(), view(), "Pending", id="nothing runs yet"),
        pytest.param(pod(), view(RUNNING), "Running", id="it runs"),
        pytest.param(pod(), view(exited(1)), "Running", id="it will be started again"),
        pytest.param(
            pod(),
            view(exited(1), problems={"c": Problem("CrashLoopBackOff")}),
            "Running",
            id="it waits for that",
        ),
        pytest.param(pod(), view(problems={"c": Problem("ErrImagePull")}), "Pending", id="no image"),
        pytest.param(pod("Never"), view(exited(0), finished=True), "Succeeded", id="success"),
        pytest.param(pod("Never"), view(exited(2), finished=True), "Failed", id="failure"),
        pytest.param(pod("Always"), view(exited(143), finished=True), "Failed", id="stopped"),
        pytest.param(
            pod("Never", initContainers=[{"name": "i", "image": "i"}]),
            view(exited(1, name="i"), finished=True),
            "Failed",
            id="its init container failed",
        ),
        pytest.param(
            pod("Never"),
            view(RUNNING, failure=Problem("DeadlineExceeded")),
            "Running",
            id="not before it ended",
        ),
    ],
)
def test_the_phase(spec: Json, seen: View, phase: str) -> None:
    assert pod_status(spec, seen)["phase"] == phase


@pytest.mark.parametrize(
    ("life", "reason"),
    [
        pytest.param(exited(0), "Completed", id="success"),
        pytest.param(exited(1), "Error", id="failure"),
        pytest.param(exited(137, exit=ExitStatus(137, oom_killed=True)), "OOMKilled", id="out of memory"),
        pytest.param(exited(128, started_at=0.0), "StartError", id="never started"),
    ],
)
def test_why_a_container_ended(life: ContainerState, reason: str) -> None:
    status = pod_status(pod("Never"), view(life, finished=True))
    assert status["containerStatuses"][0]["state"]["terminated"]["reason"] == reason


def test_the_last_words_of_a_container_are_told() -> None:
    status = pod_status(pod("Never"), view(exited(1), messages={"id": "disk full"}))
    assert status["containerStatuses"][0]["state"]["terminated"]["message"] == "disk full"


def test_a_container_whose_start_hook_runs_is_still_being_created() -> None:
    status = pod_status(pod(), view(RUNNING, concealed=frozenset({"id"})))
    assert status["containerStatuses"][0]["state"] == {"waiting": {"reason": "ContainerCreating"}}
    assert conditions(status)["Ready"] == "False"


def test_a_condition_keeps_its_time_while_its_status_stays() -> None:
    before = [{"type": "Ready", "status": "True", "lastTransitionTime": "2020-01-01T00:00:00Z"}]
    known = {**pod(), "status": {"conditions": before}}
    times = {one["type"]: one["lastTransitionTime"] for one in pod_status(known, view(RUNNING))["conditions"]}
    assert times["Ready"] == "2020-01-01T00:00:00Z"
    assert times["Initialized"] == "2023-11-14T22:13:20Z"


@pytest.mark.parametrize(
    ("gates", "told"),
    [
        pytest.param([], 'corresponding condition of pod readiness gate "x" does not exist.', id="not there"),
        pytest.param(
            [{"type": "x", "status": "False"}],
            'the status of pod readiness gate "x" is not "True", but False',
            id="not true",
        ),
    ],
)
def test_a_pod_is_not_ready_before_its_gates_are_open(gates: list[Json], told: str) -> None:
    known = {**pod(readinessGates=[{"conditionType": "x"}]), "status": {"conditions": gates}}
    status = pod_status(known, view(RUNNING))
    ready = next(one for one in status["conditions"] if one["type"] == "Ready")
    assert (ready["reason"], ready["message"]) == ("ReadinessGatesNotReady", told)
    assert conditions(status)["ContainersReady"] == "True"


def test_an_older_release_is_told_only_what_it_knows() -> None:
    status = pod_status(pod(), view(RUNNING, version="1.27"))
    assert "observedGeneration" not in status
    assert "resources" not in status["containerStatuses"][0]
    assert "PodReadyToStartContainers" not in conditions(status)


@pytest.mark.parametrize(
    ("resources", "quality"),
    [
        pytest.param({}, "BestEffort", id="nothing asked"),
        pytest.param({"requests": {"cpu": "1"}}, "Burstable", id="something asked"),
        pytest.param({"limits": {"cpu": "1", "memory": "1Gi"}}, "Guaranteed", id="all of it limited"),
    ],
)
def test_the_quality_of_a_pod_without_one(resources: Json, quality: str) -> None:
    spec = pod(containers=[{"name": "c", "image": "i", "resources": resources}])
    assert pod_status(spec, view(RUNNING))["qosClass"] == quality


def test_an_ephemeral_container_is_told_apart_and_counts_for_nothing() -> None:
    spec = pod(ephemeralContainers=[{"name": "e", "image": "i"}])
    status = pod_status(spec, view(RUNNING, exited(1, name="e", id="other")))
    (ephemeral,) = status["ephemeralContainerStatuses"]
    assert ephemeral["state"]["terminated"]["exitCode"] == 1
    assert (status["phase"], conditions(status)["Ready"]) == ("Running", "True")


def test_only_what_differs_is_written() -> None:
    ready = {"type": "Ready", "status": "False", "reason": "ContainersNotReady"}
    other = {"type": "example.com/mine", "status": "True"}
    known = {"phase": "Pending", "podIP": "10.0.0.2", "conditions": [ready, other]}
    wanted = {"phase": "Running", "podIP": "10.0.0.2", "conditions": [{"type": "Ready", "status": "True"}]}
    assert plan_patch(known, wanted) == {
        "phase": "Running",
        "conditions": [{"type": "Ready", "status": "True", "reason": None}],
    }


def test_nothing_is_written_when_nothing_differs() -> None:
    known = {"phase": "Running", "conditions": [{"type": "Ready", "status": "True", "lastProbeTime": None}]}
    wanted = {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]}
    assert plan_patch(known, wanted) == {}


def test_an_address_that_is_gone_is_taken_away() -> None:
    assert plan_patch({"podIP": "10.0.0.2"}, {}) == {"podIP": None}


def test_a_new_address_takes_the_place_of_the_old_one() -> None:
    known, wanted = {"podIPs": [{"ip": "10.0.0.2"}]}, {"podIPs": [{"ip": "10.0.0.3"}]}
    assert plan_patch(known, wanted) == {"podIPs": [{"$patch": "replace"}, {"ip": "10.0.0.3"}]}
