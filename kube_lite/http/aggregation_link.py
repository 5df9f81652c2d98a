"""Connections to the server of another group: requests passed on in the name of who asks, and our own.

The other server knows us by our front-proxy certificate, and believes us who asks (``X-Remote-…``); what
clients say about that themselves stays here, like their credentials. Bodies are passed on piece by piece,
each side waiting for the other, so neither large ones nor watches are held here. Connections that change
their protocol are passed on byte by byte, whatever is spoken.
Source: ``pkg/apiserver/handler_proxy.go`` of kube-aggregator.
"""

import ssl
from base64 import b64decode
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from typing import NamedTuple

import orjson
from aiohttp import (
    ClientConnectionError,
    ClientConnectorCertificateError,
    ClientError,
    ClientSession,
    ClientTimeout,
    ServerTimeoutError,
)
from aiohttp.web_response import StreamResponse
from multidict import CIMultiDict
from yarl import URL

from kube_lite.api.errors import (
    ApiError,
    InternalError,
    MethodNotAllowed,
    NotFound,
    ServiceUnavailable,
    from_status,
)
from kube_lite.api.gotext import go_quote
from kube_lite.api.identity import Json
from kube_lite.api.service_addresses import Address
from kube_lite.auth.user import MASTERS, User
from kube_lite.kit.go_client import why_failed, why_untrusted
from kube_lite.kit.pki import Pair, trust_in

from .aggregation_plan import Backend, identity_of, is_identity
from .body import CONTINUE
from .call import Call
from .entrance import LONGEST_SECONDS, is_long_running
from .relay import DIAL_SECONDS, passed_on, relay_answer, session_over
from .tunnel import Way, tunnel

CHECKER = User("system:kube-aggregator", groups=(MASTERS,))
DISCOVERY_SECONDS = 5.0
MAX_ANSWER_BYTES = 64 * 1024 * 1024  # of what is read whole: documents, and answers to our own components
MAX_REASON_BYTES = 1024
MAX_LINE_BYTES = 4 * 1024 * 1024  # of an event
PIECE_BYTES = 64 * 1024
NOT_FOR_THEM = ("host", "expect", "x-forwarded-uri")
BAD_BUNDLE = "unable to load root certificates: unable to parse bytes as PEM block"


UNTOLD: dict[int, tuple[type[ApiError], str]] = {
    404: (NotFound, "the server could not find the requested resource"),
    405: (MethodNotAllowed, "the server does not allow this method on the requested resource"),
    503: (ServiceUnavailable, "the server is currently unable to handle the request"),
}
"""What clients say of codes that come without a Status."""


class Found(NamedTuple):
    """What was answered to a question of ours."""

    status: int
    body: bytes
    tag: str = ""
    content_type: str = ""


class BadBundle(InternalError):
    """The certificates in ``caBundle`` cannot be read."""


class Link:
    """Passes requests on to the server behind a Service.

    Args:
        credentials: the certificate that says who we are.

    Raises:
        BadBundle: nobody could be trusted.
    """

    def __init__(self, backend: Backend, credentials: Pair) -> None:
        self._host = backend.host
        self._tls = _tls_of(backend, credentials)
        self._session = session_over(self._tls)

    async def close(self) -> None:
        """Close the connections."""
        await self._session.close()

    def _open(self) -> ClientSession:
        """Raises ``ClientConnectionError`` when nobody needs this any more."""
        if self._session.closed:
            raise ClientConnectionError("the server is another one by now")
        return self._session

    async def serve(self, call: Call, address: Address) -> StreamResponse:
        """Answer with what is answered there.

        Raises:
            ServiceUnavailable: nothing is.
            TimeoutError: nothing for too long.
        """
        request = call.request
        headers = _headers(call)
        if is_upgrade(request.headers):
            way = Way(address, self._tls, self._host, _unreachable)
            return await tunnel(call, way, request.raw_path, headers)
        expects = request.headers.get("Expect", "").lower() == "100-continue"
        if expects and request.transport is not None and not request.content.is_eof():
            request.transport.write(CONTINUE)
        try:
            asking = self._open().request(
                request.method,
                URL(f"{address.url}{request.raw_path}", encoded=True),
                headers=headers,
                data=request.content if request.can_read_body else None,
                allow_redirects=False,
                server_hostname=self._host,
                timeout=ClientTimeout(_patience(call), sock_connect=DIAL_SECONDS),
            )
            return await relay_answer(call, asking, lambda link: link)
        except ClientConnectorCertificateError as error:
            raise _unreachable(await why_untrusted(error, self._host)) from error
        except ServerTimeoutError as error:
            raise _unreachable(f"dial tcp {address}: i/o timeout") from error
        except TimeoutError as error:
            if call.asked is not None:
                raise
            raise _unreachable("context deadline exceeded") from error
        except (ClientError, ValueError) as error:  # ValueError: who asks has a name that no header can have
            raise _unreachable(why_failed(error)) from error

    async def ask(
        self,
        address: Address,
        method: str,
        path: str,
        *,
        user: User = CHECKER,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        seconds: float = DISCOVERY_SECONDS,
    ) -> Found:
        """Ask something ourselves, for an answer that is read whole.

        Raises:
            ClientError, TimeoutError, ValueError: there is none, or it is too large.
        """
        told = CIMultiDict({"Accept": "application/json", **(headers or {})})
        told.extend(identity_of(user))
        async with self._open().request(
            method,
            URL(f"{address.url}{path}", encoded=True),
            headers=told,
            data=body,
            allow_redirects=False,
            server_hostname=self._host,
            timeout=ClientTimeout(seconds, sock_connect=min(seconds, DIAL_SECONDS)),
        ) as answer:
            pieces, size = [], 0
            async for piece in answer.content.iter_chunked(PIECE_BYTES):
                pieces.append(piece)
                size += len(piece)
                if size > MAX_ANSWER_BYTES:
                    raise ValueError("the answer is too large")
            tag, content_type = (answer.headers.get(name, "") for name in ("Etag", "Content-Type"))
            return Found(answer.status, b"".join(pieces), tag, content_type)

    @asynccontextmanager
    async def lines(self, address: Address, path: str, user: User) -> AsyncIterator[AsyncIterator[bytes]]:
        """The lines of an answer as they come, for the length of the block.

        Raises:
            ApiError: what is answered instead.
            ClientError, TimeoutError, ValueError: nothing is.
        """
        headers = CIMultiDict({"Accept": "application/json"})
        headers.extend(identity_of(user))
        async with self._open().get(
            URL(f"{address.url}{path}", encoded=True),
            headers=headers,
            server_hostname=self._host,
            timeout=ClientTimeout(None, sock_connect=DIAL_SECONDS),
            read_bufsize=MAX_LINE_BYTES,
        ) as answer:
            if answer.status != 200:
                answer_of(Found(answer.status, await answer.content.read(MAX_LINE_BYTES)))
            yield aiter(answer.content)

    async def probe(self, address: Address, path: str) -> tuple[str, object]:
        """Look whether the server says what it serves: what is wrong, or nothing, and what it said."""
        url = f"{address.url}{path}"
        try:
            found = await self.ask(address, "GET", path)
        except TimeoutError:
            why = "context deadline exceeded (Client.Timeout exceeded while awaiting headers)"
            return f'failing or missing response from {url}: Get "{url}": {why}', None
        except ClientConnectorCertificateError as error:
            why = await why_untrusted(error, self._host)
            return f'failing or missing response from {url}: Get "{url}": {why}', None
        except (ClientError, OSError, ValueError) as error:
            return f'failing or missing response from {url}: Get "{url}": {why_failed(error)}', None
        if not 200 <= found.status < 300:
            why = f"bad status from {url}: {found.status}"
            return f"failing or missing response from {url}: {why}", None
        return "", parsed(found.body)


def is_upgrade(headers: Mapping[str, str]) -> bool:
    """Whether a connection shall speak another protocol from here on."""
    words = [word.strip() for word in headers.get("Connection", "").lower().split(",")]
    return "upgrade" in words and bool(headers.get("Upgrade"))


def answer_of(found: Found) -> Json:
    """The object in an answer. Raises the ``ApiError`` that it tells of instead."""
    obj = parsed(found.body)
    if 200 <= found.status < 300 and isinstance(obj, dict):
        return obj
    if isinstance(obj, dict) and obj.get("kind") == "Status":
        raise from_status(obj)
    if found.status in UNTOLD:
        kind, message = UNTOLD[found.status]
        raise kind(message, details={})
    text = found.body[:MAX_REASON_BYTES].decode("utf-8", "replace").strip()
    raise ApiError(f"an error on the server ({go_quote(text)}) has prevented the request from succeeding")


def parsed(body: bytes) -> object:
    """The JSON in a body, or None."""
    try:
        found: object = orjson.loads(body)
    except orjson.JSONDecodeError:
        return None
    return found


def _tls_of(backend: Backend, credentials: Pair) -> ssl.SSLContext:
    try:
        context = trust_in("" if backend.is_insecure else b64decode(backend.bundle).decode("ascii"))
    except (ssl.SSLError, ValueError) as error:
        raise BadBundle(BAD_BUNDLE) from error
    if backend.is_insecure:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    context.load_cert_chain(credentials.certificate, credentials.key)
    return context


def _headers(call: Call) -> CIMultiDict[str]:
    headers = passed_on(call, call.address.path)
    for name in _unwanted(headers):
        headers.popall(name, None)
    headers["Audit-Id"] = call.audit_id
    headers.extend(identity_of(call.user))
    return headers


def _unwanted(headers: Iterable[str]) -> list[str]:
    return [name for name in headers if name.lower() in NOT_FOR_THEM or is_identity(name)]


def _patience(call: Call) -> float | None:
    """Discovery should be quick, watches may last."""
    if is_long_running(call):
        return None
    return DISCOVERY_SECONDS if call.asked is None else LONGEST_SECONDS


def _unreachable(why: str) -> ServiceUnavailable:
    return ServiceUnavailable(f"error trying to reach service: {why}")
