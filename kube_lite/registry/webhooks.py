"""Calls of webhooks: where they are, and whom to trust.

A webhook in a Service is called at one of its endpoints, under the Service's name, which its certificate
must bear. Connections are kept for the next call.
Source: ``apiserver/pkg/util/webhook/client.go``, ``client-go/rest/request.go``.
"""

import asyncio
import random
import ssl
from base64 import b64decode
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import urlsplit

import orjson

from kube_lite.api.errors import ServiceUnavailable
from kube_lite.api.gotext import go_quote
from kube_lite.api.identity import GroupResource, Json, ObjectKey
from kube_lite.api.service_addresses import SERVICE_NAME, Address, addresses_of
from kube_lite.kit.go_client import why_failed, why_untrusted
from kube_lite.kit.pki import trust_in

from .webhook_failures import refusal

if TYPE_CHECKING:
    from aiohttp import ClientResponse, ClientSession

    from .objects import Objects

SERVICES = GroupResource("", "services")
ENDPOINT_SLICES = GroupResource("discovery.k8s.io", "endpointslices")
HTTPS_PORT = 443
MOST_BYTES = 64 * 1024 * 1024  # of an answer; a list's worth of large objects


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
        trust = trust_in(b64decode(bundle).decode() if bundle else "")
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
        objects: where Services and their EndpointSlices are found.
    """

    def __init__(self, objects: "Objects") -> None:
        self._objects = objects
        self._source = random.Random()
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
        # A server that calls no webhooks starts without:
        from aiohttp import ClientConnectorCertificateError, ClientError

        url = f"{hook.url}?timeout={seconds}s"
        try:
            async with asyncio.timeout(seconds):
                status, is_text, answer = await self._post_twice(hook, url, body)
        except ServiceUnavailable as error:
            raise CallFailed(f"Post {go_quote(url)}: {error.message}") from error
        except TimeoutError as error:
            why = "context deadline exceeded (Client.Timeout exceeded while awaiting headers)"
            raise CallFailed(f"Post {go_quote(url)}: {why}") from error
        except ClientConnectorCertificateError as error:
            why = await why_untrusted(error, urlsplit(url).hostname or "")
            raise CallFailed(f"Post {go_quote(url)}: {why}") from error
        except (ClientError, OSError, ValueError) as error:
            raise CallFailed(f"Post {go_quote(url)}: {why_failed(error)}") from error
        return _read(status, answer, is_text=is_text)

    async def _post_twice(self, hook: Hook, url: str, body: bytes) -> tuple[int, bool, bytes]:
        """As Go does: once more where a connection that was kept turns out to be closed."""
        from aiohttp import ClientConnectorError, ClientOSError, ServerDisconnectedError

        try:
            return await self._post(hook, url, body)
        except ClientConnectorError:
            raise
        except (ServerDisconnectedError, ClientOSError):
            return await self._post(hook, url, body)

    async def _post(self, hook: Hook, url: str, body: bytes) -> tuple[int, bool, bytes]:
        from aiohttp import ClientSession, ClientTimeout, DummyCookieJar

        headers = {"Content-Type": "application/json", "Accept": "application/json"}
        target, name = url, None
        if hook.service is not None:
            split = urlsplit(url)
            target = split._replace(netloc=str(self._address(hook.service, hook.port))).geturl()
            headers["Host"], name = split.netloc, split.hostname
        if self._session is None:
            self._session = ClientSession(cookie_jar=DummyCookieJar())
        async with self._session.post(
            target, data=body, headers=headers, ssl=hook.trust, allow_redirects=False,
            timeout=ClientTimeout(total=None), server_hostname=name,
        ) as response:  # fmt: skip
            is_text = response.content_type.startswith("text/")
            return response.status, is_text, await _body_of(response)

    def _address(self, key: ObjectKey, port: int) -> Address:
        service = self._objects.peek(SERVICES, key)
        slices = [
            entry
            for entry in self._objects.all(ENDPOINT_SLICES, key.namespace)
            if (entry["metadata"].get("labels") or {}).get(SERVICE_NAME) == key.name
        ]
        return addresses_of(key.name, port, service, slices, self._source)[0]


async def _body_of(response: "ClientResponse") -> bytes:
    pieces, size = [], 0
    async for piece in response.content.iter_any():
        pieces.append(piece)
        size += len(piece)
        if size > MOST_BYTES:
            raise ValueError("http: response body too large")
    return b"".join(pieces)


def _read(status: int, body: bytes, *, is_text: bool) -> Any:
    try:
        answer = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        if status == 200:
            raise CallFailed(f"couldn't get version/kind; json parse error: {_why_no_json(body)}") from error
        answer = None
    if isinstance(answer, dict) and answer.get("kind") == "Status" and answer.get("status") != "Success":
        raise CallFailed(str(answer.get("message") or "unknown"))
    if 200 <= status <= 206:
        return answer
    told = body.decode(errors="replace").strip() if is_text else "unknown"
    raise CallFailed(refusal(status, told))


def _why_no_json(body: bytes) -> str:
    from kube_lite.api.codecs import DecodeError, decode

    try:
        decode(body)
    except DecodeError as error:
        return str(error)
    return "invalid JSON"
