"""A load generator in a process of its own: the same request over and over on several connections.

    python -m tests.bench.load '{"port": 6443, "connections": 16, "seconds": 3, ...}'

A protocol on uvloop that only counts the bytes of each answer, so that it costs a fraction of what the
server does. ``{n}`` in path and body is a number that no other request has. Prints one JSON object:
requests answered per second, how many were not 2xx, and the median and 99th percentile of the waiting time
in milliseconds.
"""

import asyncio
import json
import ssl
import sys
import time
from dataclasses import dataclass, field
from functools import partial
from typing import Any, cast


@dataclass
class Load:
    port: int
    path: str
    connections: int = 16
    seconds: float = 3.0
    method: str = "GET"
    body: str = ""
    accept: str = "application/json"
    first: int = 0
    host: str = "127.0.0.1"
    authority: str = ""
    certificate: str = ""
    key: str = ""
    waits: list[float] = field(default_factory=list)
    failures: int = 0
    sent: int = 0

    def next_request(self) -> bytes:
        number = str(self.first + self.sent)
        self.sent += 1
        body = self.body.replace("{n}", number).encode()
        head = f"{self.method} {self.path.replace('{n}', number)} HTTP/1.1\r\nHost: localhost\r\n"
        head += f"User-Agent: bench\r\nAccept: {self.accept}\r\n"
        if body:
            head += f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n"
        return head.encode() + b"\r\n" + body

    def tls(self) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.load_verify_locations(self.authority)
        context.load_cert_chain(self.certificate, self.key)
        return context


class Connection(asyncio.Protocol):
    """Sends, counts what comes back, sends again until the time is up."""

    def __init__(self, load: Load, until: float, done: asyncio.Future[None]) -> None:
        self.load = load
        self.until = until
        self.done = done
        self.buffer = b""
        self.missing = -1
        self.is_chunked = False
        self.end = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)  # uvloop's TLS transport is no subclass
        self.send()

    def send(self) -> None:
        self.began = time.perf_counter()
        self.transport.write(self.load.next_request())

    def data_received(self, data: bytes) -> None:
        if self.missing < 0:
            self.buffer += data
            end = self.buffer.find(b"\r\n\r\n")
            if end < 0:
                return
            head = self.buffer[:end].lower()
            if not head.startswith(b"http/1.1 2"):
                self.load.failures += 1
            if b"transfer-encoding: chunked" in head:
                self.is_chunked, self.missing = True, 1
            else:
                at = head.index(b"content-length: ") + 16
                length = int(head[at:].split(b"\r\n", 1)[0])
                self.missing = length - (len(self.buffer) - end - 4)
            self.buffer = b""
        elif not self.is_chunked:
            self.missing -= len(data)
        if self.is_chunked:
            self.end = (self.end + data)[-5:]
            self.missing = int(self.end != b"0\r\n\r\n")
        if self.missing <= 0:
            self.answered()

    def answered(self) -> None:
        self.missing, self.is_chunked, self.end = -1, False, b""
        now = time.perf_counter()
        self.load.waits.append(now - self.began)
        if now < self.until:
            self.send()
        else:
            self.transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.done.done():
            self.done.set_result(None)


async def run(load: Load) -> dict[str, Any]:
    loop = asyncio.get_running_loop()
    tls = load.tls()
    began = time.perf_counter()
    waiting: list[asyncio.Future[None]] = []
    until = began + load.seconds
    for _ in range(load.connections):
        done: asyncio.Future[None] = loop.create_future()
        make = partial(Connection, load, until, done)
        await loop.create_connection(make, load.host, load.port, ssl=tls, server_hostname="localhost")
        waiting.append(done)
    for done in waiting:
        await done
    waits = sorted(load.waits)
    return {
        "answered": len(waits),
        "per_second": len(waits) / (time.perf_counter() - began),
        "failures": load.failures,
        "median_ms": waits[len(waits) // 2] * 1000,
        "p99_ms": waits[len(waits) * 99 // 100] * 1000,
    }


if __name__ == "__main__":
    import uvloop

    print(json.dumps(uvloop.run(run(Load(**json.loads(sys.argv[1]))))))
