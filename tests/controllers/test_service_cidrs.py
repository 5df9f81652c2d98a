"""The ranges of Service addresses: ready, made again, and gone when nobody has an address of theirs."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from kube_lite.api import meta
from kube_lite.api.identity import Json
from kube_lite.client.informers import Informers
from kube_lite.client.recorder import Recorder
from kube_lite.controllers.resources import IP_ADDRESSES, SERVICE_CIDRS, SERVICES
from kube_lite.controllers.service_cidrs import (
    DEFAULT,
    FINALIZER,
    GRACE_SECONDS,
    STILL_USED,
    DefaultServiceCIDR,
    may_go,
)
from kube_lite.controllers.service_ips import ServiceIPs
from kube_lite.kit.clock import ManualClock
from kube_lite.kit.service import running

from .harness import World, world
from .kills import nothing, survive

ONLY = ["service-cidrs"]


def service_cidr(*cidrs: str, name: str = "more") -> Json:
    return {"metadata": {"name": name}, "spec": {"cidrs": list(cidrs)}}


def service(name: str = "web", **spec: object) -> Json:
    return {"metadata": {"name": name}, "spec": {"ports": [{"port": 80}], **spec}}


@asynccontextmanager
async def controlled(path: Path, clock: ManualClock) -> AsyncIterator[World]:
    """With all that looks after ranges and addresses."""
    async with world(path, only=ONLY, clock=clock) as it:
        informers, recorder = Informers(it.client, clock), Recorder(it.client, clock, "kube-apiserver")
        addresses = ServiceIPs(it.client, informers, clock, recorder)
        default = DefaultServiceCIDR(it.client, informers, clock, recorder, "10.96.0.0/16")
        async with running(informers), running(recorder), running(addresses), running(default):
            yield it


async def until_ready(it: World, name: str, status: str = "True") -> Json:
    """The ServiceCIDR, when it says whether it is ready."""

    async def is_so() -> bool:
        found = await it.find(SERVICE_CIDRS, name, "")
        return found is not None and (meta.condition(found, "Ready") or {}).get("status") == status

    await it.until(is_so)
    return await it.get(SERVICE_CIDRS, name, "")


async def until_gone(it: World, name: str, clock: ManualClock) -> None:
    async def is_gone() -> bool:
        await clock.advance(1.0)
        return await it.find(SERVICE_CIDRS, name, "") is None

    await it.until(is_gone)


@pytest.mark.parametrize(
    ("going", "others", "addresses", "expected"),
    [
        pytest.param(["10.0.0.0/24"], [], [], True, id="nobody uses it"),
        pytest.param(["10.0.0.0/24"], [], ["10.0.0.7"], False, id="somebody uses it"),
        pytest.param(["10.0.0.0/24"], [["10.0.0.0/16"]], ["10.0.0.7"], True, id="a wider one is there"),
        pytest.param(["10.0.0.0/24"], [["10.0.0.0/24"]], ["10.0.0.7"], True, id="the same is there"),
        pytest.param(["10.0.0.0/16"], [["10.0.0.0/24"]], ["10.0.0.7"], True, id="what is used is elsewhere"),
        pytest.param(["10.0.0.0/16"], [["10.0.0.0/24"]], ["10.0.1.7"], False, id="not all of it"),
        pytest.param(["10.0.0.0/16"], [["10.0.0.0/24"]], ["10.0.0.255"], False, id="what none gives out"),
        pytest.param(["10.0.0.0/24", "fd00::/112"], [["10.0.0.0/16"]], ["fd00::7"], False, id="one family"),
        pytest.param(["10.0.0.0/24"], [], ["192.0.2.1"], True, id="addresses of others"),
    ],
)
def test_a_range_may_go_when_no_address_is_left_without_one(
    going: list[str], others: list[list[str]], addresses: list[str], expected: bool
) -> None:
    rest = [service_cidr(*cidrs, name=f"other-{number}") for number, cidrs in enumerate(others)]
    assert may_go(service_cidr(*going), rest, addresses) == expected


async def test_a_range_is_held_and_says_that_it_is_ready(tmp_path: Path) -> None:
    async with controlled(tmp_path, ManualClock()) as it:
        await it.create(SERVICE_CIDRS, service_cidr("192.0.2.0/28"), "")
        found = await until_ready(it, "more")
        assert meta.has_finalizer(found, FINALIZER)
        assert (meta.condition(found, "Ready") or {})["message"] == "Kubernetes Service CIDR is ready"


async def test_a_range_that_is_used_stays_until_its_addresses_are_given_back(tmp_path: Path) -> None:
    clock = ManualClock()
    async with controlled(tmp_path, clock) as it:
        await it.create(SERVICE_CIDRS, service_cidr("192.0.2.0/28"), "")
        await until_ready(it, "more")
        await it.create(SERVICES, service(clusterIP="192.0.2.5"))

        async def is_known() -> bool:
            return await it.find(IP_ADDRESSES, "192.0.2.5", "") is not None

        await it.until(is_known)
        await it.client.delete(SERVICE_CIDRS, "more")
        found = await until_ready(it, "more", "False")
        condition = meta.condition(found, "Ready") or {}
        assert (condition["reason"], condition["message"]) == ("Terminating", STILL_USED)
        with pytest.raises(Exception, match="does not match the current range"):
            await it.create(SERVICES, service("other", clusterIP="192.0.2.6"))
        await it.delete(SERVICES, "web")
        await until_gone(it, "more", clock)


async def test_a_range_waits_a_while_before_it_goes(tmp_path: Path) -> None:
    clock = ManualClock()
    async with controlled(tmp_path, clock) as it:
        await it.create(SERVICE_CIDRS, service_cidr("192.0.2.0/28"), "")
        await until_ready(it, "more")
        asked = clock.now()
        await it.client.delete(SERVICE_CIDRS, "more")
        await until_gone(it, "more", clock)
        assert clock.now() - asked >= GRACE_SECONDS


async def test_the_first_range_is_made_and_made_again(tmp_path: Path) -> None:
    clock = ManualClock()
    async with controlled(tmp_path, clock) as it:
        first = await until_ready(it, DEFAULT)
        assert first["spec"]["cidrs"] == ["10.96.0.0/16"]
        await it.client.delete(SERVICE_CIDRS, DEFAULT)

        async def is_another() -> bool:
            await clock.advance(1.0)
            found = await it.find(SERVICE_CIDRS, DEFAULT, "")
            return found is not None and meta.uid_of(found) != meta.uid_of(first)

        await it.until(is_another)
        await until_ready(it, DEFAULT)


async def test_a_first_range_of_others_is_told(tmp_path: Path) -> None:
    clock = ManualClock()
    async with world(tmp_path, only=[], clock=clock) as it:
        await it.create(SERVICE_CIDRS, service_cidr("10.97.0.0/16", name=DEFAULT), "")
    async with controlled(tmp_path, clock) as it:
        words = "The default ServiceCIDR [10.97.0.0/16] does not match the controller flag configurations "
        await it.until_told("KubernetesDefaultServiceCIDRInconsistent", words + "[10.96.0.0/16]")


async def test_killed_after_every_write_a_range_is_ready_and_gone_at_last(tmp_path: Path) -> None:
    async with world(tmp_path, only=[]) as it:
        await it.create(SERVICE_CIDRS, service_cidr("192.0.2.0/28"), "")

    async def is_ready(it: World) -> bool:
        found = await it.get(SERVICE_CIDRS, "more", "")
        return meta.has_finalizer(found, FINALIZER) and meta.condition(found, "Ready") is not None

    await survive(tmp_path, nothing, is_ready, only=ONLY, writes=1)
    clock = ManualClock()
    async with controlled(tmp_path, clock) as it:
        await it.client.delete(SERVICE_CIDRS, "more")
        await until_gone(it, "more", clock)
