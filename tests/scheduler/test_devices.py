"""Pods with ResourceClaims, on the whole API with a scheduler and the controllers of claims."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from kube_lite.api import meta
from kube_lite.api.identity import Json
from kube_lite.client.protocol import PatchType
from kube_lite.scheduler.devices.binding import FINALIZER
from kube_lite.scheduler.devices.known import CLAIMS, CLASSES, SLICES
from kube_lite.scheduler.devices.records import DeviceId, Features
from kube_lite.scheduler.scheduler import NODES, PODS

from .cluster import TEMPLATES, Cluster, cluster
from .devices import DRIVER, claim, device, device_class, request, resource_slice, way

NOT_ENOUGH = "0/1 nodes are available: 1 cannot allocate all claims. still not schedulable, preemption: "
NOT_ENOUGH += "0/1 nodes are available: 1 Preemption is not helpful for scheduling."


@pytest.fixture
async def it(tmp_path: Path) -> AsyncIterator[Cluster]:
    async with cluster(tmp_path) as made:
        yield made


def gpus(node: str, count: int, **spec: object) -> Json:
    devices = [device(f"gpu-{number}", attributes={"index": number}) for number in range(count)]
    return resource_slice(f"{node}-gpus", devices, node=node, **spec)  # type: ignore[arg-type]


def named(name: str) -> Json:
    return {"resourceClaimName": name}


def wish(name: str = "c", *requests: Json, **devices: object) -> Json:
    made = claim(*(requests or (request(),)), name=name, **devices)  # type: ignore[arg-type]
    return {"metadata": {"name": name}, "spec": made["spec"]}


def devices_of(obj: Json) -> list[str]:
    allocation = (obj.get("status") or {}).get("allocation") or {"devices": {}}
    return [
        "/".join(DeviceId(one["driver"], one["pool"], one["device"]))
        for one in allocation["devices"].get("results", ())
    ]


def is_reserved(obj: Json) -> bool:
    return bool((obj.get("status") or {}).get("reservedFor"))


def is_free(obj: Json) -> bool:
    return not (obj.get("status") or {}).get("allocation") and not meta.has_finalizer(obj, FINALIZER)


async def test_a_pod_goes_where_its_devices_are_and_the_claim_says_so(it: Cluster) -> None:
    for name in ("n1", "n2"):
        await it.add_node(name)
    await it.add(CLASSES, device_class())
    await it.add(SLICES, gpus("n2", 1))
    await it.add(CLAIMS, wish())
    pod = await it.add_pod("p", named("c"))
    assert await it.until_bound("p") == "n2"
    found = await it.get(CLAIMS, "c")
    assert meta.has_finalizer(found, FINALIZER)
    assert found["status"]["reservedFor"] == [{"resource": "pods", "name": "p", "uid": meta.uid_of(pod)}]
    allocation = found["status"]["allocation"]
    assert allocation["devices"]["results"] == [
        {"request": "r", "driver": DRIVER, "pool": "n2", "device": "gpu-0"}
    ]
    field = {"key": "metadata.name", "operator": "In", "values": ["n2"]}
    assert allocation["nodeSelector"] == {"nodeSelectorTerms": [{"matchFields": [field]}]}
    assert allocation["allocationTimestamp"]
    await it.end("p")
    await it.until_claim("c", is_free)


async def test_a_pod_waits_in_silence_for_a_claim_that_is_not_there(it: Cluster) -> None:
    await it.add_node("n1")
    await it.add(CLASSES, device_class())
    await it.add(SLICES, gpus("n1", 1))
    await it.add_pod("p", named("c"))
    await it.add_pod("other")
    await it.until_bound("other")
    assert not await it.messages("FailedScheduling")
    assert not await it.why("p")
    await it.add(CLAIMS, wish())
    await it.until_bound("p")


async def test_who_gets_none_is_told_and_gets_those_that_others_give_back(it: Cluster) -> None:
    await it.add_node("n1")
    await it.add(CLASSES, device_class())
    await it.add(SLICES, gpus("n1", 1))
    for name in ("a", "b"):
        await it.add(CLAIMS, wish(name))
    await it.add_pod("first", named("a"))
    await it.until_bound("first")
    await it.add_pod("second", named("b"))
    await it.until_refused("second", NOT_ENOUGH)
    assert NOT_ENOUGH in await it.messages("FailedScheduling")
    await it.end("first")
    await it.until_bound("second")


@pytest.mark.parametrize("lacking", ["class", "slice", "device"])
async def test_a_pod_is_tried_again_when_what_it_lacked_comes(it: Cluster, lacking: str) -> None:
    await it.add_node("n1")
    await it.add(CLAIMS, wish())
    if lacking != "class":
        await it.add(CLASSES, device_class())
    if lacking == "device":
        await it.add(SLICES, resource_slice("n1-gpus", [], node="n1"))
    await it.add_pod("p", named("c"))
    words = (
        "request r: device class gpu does not exist. no new claims"
        if lacking == "class"
        else "cannot allocate"
    )
    await it.until_refused("p", words)
    if lacking == "class":
        await it.add(SLICES, gpus("n1", 1))
        await it.add(CLASSES, device_class())
    elif lacking == "slice":
        await it.add(SLICES, gpus("n1", 1))
    else:
        await it.client.patch(SLICES, "n1-gpus", {"spec": {"devices": [device("gpu-0")]}})
    assert await it.until_bound("p") == "n1"


async def test_pods_may_share_a_claim(it: Cluster) -> None:
    for name in ("n1", "n2"):
        await it.add_node(name)
        await it.add(SLICES, gpus(name, 1))
    await it.add(CLASSES, device_class())
    await it.add(CLAIMS, wish())
    for name in ("a", "b", "c"):
        await it.add_pod(name, named("c"))
    assert len({await it.until_bound(name) for name in ("a", "b", "c")}) == 1
    found = await it.get(CLAIMS, "c")
    assert {entry["name"] for entry in found["status"]["reservedFor"]} == {"a", "b", "c"}
    for name in ("a", "b", "c"):
        assert not is_free(await it.get(CLAIMS, "c"))
        await it.end(name)
    await it.until_claim("c", is_free)


async def test_many_pods_share_devices_of_several_nodes_and_nobody_has_anothers(it: Cluster) -> None:
    await it.add(CLASSES, device_class())
    template = {"metadata": {"name": "t"}, "spec": {"spec": wish("x", request(count=2))["spec"]}}
    await it.add(TEMPLATES, template)
    for number in range(4):
        await it.add_node(f"n{number}")
        await it.add(SLICES, gpus(f"n{number}", 5))
    names = [f"p{number}" for number in range(12)]
    for name in names:
        await it.add_pod(name, {"resourceClaimTemplateName": "t"})
    left, alive = set(names), set(names)

    async def some_are_bound() -> bool:
        return any([await it.node_of(name) for name in left])

    async def all_that_fit_are_bound() -> bool:
        return sum([bool(await it.node_of(name)) for name in alive]) >= min(8, len(alive))

    while left:
        await it.until(some_are_bound)
        await it.until(all_that_fit_are_bound)
        held = [name for each in await it.list(CLAIMS) for name in devices_of(each)]
        assert len(held) == len(set(held))
        bound = [name for name in sorted(left) if await it.node_of(name)]
        for name in bound:
            [entry] = (await it.get(PODS, name))["status"]["resourceClaimStatuses"]
            mine = devices_of(await it.get(CLAIMS, entry["resourceClaimName"]))
            assert len(mine) == 2
            assert {one.split("/")[1] for one in mine} == {await it.node_of(name)}
        for name in bound[:4]:
            await it.end(name)
            left.discard(name)
            alive.discard(name)
        if not bound:
            break

    async def nothing_is_held() -> bool:
        return not any(devices_of(each) for each in await it.list(CLAIMS))

    await it.until(nothing_is_held)


async def test_an_allocation_that_stands_in_the_way_is_given_back(it: Cluster) -> None:
    """A pod that must go to another node than the idle claim was allocated for."""
    for name in ("n1", "n2"):
        await it.add_node(name, labels={"which": name})
        await it.add(SLICES, gpus(name, 1))
    await it.add(CLASSES, device_class())
    made = await it.add(CLAIMS, wish())
    field = {"key": "metadata.name", "operator": "In", "values": ["n1"]}
    result = {"request": "r", "driver": DRIVER, "pool": "n1", "device": "gpu-0"}
    allocation = {
        "devices": {"results": [result]},
        "nodeSelector": {"nodeSelectorTerms": [{"matchFields": [field]}]},
    }
    made["metadata"]["finalizers"] = [FINALIZER]
    made = await it.client.update(CLAIMS, made, namespace="default")
    await it.client.update(
        CLAIMS, {**made, "status": {"allocation": allocation}}, namespace="default", subresource="status"
    )
    await it.add_pod("p", named("c"), nodeSelector={"which": "n2"})
    assert await it.until_bound("p") == "n2"
    assert devices_of(await it.get(CLAIMS, "c")) == [f"{DRIVER}/n2/gpu-0"]
    words = "1 node(s) didn't match Pod's node affinity/selector, 1 resourceclaim not available on the node. "
    words += "deallocation of ResourceClaim completed, preemption: "
    assert any(words in each for each in await it.messages("FailedScheduling"))


async def test_the_node_with_the_earlier_alternative_is_taken(it: Cluster) -> None:
    await it.add(CLASSES, device_class())
    for name, model in (("n1", "small"), ("n2", "big"), ("n3", "small")):
        await it.add_node(name)
        await it.add(SLICES, resource_slice(name, [device("d", attributes={"model": model})], node=name))
    text = f'device.attributes["{DRIVER}"].model == '
    ways = [way("big", text + '"big"'), way("small", text + '"small"')]
    await it.add(CLAIMS, wish("c", {"name": "r", "firstAvailable": ways}))
    await it.add_pod("p", named("c"))
    assert await it.until_bound("p") == "n2"
    [result] = (await it.get(CLAIMS, "c"))["status"]["allocation"]["devices"]["results"]
    assert result["request"] == "r/big"


async def test_a_selector_without_an_answer_stops_the_pod_and_is_told(it: Cluster) -> None:
    await it.add_node("n1")
    await it.add(CLASSES, device_class())
    await it.add(SLICES, gpus("n1", 1))
    await it.add(CLAIMS, wish("c", request(selector=f'device.attributes["{DRIVER}"].nothing == 1')))
    await it.add_pod("p", named("c"))
    why = "claim default/c: selector #0: CEL runtime error: no such key: nothing"
    await it.until_refused("p", f'running "DynamicResources" filter plugin: {why}')


CONDITIONS: Json = {"bindingConditions": ["Attached"], "bindingFailureConditions": ["Broken"]}


async def set_condition(it: Cluster, name: str, type_: str) -> None:
    """Do what the driver does that makes devices ready."""
    found = await it.get(CLAIMS, name)
    [result] = found["status"]["allocation"]["devices"]["results"]
    entry = {"type": type_, "status": "True", "reason": "Told", "message": "so it is",
             "lastTransitionTime": "2026-01-01T00:00:00Z"}  # fmt: skip
    told = {field: result[field] for field in ("driver", "pool", "device")} | {"conditions": [entry]}
    patch = {"status": {"devices": [told]}}
    await it.client.patch(
        CLAIMS, name, patch, namespace="default", subresource="status", patch_type=PatchType.MERGE
    )


async def test_a_pod_is_bound_when_its_devices_are_ready(it: Cluster) -> None:
    await it.add_node("n1")
    await it.add(CLASSES, device_class())
    await it.add(SLICES, resource_slice("s", [device("d", **CONDITIONS)], node="n1"))
    await it.add(CLAIMS, wish())
    await it.add_pod("p", named("c"))
    await it.until_claim("c", is_reserved)

    async def is_told() -> bool:
        words = "waiting for binding conditions for device on node n1"
        return words in await it.messages("BindingConditionsPending")

    await it.until(is_told)
    assert not await it.node_of("p")
    await set_condition(it, "c", "Attached")
    await it.until_bound("p")


async def test_a_device_that_cannot_be_made_ready_is_given_back(it: Cluster) -> None:
    await it.add_node("n1")
    await it.add(CLASSES, device_class())
    await it.add(SLICES, resource_slice("s", [device("d", **CONDITIONS)], node="n1"))
    await it.add(CLAIMS, wish())
    await it.add_pod("p", named("c"))
    await it.until_claim("c", is_reserved)
    await set_condition(it, "c", "Broken")

    async def is_told() -> bool:
        why = 'claim c binding failed: reason=Told, message="so it is"'
        told = await it.messages("FailedScheduling")
        return f'running PreBind plugin "DynamicResources": {why}' in told

    await it.until(is_told)
    await it.client.patch(SLICES, "s", {"spec": {"devices": [device("other")]}})
    await it.until_bound("p")
    assert devices_of(await it.get(CLAIMS, "c")) == [f"{DRIVER}/n1/other"]


async def test_devices_stand_in_for_extended_resources(it: Cluster) -> None:
    await it.add_node("n1")
    await it.add(CLASSES, device_class(extendedResourceName="example.com/gpu"))
    await it.add_pod("p", requests={"example.com/gpu": "2"})
    await it.until_refused("p", "cannot allocate all claims")
    await it.add(SLICES, gpus("n1", 2))
    assert await it.until_bound("p") == "n1"
    told = (await it.get(PODS, "p"))["status"]["extendedResourceClaimStatus"]
    mapping = {
        "containerName": "c",
        "resourceName": "example.com/gpu",
        "requestName": "container-0-request-0",
    }
    assert told["requestMappings"] == [mapping]
    found = await it.get(CLAIMS, told["resourceClaimName"])
    assert told["resourceClaimName"].startswith("p-extended-resources-")
    assert len(devices_of(found)) == 2
    assert meta.is_controlled_by(found, await it.get(PODS, "p"))
    await it.end("p")

    async def is_gone() -> bool:
        return not await it.list(CLAIMS)

    await it.until(is_gone)


async def test_releases_before_know_nothing_of_stand_ins(tmp_path: Path) -> None:
    async with cluster(tmp_path, features=Features.of_release(35)) as it:
        await it.add_node("n1")
        await it.add(CLASSES, device_class(extendedResourceName="example.com/gpu"))
        await it.add(SLICES, gpus("n1", 2))
        await it.add_pod("p", requests={"example.com/gpu": "2"})
        await it.until_refused("p", "1 Insufficient example.com/gpu")


async def test_killed_after_every_write_it_gives_each_device_once(tmp_path: Path) -> None:
    names = [f"p{number}" for number in range(5)]
    async with cluster(tmp_path, features=None) as it:
        await it.add(CLASSES, device_class())
        for node in ("n1", "n2"):
            await it.add(SLICES, gpus(node, 4))
        for name in names:
            await it.add(CLAIMS, wish(name, request(count=2)))
            await it.add_pod(name, named(name))
        for node in ("n1", "n2"):
            await it.add_node(node, pods="0")  # nobody fits yet
    for round_ in range(100):
        async with cluster(tmp_path) as it:
            if not round_:
                for node in ("n1", "n2"):
                    amounts = {"allocatable": {"pods": "10"}, "capacity": {"pods": "10"}}
                    await it.client.patch(NODES, node, {"status": amounts}, subresource="status")
            bound = [name for name in names if await it.node_of(name)]
            held = [name for each in await it.list(CLAIMS) for name in devices_of(each)]
            assert len(held) == len(set(held))
            if len(bound) == 4:
                break
            await write_one(it)
    assert len(held) == 8
    async with cluster(tmp_path) as it:
        await it.end(bound[0])
        [last] = [name for name in names if name not in bound]
        await it.until_bound(last)


async def write_one(it: Cluster) -> None:
    """Let something be written, or nothing when there is nothing left."""
    before = it.revision
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(0.3):
            while it.revision == before:
                await asyncio.sleep(0)
