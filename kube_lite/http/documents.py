"""What the API says about itself: ``/``, ``/api``, ``/apis``, ``/openapi`` and ``/version``.

Documents are made when they are first asked for and kept as bytes until the table of resources changes.
Discovery comes in the old form, one document per group and version, and in the aggregated form, two
documents for everything, which ``Accept`` asks for by name. OpenAPI documents are large and change seldom:
their address in ``/openapi/v3`` carries a hash and may be kept for good, and an ``ETag`` spares those who
ask again.
"""

import hashlib
from collections.abc import Callable, Collection, Mapping
from typing import TYPE_CHECKING, NamedTuple

import orjson

from kube_lite.api.errors import NotAcceptable
from kube_lite.api.identity import GroupVersion, Json
from kube_lite.api.resource import Registry
from kube_lite.auth.service_accounts import ALGORITHM, TokenIssuer

from .call import Call
from .negotiate import JSON, KNOWN, PROTOBUF, Form, Route, negotiate, refuse_unless
from .parse import UnknownPath, not_allowed, not_served
from .represent import encode, with_pretty
from .versions import git_version, version_document

if TYPE_CHECKING:
    from kube_lite.api.schema.load import Definitions

Parts = tuple[str, ...]

TEXT = "text/plain; charset=utf-8"
AGGREGATED = "g=apidiscovery.k8s.io;v={};as=APIGroupDiscoveryList"
AGGREGATED_IN = {"v2beta1": range(27, 33), "v2": range(30, 1000)}
"""Version of the aggregated form → the minor releases that serve it (KEP-3352)."""
PROTOBUF_V2 = (
    "application/com.github.proto-openapi.spec.v2.v1.0+protobuf",
    "application/com.github.proto-openapi.spec.v2@v1.0+protobuf",
)
KEY_SET = "application/jwk-set+json"
GROUP_PARTS = 2  # of /apis/apps
KEYS_KEPT = "public, max-age=3600"
FOR_EVER = "public, max-age=31536000"
INDENTED = Form(pretty=True)
"""How paths and versions are told, whoever asks. Source: ``WriteRawJSON`` in ``endpoints/handlers``."""
OTHER_PATHS = (
    "/.well-known/openid-configuration", "/healthz", "/livez", "/metrics", "/openapi/v2", "/openapi/v3",
    "/readyz", "/version",
)  # fmt: skip


class Document(NamedTuple):
    """An answer: what it says, and the headers that only such answers have."""

    code: int
    body: bytes
    content_type: str
    headers: Mapping[str, str]


NOTHING_ACCEPTABLE = Document(406, b"", "", {})


class Documents:
    """Answers about the API as the table of resources has it now.

    ``address`` is what ``/api`` tells clients to use; it is known only once the server listens.
    """

    def __init__(
        self,
        registry: Registry,
        definitions: "Definitions",
        version: str,
        tokens: TokenIssuer | None = None,
        *,
        shown_version: str = "",
    ) -> None:
        self.address = ""
        self._tokens = tokens
        self._registry = registry
        self._definitions = definitions
        self._version = version
        self._shown_version = shown_version or git_version(version)
        minor = int(version.split(".")[1])
        self._forms = [form for form, releases in AGGREGATED_IN.items() if minor in releases]
        self._made: dict[tuple[str, ...], bytes] = {}
        self._generation = registry.generation

    @property
    def generation(self) -> int:
        """Changes with what the documents are made from."""
        return self._registry.generation

    @property
    def elsewhere(self) -> Collection[GroupVersion]:
        """The groups and versions that other servers serve."""
        return self._registry.elsewhere

    def everything(self) -> Json:
        """The document of OpenAPI v2, of which nothing is shared."""
        from kube_lite.api import openapi

        known = (self._registry, self._definitions)
        return openapi.v2(*known, self._shown_version)

    def find(self, call: Call) -> Document:
        """The document that a path names.

        Raises:
            UnknownPath, NotFound, MethodNotAllowed, NotAcceptable: there is none, in various ways.
        """
        if self._generation != self._registry.generation:
            self._made.clear()
            self._generation = self._registry.generation
        parts = tuple(part for part in call.address.path.split("/") if part)
        makers: Mapping[str, Callable[[Call, Parts], Document]] = {
            "": self._root,
            ".well-known": self._issuer,
            "api": self._api,
            "apis": self._apis,
            "openapi": self._openapi,
            "openid": self._keys,
            "version": self._version_of,
        }
        maker = makers.get(parts[0] if parts else "")
        if maker is None:
            raise UnknownPath
        found = maker(call, parts)  # what is not there is told first
        if call.request.method not in ("GET", "HEAD") and not _takes_any_method(parts):
            raise not_allowed()
        return found

    def _root(self, call: Call, parts: Parts) -> Document:
        known = (*self._registry.group_versions(), *self._registry.elsewhere)
        groups = {path for group_version in known for path in paths_of(group_version)}
        paths = {"paths": sorted(groups.union(OTHER_PATHS))}
        return Document(200, encode(paths, INDENTED), JSON, {})

    def _issuer(self, call: Call, parts: Parts) -> Document:
        """Who signs the tokens of ServiceAccounts, and where to find the keys (OpenID Connect Discovery)."""
        if self._tokens is None or parts[1:] != ("openid-configuration",):
            raise UnknownPath
        refuse_unless(_accept(call), JSON)
        document = {
            "issuer": self._tokens.issuer,
            "jwks_uri": f"https://{self.address}/openid/v1/jwks",
            "response_types_supported": ["id_token"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": [ALGORITHM],
        }
        return Document(200, orjson.dumps(document), JSON, {"Cache-Control": KEYS_KEPT})

    def _keys(self, call: Call, parts: Parts) -> Document:
        if self._tokens is None or parts[1:] != ("v1", "jwks"):
            raise UnknownPath
        refuse_unless(_accept(call), KEY_SET)
        return Document(200, orjson.dumps(self._tokens.key_set()), KEY_SET, {"Cache-Control": KEYS_KEPT})

    def _version_of(self, call: Call, parts: Parts) -> Document:
        if len(parts) > 1:
            raise UnknownPath
        refuse_unless(_accept(call), JSON)
        return Document(200, encode(version_document(self._version, self._shown_version), INDENTED), JSON, {})

    def _api(self, call: Call, parts: Parts) -> Document:
        from kube_lite.api import discovery  # like the documents, when it is first needed

        if len(parts) == 1:
            if form := aggregated_form(_accept(call), self._forms):
                return self._aggregated(call, parts, *form)
            return self._written(call, parts, lambda: discovery.api_versions(self.address))
        return self._resources(call, parts, GroupVersion("", parts[1]), parts[2:])

    def _apis(self, call: Call, parts: Parts) -> Document:
        from kube_lite.api import discovery  # like the documents, when it is first needed

        if len(parts) == 1:
            if form := aggregated_form(_accept(call), self._forms):
                return self._aggregated(call, parts, *form)
            return self._written(call, parts, lambda: discovery.group_list(self._registry), route=Route.NONE)
        if len(parts) == 2:
            group = discovery.group(self._registry, parts[1])
            if group is None:
                raise UnknownPath
            return self._written(call, parts, lambda: group, route=Route.NONE)
        return self._resources(call, parts, GroupVersion(parts[1], parts[2]), parts[3:])

    def _resources(self, call: Call, parts: Parts, wanted: GroupVersion, rest: Parts) -> Document:
        from kube_lite.api import discovery  # like the documents, when it is first needed

        known = self._registry.group_versions()
        if wanted.group and all(other.group != wanted.group for other in known):
            raise UnknownPath
        if rest or wanted not in known:
            raise not_served()
        return self._written(call, parts, lambda: discovery.resource_list(self._registry, wanted))

    def _aggregated(self, call: Call, parts: Parts, media_type: str, form: str) -> Document:
        from kube_lite.api import discovery  # like the documents, when it is first needed

        core = parts[0] == "api"
        body = self._bytes(
            (*parts, "aggregated", media_type, form),
            lambda: encode(discovery.aggregated(self._registry, core, form), Form(media_type)),
        )
        return tagged(call, body, f"{media_type};{AGGREGATED.format(form)}")

    def _openapi(self, call: Call, parts: Parts) -> Document:
        from kube_lite.api import openapi

        known, release = (self._registry, self._definitions), self._shown_version
        if parts[1:] == ("v2",):
            accept = _accept(call)
            if any(name in accept for name in PROTOBUF_V2):
                body = self._bytes((*parts, "protobuf"), lambda: openapi.v2_protobuf(*known, release))
                return tagged(call, body, PROTOBUF_V2[0])
            if not _takes_json(accept):
                return NOTHING_ACCEPTABLE
            return tagged(call, self._json(parts, lambda: openapi.v2(*known, release)), JSON)
        if parts[1:] == ("v3",):
            body = self._json(parts, lambda: openapi.v3_index(*known, release))
            return Document(200, body, TEXT, {})  # the real server says that this JSON is text, too
        wanted = group_version_of(parts[2:])
        if parts[1:2] != ("v3",):
            raise UnknownPath
        if wanted is None or wanted not in self._registry.group_versions():
            return Document(404, b"", "", {})
        if not _takes_json(_accept(call)):
            return NOTHING_ACCEPTABLE
        document = tagged(call, self._json(parts, lambda: openapi.v3(*known, wanted, release)), JSON)
        if "hash" in call.address.query:
            return document._replace(headers={**document.headers, "Cache-Control": FOR_EVER})
        return document

    def _json(self, key: Parts, make: Callable[[], Json]) -> bytes:
        return self._bytes(key, lambda: orjson.dumps(make()))

    def _written(
        self, call: Call, parts: Parts, make: Callable[[], Json], *, route: Route = Route.ONE
    ) -> Document:
        form = negotiate(_accept(call), route=route)
        if form.kind:
            raise NotAcceptable(f"only the following media types are accepted: {', '.join(KNOWN)}")
        form = with_pretty(form, call.address.query, call.request.headers.get("User-Agent", ""))
        key = (*parts, form.media_type, str(form.pretty))
        return Document(200, self._bytes(key, lambda: encode(make(), form)), form.media_type, {})

    def _bytes(self, key: Parts, make: Callable[[], bytes]) -> bytes:
        body = self._made.get(key)
        if body is None:
            body = self._made[key] = make()
        return body


def _takes_any_method(parts: Parts) -> bool:
    """Whether a document is told by what looks at paths alone, and not by a route."""
    return not parts or parts[0] == "openapi" or (parts[0] == "apis" and len(parts) <= GROUP_PARTS)


def paths_of(group_version: GroupVersion) -> list[str]:
    """Where a group and a version answer: ``/apis/apps``, ``/apis/apps/v1``."""
    group, version = group_version
    return [f"/apis/{group}", f"/apis/{group}/{version}"] if group else ["/api", f"/api/{version}"]


def _accept(call: Call) -> str:
    return call.request.headers.get("Accept", "")


def _takes_json(accept: str) -> bool:
    return not accept or any(name in accept for name in (JSON, "application/*", "*/*"))


def tagged(call: Call, body: bytes, content_type: str) -> Document:
    """The document, or 304 for a client that has it."""
    tag = f'"{hashlib.sha256(body).hexdigest().upper()}"'
    headers = {"Etag": tag, "Vary": "Accept"}
    if call.request.headers.get("If-None-Match") == tag:
        return Document(304, b"", content_type, headers)
    return Document(200, body, content_type, headers)


def group_version_of(parts: Parts) -> GroupVersion | None:
    """``api v1`` and ``apis apps v1`` → the group and version; None for anything else."""
    if len(parts) == 2 and parts[0] == "api":
        return GroupVersion("", parts[1])
    if len(parts) == 3 and parts[0] == "apis":
        return GroupVersion(parts[1], parts[2])
    return None


def aggregated_form(accept: str, forms: Collection[str]) -> tuple[str, str] | None:
    """The media type and version in which the aggregated form is accepted; who names it prefers it."""
    for clause in accept.split(","):
        media_type, *words = (word.strip() for word in clause.split(";"))
        for form in forms if media_type in (JSON, PROTOBUF) else ():
            if set(AGGREGATED.format(form).split(";")) <= set(words):
                return media_type, form
    return None
