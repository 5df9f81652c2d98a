"""Pods leave devices that their drivers have tainted."""

from pathlib import Path

import pytest

from kube_lite.api import meta
from kube_lite.api.identity import Json
from kube_lite.api.times import format_time
from kube_lite.controllers.device_taints import SLICES, plan_leaving, taints_of
from kube_lite.controllers.resource_claims import CLAIMS
from kube_lite.controllers.resources import PODS
from kube_lite.kit.clock import ManualClock

from .harness import World, world
from .kills import nothing, survive
from .test_resource_claims import DEVICES
from .test_resource_claims import pod as claiming

ONLY = ["serviceaccounts", "device-taint-eviction"]
BROKEN: Json = {"key": "broken", "effect": "NoExecute"}
WORN: Json = {"key": "worn", "effect": "NoSchedule"}
HOUR = 3600.0


def tolerating(key: str, seconds: int | None = None, **fields: str) -> Json:
    covering = {"key": key, "operator": "Exists", "effect": "NoExecute", **fields}
    return covering if seconds is None else {**covering, "tolerationSeconds": seconds}


def at(moment: float, taint: Json = BROKEN) -> Json:
    return {**taint, "timeAdded": format_time(moment)}


def slice_of(*taints: Json, generation: int = 1, device: str = "gpu-0") -> Json:
    pool = {"name": "n1", "generation": generation, "resourceSliceCount": 1}
    devices = [{"name": device, "taints": list(taints)}]
    spec = {"driver": "d.example", "nodeName": "n1", "pool": pool, "devices": devices}
    return {"metadata": {"name": f"s{generation}"}, "spec": spec}


@pytest.mark.parametrize(
    ("tolerations", "taints", "moment"),
    [
        pytest.param([], [], None, id="nothing drives it away"),
        pytest.param([], [at(50)], 50, id="it tolerates nothing"),
        pytest.param([], [BROKEN], 100, id="and nobody knows since when"),
        pytest.param([tolerating("broken")], [at(50)], None, id="it tolerates it for ever"),
        pytest.param([tolerating("broken", effect="")], [at(50)], None, id="with whatever effect"),
        pytest.param([tolerating("broken", 30)], [at(50)], 80, id="for a time"),
        pytest.param([tolerating("broken", -5)], [at(50)], 50, id="less than no time is none"),
        pytest.param([tolerating("broken", 30), tolerating("broken")], [at(50)], None, id="in two ways"),
        pytest.param([tolerating("worn")], [at(50)], 50, id="but another"),
        pytest.param([tolerating("broken", 60)], [at(50), at(70, {**BROKEN, "key": "hot"})], 70, id="first"),
    ],
)
def test_when_a_pod_leaves(tolerations: list[Json], taints: list[Json], moment: float | None) -> None:
    assert plan_leaving(tolerations, taints, 100) == moment


@pytest.mark.parametrize(
    ("slices", "taints"),
    [
        pytest.param([], [], id="nobody tells of it"),
        pytest.param([slice_of(WORN, BROKEN)], [BROKEN], id="some only keep others away"),
        pytest.param([slice_of(BROKEN, device="gpu-1")], [], id="another device"),
        pytest.param([slice_of(BROKEN), slice_of(generation=2)], [], id="it was so once"),
    ],
)
def test_what_drives_pods_off_a_device(slices: list[Json], taints: list[Json]) -> None:
    assert taints_of(slices, "gpu-0") == taints


async def prepare(it: World, *tolerations: Json) -> Json:
    """A Pod that has a device."""
    await it.until_account()
    await it.client.create(SLICES, slice_of())
    claim = await it.create(CLAIMS, {"metadata": {"name": "c"}, "spec": DEVICES})
    made = await it.create(PODS, claiming(claim="c", node="n1"))
    result: Json = {"request": "gpu", "driver": "d.example", "pool": "n1", "device": "gpu-0"}
    if tolerations:
        result["tolerations"] = list(tolerations)
    user = {"resource": "pods", "name": "p", "uid": meta.uid_of(made)}
    status = {"allocation": {"devices": {"results": [result]}}, "reservedFor": [user]}
    await it.client.update(CLAIMS, {**claim, "status": status}, namespace="default", subresource="status")
    return made


async def taint(it: World, *taints: Json) -> None:
    await it.client.patch(SLICES, "s1", {"spec": {"devices": slice_of(*taints)["spec"]["devices"]}})


async def is_going(it: World) -> bool:
    found = await it.find(PODS, "p")
    return found is None or meta.is_being_deleted(found)


async def test_a_pod_that_tolerates_nothing_goes_at_once(tmp_path: Path) -> None:
    async with world(tmp_path, only=ONLY) as it:
        await prepare(it)
        await taint(it, BROKEN)
        await it.until(lambda: is_going(it))
        [condition] = (
            entry
            for entry in (await it.get(PODS, "p"))["status"]["conditions"]
            if entry["type"] == "DisruptionTarget"
        )
        assert condition["reason"] == "DeletionByDeviceTaintManager"
        assert condition["message"] == "Device Taint manager: deleting due to NoExecute taint"
        await it.until_told("DeviceTaintManagerEviction", "Marking for deletion")


async def test_one_that_tolerates_it_for_a_while_stays_when_the_taint_goes_first(tmp_path: Path) -> None:
    clock = ManualClock()
    async with world(tmp_path, only=ONLY, clock=clock) as it:
        await prepare(it, tolerating("broken", 60))
        await taint(it, BROKEN)
        await clock.advance(30)
        assert not await is_going(it)
        await taint(it)
        await it.until_told("DeviceTaintManagerEviction", "Cancelling deletion")
        await clock.advance(HOUR)
        assert not await is_going(it)


async def test_one_whose_time_is_up_goes(tmp_path: Path) -> None:
    clock = ManualClock()
    async with world(tmp_path, only=ONLY, clock=clock) as it:
        await prepare(it, tolerating("broken", 60))
        await taint(it, at(clock.now()))
        await clock.advance(59)
        assert not await is_going(it)
        await clock.advance(2)
        await it.until(lambda: is_going(it))


async def test_who_only_names_the_claim_may_stay(tmp_path: Path) -> None:
    async with world(tmp_path, only=ONLY) as it:
        await prepare(it)
        await it.create(PODS, claiming("q", claim="c", node="n1"))
        await taint(it, BROKEN)
        await it.until(lambda: is_going(it))
        assert not meta.is_being_deleted(await it.get(PODS, "q"))


async def test_a_pod_is_told_why_before_it_goes_whenever_the_controller_dies(tmp_path: Path) -> None:
    async with world(tmp_path, only=["serviceaccounts"]) as it:
        await prepare(it)
        await taint(it, BROKEN)

    await survive(tmp_path, nothing, is_going, only=["device-taint-eviction"], writes=1)
    async with world(tmp_path, only=[]) as it:
        found = await it.get(PODS, "p")
        reasons = [entry.get("reason") for entry in found["status"]["conditions"]]
        assert reasons.count("DeletionByDeviceTaintManager") == 1
