from collections.abc import Mapping
from pathlib import Path

import pytest

from kube_lite.api import meta
from kube_lite.api.identity import Json
from kube_lite.api.times import format_micro_time, format_time
from kube_lite.controllers.node_health import (
    Allowance,
    Count,
    ZoneState,
    grace_seconds,
    plan_disruption,
    plan_lost,
    plan_unready,
    zone_of,
)
from kube_lite.controllers.node_monitor import LEASE_NAMESPACE, LEASES
from kube_lite.controllers.resources import EVENTS, NAMESPACES, NODES, PODS
from kube_lite.kit.clock import ManualClock

from .harness import World, world

NOW = 1_700_000_000.0
DRIVEN = {("unreachable", "NoSchedule"), ("unreachable", "NoExecute")}
FULL, PARTIAL, NORMAL = ZoneState.FULL, ZoneState.PARTIAL, ZoneState.NORMAL
PARTS = ["node-monitor", "node-lifecycle", "serviceaccounts"]


def told(type_: str, status: str, reason: str = "Kubelet") -> Json:
    return {"type": type_, "status": status, "reason": reason, "lastTransitionTime": "2023-01-01T00:00:00Z"}


def node(*conditions: Json, **labels: str) -> Json:
    metadata = {"name": "a", "creationTimestamp": "2023-01-01T00:00:00Z", "labels": labels}
    return {"metadata": metadata, "status": {"conditions": list(conditions)}}


@pytest.mark.parametrize(
    ("found", "reasons"),
    [
        pytest.param(node(told("Ready", "Unknown")), None, id="told already"),
        pytest.param(
            node(told("Ready", "True"), told("NetworkUnavailable", "False")),
            {
                "Ready": "NodeStatusUnknown",
                "NetworkUnavailable": "Kubelet",
                "MemoryPressure": "NodeStatusNeverUpdated",
                "DiskPressure": "NodeStatusNeverUpdated",
                "PIDPressure": "NodeStatusNeverUpdated",
            },
            id="the network is not the node's to judge",
        ),
        pytest.param(
            node(),
            dict.fromkeys(
                ("Ready", "MemoryPressure", "DiskPressure", "PIDPressure"), "NodeStatusNeverUpdated"
            ),
            id="it never said anything",
        ),
    ],
)
def test_what_is_said_of_a_lost_node(found: Json, reasons: Mapping[str, str] | None) -> None:
    planned = plan_lost(found, NOW)
    assert (planned and {entry["type"]: entry["reason"] for entry in planned}) == reasons


def test_a_pod_of_a_lost_node_keeps_its_reason_and_one_that_is_not_ready_everything() -> None:
    ready = told("Ready", "True", "Gates")
    planned = plan_unready({"status": {"conditions": [ready]}}, NOW)
    assert planned is not None
    assert planned["conditions"] == [{**ready, "status": "False", "lastTransitionTime": format_time(NOW)}]
    assert plan_unready({"status": planned}, NOW) is None


@pytest.mark.parametrize(
    ("labels", "zone"),
    [
        pytest.param({}, "", id="none"),
        pytest.param({"topology.kubernetes.io/zone": "z"}, "/z", id="a zone"),
        pytest.param(
            {"topology.kubernetes.io/region": "r", "failure-domain.beta.kubernetes.io/zone": "old"}, "r/old",
            id="a label of old",
        ),
    ],
)  # fmt: skip
def test_the_zone_of_a_node(labels: Mapping[str, str], zone: str) -> None:
    assert zone_of(node(**labels)) == zone


@pytest.mark.parametrize(("version", "seconds"), [("1.31", 40), ("1.32", 50), ("1.36", 50)])
def test_the_grace_of_a_release(version: str, seconds: int) -> None:
    assert grace_seconds(version) == seconds


@pytest.mark.parametrize(
    ("before", "zones", "states", "rates"),
    [
        pytest.param({}, {"a": Count(3, 1)}, [NORMAL], [0.1], id="one of four is lost"),
        pytest.param({}, {"a": Count(1, 2)}, [NORMAL], [0.1], id="two are never most"),
        pytest.param({}, {"a": Count(2, 3)}, [PARTIAL], [0.0], id="most of a small zone"),
        pytest.param({}, {"a": Count(20, 40)}, [PARTIAL], [0.01], id="most of a large zone"),
        pytest.param({}, {"a": Count(0, 2), "b": Count(1, 0)}, [FULL, NORMAL], [0.1, 0.1], id="a whole zone"),
        pytest.param({"a": NORMAL}, {"a": Count(0, 1)}, [FULL], [0.0], id="all there is"),
    ],
)
def test_how_fast_nodes_may_drive_pods_away(
    before: Mapping[str, ZoneState],
    zones: Mapping[str, Count],
    states: list[ZoneState],
    rates: list[float],
) -> None:
    found = plan_disruption(before, zones)
    assert (list(found.states.values()), list(found.rates.values())) == (states, rates)


@pytest.mark.parametrize(
    ("before", "count", "began", "ended"),
    [
        pytest.param({"a": NORMAL}, Count(0, 2), True, False, id="it begins"),
        pytest.param({}, Count(0, 2), True, False, id="it was so when we came"),
        pytest.param({"a": FULL}, Count(0, 2), False, False, id="it goes on"),
        pytest.param({"a": FULL}, Count(1, 1), False, True, id="it ends"),
        pytest.param({"a": NORMAL}, Count(2, 0), False, False, id="all is well"),
    ],
)
def test_when_no_node_is_ready_it_is_told_once(
    before: Mapping[str, ZoneState], count: Count, began: bool, ended: bool
) -> None:
    found = plan_disruption(before, {"a": count})
    assert (found.all_began, found.all_ended) == (began, ended)


def test_an_allowance_lets_one_go_at_once_and_then_as_its_rate_says() -> None:
    allowance = Allowance(0.0)
    assert [allowance.take(now) for now in (0.0, 5.0, 10.0, 15.0, 60.0, 60.0)] == [
        True, False, True, False, True, False,
    ]  # fmt: skip
    allowance.set_rate(0.0, 61.0)
    assert not allowance.take(1000.0)
    allowance.set_rate(0.1, 1000.0)
    assert [allowance.take(now) for now in (1000.0, 1010.0)] == [False, True]


class Nodes:
    """Nodes that a test speaks for."""

    def __init__(self, it: World, clock: ManualClock) -> None:
        self.it = it
        self.clock = clock

    async def begin(self, *names: str) -> None:
        """They come up, with a Pod each that is ready."""
        await self.it.create(NAMESPACES, {"metadata": {"name": LEASE_NAMESPACE}}, "")
        await self.it.until_account()
        for name in names:
            await self.it.create(NODES, {"metadata": {"name": name}}, "")
            lease = {"metadata": {"name": name}, "spec": {"holderIdentity": name}}
            await self.it.create(LEASES, lease, LEASE_NAMESPACE)
            await self.speak(name)
            pod = {"metadata": {"name": f"on-{name}"}, "spec": {"containers": [{"name": "c", "image": "i"}]}}
            await self.it.set_ready(await self.it.create(PODS, pod), node=name)

    async def speak(self, name: str) -> None:
        moment = format_time(self.clock.now())
        ready = {"type": "Ready", "status": "True", "reason": "KubeletReady", "lastHeartbeatTime": moment}
        status = {"conditions": [ready]}
        await self.it.client.patch(NODES, name, {"status": status}, subresource="status")

    async def renew(self, *names: str, seconds: float) -> None:
        """Move the clock while these renew their Leases."""
        for _ in range(round(seconds / 10)):
            for name in names:
                patch = {"spec": {"renewTime": format_micro_time(self.clock.now())}}
                await self.it.client.patch(LEASES, name, patch, namespace=LEASE_NAMESPACE)
            await self.clock.advance(10.0)

    async def ready(self, name: str) -> str:
        found = meta.condition(await self.it.get(NODES, name, ""), "Ready") or {}
        return f"{found['status']} {found['reason']}"

    async def taints(self, name: str) -> set[tuple[str, str]]:
        found = (await self.it.get(NODES, name, ""))["spec"].get("taints") or ()
        return {(taint["key"].removeprefix("node.kubernetes.io/"), taint["effect"]) for taint in found}

    async def is_pod_ready(self, name: str) -> bool:
        return meta.is_condition_true(await self.it.get(PODS, f"on-{name}"), "Ready")


async def test_a_node_that_is_not_heard_of_is_lost_and_comes_back(tmp_path: Path) -> None:
    clock = ManualClock()
    async with world(tmp_path, clock=clock, only=PARTS) as it:
        nodes = Nodes(it, clock)
        await nodes.begin("a", "b")
        await nodes.renew("a", "b", seconds=600)
        assert [await nodes.ready(name) for name in "ab"] == ["True KubeletReady"] * 2
        await nodes.renew("a", seconds=70)
        assert [await nodes.ready(name) for name in "ab"] == [
            "True KubeletReady",
            "Unknown NodeStatusUnknown",
        ]
        assert await nodes.taints("b") == DRIVEN
        assert [await nodes.is_pod_ready(name) for name in "ab"] == [True, False]
        events = [
            (event["involvedObject"]["kind"], event["source"]["component"], event["message"])
            for event in await it.list(EVENTS)
            if event["reason"] == "NodeNotReady"
        ]
        assert sorted(events) == [
            ("Node", "node-controller", "Node b status is now: NodeNotReady"),
            ("Pod", "node-controller", "Node is not ready"),
        ]
        assert "Node b event: Registered Node b in Controller" in await it.messages("RegisteredNode")

        await nodes.speak("b")
        await nodes.renew("a", "b", seconds=10)
        assert await nodes.ready("b") == "True KubeletReady"
        assert not await nodes.taints("b")


async def test_when_all_are_lost_nobody_is_driven_away(tmp_path: Path) -> None:
    clock = ManualClock()
    async with world(tmp_path, clock=clock, only=PARTS) as it:
        nodes = Nodes(it, clock)
        await nodes.begin("a", "b")
        await nodes.renew("a", seconds=70)
        assert ("unreachable", "NoExecute") in await nodes.taints("b")
        await clock.advance(70)
        for name in "ab":
            assert await nodes.ready(name) == "Unknown NodeStatusUnknown"
            assert await nodes.taints(name) == {("unreachable", "NoSchedule")}


async def test_what_was_decided_before_holds_after_a_restart(tmp_path: Path) -> None:
    clock = ManualClock()
    async with world(tmp_path, clock=clock, only=PARTS) as it:
        nodes = Nodes(it, clock)
        await nodes.begin("a", "b")
        await nodes.renew("a", seconds=70)
        assert await nodes.taints("b") == DRIVEN
    async with world(tmp_path, clock=clock, only=PARTS) as it:
        nodes = Nodes(it, clock)
        await nodes.renew("a", seconds=70)
        assert await nodes.taints("b") == DRIVEN
        assert not await nodes.taints("a")


async def test_who_was_killed_after_telling_of_the_node_tells_of_its_pods(tmp_path: Path) -> None:
    clock = ManualClock()
    async with world(tmp_path, clock=clock, only=["serviceaccounts"]) as it:
        nodes = Nodes(it, clock)
        await nodes.begin("a", "b")
        found = await it.get(NODES, "b", "")
        status = {**found["status"], "conditions": plan_lost(found, clock.now())}
        await it.client.update(NODES, {**found, "status": status}, subresource="status")
    async with world(tmp_path, clock=clock, only=PARTS) as it:
        nodes = Nodes(it, clock)
        await nodes.renew("a", seconds=20)
        assert [await nodes.is_pod_ready(name) for name in "ab"] == [True, False]
        assert await nodes.taints("b") == DRIVEN


async def test_a_monitor_that_was_stopped_blames_nobody(tmp_path: Path) -> None:
    clock = ManualClock()
    async with world(tmp_path, clock=clock, only=PARTS) as it:
        nodes = Nodes(it, clock)
        await nodes.begin("a")
        await nodes.renew("a", seconds=20)
        clock.jump(3600)
        await clock.advance(5)
        assert await nodes.ready("a") == "True KubeletReady"
        await nodes.renew("a", seconds=60)
        assert await nodes.ready("a") == "True KubeletReady"
        await clock.advance(70)
        assert await nodes.ready("a") == "Unknown NodeStatusUnknown"
