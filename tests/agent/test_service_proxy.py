"""The service proxy on a real API, with a backend that only remembers what it was told."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from kube_lite_runtime.errors import NotSupported
from kube_lite_runtime.network.services import VirtualServer

from kube_lite.agent.service_proxy import (
    ENDPOINT_SLICES,
    RETRY_SECONDS,
    SERVICE_CIDRS,
    SERVICES,
    ServiceProxy,
)
from kube_lite.api.identity import Json
from kube_lite.client.informers import Informers
from kube_lite.kit.service import running

from .world import World, world_in


class Remembering:
    """A ``ProxyBackend`` that keeps what it was told, and fails when told to."""

    name = "remembering"
    limits = ""

    def __init__(self) -> None:
        self.told: list[dict[str, list[str]]] = []
        self.covered: list[Sequence[str]] = []
        self.failures = 0
        self.changed = asyncio.Condition()

    async def __aenter__(self) -> "Remembering":
        return self

    async def __aexit__(self, *failure: object) -> None: ...

    async def teardown(self) -> None: ...

    async def cover(self, ranges: Sequence[str]) -> None:
        async with self.changed:
            self.covered.append(ranges)
            self.changed.notify_all()

    async def apply(self, servers: Sequence[VirtualServer]) -> None:
        async with self.changed:
            self.changed.notify_all()
            if self.failures:
                self.failures -= 1
                raise NotSupported("not now")
            self.told.append(
                {
                    f"{server.address}:{server.port}": [e.address for e in server.endpoints]
                    for server in servers
                }
            )

    async def until(self, servers: dict[str, list[str]]) -> None:
        """Wait until the newest it was told is this."""
        async with asyncio.timeout(10), self.changed:
            await self.changed.wait_for(lambda: self.told and self.told[-1] == servers)


@asynccontextmanager
async def proxy_on(world: World, backend: Remembering) -> AsyncIterator[None]:
    informers = Informers(world.client, world.clock)
    proxy = ServiceProxy(informers, backend, world.clock, has_ranges=True)
    async with running(informers), running(proxy):
        yield


async def make_service(world: World, name: str = "web") -> str:
    """A Service; where it answers."""
    spec = {"selector": {"app": name}, "ports": [{"port": 80, "targetPort": 8080}]}
    made = await world.client.create(
        SERVICES, {"metadata": {"name": name}, "spec": spec}, namespace="default"
    )
    return f"{made['spec']['clusterIP']}:80"


def slice_for(name: str, *addresses: str, **conditions: bool) -> Json:
    return {
        "metadata": {"name": f"{name}-1", "labels": {"kubernetes.io/service-name": name}},
        "addressType": "IPv4",
        "ports": [{"name": "", "port": 8080, "protocol": "TCP"}],
        "endpoints": [{"addresses": [address], "conditions": conditions} for address in addresses],
    }


async def set_slice(world: World, name: str, *addresses: str, **conditions: bool) -> None:
    wanted = slice_for(name, *addresses, **conditions)
    if (await world.client.list(ENDPOINT_SLICES, namespace="default")).items:
        await world.client.update(ENDPOINT_SLICES, wanted, namespace="default")
    else:
        await world.client.create(ENDPOINT_SLICES, wanted, namespace="default")


async def test_what_is_there_already_is_reachable_once_the_proxy_is_ready(tmp_path: Path) -> None:
    async with world_in(tmp_path) as world:
        place = await make_service(world)
        await set_slice(world, "web", "10.244.0.2", ready=True)
        backend = Remembering()
        async with proxy_on(world, backend):
            assert backend.told == [{place: ["10.244.0.2"]}]


async def test_endpoints_come_and_go_with_readiness(tmp_path: Path) -> None:
    async with world_in(tmp_path) as world:
        backend = Remembering()
        async with proxy_on(world, backend):
            place = await make_service(world)
            await backend.until({place: []})
            await set_slice(world, "web", "10.244.0.2", "10.244.0.3", ready=True)
            await backend.until({place: ["10.244.0.2", "10.244.0.3"]})
            await set_slice(world, "web", "10.244.0.2", ready=False)
            await backend.until({place: []})
            await world.client.delete(SERVICES, "web", namespace="default")
            await backend.until({})


async def test_a_change_that_concerns_no_connection_is_not_applied(tmp_path: Path) -> None:
    async with world_in(tmp_path) as world:
        place = await make_service(world)
        await set_slice(world, "web", "10.244.0.2", ready=True)
        backend = Remembering()
        async with proxy_on(world, backend):
            patch = {"metadata": {"annotations": {"a": "b"}}}
            await world.client.patch(SERVICES, "web", patch, namespace="default")
            other = await make_service(world, "other")
            await backend.until({other: [], place: ["10.244.0.2"]})
        assert len(backend.told) == 2


async def test_many_changes_at_once_are_few_rounds(tmp_path: Path) -> None:
    async with world_in(tmp_path) as world:
        backend = Remembering()
        async with proxy_on(world, backend):
            async with asyncio.TaskGroup() as group:
                tasks = [group.create_task(make_service(world, f"web-{number}")) for number in range(40)]
            await backend.until({task.result(): [] for task in tasks})
        assert len(backend.told) < 20


async def test_a_backend_that_fails_is_tried_again_after_a_while(tmp_path: Path) -> None:
    async with world_in(tmp_path) as world:
        backend = Remembering()
        async with proxy_on(world, backend):
            backend.failures = 1
            place = await make_service(world)
            async with asyncio.timeout(10):
                while not backend.told[-1]:
                    await world.clock.advance(RETRY_SECONDS)
            await backend.until({place: []})


async def test_a_backend_that_fails_at_once_ends_the_proxy_with_its_reason(tmp_path: Path) -> None:
    async with world_in(tmp_path) as world:
        backend = Remembering()
        backend.failures = 1
        await make_service(world)
        with pytest.raises(NotSupported):
            async with proxy_on(world, backend):
                pass


async def test_the_backend_hears_of_every_range_of_addresses(tmp_path: Path) -> None:
    backend = Remembering()
    async with world_in(tmp_path) as world, proxy_on(world, backend):
        assert backend.covered == [[]]
        for name, cidrs in (("b", ["192.0.2.0/28", "fd00::/112"]), ("a", ["10.96.0.0/16"])):
            await world.client.create(SERVICE_CIDRS, {"metadata": {"name": name}, "spec": {"cidrs": cidrs}})
        async with asyncio.timeout(10), backend.changed:
            await backend.changed.wait_for(lambda: backend.covered[-1] == ["10.96.0.0/16", "192.0.2.0/28"])
