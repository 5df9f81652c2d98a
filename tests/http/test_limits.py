"""What a client may cost; over real sockets where aiohttp's client would not do what is tested."""

import asyncio
import json
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from io import BytesIO

import pytest

from kube_lite.api.identity import GroupVersionResource
from kube_lite.http.entrance import Limits

from .site import Site, config_map

CONFIG_MAPS = GroupVersionResource("", "v1", "configmaps")
PATH = "/api/v1/namespaces/default/configmaps"


@asynccontextmanager
async def connected(site: Site) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """A bare connection of the administrator."""
    reader, writer = await asyncio.open_connection(
        "127.0.0.1", site.server.port, ssl=site.admin_tls, server_hostname="localhost"
    )
    try:
        async with asyncio.timeout(10):
            yield reader, writer
    finally:
        writer.transport.abort()


async def read_answer(reader: asyncio.StreamReader) -> tuple[int, dict[str, str], bytes]:
    head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
    headers = dict(line.lower().split(": ", 1) for line in head[1:] if line)
    body = await reader.readexactly(int(headers.get("content-length", 0)))
    return int(head[0].split()[1]), headers, body


async def test_requests_sent_at_once_are_answered_in_order_on_one_connection(site: Site) -> None:
    body = b'{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"a"}}'
    create = b"POST %s HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s"
    get = b"GET %s/a HTTP/1.1\r\nHost: a\r\n\r\n" % PATH.encode()
    delete = b"DELETE %s/a HTTP/1.1\r\nHost: a\r\n\r\n" % PATH.encode()
    async with connected(site) as (reader, writer):
        writer.write(create % (PATH.encode(), len(body), body) + get + delete + get)
        codes = [(await read_answer(reader))[0] for _ in range(4)]
    assert codes == [201, 200, 200, 404]


async def test_a_client_that_asks_before_it_sends_a_body_is_told_to_go_on(site: Site) -> None:
    body = b'{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"a"}}'
    head = b"POST %s HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: %d\r\n\r\n"
    async with connected(site) as (reader, writer):
        writer.write(head % (PATH.encode(), len(body)))
        assert await reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
        writer.write(body)
        assert (await read_answer(reader))[0] == 201


async def test_a_body_may_come_in_chunks(site: Site) -> None:
    body = b'{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"a"}}'
    head = b"POST %s HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n" % PATH.encode()
    async with connected(site) as (reader, writer):
        writer.write(head + b"%x\r\n%s\r\n" % (20, body[:20]))
        await writer.drain()
        writer.write(b"%x\r\n%s\r\n0\r\n\r\n" % (len(body) - 20, body[20:]))
        assert (await read_answer(reader))[0] == 201


async def test_reads_sent_at_once_are_answered_in_order_whichever_way_they_take(site: Site) -> None:
    await site.client.create(CONFIG_MAPS, config_map("a"), namespace="default")
    one = b"GET %s/a%s HTTP/1.1\r\nHost: a\r\n%s\r\n"
    ways = [
        b"",
        b"",
        b"Audit-Id: x\r\n",
        b"",
        b"Accept: application/yaml\r\n",
        b"",
        b"Impersonate-User: jane\r\n",
    ]
    asked = [
        one % (PATH.encode(), b"" if number % 5 else b"?pretty=true", way)
        for number, way in enumerate(ways * 9)
    ]
    async with connected(site) as (reader, writer):
        alone = []
        for request in asked:
            writer.write(request)
            alone.append(_said(await read_answer(reader)))
        writer.write(b"".join(asked))  # more than the parser keeps at once
        together = [_said(await read_answer(reader)) for _ in asked]
    assert together == alone
    assert {code for code, _, _ in alone} == {200, 403}


def _said(answer: tuple[int, dict[str, str], bytes]) -> tuple[int, str, bytes]:
    code, headers, body = answer
    return code, headers["content-type"], body


async def test_a_body_of_more_than_three_mebibytes_is_refused(site: Site) -> None:
    http = await site.session()
    async with http.post(PATH, data=BytesIO(b"x" * (3 * 1024 * 1024 + 1))) as response:
        status = await response.json()
    assert (response.status, status["reason"]) == (413, "RequestEntityTooLarge")
    assert status["message"] == "Request entity too large: limit is 3145728"


@pytest.mark.parametrize(
    ("size", "message"),
    [
        pytest.param(1_572_864, "etcdserver: request is too large", id="for etcd"),
        pytest.param(2_097_152, "rpc error: code = ResourceExhausted", id="for its client"),
    ],
)
async def test_an_object_that_etcd_would_not_take_is_refused(site: Site, size: int, message: str) -> None:
    body = {
        "apiVersion": "apps/v1",
        "kind": "ControllerRevision",
        "metadata": {"name": "a"},
        "revision": 1,
        "data": {"text": "x" * size},
    }
    http = await site.session()
    path = "/apis/apps/v1/namespaces/default/controllerrevisions"
    async with http.post(
        path, headers={"Content-Type": "application/json"}, data=BytesIO(json.dumps(body).encode())
    ) as response:
        status = await response.json()
    assert response.status == 500
    assert status["message"].startswith(message)
    assert "reason" not in status


@pytest.mark.parametrize("method", ["OPTIONS", "HEAD", "TRACE"])
async def test_other_methods_are_refused(site: Site, method: str) -> None:
    http = await site.session()
    async with http.request(method, PATH) as response:
        assert response.status == 405
    async with http.request("HEAD", "/version") as response:
        assert (response.status, await response.read()) == (200, b"")


@pytest.mark.parametrize(
    ("head", "expected"),
    [
        pytest.param(b"GET /version?%s HTTP/1.1\r\n\r\n" % (b"x" * 70_000), 431, id="target"),
        pytest.param(
            b"GET / HTTP/1.1\r\nAuthorization: Bearer %s\r\n\r\n" % (b"x" * 70_000), 431, id="header"
        ),
        pytest.param(b"secret nonsense\r\n\r\n", 400, id="no HTTP"),
    ],
)
async def test_what_is_too_long_or_no_http_ends_the_connection_and_is_not_logged(
    site: Site, caplog: pytest.LogCaptureFixture, head: bytes, expected: int
) -> None:
    async with connected(site) as (reader, writer):
        writer.write(head)
        assert (await read_answer(reader))[0] == expected
        assert await reader.read() == b""
    assert "secret" not in caplog.text
    assert "Bearer" not in caplog.text


async def test_reading_and_writing_have_limits_of_their_own(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("kube_lite.http.entrance.MOST_WRITING", 0)
    limits: Limits = site.server._limits
    http = await site.session(headers={"Impersonate-User": "jane"})
    async with http.post(PATH, json=config_map("a")) as response:
        assert (response.status, response.headers["Retry-After"]) == (429, "1")
        assert await response.text() == "Too many requests, please try again later.\n"
    async with http.get("/version") as response:
        assert response.status == 200
    administrator = await site.session()
    async with administrator.post(PATH, json=config_map("a")) as response:
        assert response.status == 201  # who may do everything can clear up
    assert limits.in_flight == {"readOnly": 0, "mutating": 0}
    async with administrator.get("/metrics") as response:
        text = await response.text()
    labels = 'verb="other",group="",version="",resource="",subresource="",scope=""'
    assert f'apiserver_request_terminations_total{{{labels},component="apiserver",code="429"}} 1\n' in text


async def test_a_client_that_stops_reading_is_cut_off(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kube_lite.http.listener.STALLED_SECONDS", 0.1)
    for number in range(16):
        await site.client.create(CONFIG_MAPS, config_map(f"c{number}", k="x" * 900_000), namespace="default")
    bare = socket.create_connection(("127.0.0.1", site.server.port))
    bare.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    loop = asyncio.get_running_loop()
    tls = await loop.run_in_executor(None, _shake_hands, bare, site.admin_tls)
    with tls:
        await loop.run_in_executor(None, tls.sendall, f"GET {PATH} HTTP/1.1\r\nHost: a\r\n\r\n".encode())
        listener = site.server._listener
        assert listener is not None
        async with asyncio.timeout(10):
            while not listener._connections.all():
                await asyncio.sleep(0.01)
            while listener._connections.all():
                await asyncio.sleep(0.01)


async def test_answers_that_a_client_does_not_take_are_not_piled_up(site: Site) -> None:
    many, size = 300, 100_000
    await site.client.create(CONFIG_MAPS, config_map("a", k="x" * size), namespace="default")
    get = b"GET %s/a HTTP/1.1\r\nHost: a\r\n\r\n" % PATH.encode()
    async with connected(site) as (reader, writer):
        writer.write(get * many)
        listener = site.server._listener
        assert listener is not None
        while not any(each.writing_paused for each in listener._connections.all()):
            await asyncio.sleep(0.01)
        for _ in range(50):
            await asyncio.sleep(0)  # what more it would do, it would do now
        (connection,) = listener._connections.all()
        assert connection.transport is not None
        assert connection.transport.get_write_buffer_size() < 10 * size
        assert len(connection._messages) <= 2 * 32  # what the parser had read when it was stopped
        for _ in range(many):  # and the client gets all of it when it goes on
            code, _, body = await read_answer(reader)
            assert (code, len(body) > size) == (200, True)


def _shake_hands(bare: socket.socket, context: ssl.SSLContext) -> ssl.SSLSocket:
    return context.wrap_socket(bare, server_hostname="localhost")
