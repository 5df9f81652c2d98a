"""Requests behind ``proxy``, to a real HTTP server that plays a Pod."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiohttp import ClientError, WSServerHandshakeError
from aiohttp.web_request import BaseRequest
from aiohttp.web_response import Response, StreamResponse
from aiohttp.web_server import Server
from aiohttp.web_ws import WebSocketResponse

from kube_lite.api.identity import GroupVersionResource, Json

from .site import Site
from .test_streams import node

PODS = GroupVersionResource("", "v1", "pods")
SERVICES = GroupVersionResource("", "v1", "services")
ENDPOINTS = GroupVersionResource("", "v1", "endpoints")
ACCOUNTS = GroupVersionResource("", "v1", "serviceaccounts")


async def tell(request: BaseRequest) -> StreamResponse:
    """Say what came; echo messages; lead elsewhere."""
    if request.path == "/socket":
        socket = WebSocketResponse(protocols=("chat",))
        await socket.prepare(request)
        async for message in socket:
            await socket.send_str(f"{socket.ws_protocol}: {message.data}")
        return socket
    if request.path == "/elsewhere":
        return Response(status=302, headers={"Location": "/here?a=b"})
    if request.path == "/page":
        return Response(text='<a href="/here">', content_type="text/html")
    if request.path == "/half":
        half = StreamResponse(headers={"Content-Length": "10"})
        await half.prepare(request)
        await half.write(b"half")
        assert request.transport is not None
        request.transport.abort()
        return half
    told = {
        "line": f"{request.method} {request.raw_path}",
        "headers": {name.lower(): value for name, value in request.headers.items()},
        "body": (await request.read()).decode(),
    }
    return Response(status=299, text=json.dumps(told), headers={"X-Odd": "1"})


@pytest.fixture
def loopback_allowed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pods of these tests are on this host, where requests are otherwise not passed on to."""
    monkeypatch.setattr("kube_lite.http.places.refuse_address", lambda address: None)


@asynccontextmanager
async def pod_served(site: Site) -> AsyncIterator[str]:
    """The Pod ``web``, whose first port is ``tell``; gives the path of its proxy."""
    api = Server(tell, access_log=None)
    listener = await asyncio.get_running_loop().create_server(api, "127.0.0.1", 0)
    try:
        await make_pod(site, "127.0.0.1", listener.sockets[0].getsockname()[1])
        yield "/api/v1/namespaces/default/pods/web/proxy"
    finally:
        listener.close()
        await api.shutdown(0.1)


async def make_pod(site: Site, address: str, port: int) -> None:
    await site.client.create(ACCOUNTS, {"metadata": {"name": "default"}}, namespace="default")
    spec = {"containers": [{"name": "main", "image": "host", "ports": [{"containerPort": port}]}]}
    pod = await site.client.create(PODS, {"metadata": {"name": "web"}, "spec": spec}, namespace="default")
    status = {"podIP": address, "podIPs": [{"ip": address}]}
    await site.client.update(PODS, {**pod, "status": status}, namespace="default", subresource="status")


async def make_service(site: Site, address: str) -> None:
    """The Service ``web`` whose endpoint says it is the Pod ``web``."""
    service: Json = {"metadata": {"name": "web"}, "spec": {"ports": [{"name": "http", "port": 80}]}}
    await site.client.create(SERVICES, service, namespace="default")
    reference = {"kind": "Pod", "namespace": "default", "name": "web"}
    subset = {"addresses": [{"ip": address, "targetRef": reference}], "ports": [{"name": "http", "port": 80}]}
    endpoints = {"metadata": {"name": "web"}, "subsets": [subset]}
    await site.client.create(ENDPOINTS, endpoints, namespace="default")


async def ask(site: Site, method: str, path: str, **wish: Any) -> tuple[int, Any, dict[str, str]]:
    http = await site.session()
    async with asyncio.timeout(10), http.request(method, path, allow_redirects=False, **wish) as response:
        text = await response.text()
        return response.status, json.loads(text) if text else None, dict(response.headers)


@pytest.mark.usefixtures("loopback_allowed")
async def test_method_path_query_body_and_answer_are_passed_on(site: Site) -> None:
    sent = {"X-Own": "2", "Authorization": "Basic YTpi", "Content-Type": "a/b"}
    async with pod_served(site) as proxy:
        code, told, headers = await ask(site, "PUT", f"{proxy}/a%20b/?c=d&c", data=b"hello", headers=sent)
    assert (code, headers["X-Odd"]) == (299, "1")
    assert told["line"] == "PUT /a%20b/?c=d&c"
    assert told["body"] == "hello"
    got = told["headers"]
    assert (got["x-own"], got["content-type"], got["x-forwarded-for"]) == ("2", "a/b", "127.0.0.1")
    assert got["x-forwarded-uri"] == f"{proxy}/a%20b/"
    assert "authorization" not in got


@pytest.mark.usefixtures("loopback_allowed")
async def test_the_root_is_asked_for_with_a_slash_and_redirections_lead_back(site: Site) -> None:
    async with pod_served(site) as proxy:
        code, _, headers = await ask(site, "GET", f"{proxy}?a=b")
        assert (code, headers["Location"]) == (301, f"{proxy}/?a=b")
        assert (await ask(site, "POST", proxy))[1]["line"] == "POST /"
        code, _, headers = await ask(site, "GET", f"{proxy}/elsewhere")
        assert (code, headers["Location"]) == (302, f"{proxy}/here?a=b")
        assert (await ask(site, "HEAD", f"{proxy}/x"))[0] == 299


@pytest.mark.usefixtures("loopback_allowed")
async def test_links_of_a_page_lead_back_and_half_an_answer_is_no_answer(site: Site) -> None:
    http = await site.session()
    async with pod_served(site) as proxy, asyncio.timeout(10):
        async with http.get(f"{proxy}/page") as response:
            assert await response.text() == f'<a href="{proxy}/here">'
        with pytest.raises(ClientError):
            async with http.get(f"{proxy}/half") as response:
                await response.read()


@pytest.mark.usefixtures("loopback_allowed")
async def test_websockets_are_passed_on(site: Site) -> None:
    http = await site.session()
    async with (
        pod_served(site) as proxy,
        asyncio.timeout(10),
        http.ws_connect(f"{proxy}/socket", protocols=("other", "chat")) as socket,
    ):
        await socket.send_str("hi")
        assert await socket.receive_str() == "chat: hi"
        with pytest.raises(WSServerHandshakeError) as refused:
            await http.ws_connect(f"{proxy}/none")
        assert refused.value.status == 299


@pytest.mark.usefixtures("loopback_allowed")
async def test_a_pod_that_does_not_listen_is_unavailable(site: Site) -> None:
    async with pod_served(site) as proxy:
        pass
    code, status, _ = await ask(site, "GET", f"{proxy}/")
    assert (code, status["reason"]) == (503, "ServiceUnavailable")
    assert status["message"].startswith("error trying to reach service: dial tcp 127.0.0.1:")
    assert status["message"].endswith(": connect: connection refused")


@pytest.mark.parametrize(
    ("path", "code", "message"),
    [
        ("services/none/proxy/", 404, 'services "none" not found'),
        ("services/none:80/proxy/", 404, 'services "none" not found'),
        ("services/web:81/proxy/", 503, 'no service port 81 found for service "web"'),
        ("services/web:other/proxy/", 503, 'no endpoints available for service "web:other"'),
        ("services/web:80/proxy/", 503, 'no endpoints available for service "web:80"'),
        ("services/ftp:web:80/proxy/", 400, 'invalid service request "ftp:web:80"'),
        ("pods/web/proxy/", 400, "address not allowed"),
    ],
)
async def test_what_cannot_be_reached_is_told(site: Site, path: str, code: int, message: str) -> None:
    await make_pod(site, "127.0.0.1", 80)
    await make_service(site, "10.9.9.9")  # which is no address of the Pod
    got, status, _ = await ask(site, "GET", f"/api/v1/namespaces/default/{path}")
    assert (got, status["message"]) == (code, message)


async def test_a_node_is_asked_with_our_certificate(site: Site) -> None:
    async def who(request: BaseRequest) -> StreamResponse:
        tls = request.transport.get_extra_info("ssl_object") if request.transport else None
        assert tls is not None
        return Response(text=json.dumps([request.raw_path, tls.getpeercert()["subject"][-1][0][1]]))

    async with node(site, who):
        assert (await ask(site, "GET", "/api/v1/nodes/n/proxy/healthz?x"))[1] == ["/healthz?x", "admin"]
