"""Faults that a test asks for: requests that fail, wait or lose their answer, and watches that end."""

import asyncio
import random
import ssl
from collections.abc import AsyncIterator, Coroutine
from typing import Any

import pytest
import pytest_asyncio
from aiohttp import ClientSession, TCPConnector

import kube_lite
from kube_lite.api.errors import Conflict, Expired, InternalError, NotFound, TooManyRequests
from kube_lite.api.identity import GroupVersionResource, Json
from kube_lite.kit.clock import ManualClock
from kube_lite.verbs.faults import Faults

MAPS = GroupVersionResource("", "v1", "configmaps")
PODS = GroupVersionResource("", "v1", "pods")


def named(name: str) -> Json:
    return {"metadata": {"name": name}}


@pytest_asyncio.fixture
async def cluster() -> AsyncIterator[kube_lite.Cluster]:
    async with kube_lite.Cluster(parts="api", durable=False, clock=ManualClock()) as started:
        yield started


async def test_requests_fail_as_often_as_is_wished(cluster: kube_lite.Cluster) -> None:
    client = cluster.client
    with cluster.faults.inject(429, verb="create", resource="configmaps", times=2) as fault:
        for _ in range(2):
            with pytest.raises(TooManyRequests) as caught:
                await client.create(MAPS, named("a"), namespace="default")
            assert caught.value.retry_after == 1
        await client.create(MAPS, named("a"), namespace="default")
        await client.get(MAPS, "a", namespace="default")
    assert fault.hits == 2
    assert not cluster.faults


async def test_clients_over_http_are_met_too() -> None:
    async with kube_lite.Cluster(parts="api", durable=False) as cluster:
        pki = cluster.directory / "pki"
        tls = ssl.create_default_context(cafile=pki / "ca.crt")
        tls.load_cert_chain(pki / "admin.crt", pki / "admin.key")
        async with ClientSession(cluster.url, connector=TCPConnector(ssl=tls)) as http:
            path = "/api/v1/namespaces/default"
            assert (await http.get(path)).status == 200
            with cluster.faults.inject(503, verb="get", resource="namespaces"):
                refused = await http.get(path)
                assert (refused.status, refused.headers["Retry-After"]) == (503, "1")
                assert (await refused.json())["reason"] == "ServiceUnavailable"
            assert (await http.get(path)).status == 200


async def test_an_answer_can_be_lost_of_what_is_done(cluster: kube_lite.Cluster) -> None:
    with cluster.faults.inject(500, verb="create", is_done=True), pytest.raises(InternalError):
        await cluster.client.create(MAPS, named("a"), namespace="default")
    assert (await cluster.client.get(MAPS, "a", namespace="default"))["metadata"]["name"] == "a"


async def test_a_request_waits_by_the_clusters_clock(cluster: kube_lite.Cluster) -> None:
    assert isinstance(cluster.clock, ManualClock)
    with cluster.faults.inject(delay_seconds=60, verb="get") as fault:
        asking = asyncio.ensure_future(cluster.client.get(MAPS, "a", namespace="default"))
        while not fault.hits:
            await asyncio.sleep(0)
        assert not asking.done()
        await cluster.clock.advance(60)
        with pytest.raises(NotFound):
            await asking


@pytest.mark.parametrize("error", [None, 410])
async def test_a_watch_ends_after_so_many_events(cluster: kube_lite.Cluster, error: int | None) -> None:
    client, seen = cluster.client, []
    version = (await client.list(MAPS, namespace="default")).resource_version
    for name in "abc":
        await client.create(MAPS, named(name), namespace="default")
    with cluster.faults.inject(error, verb="watch", drop_after=2):
        try:
            async with client.watch(MAPS, namespace="default", resource_version=version) as events:
                async for event in events:
                    seen.append(event.object["metadata"]["name"])
        except Expired:
            assert error == 410
        else:
            assert error is None
    assert seen == ["a", "b"]


async def test_a_fault_is_for_what_it_names_and_by_chance(cluster: kube_lite.Cluster) -> None:
    faults = cluster.faults
    with (
        faults.inject(Conflict("not you"), user="jane", resource="pods/status", name="web-*") as jane,
        faults.inject(500, verb="list", share=0.5) as chance,
    ):
        found = [await _failed(cluster.client.list(MAPS)) for _ in range(200)]
    assert 50 < found.count(True) == chance.hits < 150
    assert jane.hits == 0


async def test_the_clusters_own_parts_are_spared_unless_they_are_named() -> None:
    async with kube_lite.Cluster(parts="api,controllers", durable=False) as cluster:
        with cluster.faults.inject(500):
            controllers = cluster.client_for("system:kube-controller-manager")
            await controllers.list(PODS)
            with pytest.raises(InternalError):
                await cluster.client.list(PODS)
            with cluster.faults.inject(500, user="system:kube-*"), pytest.raises(InternalError):
                await controllers.list(PODS)
            cluster.faults.clear()
            await cluster.client.list(PODS)


def test_an_error_that_nobody_gives_is_refused() -> None:
    with pytest.raises(ValueError, match="error 418: known are 409, 410, 429"):
        Faults(ManualClock(), random.Random()).inject(418).__enter__()


async def _failed(asking: Coroutine[Any, Any, object]) -> bool:
    try:
        await asking
    except InternalError:
        return True
    return False
