"""Controllers know nothing but ``Client``, so they do the same on the far side of a connection."""

import asyncio
from contextlib import AsyncExitStack
from pathlib import Path

from kube_lite import kinds
from kube_lite.auth.service_accounts import TokenIssuer
from kube_lite.client.informers import Informers
from kube_lite.client.kubeconfig import Access
from kube_lite.client.remote import RemoteClient
from kube_lite.controllers import controllers
from kube_lite.controllers.resources import DEPLOYMENTS, NAMESPACES, PODS, SERVICE_ACCOUNTS
from kube_lite.kit.clock import RealClock
from kube_lite.kit.service import running
from tests.http.site import site_in

from .harness import SECONDS, deployment


async def test_all_controllers_work_over_https(tmp_path: Path) -> None:
    async with AsyncExitStack() as stack:
        site = await stack.enter_async_context(site_in(tmp_path))
        admin = site.authority.client("admin", "admin", ["system:masters"])
        certificate, key = admin.certificate.read_bytes(), admin.key.read_bytes()
        access = Access(site.url, site.authority.certificate_pem, certificate, key)
        client = await stack.enter_async_context(RemoteClient(access))
        clock = RealClock()
        informers = Informers(client, clock)
        rows = kinds.builtin()
        services = controllers(
            client,
            informers,
            clock,
            resources=rows,
            ca_pem="a certificate",
            sign=site.authority.sign,
            issue=TokenIssuer.open(tmp_path / "pki" / "accounts.key", clock).issue_for_secret,
        )
        for service in (informers, *services):
            await stack.enter_async_context(running(service))
        await client.create(NAMESPACES, {"metadata": {"name": "shop"}})

        async with asyncio.timeout(SECONDS):
            while not (await client.list(SERVICE_ACCOUNTS, namespace="shop")).items:
                await asyncio.sleep(0.01)
            await client.create(DEPLOYMENTS, deployment(replicas=3), namespace="shop")
            while len((await client.list(PODS, namespace="shop")).items) != 3:
                await asyncio.sleep(0.01)
            await client.delete(NAMESPACES, "shop")
            while (await client.list(NAMESPACES, field_selector="metadata.name=shop")).items:
                await asyncio.sleep(0.01)
        assert not (await client.list(PODS)).items
