from pathlib import Path

import pytest

from kube_lite.api.identity import Json
from kube_lite.controllers.resources import NODES, PODS
from kube_lite.controllers.taint_eviction import plan_stay
from kube_lite.kit.clock import ManualClock

from .harness import World, world

GONE: Json = {"key": "gone", "effect": "NoExecute"}
BROKEN: Json = {"key": "broken", "value": "disk", "effect": "NoExecute"}
CONTROLLERS = ["taint-eviction", "serviceaccounts"]


def pod(*tolerations: Json) -> Json:
    spec = {"containers": [{"name": "c", "image": "i"}], "tolerations": list(tolerations), "nodeName": "n1"}
    return {"metadata": {"name": "web"}, "spec": spec}


def tolerating(key: str, seconds: int | None = None) -> Json:
    covering = {"key": key, "operator": "Exists", "effect": "NoExecute"}
    return covering if seconds is None else {**covering, "tolerationSeconds": seconds}


@pytest.mark.parametrize(
    ("tolerations", "taints", "stay"),
    [
        pytest.param([], [], None, id="nothing drives it away"),
        pytest.param([], [GONE], 0.0, id="it tolerates nothing"),
        pytest.param([tolerating("gone")], [GONE], None, id="it tolerates it for ever"),
        pytest.param([tolerating("gone", 30)], [GONE], 30.0, id="it tolerates it for a time"),
        pytest.param([tolerating("gone", 30)], [GONE, BROKEN], 0.0, id="but not the other"),
        pytest.param([tolerating("gone", 9), tolerating("broken", 5)], [GONE, BROKEN], 5.0, id="shortest"),
        pytest.param([tolerating("gone", -5)], [GONE], 0.0, id="less than no time is none"),
    ],
)  # fmt: skip
def test_how_long_a_pod_may_stay(tolerations: list[Json], taints: list[Json], stay: float | None) -> None:
    assert plan_stay(pod(*tolerations), taints) == stay


async def prepare(it: World, *tolerations: Json) -> None:
    await it.client.create(NODES, {"metadata": {"name": "n1"}})
    await it.create(PODS, {**pod(*tolerations), "metadata": {"name": "web"}})


async def test_a_pod_that_tolerates_nothing_goes_at_once(tmp_path: Path) -> None:
    async with world(tmp_path, only=CONTROLLERS) as it:
        await it.until_account()
        await prepare(it)
        await it.client.patch(NODES, "n1", {"spec": {"taints": [GONE]}})

        async def is_going() -> bool:
            found = await it.find(PODS, "web")
            return found is None or "deletionTimestamp" in found["metadata"]

        await it.until(is_going)
        found = await it.get(PODS, "web")
        assert [entry["reason"] for entry in found["status"]["conditions"]][-1] == "DeletionByTaintManager"
        await it.until_told("TaintManagerEviction", "Marking for deletion Pod default/web")


async def test_one_that_tolerates_it_for_a_while_stays_when_the_taint_goes_first(tmp_path: Path) -> None:
    clock = ManualClock()
    async with world(tmp_path, only=CONTROLLERS, clock=clock) as it:
        await it.until_account()
        await prepare(it, tolerating("gone", 60))
        await it.client.patch(NODES, "n1", {"spec": {"taints": [GONE]}})
        await it.client.patch(NODES, "n1", {"spec": {"taints": None}})
        await it.until_told("TaintManagerEviction", "Cancelling deletion of Pod default/web")
        await clock.advance(120)
        assert "deletionTimestamp" not in (await it.get(PODS, "web"))["metadata"]
