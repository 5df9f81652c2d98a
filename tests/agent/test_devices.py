"""Pods with ResourceClaims on a node that has no drivers for devices."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest
from kube_lite_runtime.fake import FakeDriver
from kube_lite_runtime.types import Abilities

from kube_lite.agent.devices import CLAIMS, NotPrepared, prepare_devices
from kube_lite.api.identity import Json

from .world import PATIENCE, World, agent_on, world_in

SPEC: Json = {
    "containers": [{"name": "app", "image": "web:1"}],
    "resourceClaims": [{"name": "gpu", "resourceClaimName": "gpus"}],
}
CLAIM: Json = {
    "metadata": {"name": "gpus"},
    "spec": {"devices": {"requests": [{"name": "r", "exactly": {"deviceClassName": "gpu"}}]}},
}


class RealDriver(FakeDriver):
    """One whose containers are said to run."""

    def abilities(self) -> Abilities:
        return replace(super().abilities(), driver="process")


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    async with world_in(tmp_path) as made:
        yield made


async def allocate(world: World, pod: Json) -> None:
    """Do what a scheduler does."""
    made = await world.client.create(CLAIMS, CLAIM, namespace="default")
    result = {"request": "r", "driver": "gpu.example.com", "pool": "p", "device": "d"}
    mine = {"resource": "pods", "name": "web", "uid": pod["metadata"]["uid"]}
    status = {"allocation": {"devices": {"results": [result]}}, "reservedFor": [mine]}
    await world.client.update(CLAIMS, {**made, "status": status}, namespace="default", subresource="status")


async def test_a_driver_that_is_not_there_is_told(world: World) -> None:
    async with agent_on(world, RealDriver(world.clock)):
        await allocate(world, await world.create(SPEC))
        why = "DRA driver gpu.example.com is not registered"
        expected = f"Failed to prepare dynamic resources: prepare dynamic resources: {why}"
        async with asyncio.timeout(PATIENCE):
            while expected not in await world.events("FailedPrepareDynamicResources"):
                await world.clock.advance(1.0)


async def test_where_containers_are_played_devices_are_too(world: World) -> None:
    async with agent_on(world, FakeDriver(world.clock)):
        await allocate(world, await world.create(SPEC))
        await world.until_ready()


async def test_a_claim_that_is_reserved_for_others_is_refused(world: World) -> None:
    other = {"metadata": {"name": "other", "namespace": "default", "uid": "x"}, "spec": SPEC}
    with pytest.raises(NotPrepared, match="fetch ResourceClaim gpus: resourceclaims"):
        await prepare_devices(world.client, other)
    await allocate(world, await world.create(SPEC))
    with pytest.raises(NotPrepared, match=r"pod other \(x\) is not allowed to use ResourceClaim gpus"):
        await prepare_devices(world.client, other)
