from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from kube_lite.api import meta
from kube_lite.api.errors import ApiError
from kube_lite.api.identity import Json
from kube_lite.api.times import format_time
from kube_lite.controllers import disruption as plans
from kube_lite.controllers.resources import DEPLOYMENTS, JOBS, POD_DISRUPTION_BUDGETS, PODS

from .harness import World, deployment, job, world
from .objects import NOW, pod


def budget(**spec: object) -> Json:
    made = {"selector": {"matchLabels": {"app": "web"}}, **spec}
    return {
        "apiVersion": "policy/v1",
        "kind": "PodDisruptionBudget",
        "metadata": {"name": "web"},
        "spec": made,
    }


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        pytest.param({"minAvailable": 2}, (4, 2), id="a number of those there are"),
        pytest.param({"minAvailable": "50%"}, (5, 3), id="a share of those wanted, rounded up"),
        pytest.param({"maxUnavailable": 1}, (5, 4), id="all wanted but one"),
        pytest.param({"maxUnavailable": "30%"}, (5, 3), id="all wanted but a share, rounded up"),
        pytest.param({"maxUnavailable": 9}, (5, 0), id="never less than none"),
    ],
)
def test_a_budget_says_how_many_should_be_healthy(spec: Json, expected: tuple[int, int]) -> None:
    assert plans.plan_expected(budget(**spec), present=4, scale=5) == expected


def test_pods_on_their_way_out_are_not_healthy() -> None:
    pods = [pod("a"), pod("b"), pod("c", ready=False), pod("d", deleting=True), pod("e")]
    status = plans.plan_status(budget(), pods, plans.Expected(5, 1), {"e": format_time(NOW)}, NOW)
    assert (status["currentHealthy"], status["disruptionsAllowed"]) == (2, 1)


def test_an_eviction_that_does_not_come_is_given_up() -> None:
    made = budget()
    noted = {"a": format_time(NOW - 121), "b": format_time(NOW - 20), "c": format_time(NOW), "gone": "x"}
    made["status"] = {"disruptedPods": noted}
    found = plans.plan_disrupted(made, [pod("a"), pod("b"), pod("c", deleting=True)], NOW)
    assert list(found.awaited) == ["b"]
    assert [entry["metadata"]["name"] for entry in found.overdue] == ["a"]
    assert found.wait == 101


def allows(it: World, number: int, healthy: int) -> Callable[[], Awaitable[bool]]:
    async def holds() -> bool:
        status = (await it.get(POD_DISRUPTION_BUDGETS, "web")).get("status") or {}
        return (status.get("disruptionsAllowed"), status.get("currentHealthy")) == (number, healthy)

    return holds


async def evict(it: World, name: str) -> None:
    body = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": name}}
    await it.client.create(PODS, body, namespace="default", name=name, subresource="eviction")


async def test_pods_may_be_evicted_as_far_as_the_budget_goes(tmp_path: Path) -> None:
    async with world(tmp_path) as it:
        await it.create(POD_DISRUPTION_BUDGETS, budget(maxUnavailable=1))
        await it.create(DEPLOYMENTS, deployment(replicas=3))

        async def are_made() -> bool:
            return len(await it.list(PODS)) == 3

        await it.until(are_made)
        assert not (await it.get(POD_DISRUPTION_BUDGETS, "web"))["status"]["disruptionsAllowed"]
        for made in await it.list(PODS):
            await it.set_ready(made)
        await it.until(allows(it, 1, 3))
        first, second, _ = [found["metadata"]["name"] for found in await it.list(PODS)]
        await evict(it, first)
        with pytest.raises(ApiError, match="disruption budget"):
            await evict(it, second)
        await it.until(allows(it, 0, 2))
        found = await it.get(POD_DISRUPTION_BUDGETS, "web")
        entry = meta.condition(found, "DisruptionAllowed")
        assert entry is not None
        assert (entry["status"], entry["reason"]) == ("False", "InsufficientPods")


async def test_owners_without_a_scale_allow_nothing(tmp_path: Path) -> None:
    async with world(tmp_path) as it:
        made = job()
        made["spec"]["template"]["metadata"]["labels"] = {"app": "web"}
        await it.create(JOBS, made)
        await it.create(POD_DISRUPTION_BUDGETS, budget(maxUnavailable=1))

        async def is_told() -> bool:
            entry = meta.condition(await it.get(POD_DISRUPTION_BUDGETS, "web"), "DisruptionAllowed")
            return entry is not None and entry["reason"] == "SyncFailed"

        await it.until(is_told)
        words = "Failed to calculate the number of expected pods: "
        words += "jobs.batch does not implement the scale subresource"
        await it.until_told("CalculateExpectedPodCountFailed", words)


async def test_a_budget_without_pods_says_so(tmp_path: Path) -> None:
    async with world(tmp_path, only=["disruption"]) as it:
        await it.create(POD_DISRUPTION_BUDGETS, budget(minAvailable=1))
        await it.until_told("NoPods", "No matching pods found")
        await it.until(allows(it, 0, 0))
