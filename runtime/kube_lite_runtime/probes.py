"""Perform one probe; when, how often and what follows from it is for the caller to know.

Probes run often and against addresses on this host, so each is one bare connection: an HTTP probe sends one
request, reads the head of the answer and hangs up; a gRPC probe speaks the few HTTP/2 frames that one health
check needs. Texts of failures are upstream's, because people read them in events.
Source: kubernetes/pkg/probe; gRPC health checking protocol (grpc/grpc doc/health-checking.md); RFC 9113.
"""

import asyncio
import ssl
from collections.abc import Sequence
from contextlib import asynccontextmanager, suppress
from enum import Enum
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import urljoin, urlsplit

from .errors import ExecFailed, NotRunning

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from .driver import Driver

MAX_HEAD = 64 * 1024
MAX_OUTPUT = 10 * 1024  # upstream keeps that much of an exec's output
MAX_REDIRECTS = 10


class Outcome(str, Enum):  # noqa: UP042 - as the other enums of this package
    """What a probe found out."""

    SUCCESS = "success"
    FAILURE = "failure"
    UNKNOWN = "unknown"


class ProbeResult(NamedTuple):
    """The outcome, and what is told about it."""

    outcome: Outcome
    message: str = ""


Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@asynccontextmanager
async def _connected(host: str, port: int, tls: ssl.SSLContext | None = None) -> "AsyncIterator[Streams]":
    reader, writer = await asyncio.open_connection(
        host, port, ssl=tls, server_hostname=host if tls else None, limit=MAX_HEAD
    )
    try:
        yield reader, writer
    finally:
        writer.close()
        with suppress(OSError, ssl.SSLError):
            await writer.wait_closed()


def _dial_error(host: str, port: int, error: OSError) -> str:
    target = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    if isinstance(error, ConnectionRefusedError):
        return f"dial tcp {target}: connect: connection refused"
    why = (error.strerror or str(error)).lower()
    return f"dial tcp {target}: connect: {why}"


async def probe_tcp(host: str, port: int, within: float) -> ProbeResult:
    """Whether somebody takes a connection."""
    try:
        async with asyncio.timeout(within), _connected(host, port):
            return ProbeResult(Outcome.SUCCESS)
    except TimeoutError:
        return ProbeResult(Outcome.FAILURE, f"dial tcp {host}:{port}: i/o timeout")
    except OSError as error:
        return ProbeResult(Outcome.FAILURE, _dial_error(host, port, error))


async def probe_http(
    host: str,
    port: int,
    *,
    path: str = "/",
    scheme: str = "http",
    headers: Sequence[tuple[str, str]] = (),
    within: float = 1.0,
    user_agent: str = "kube-probe",
) -> ProbeResult:
    """Whether a GET is answered with a code from 200 to 399; certificates are not checked."""
    authority = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    url = f"{scheme}://{authority}{path if path.startswith('/') else '/' + path}"
    try:
        async with asyncio.timeout(within):
            return await _get_following(url, headers, user_agent)
    except TimeoutError:
        why = "context deadline exceeded (Client.Timeout exceeded while awaiting headers)"
        return ProbeResult(Outcome.FAILURE, f'Get "{url}": {why}')
    except asyncio.IncompleteReadError:
        return ProbeResult(Outcome.FAILURE, f'Get "{url}": EOF')
    except (asyncio.LimitOverrunError, ValueError) as error:
        return ProbeResult(Outcome.FAILURE, f'Get "{url}": net/http: malformed HTTP response: {error}')
    except ssl.SSLError as error:
        return ProbeResult(Outcome.FAILURE, f'Get "{url}": tls: {error.reason or error}')
    except ConnectionResetError:
        return ProbeResult(Outcome.FAILURE, f'Get "{url}": read: connection reset by peer')
    except OSError as error:
        return ProbeResult(Outcome.FAILURE, f'Get "{url}": {_dial_error(host, port, error)}')


async def _get_following(url: str, headers: Sequence[tuple[str, str]], user_agent: str) -> ProbeResult:
    first = urlsplit(url)
    for _ in range(MAX_REDIRECTS):
        code, location = await _get(url, headers, user_agent)
        if not 300 <= code < 400 or not location:
            break
        target = urljoin(url, location)
        if urlsplit(target).hostname != first.hostname:
            return ProbeResult(Outcome.SUCCESS, "Probe terminated redirects")
        url = target
    if 200 <= code < 400:
        return ProbeResult(Outcome.SUCCESS)
    return ProbeResult(Outcome.FAILURE, f"HTTP probe failed with statuscode: {code}")


async def _get(url: str, headers: Sequence[tuple[str, str]], user_agent: str) -> tuple[int, str]:
    """Status code and ``Location`` of one answer."""
    parts = urlsplit(url)
    secure = parts.scheme.lower() == "https"
    port = parts.port or (443 if secure else 80)
    given = {name.lower() for name, _ in headers}
    lines = [f"GET {parts.path or '/'}{'?' + parts.query if parts.query else ''} HTTP/1.1"]
    usual = (("Host", parts.netloc), ("User-Agent", user_agent), ("Accept", "*/*"), ("Connection", "close"))
    lines += [f"{name}: {value}" for name, value in (*usual, *headers) if name.lower() not in given]
    lines += [f"{name}: {value}" for name, value in headers if value]
    async with _connected(parts.hostname or "", port, _trusting() if secure else None) as (reader, writer):
        writer.write(("\r\n".join(lines) + "\r\n\r\n").encode("latin-1"))
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    version, _, rest = head[0].partition(" ")
    if not version.startswith("HTTP/") or not rest[:3].isdigit():
        raise ValueError(repr(head[0]))
    location = next((line[9:].strip() for line in head if line.lower().startswith("location:")), "")
    return int(rest[:3]), location


def _trusting() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


async def probe_exec(
    driver: "Driver", container_id: str, command: Sequence[str], within: float
) -> ProbeResult:
    """Whether a command in the container ends with 0; what it wrote is the message."""
    output = bytearray()
    try:
        async with asyncio.timeout(within), await driver.exec(container_id, command) as session:
            async for chunk in session.output():
                output += chunk.content[: MAX_OUTPUT - len(output)]
            status = await session.wait()
    except TimeoutError:
        quoted = " ".join(command)
        return ProbeResult(Outcome.FAILURE, f'command timed out: "{quoted}" timed out after {within:g}s')
    except ExecFailed as error:
        return ProbeResult(Outcome.FAILURE, str(error))
    except NotRunning as error:
        return ProbeResult(Outcome.UNKNOWN, str(error))
    text = output.decode(errors="replace")
    return ProbeResult(Outcome.SUCCESS if status.code == 0 else Outcome.FAILURE, text.rstrip("\n"))


PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
FRAME_DATA, FRAME_HEADERS, FRAME_RST, FRAME_SETTINGS, FRAME_PING, FRAME_GOAWAY = 0, 1, 3, 4, 6, 7
ACK = END_STREAM = 1
END_HEADERS = 4
SERVING = 1
HEALTH_STATES = {0: "UNKNOWN", 1: "SERVING", 2: "NOT_SERVING", 3: "SERVICE_UNKNOWN"}


async def probe_grpc(host: str, port: int, service: str, within: float) -> ProbeResult:
    """Whether the standard health service says SERVING."""
    target = f"{host}:{port}"
    try:
        async with asyncio.timeout(within), _connected(host, port) as (reader, writer):
            writer.write(_health_request(target, service))
            state = await _health_answer(reader, writer)
    except TimeoutError:
        why = f'timeout: failed to connect service "{target}" within {within:g}s: context deadline exceeded'
        return ProbeResult(Outcome.FAILURE, why)
    except (OSError, asyncio.IncompleteReadError) as error:
        return ProbeResult(Outcome.FAILURE, f"error: health rpc probe failed: {error}")
    if state == SERVING:
        return ProbeResult(Outcome.SUCCESS, "service healthy")
    if state is None:
        return ProbeResult(Outcome.FAILURE, "error: this server does not implement the grpc health protocol")
    name = HEALTH_STATES.get(state, str(state))
    return ProbeResult(Outcome.FAILURE, f'service unhealthy (responded with "{name}")')


def _frame(kind: int, flags: int, stream: int, content: bytes = b"") -> bytes:
    return len(content).to_bytes(3, "big") + bytes([kind, flags]) + stream.to_bytes(4, "big") + content


def _literal(name: str, value: str) -> bytes:
    """A header in HPACK's plainest form: not indexed, new name, no Huffman code."""
    parts = [bytes([len(text)]) + text for text in (name.encode(), value.encode()[:126])]
    return b"\x00" + b"".join(parts)


def _health_request(target: str, service: str) -> bytes:
    headers = (
        (":method", "POST"), (":scheme", "http"), (":path", "/grpc.health.v1.Health/Check"),
        (":authority", target), ("content-type", "application/grpc"), ("te", "trailers"),
    )  # fmt: skip
    block = b"".join(_literal(name, value) for name, value in headers)
    name = service.encode()[:127]
    message = (b"\x0a" + bytes([len(name)]) + name) if name else b""
    body = b"\x00" + len(message).to_bytes(4, "big") + message
    return (
        PREFACE
        + _frame(FRAME_SETTINGS, 0, 0)
        + _frame(FRAME_HEADERS, END_HEADERS, 1, block)
        + _frame(FRAME_DATA, END_STREAM, 1, body)
    )


async def _health_answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> int | None:
    """The status in the answer; None when the call was answered without one."""
    body = b""
    while True:
        head = await reader.readexactly(9)
        length, kind, flags = int.from_bytes(head[:3], "big"), head[3], head[4]
        content = await reader.readexactly(length)
        if kind == FRAME_SETTINGS and not flags & ACK:
            writer.write(_frame(FRAME_SETTINGS, ACK, 0))
        elif kind == FRAME_PING and not flags & ACK:
            writer.write(_frame(FRAME_PING, ACK, 0, content))
        elif kind == FRAME_DATA:
            body += content
            if len(body) >= 5 and len(body) >= 5 + int.from_bytes(body[1:5], "big"):
                return _serving_status(body[5:])
        ended = kind == FRAME_HEADERS and flags & END_STREAM
        if ended or kind in (FRAME_RST, FRAME_GOAWAY):
            return None


def _serving_status(message: bytes) -> int:
    """Field 1 of a ``HealthCheckResponse``; left out means UNKNOWN."""
    return message[1] if len(message) >= 2 and message[0] == 0x08 else 0
