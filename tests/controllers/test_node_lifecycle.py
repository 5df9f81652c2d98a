from pathlib import Path

import pytest

from kube_lite.api.identity import Json
from kube_lite.controllers.node_lifecycle import TTL, TTL_STEPS, plan_labels, plan_step, plan_taints
from kube_lite.controllers.resources import NODES

from .harness import world

NOW = 1_700_000_000.0
NOT_READY = "node.kubernetes.io/not-ready"
UNREACHABLE = "node.kubernetes.io/unreachable"
OTHER = {"key": "gpu", "effect": "NoSchedule"}


def node(ready: str = "", *taints: Json, unschedulable: bool = False, **conditions: str) -> Json:
    told = {"Ready": ready, **conditions} if ready else {}
    return {
        "metadata": {"name": "a"},
        "spec": {"taints": list(taints), "unschedulable": unschedulable},
        "status": {"conditions": [{"type": type_, "status": status} for type_, status in told.items()]},
    }


def taint(key: str, effect: str = "NoSchedule") -> Json:
    return {"key": key, "effect": effect}


@pytest.mark.parametrize(
    ("found", "wanted"),
    [
        pytest.param(node("", taint(NOT_READY)), None, id="one that has said nothing keeps what it has"),
        pytest.param(node("True"), None, id="ready and free"),
        pytest.param(node("True", OTHER, taint(NOT_READY)), ["gpu"], id="ready for the first time"),
        pytest.param(node("False", OTHER), ["gpu", NOT_READY, NOT_READY], id="no longer ready"),
        pytest.param(
            node("Unknown", taint(NOT_READY), taint(NOT_READY, "NoExecute")),
            [UNREACHABLE, UNREACHABLE],
            id="nobody knows",
        ),
        pytest.param(
            node("True", MemoryPressure="True"), ["node.kubernetes.io/memory-pressure"], id="under pressure"
        ),
        pytest.param(node("True", unschedulable=True), ["node.kubernetes.io/unschedulable"], id="cordoned"),
        pytest.param(node("True", taint(NOT_READY, "PreferNoSchedule")), None, id="what others put there"),
    ],
)
def test_taints_say_what_conditions_say(found: Json, wanted: list[str] | None) -> None:
    planned = plan_taints(found, NOW, repels=True)
    assert (None if planned is None else [entry["key"] for entry in planned]) == wanted


@pytest.mark.parametrize(
    ("repels", "effects"),
    [(True, {"NoSchedule", "NoExecute"}), (False, {"NoSchedule"})],
    ids=["yes", "not yet"],
)
def test_a_node_that_is_not_ready_drives_pods_away_when_it_is_its_turn(
    repels: bool, effects: set[str]
) -> None:
    planned = plan_taints(node("False"), NOW, repels=repels) or []
    assert {entry["effect"] for entry in planned} == effects


@pytest.mark.parametrize(
    ("labels", "wanted"),
    [
        pytest.param({}, {}, id="none"),
        pytest.param({"kubernetes.io/os": "linux"}, {"beta.kubernetes.io/os": "linux"}, id="only the new"),
        pytest.param({"kubernetes.io/arch": "arm64", "beta.kubernetes.io/arch": "amd64"},
                     {"beta.kubernetes.io/arch": "arm64"}, id="another"),
        pytest.param({"kubernetes.io/os": "linux", "beta.kubernetes.io/os": "linux"}, {}, id="the same"),
        pytest.param({"beta.kubernetes.io/os": "linux"}, {}, id="only the old one"),
    ],
)  # fmt: skip
def test_old_labels_say_what_new_ones_do(labels: Json, wanted: Json) -> None:
    assert plan_labels(labels) == wanted


@pytest.mark.parametrize(
    ("nodes", "step", "seconds"),
    [
        pytest.param(100, 0, 0, id="a small cluster"),
        pytest.param(101, 0, 15, id="one more"),
        pytest.param(95, 1, 15, id="a few less change nothing"),
        pytest.param(89, 1, 0, id="many less do"),
        pytest.param(5000, 0, 300, id="many at once"),
    ],
)
def test_the_more_nodes_the_longer_they_rely_on_what_they_have_read(
    nodes: int, step: int, seconds: int
) -> None:
    assert TTL_STEPS[plan_step(nodes, step)][2] == seconds


async def test_a_node_takes_pods_as_soon_as_it_is_ready(tmp_path: Path) -> None:
    async with world(tmp_path, only=["node-lifecycle"]) as it:
        made = await it.create(NODES, {"metadata": {"name": "a"}}, "")
        assert [entry["key"] for entry in made["spec"]["taints"]] == [NOT_READY]
        status = {"conditions": [{"type": "Ready", "status": "True"}]}
        await it.client.patch(NODES, "a", {"status": status}, subresource="status")

        async def is_free() -> bool:
            return not (await it.get(NODES, "a", ""))["spec"].get("taints")

        await it.until(is_free)
        assert (await it.get(NODES, "a", ""))["metadata"]["annotations"][TTL] == "0"
