import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest

from kube_lite.api.errors import Forbidden, NotFound, ServiceUnavailable, Unauthorized
from kube_lite.api.identity import GroupVersionResource
from kube_lite.client.informers import Informers
from kube_lite.client.kubeconfig import Access
from kube_lite.client.remote import RemoteClient, path_of
from kube_lite.kit.clock import RealClock
from kube_lite.kit.service import running
from tests.contracts.client_contract import CONFIG_MAPS, ClientContract, config_map
from tests.http.site import Site, site_in

NAMESPACES = GroupVersionResource("", "v1", "namespaces")
ACCOUNTS = GroupVersionResource("", "v1", "serviceaccounts")


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[Site]:
    async with site_in(tmp_path) as made:
        await made.client.create(NAMESPACES, {"metadata": {"name": "default"}})
        await made.client.create(ACCOUNTS, {"metadata": {"name": "default"}}, namespace="default")
        yield made


def access_to(site: Site, *, as_nobody: bool = False) -> Access:
    admin = site.authority.client("admin", "admin", ["system:masters"])
    access = Access(site.url, ca_pem=site.authority.certificate_pem)
    if as_nobody:
        return access
    return access._replace(cert_pem=admin.certificate.read_bytes(), key_pem=admin.key.read_bytes())


@pytest.fixture
async def client(site: Site) -> AsyncIterator[RemoteClient]:
    async with RemoteClient(access_to(site)) as client:
        yield client


@pytest.fixture
def forget(site: Site) -> Callable[[], Awaitable[None]]:
    async def forget_everything() -> None:
        await site.store.compact(site.store.revision)

    return forget_everything


class TestRemoteClient(ClientContract):
    pass


def test_paths() -> None:
    deployments = GroupVersionResource("apps", "v1", "deployments")
    assert path_of(CONFIG_MAPS) == "/api/v1/configmaps"
    assert (
        path_of(deployments, "default", "web", "scale")
        == "/apis/apps/v1/namespaces/default/deployments/web/scale"
    )
    assert path_of(NAMESPACES, "", "a/b") == "/api/v1/namespaces/a%2Fb"


async def test_items_of_a_list_say_what_they_are(client: RemoteClient) -> None:
    await client.create(CONFIG_MAPS, config_map("a"), namespace="default")
    [found] = (await client.list(CONFIG_MAPS, namespace="default")).items
    assert (found["apiVersion"], found["kind"]) == ("v1", "ConfigMap")


async def test_strangers_are_told_that_they_may_not(site: Site) -> None:
    async with RemoteClient(access_to(site, as_nobody=True)) as stranger:
        with pytest.raises((Forbidden, Unauthorized)):
            await stranger.list(CONFIG_MAPS)


async def test_a_server_that_is_not_there_is_unavailable(site: Site) -> None:
    access = access_to(site)._replace(server="https://127.0.0.1:1")
    async with RemoteClient(access) as lost:
        with pytest.raises(ServiceUnavailable, match="cannot be reached"):
            await lost.list(CONFIG_MAPS)


async def test_a_server_that_somebody_else_vouches_for_is_not_trusted(site: Site, tmp_path: Path) -> None:
    from kube_lite.kit.pki import Authority

    other = Authority(tmp_path / "other", "ca", RealClock().now)
    async with RemoteClient(access_to(site)._replace(ca_pem=other.certificate_pem)) as wary:
        with pytest.raises(ServiceUnavailable, match="certificate"):
            await wary.list(CONFIG_MAPS)


async def test_an_object_larger_than_any_buffer_comes_through_a_watch_whole(client: RemoteClient) -> None:
    large = config_map("large") | {"data": {"k": "x" * 900_000}}
    async with asyncio.timeout(10), client.watch(CONFIG_MAPS, namespace="default") as events:
        await client.create(CONFIG_MAPS, large, namespace="default")
        assert (await anext(events)).object["data"] == large["data"]


async def test_informers_follow_a_remote_api(client: RemoteClient) -> None:
    informers = Informers(client, RealClock())
    informer = informers.informer(CONFIG_MAPS, namespace="default")
    async with running(informers), asyncio.timeout(10):
        await informer.synced()
        await client.create(CONFIG_MAPS, config_map("a"), namespace="default")
        while not informer.list():
            await asyncio.sleep(0.005)


async def test_a_path_that_leads_nowhere_is_told_in_the_words_of_other_clients(client: RemoteClient) -> None:
    metrics = GroupVersionResource("metrics.k8s.io", "v1beta1", "pods")
    with pytest.raises(NotFound, match=r"^the server could not find the requested resource$"):
        await client.list(metrics, namespace="default")
