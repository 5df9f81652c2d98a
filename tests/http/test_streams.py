"""Streams of a node through the API server: a real TLS node API with a program that echoes."""

import asyncio
import base64
import json
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiohttp import ClientSession, WSMsgType
from aiohttp.web_request import BaseRequest
from aiohttp.web_response import Response, StreamResponse
from aiohttp.web_server import Server
from aiohttp.web_ws import WebSocketResponse

from kube_lite.api.identity import GroupVersionResource
from kube_lite.kit.pki import server_context

from .site import Site

NODES = GroupVersionResource("", "v1", "nodes")
PODS = GroupVersionResource("", "v1", "pods")
ACCOUNTS = GroupVersionResource("", "v1", "serviceaccounts")
POD = "/api/v1/namespaces/default/pods/web"
STREAMS = "stdin=true&stdout=true"
SUCCESS = {"metadata": {}, "status": "Success"}

Serve = Callable[[BaseRequest], Awaitable[StreamResponse]]


@asynccontextmanager
async def node(site: Site, serve: Serve, *containers: str) -> AsyncIterator[None]:
    """A node whose API is ``serve``, and the Pod ``web`` on it."""
    tls = server_context(
        site.authority.serving("node", ["127.0.0.1"]),
        site.authority.files.certificate,
        demands_certificate=True,
    )
    api = Server(serve, access_log=None)
    listener = await asyncio.get_running_loop().create_server(api, "127.0.0.1", 0, ssl=tls)
    port = listener.sockets[0].getsockname()[1]
    made = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": "n"}}
    made = await site.client.create(NODES, made)
    status = {
        "addresses": [{"type": "InternalIP", "address": "127.0.0.1"}],
        "daemonEndpoints": {"kubeletEndpoint": {"Port": port}},
    }
    await site.client.update(NODES, {**made, "status": status}, subresource="status")
    account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "default"}}
    await site.client.create(ACCOUNTS, account, namespace="default")
    spec = {
        "nodeName": "n",
        "containers": [{"name": name, "image": "host"} for name in containers or ("main",)],
    }
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "web"}, "spec": spec}
    await site.client.create(PODS, pod, namespace="default")
    try:
        yield
    finally:
        listener.close()
        await api.shutdown(0.1)


async def echo(request: BaseRequest) -> StreamResponse:
    """Say what was asked for, then send back every input until it is ``quit``, then succeed."""
    socket = WebSocketResponse(protocols=("v5.channel.k8s.io", "v4.channel.k8s.io"))
    await socket.prepare(request)
    tls = request.transport.get_extra_info("ssl_object") if request.transport else None
    assert tls is not None
    who = dict(pair[0] for pair in tls.getpeercert()["subject"])["commonName"]
    asked = [request.path, request.query.getall("command", []), socket.ws_protocol, who]
    await socket.send_bytes(b"\x01" + json.dumps(asked).encode())
    async for message in socket:
        if message.data == b"\x00quit":
            break
        await socket.send_bytes(b"\x01" + message.data[1:])
    await socket.send_bytes(b"\x03" + json.dumps(SUCCESS).encode())
    await socket.close()
    return socket


@pytest.mark.parametrize("protocol", ["v5.channel.k8s.io", "v4.channel.k8s.io"])
async def test_exec_carries_messages_both_ways_and_the_status_last(site: Site, protocol: str) -> None:
    http = await site.session()
    async with node(site, echo):
        url = f"{POD}/exec?command=sh&command=-c&{STREAMS}"
        async with asyncio.timeout(10), http.ws_connect(url, protocols=(protocol,)) as socket:
            assert socket.protocol == protocol
            hello = await socket.receive_bytes()
            await socket.send_bytes(b"\x00hi")
            answer = await socket.receive_bytes()
            await socket.send_bytes(b"\x00quit")
            status = await socket.receive_bytes()
            end = await socket.receive()
    assert json.loads(hello[1:]) == ["/exec/default/web/main", ["sh", "-c"], protocol, "admin"]
    assert answer == b"\x01hi"
    assert (status[0], json.loads(status[1:])) == (3, SUCCESS)
    assert end.type is WSMsgType.CLOSE


async def test_browsers_may_have_it_in_base64(site: Site) -> None:
    http = await site.session()
    async with node(site, echo):
        protocols = ("v4.base64.channel.k8s.io",)
        async with (
            asyncio.timeout(10),
            http.ws_connect(f"{POD}/exec?command=sh&{STREAMS}", protocols=protocols) as ws,
        ):
            await ws.receive_str()
            await ws.send_str("0" + base64.b64encode(b"hi").decode())
            assert await ws.receive_str() == "1" + base64.b64encode(b"hi").decode()


async def test_a_client_that_goes_ends_the_stream_on_the_node(site: Site) -> None:
    ended = asyncio.Event()

    async def until_closed(request: BaseRequest) -> StreamResponse:
        socket = WebSocketResponse(protocols=("v5.channel.k8s.io",))
        await socket.prepare(request)
        async for _ in socket:
            pass
        ended.set()
        return socket

    http = await site.session()
    async with node(site, until_closed):
        socket = await http.ws_connect(f"{POD}/exec?command=sh&{STREAMS}", protocols=("v5.channel.k8s.io",))
        await socket.close()
        async with asyncio.timeout(5):
            await ended.wait()


async def get_text(http: ClientSession, url: str, **headers: str) -> tuple[int, Any]:
    async with http.get(url, headers=headers) as response:
        text = await response.text()
        return response.status, json.loads(text)["message"] if text.startswith("{") else text


UPGRADE = {
    "Connection": "Upgrade",
    "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": "AAAAAAAAAAAAAAAAAAAAAA==",
}


@pytest.mark.parametrize(
    ("url", "headers", "expected"),
    [
        pytest.param(f"{POD}x/exec?command=sh&{STREAMS}", {}, (404, 'pods "webx" not found'), id="no pod"),
        pytest.param(
            f"{POD}/exec?command=sh&container=none&{STREAMS}",
            {},
            (400, "container none is not valid for pod web"),
            id="no container",
        ),
        pytest.param(
            f"{POD}/exec?{STREAMS}",
            {},
            (400, "you must specify at least 1 command for the container"),
            id="no command",
        ),
        pytest.param(
            f"{POD}/exec?command=sh",
            {},
            (400, "you must specify at least 1 of stdin, stdout, stderr"),
            id="no streams",
        ),
        pytest.param(
            f"{POD}/exec?command=sh&{STREAMS}", {}, (400, "Upgrade request required"), id="no upgrade"
        ),
        pytest.param(
            f"{POD}/portforward",
            {},
            (400, "Upgrade request required"),
            id="ports without a protocol",
        ),
        pytest.param(
            f"{POD}/portforward",
            {"Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Protocol": "v4.channel.k8s.io"},
            (
                400,
                "unable to upgrade: none of the WebSocket protocols is known; "
                "known are: SPDY/3.1+portforward.k8s.io",
            ),
            id="ports in another way",
        ),
    ],
)
async def test_what_cannot_be_streamed_is_refused_in_words(
    site: Site, url: str, headers: dict[str, str], expected: tuple[int, str]
) -> None:
    http = await site.session()
    async with node(site, echo):
        assert await get_text(http, url, **headers) == expected


@pytest.mark.parametrize(
    ("url", "upgrade"),
    [
        (f"{POD}/exec?command=sh&{STREAMS}", {"Upgrade": "SPDY/3.1"}),
        (f"{POD}/portforward", {"Upgrade": "SPDY/3.1"}),
        (
            f"{POD}/portforward",
            {"Upgrade": "websocket", "Sec-WebSocket-Protocol": "SPDY/3.1+portforward.k8s.io"},
        ),
    ],
)
async def test_the_node_is_asked_to_speak_spdy_before_the_client_is_told(
    site: Site, url: str, upgrade: dict[str, str]
) -> None:
    asked: list[BaseRequest] = []

    async def refuse(request: BaseRequest) -> StreamResponse:
        asked.append(request)
        return Response(status=404, text="it does not run\n")

    http = await site.session()
    async with node(site, refuse):
        made = await site.client.get(PODS, "web", namespace="default")
        running = [{"name": "main", "state": {"running": {"startedAt": "2026-01-01T00:00:00Z"}}}]
        status = {**made["status"], "phase": "Running", "containerStatuses": running}
        await site.client.update(PODS, {**made, "status": status}, namespace="default", subresource="status")
        protocol = "portforward.k8s.io" if "portforward" in url else "v4.channel.k8s.io"
        headers = {"Connection": "Upgrade", "X-Stream-Protocol-Version": protocol, **upgrade}
        assert await get_text(http, url, **headers) == (404, "it does not run\n")
    (request,) = asked
    assert request.headers["Upgrade"] == "SPDY/3.1"
    assert request.headers["X-Stream-Protocol-Version"] == protocol
    assert request.path.startswith(
        "/portForward/default/web/" if "portforward" in url else "/exec/default/web/"
    )
    assert "Authorization" not in request.headers


async def test_a_nodes_refusal_is_told_in_its_own_words(site: Site) -> None:
    async def refuse(request: BaseRequest) -> StreamResponse:
        return Response(status=404, text='container not found ("main")\n')

    http = await site.session()
    async with node(site, refuse):
        url = f"{POD}/exec?command=sh&{STREAMS}"
        headers = {**UPGRADE, "Upgrade": "websocket", "Sec-WebSocket-Protocol": "v5.channel.k8s.io"}
        assert await get_text(http, url, **headers) == (404, 'container not found ("main")')


async def test_a_node_that_does_not_answer_is_an_internal_error(site: Site) -> None:
    http = await site.session()
    async with node(site, echo):
        pass
    code, message = await get_text(http, f"{POD}/log")
    assert code == 500
    assert message.startswith("Internal error occurred: error dialing backend: ")


async def test_logs_flow_as_they_are_written(site: Site) -> None:
    go_on = asyncio.Event()

    async def log(request: BaseRequest) -> StreamResponse:
        response = StreamResponse()
        response.enable_chunked_encoding()
        await response.prepare(request)
        await response.write(f"{request.path_qs}\n".encode())
        await go_on.wait()
        await response.write(b"second\n")
        await response.write_eof()
        return response

    http = await site.session()
    async with (
        node(site, log),
        asyncio.timeout(10),
        http.get(f"{POD}/log?follow=true&tailLines=5") as response,
    ):
        assert response.headers["Content-Type"] == "text/plain"
        assert (
            await response.content.readline() == b"/containerLogs/default/web/main?follow=true&tailLines=5\n"
        )
        go_on.set()
        assert await response.content.read() == b"second\n"


async def test_a_pod_of_several_containers_needs_one_named(site: Site) -> None:
    http = await site.session()
    async with node(site, echo, "a", "b"):
        code, message = await get_text(http, f"{POD}/log")
    assert (code, message) == (400, "a container name must be specified for pod web, choose one of: [a b]")


async def test_logs_are_not_for_strangers(site: Site) -> None:
    http = await site.stranger()
    async with node(site, echo):
        code, _ = await get_text(http, f"{POD}/log")
    assert code == 403


def test_nodes_are_not_trusted_by_name_alone(site: Site) -> None:
    assert site.server._node_credentials().verify_mode is ssl.CERT_REQUIRED
