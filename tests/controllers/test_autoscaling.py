from pathlib import Path

import pytest

from kube_lite.api.identity import Json
from kube_lite.controllers import autoscaling
from kube_lite.controllers.autoscaling import SYNC_SECONDS
from kube_lite.controllers.autoscaling_limits import Moment, plan_limits
from kube_lite.controllers.autoscaling_replicas import (
    CannotTell,
    Groups,
    Measured,
    Tolerances,
    group_pods,
    plan_by_average,
    plan_by_share,
    plan_by_total,
    plan_by_value,
    pod_requests,
)
from kube_lite.controllers.resources import DEPLOYMENTS, HORIZONTAL_POD_AUTOSCALERS
from kube_lite.kit.clock import ManualClock

from .harness import World, deployment, world

NOW = 1_000_000.0
USUAL = Tolerances()
CONTROLLERS = ["autoscaling"]


def groups(ready: int, unready: str = "", missing: str = "", ignored: str = "") -> Groups:
    return Groups(ready, set(unready), set(missing), set(ignored))


def used(**amounts: int) -> dict[str, Measured]:
    return {name: Measured(amount) for name, amount in amounts.items()}


@pytest.mark.parametrize(
    ("current", "measured", "sorted_", "wanted"),
    [
        pytest.param(2, used(a=90, b=90), groups(2), 4, id="above: ceil of the ratio"),
        pytest.param(4, used(a=10, b=10, c=10, d=10), groups(4), 1, id="below"),
        pytest.param(2, used(a=54, b=54), groups(2), 2, id="near enough: nothing happens"),
        pytest.param(2, used(a=90), groups(1, unready="b"), 2, id="one that starts counts as idle"),
        pytest.param(3, used(a=10, b=10), groups(2, missing="c"), 3, id="going down an unknown one is busy"),
        pytest.param(3, used(a=100, b=100), groups(2, missing="c"), 4, id="going up it is idle"),
        pytest.param(2, used(a=100, b=100, x=500), groups(2, ignored="x"), 4, id="one that ends is left out"),
    ],
)  # fmt: skip
def test_replicas_follow_the_share_of_what_pods_ask_for(
    current: int, measured: dict[str, Measured], sorted_: Groups, wanted: int
) -> None:
    requests = dict.fromkeys("abcdx", 100)
    found = plan_by_share(current, 50, measured, requests, sorted_, USUAL)
    assert found.replicas == wanted


def test_nothing_can_be_told_without_a_measurement_that_counts() -> None:
    with pytest.raises(CannotTell, match="did not receive metrics for targeted pods"):
        plan_by_average(2, 50, used(a=1), groups(0, unready="a"), USUAL)


@pytest.mark.parametrize(
    ("current", "value", "wanted", "replicas", "average"),
    [(1, 66_300, 30_000, 3, 66_300), (3, 55_600, 30_000, 2, 18_534), (6, 49_800, 10_000, 5, 8_300)],
)
def test_what_all_share_is_divided_among_them(
    current: int, value: int, wanted: int, replicas: int, average: int
) -> None:
    found = plan_by_total(current, value, wanted, USUAL)
    assert (found.replicas, found.average) == (replicas, average)


def test_a_value_outside_scales_by_its_ratio_to_the_ready_pods() -> None:
    assert plan_by_value(4, 2, 300, 100, USUAL).replicas == 6
    assert plan_by_value(4, 4, 105, 100, USUAL).replicas == 4
    assert plan_by_value(0, 0, 300, 100, USUAL).replicas == 3


def test_a_pod_that_asks_for_nothing_cannot_use_a_share_of_it() -> None:
    pod: Json = {"metadata": {"name": "p"}, "spec": {"containers": [{"name": "c"}]}}
    with pytest.raises(CannotTell, match="missing request for cpu in container c of Pod p"):
        pod_requests([pod], "cpu")


def test_pods_that_start_end_or_wait_are_told_apart() -> None:
    def pod(name: str, phase: str, **metadata: str) -> Json:
        ready = {"type": "Ready", "status": "True", "lastTransitionTime": "1970-01-01T00:10:00Z"}
        status = {"phase": phase, "startTime": "1970-01-01T00:00:00Z", "conditions": [ready]}
        return {"metadata": {"name": name, **metadata}, "status": status}

    pods = [
        pod("runs", "Running"),
        pod("unmeasured", "Running"),
        pod("waits", "Pending"),
        pod("failed", "Failed"),
        pod("ends", "Running", deletionTimestamp="1970-01-01T00:00:00Z"),
    ]
    found = group_pods(pods, used(runs=1, waits=1), NOW, is_cpu=True)
    assert found == Groups(1, {"waits"}, {"unmeasured"}, {"failed", "ends"})


def limits(
    spec: Json, current: int, wanted: int, *history: Moment, **changes: list[Moment]
) -> tuple[int, str]:
    spec = {"maxReplicas": 100, **spec}
    ups, downs = changes.get("ups", []), changes.get("downs", [])
    found = plan_limits(spec, current, wanted, history, ups, downs, NOW)
    return found.replicas, found.limited[1] if found.limited[0] == "True" else found.stabilized[1]


@pytest.mark.parametrize(
    ("spec", "current", "wanted", "history", "expected"),
    [
        pytest.param({}, 10, 50, [], (20, "ScaleUpLimit"), id="twice as many at once"),
        pytest.param({}, 1, 50, [], (4, "ScaleUpLimit"), id="or four"),
        pytest.param({"maxReplicas": 3}, 2, 9, [], (3, "TooManyReplicas"), id="never above the maximum"),
        pytest.param({"minReplicas": 2}, 3, 1, [], (2, "TooFewReplicas"), id="never below the minimum"),
        pytest.param({}, 9, 2, [Moment(7, NOW - 60)], (7, "ScaleDownStabilized"), id="down waits"),
        pytest.param({}, 9, 2, [Moment(7, NOW - 301)], (2, "ReadyForNewScale"), id="but not for ever"),
        pytest.param(
            {"behavior": {"scaleUp": {"stabilizationWindowSeconds": 60, "policies": [
                {"type": "Percent", "value": 100, "periodSeconds": 15}]}}},
            2, 4, [Moment(3, NOW - 30)], (3, "ScaleUpStabilized"), id="up waits when asked to",
        ),
    ],
)  # fmt: skip
def test_recommendations_are_held_back(
    spec: Json, current: int, wanted: int, history: list[Moment], expected: tuple[int, str]
) -> None:
    assert limits(spec, current, wanted, *history) == expected


def test_policies_bound_the_change_within_their_period() -> None:
    def rule(type_: str, value: int, period: int, choice: str = "Max") -> Json:
        return {
            "selectPolicy": choice,
            "stabilizationWindowSeconds": 0,
            "policies": [{"type": type_, "value": value, "periodSeconds": period}],
        }

    tenfold = {"behavior": {"scaleUp": rule("Percent", 900, 15)}}
    assert [limits(tenfold, current, 5000)[0] for current in (1, 10)] == [10, 100]
    one_each = {"behavior": {"scaleDown": rule("Pods", 1, 600)}}
    assert limits(one_each, 5, 1)[0] == 4
    assert limits(one_each, 4, 1, downs=[Moment(1, NOW - 300)])[0] == 4
    assert limits(one_each, 4, 1, downs=[Moment(1, NOW - 601)])[0] == 3
    assert limits({"behavior": {"scaleUp": rule("Pods", 4, 15, "Disabled")}}, 3, 9)[0] == 3


async def test_a_new_one_waits_its_turn(tmp_path: Path) -> None:
    clock = ManualClock()
    async with world(tmp_path, clock=clock, only=CONTROLLERS) as it:
        target = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "nothing"}
        spec = {"maxReplicas": 5, "scaleTargetRef": target}
        await it.create(HORIZONTAL_POD_AUTOSCALERS, {"metadata": {"name": "web"}, "spec": spec})
        await clock.advance(SYNC_SECONDS - 1)
        assert await reason(it, "AbleToScale") == ""
        await clock.advance(2)

        async def is_told() -> bool:
            return await reason(it, "AbleToScale") == "FailedGetScale"

        await it.until(is_told)


async def test_a_target_below_the_minimum_is_scaled_and_unknown_metrics_are_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(autoscaling, "SYNC_SECONDS", 0.1)
    async with world(tmp_path, only=CONTROLLERS) as it:
        await it.create(DEPLOYMENTS, deployment(replicas=1))
        target = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"}
        wanted: Json = {"metadata": {"name": "web"}, "spec": {"minReplicas": 2, "maxReplicas": 5}}
        wanted["spec"]["scaleTargetRef"] = target
        await it.create(HORIZONTAL_POD_AUTOSCALERS, wanted)
        await it.until_told(
            "SuccessfulRescale", "New size: 2; reason: Current number of replicas below Spec.MinReplicas"
        )
        assert (await it.get(DEPLOYMENTS, "web"))["spec"]["replicas"] == 2
        await it.merge(HORIZONTAL_POD_AUTOSCALERS, "web", {"spec": {"maxReplicas": 6}})  # another look

        async def has_no_metrics() -> bool:
            return await reason(it, "ScalingActive") == "FailedGetResourceMetric"

        await it.until(has_no_metrics)
        assert await reason(it, "AbleToScale") == "SucceededGetScale"


async def reason(it: World, type_: str) -> str:
    found = await it.get(HORIZONTAL_POD_AUTOSCALERS, "web")
    conditions = (found.get("status") or {}).get("conditions") or []
    return next((entry["reason"] for entry in conditions if entry["type"] == type_), "")
