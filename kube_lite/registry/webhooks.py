"""Calls of webhooks: where they are, whom to trust, and what went wrong, in the words of Go's client.

A webhook in a Service is called at one of its endpoints, under the Service's name, which its certificate
must bear. Connections are kept for the next call.
Source: ``apiserver/pkg/util/webhook/client.go``, ``client-go/rest/request.go``.
"""

import random
import ssl
from base64 import b64decode
from errno import ECONNREFUSED, ECONNRESET, EHOSTUNREACH, ENETUNREACH
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import urlsplit

from kube_lite.api.gotext import go_quote
from kube_lite.api.identity import Json, ObjectKey

from .service_addresses import Look, NoAddress, addresses_of

if TYPE_CHECKING:
    from aiohttp import ClientResponse, ClientSession

HTTPS_PORT = 443
MOST_BYTES = 64 * 1024 * 1024  # of an answer; a list's worth of large objects
FORBIDDEN = 403
SERVER_ERRORS = 500
UNTRUSTED = "certificate signed by unknown authority"
VERIFICATION = {
    10: "certificate has expired or is not yet valid",
    **dict.fromkeys((18, 19, 20, 21), UNTRUSTED),
}
"""OpenSSL's codes → what Go says."""
NETWORK = {
    ECONNREFUSED: "connect: connection refused",
    EHOSTUNREACH: "connect: no route to host",
    ENETUNREACH: "connect: network is unreachable",
    ECONNRESET: "read: connection reset by peer",
}
ANSWERS = {
    400: "the server rejected our request for an unknown reason",
    401: "the server has asked for the client to provide credentials",
    404: "the server could not find the requested resource",
    405: "the server does not allow this method on the requested resource",
    409: "the server reported a conflict",
    429: "the server has received too many requests and has asked us to try again later",
    503: "the server is currently unable to handle the request",
    504: "the server was unable to return a response in the time allotted, but may still be processing the request",  # noqa: E501
}


class CallFailed(Exception):
    """A webhook gave no answer that could be read; says why."""


class Hook(NamedTuple):
    """Where a webhook is.

    Attributes:
        url: as it is told; of a Service's, with the name that its certificate bears.
        service: the Service, None for one that is called at its URL.
        port: of the Service.
        trust: whom it is trusted by.
    """

    url: str
    service: ObjectKey | None
    port: int
    trust: ssl.SSLContext


def hook_of(client: Json) -> Hook:
    """Read a ``clientConfig`` that was validated.

    Raises:
        CallFailed: its certificates, which definitions of old were not checked for, cannot be read.
    """
    bundle = client.get("caBundle")
    try:
        trust = ssl.create_default_context(cadata=b64decode(bundle).decode() if bundle else None)
    except (ValueError, ssl.SSLError) as error:
        why = "unable to load root certificates: unable to parse bytes as PEM block"
        raise CallFailed(why) from error
    service = client.get("service")
    if service is None:
        return Hook(client["url"], None, 0, trust)
    name, namespace, port = service["name"], service["namespace"], service.get("port") or HTTPS_PORT
    path = (service.get("path") or "").lstrip("/")
    return Hook(f"https://{name}.{namespace}.svc:{port}/{path}", ObjectKey(namespace, name), port, trust)


class Webhooks:
    """Calls webhooks; ``close`` lets the connections go.

    Args:
        look: finds Services and their Endpoints.
    """

    def __init__(self, look: Look) -> None:
        self._look = look
        self._session: ClientSession | None = None

    async def close(self) -> None:
        """Let the connections go; the next call makes new ones."""
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    async def post(self, hook: Hook, body: bytes, seconds: int) -> Any:
        """What a webhook answers.

        Args:
            body: JSON.
            seconds: how long it may take, of which the webhook is told.

        Raises:
            CallFailed: it does not answer, or not with JSON.
        """
        from aiohttp import ClientError  # a server that calls no webhooks starts without

        url = f"{hook.url}?timeout={seconds}s"
        try:
            status, is_text, answer = await self._post(hook, url, body, seconds)
        except NoAddress as error:
            raise CallFailed(f"Post {go_quote(url)}: {error}") from error
        except TimeoutError as error:
            why = "context deadline exceeded (Client.Timeout exceeded while awaiting headers)"
            raise CallFailed(f"Post {go_quote(url)}: {why}") from error
        except (ClientError, OSError, ValueError) as error:
            raise CallFailed(f"Post {go_quote(url)}: {_why(error, url)}") from error
        return _read(status, answer, is_text=is_text)

    async def _post(self, hook: Hook, url: str, body: bytes, seconds: int) -> tuple[int, bool, bytes]:
        from aiohttp import ClientSession, ClientTimeout

        headers = {"Content-Type": "application/json", "Accept": "application/json"}
        target, name = url, None
        if hook.service is not None:
            address = random.choice(addresses_of(self._look, hook.service, hook.port))
            split = urlsplit(url)
            host = f"[{address.host}]" if ":" in address.host else address.host
            target = split._replace(netloc=f"{host}:{address.port}").geturl()
            headers["Host"], name = split.netloc, split.hostname
        if self._session is None:
            self._session = ClientSession()
        async with self._session.post(
            target, data=body, headers=headers, ssl=hook.trust, allow_redirects=False,
            timeout=ClientTimeout(total=seconds), server_hostname=name,
        ) as response:  # fmt: skip
            is_text = response.content_type.startswith("text/")
            return response.status, is_text, await _body_of(response)


async def _body_of(response: "ClientResponse") -> bytes:
    pieces, size = [], 0
    async for piece in response.content.iter_any():
        pieces.append(piece)
        size += len(piece)
        if size > MOST_BYTES:
            raise ValueError("http: response body too large")
    return b"".join(pieces)


def _read(status: int, body: bytes, *, is_text: bool) -> Any:
    from kube_lite.api.codecs import DecodeError, decode

    try:
        answer = decode(body).value
    except DecodeError as error:
        if status == 200:
            why = f"couldn't get version/kind; json parse error: {error}"
            raise CallFailed(why) from error
        answer = None
    if isinstance(answer, dict) and answer.get("kind") == "Status" and answer.get("status") != "Success":
        raise CallFailed(str(answer.get("message") or "unknown"))
    if 200 <= status <= 206:
        return answer
    told = body.decode(errors="replace").strip() if is_text else "unknown"
    raise CallFailed(_refusal(status, told))


def _refusal(status: int, told: str) -> str:
    """Source: ``NewGenericServerResponse`` in ``apimachinery/pkg/api/errors``."""
    if status == FORBIDDEN:
        return told
    if status in ANSWERS:
        return ANSWERS[status]
    if status >= SERVER_ERRORS:
        return f"an error on the server ({go_quote(told)}) has prevented the request from succeeding"
    return f"the server responded with the status code {status} but did not return more details"


def _why(error: Exception, url: str) -> str:
    """What Go's client says of a call that came to nothing."""
    from aiohttp import (
        ClientConnectorCertificateError,
        ClientConnectorDNSError,
        ClientConnectorError,
        ClientConnectorSSLError,
        ServerDisconnectedError,
    )

    if isinstance(error, ClientConnectorCertificateError):
        return f"tls: failed to verify certificate: x509: {_why_untrusted(error.certificate_error, url)}"
    if isinstance(error, ClientConnectorSSLError):
        if getattr(error.os_error, "reason", "") in ("WRONG_VERSION_NUMBER", "RECORD_LAYER_FAILURE"):
            return "http: server gave HTTP response to HTTPS client"
        return "remote error: tls: handshake failure"
    if isinstance(error, ClientConnectorDNSError):
        return f"dial tcp: lookup {error.host}: no such host"
    if isinstance(error, ClientConnectorError):
        why = NETWORK.get(error.os_error.errno or 0, f"connect: {(error.os_error.strerror or '').lower()}")
        host = f"[{error.host}]" if ":" in error.host else error.host
        return f"dial tcp {host}:{error.port}: {why}"
    if isinstance(error, ServerDisconnectedError):
        return "EOF"
    if isinstance(error, OSError) and error.errno in NETWORK:
        return NETWORK[error.errno]
    return str(error) or type(error).__name__


def _why_untrusted(error: Exception, url: str) -> str:
    if not isinstance(error, ssl.SSLCertVerificationError):
        return UNTRUSTED
    told = VERIFICATION.get(error.verify_code)
    if told is not None:
        return told
    if "mismatch" in error.verify_message:
        return f"certificate is not valid for {urlsplit(url).hostname}"
    return error.verify_message
