"""What happens to every request before its path is looked at: one function each, the outermost last.

    identified → counted → recovered → authenticated → impersonated → limited → bounded → the application

Each takes the next handler and gives one of the same shape, so the order stands in one place (``app.py``).
Failures are raised as ``ApiError`` and become an answer in ``recovered``, the only place that knows how to
tell somebody of an error, and the only one that catches errors nobody had thought of.
"""

import asyncio
import logging
import os
from collections.abc import Awaitable, Callable
from itertools import count
from typing import cast

from aiohttp.web_exceptions import HTTPRequestEntityTooLarge
from aiohttp.web_request import BaseRequest
from aiohttp.web_response import StreamResponse

from kube_lite.api.errors import (
    ApiError,
    BadRequest,
    InternalError,
    RequestEntityTooLarge,
    Timeout,
    Unauthorized,
)
from kube_lite.api.times import parse_duration
from kube_lite.auth.authenticate import Authenticator, Credentials
from kube_lite.auth.authorize import Attributes, Authorizer
from kube_lite.auth.impersonate import PREFIX, act_as, wish_of
from kube_lite.auth.user import ANONYMOUS, MASTERS, User

from .call import Call, Handler
from .listener import MAX_BODY_BYTES, Connection
from .parse import STREAMS, UnknownPath, parse_request
from .respond import status_response, text_response

log = logging.getLogger(__name__)

LONGEST_SECONDS = 60.0  # upstream's --request-timeout
MOST_READING = 400  # at once; upstream's --max-requests-inflight
MOST_WRITING = 200  # upstream's --max-mutating-requests-inflight
MOST_AT_ALL = 2000  # those of administrators included, whom upstream never refuses
READING = ("get", "list", "watch", "head")
AUDIT_ID_LENGTH = 64  # what a client may say of its own; upstream's limit
UNKNOWN_PATH = "404 page not found\n"
TRY_AGAIN = "Too many requests, please try again later.\n"


def identified(handler: Handler) -> Callable[[BaseRequest], Awaitable[StreamResponse]]:
    """Make a ``Call`` of a request, and give it an id that both sides can look for."""
    prefix = os.urandom(8).hex()
    numbers = count(1)

    async def handle(request: BaseRequest) -> StreamResponse:
        given = request.headers.get("Audit-Id")
        audit_id = given[:AUDIT_ID_LENGTH] if given else f"{prefix}-{next(numbers):x}"
        address, asked = parse_request(request.method, request.raw_path)
        return await handler(Call(request, address, audit_id, asked))

    return handle


def recovered(handler: Handler) -> Handler:
    """Tell the client of every failure, and the log of those that are our fault."""

    async def handle(call: Call) -> StreamResponse:
        try:
            return await handler(call)
        except UnknownPath:
            return text_response(call, 404, UNKNOWN_PATH)
        except ApiError as error:
            return status_response(call, error)
        except HTTPRequestEntityTooLarge:
            limit = f"limit is {MAX_BODY_BYTES}"
            return status_response(call, RequestEntityTooLarge(f"Request entity too large: {limit}"))
        except ConnectionError:  # the client has gone while it was being answered; aiohttp cleans up
            raise
        except Exception:
            where = {"method": call.request.method, "path": call.address.path, "audit_id": call.audit_id}
            log.exception("request failed", extra=where)
            return status_response(call, InternalError("Internal error occurred"))

    return handle


def authenticated(handler: Handler, authenticator: Authenticator) -> Handler:
    """Find out who asks. Who shows nothing is anonymous; who shows something wrong is refused."""

    async def handle(call: Call) -> StreamResponse:
        connection = cast(Connection, call.request.protocol)  # the only kind that the listener makes
        authorization = call.request.headers.get("Authorization")
        token = bearer_token(authorization) if authorization else None
        if token is None and connection.user is not None:
            call.user = connection.user
        else:
            call.user = _known(authenticator, Credentials(connection.certificate, token))
            if token is None:
                connection.user = call.user
        return await handler(call)

    return handle


def _known(authenticator: Authenticator, credentials: Credentials) -> User:
    if credentials.certificate_der is None and credentials.bearer_token is None:
        return ANONYMOUS
    user = authenticator.authenticate(credentials)
    if user is None:
        raise Unauthorized("Unauthorized")
    return user


def impersonated(handler: Handler, authorizer: Authorizer) -> Handler:
    """Go on as whom the client wants to be, if it may be that user; all that follows sees only that one."""

    async def handle(call: Call) -> StreamResponse:
        headers = call.request.headers
        if any(name[: len(PREFIX)].lower() == PREFIX for name in headers):
            wish = wish_of(headers.items())
            if wish is not None:
                call.user = act_as(wish, attributes_of(call), authorizer)
        return await handler(call)

    return handle


def attributes_of(call: Call) -> Attributes:
    """What authorization is asked about a request, before anybody knows whether it leads anywhere."""
    asked = call.asked
    if asked is None:
        return Attributes(call.user, call.request.method.lower(), path=call.address.path)
    is_namespace = asked.resource == "namespaces" and not asked.group  # which lies in itself
    return Attributes(
        call.user,
        asked.verb,
        group=asked.group,
        version=asked.version,
        resource=asked.resource,
        subresource=asked.subresource,
        namespace=asked.name if is_namespace else asked.namespace,
        name=asked.name,
    )


def bearer_token(authorization: str) -> str | None:
    """The token of an ``Authorization`` header; None for other schemes and for empty ones."""
    scheme, _, token = authorization.strip().partition(" ")
    token = token.strip()
    return token if scheme.lower() == "bearer" and token else None


class Limited:
    """Refuse requests when too many are being served; streams do not count, they last.

    Reading and writing have limits of their own, so that neither keeps the other from being done. Whoever may
    do everything is served beyond them, as upstream does: it takes an administrator to clear up.
    """

    def __init__(self, handler: Handler) -> None:
        self._handler = handler
        self.in_flight = {"readOnly": 0, "mutating": 0}

    async def __call__(self, call: Call) -> StreamResponse:
        """Serve, or answer 429."""
        if is_long_running(call):
            return await self._handler(call)
        asked = call.asked
        verb = asked.verb if asked is not None else call.request.method.lower()
        kind, most = ("readOnly", MOST_READING) if verb in READING else ("mutating", MOST_WRITING)
        in_flight = self.in_flight
        if in_flight[kind] >= most and not self._may_exceed(call):
            response = text_response(call, 429, TRY_AGAIN)
            response.headers["Retry-After"] = "1"
            return response
        in_flight[kind] += 1
        try:
            return await self._handler(call)
        finally:
            in_flight[kind] -= 1

    def _may_exceed(self, call: Call) -> bool:
        return MASTERS in call.user.groups and sum(self.in_flight.values()) < MOST_AT_ALL


def bounded(handler: Handler) -> Handler:
    """End what takes too long. A client may ask for less time with ``timeout``, not for more."""

    async def handle(call: Call) -> StreamResponse:
        if is_long_running(call) or is_plain_read(call):
            return await handler(call)
        try:
            async with asyncio.timeout(_seconds(call)) as deadline:
                return await handler(call)
        except TimeoutError:
            if not deadline.expired():
                raise
            message = "Timeout: request did not complete within the allotted timeout"
            raise Timeout(message) from None

    return handle


def is_plain_read(call: Call) -> bool:
    """Reads of objects wait for nothing: they are done before a timer could be set."""
    return call.request.method == "GET" and call.asked is not None and "timeout" not in call.address.query


def _seconds(call: Call) -> float:
    wish = call.address.query.get("timeout")
    if not wish:
        return LONGEST_SECONDS
    try:
        seconds = parse_duration(wish)
    except ValueError:
        raise BadRequest("invalid timeout specified in the request URL") from None
    return min(seconds, LONGEST_SECONDS) if seconds > 0 else LONGEST_SECONDS


def is_long_running(call: Call) -> bool:
    """Watches, and subresources that stream."""
    asked = call.asked
    return asked is not None and (asked.verb == "watch" or asked.subresource in STREAMS)
