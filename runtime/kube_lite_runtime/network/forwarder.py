"""Virtual servers as sockets of this process: accept on a loopback address, pass bytes to an endpoint.

For hosts where the kernel's tables are closed to us. An address outside 127.0.0.0/8 cannot be ours there, so
10.96.0.10 answers as 127.96.0.10: the first number is replaced. Ports below 1024 need the system's leave
(``net.ipv4.ip_unprivileged_port_start``); where that is missing port 80 is opened as 8080, and so on. Only
TCP is passed on. ``limits`` tells what is different from what was asked for. Endpoints take turns, and one
that refuses is passed over.
"""

import asyncio
import errno
import logging
import socket
from collections.abc import Container, Sequence
from itertools import chain

from .services import ANY_LOCAL, Endpoint, VirtualServer

log = logging.getLogger(__name__)

MAX_CONNECTIONS = 2048
"""At a time, over all servers; each takes two descriptors. Whoever comes beyond that is turned away."""
CHUNK_BYTES = 1 << 16
CONNECT_SECONDS = 3.0

HIGHER_BY = 8000
"""What is added to a port that only root may open."""

Place = tuple[str, int]


class Forwarder:
    """A ``ProxyBackend`` in this process."""

    name = "userspace"

    def __init__(self) -> None:
        self._listeners: dict[Place, _Listener] = {}
        self._refused: dict[Place, str] = {}
        self._has_other_protocols = False
        self._has_other_addresses = False
        self._connections: set[asyncio.StreamWriter] = set()

    @property
    def limits(self) -> str:
        """What is not reachable, in words."""
        elsewhere = ", as 127.x.y.z instead of 10.x.y.z" if self._has_other_addresses else ""
        words = [f"Service addresses answer on this host only{elsewhere}"]
        if self._has_other_protocols:
            words.append("only TCP is forwarded")
        words += [f"{address}:{port}: {why}" for (address, port), why in sorted(self._refused.items())]
        return "; ".join(words)

    async def __aenter__(self) -> "Forwarder":
        """Nothing is needed."""
        return self

    async def __aexit__(self, *failure: object) -> None:
        """Stop accepting and cut what is connected."""
        await self.teardown()

    async def apply(self, servers: Sequence[VirtualServer]) -> None:
        """Open and close listeners, and tell those that stay their endpoints; see ``ProxyBackend``."""
        wanted = {loopback_place(server): server for server in servers if server.protocol == "tcp"}
        self._has_other_protocols = len(wanted) < len(servers)
        self._has_other_addresses = any(
            not server.address.startswith("127.") for server in wanted.values() if server.address != ANY_LOCAL
        )
        self._refused = {place: why for place, why in self._refused.items() if place in wanted}
        for place in [place for place in self._listeners if place not in wanted]:
            self._listeners.pop(place).close()
        for place, server in wanted.items():
            listener = self._listeners.get(place)
            if listener is None:
                listener = await self._open(place, wanted)
            if listener is not None:
                listener.set_endpoints(server)

    async def cover(self, ranges: Sequence[str]) -> None:
        """Nothing has to be done: ``limits`` tells of addresses that cannot be listened on."""

    async def teardown(self) -> None:
        """Close everything."""
        for listener in self._listeners.values():
            listener.close()
        self._listeners.clear()
        for writer in list(self._connections):
            writer.transport.abort()

    async def _open(self, place: Place, wanted: Container[Place]) -> "_Listener | None":
        listener = _Listener(self._connections)
        higher = (place[0], place[1] + HIGHER_BY)
        try:
            try:
                await listener.open(place)
                self._refused.pop(place, None)
            except PermissionError:
                if higher in wanted:
                    raise
                await listener.open(higher)
                self._refused[place] = f"answers at port {higher[1]} instead"
        except OSError as error:
            why = errno.errorcode.get(error.errno or 0, "?")
            if self._refused.get(place) != why:
                log.warning("cannot listen", extra={"address": place[0], "port": place[1], "error": why})
            self._refused[place] = why
            return None
        self._listeners[place] = listener
        return listener


def loopback_place(server: VirtualServer) -> Place:
    """Where the forwarder listens: 10.96.0.10:80 → 127.96.0.10:80, a node port on every address."""
    if server.address == ANY_LOCAL:
        return "0.0.0.0", server.port
    return f"127.{server.address.partition('.')[2]}", server.port


class _Listener:
    """One listening socket and its endpoints, in the order of their turns."""

    def __init__(self, connections: set[asyncio.StreamWriter]) -> None:
        self._connections = connections
        self._endpoints: tuple[Endpoint, ...] = ()
        self._is_sticky = False
        self._turn = 0
        self._server: asyncio.Server | None = None

    async def open(self, place: Place) -> None:
        self._server = await asyncio.start_server(self._serve, *place, limit=CHUNK_BYTES)

    def close(self) -> None:
        if self._server is not None:
            self._server.close()

    def set_endpoints(self, server: VirtualServer) -> None:
        self._endpoints, self._is_sticky = server.endpoints, server.is_sticky

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if len(self._connections) >= MAX_CONNECTIONS:
            writer.transport.abort()
            return
        self._connections.add(writer)
        try:
            endpoint = await self._connect(writer.get_extra_info("peername")[0])
            if endpoint is None:
                _reset(writer)
                return
            self._connections.add(endpoint[1])
            try:
                async with asyncio.TaskGroup() as group:
                    group.create_task(_pass_on(reader, endpoint[1]))
                    group.create_task(_pass_on(endpoint[0], writer))
            finally:
                self._connections.discard(endpoint[1])
                endpoint[1].transport.abort()
        finally:
            self._connections.discard(writer)
            writer.close()

    async def _connect(self, client: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter] | None:
        endpoints = self._endpoints
        if not endpoints:
            return None
        first = hash(client) if self._is_sticky else self._turn
        self._turn += 1
        first %= len(endpoints)
        for endpoint in chain(endpoints[first:], endpoints[:first]):
            try:
                async with asyncio.timeout(CONNECT_SECONDS):
                    return await asyncio.open_connection(*endpoint, limit=CHUNK_BYTES)
            except (OSError, TimeoutError):
                continue
        return None


async def _pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Copy until the sender has said all; a connection that breaks ends both directions."""
    try:
        while content := await reader.read(CHUNK_BYTES):
            writer.write(content)
            await writer.drain()
        writer.write_eof()
    except OSError:
        writer.transport.abort()


def _reset(writer: asyncio.StreamWriter) -> None:
    """Close with a reset, which is the nearest to a refusal once a connection was accepted."""
    raw = writer.get_extra_info("socket")
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    writer.transport.abort()
