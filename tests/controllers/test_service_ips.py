from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from kube_lite.api.errors import Invalid
from kube_lite.api.identity import Json
from kube_lite.client.informers import Informers
from kube_lite.controllers.resources import SERVICES
from kube_lite.controllers.service_ips import IP_ADDRESSES, ServiceIPs, addresses_of, plan_object
from kube_lite.kit.service import running

from .harness import World, world


def service(name: str = "web", **spec: object) -> Json:
    return {"metadata": {"name": name}, "spec": {"ports": [{"port": 80}], **spec}}


@asynccontextmanager
async def keeping(it: World) -> AsyncIterator[None]:
    """With the controller."""
    informers = Informers(it.client, it.clock)
    async with running(informers), running(ServiceIPs(it.client, informers, it.clock)):
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
