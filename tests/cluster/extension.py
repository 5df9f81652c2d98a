"""A server that extends the API, as others write them: over TLS, for those who show the right certificate."""

import asyncio
import base64
import json
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from aiohttp import web

from kube_lite.api.errors import AlreadyExists
from kube_lite.api.identity import GroupVersionResource
from kube_lite.client.protocol import Client
from kube_lite.kit.clock import RealClock
from kube_lite.kit.pki import Authority, Pair, client_context

GROUP = "wardle.example.test"
HOST = "127.65.0.1"  # endpoints may have no other addresses of this host
HOSTS = ["flunders.extended.svc"]
NAMESPACES = GroupVersionResource("", "v1", "namespaces")
SERVICES = GroupVersionResource("", "v1", "services")
SLICES = GroupVersionResource("discovery.k8s.io", "v1", "endpointslices")
API_SERVICES = GroupVersionResource("apiregistration.k8s.io", "v1", "apiservices")
FLUNDER = {
    "kind": "Flunder",
    "apiVersion": f"{GROUP}/v1alpha1",
    "metadata": {"name": "one", "namespace": "default", "resourceVersion": "7"},
    "spec": {"reference": "blue"},
}
RESOURCES = [
    {
        "name": "flunders",
        "singularName": "flunder",
        "namespaced": True,
        "kind": "Flunder",
        "verbs": ["create", "delete", "get", "list", "watch"],
        "shortNames": ["fl"],
    }
]
SCHEMA = {
    "type": "object",
    "description": "A fish that swims in the tests.",
    "properties": {
        "apiVersion": {"type": "string"},
        "kind": {"type": "string"},
        "metadata": {"type": "object"},
        "spec": {
            "type": "object",
            "description": "What it is.",
            "properties": {"reference": {"type": "string"}},
        },
    },
    "x-kubernetes-group-version-kind": [{"group": GROUP, "kind": "Flunder", "version": "v1alpha1"}],
}


READ = {
    "operationId": "readFlunders",
    "x-kubernetes-action": "list",
    "x-kubernetes-group-version-kind": {"group": GROUP, "kind": "Flunder", "version": "v1alpha1"},
    "responses": {"200": {"description": "OK"}},
}


class Shouting(asyncio.Protocol):
    """What is spoken instead of HTTP."""

    def __init__(self, transport: asyncio.Transport, ended: asyncio.Event) -> None:
        self.transport, self.ended = transport, ended

    def data_received(self, data: bytes) -> None:
        self.transport.write(data.upper())

    def connection_lost(self, exc: Exception | None) -> None:
        self.ended.set()


class Extension:
    """The server, and what it has been asked."""

    def __init__(self, group: str = GROUP, version: str = "v1alpha1", *, knows_v3: bool = True) -> None:
        self.knows_v3 = knows_v3
        self.group, self.version = group, version
        self.requests: list[web.Request] = []
        self.names: set[str] = set()
        self.events: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self.watchers = 0
        self.ended = asyncio.Event()
        self.is_well = True
        self.port = 0

    def application(self) -> web.Application:
        app = web.Application(client_max_size=64 * 1024 * 1024)
        prefix = f"/apis/{self.group}/{self.version}"
        flunders = f"{prefix}/namespaces/{{namespace}}/flunders"
        app.router.add_get(prefix, self.discovery)
        app.router.add_get(f"{prefix}/flunders", self.many)
        app.router.add_get(flunders, self.many)
        app.router.add_post(flunders, self.create)
        app.router.add_get(f"{flunders}/one", self.one)
        app.router.add_get(f"{flunders}/one/console", self.console)
        app.router.add_get(f"{flunders}/one/silence", self.silence)
        app.router.add_post(f"{flunders}/one/spdy", self.spdy)
        app.router.add_get("/openapi/v2", self.everything)
        if self.knows_v3:
            app.router.add_get("/openapi/v3", self.index)
            app.router.add_get(f"/openapi/v3/apis/{self.group}/{self.version}", self.document)
        app.middlewares.append(self.note)
        return app

    @web.middleware
    async def note(self, request: web.Request, handler: Any) -> web.StreamResponse:
        assert request.transport is not None
        certificate = request.transport.get_extra_info("peercert") or {}
        self.names |= {value for entry in certificate.get("subject", ()) for key, value in entry}
        self.requests.append(request)
        if not self.is_well:
            return web.Response(status=500, text="out of order")
        answer: web.StreamResponse = await handler(request)
        return answer

    async def discovery(self, request: web.Request) -> web.Response:
        about = {
            "kind": "APIResourceList",
            "apiVersion": "v1",
            "groupVersion": f"{self.group}/{self.version}",
        }
        return web.json_response({**about, "resources": RESOURCES})

    async def one(self, request: web.Request) -> web.Response:
        return web.json_response(FLUNDER)

    async def many(self, request: web.Request) -> web.StreamResponse:
        if "watch" in request.query:
            return await self.watch(request)
        about = {
            "kind": "FlunderList",
            "apiVersion": f"{GROUP}/v1alpha1",
            "metadata": {"resourceVersion": "7"},
        }
        return web.json_response({**about, "items": [FLUNDER]})

    async def watch(self, request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "application/json"})
        await response.prepare(request)
        self.watchers += 1
        try:
            while True:
                event = await self.events.get()
                await response.write(json.dumps(event).encode() + b"\n")
        finally:
            self.watchers -= 1

    async def create(self, request: web.Request) -> web.Response:
        body = await request.read()
        return web.json_response({**FLUNDER, "spec": {"reference": str(len(body))}}, status=201)

    async def spdy(self, request: web.Request) -> web.StreamResponse:
        """Speak something else from here on: everything back, in capital letters."""
        transport = request.transport
        assert transport is not None
        transport.set_protocol(Shouting(transport, self.ended))
        transport.write(
            b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: SPDY/3.1\r\n\r\n"
        )
        await self.ended.wait()
        raise ConnectionResetError

    async def silence(self, request: web.Request) -> web.Response:
        await asyncio.Event().wait()
        return web.Response()

    async def console(self, request: web.Request) -> web.StreamResponse:
        socket = web.WebSocketResponse(protocols=("echo.example.test",))
        await socket.prepare(request)
        async for message in socket:
            await socket.send_bytes(message.data.upper())
        return socket

    async def index(self, request: web.Request) -> web.Response:
        path = f"apis/{self.group}/{self.version}"
        return web.json_response({"paths": {path: {"serverRelativeURL": f"/openapi/v3/{path}?hash=ABC"}}})

    async def document(self, request: web.Request) -> web.Response:
        return web.json_response(
            {
                "openapi": "3.0.0",
                "info": {"title": "wardle", "version": "1"},
                "paths": {
                    f"/apis/{self.group}/{self.version}/namespaces/{{namespace}}/flunders": {"get": READ}
                },
                "components": {"schemas": {"test.example.wardle.v1alpha1.Flunder": SCHEMA}},
            }
        )

    async def everything(self, request: web.Request) -> web.Response:
        name = "test.example.wardle.v1alpha1.Flunder"
        operation = {
            "operationId": "readFlunder",
            "consumes": ["*/*"],
            "produces": ["application/json"],
            "schemes": ["https"],
            "responses": {"200": {"description": "OK", "schema": {"$ref": f"#/definitions/{name}"}}},
        }
        path = f"/apis/{self.group}/{self.version}/namespaces/{{namespace}}/flunders/{{name}}"
        return web.json_response(
            {
                "swagger": "2.0",
                "info": {"title": "wardle", "version": "1"},
                "paths": {path: {"get": operation}, "/healthz": {"get": operation}},
                "definitions": {name: SCHEMA, "unused": {"type": "string"}},
            }
        )


@asynccontextmanager
async def extending(
    client: Client, directory: Path, trusted: Path, extension: Extension | None = None, **spec: Any
) -> AsyncIterator[Extension]:
    """Such a server behind a Service, and the APIService for it.

    Args:
        directory: for its certificates.
        trusted: who vouches for those who may ask it.
    """
    extension = extension or Extension()
    authority = Authority(directory, "extension", RealClock().now)
    pair = authority.serving("serving", HOSTS)
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(pair.certificate, pair.key)
    tls.load_verify_locations(trusted)
    tls.verify_mode = ssl.CERT_REQUIRED
    runner = web.AppRunner(extension.application(), handler_cancellation=True, shutdown_timeout=0)
    await runner.setup()
    try:
        site = web.TCPSite(runner, HOST, 0, ssl_context=tls)
        await site.start()
        extension.port = runner.addresses[0][1]
        await client.create(NAMESPACES, {"metadata": {"name": "extended"}})
        port = {"name": "https", "port": 443, "protocol": "TCP"}
        await client.create(
            SERVICES, {"metadata": {"name": "flunders"}, "spec": {"ports": [port]}}, namespace="extended"
        )
        await client.create(SLICES, slice_of(extension.port), namespace="extended")
        service = api_service(extension, authority.certificate_pem, **spec)
        try:
            await client.create(API_SERVICES, service)
        except AlreadyExists:  # it is this server's own so far
            found = await client.get(API_SERVICES, service["metadata"]["name"])
            await client.update(API_SERVICES, {**found, "spec": service["spec"]})
        yield extension
    finally:
        await runner.cleanup()


def slice_of(port: int) -> dict[str, Any]:
    """The address of this server."""
    return {
        "metadata": {"name": "flunders-1", "labels": {"kubernetes.io/service-name": "flunders"}},
        "addressType": "IPv4",
        "endpoints": [{"addresses": [HOST], "conditions": {"ready": True}}],
        "ports": [{"name": "https", "port": port, "protocol": "TCP"}],
    }


def api_service(extension: Extension, authority: bytes, **spec: Any) -> dict[str, Any]:
    """An APIService for the server."""
    return {
        "metadata": {"name": f"{extension.version}.{extension.group}"},
        "spec": {
            "group": extension.group,
            "version": extension.version,
            "groupPriorityMinimum": 2000,
            "versionPriority": 15,
            "service": {"namespace": "extended", "name": "flunders"},
            "caBundle": base64.b64encode(authority).decode(),
            **spec,
        },
    }


def session_tls(directory: Path) -> ssl.SSLContext:
    """TLS of the cluster's administrator."""
    pki = directory / "pki"
    return client_context(pki / "ca.crt", Pair(pki / "admin.crt", pki / "admin.key"))
