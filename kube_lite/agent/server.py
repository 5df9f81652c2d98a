"""The node's own API, for the API server: logs, exec and attach of its containers, ports, and its health.

Only who shows a certificate of the API server, or of a member of ``system:masters``, is answered; TLS has
checked by then who signed it. Source of the paths: kubernetes/pkg/kubelet/server.
"""

import asyncio
import socket
import ssl
from collections.abc import Mapping
from contextlib import suppress
from typing import Any, Literal, NamedTuple
from urllib.parse import unquote

from kube_lite_runtime.driver import Driver
from kube_lite_runtime.errors import ExecFailed, NotRunning, NotSupported, RuntimeFailure
from kube_lite_runtime.logs import read_log
from kube_lite_runtime.types import ContainerState, State

from kube_lite.api.identity import Json
from kube_lite.api.times import parse_time
from kube_lite.kit.clock import Clock
from kube_lite.kit.lazy_package import postpone

from .channels import failure_message, serve, tell_status
from .forwarding import PROTOCOL as PORT_FORWARD
from .forwarding import serve_ports
from .known import statuses
from .plan import members
from .pod_worker import PodWorker
from .resources import Directories
from .upgrades import Refused, client_of, upgraded, upgraded_to_spdy

postpone("aiohttp")  # its client half is not needed here

from aiohttp.web_request import BaseRequest  # noqa: E402
from aiohttp.web_response import Response, StreamResponse, json_response  # noqa: E402
from aiohttp.web_server import Server  # noqa: E402

CALLERS = frozenset({"kube-apiserver-kubelet-client", "kube-apiserver"})
MASTERS = "system:masters"
STOP_SECONDS = 1.0


class NodeServer:
    """Serves the containers of the workers' pods.

    Args:
        workers: by uid; the agent's own, always as of now.
    """

    def __init__(
        self, workers: Mapping[str, PodWorker], driver: Driver, clock: Clock, directories: Directories
    ) -> None:
        self._workers = workers
        self._driver = driver
        self._clock = clock
        self._directories = directories
        self._requests = Server(self._handle, access_log=None)
        self._listener: asyncio.Server | None = None

    async def start(self, host: str, port: int, tls: ssl.SSLContext) -> int:
        """Listen; the port that was taken."""
        loop = asyncio.get_running_loop()
        self._listener = await loop.create_server(self._requests, host, port, ssl=tls)
        return int(self._listener.sockets[0].getsockname()[1])

    async def run(self) -> None:
        """Serve until cancelled, then hang up."""
        try:
            await asyncio.get_running_loop().create_future()
        finally:
            if self._listener is not None:
                self._listener.close()
            await self._requests.shutdown(STOP_SECONDS)

    async def _handle(self, request: BaseRequest) -> StreamResponse:
        try:
            _check_caller(request)
            return await self._route(request)
        except Refused as refusal:
            return Response(status=refusal.code, text=f"{refusal}\n")
        except ConnectionError:  # the caller has gone in the middle; nobody is left to tell
            return Response(status=499)

    async def _route(self, request: BaseRequest) -> StreamResponse:
        action, *names = [unquote(part) for part in request.url.raw_path.strip("/").split("/")]
        if action == "healthz" and not names:
            return Response(text="ok")
        if action == "pods" and not names:
            pods = [worker.pod for worker in self._workers.values()]
            return json_response({"kind": "PodList", "apiVersion": "v1", "metadata": {}, "items": pods})
        if action in ("containerLogs", "exec", "attach") and len(names) == 3:
            worker = self._find(names[0], names[1])
            if action == "containerLogs":
                return await self._serve_log(request, worker, names[2])
            return await self._serve_streams(request, worker, names[2], action)
        if action == "portForward" and len(names) in (2, 3):
            return await self._serve_ports(request, self._find(names[0], names[1]))
        raise Refused(404, "404 page not found")

    def _find(self, namespace: str, name: str) -> PodWorker:
        for worker in self._workers.values():
            metadata = worker.pod["metadata"]
            if metadata["name"] == name and metadata["namespace"] == namespace:
                return worker
        raise Refused(404, f'pod "{name}" does not exist')

    async def _serve_log(self, request: BaseRequest, worker: PodWorker, name: str) -> StreamResponse:
        wish = _log_wish(request, self._clock.now())
        life = _choose_life(worker, name, previous=_is_true(request.query.get("previous")))
        path = self._directories.log(worker.pod, name, life.attempt)
        response = StreamResponse(headers={"Content-Type": "text/plain"})
        response.enable_chunked_encoding()
        await response.prepare(request)

        def is_running() -> bool:
            if request.transport is None or request.transport.is_closing():
                return False  # nobody reads any more
            states = {one.id: one.state for one in worker.lives(name)}
            return not worker.gone and states.get(life.id) is State.RUNNING

        pieces = read_log(
            path,
            follow=wish.follow,
            tail_lines=wish.tail_lines,
            since=wish.since,
            timestamps=wish.timestamps,
            limit_bytes=wish.limit_bytes,
            stream=wish.stream,
            is_running=is_running,
        )
        async for piece in pieces:
            await response.write(piece)
        await response.write_eof()
        return response

    async def _serve_streams(
        self, request: BaseRequest, worker: PodWorker, name: str, action: str
    ) -> StreamResponse:
        container = worker.running(name)
        if container is None:
            raise Refused(404, f'container not found ("{name}")')
        query = request.query
        wanted = {stream for stream in ("stdin", "stdout", "stderr") if _is_true(query.get(stream))}
        wanted |= {"stdin"} if _is_true(query.get("input")) else set()
        wanted |= {"stdout"} if _is_true(query.get("output")) else set()
        wanted |= {"stderr"} if _is_true(query.get("error")) else set()
        tty = _is_true(query.get("tty"))
        client = client_of(request, wanted, tty=tty)
        try:
            if action == "exec":
                command = query.getall("command", [])
                if not command:
                    raise Refused(400, "you must specify at least 1 command for the container")
                session = await self._driver.exec(container.id, command, tty=tty, stdin="stdin" in wanted)
            else:
                session = await self._driver.attach(container.id)
        except (NotRunning, NotSupported) as failure:
            raise Refused(400, str(failure)) from failure
        except RuntimeFailure as failure:
            word = "executable file not found" if isinstance(failure, ExecFailed) else action
            text = str(failure) if word in str(failure) else f"{word}: {failure}"
            async with client.talking() as socket:
                await tell_status(socket, failure_message(f"Internal error occurred: {text}"))
            return client.response
        leaves = action == "attach" and not _ends_with_input(worker.pod, name)
        async with session, client.talking() as socket:
            with suppress(ConnectionError):
                await serve(socket, session, wanted, leaves_at_end_of_input=leaves)
        return client.response

    async def _serve_ports(self, request: BaseRequest, worker: PodWorker) -> StreamResponse:
        sandbox = worker.sandbox
        metadata = worker.pod["metadata"]
        if sandbox is None:
            raise Refused(404, f'pod "{metadata["name"]}" does not run')

        async def dial(port: int) -> socket.socket:
            return await self._driver.dial(sandbox, port)

        told = f"pod {metadata['name']}, uid {metadata['uid']}"
        async with upgraded_to_spdy(request, (PORT_FORWARD,)) as session:
            await serve_ports(session, dial, told)
        return upgraded()


def _ends_with_input(pod: Json, name: str) -> bool:
    """Whether the container's input ends with that of the first one who attached to it."""
    spec = next((member.spec for member in members(pod) if member.name == name), {})
    return bool(spec.get("stdinOnce")) and not spec.get("tty")


def _is_true(text: str | None) -> bool:
    return (text or "").lower() in ("true", "1")


def _check_caller(request: BaseRequest) -> None:
    transport = request.transport
    tls = transport.get_extra_info("ssl_object") if transport is not None else None
    certificate: Mapping[str, Any] = (tls.getpeercert() if tls is not None else None) or {}
    if not certificate:
        raise Refused(401, "Unauthorized")
    subject = [pair for part in certificate.get("subject", ()) for pair in part]
    names = {value for key, value in subject if key == "commonName"}
    groups = {value for key, value in subject if key == "organizationName"}
    if not names & CALLERS and MASTERS not in groups:
        raise Refused(403, "Forbidden")


def _choose_life(worker: PodWorker, name: str, *, previous: bool) -> ContainerState:
    """The life whose log is meant: the last one that began, or the one before. Raises ``Refused``."""
    pod_name = worker.pod["metadata"]["name"]
    lives = [life for life in worker.lives(name) if life.state is not State.CREATED]
    if previous:
        ended = lives[1:] if lives and (lives[0].state is State.RUNNING or len(lives) > 1) else lives
        if not ended or _waits_never_begun(worker.pod, name):
            raise Refused(400, f'previous terminated container "{name}" in pod "{pod_name}" not found')
        return ended[0]
    if not lives:
        reason = _waiting_reason(worker.pod, name)
        told = f"is waiting to start: {reason}" if reason else "is not available"
        raise Refused(400, f'container "{name}" in pod "{pod_name}" {told}')
    return lives[0]


def _status_of(pod: Json, name: str) -> Json:
    return next((entry for entry in statuses(pod) if entry["name"] == name), {})


def _waiting_reason(pod: Json, name: str) -> str:
    waiting = (_status_of(pod, name).get("state") or {}).get("waiting") or {}
    return str(waiting.get("reason", "ContainerCreating"))


def _waits_never_begun(pod: Json, name: str) -> bool:
    status = _status_of(pod, name)
    return bool(status) and not status.get("lastState") and "terminated" not in (status.get("state") or {})


class LogWish(NamedTuple):
    """What of a log is wanted; ``since`` is in seconds since the epoch."""

    follow: bool
    timestamps: bool
    tail_lines: int | None
    limit_bytes: int | None
    since: float | None
    stream: Literal["stdout", "stderr"] | None


def _log_wish(request: BaseRequest, now: float) -> LogWish:
    """The query of a log request. Raises ``Refused``."""
    query = request.query
    stream: Literal["stdout", "stderr"] | None = None
    if query.get("stream") in ("Stdout", "Stderr"):
        stream = "stdout" if query["stream"] == "Stdout" else "stderr"
    try:
        since = None
        if query.get("sinceSeconds"):
            since = now - float(query["sinceSeconds"])
        elif query.get("sinceTime"):
            since = parse_time(query["sinceTime"])
        tail, limit = query.get("tailLines"), query.get("limitBytes")
        return LogWish(
            follow=_is_true(query.get("follow")),
            timestamps=_is_true(query.get("timestamps")),
            tail_lines=int(tail) if tail else None,
            limit_bytes=int(limit) if limit else None,
            since=since,
            stream=stream,
        )
    except ValueError as error:
        raise Refused(400, f"unable to decode query: {error}") from error
