"""GETs of one object, answered while their bytes are being read: most of what clients and controllers ask.

What is stored is what is sent, so such a request needs nothing that could wait. It is answered without a
task, a request object and a response object, which would cost more than the answer. What a path leads to is
kept, and so is, with each connection, what its headers say, for clients send the same ones again and again.

Whatever is unusual (an error, a table, somebody who acts as another) is left to the long way, which starts
from the beginning: an answer given here must be the very answer that would be given there.
"""

from collections.abc import Callable, Sequence
from time import perf_counter

from aiohttp.http_parser import RawRequestMessage

from kube_lite.api.identity import GroupVersionResource
from kube_lite.verbs.pipeline import Pipeline
from kube_lite.verbs.request import Answer, Request

from .call import Wish
from .counting import Counting
from .entrance import Entrance, Limits, acts_as_another, bearer_token
from .listener import Connection
from .negotiate import PROTOBUF, Form, negotiate
from .paths import Path, Paths
from .reply import head_of
from .represent import object_bytes, with_pretty
from .respond import COMPRESSED_FROM

KEPT_HEADER_BYTES = 16 * 1024  # with each connection
KEPT_OBJECTS = 512  # in protobuf, which takes longer to write than all the rest; those who ask, ask again
KEPT_BYTES = 16 * 1024  # larger ones are not kept, so that all together cannot be more than 8 MiB
UNUSUAL = ("Audit-Id", "Expect")


class QuickReads:
    """Answers reads of one object, or leaves them."""

    def __init__(
        self,
        pipeline: Pipeline,
        paths: Paths,
        entrance: Entrance,
        limits: Limits,
        counting: Counting,
        now: Callable[[], float],
    ) -> None:
        self._pipeline = pipeline
        self._paths = paths
        self._entrance = entrance
        self._limits = limits
        self._counting = counting
        self._now = now
        self._in_protobuf: dict[tuple[GroupVersionResource, str, str], tuple[int, bytes]] = {}

    def answer(self, connection: Connection, message: RawRequestMessage) -> bytes | None:
        """The whole answer to a GET without a body, or None where it takes the long way."""
        began = perf_counter()
        path = self._paths.find("GET", message.path)
        wish = connection.wish
        if wish is None or wish.raw != message.raw_headers:
            wish = read_wish(message, message.raw_headers)
            connection.wish = wish if is_small(wish) else None
        if path is None or not wish.is_usual or self._pipeline.faults or self._limits.is_full("readOnly"):
            return None
        asked, row, query, _ = path
        try:
            form = with_pretty(
                negotiate(wish.accept, row, has_cbor=self._entrance.has_cbor), query, wish.user_agent
            )
            if form.kind:
                return None
            user = self._entrance.user_of(connection, wish.token)
            request = Request("get", row, user, asked.namespace, asked.name, query=query)
            body = self._body(self._pipeline.get(request), form, path)
        except Exception:  # the long way runs into the same, and tells the client or the log
            return None
        if len(body) >= COMPRESSED_FROM:
            return None
        headers = (
            f"Audit-Id: {self._entrance.next_id()}\r\nCache-Control: no-cache, private\r\n"
            f"Content-Type: {form.media_type}\r\n"
        )
        answer = head_of(200, headers, 3, len(body)) + body
        self._counting.count(path.route, 200, perf_counter() - began, len(body))
        return answer

    def _body(self, answer: Answer, form: Form, path: Path) -> bytes:
        if form.media_type != PROTOBUF or answer.stored is None:
            return object_bytes(answer, form, path.resource, path.query, self._now())
        asked, revision = path.asked, answer.stored.revision
        key = (path.resource.gvr, asked.namespace, asked.name)
        kept_revision, body = self._in_protobuf.get(key, (0, b""))
        if kept_revision != revision:
            body = object_bytes(answer, form, path.resource, path.query, self._now())
            self._in_protobuf.pop(key, None)
            if len(body) <= KEPT_BYTES:
                self._in_protobuf[key] = revision, body
                if len(self._in_protobuf) > KEPT_OBJECTS:
                    del self._in_protobuf[next(iter(self._in_protobuf))]
        return body


def is_small(wish: Wish) -> bool:
    """Whether it may be kept with a connection."""
    return sum(len(name) + len(value) for name, value in wish.raw) <= KEPT_HEADER_BYTES


def read_wish(message: RawRequestMessage, raw: Sequence[tuple[bytes, bytes]]) -> Wish:
    """What the headers of a request say, of which ``raw`` are those that matter."""
    headers = message.headers
    authorization = headers.get("Authorization")
    return Wish(
        raw,
        not any(name in headers for name in UNUSUAL) and not acts_as_another(headers),
        headers.get("Accept", ""),
        headers.get("User-Agent", ""),
        headers.get("Content-Type", ""),
        bearer_token(authorization) if authorization else None,
    )
