from pathlib import Path
from typing import Any

import pytest

from kube_lite.api import meta
from kube_lite.api.identity import Json
from kube_lite.client.protocol import PatchType
from kube_lite.controllers import daemonset_plan as plans
from kube_lite.controllers.history import REVISION_HASH
from kube_lite.controllers.resources import CONTROLLER_REVISIONS, DAEMON_SETS, NODES, PODS
from kube_lite.kit.clock import ManualClock

from . import objects
from .harness import World, daemon_set, image, world
from .objects import NOW, pod

Limits = dict[str, Any]


def owner(strategy: Json | None = None, **pod_spec: object) -> Json:
    made = objects.deployment("web")
    template = {**objects.template(), "spec": {**objects.template()["spec"], **pod_spec}}
    return {**made, "kind": "DaemonSet", "spec": {"template": template, "updateStrategy": strategy or {}}}


def node(name: str = "n1", *, taints: tuple[str, ...] = (), **labels: str) -> Json:
    marks = [{"key": "k", "value": "v", "effect": effect} for effect in taints]
    return {"metadata": {"name": name, "labels": labels}, "spec": {"taints": marks}}


def on(name: str, revision: str = "new", suffix: str = "", **facts: Any) -> Json:
    return pod(name + suffix, node=name, labels={REVISION_HASH: revision}, **facts)


@pytest.mark.parametrize(
    ("pod_spec", "where", "should_run", "may_stay"),
    [
        pytest.param({}, node(), True, True, id="anywhere"),
        pytest.param({"nodeSelector": {"disk": "ssd"}}, node(), False, False, id="not without the label"),
        pytest.param({"nodeSelector": {"disk": "ssd"}}, node(disk="ssd"), True, True, id="with the label"),
        pytest.param({"nodeName": "other"}, node(), False, False, id="only on the node it names"),
        pytest.param({}, node(taints=("NoSchedule",)), False, True, id="a new taint ends nothing"),
        pytest.param({}, node(taints=("NoExecute",)), False, False, id="unless it says so"),
        pytest.param(
            {"tolerations": [{"operator": "Exists"}]}, node(taints=("NoExecute",)), True, True, id="tolerated"
        ),
    ],
)
def test_a_set_runs_where_its_template_fits(
    pod_spec: Json, where: Json, should_run: bool, may_stay: bool
) -> None:
    assert plans.fit(owner(**pod_spec), where) == (should_run, may_stay)


def test_conditions_of_nodes_are_tolerated() -> None:
    taint = {"key": "node.kubernetes.io/unschedulable", "effect": "NoSchedule"}
    cordoned = {"metadata": {"name": "n1"}, "spec": {"unschedulable": True, "taints": [taint]}}
    assert plans.fit(owner(), cordoned).should_run
    lost = {"key": "node.kubernetes.io/network-unavailable", "effect": "NoSchedule"}
    assert not plans.fit(owner(), {"metadata": {"name": "n1"}, "spec": {"taints": [lost]}}).should_run
    assert plans.fit(
        owner(hostNetwork=True), {"metadata": {"name": "n1"}, "spec": {"taints": [lost]}}
    ).should_run


def test_a_pod_is_meant_for_its_node_before_it_is_bound() -> None:
    made = plans.new_pod(owner(affinity={"podAffinity": {"x": []}}), "n7", "h")
    assert plans.node_of(made) == "n7"
    assert made["spec"]["affinity"]["podAffinity"] == {"x": []}


SURGE = {"rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}}


@pytest.mark.parametrize(
    ("strategy", "there", "create", "delete"),
    [
        pytest.param({}, [], ["n1"], [], id="one is missing"),
        pytest.param({}, [on("n1", deleting=True)], [], [], id="an ending one is waited for"),
        pytest.param({}, [on("n1"), on("n1", suffix="b")], [], ["n1b"], id="of two the older stays"),
        pytest.param(SURGE, [on("n1"), on("n1", "old", "b")], [], ["n1b"], id="surge: the new one is up"),
        pytest.param(
            SURGE, [on("n1", ready=False), on("n1", "old", "b")], [], [], id="surge: the new one is coming up"
        ),
        pytest.param(
            SURGE,
            [on("n1", ready=False), on("n1", "old", "b", ready=False)],
            [],
            ["n1b"],
            id="surge: a broken old one is no use",
        ),
    ],
)
def test_every_node_has_one(strategy: Json, there: list[Json], create: list[str], delete: list[str]) -> None:
    found = plans.plan_nodes(owner(strategy), [node()], plans.pods_by_node(there), "new", NOW)
    assert (found.create, [entry["metadata"]["name"] for entry in found.delete]) == (create, delete)


def test_pods_for_nodes_that_are_no_more_go() -> None:
    waiting = plans.new_pod(owner(), "gone", "new")
    waiting["metadata"]["name"] = "web-1"
    found = plans.plan_nodes(owner(), [], plans.pods_by_node([waiting]), "new", NOW)
    assert found.delete == [waiting]


OLD = [on(f"n{number}", "old") for number in range(4)]


@pytest.mark.parametrize(
    ("strategy", "pods", "create", "delete"),
    [
        pytest.param({}, OLD, [], ["n0"], id="one at a time"),
        pytest.param({"rollingUpdate": {"maxUnavailable": "50%"}}, OLD, [], ["n0", "n1"], id="half of them"),
        pytest.param({"type": "OnDelete"}, OLD, [], [], id="only when somebody deletes"),
        pytest.param({}, [on("n0", ready=False), *OLD[1:]], [], [], id="not while one is coming up"),
        pytest.param({}, [on("n0", "old", ready=False), *OLD[1:]], [], ["n0"], id="a broken one first"),
        pytest.param(SURGE, OLD, ["n0"], [], id="surge: the new one first"),
        pytest.param(SURGE, [on("n0", suffix="b", ready=False), *OLD], [], [], id="surge: one at a time"),
        pytest.param(SURGE, [on("n0", suffix="b"), *OLD], ["n1"], ["n0"], id="surge: then the old one goes"),
    ],
)
def test_updates_keep_enough_available(
    strategy: Json, pods: list[Json], create: list[str], delete: list[str]
) -> None:
    found = plans.plan_update(owner(strategy), plans.pods_by_node(pods), 4, "new", NOW)
    assert (found.create, [entry["metadata"]["name"] for entry in found.delete]) == (create, delete)


async def add_node(it: World, name: str, **labels: str) -> None:
    ready = {"conditions": [{"type": "Ready", "status": "True"}]}
    await it.create(NODES, {"metadata": {"name": name, "labels": labels}, "status": ready}, "")


async def has(it: World, **fields: int) -> bool:
    found = await it.get(DAEMON_SETS, "agent")
    status = found.get("status") or {}
    seen = status.get("observedGeneration") == found["metadata"]["generation"]
    return seen and all(status.get(name, 0) == value for name, value in fields.items())


async def test_pods_follow_the_nodes(tmp_path: Path) -> None:
    async with world(tmp_path) as it, it.node():
        await add_node(it, "n1")
        await it.create(DAEMON_SETS, daemon_set())
        await it.until(lambda: has(it, desiredNumberScheduled=1, numberAvailable=1))
        await add_node(it, "n2")
        await it.until(lambda: has(it, desiredNumberScheduled=2, numberAvailable=2))
        taint = {"spec": {"taints": [{"key": "k", "effect": "NoExecute"}]}}
        await it.client.patch(NODES, "n2", taint, patch_type=PatchType.MERGE)
        await it.until(lambda: has(it, desiredNumberScheduled=1, numberMisscheduled=0, numberAvailable=1))
        [left] = await it.list(PODS)
        assert left["metadata"]["labels"]["pod-template-generation"] == "1"
        assert plans.node_of(left) == "n1"


async def test_an_update_rolls_and_is_remembered(tmp_path: Path) -> None:
    async with world(tmp_path) as it, it.node():
        for name in ("n1", "n2", "n3"):
            await add_node(it, name)
        await it.create(DAEMON_SETS, daemon_set())
        await it.until(lambda: has(it, numberAvailable=3))
        await it.merge(DAEMON_SETS, "agent", image("web:2"))
        await it.until(lambda: has(it, numberAvailable=3, updatedNumberScheduled=3))
        revisions = await it.list(CONTROLLER_REVISIONS)
        assert sorted(entry["revision"] for entry in revisions) == [1, 2]
        assert {found["spec"]["containers"][0]["image"] for found in await it.list(PODS)} == {"web:2"}


async def test_a_failed_pod_is_replaced_after_a_delay_that_grows(tmp_path: Path) -> None:
    clock = ManualClock()
    async with world(tmp_path, clock=clock) as it:
        await add_node(it, "n1")
        await it.create(DAEMON_SETS, daemon_set())

        async def fail() -> None:
            await it.until(lambda: has(it, currentNumberScheduled=1))
            [there] = await it.list(PODS)
            failed = {"status": {"phase": "Failed"}}
            name = there["metadata"]["name"]
            await it.client.patch(PODS, name, failed, namespace="default", subresource="status")

            async def is_replaced() -> bool:
                now = [found["metadata"]["name"] for found in await it.list(PODS)]
                if now == [name]:
                    await clock.advance(0.1)
                return len(now) == 1 and now != [name]

            await it.until(is_replaced)

        began = clock.now()
        await fail()
        assert clock.now() - began < 1
        await fail()
        await fail()
        assert clock.now() - began >= 2

        async def is_told() -> bool:
            return bool(await it.messages("FailedDaemonPod"))

        await it.until(is_told)


async def test_a_deleted_set_takes_its_pods_along(tmp_path: Path) -> None:
    async with world(tmp_path) as it, it.node():
        await add_node(it, "n1")
        made = await it.create(DAEMON_SETS, daemon_set())
        await it.until(lambda: has(it, numberAvailable=1))
        [there] = await it.list(PODS)
        assert meta.is_controlled_by(there, made)
        await it.delete(DAEMON_SETS, "agent", "Foreground")
        await it.until_gone(DAEMON_SETS, "agent")
        assert await it.list(PODS) == []
