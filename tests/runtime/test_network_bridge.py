"""Real namespaces on a real bridge. Ranges are of this test's own, so that a cluster may run beside it."""

import asyncio
import os
import socket
import subprocess
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from kube_lite_runtime.errors import NotSupported, SandboxFailed
from kube_lite_runtime.network.bridge import Bridge

from .namespaces import Namespace, ask, new_namespace

pytestmark = [
    pytest.mark.needs_root,
    pytest.mark.skipif(os.geteuid() != 0, reason="needs_root: makes namespaces and a bridge"),
]

RANGE = 64 + os.getpid() % 64
CIDR = f"10.{RANGE}.7.0/24"
SERVICES = f"10.{RANGE + 64}.0.0/16"

TOTAL_RETRANSMISSIONS = slice(100, 104)  # of struct tcp_info, linux/tcp.h


def on_host(command: str) -> str:
    return subprocess.run(command.split(), capture_output=True, text=True, check=True).stdout


def left_on_host(network: Bridge) -> list[str]:
    seen = on_host("ip -o link") + on_host("ip route") + on_host("nft list ruleset")
    wanted = (network.name, f"10.{RANGE}.", f"10.{RANGE + 64}.")
    return [line for line in seen.splitlines() if any(word in line for word in wanted)]


@pytest.fixture
async def network(tmp_path: Path) -> AsyncIterator[Bridge]:
    bridge = Bridge(tmp_path, CIDR, SERVICES)
    async with bridge:
        try:
            yield bridge
        finally:
            await bridge.teardown()
    assert left_on_host(bridge) == []
    assert list(tmp_path.iterdir()) == []


@pytest.fixture
def namespace() -> Iterator[Callable[[], Namespace]]:
    made: list[Namespace] = []

    def make() -> Namespace:
        made.append(new_namespace())
        return made[-1]

    yield make
    for one in made:
        one.end()


async def test_pods_reach_each_other_the_host_and_themselves(
    network: Bridge, namespace: Callable[[], Namespace]
) -> None:
    one, other = namespace(), namespace()
    (first,) = await network.attach("one", one.path)
    (second,) = await network.attach("other", other.path)

    def everybody_asks() -> None:
        with one.serving("one"):
            for _ in range(3):  # the first brings a redirect from the host, which must not be followed
                assert other.ask(first) == f"one sees {second}"
            assert one.ask(first) == f"one sees {first}"
            assert one.ask("127.0.0.1") == "one sees 127.0.0.1"
            assert ask(first) == f"one sees {network.gateway}"

    await asyncio.to_thread(everybody_asks)


async def test_a_pod_reaches_a_server_on_the_host_at_the_gateway(
    network: Bridge, namespace: Callable[[], Namespace]
) -> None:
    pod = namespace()
    (address,) = await network.attach("pod", pod.path)

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"host sees " + writer.get_extra_info("peername")[0].encode())
        writer.close()

    async with await asyncio.start_server(answer, network.gateway, 0) as server:
        port = server.sockets[0].getsockname()[1]
        assert await asyncio.to_thread(pod.ask, network.gateway, port) == f"host sees {address}"


async def test_pods_leave_the_host_under_its_own_address(
    network: Bridge, namespace: Callable[[], Namespace]
) -> None:
    pod, outside = namespace(), namespace()
    await network.attach("pod", pod.path)
    enter = " ".join(outside.enter())
    near, far = f"198.18.{RANGE}.1", f"198.18.{RANGE}.2"  # 198.18.0.0/15 is for tests, RFC 2544
    for command in (
        f"ip link add kltest{RANGE} type veth peer name eth0 netns {outside.path.parts[2]}",
        f"ip link set kltest{RANGE} up",
        f"ip addr add {near}/30 dev kltest{RANGE}",
    ):
        await asyncio.to_thread(on_host, command)
    try:
        for command in (f"{enter} ip link set eth0 up", f"{enter} ip addr add {far}/30 dev eth0"):
            await asyncio.to_thread(on_host, command)

        def ask_outside() -> str:
            with outside.serving("outside"):
                return pod.ask(far)

        assert await asyncio.to_thread(ask_outside) == f"outside sees {near}"
    finally:
        await asyncio.to_thread(on_host, f"ip link del kltest{RANGE}")


async def test_attaching_again_changes_nothing_and_repairs_what_is_gone(
    network: Bridge, namespace: Callable[[], Namespace]
) -> None:
    pod = namespace()
    first = await network.attach("pod", pod.path)
    assert await network.attach("pod", pod.path) == first
    await asyncio.to_thread(on_host, f"{' '.join(pod.enter())} ip link del eth0")
    assert await network.attach("pod", pod.path) == first
    replaced = namespace()
    assert await network.attach("pod", replaced.path) == first
    assert await asyncio.to_thread(replaced.ask, network.gateway, 9) == "ConnectionRefusedError"


async def test_a_network_opened_again_knows_who_is_connected(
    tmp_path: Path, namespace: Callable[[], Namespace]
) -> None:
    pod, later = namespace(), namespace()
    async with Bridge(tmp_path, CIDR, SERVICES) as network:
        first = await network.attach("pod", pod.path)
    async with Bridge(tmp_path, CIDR, SERVICES) as network:
        try:
            assert await network.attach("later", later.path) != first
            assert await network.attach("pod", pod.path) == first
            assert await asyncio.to_thread(pod.ask, network.gateway, 9) == "ConnectionRefusedError"
        finally:
            await network.teardown()
            await network.teardown()
    assert left_on_host(network) == []


async def test_the_host_has_an_address_for_each_name_that_pods_reach(
    tmp_path: Path, namespace: Callable[[], Namespace]
) -> None:
    pod = namespace()
    async with Bridge(tmp_path, CIDR, SERVICES) as network:
        own = [await network.host_address(name) for name in ("one", "two", "one")]
        assert own[0] == own[2]
        addresses = {network.gateway, *own, *await network.attach("pod", pod.path)}
        assert len(addresses) == 4
    async with Bridge(tmp_path, CIDR, SERVICES) as network:
        try:
            assert await network.host_address("two") == own[1]
            for address in own:
                assert await asyncio.to_thread(pod.ask, address, 9) == "ConnectionRefusedError"
        finally:
            await network.teardown()
    assert left_on_host(network) == []


async def test_a_network_without_a_free_address_says_for_whom(tmp_path: Path) -> None:
    async with Bridge(tmp_path, f"10.{RANGE}.7.0/30", SERVICES) as network:
        try:
            await network.host_address("one")
            with pytest.raises(NotSupported, match="no address for two: all 1 addresses"):
                await network.host_address("two")
        finally:
            await network.teardown()


async def test_detaching_frees_the_address_and_may_be_repeated(
    network: Bridge, namespace: Callable[[], Namespace]
) -> None:
    pod = namespace()
    await network.attach("pod", pod.path)
    ports = len(on_host("ip -o link").splitlines())
    await network.detach("pod")
    await network.detach("pod")
    await network.detach("never seen")
    assert len(on_host("ip -o link").splitlines()) == ports - 1
    assert await asyncio.to_thread(pod.ask, network.gateway, 9) == "OSError"


async def test_a_namespace_that_is_not_there_is_told_with_its_step(network: Bridge) -> None:
    with pytest.raises(SandboxFailed) as caught:
        await network.attach("pod", Path("/proc/1/ns/nothing"))
    assert caught.value.step == "connect to the network"
    await network.detach("pod")


async def test_a_pod_answers_from_the_moment_it_is_attached(
    network: Bridge, namespace: Callable[[], Namespace]
) -> None:
    with ExitStack() as stack:
        for number in range(8):
            pod = namespace()
            await asyncio.to_thread(stack.enter_context, pod.serving("pod"))
            (address,) = await network.attach(f"pod-{number}", pod.path)
            with socket.create_connection((address, 80), timeout=5) as connection:  # at once, in this thread
                state = connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 104)
            assert int.from_bytes(state[TOTAL_RETRANSMISSIONS], "little") == 0
