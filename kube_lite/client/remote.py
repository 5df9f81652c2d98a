"""The API of any cluster, ours or another, over HTTP(S).

Failures are the ``Status`` that the server sent; a server that cannot be reached or that breaks off is
``ServiceUnavailable``, which those who wait for it understand. A watch that breaks off in the middle ends as
if the server had ended it: whoever watches begins again from the last version seen, either way.
"""

import ssl
import tempfile
from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import orjson

from kube_lite.api import errors
from kube_lite.api.errors import ApiError, ServiceUnavailable
from kube_lite.api.identity import GroupVersionResource, Json

from .kubeconfig import Access
from .protocol import EventType, ObjectList, PatchType, WatchEvent

if TYPE_CHECKING:
    import aiohttp

TIMEOUT = 60.0  # seconds for anything but a watch
LINE_BYTES = 64 * 1024 * 1024  # a watch event longer than this is no event of an API server


class RemoteClient:
    """A ``Client`` for the server that a kubeconfig's context names; for use as an async context manager.

    Args:
        access: where, whom to trust, and who one is.
        user_agent: what to call oneself.
    """

    def __init__(self, access: Access, *, user_agent: str = "kube-lite") -> None:
        self._access = access
        self._user_agent = user_agent
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> "RemoteClient":
        """Get ready; connections are made when they are needed."""
        import aiohttp  # half of its time to import is the client, and a server starts without one

        headers = {"User-Agent": self._user_agent, "Accept": "application/json"}
        if self._access.token:
            headers["Authorization"] = f"Bearer {self._access.token}"
        self._session = aiohttp.ClientSession(
            headers=headers,
            connector=aiohttp.TCPConnector(ssl=_tls(self._access), limit=0),
            timeout=aiohttp.ClientTimeout(total=TIMEOUT),
            auto_decompress=True,
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Close every connection."""
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    async def get(
        self, resource: GroupVersionResource, name: str, *, namespace: str = "", subresource: str = ""
    ) -> Json:
        """Read one object."""
        return await self._request("GET", path_of(resource, namespace, name, subresource))

    async def list(
        self,
        resource: GroupVersionResource,
        *,
        namespace: str = "",
        label_selector: str = "",
        field_selector: str = "",
        limit: int = 0,
        continue_token: str = "",
    ) -> ObjectList:
        """Read many; items say what they are, as those of the in-process client do."""
        query = _query(
            labelSelector=label_selector,
            fieldSelector=field_selector,
            limit=str(limit) if limit else "",
            **{"continue": continue_token},
        )
        answer = await self._request("GET", path_of(resource, namespace), query=query)
        kind = answer.get("kind", "").removesuffix("List")
        items = answer.get("items") or []
        for item in items:
            item.setdefault("apiVersion", resource.api_version)
            item.setdefault("kind", kind)
        metadata = answer["metadata"]
        return ObjectList(items, metadata.get("resourceVersion", ""), metadata.get("continue", ""))

    async def create(
        self,
        resource: GroupVersionResource,
        obj: Json,
        *,
        namespace: str = "",
        name: str = "",
        subresource: str = "",
    ) -> Json:
        """Make a new object; without ``namespace`` in the one that it names itself."""
        namespace = namespace or (obj.get("metadata") or {}).get("namespace", "")
        return await self._request("POST", path_of(resource, namespace, name, subresource), body=obj)

    async def update(
        self, resource: GroupVersionResource, obj: Json, *, namespace: str = "", subresource: str = ""
    ) -> Json:
        """Replace an object; without ``namespace`` in the one that it names itself."""
        metadata = obj["metadata"]
        path = path_of(resource, namespace or metadata.get("namespace", ""), metadata["name"], subresource)
        return await self._request("PUT", path, body=obj)

    async def patch(
        self,
        resource: GroupVersionResource,
        name: str,
        patch: object,
        *,
        namespace: str = "",
        subresource: str = "",
        patch_type: PatchType = PatchType.STRATEGIC,
        field_manager: str = "",
        force: bool = False,
    ) -> Json:
        """Change an object."""
        return await self._request(
            "PATCH",
            path_of(resource, namespace, name, subresource),
            body=patch,
            content_type=patch_type.value,
            query=_query(fieldManager=field_manager, force="true" if force else ""),
        )

    async def delete(
        self,
        resource: GroupVersionResource,
        name: str,
        *,
        namespace: str = "",
        grace_seconds: int | None = None,
        propagation: str = "",
        uid: str = "",
        resource_version: str = "",
    ) -> Json:
        """Ask for an object's end."""
        options = _delete_options(grace_seconds, propagation, uid, resource_version)
        return await self._request("DELETE", path_of(resource, namespace, name), body=options)

    async def delete_collection(
        self,
        resource: GroupVersionResource,
        *,
        namespace: str = "",
        label_selector: str = "",
        field_selector: str = "",
        grace_seconds: int | None = None,
        propagation: str = "",
    ) -> None:
        """Ask for the end of every object that matches."""
        await self._request(
            "DELETE",
            path_of(resource, namespace),
            body=_delete_options(grace_seconds, propagation),
            query=_query(labelSelector=label_selector, fieldSelector=field_selector),
        )

    def watch(
        self,
        resource: GroupVersionResource,
        *,
        namespace: str = "",
        label_selector: str = "",
        field_selector: str = "",
        resource_version: str = "",
        bookmarks: bool = True,
    ) -> AbstractAsyncContextManager[AsyncIterator[WatchEvent]]:
        """Changes after ``resource_version`` for the length of the block."""
        query = _query(
            watch="true",
            labelSelector=label_selector,
            fieldSelector=field_selector,
            resourceVersion=resource_version,
            allowWatchBookmarks="true" if bookmarks else "",
        )
        return self._watch(path_of(resource, namespace), query)

    async def call(self, method: str, path: str) -> Json:
        """Ask for something that is no object of the API, such as ``GET /version``."""
        return await self._request(method, path)

    @asynccontextmanager
    async def _watch(self, path: str, query: Mapping[str, str]) -> AsyncIterator[AsyncIterator[WatchEvent]]:
        import aiohttp

        forever = aiohttp.ClientTimeout(total=None, sock_connect=TIMEOUT)
        async with self._answer("GET", path, query=query, timeout=forever) as answer:
            yield _events(answer)

    async def _request(
        self,
        method: str,
        path: str,
        *,
        body: object = None,
        content_type: str = "application/json",
        query: Mapping[str, str] | None = None,
    ) -> Json:
        headers = {"Content-Type": content_type} if body is not None else {}
        sent = orjson.dumps(body) if body is not None else None
        async with self._answer(method, path, query=query, data=sent, headers=headers) as answer:
            received: Json = orjson.loads(await answer.read())
            return received

    @asynccontextmanager
    async def _answer(
        self, method: str, path: str, *, query: Mapping[str, str] | None = None, **options: Any
    ) -> "AsyncIterator[aiohttp.ClientResponse]":
        """Send a request. Raises the failure that the answer tells of."""
        import aiohttp

        if self._session is None:
            raise RuntimeError("the client is used outside of its `async with` block")
        url = self._access.server.rstrip("/") + path
        try:
            options["server_hostname"] = self._access.tls_server_name or None
            async with self._session.request(method, url, params=query or {}, **options) as answer:
                if answer.status >= 400:
                    raise _failure(answer.status, await answer.read())
                yield answer
        except (aiohttp.ClientError, TimeoutError, ConnectionError) as error:
            raise ServiceUnavailable(f"{self._access.server} cannot be reached: {error}") from error


def path_of(
    resource: GroupVersionResource, namespace: str = "", name: str = "", subresource: str = ""
) -> str:
    """The path of a collection, of an object, or of something below it."""
    root = f"/apis/{resource.group}/{resource.version}" if resource.group else f"/api/{resource.version}"
    parts = ["namespaces", namespace] if namespace else []
    parts += [part for part in (resource.resource, name, subresource) if part]
    return "/".join([root, *(quote(part, safe="") for part in parts)])


def _query(**fields: str) -> dict[str, str]:
    return {name: value for name, value in fields.items() if value}


def _delete_options(
    grace_seconds: int | None, propagation: str, uid: str = "", resource_version: str = ""
) -> Json:
    options: Json = {"apiVersion": "v1", "kind": "DeleteOptions"}
    if grace_seconds is not None:
        options["gracePeriodSeconds"] = grace_seconds
    if propagation:
        options["propagationPolicy"] = propagation
    preconditions = _query(uid=uid, resourceVersion=resource_version)
    if preconditions:
        options["preconditions"] = preconditions
    return options


def _failure(code: int, body: bytes) -> ApiError:
    """The error of an answer; a body that is no ``Status`` came from something else on the way."""
    try:
        status = orjson.loads(body)
    except orjson.JSONDecodeError:
        status = None
    if isinstance(status, dict) and status.get("kind") == "Status":
        return errors.from_status(status)
    if code == errors.NotFound.code:  # the path leads nowhere: such a kind is not served
        return errors.NotFound("the server could not find the requested resource")
    fitting = [kind for kind in errors.REASONS.values() if kind.code == code]
    kind = fitting[0] if fitting else ServiceUnavailable if code >= 500 else ApiError
    return kind(f"the server answered {code}: {body[:200].decode(errors='replace')}")


async def _events(answer: "aiohttp.ClientResponse") -> AsyncIterator[WatchEvent]:
    import aiohttp

    pieces: list[bytes] = []
    size = 0
    try:
        async for piece in answer.content.iter_any():
            *ends, rest = piece.split(b"\n")
            for end in ends:
                line = b"".join([*pieces, end])
                pieces, size = [], 0
                if line:
                    yield _event(line)
            pieces.append(rest)
            size += len(rest)
            if size > LINE_BYTES:
                raise ServiceUnavailable("the server sent a watch event of unreasonable length")
    except (aiohttp.ClientError, ConnectionError):
        return


def _event(line: bytes) -> WatchEvent:
    event = orjson.loads(line)
    if event["type"] == "ERROR":
        raise errors.from_status(event["object"])
    return WatchEvent(EventType(event["type"]), event["object"])


def _tls(access: Access) -> ssl.SSLContext | bool:
    if not access.server.startswith("https:"):
        return True
    context = ssl.create_default_context(cadata=access.ca_pem.decode() or None)
    if not access.verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    if access.cert_pem:
        with (
            tempfile.TemporaryDirectory() as directory
        ):  # private to us; OpenSSL reads certificates from files only
            certificate, key = Path(directory, "certificate"), Path(directory, "key")
            certificate.write_bytes(access.cert_pem)
            key.write_bytes(access.key_pem)
            context.load_cert_chain(certificate, key)
    return context
