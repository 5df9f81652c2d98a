"""Writes whose body came with their head, each answered by one small task.

The long way makes a request, a response, and a task within a task, and waits for the event loop at each. Here
the head is judged while it is being read (see ``quick.py``), and what remains is to ask the pipeline and to
send what is stored. A head that is unusual is left to the long way, before anything was done; an answer that
is (a failure, a large one) is sent by its means, and only then there is a request object.
"""

import logging
from collections.abc import Awaitable, Callable
from time import perf_counter
from typing import NamedTuple

from aiohttp.http_parser import RawRequestMessage
from aiohttp.web_response import StreamResponse

from kube_lite.api.errors import ApiError
from kube_lite.api.resource import Resource
from kube_lite.auth.user import User
from kube_lite.verbs.pipeline import Pipeline
from kube_lite.verbs.request import Answer, Request

from .body import check_form
from .call import Call, warning
from .counting import Counting, route_of
from .entrance import LONGEST_SECONDS, Entrance, Limits, answer_failure, in_time
from .listener import Connection, Write
from .negotiate import Form, negotiate
from .paths import Path, Paths
from .quick import is_small, read_wish
from .reply import Reply, head_of
from .represent import object_bytes, with_pretty
from .respond import COMPRESSED_FROM

log = logging.getLogger(__name__)

METHODS = ("POST", "PUT", "PATCH", "DELETE")
LENGTH = b"content-length"

Send = Callable[[Call, Answer, Form, Resource], Awaitable[StreamResponse]]
"""Makes the response of the long way."""


class Plan(NamedTuple):
    """A write that is answered the short way, all but its body."""

    connection: Connection
    message: RawRequestMessage
    path: Path
    user: User
    content_type: str
    user_agent: str
    form: Form
    began: float


class QuickWrites:
    """Answers writes, or leaves them."""

    def __init__(
        self,
        pipeline: Pipeline,
        paths: Paths,
        entrance: Entrance,
        limits: Limits,
        counting: Counting,
        now: Callable[[], float],
        send: Send,
    ) -> None:
        self._pipeline = pipeline
        self._paths = paths
        self._entrance = entrance
        self._limits = limits
        self._counting = counting
        self._now = now
        self._send = send

    def plan(self, connection: Connection, message: RawRequestMessage, has_body: bool) -> Write | None:
        """What answers a request, given its body; None where it takes the long way."""
        began, method = perf_counter(), message.method
        if method not in METHODS or message.version < (1, 1):
            return None
        path = self._paths.find(method, message.path)
        raw = [header for header in message.raw_headers if header[0].lower() != LENGTH]
        wish = connection.write_wish
        if wish is None or wish.raw != raw:
            wish = read_wish(message, raw)
            connection.write_wish = wish if is_small(wish) else None
        if path is None or not wish.is_usual or self._limits.is_full("mutating"):
            return None
        row = path.resource
        try:
            has_cbor = self._entrance.has_cbor
            form = with_pretty(negotiate(wish.accept, row, has_cbor=has_cbor), path.query, wish.user_agent)
            check_form(method, row, wish.content_type, has_body=has_body, has_cbor=has_cbor)
            user = self._entrance.user_of(connection, wish.token)
        except ApiError:  # the long way runs into the same, and tells the client
            return None
        if form.kind:
            return None
        if method == "PATCH":
            path = path._replace(route=route_of(path.asked, path.query, wish.content_type))
        plan = Plan(connection, message, path, user, wish.content_type, wish.user_agent, form, began)
        return lambda body: self._write(plan, body)

    async def _write(self, plan: Plan, body: bytes) -> None:
        asked, row, query, route = plan.path
        request = Request(
            asked.verb, row, plan.user, asked.namespace, asked.name, asked.subresource, query, body or None,
            plan.content_type or "application/json", plan.user_agent,
        )  # fmt: skip
        in_flight = self._limits.in_flight
        in_flight["mutating"] += 1
        try:
            code, size = await self._answer(plan, request)
        except Exception as error:
            code, size = await self._answer_failure(plan, error)
        finally:
            in_flight["mutating"] -= 1
        self._counting.count(route, code, perf_counter() - plan.began, size)

    async def _answer(self, plan: Plan, request: Request) -> tuple[int, int]:
        """Do what is asked, and send what came of it. Returns the answer's code and size."""
        answer = await in_time(self._pipeline.handle(request), LONGEST_SECONDS)
        assert isinstance(answer, Answer)  # nobody lists here
        form = plan.form
        body = object_bytes(answer, form, request.resource, request.query, self._now())
        if len(body) >= COMPRESSED_FROM:
            call = self._call(plan)
            return await _finish(call, await self._send(call, answer, form, request.resource))
        lines = [
            f"Audit-Id: {self._entrance.next_id()}\r\nCache-Control: no-cache, private\r\n"
            f"Content-Type: {form.media_type}\r\n"
        ]
        lines += [f"Warning: {warning(text)}\r\n" for text in answer.warnings]
        plan.connection.send(head_of(answer.code, "".join(lines), len(lines) + 2, len(body)) + body)
        return answer.code, len(body)

    async def _answer_failure(self, plan: Plan, error: Exception) -> tuple[int, int]:
        try:
            call = self._call(plan)
            self._limits.note(call, error)
            return await _finish(call, answer_failure(call, error))
        except Exception as failure:
            if not isinstance(failure, ConnectionError):  # else there is nobody to tell
                log.error("a failure could not be told", exc_info=failure)
            plan.connection.force_close()
            return 0, 0

    def _call(self, plan: Plan) -> Call:
        """The request as the long way has it. Raises ``ConnectionError`` when the client has gone."""
        call = self._entrance.call(plan.connection.request_of(plan.message))
        call.user, call.route = plan.user, plan.path.route
        return call


async def _finish(call: Call, response: StreamResponse) -> tuple[int, int]:
    """Send a response, or the rest of it. Returns its code and size."""
    await response.prepare(call.request)
    await response.write_eof()
    size = len(response.body) if isinstance(response, Reply) else response.content_length or 0
    return response.status, size
