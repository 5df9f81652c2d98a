"""The API server: what happens to a request, in reading order.

A request comes in by the entrance, which finds out who asks. Paths of resources become ``verbs.Request`` and
are answered by the pipeline, the same that in-process components call; exec, logs and their like are streams
of a node; everything else is a document about the API or the server's health. What the pipeline answers is
written in the form that was negotiated, usually as the bytes that are stored. Plain reads of one object, most
of all requests, and plain writes have shorter ways that give the same answers (``quick.py``,
``quick_writes.py``).
"""

import asyncio
import ssl
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import nullcontext
from time import perf_counter
from typing import TYPE_CHECKING

import orjson
from aiohttp.web_request import BaseRequest
from aiohttp.web_response import StreamResponse

from kube_lite.api.errors import ApiError
from kube_lite.api.identity import Json
from kube_lite.api.resource import Registry, Resource
from kube_lite.auth.authenticate import Authenticator
from kube_lite.auth.authorize import Attributes, Authorizer, refusal
from kube_lite.auth.service_accounts import TokenIssuer
from kube_lite.auth.user import AUTHENTICATED, MASTERS, User
from kube_lite.kit.clock import Clock
from kube_lite.kit.metrics import Metrics, watch_process
from kube_lite.verbs.request import Answer, Listing, Request

from .body import check_form, read_body
from .call import Call
from .counting import OTHER, READ, Counting, route_of, tell_build, watch_storage
from .documents import Documents
from .entrance import Entrance, Limits, answer_failure, attributes_of, is_long_running
from .health import Health
from .listener import Listener, Quick, listening
from .negotiate import PLAIN, Form, Route, negotiate, refuse_misfits
from .parse import STREAMS, Target, UnknownPath, find_target
from .paths import Paths
from .quick import QuickReads
from .quick_writes import QuickWrites
from .reply import Reply
from .represent import list_pieces, list_text, object_bytes, with_pretty
from .respond import Responder, text_response
from .users import Users
from .versions import git_version, version_document
from .watch import Framer, serve_watch

if TYPE_CHECKING:
    from kube_lite.api.schema.load import Definitions
    from kube_lite.verbs.pipeline import Pipeline

    from .aggregation import Aggregation
    from .aggregation_plan import Extension
    from .proxy import NodeStreams

METRICS_TEXT = "text/plain; version=0.0.4; charset=utf-8; escaping=underscores"
SESSIONS = ("exec", "attach", "portforward")
OPENID_PATHS = ("/openid/", "/.well-known/")
HEALTH_PATHS = ("/healthz", "/livez", "/readyz")
BODY_METHODS = ("POST", "PUT", "PATCH", "DELETE")
Operations = Mapping[tuple[str, str], Callable[[], Awaitable[Json]]]
NO_OPERATIONS: Operations = {}


class ApiServer:
    """The API over HTTPS; a ``kit.service.Service``.

    Args:
        tls: of the sockets, with the authority of client certificates loaded as optional; None serves plain
            HTTP, on which nobody can be known by certificate.
        host: the address to listen on; ``also_on`` are further ones, with the same port.
        port: 0 picks a free one; ``self.port`` says which, once ready.
        version: of Kubernetes, ``1.36``.
        shown_version: what it calls itself, where that is not the release with our name.
        operations: what else is served, by method and path, to those who may: answers are JSON.
        tokens: whose keys are published, for those who verify tokens elsewhere.
        node_credentials: gives TLS for connections to nodes, with a certificate that nodes trust.
        aggregation: passes on what other servers serve; without it nobody else does.
        has_cbor: whether CBOR is spoken.
    """

    name = "apiserver"

    def __init__(
        self,
        pipeline: "Pipeline",
        registry: Registry,
        definitions: "Definitions",
        authenticator: Authenticator,
        authorizer: Authorizer,
        *,
        tls: ssl.SSLContext | None,
        host: str,
        port: int,
        version: str,
        clock: Clock,
        node_credentials: Callable[[], ssl.SSLContext],
        also_on: Sequence[str] = (),
        tokens: TokenIssuer | None = None,
        operations: Operations = NO_OPERATIONS,
        aggregation: "Aggregation | None" = None,
        has_cbor: bool = False,
        shown_version: str = "",
    ) -> None:
        self.port = port
        self.git_version = shown_version or git_version(version)
        minor = int(version.split(".")[1])
        self._sessions_are_created = minor >= 35
        self._pipeline = pipeline
        self._registry = registry
        self._authorizer = authorizer
        self._tls = tls
        self._hosts = (host, *also_on)
        self._clock = clock
        self._operations = operations
        self._aggregation = aggregation
        self._node_credentials = node_credentials
        self._user = User("system:apiserver", groups=(MASTERS, AUTHENTICATED))
        self._tokens = tokens
        self._documents = Documents(registry, definitions, version, tokens, shown_version=self.git_version)
        self._health = Health({"ping": self._ping, "etcd": self._reads_the_store})
        self._metrics = Metrics()
        self._counting = Counting(self._metrics)
        self._streams: NodeStreams | None = None
        self._listener: Listener | None = None
        users = Users(self._metrics)
        self._entrance = Entrance(authenticator, authorizer, minor, users, has_cbor=has_cbor)
        self._limits = Limits(self._counting.end)
        shared = Paths(registry), self._entrance, self._limits, self._counting, clock.now
        writes = QuickWrites(pipeline, *shared, self._send)
        self._quick = Quick(QuickReads(pipeline, *shared).answer, writes.plan)
        self._metrics.gauge(
            "apiserver_current_inflight_requests",
            "Requests being served, streams apart.",
            ("request_kind",),
            lambda: {(kind,): number for kind, number in self._limits.in_flight.items()},
        )
        if aggregation is not None:
            self._metrics.gauge(
                "aggregator_unavailable_apiservice",
                "APIServices that are not available, by name.",
                ("name",),
                aggregation.unavailable,
            )
        self._metrics.show(*pipeline.figures)
        watch_storage(self._metrics, pipeline)
        watch_process(self._metrics)
        tell_build(self._metrics, version_document(version, self.git_version))

    @property
    def metrics(self) -> Metrics:
        """What is shown at ``/metrics``, where others may show what they count."""
        return self._metrics

    async def run(self, ready: Callable[[], None]) -> None:
        """Serve until cancelled; ``CannotListen`` when an address cannot be had."""
        self._responder = Responder()
        try:
            async with listening(self._handle, self._quick, self._hosts, self.port, self._tls) as listener:
                self._listener = listener
                self.port = listener.port
                self._documents.address = f"{self._hosts[0]}:{self.port}"
                ready()
                await asyncio.get_running_loop().create_future()  # until cancelled
        finally:
            self._responder.close()
            if self._streams is not None:
                await self._streams.close()
                self._streams = None

    async def _handle(self, request: BaseRequest) -> StreamResponse:
        began = perf_counter()
        call = self._entrance.call(request)
        try:
            self._entrance.identify(call)
            response = await self._limits.serve(call, self._answer)
        except Exception as error:
            response = answer_failure(call, error)
        route = call.route or (READ if request.method == "GET" else OTHER)
        size = len(response.body) if isinstance(response, Reply) else response.content_length or 0
        self._counting.count(route, response.status, perf_counter() - began, size)
        return response

    async def _answer(self, call: Call) -> StreamResponse:
        if self._aggregation is not None:
            extension = self._aggregation.find(call.address.path)
            if extension is not None:
                return await self._answer_from_elsewhere(call, self._aggregation, extension)
        asked = call.asked
        if asked is None:
            return await self._answer_about_ourselves(call)
        try:
            target = find_target(asked, call.request.method, self._registry)
        except (ApiError, UnknownPath):
            self._authorize(attributes_of(call))  # who may not look is not told what is there
            raise
        call.deprecation = target.resource.strategy.deprecation()
        call.route = route_of(asked, call.address.query, call.request.headers.get("Content-Type", ""))
        if call.deprecation:
            self._counting.note_deprecated(call)
        if target.subresource in STREAMS:
            return await self._answer_with_stream(call, target)
        return await self._answer_with_object(call, target)

    async def _answer_from_elsewhere(
        self, call: Call, aggregation: "Aggregation", extension: "Extension"
    ) -> StreamResponse:
        self._authorize(attributes_of(call))
        if call.asked is None:
            return await aggregation.serve(call, extension)
        call.route = route_of(call.asked, call.address.query, call.request.headers.get("Content-Type", ""))
        with self._counting.streaming(call) if is_long_running(call) else nullcontext():
            return await aggregation.serve(call, extension)

    async def _answer_with_object(self, call: Call, target: Target) -> StreamResponse:
        headers, query, row = call.request.headers, call.address.query, target.resource
        accept, agent = headers.get("Accept", ""), headers.get("User-Agent", "")
        route = Route.MANY if target.verb in ("list", "watch") else Route.ONE
        form = with_pretty(negotiate(accept, row, route=route, has_cbor=call.has_cbor), query, agent)
        request = await self._request(call, target, as_text=form == PLAIN)
        if target.verb == "watch":
            framer = Framer(row, form, query, self._clock.now)
            with self._counting.streaming(call):
                return await serve_watch(
                    call, self._pipeline.watch(request), framer, self._counting.events(call)
                )
        if form.kind:
            refuse_misfits(form, row, is_list=target.verb == "list")
        answer = await self._pipeline.handle(request)
        if isinstance(answer, Listing):
            if answer.text is not None:
                text = list_text(answer, row)
                return await self._responder.send_text(call, text, form.media_type, answer.warnings)
            pieces = await list_pieces(answer, form, row, query, self._clock.now())
            return await self._responder.send(call, 200, pieces, form.media_type, answer.warnings)
        return await self._send(call, answer, form, row)

    async def _send(self, call: Call, answer: Answer, form: Form, row: Resource) -> StreamResponse:
        body = object_bytes(answer, form, row, call.address.query, self._clock.now())
        return await self._responder.send(call, answer.code, body, form.media_type, answer.warnings)

    async def _request(self, call: Call, target: Target, *, as_text: bool) -> Request:
        http = call.request
        body: bytes | None = None
        content_type = http.headers.get("Content-Type", "")
        if http.method in BODY_METHODS:
            body = await read_body(http) or None
            check_form(
                http.method, target.resource, content_type, has_body=body is not None, has_cbor=call.has_cbor
            )
        return Request(
            verb=target.verb,
            resource=target.resource,
            user=call.user,
            namespace=target.namespace,
            name=target.name,
            subresource=target.subresource,
            query=call.address.query,
            body=body,
            content_type=content_type or "application/json",
            user_agent=http.headers.get("User-Agent", ""),
            as_text=as_text,
        )

    async def _answer_with_stream(self, call: Call, target: Target) -> StreamResponse:
        from .proxy import NodeStreams  # needs the HTTP client, which start-up does without

        attributes = attributes_of(call)
        self._authorize(attributes)
        if target.subresource == "log":
            negotiate(call.request.headers.get("Accept", ""), route=Route.LOG, has_cbor=call.has_cbor)
        if target.subresource in SESSIONS and self._sessions_are_created:
            self._authorize(attributes._replace(verb="create"))  # however the client opens it
        if self._streams is None:
            self._streams = NodeStreams(self._pipeline, self._registry, self._user, self._node_credentials)
        with self._counting.streaming(call):
            return await self._streams.serve(call, target)

    async def _answer_about_ourselves(self, call: Call) -> StreamResponse:
        path = call.address.path
        self._authorize(attributes_of(call))
        if path.startswith(HEALTH_PATHS):
            verdict = await self._health.judge(path, call.address.raw_query)
            if verdict is None:
                raise UnknownPath
            return text_response(call, verdict.code, verdict.text)
        if path == "/metrics":
            body = self._metrics.text().encode()
            return await self._responder.send(call, 200, body, METRICS_TEXT)
        operation = self._operations.get((call.request.method, path))
        if operation is not None:
            return await self._responder.send(call, 200, orjson.dumps(await operation()), "application/json")
        if path.startswith(OPENID_PATHS) and self._tokens is not None:
            await self._tokens.prepare()
        document = None
        if self._registry.elsewhere and path.startswith("/openapi/") and self._aggregation is not None:
            document = await self._aggregation.openapi.find(call, self._documents)
        document = document or self._documents.find(call)
        return await self._responder.send(
            call, document.code, document.body, document.content_type, extra=document.headers
        )

    def _authorize(self, attributes: Attributes) -> None:
        decision = self._authorizer.authorize(attributes)
        if not decision.allowed:
            raise refusal(attributes, decision.reason)

    async def _ping(self) -> str:
        return ""

    async def _reads_the_store(self) -> str:
        namespaces = next(row for row in self._registry if row.plural == "namespaces")
        try:
            await self._pipeline.handle(Request("list", namespaces, self._user, query={"limit": "1"}))
        except ApiError as error:
            return error.message
        return ""
