"""Streams that a node serves: logs, exec, attach and ports, passed on with the server's own certificate.

Everything that can be refused is refused before the client's connection is upgraded, because only then a
client shows the reason. The node is dialled first for the same reason. After that messages are pumped both
ways, each side waiting for the other, until one ends; the other is then closed too. SPDY goes byte by byte,
ports also inside the messages of a WebSocket (KEP-4006), in which newer clients wrap it.
"""

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from types import SimpleNamespace
from typing import TYPE_CHECKING, cast
from urllib.parse import parse_qsl, urlencode

from aiohttp import (
    ClientError,
    ClientResponse,
    ClientSession,
    ClientTimeout,
    TCPConnector,
    TraceConfig,
    TraceRequestEndParams,
    WSMsgType,
)
from aiohttp.client_ws import ClientWebSocketResponse
from aiohttp.web_response import Response, StreamResponse
from multidict import CIMultiDict
from yarl import URL

from kube_lite.api.errors import BadRequest, InternalError, NotFound
from kube_lite.api.identity import GroupVersionResource, Json
from kube_lite.api.resource import Registry
from kube_lite.api.service_addresses import Address
from kube_lite.auth.user import User
from kube_lite.verbs.request import Answer, Request

from .backends import (
    Backend,
    backend_of,
    check_log_options,
    choose_container,
    ports_path,
    refuse_ended,
    refuse_missing,
    stream_path,
    wants_streams,
)
from .call import Call
from .listener import Connection
from .parse import Target
from .relay import Relay
from .tunnel import SWITCHING, Way, refusal, switched, tunnel
from .upgrade import (
    MAX_MESSAGE_BYTES,
    PORT_FORWARD,
    SPDY,
    STREAM_PROTOCOL,
    V4,
    V4_BASE64,
    Channels,
    Wrapped,
    choose_protocol,
    refuse_unless_tunnelling,
    wants_spdy,
)

if TYPE_CHECKING:
    from kube_lite.verbs.pipeline import Pipeline

NODES = GroupVersionResource("", "v1", "nodes")
DIAL_SECONDS = 10.0


class NodeStreams:
    """Passes streams on; holds the connections to nodes.

    Args:
        user: as whom Pods and Nodes are looked up. Whether the client may have the stream is decided before.
    """

    def __init__(
        self, pipeline: "Pipeline", registry: Registry, user: User, credentials: Callable[[], ssl.SSLContext]
    ) -> None:
        self._pipeline = pipeline
        self._registry = registry
        self._user = user
        self._credentials = credentials
        self._relay = Relay(self._look, credentials)
        answers = TraceConfig()
        answers.on_request_end.append(_raise_refusal)
        self._session = ClientSession(
            trace_configs=[answers],
            connector=TCPConnector(ssl=credentials(), limit=0),
            timeout=ClientTimeout(total=None, sock_connect=DIAL_SECONDS),
        )

    async def close(self) -> None:
        """Close the connections to nodes."""
        await self._relay.close()
        await self._session.close()

    async def serve(self, call: Call, target: Target) -> StreamResponse:
        """Answer a request for a subresource that streams.

        Raises:
            ApiError: it cannot be had; nothing has been sent.
        """
        action = target.subresource
        if action == "log":
            check_log_options(target.name, call.address.query)
        if action == "proxy":
            return await self._relay.serve(call, target)
        found = await self._look(target.resource.gvr, target.name, target.namespace)
        if action == "log":
            return await self._serve_log(call, found)
        if action == "portforward":
            return await self._serve_ports(call, found)
        return await self._serve_channels(call, action, found)

    async def _look(self, resource: GroupVersionResource, name: str, namespace: str = "") -> Json:
        row = self._registry.by_gvr(resource)
        assert row is not None  # pods, services, endpoints and nodes are always served
        answer = await self._pipeline.handle(Request("get", row, self._user, namespace=namespace, name=name))
        assert isinstance(answer, Answer)  # which a get always gives
        return answer.as_object()

    async def _backend(self, pod: Json) -> Backend | None:
        """The node of a Pod; None while it has none."""
        node = pod["spec"].get("nodeName")
        return backend_of(await self._look(NODES, node)) if node else None

    async def _node_of(self, pod: Json) -> Backend:
        """The node of a Pod. Raises ``BadRequest`` while it has none."""
        backend = await self._backend(pod)
        if backend is None:
            raise BadRequest(f"pod {pod['metadata']['name']} does not have a host assigned")
        return backend

    async def _serve_log(self, call: Call, pod: Json) -> StreamResponse:
        container = choose_container(pod, call.address.query.get("container", ""))
        backend = await self._backend(pod)
        if backend is None:
            return Response(status=204, headers=call.headers(""))
        url = backend.url(stream_path("containerLogs", pod, container, _without_container(call)))
        async with self._dialled(url) as source:
            response = StreamResponse(headers=call.headers("text/plain"))
            response.enable_chunked_encoding()
            connection = cast(Connection, call.request.protocol)  # the only kind that the listener makes
            try:
                async with asyncio.timeout(None) as deadline:
                    with connection.stream(deadline):
                        await response.prepare(call.request)
                        async for chunk in source.content.iter_any():
                            await response.write(chunk)
            except TimeoutError:
                if not deadline.expired():
                    raise
            if call.request.transport is not None:
                await response.write_eof()
            return response

    @asynccontextmanager
    async def _dialled(self, url: str) -> AsyncIterator[ClientResponse]:
        try:
            response = await self._session.get(URL(url, encoded=True))
        except ClientError as error:
            raise _unreachable(error) from error
        async with response:
            yield response

    async def _serve_channels(self, call: Call, action: str, pod: Json) -> StreamResponse:
        container = choose_container(pod, call.address.query.get("container", ""))
        backend = await self._node_of(pod)
        if action == "exec" and not call.address.query.get("command"):
            raise BadRequest("you must specify at least 1 command for the container")
        wants_streams(call.address.query)
        refuse_ended(pod, "exec into" if action == "exec" else "attach")
        path = stream_path(action, pod, container, _without_container(call))
        if wants_spdy(call.request):
            refuse_missing(pod, container)
            return await tunnel(call, self._way_to(backend), path, _protocols_of(call))
        protocol = choose_protocol(call.request)
        url = backend.url(path)
        client = Channels(protocol)
        async with self._dialled_channels(url, V4 if protocol == V4_BASE64 else protocol) as node:
            response = await client.accept(call.request)
            connection = cast(Connection, call.request.protocol)
            try:
                async with asyncio.timeout(None) as deadline:
                    with connection.stream(deadline):
                        await _pump(client, node)
            except TimeoutError:
                if not deadline.expired():
                    raise
                await client.close()
            return response

    async def _serve_ports(self, call: Call, pod: Json) -> StreamResponse:
        way, path = self._way_to(await self._node_of(pod)), ports_path(pod)
        if wants_spdy(call.request):
            return await tunnel(call, way, path, _protocols_of(call))
        refuse_unless_tunnelling(call.request)
        headers = CIMultiDict({STREAM_PROTOCOL: PORT_FORWARD})
        async with switched("POST", way, path, SPDY, headers) as (head, there, to_node):
            if head.code != SWITCHING:
                return await refusal(call, head, there)
            client = Wrapped()
            response = await client.accept(call.request)
            connection = cast(Connection, call.request.protocol)
            try:
                async with asyncio.timeout(None) as deadline:
                    with connection.stream(deadline):
                        await client.join(there, to_node)
            except TimeoutError:
                if not deadline.expired():
                    raise
            await client.close()
            return response

    def _way_to(self, backend: Backend) -> Way:
        address = Address(backend.host, backend.port)
        return Way(address, self._credentials(), backend.host, _undialled)

    @asynccontextmanager
    async def _dialled_channels(self, url: str, protocol: str) -> AsyncIterator[ClientWebSocketResponse]:
        try:
            socket = await self._session.ws_connect(
                URL(url, encoded=True), protocols=(protocol,), max_msg_size=MAX_MESSAGE_BYTES
            )
        except ClientError as error:
            raise _unreachable(error) from error
        async with socket:
            yield socket


async def _pump(client: Channels, node: ClientWebSocketResponse) -> None:
    async def to_node() -> None:
        while (message := await client.receive()) is not None:
            await node.send_bytes(message)
        await node.close()

    async def to_client() -> None:
        async for message in node:
            if message.type is WSMsgType.BINARY:
                await client.send(message.data)
        await client.close()

    try:
        async with asyncio.TaskGroup() as group:
            group.create_task(to_node())
            group.create_task(to_client())
    except* ConnectionError:
        pass  # one side has gone in the middle of a message; there is nobody left to tell


def _without_container(call: Call) -> str:
    """The query as it came; the container is part of the node's path."""
    wishes = parse_qsl(call.address.raw_query, keep_blank_values=True)
    return urlencode([(name, value) for name, value in wishes if name != "container"])


def _protocols_of(call: Call) -> CIMultiDict[str]:
    """What the client says of the protocols within SPDY."""
    offered = call.request.headers.getall(STREAM_PROTOCOL, [])
    return CIMultiDict((STREAM_PROTOCOL, protocol) for protocol in offered)


def _unreachable(error: Exception) -> InternalError:
    return _undialled(str(error))


def _undialled(why: str) -> InternalError:
    return InternalError(f"Internal error occurred: error dialing backend: {why}")


async def _raise_refusal(
    session: ClientSession, context: SimpleNamespace, end: TraceRequestEndParams
) -> None:
    """Turn a node's refusal into an error that carries its words.

    The client of WebSockets throws the body of a refused upgrade away, so it is read here, where every answer
    comes by.
    """
    response = end.response
    if response.status < 400:
        return
    text = (await response.text()).strip()
    if response.status == 400:
        raise BadRequest(text)
    if response.status == 404:
        raise NotFound(text)
    raise InternalError(f"Internal error occurred: {text}")
