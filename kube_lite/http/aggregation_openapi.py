"""The OpenAPI documents of other servers, merged with our own when somebody asks for them.

What they say is fetched then, and kept for a minute; after that the server is asked whether it has changed.
While it cannot be asked, what it said before still stands. Version 3 has documents of groups and versions,
which are fetched for each reader; version 2 has everything in one, so that definitions of the same name get
new ones where they are not the same. A server that has only version 2 gets its document in version 3 from us.
Source: ``pkg/controllers/openapi`` and ``openapiv3`` of kube-aggregator, ``pkg/aggregator`` of kube-openapi.
"""

import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import orjson
from aiohttp import ClientError

from kube_lite.api.identity import GroupVersion, Json
from kube_lite.api.openapi_merge import as_v3, merged, only_below, section, sound
from kube_lite.api.service_addresses import Address
from kube_lite.kit.clock import Clock

from .aggregation_link import Found, Link, parsed
from .aggregation_plan import Extension, path_of
from .call import Call
from .documents import FOR_EVER, PROTOBUF_V2, TEXT, Document, Documents, group_version_of, tagged
from .negotiate import JSON

log = logging.getLogger(__name__)

KEPT_SECONDS = 60.0
INDEX = "/openapi/v3"
EVERYTHING = "/openapi/v2"

Servers = Callable[[], Awaitable[list[tuple[Extension, Link, Address]]]]


@dataclass
class Told:
    """What a server said last at one path, and when."""

    content: Json | None = None
    tag: str = ""
    until: float = 0.0
    is_missing: bool = False
    changes: int = 0


class OpenApi:
    """Documents of this API as a whole.

    Args:
        servers: the other servers that can be asked now.
    """

    def __init__(self, servers: Servers, clock: Clock) -> None:
        self._servers = servers
        self._clock = clock
        self._told: dict[tuple[GroupVersion, str], Told] = {}
        self._merged: tuple[tuple[object, ...], bytes] = ((), b"")

    async def find(self, call: Call, documents: Documents) -> Document | None:
        """The document that a path names; None for those that concern nobody else."""
        parts = tuple(part for part in call.address.path.split("/") if part)
        if call.request.method not in ("GET", "HEAD"):
            return None
        if parts == ("openapi", "v3"):
            return await self._index(call, documents)
        if parts == ("openapi", "v2"):
            return await self._everything(call, documents)
        wanted = group_version_of(parts[2:])
        if parts[:2] != ("openapi", "v3") or wanted not in documents.elsewhere:
            return None
        for extension, link, address in await self._servers():
            if extension.group_version == wanted:
                return await self._of_group(call, extension, link, address)
        return Document(404, b"", "", {})

    async def _index(self, call: Call, documents: Documents) -> Document:
        own = documents.find(call)
        paths = {
            path: entry
            for path, entry in orjson.loads(own.body)["paths"].items()
            if group_version_of(tuple(path.split("/"))) not in documents.elsewhere
        }
        for extension, link, address in await self._servers():
            path = path_of(extension.group_version).lstrip("/")
            index = await self._ask(extension, link, address, INDEX)
            entry = section(index.content or {}, "paths").get(path)
            if index.is_missing:
                document = await self._ask(extension, link, address, EVERYTHING)
                entry = document.content and {"serverRelativeURL": f"{INDEX}/{path}"}
            if isinstance(entry, dict):
                paths[path] = entry
        return Document(200, orjson.dumps({"paths": paths}), TEXT, {})

    async def _of_group(self, call: Call, extension: Extension, link: Link, address: Address) -> Document:
        if (await self._ask(extension, link, address, INDEX)).is_missing:
            told = await self._ask(extension, link, address, EVERYTHING)
            if told.content is None:
                return Document(404, b"", "", {})
            prefix = path_of(extension.group_version) + "/"
            return tagged(call, orjson.dumps(as_v3(only_below(told.content, [prefix]))), JSON)
        accept = call.request.headers.get("Accept") or JSON
        try:
            found = await link.ask(address, "GET", call.request.raw_path, headers={"Accept": accept})
        except (ClientError, TimeoutError, ValueError):
            return Document(503, b"service unavailable\n", TEXT, {})
        if found.status != 200:
            return Document(404, b"", "", {})
        document = tagged(call, found.body, found.content_type or JSON)
        if "hash" in call.address.query:
            return document._replace(headers={**document.headers, "Cache-Control": FOR_EVER})
        return document

    async def _everything(self, call: Call, documents: Documents) -> Document:
        is_protobuf = any(name in call.request.headers.get("Accept", "") for name in PROTOBUF_V2)
        others, tags = [], []
        for extension, link, address in await self._servers():
            told = await self._ask(extension, link, address, EVERYTHING)
            if told.content is not None:
                others.append((path_of(extension.group_version) + "/", told.content))
                tags.append((extension.group_version, told.changes))
        key = (documents.generation, is_protobuf, *tags)
        if self._merged[0] != key:
            lost = [path_of(group_version) + "/" for group_version in documents.elsewhere]
            own = documents.everything()
            self._merged = key, _written(merged(own, lost, others), own, is_protobuf)
        return tagged(call, self._merged[1], PROTOBUF_V2[0] if is_protobuf else JSON)

    async def _ask(self, extension: Extension, link: Link, address: Address, path: str) -> Told:
        """What a server says at a path, asked anew when that is a while ago."""
        told = self._told.setdefault((extension.group_version, path), Told())
        now = self._clock.monotonic()
        if now < told.until:
            return told
        headers = {"If-None-Match": told.tag} if told.tag else {}
        try:
            found = await link.ask(address, "GET", path, headers=headers)
        except (ClientError, TimeoutError, ValueError) as error:
            log.info("no OpenAPI", extra={"api_service": extension.name, "path": path, "why": str(error)})
            return told
        told.until = now + KEPT_SECONDS
        told.is_missing = found.status == 404
        if found.status == 200:
            told.content, told.tag = _document(found, path), found.tag
            told.changes += 1
        elif told.is_missing:
            told.content, told.tag = None, ""
        return told


def _document(found: Found, path: str) -> Json | None:
    content = parsed(found.body)
    if not isinstance(content, dict):
        return None
    return sound(content) if path == EVERYTHING else content


def _written(document: Json, own: Json, is_protobuf: bool) -> bytes:
    if not is_protobuf:
        return orjson.dumps(document)
    from kube_lite.api.openapi_protobuf import encode_document  # only older kubectls ask for it

    try:
        return encode_document(document)
    except (AttributeError, KeyError, TypeError) as error:  # others have written what protobuf cannot say
        log.info("OpenAPI of others is left out", extra={"why": str(error)})
        return encode_document(own)
