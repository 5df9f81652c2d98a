from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from kube_lite.api.errors import Invalid
from kube_lite.api.identity import Json
from kube_lite.client.informers import Informers
from kube_lite.client.recorder import Recorder
from kube_lite.controllers.resources import IP_ADDRESSES, SERVICE_CIDRS, SERVICES
from kube_lite.controllers.service_ips import ServiceIPs, addresses_of, plan_object
from kube_lite.kit.service import running

from .harness import World, world


def service(name: str = "web", **spec: object) -> Json:
    return {"metadata": {"name": name}, "spec": {"ports": [{"port": 80}], **spec}}


@asynccontextmanager
async def keeping(it: World) -> AsyncIterator[None]:
    """With the controller."""
    informers, recorder = Informers(it.client, it.clock), Recorder(it.client, it.clock, "kube-apiserver")
    addresses = ServiceIPs(it.client, informers, it.clock, recorder)
    async with running(informers), running(recorder), running(addresses):
        yield


@asynccontextmanager
async def controlled(path: Path) -> AsyncIterator[World]:
    async with world(path, only=[]) as it, keeping(it):
        yield it


async def until_owner(it: World, address: str, name: str) -> Json:
    """The IPAddress, when it says that the Service of that name has it."""

    async def is_theirs() -> bool:
        found = await it.find(IP_ADDRESSES, address, "")
        return found is not None and found["spec"]["parentRef"]["name"] == name

    await it.until(is_theirs)
    return await it.get(IP_ADDRESSES, address, "")


@pytest.mark.parametrize(
    ("spec", "addresses"),
    [
        pytest.param({"clusterIP": "10.96.0.1", "clusterIPs": ["10.96.0.1", "FD00::01"]},
                     ["10.96.0.1", "fd00::1"], id="both families"),
        pytest.param({"clusterIP": "None", "clusterIPs": ["None"]}, [], id="headless"),
        pytest.param({"type": "ExternalName", "externalName": "a.example"}, [], id="another name"),
    ],
)  # fmt: skip
def test_addresses_are_called_by_their_canonical_form(spec: Json, addresses: list[str]) -> None:
    assert addresses_of({"spec": spec}) == addresses


async def test_an_address_says_which_service_has_it_and_goes_with_it(tmp_path: Path) -> None:
    async with controlled(tmp_path) as it:
        made = await it.create(SERVICES, service())
        address = made["spec"]["clusterIP"]
        found = await until_owner(it, address, "web")
        planned = plan_object(address, made)
        assert found["spec"] == planned["spec"]
        assert found["metadata"]["labels"] == planned["metadata"]["labels"]
        await it.delete(SERVICES, "web")
        await it.until_gone(IP_ADDRESSES, address, "")


async def test_an_address_may_pass_to_another_service_at_once(tmp_path: Path) -> None:
    async with controlled(tmp_path) as it:
        made = await it.create(SERVICES, service())
        address = made["spec"]["clusterIP"]
        await until_owner(it, address, "web")
        await it.delete(SERVICES, "web")
        await it.create(SERVICES, service("other", clusterIP=address))
        await until_owner(it, address, "other")


async def test_what_is_deleted_is_made_again_while_the_service_is_there(tmp_path: Path) -> None:
    async with controlled(tmp_path) as it:
        address = (await it.create(SERVICES, service()))["spec"]["clusterIP"]
        first = await until_owner(it, address, "web")
        await it.client.delete(IP_ADDRESSES, address)

        async def is_another() -> bool:
            found = await it.find(IP_ADDRESSES, address, "")
            return found is not None and found["metadata"]["uid"] != first["metadata"]["uid"]

        await it.until(is_another)
        await it.until_told(
            "ClusterIPNotAllocated", f"Cluster IP [IPv4]: {address} is not allocated; repairing"
        )


async def test_the_ways_of_every_day_are_not_told(tmp_path: Path) -> None:
    async with controlled(tmp_path) as it:
        for name in ("a", "b"):
            address = (await it.create(SERVICES, service(name, clusterIP="10.96.7.7")))["spec"]["clusterIP"]
            await until_owner(it, address, name)
            await it.delete(SERVICES, name)
        await it.until_gone(IP_ADDRESSES, address, "")
        for reason in ("ClusterIPNotAllocated", "IPAddressNotAllocated", "IPAddressWrongReference"):
            assert not await it.messages(reason)


async def test_an_object_that_tells_of_another_service_is_made_right(tmp_path: Path) -> None:
    async with world(tmp_path, only=[]) as it:
        made = await it.create(SERVICES, service())
        other = await it.create(SERVICES, service("other"))
        address = made["spec"]["clusterIP"]
        await it.create(IP_ADDRESSES, plan_object(address, other), "")
        await it.create(IP_ADDRESSES, plan_object("10.96.9.9", other), "")
    async with controlled(tmp_path) as it:
        await until_owner(it, address, "web")
        words = f"the ClusterIP [IPv4]: {address} for Service default/web has a wrong reference; repairing"
        await it.until_told("ClusterIPNotAllocated", words)
        await it.until_gone(IP_ADDRESSES, "10.96.9.9", "")
        words = "IPAddress: 10.96.9.9 for Service default/other has a wrong reference; cleaning up"
        await it.until_told("IPAddressWrongReference", words)


async def test_an_object_without_a_service_goes(tmp_path: Path) -> None:
    async with controlled(tmp_path) as it:
        gone = {"metadata": {"name": "gone", "namespace": "default"}}
        await it.create(IP_ADDRESSES, plan_object("10.96.9.9", gone), "")
        made = plan_object("10.96.9.8", gone)
        made["spec"]["parentRef"] = {"group": "example.com", "resource": "routers", "name": "r"}
        await it.create(IP_ADDRESSES, made, "")
        await it.until_gone(IP_ADDRESSES, "10.96.9.8", "")
        words = "IPAddress 10.96.9.8 appears to have been modified, not referencing a Service "
        await it.until_told("IPAddressNotAllocated", words + "&{example.com routers  r}: cleaning up")
        await it.until_gone(IP_ADDRESSES, "10.96.9.9", "")
        words = "IPAddress: 10.96.9.9 for Service default/gone appears to have leaked: cleaning up"
        await it.until_told("IPAddressNotAllocated", words)


async def test_an_address_of_no_range_is_told_and_gets_no_object(tmp_path: Path) -> None:
    async with controlled(tmp_path) as it:
        address = (await it.create(SERVICES, service()))["spec"]["clusterIP"]
        await until_owner(it, address, "web")
        other = {"metadata": {"name": "other"}, "spec": {"cidrs": ["192.0.2.0/28"]}}
        await it.create(SERVICE_CIDRS, other, "")
        await it.client.delete(IP_ADDRESSES, address)
        why = "is not within any configured Service CIDR; please recreate service"
        await it.until_told("ClusterIPOutOfRange", f"Cluster IP [IPv4]: {address} {why}")
        assert await it.find(IP_ADDRESSES, address, "") is None
        usual = {"metadata": {"name": "kubernetes"}, "spec": {"cidrs": ["10.96.0.0/16"]}}
        await it.create(SERVICE_CIDRS, usual, "")
        await until_owner(it, address, "web")


async def test_an_address_that_somebody_keeps_is_not_given_out_and_stays(tmp_path: Path) -> None:
    async with controlled(tmp_path) as it:
        parent = {"group": "example.com", "resource": "routers", "name": "r"}
        kept = {"metadata": {"name": "10.96.5.5"}, "spec": {"parentRef": parent}}
        await it.create(IP_ADDRESSES, kept, "")
        with pytest.raises(Invalid, match="provided IP is already allocated"):
            await it.create(SERVICES, service(clusterIP="10.96.5.5"))
        address = (await it.create(SERVICES, service()))["spec"]["clusterIP"]
        await until_owner(it, address, "web")
        assert await it.find(IP_ADDRESSES, "10.96.5.5", "") is not None
