"""Virtual servers as rules of the kernel: real pods ask real Service addresses."""

import asyncio
import os
import re
import subprocess
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import ExitStack
from ipaddress import IPv4Network
from pathlib import Path
from typing import NamedTuple

import pytest
from kube_lite_runtime.errors import NotSupported
from kube_lite_runtime.network import nft
from kube_lite_runtime.network.bridge import Bridge, bridge_name
from kube_lite_runtime.network.forwarder import Forwarder
from kube_lite_runtime.network.service_backends import select_backend
from kube_lite_runtime.network.service_rules import ServiceRules, plan_services
from kube_lite_runtime.network.services import ANY_LOCAL, Endpoint, VirtualServer

from .namespaces import Namespace, ask, new_namespace

needs_root = [
    pytest.mark.needs_root,
    pytest.mark.skipif(os.geteuid() != 0, reason="needs_root: makes namespaces, a bridge and rules"),
]

RANGE = 64 + os.getpid() % 64
CIDR = f"10.{RANGE}.8.0/24"
SERVICES = f"10.{RANGE + 64}.0.0/16"
WEB = f"10.{RANGE + 64}.0.10"


class Pods(NamedTuple):
    """Two pods that serve under their names, and the rules to reach them."""

    rules: ServiceRules
    network: Bridge
    one: Namespace
    other: Namespace
    endpoints: tuple[Endpoint, Endpoint]

    async def apply(self, *servers: VirtualServer) -> None:
        await self.rules.apply(servers)

    async def ask(
        self, address: str, port: int = 80, *, times: int = 1, pod: Namespace | None = None
    ) -> list[str]:
        """What the Service answers to the host or a pod."""

        def all_times() -> list[str]:
            asker = pod.ask if pod else ask
            return [asker(address, port) for _ in range(times)]

        return await asyncio.to_thread(all_times)


@pytest.fixture
async def pods(tmp_path: Path) -> AsyncIterator[Pods]:
    async with Bridge(tmp_path, CIDR, SERVICES) as network:
        rules = ServiceRules(bridge_name(tmp_path), SERVICES)
        with ExitStack() as stack:
            stack.callback(lambda: None)
            names = [await asyncio.to_thread(new_namespace) for _ in range(2)]
            try:
                endpoints = []
                for name, namespace in zip(("one", "other"), names, strict=True):
                    (address,) = await network.attach(name, namespace.path)
                    endpoints.append(Endpoint(address, 80))
                    await asyncio.to_thread(stack.enter_context, namespace.serving(name))
                async with rules:
                    yield Pods(rules, network, names[0], names[1], (endpoints[0], endpoints[1]))
            finally:
                await network.teardown()
                for namespace in names:
                    namespace.end()
    left = subprocess.run(["nft", "list", "ruleset"], capture_output=True, text=True, check=True).stdout
    assert network.name not in left


def web(*endpoints: Endpoint, address: str = WEB, port: int = 80, sticky: bool = False) -> VirtualServer:
    return VirtualServer(address, port, "tcp", endpoints, sticky)


class TestInTheKernel:
    pytestmark = needs_root

    async def test_replicas_answer_in_turn_to_host_and_pods(self, pods: Pods) -> None:
        await pods.apply(web(*pods.endpoints))
        gateway = pods.network.gateway
        answers = Counter(await pods.ask(WEB, times=4))
        assert answers == {f"one sees {gateway}": 2, f"other sees {gateway}": 2}
        third = await asyncio.to_thread(new_namespace)
        try:
            (address,) = await pods.network.attach("third", third.path)
            answers = Counter(await pods.ask(WEB, times=4, pod=third))
            assert answers == {f"one sees {address}": 2, f"other sees {address}": 2}
        finally:
            third.end()

    async def test_a_pod_reaches_itself_through_its_service(self, pods: Pods) -> None:
        await pods.apply(web(pods.endpoints[0]))
        assert await pods.ask(WEB, pod=pods.one) == [f"one sees {pods.network.gateway}"]

    async def test_a_change_of_endpoints_is_in_force_at_once(self, pods: Pods) -> None:
        for name, endpoint in zip(("one", "other"), pods.endpoints, strict=True):
            await pods.apply(web(endpoint))
            answers = await pods.ask(WEB, times=3)
            assert {answer.split()[0] for answer in answers} == {name}

    async def test_without_endpoints_and_without_service_connections_are_refused(self, pods: Pods) -> None:
        await pods.apply(web())
        nobody = f"10.{RANGE + 64}.0.99"
        for address, port in ((WEB, 80), (WEB, 81), (nobody, 80)):
            assert await pods.ask(address, port) == ["ConnectionRefusedError"]
            assert await pods.ask(address, port, pod=pods.one) == ["ConnectionRefusedError"]

    async def test_a_sticky_client_comes_to_the_same_endpoint(self, pods: Pods) -> None:
        await pods.apply(web(*pods.endpoints, sticky=True))
        assert len(set(await pods.ask(WEB, times=4))) == 1

    async def test_a_node_port_answers_on_loopback_and_on_every_address_of_the_host(self, pods: Pods) -> None:
        await pods.apply(web(pods.endpoints[0], address=ANY_LOCAL, port=30999))
        assert await pods.ask("127.0.0.1", 30999) == [f"one sees {pods.network.gateway}"]
        for pod in (None, pods.one, pods.other):
            (answer,) = await pods.ask(pods.network.gateway, 30999, pod=pod)
            assert answer.startswith("one sees ")

    async def test_an_endpoint_on_the_host_itself_is_reached_by_pods_and_host(self, pods: Pods) -> None:
        async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(b"api")
            writer.close()

        async with await asyncio.start_server(answer, pods.network.gateway, 0) as server:
            port = server.sockets[0].getsockname()[1]
            await pods.apply(web(Endpoint(pods.network.gateway, port), port=443))
            assert await pods.ask(WEB, 443) == ["api"]
            assert await pods.ask(WEB, 443, pod=pods.one) == ["api"]

    async def test_rules_the_kernel_refuses_leave_the_old_ones_in_force(self, pods: Pods) -> None:
        await pods.apply(web(pods.endpoints[0]))
        with pytest.raises(NotSupported, match="refuses"):
            await pods.apply(web(Endpoint("no address", 80)))
        assert len(await pods.ask(WEB)) == 1

    async def test_addresses_of_further_ranges_are_reached_and_refused_alike(self, pods: Pods) -> None:
        further = f"198.18.{RANGE}.0/24"
        await pods.rules.cover([SERVICES, further])
        await pods.apply(web(pods.endpoints[0], address=f"198.18.{RANGE}.7"))
        for pod in (None, pods.other):
            [answer] = await pods.ask(f"198.18.{RANGE}.7", pod=pod)
            assert answer.startswith("one ")
            assert await pods.ask(f"198.18.{RANGE}.8", pod=pod) == ["ConnectionRefusedError"]
        await pods.rules.cover([SERVICES])

    async def test_the_table_can_be_taken_away_twice(self, pods: Pods) -> None:
        await pods.apply(web(pods.endpoints[0]))
        await pods.rules.teardown()
        await pods.rules.teardown()


def test_servers_with_the_same_endpoints_share_the_turn() -> None:
    pair = (Endpoint("10.1.0.2", 80), Endpoint("10.1.0.3", 80))
    text = plan_services(
        [web(*pair), web(*pair, address=ANY_LOCAL, port=30080)],
        bridge="b",
        service_cidr="10.9.0.0/16",
        further=[IPv4Network("10.20.5.0/24"), IPv4Network("10.20.0.0/16")],
    )
    assert len(re.findall(r"^chain server_", text, re.M)) == 1
    assert f"{WEB} . tcp . 80 : goto server_0" in text
    assert "{ tcp . 30080 : goto server_0 }" in text
    assert "  ip daddr 10.9.0.0/16 reject" in text
    assert '  oifname "b" ip daddr { 10.20.0.0/16 } reject' in text


def test_the_kernel_is_preferred_where_pods_have_a_network_and_it_lets_us(tmp_path: Path) -> None:
    assert isinstance(select_backend(tmp_path, SERVICES, has_pod_network=False), Forwarder)
    chosen = select_backend(tmp_path, SERVICES, has_pod_network=True)
    assert isinstance(chosen, ServiceRules if nft.is_allowed() else Forwarder)
