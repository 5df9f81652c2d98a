"""A real server on port 0 over TLS, on a real store, and clients with and without a certificate."""

import ssl
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from aiohttp import ClientSession, TCPConnector
from kube_lite_storage import Store

from kube_lite.admission.plugins import default_chain
from kube_lite.auth.defaults import default_authenticator
from kube_lite.auth.service_accounts import TokenIssuer
from kube_lite.auth.user import AUTHENTICATED, MASTERS, User
from kube_lite.http.app import ApiServer
from kube_lite.kinds import builtin
from kube_lite.kinds.schemas import definitions
from kube_lite.kit.clock import Clock, RealClock
from kube_lite.kit.pki import Authority, client_context, server_context
from kube_lite.kit.service import running
from kube_lite.verbs.local import LocalClient
from kube_lite.verbs.pipeline import Pipeline
from tests.serving import open_to_all


@dataclass
class Site:
    """One API server and its surroundings."""

    url: str
    server: ApiServer
    client: LocalClient
    store: Store
    authority: Authority
    admin_tls: ssl.SSLContext
    anonymous_tls: ssl.SSLContext
    stack: AsyncExitStack = field(repr=False)

    async def session(self, **settings: Any) -> ClientSession:
        """HTTP as the administrator; closed with the site."""
        return await self._session(self.admin_tls, settings)

    async def stranger(self, **settings: Any) -> ClientSession:
        """HTTP as nobody; closed with the site."""
        return await self._session(self.anonymous_tls, settings)

    async def _session(self, tls: ssl.SSLContext, settings: dict[str, Any]) -> ClientSession:
        session = ClientSession(self.url, connector=TCPConnector(ssl=tls), **settings)
        return await self.stack.enter_async_context(session)


@asynccontextmanager
async def site_in(directory: Path, clock: Clock | None = None, version: str = "1.36") -> AsyncIterator[Site]:
    clock = clock or RealClock()
    authority = Authority(directory / "pki", "ca", clock.now)
    admin = authority.client("admin", "admin", [MASTERS])
    async with AsyncExitStack() as stack:
        store = await stack.enter_async_context(Store.open(directory / "store", durable=False))
        registry, known = builtin(version), definitions(version).fork()
        tokens = TokenIssuer.open(directory / "pki" / "accounts.key", clock)
        pipeline = Pipeline(
            store=store,
            registry=registry,
            definitions=known,
            clock=clock,
            admission=default_chain(),
            tokens=tokens,
        )
        await open_to_all(pipeline)
        server = ApiServer(
            pipeline,
            registry,
            known,
            default_authenticator(tokens),
            pipeline.authorizer,
            tls=server_context(
                authority.serving("server", ["localhost", "127.0.0.1"]), authority.files.certificate
            ),
            host="127.0.0.1",
            port=0,
            version=version,
            clock=clock,
            tokens=tokens,
            node_credentials=lambda: client_context(authority.files.certificate, admin),
        )
        await stack.enter_async_context(running(pipeline.custom_resources))
        await stack.enter_async_context(running(server))
        client = LocalClient(pipeline, User("test", groups=(MASTERS, AUTHENTICATED)))
        sessions = await stack.enter_async_context(AsyncExitStack())
        yield Site(
            url=f"https://127.0.0.1:{server.port}",
            server=server,
            client=client,
            store=store,
            authority=authority,
            admin_tls=client_context(authority.files.certificate, admin),
            anonymous_tls=client_context(authority.files.certificate),
            stack=sessions,
        )


def config_map(name: str, **data: str) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": data}
