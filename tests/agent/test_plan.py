"""What is done next, without a cluster, a driver or a clock."""

from collections.abc import Sequence
from dataclasses import replace

import pytest
from kube_lite_runtime.types import ContainerState, ExitStatus, SandboxState, State

from kube_lite.agent.plan import (
    POD,
    CreateSandbox,
    Ending,
    Facts,
    Forget,
    Kill,
    PrepareVolumes,
    Remove,
    Start,
    Step,
    StopSandbox,
    plan_pod,
)
from kube_lite.agent.restart import Restarts, restarts
from kube_lite.api.identity import Json

NOW = 1000.0
SANDBOX = SandboxState("s", "default", "web", "u", 0, ready=True, created_at=0)


def pod(*mains: str, inits: Sequence[str] = (), sidecars: Sequence[str] = (), policy: str = "Always") -> Json:
    init = [{"name": name} for name in inits]
    init += [{"name": name, "restartPolicy": "Always"} for name in sidecars]
    spec = {"containers": [{"name": name} for name in mains], "initContainers": init, "restartPolicy": policy}
    return {"metadata": {"name": "web"}, "spec": spec}


def with_ephemeral(obj: Json, *names: str) -> Json:
    return {**obj, "spec": {**obj["spec"], "ephemeralContainers": [{"name": name} for name in names]}}


def running(name: str, attempt: int = 0, sandbox: str = "s") -> ContainerState:
    identity = f"{name}-{attempt}"
    return ContainerState(
        identity, sandbox, name, attempt, "i", "sha", State.RUNNING, 1, started_at=NOW - 100
    )


def exited(name: str, code: int, attempt: int = 0, *, at: float = NOW - 5) -> ContainerState:
    ended = replace(running(name, attempt), state=State.EXITED, finished_at=at)
    return replace(ended, exit=ExitStatus(code))


def facts(*states: ContainerState, **more: object) -> Facts:
    lives: dict[str, list[ContainerState]] = {}
    for state in sorted(states, key=lambda one: -one.attempt):
        lives.setdefault(state.name, []).append(state)
    return Facts(**{"now": NOW, "sandbox": SANDBOX, "containers": lives, **more})  # type: ignore[arg-type]


def briefly(steps: Sequence[Step]) -> list[object]:
    """Starts by name and attempt, everything else as it is."""
    return [(step.name, step.attempt) if isinstance(step, Start) else step for step in steps]


@pytest.mark.parametrize(
    ("spec", "known", "steps"),
    [
        pytest.param(pod("a"), Facts(NOW, volumes_ready=False), [PrepareVolumes()], id="volumes first"),
        pytest.param(pod("a"), Facts(NOW), [CreateSandbox(0)], id="then the sandbox"),
        pytest.param(pod("a", "b"), facts(), [("a", 0), ("b", 0)], id="all main containers at once"),
        pytest.param(pod("a", inits=["i"]), facts(), [("i", 0)], id="init before main"),
        pytest.param(pod("a", inits=["i"]), facts(running("i")), [], id="main waits for init"),
        pytest.param(pod("a", inits=["i"]), facts(exited("i", 0)), [("a", 0)], id="init done"),
        pytest.param(
            pod("a", inits=["i", "j"]), facts(exited("i", 0)), [("j", 0)], id="one init after another"
        ),
        pytest.param(pod("a", inits=["i"]), facts(exited("i", 1)), [("i", 1)], id="a failed init again"),
        pytest.param(pod("a", sidecars=["s"]), facts(running("s")), [], id="a sidecar that has yet to start"),
        pytest.param(
            pod("a", sidecars=["s"]),
            facts(running("s"), started=frozenset({"s-0"})),
            [("a", 0)],
            id="a sidecar that has started",
        ),
        pytest.param(
            pod("a", sidecars=["s"]),
            facts(running("a"), exited("s", 0)),
            [("s", 1)],
            id="a sidecar that ended runs again whatever its code",
        ),
        pytest.param(pod("a"), facts(exited("a", 0)), [("a", 1)], id="an ended container again"),
        pytest.param(
            pod("a", "b", policy="OnFailure"),
            facts(exited("a", 0), exited("b", 1)),
            [("b", 1)],
            id="only the failed one again",
        ),
        pytest.param(pod("a"), facts(busy=frozenset({"a"})), [], id="not while it is pulled"),
        pytest.param(
            with_ephemeral(pod("a", inits=["i"]), "e", "f"),
            facts(running("i"), exited("f", 1)),
            [("e", 0)],
            id="an ephemeral one at once, and only once",
        ),
        pytest.param(pod("a"), facts(lost={"a": 3}), [("a", 3)], id="lives of a lost container count"),
        pytest.param(
            pod("a"),
            facts(running("a", 2), exited("a", 1, 1), exited("a", 1, 0)),
            [Forget("a-0")],
            id="one former life is kept",
        ),
        pytest.param(
            pod("a"),
            facts(replace(running("a"), state=State.CREATED)),
            [Forget("a-0")],
            id="made and never started",
        ),
        pytest.param(
            pod("a"), facts(running("a"), doomed={"a-0": 7.0}), [Kill("a", "a-0", NOW + 7)], id="unhealthy"
        ),
        pytest.param(
            pod("a"),
            facts(exited("a", 1, at=NOW - 1), sandbox=replace(SANDBOX, ready=False)),
            [CreateSandbox(1)],
            id="a lost sandbox is replaced",
        ),
    ],
)
def test_the_next_steps(spec: Json, known: Facts, steps: list[object]) -> None:
    assert briefly(plan_pod(spec, known).steps) == steps


@pytest.mark.parametrize(
    ("spec", "known"),
    [
        pytest.param(pod("a", policy="Never"), facts(exited("a", 3)), id="failed"),
        pytest.param(pod("a", policy="OnFailure"), facts(exited("a", 0)), id="succeeded"),
        pytest.param(pod("a", inits=["i"], policy="Never"), facts(exited("i", 1)), id="init failed"),
    ],
)
def test_a_pod_that_has_ended_gives_up_its_sandbox(spec: Json, known: Facts) -> None:
    plan = plan_pod(spec, known)
    assert (plan.finished, plan.steps) == (True, [StopSandbox("s")])


def test_a_pod_that_never_restarts_ends_with_its_sandbox() -> None:
    gone = facts(exited("a", 137), sandbox=replace(SANDBOX, ready=False))
    assert plan_pod(pod("a", "b", policy="Never"), gone).finished


def test_a_container_in_its_back_off_is_looked_at_when_it_is_over() -> None:
    plan = plan_pod(pod("a"), facts(exited("a", 1, at=NOW - 5), delays={"a": 20.0}))
    assert (plan.steps, plan.again_at, plan.backing_off) == ([], NOW + 15, {"a": 20.0})


def test_a_pod_whose_volumes_failed_waits() -> None:
    plan = plan_pod(pod("a"), Facts(NOW, volumes_ready=False, waits={POD: NOW + 3}))
    assert (plan.steps, plan.again_at) == ((), NOW + 3)


def test_sidecars_are_stopped_after_the_others_and_from_the_last_to_the_first() -> None:
    spec = pod("a", "b", sidecars=["s", "t"])
    ending = Ending(NOW + 30, deleted=True)
    alive = [running(name) for name in "abst"]
    order = []
    while alive:
        steps = plan_pod(spec, facts(*alive, ending=ending)).steps
        order.append([step.name for step in steps if isinstance(step, Kill)])
        alive = [one for one in alive if one.name not in order[-1]]
    assert order == [["a", "b"], ["t"], ["s"]]
    assert plan_pod(spec, facts(ending=ending)).steps == (Remove(),)


def test_after_the_grace_nobody_waits_for_his_turn() -> None:
    late = facts(running("a"), running("s"), ending=Ending(NOW, deleted=True))
    steps = plan_pod(pod("a", sidecars=["s"]), late).steps
    assert [step.name for step in steps if isinstance(step, Kill)] == ["a", "s"]


def test_a_container_that_is_being_stopped_is_stopped_again_only_if_it_must_be_faster() -> None:
    ending = Ending(NOW + 5, deleted=True)
    slow = facts(running("a"), ending=ending, kills={"a-0": NOW + 30})
    soon = facts(running("a"), ending=ending, kills={"a-0": NOW + 5})
    assert plan_pod(pod("a"), slow).steps == [Kill("a", "a-0", NOW + 5)]
    assert plan_pod(pod("a"), soon).steps == []


@pytest.mark.parametrize(
    ("container", "policy", "code", "again"),
    [
        pytest.param({}, "Always", 0, True, id="always"),
        pytest.param({}, "OnFailure", 0, False, id="success"),
        pytest.param({}, "OnFailure", 2, True, id="failure"),
        pytest.param({}, "Never", 2, False, id="never"),
        pytest.param({"restartPolicy": "Never"}, "Always", 2, False, id="the container's own policy"),
        pytest.param(
            {"restartPolicyRules": [{"action": "Restart", "exitCodes": {"operator": "In", "values": [42]}}]},
            "Never",
            42,
            True,
            id="a rule for the code",
        ),
    ],
)
def test_who_is_started_again(container: Json, policy: str, code: int, again: bool) -> None:
    assert restarts({"restartPolicy": policy}, container, code) is again


def test_delays_double_up_to_five_minutes_and_a_long_life_ends_the_row() -> None:
    memory, now, delays = Restarts(), 0.0, []
    for _ in range(8):
        delays.append(memory.delay("c", now))
        now += delays[-1]
        memory.note("c", ended_at=now - delays[-1], now=now)
    assert delays == [0, 10, 20, 40, 80, 160, 300, 300]
    assert memory.delay("c", now + 601) == 0
