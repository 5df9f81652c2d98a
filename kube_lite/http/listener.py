"""Sockets, TLS, and connections that can be ended.

A connection remembers the certificate its client has shown, which TLS has checked, and the deadlines of the
watches and streams that run on it. Ending a deadline early is how they are told that the client has gone or
that the server stops: they leave as if their time were up, in order, with nothing cancelled from outside.
"""

import asyncio
import errno
import logging
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from typing import Any, NamedTuple

from aiohttp.http import SERVER_SOFTWARE
from aiohttp.http_exceptions import LineTooLong
from aiohttp.http_parser import RawRequestMessage
from aiohttp.http_writer import StreamWriter
from aiohttp.streams import EMPTY_PAYLOAD, StreamReader
from aiohttp.web_protocol import RequestHandler, _ErrInfo
from aiohttp.web_request import BaseRequest
from aiohttp.web_response import Response, StreamResponse
from aiohttp.web_server import Server

from kube_lite.auth.user import User

from .call import Wish

log = logging.getLogger(__name__)

MAX_LINE_BYTES = 64 * 1024  # label selectors in URLs and tokens in headers are longer than aiohttp's 8 KiB
MAX_BODY_BYTES = 3 * 1024 * 1024  # upstream's limit for a request
BACKLOG = 1024  # connections that wait to be accepted
IP_FREEBIND = 15  # of linux/in.h; the socket module does not name it before Python 3.12
STALLED_SECONDS = 60.0  # how long a client may take nothing of what is being sent to it
STOP_SECONDS = 3.0  # how long requests in flight may take to end when the server stops


class CannotListen(Exception):
    """The address cannot be had; the message says why."""


Write = Callable[[bytes], Coroutine[Any, Any, None]]
"""Answers a request, given its body."""


class Quick(NamedTuple):
    """The short ways to an answer; each gives None for what it leaves to the handler.

    Attributes:
        read: the whole answer to a GET.
        plan_write: what answers a request of any other method, of which is said whether it has a body.
    """

    read: Callable[["Connection", RawRequestMessage], bytes | None]
    plan_write: Callable[["Connection", RawRequestMessage, bool], Write | None]


class Connection(RequestHandler):
    """One client's connection."""

    __slots__ = (
        "_quick",
        "_stalled",
        "_tasks",
        "_writing",
        "certificate",
        "deadlines",
        "user",
        "wish",
        "write_wish",
    )

    def __init__(
        self, manager: "Connections", quick: Quick, tasks: asyncio.TaskGroup, **settings: Any
    ) -> None:
        super().__init__(manager, **settings)
        self._quick = quick
        self._tasks = tasks
        self._writing: asyncio.Task[None] | None = None
        """Answers a write the short way; whatever comes after it waits."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Note the certificate: it is the same for every request on the connection."""
        tls = transport.get_extra_info("ssl_object")
        self.certificate: bytes | None = tls.getpeercert(binary_form=True) if tls is not None else None
        self.user: User | None = None
        self.wish: Wish | None = None
        self.write_wish: Wish | None = None
        self.deadlines: set[asyncio.Timeout] = set()
        self._stalled: asyncio.TimerHandle | None = None
        super().connection_made(transport)

    def data_received(self, data: bytes) -> None:
        """Answer what needs no waiting at once; the task that aiohttp has for the connection does the rest.

        While that task is at work, or was woken already, it has everything that comes after, so that answers
        keep the order of their requests.
        """
        if self._waiter is None or self._waiter.done():
            super().data_received(data)
        else:
            self._answer_next(data)

    def _answer_next(self, data: bytes = b"") -> None:
        """Take ``data`` in, and answer what may be answered at once, up to what takes the long way."""
        waiter = self._waiter
        if waiter is None or waiter.done():
            return
        self._waiter = None  # do not wake it yet
        try:
            if data:
                super().data_received(data)
            while self._messages and self._writing is None and not waiter.done():
                if not self._answer_quickly():
                    waiter.set_result(None)
        finally:
            self._waiter = waiter

    def _answer_quickly(self) -> bool:
        message, payload = self._messages[0]
        if isinstance(message, _ErrInfo) or not payload.is_eof():
            return False
        if message.should_close or message.upgrade or self.writing_paused or self.transport is None:
            return False
        if message.method != "GET":
            return self._write_quickly(message, payload)
        answer = self._quick.read(self, message) if payload is EMPTY_PAYLOAD else None
        if answer is None:
            return False
        self.transport.write(answer)
        self._take_message()
        return True

    def _write_quickly(self, message: RawRequestMessage, payload: StreamReader) -> bool:
        if payload.exception() is not None or payload.total_bytes > MAX_BODY_BYTES:
            return False
        write = self._quick.plan_write(self, message, payload.total_bytes > 0)
        if write is None:
            return False
        self._request_in_progress = True  # the server waits for it before it stops
        self._writing = self._tasks.create_task(self._write(write(payload.read_nowait())))
        self._take_message()
        return True

    async def _write(self, answer: Coroutine[Any, Any, None]) -> None:
        try:
            await answer
        finally:
            self._writing = None
            self._request_in_progress = False
            if self._handler_waiter is not None and not self._handler_waiter.done():
                self._handler_waiter.set_result(None)
            self._stay_open()
        self._answer_next()

    def send(self, answer: bytes) -> None:
        """Send an answer, if the client is still there."""
        if self.transport is not None and not self.transport.is_closing():
            self.transport.write(answer)

    def request_of(self, message: RawRequestMessage) -> BaseRequest:
        """A request object for what is being answered, whose body has been read.

        Raises:
            ConnectionResetError: the client has gone.
        """
        task = asyncio.current_task()
        if self._request_factory is None or task is None:
            raise ConnectionResetError("the client has gone")
        writer = StreamWriter(self, self._loop)
        return self._request_factory(message, EMPTY_PAYLOAD, self, writer, task)

    async def shutdown(self, timeout: float | None = STOP_SECONDS) -> None:  # noqa: ASYNC109 -- aiohttp's
        """Wait so long for what is in progress, then end it."""
        await super().shutdown(timeout)
        if self._writing is not None:
            self._writing.cancel()

    def _stay_open(self) -> None:
        self._next_keepalive_close_time = self._loop.time() + self._keepalive_timeout

    def _take_message(self) -> None:
        self._stay_open()
        self._messages.popleft()
        if self._parser is not None:
            self._parser.message_consumed()
        if self._buffer_paused and len(self._messages) <= self._msg_queue_resume_size:
            self._resume_reading_if_drained()

    def pause_writing(self) -> None:
        """The client has not taken what was sent: it has a while to go on, then the connection is cut.

        Until then whoever answers it waits, holding what is still to be sent.
        """
        super().pause_writing()
        if self.transport is not None:
            loop = asyncio.get_running_loop()
            self._stalled = loop.call_later(STALLED_SECONDS, self.transport.abort)

    def resume_writing(self) -> None:
        """It goes on."""
        self._forget_stall()
        super().resume_writing()

    def _forget_stall(self) -> None:
        if self._stalled is not None:
            self._stalled.cancel()
            self._stalled = None

    def connection_lost(self, exc: BaseException | None) -> None:
        """Nobody reads any more: watches need not go on."""
        self._forget_stall()
        self.end_streams()
        super().connection_lost(exc)

    def handle_error(
        self,
        request: BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> StreamResponse:
        """Answer what is no HTTP, as Go's server does; what it says may be a secret and is not logged."""
        if status != 400 or request.writer.output_size > 0:
            return super().handle_error(request, status, exc, message)
        log.info("malformed request", extra={"client": request.remote, "why": type(exc).__name__})
        status, text = (
            (431, "Request Header Fields Too Large") if isinstance(exc, LineTooLong) else (400, "Bad Request")
        )
        response = Response(status=status, text=f"{status} {text}", headers={"Connection": "close"})
        response.force_close()
        return response

    def end_streams(self) -> None:
        """Let every watch and stream on this connection end now."""
        now = asyncio.get_running_loop().time()
        for deadline in self.deadlines:
            deadline.reschedule(now)

    @contextmanager
    def stream(self, deadline: asyncio.Timeout) -> Iterator[None]:
        """For the length of the block, ``deadline`` passes at once when the connection or the server ends."""
        self.deadlines.add(deadline)
        try:
            yield
        finally:
            self.deadlines.discard(deadline)


class HttpRequest(BaseRequest):
    """A request whose answer does not tell what programs the server is made of."""

    async def _prepare_hook(self, response: StreamResponse) -> None:
        if response.headers.get("Server") == SERVER_SOFTWARE:  # that of a proxied answer stays
            del response.headers["Server"]


class Connections(Server):
    """All connections of one server."""

    def __init__(
        self,
        handler: Callable[[BaseRequest], Awaitable[StreamResponse]],
        quick: Quick,
        tasks: asyncio.TaskGroup,
        **settings: Any,
    ) -> None:
        super().__init__(handler, **settings)
        self._quick = quick
        self._tasks = tasks

    def __call__(self) -> Connection:
        """A new connection, for the event loop."""
        return Connection(self, self._quick, self._tasks, loop=self._loop, **self._kwargs)

    def all(self) -> list[Connection]:
        """Every connection that is open."""
        return [each for each in self.connections if isinstance(each, Connection)]  # they all are


class Listener:
    """Open sockets. ``port`` is the one really listened on."""

    def __init__(self, connections: Connections) -> None:
        self._connections = connections
        self._servers: list[asyncio.Server] = []
        self.port = 0

    async def open(
        self, host: str, port: int, tls: ssl.SSLContext | None, *, may_come_later: bool = False
    ) -> None:
        """Listen on one more address; with ``may_come_later`` also if the host does not have it yet.

        Raises:
            CannotListen: the port is taken, the address is not this host's, or we may not.
        """
        loop = asyncio.get_running_loop()
        try:
            if may_come_later:
                early = _bound_early(host, port)
                server = await loop.create_server(self._connections, sock=early, ssl=tls, backlog=BACKLOG)
            else:
                server = await loop.create_server(self._connections, host, port, ssl=tls, backlog=BACKLOG)
        except OSError as error:
            raise CannotListen(_explain(error, host, port)) from error
        self._servers.append(server)
        self.port = server.sockets[0].getsockname()[1]

    async def close(self) -> None:
        """Take no new connections, end the streams, let requests in flight finish, then close."""
        for server in self._servers:
            server.close()
        for connection in self._connections.all():
            connection.end_streams()
        self._connections.pre_shutdown()
        await self._connections.shutdown(STOP_SECONDS)


@asynccontextmanager
async def listening(
    handler: Callable[[BaseRequest], Awaitable[StreamResponse]],
    quick: Quick,
    hosts: Sequence[str],
    port: int,
    tls: ssl.SSLContext | None,
) -> AsyncIterator[Listener]:
    """Serve ``handler`` on every host, for the length of the block; port 0 picks one, the same for all.

    ``quick`` is asked first; what it leaves is for ``handler``. Each in its tasks, ended with the block.

    All but the first may be addresses that the host gets later, such as that of the pods' bridge.

    Raises:
        CannotListen: one of the addresses cannot be had; none is held then.
    """
    loop = asyncio.get_running_loop()

    def make_request(message, payload, protocol, writer, task):  # type: ignore[no-untyped-def]  # aiohttp's
        return HttpRequest(message, payload, protocol, writer, task, loop, client_max_size=MAX_BODY_BYTES)

    try:
        async with asyncio.TaskGroup() as tasks:
            connections = Connections(
                handler,
                quick,
                tasks,
                request_factory=make_request,
                access_log=None,
                max_line_size=MAX_LINE_BYTES,
                max_field_size=MAX_LINE_BYTES,
            )
            listener = Listener(connections)
            try:
                await listener.open(hosts[0], port, tls)
                for host in hosts[1:]:
                    await listener.open(host, listener.port, tls, may_come_later=True)
                yield listener
            finally:
                await listener.close()
    except BaseExceptionGroup as failures:
        if len(failures.exceptions) > 1:
            raise
        raise failures.exceptions[0] from None


def _bound_early(host: str, port: int) -> socket.socket:
    """A socket bound to an IPv4 address that may not be there yet (ip(7), ``IP_FREEBIND``)."""
    early = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    try:
        early.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        early.setsockopt(socket.IPPROTO_IP, IP_FREEBIND, 1)
        early.bind((host, port))
    except OSError:
        early.close()
        raise
    return early


def _explain(error: OSError, host: str, port: int) -> str:
    where = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    if error.errno == errno.EADDRINUSE:
        return f"cannot listen on {where}: the port is taken by another program"
    if error.errno == errno.EADDRNOTAVAIL:
        return f"cannot listen on {where}: this host does not have that address"
    if error.errno == errno.EACCES:
        return f"cannot listen on {where}: ports below 1024 need more rights"
    return f"cannot listen on {where}: {error.strerror or error}"
