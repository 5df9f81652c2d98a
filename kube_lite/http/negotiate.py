"""Accept and Content-Type: in which form an answer goes out, and whether a body's form is understood.

Two judges look at ``Accept``, as in the real server. The router wants a media type that it knows for the
route, by name or ``*/*`` (a mere ``application/*`` fails); then the best clause is taken whose parameters can
be served, such as ``as=Table``. They refuse in different words. Custom resources have no form in protobuf,
nor have tables: a clause that wants one is passed over, alone it is refused. CBOR, which has no tables
either, is unknown unless the feature gate ``CBORServingAndStorage`` is on.
Source: ``apiserver/pkg/endpoints/handlers/negotiation/negotiate.go``, ``AllowsMediaTypeTransform`` in
``handlers/rest.go``, and go-restful's ``route.go``.
"""

from collections.abc import Sequence
from enum import Enum
from functools import lru_cache
from typing import NamedTuple

from kube_lite.api.errors import NotAcceptable, UnsupportedMediaType
from kube_lite.api.resource import Resource

JSON = "application/json"
YAML = "application/yaml"
PROTOBUF = "application/vnd.kubernetes.protobuf"
TEXT = "text/plain"
CBOR = "application/cbor"
CBOR_STREAM = "application/cbor-seq"
META_VERSIONS = ("v1", "v1beta1")
KNOWN = (JSON, YAML, PROTOBUF)
_STREAMED = (f"{JSON};stream=watch", f"{PROTOBUF};stream=watch")
_PATCHES = (
    "application/json-patch+json",
    "application/merge-patch+json",
    "application/strategic-merge-patch+json",
    "application/apply-patch+yaml",
)
_APPLY_CBOR = "application/apply-patch+cbor"


class Form(NamedTuple):
    """How an answer is written: the media type, and what objects are turned into before.

    ``kind`` is empty for objects as they are, else ``Table``, ``PartialObjectMetadata`` or
    ``PartialObjectMetadataList``, of ``version`` in the group ``meta.k8s.io``.
    """

    media_type: str = JSON
    kind: str = ""
    version: str = ""
    pretty: bool = False

    @property
    def api_version(self) -> str:
        """The ``apiVersion`` of what objects are turned into."""
        return f"meta.k8s.io/{self.version}"


PLAIN = Form()
IN_PROTOBUF = Form(PROTOBUF)


class _Clause(NamedTuple):
    media_type: str
    parameters: dict[str, str]


class Route(Enum):
    """What sort of path is asked for, by which the router knows what can be had."""

    ONE = "one"
    """An object, or a document about the API."""
    MANY = "many"
    """A list or a watch."""
    LOG = "log"
    """A text."""
    NONE = "none"
    """Something that no router looks at."""


def negotiate(
    accept: str, row: Resource | None = None, *, route: Route = Route.ONE, has_cbor: bool = False
) -> Form:
    """The form that serves an ``Accept`` header best, for objects of ``row`` or what every server knows.

    Args:
        has_cbor: whether CBOR is served.

    Raises:
        NotAcceptable: none does.
    """
    if not accept or accept == JSON:
        return PLAIN
    is_custom = PROTOBUF in accept and row is not None and not speaks_protobuf(row)
    has_table = row is None or "get" in row.verbs or "list" in row.verbs
    return _negotiate(accept, is_custom, has_table, route, has_cbor)


def refuse_unless(accept: str, media_type: str) -> None:
    """Refuse who does not take the one form that there is. Raises ``NotAcceptable``."""
    if accept and not any(clause.media_type in (media_type, "*/*") for clause in _clauses(accept)):
        raise _not_available((media_type,))


def speaks_protobuf(row: Resource) -> bool:
    """Whether the objects of a row have a form in protobuf."""
    from kube_lite.api.codecs.messages import has_message  # nobody needs it until somebody asks for protobuf

    return has_message(row.api_version, row.kind)


@lru_cache(maxsize=256)  # clients send the same few headers for all their life
def _negotiate(accept: str, is_custom: bool, has_table: bool, route: Route, has_cbor: bool) -> Form:
    clauses = _clauses(accept)
    known = (*KNOWN, CBOR) if has_cbor else KNOWN
    routed = known
    if route is Route.MANY:
        routed = (*known, *_STREAMED, CBOR_STREAM) if has_cbor else (*known, *_STREAMED)
    elif route is Route.LOG:
        routed = (TEXT, *known)
    if route is not Route.NONE and not any(clause.media_type in (*routed, "*/*") for clause in clauses):
        raise _not_available(routed)
    for clause in clauses:
        for media_type in known:
            if clause.media_type in (media_type, "application/*", "*/*"):
                form = _form(media_type, clause.parameters)
                if form is None or (is_custom and form == IN_PROTOBUF):
                    continue
                if form.kind != "Table" or has_table:
                    return form
    raise NotAcceptable(f"only the following media types are accepted: {', '.join(known)}")


def _not_available(routed: Sequence[str]) -> NotAcceptable:
    return NotAcceptable(f"406: Not Acceptable\n\nAvailable representations: {', '.join(routed)}", details={})


def _clauses(accept: str) -> list[_Clause]:
    """Best first: by quality, then names before wildcards, then as written."""
    weighted = []
    for text in accept.split(","):
        media_type, *rest = (part.strip() for part in text.split(";"))
        parameters = dict(part.split("=", 1) for part in rest if "=" in part)
        try:
            quality = float(parameters.pop("q", "1"))
        except ValueError:
            quality = 1.0
        weighted.append((-quality, media_type.count("*"), _Clause(media_type, parameters)))
    weighted.sort(key=lambda entry: entry[:2])
    return [clause for _, _, clause in weighted]


def _form(media_type: str, parameters: dict[str, str]) -> Form | None:
    """None when the parameters ask for something that cannot be made."""
    if parameters.get("stream", "") not in (("",) if media_type == YAML else ("", "watch")):
        return None
    pretty = parameters.get("pretty") == "1" and media_type == JSON
    kind, version = parameters.get("as"), parameters.get("v")
    if kind is None and version is None and "g" not in parameters:
        return Form(media_type, pretty=pretty)
    if parameters.get("g") != "meta.k8s.io" or version not in META_VERSIONS:
        return None
    kinds = ("Table", "PartialObjectMetadata", "PartialObjectMetadataList")
    if kind not in kinds or (kind == "Table" and media_type in (PROTOBUF, CBOR)):
        return None
    return Form(media_type, kind, version, pretty)


def refuse_misfits(form: Form, row: Resource, *, is_list: bool) -> None:
    """Lists cannot be given as one object's metadata, nor objects as a list of it.

    Raises:
        NotAcceptable: naming the type as Go does, ``*core.PodList``.
    """
    wrong = "PartialObjectMetadata" if is_list else "PartialObjectMetadataList"
    if form.kind != wrong:
        return
    go_type = f"*{row.group.partition('.')[0] or 'core'}.{row.kind}{'List' if is_list else ''}"
    what = "a list" if is_list else "not a list"
    raise NotAcceptable(f"you requested {wrong}, but the requested object is {what} ({go_type})")


def refuse_unknown_body(method: str, content_type: str, *, has_cbor: bool = False) -> None:
    """Refuse a body in a form that nobody here reads.

    A missing ``Content-Type`` means JSON, but not for patches.

    Args:
        has_cbor: whether CBOR is read.

    Raises:
        UnsupportedMediaType: in the words of the router for patches, of the decoder otherwise.
    """
    media_type = content_type.partition(";")[0].strip()
    if method == "PATCH":
        if media_type not in _PATCHES and not (has_cbor and media_type == _APPLY_CBOR):
            raise UnsupportedMediaType("415: Unsupported Media Type", details={})
    elif media_type and media_type not in (known := (*KNOWN, CBOR) if has_cbor else KNOWN):
        raise UnsupportedMediaType(
            "the body of the request was in an unknown format - accepted media types include: "
            + ", ".join(known)
        )
