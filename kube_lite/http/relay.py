"""Requests behind ``proxy``, passed on to a Pod, a Service or a node as they came, WebSockets included.

Who asks is not told to them: credentials and claims to be another stay here. Bodies are passed on piece by
piece, each side waiting for the other.
Source: ``apimachinery/pkg/util/proxy`` (``upgradeaware.go``, ``transport.go``).
"""

import asyncio
import random
import ssl
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager, suppress
from typing import cast

from aiohttp import (
    ClientError,
    ClientResponse,
    ClientSession,
    ClientTimeout,
    DummyCookieJar,
    TCPConnector,
    WSMsgType,
    WSServerHandshakeError,
)
from aiohttp.client_ws import ClientWebSocketResponse
from aiohttp.web_response import Response, StreamResponse
from aiohttp.web_ws import WebSocketResponse
from multidict import CIMultiDict
from yarl import URL

from kube_lite.api.errors import BadRequest, NotFound, ServiceUnavailable, not_found
from kube_lite.api.identity import GroupVersionResource, Json
from kube_lite.auth.impersonate import PREFIX
from kube_lite.kit.go_client import why_failed

from . import places
from .backends import backend_of
from .call import Call
from .links import MAX_PAGE_BYTES, Rewrite, rewrite_page
from .listener import Connection
from .parse import Target
from .places import Named, Place
from .upgrade import MAX_MESSAGE_BYTES

NODES = GroupVersionResource("", "v1", "nodes")
PODS = GroupVersionResource("", "v1", "pods")
SERVICES = GroupVersionResource("", "v1", "services")
ENDPOINTS = GroupVersionResource("", "v1", "endpoints")
DIAL_SECONDS = 10.0
OURS = frozenset({
    "authorization", "connection", "keep-alive", "proxy-authenticate", "proxy-authorization", "te", "trailer",
    "transfer-encoding", "upgrade",
})  # fmt: skip
"""Headers that concern one connection, or the client and us."""
OF_SOCKETS = frozenset({"sec-websocket-key", "sec-websocket-version", "sec-websocket-extensions", "host"})
KINDS = {PODS: "pod", SERVICES: "service", NODES: "node"}

Look = Callable[[GroupVersionResource, str, str], Awaitable[Json]]
"""Resource, name and namespace → the object; ``NotFound`` where there is none."""


class Relay:
    """Passes requests on; holds the connections.

    Args:
        look: finds Pods, Services, Endpoints and Nodes.
        credentials: gives TLS for connections to nodes.
    """

    def __init__(self, look: Look, credentials: Callable[[], ssl.SSLContext]) -> None:
        self._look = look
        self._source = random.Random()
        # Pods have certificates that nobody here knows; what they serve is theirs to protect.
        self._to_pods = session_over(False)
        self._to_nodes = session_over(credentials())

    async def close(self) -> None:
        """Close the connections."""
        await self._to_pods.close()
        await self._to_nodes.close()

    async def serve(self, call: Call, target: Target) -> StreamResponse:
        """Answer with what is behind ``proxy``.

        Raises:
            ApiError: there is nobody to pass it on to, or nobody answers.
        """
        request = call.request
        place = await self._find(target)
        raw_path, _, raw_query = request.raw_path.partition("?")
        prefix, path = places.rest_of(raw_path, is_namespaced=bool(target.namespace))
        query = f"?{raw_query}" if raw_query else ""
        is_upgrade = request.headers.get("Upgrade", "").lower()
        if not path and not is_upgrade and request.method in ("GET", "HEAD"):
            return Response(status=301, headers={**call.headers(""), "Location": f"{raw_path}/{query}"})
        url = URL(f"{place.url}{path or '/'}{query}", encoded=True)
        session = self._to_nodes if place.is_node else self._to_pods
        headers = passed_on(call, prefix + path)
        try:
            if is_upgrade == "websocket":
                with suppress(WSServerHandshakeError):  # refused: the client shall see how
                    return await _serve_socket(call, session, url, headers.copy())
            elif is_upgrade:
                raise BadRequest(f"this server does not pass on upgrades to {is_upgrade}")
            return await self._serve_answer(call, session, url, headers, prefix)
        except (ClientError, TimeoutError) as error:
            raise ServiceUnavailable(f"error trying to reach service: {_as_go(error, url)}") from error

    async def _find(self, target: Target) -> Place:
        resource = target.resource.gvr
        named = places.parse_named(target.name, KINDS[resource])
        if resource == SERVICES:
            return await self._find_service(target, named)
        found = await self._look(resource, named.name, target.namespace)
        if resource == PODS:
            return places.place_of_pod(found, named)
        return places.place_of_node(backend_of(found), named)

    async def _find_service(self, target: Target, named: Named) -> Place:
        port = named.port
        if port.isdecimal():
            port = places.port_name(await self._look(SERVICES, named.name, target.namespace), named)
        try:
            endpoints = await self._look(ENDPOINTS, named.name, target.namespace)
        except NotFound as error:  # of which the client has not asked
            raise not_found(target.resource.group_resource, named.name) from error
        if not endpoints.get("subsets"):
            raise places.nothing_serves(named.name)
        for address, reference, number in places.places_of_service(endpoints, port, self._source):
            if reference.get("namespace") == target.namespace and await self._is_pod(reference, address):
                return Place(named.scheme, address, str(number))
        raise places.nothing_serves(target.name)

    async def _is_pod(self, reference: Json, address: str) -> bool:
        try:
            pod = await self._look(PODS, reference.get("name", ""), reference["namespace"])
        except NotFound:
            return False
        return places.is_address_of(pod, address)

    async def _serve_answer(
        self, call: Call, session: ClientSession, url: URL, headers: CIMultiDict[str], prefix: str
    ) -> StreamResponse:
        request = call.request
        body = request.content if request.can_read_body else None
        hosts = {"backend": url.authority, "client": request.host}

        def rewrite(link: str) -> str:
            return places.rewritten(link, prefix, hosts)

        asking = session.request(request.method, url, headers=headers, data=body, allow_redirects=False)
        return await relay_answer(call, asking, rewrite)


async def relay_answer(
    call: Call, asking: AbstractAsyncContextManager[ClientResponse], rewrite: Rewrite
) -> StreamResponse:
    """Send what is answered elsewhere; the question there ends with the client's connection.

    Raises:
        ClientError, TimeoutError: nothing was answered.
        ConnectionResetError: there is nobody to answer any more.
    """
    request, response = call.request, StreamResponse()
    connection = cast(Connection, request.protocol)  # the only kind that the listener makes
    try:
        async with asyncio.timeout(None) as deadline:
            with connection.stream(deadline):
                async with asking as answer:
                    await _copy(call, answer, response, rewrite)
    except (ClientError, TimeoutError) as error:
        if not response.prepared:
            if deadline.expired():
                raise ConnectionResetError("the client has gone, or the server is stopping") from error
            raise
        if request.transport is not None:  # half an answer must not look like a whole one
            request.transport.abort()
    return response


async def _copy(call: Call, answer: ClientResponse, response: StreamResponse, rewrite: Rewrite) -> None:
    """Send what was answered; links and redirections to the same server lead back through us."""
    page = await _page(answer, rewrite)
    response.set_status(answer.status, answer.reason)
    for name, value in answer.headers.items():
        if name.lower() not in OURS:
            response.headers.add(name, rewrite(value) if name.lower() == "location" else value)
    if page is not None:
        response.headers["Content-Length"] = str(len(page))
    response.headers["Audit-Id"] = call.audit_id
    if "Content-Length" not in response.headers and call.request.version >= (1, 1):
        response.enable_chunked_encoding()
    await response.prepare(call.request)
    if page is not None:
        await response.write(page)
    elif call.request.method != "HEAD":
        async for piece in answer.content.iter_any():
            await response.write(piece)
    await response.write_eof()


async def _page(answer: ClientResponse, rewrite: Rewrite) -> bytes | None:
    """A web page, rewritten; None for everything else, and for pages that are too large or have no size."""
    is_page = answer.content_type == "text/html" and "Location" not in answer.headers
    length = answer.content_length
    if answer.method == "HEAD" or not is_page or length is None or length > MAX_PAGE_BYTES:
        return None
    return rewrite_page(await answer.read(), answer.headers.get("Content-Encoding", ""), rewrite)


async def _serve_socket(
    call: Call, session: ClientSession, url: URL, headers: CIMultiDict[str]
) -> StreamResponse:
    wanted = [name.strip() for name in headers.popall("Sec-WebSocket-Protocol", ())]
    protocols = tuple(part.strip() for name in wanted for part in name.split(",") if part.strip())
    for name in OF_SOCKETS:
        headers.popall(name, None)
    async with session.ws_connect(
        url.with_scheme("wss" if url.scheme == "https" else "ws"),
        protocols=protocols,
        headers=headers,
        max_msg_size=MAX_MESSAGE_BYTES,
    ) as there:
        here = WebSocketResponse(
            protocols=(there.protocol,) if there.protocol else (),
            compress=False,
            max_msg_size=MAX_MESSAGE_BYTES,
        )
        await here.prepare(call.request)
        connection = cast(Connection, call.request.protocol)
        try:
            async with asyncio.timeout(None) as deadline:
                with connection.stream(deadline):
                    await _pump(here, there)
        except TimeoutError:
            if not deadline.expired():
                raise
            await here.close()
        return here


async def _pump(here: WebSocketResponse, there: ClientWebSocketResponse) -> None:
    """Pass messages both ways until one side closes, then close the other."""

    async def pass_on(
        source: WebSocketResponse | ClientWebSocketResponse, sink: WebSocketResponse | ClientWebSocketResponse
    ) -> None:
        async for message in source:
            if message.type is WSMsgType.TEXT:
                await sink.send_str(message.data)
            elif message.type is WSMsgType.BINARY:
                await sink.send_bytes(message.data)
        await sink.close(code=source.close_code or 1000)

    try:
        async with asyncio.TaskGroup() as group:
            group.create_task(pass_on(here, there))
            group.create_task(pass_on(there, here))
    except* ConnectionError:
        pass  # one side has gone in the middle of a message; there is nobody left to tell


def _as_go(error: ClientError | TimeoutError, url: URL) -> str:
    """What the real server, which is written in Go, says of a connection that failed."""
    return (
        f"dial tcp {url.host}:{url.port}: i/o timeout"
        if isinstance(error, TimeoutError)
        else why_failed(error)
    )


def session_over(tls: ssl.SSLContext | bool) -> ClientSession:
    """Connections that pass on what comes as it comes."""
    return ClientSession(
        connector=TCPConnector(ssl=tls, limit=0, force_close=False),
        cookie_jar=DummyCookieJar(),
        auto_decompress=False,
        skip_auto_headers=("Accept", "Accept-Encoding", "Content-Type", "User-Agent"),
        timeout=ClientTimeout(total=None, sock_connect=DIAL_SECONDS),
    )


def passed_on(call: Call, uri: str) -> CIMultiDict[str]:
    """The request's headers without what concerns the client and us."""
    request = call.request
    named = {name.strip().lower() for name in request.headers.get("Connection", "").split(",")}
    headers: CIMultiDict[str] = CIMultiDict()
    for name, value in request.headers.items():
        word = name.lower()
        if word not in OURS and word not in named and not word.startswith(PREFIX):
            headers.add(name, value)
    headers["X-Forwarded-Uri"] = uri
    peer = request.remote
    if peer:
        before = headers.get("X-Forwarded-For")
        headers["X-Forwarded-For"] = f"{before}, {peer}" if before else peer
    return headers
