"""What happens to every request before its path is looked at: who asks, is there room, how long may it take.

A request is given a name (``call``), then its user is found (``identify``), then it is served within the
limits (``Limits``). Failures anywhere are raised as ``ApiError`` and become an answer in ``answer_failure``,
the only place that knows how to tell somebody of an error, and that sees errors nobody had thought of.
"""

import asyncio
import logging
import os
from collections.abc import Awaitable, Callable, Iterable
from itertools import count
from typing import TypeVar, cast

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
from .users import Users

log = logging.getLogger(__name__)
Result = TypeVar("Result")

LONGEST_SECONDS = 60.0  # upstream's --request-timeout
MOST_READING = 400  # at once; upstream's --max-requests-inflight
MOST_WRITING = 200  # upstream's --max-mutating-requests-inflight
MOST_AT_ALL = 2000  # those of administrators included, whom upstream never refuses
READING = ("get", "list", "watch", "head")
AUDIT_ID_LENGTH = 64  # what a client may say of its own; upstream's limit
UNKNOWN_PATH = "404 page not found\n"
TRY_AGAIN = "Too many requests, please try again later.\n"


class Entrance:
    """Where requests come in: gives each an id, and finds out who asks.

    Args:
        minor: of the release, whose rules for acting as another hold.
        users: counts who asks.
        has_cbor: whether CBOR is spoken.
    """

    def __init__(
        self,
        authenticator: Authenticator,
        authorizer: Authorizer,
        minor: int,
        users: Users,
        *,
        has_cbor: bool = False,
    ) -> None:
        self.has_cbor = has_cbor
        self._has_constrained_impersonation = minor >= 36
        self._authenticator = authenticator
        self._authorizer = authorizer
        self._users = users
        self._prefix = os.urandom(8).hex()
        self._numbers = count(1)

    def call(self, request: BaseRequest) -> Call:
        """Make a ``Call`` of a request, with an id that both sides can look for."""
        given = request.headers.get("Audit-Id")
        audit_id = given[:AUDIT_ID_LENGTH] if given else self.next_id()
        address, asked = parse_request(request.method, request.raw_path)
        return Call(request, address, audit_id, asked, has_cbor=self.has_cbor)

    def next_id(self) -> str:
        """An id that no other request has."""
        return f"{self._prefix}-{next(self._numbers):x}"

    def identify(self, call: Call) -> None:
        """Find out who asks, and as whom the request goes on; all that follows sees only that one.

        Raises:
            Unauthorized, Forbidden, BadRequest
        """
        headers = call.request.headers
        connection = cast(Connection, call.request.protocol)  # the only kind that the listener makes
        authorization = headers.get("Authorization")
        call.user = self.user_of(connection, bearer_token(authorization) if authorization else None)
        if acts_as_another(headers):
            wish = wish_of(headers.items())
            if wish is not None:
                call.user = act_as(
                    wish,
                    attributes_of(call),
                    self._authorizer,
                    is_constrained=self._has_constrained_impersonation,
                )

    def user_of(self, connection: Connection, token: str | None) -> User:
        """Who a token, or a connection, is. Who shows nothing is anonymous; something wrong is refused.

        Raises:
            Unauthorized: nobody knows what was shown.
        """
        user = connection.user if token is None else None
        if user is None:
            user = self._known(Credentials(connection.certificate, token))
            if token is None:
                connection.user = user
        self._users.count(user)
        return user

    def _known(self, credentials: Credentials) -> User:
        if credentials.certificate_der is None and credentials.bearer_token is None:
            return ANONYMOUS
        try:
            user = self._authenticator.authenticate(credentials)
        except Unauthorized:
            self._users.refuse("error")
            raise
        if user is None:
            self._users.refuse("failure")
            raise Unauthorized("Unauthorized")
        return user


def acts_as_another(headers: Iterable[str]) -> bool:
    """Whether any header's name says so, or looks like it."""
    return PREFIX in " ".join(headers).lower()


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


def answer_failure(call: Call, error: Exception) -> StreamResponse:
    """Tell the client of a failure, and the log of those that are our fault.

    Raises:
        ConnectionError: the client has gone while it was being answered; aiohttp cleans up.
    """
    if isinstance(error, UnknownPath):
        return text_response(call, 404, UNKNOWN_PATH)
    if isinstance(error, ApiError):
        return status_response(call, error)
    if isinstance(error, HTTPRequestEntityTooLarge):
        limit = f"limit is {MAX_BODY_BYTES}"
        return status_response(call, RequestEntityTooLarge(f"Request entity too large: {limit}"))
    if isinstance(error, ConnectionError):
        raise error
    where = {"method": call.request.method, "path": call.address.path, "audit_id": call.audit_id}
    log.error("request failed", extra=where, exc_info=error)
    return status_response(call, InternalError("Internal error occurred"))


class Limits:
    """Refuse requests when too many are being served, and end what takes too long; streams may last.

    ``note_end`` is told of either, with the code of the answer.

    Reading and writing have limits of their own, so that neither keeps the other from being done. Whoever may
    do everything is served beyond them, as upstream does: it takes an administrator to clear up.
    """

    def __init__(self, note_end: Callable[[Call, int], None]) -> None:
        self.in_flight = {"readOnly": 0, "mutating": 0}
        self._note_end = note_end

    async def serve(self, call: Call, handler: Handler) -> StreamResponse:
        """Serve, or answer 429.

        A client may ask for less time with ``timeout``, not for more.

        Raises:
            TookTooLong
        """
        if is_long_running(call):
            return await handler(call)
        asked = call.asked
        verb = asked.verb if asked is not None else call.request.method.lower()
        kind = "readOnly" if verb in READING else "mutating"
        if self.is_full(kind) and not self._may_exceed(call):
            self._note_end(call, 429)
            response = text_response(call, 429, TRY_AGAIN)
            response.headers["Retry-After"] = "1"
            return response
        self.in_flight[kind] += 1
        try:
            if is_plain_read(call):
                return await handler(call)
            return await in_time(handler(call), _seconds(call))
        except TookTooLong as error:
            self.note(call, error)
            raise
        finally:
            self.in_flight[kind] -= 1

    def note(self, call: Call, error: Exception) -> None:
        """Have it counted if a request has failed because its time was up."""
        if isinstance(error, TookTooLong):
            self._note_end(call, error.code)

    def is_full(self, kind: str) -> bool:
        """Whether as many requests of a kind are being served as may be."""
        return self.in_flight[kind] >= (MOST_READING if kind == "readOnly" else MOST_WRITING)

    def _may_exceed(self, call: Call) -> bool:
        return MASTERS in call.user.groups and sum(self.in_flight.values()) < MOST_AT_ALL


class TookTooLong(Timeout):
    """A request has not been answered in the time it may take."""


async def in_time(answer: Awaitable[Result], seconds: float) -> Result:
    """Wait for an answer, but no longer than that. Raises ``TookTooLong``."""
    try:
        async with asyncio.timeout(seconds) as deadline:
            return await answer
    except TimeoutError:
        if not deadline.expired():
            raise
        raise TookTooLong("Timeout: request did not complete within the allotted timeout") from None


def is_plain_read(call: Call) -> bool:
    """Reads of objects wait for nothing: they are done before a timer could be set."""
    return call.request.method == "GET" and call.asked is not None and "timeout" not in call.address.query


def _seconds(call: Call) -> float:
    wish = call.address.query.get("timeout")
    if not wish:
        return LONGEST_SECONDS
    try:
        seconds = parse_duration(wish)
    except ValueError as error:
        raise BadRequest(f"invalid timeout specified in the request URL - {error}") from None
    return min(seconds, LONGEST_SECONDS) if seconds > 0 else LONGEST_SECONDS


def is_long_running(call: Call) -> bool:
    """Watches, and subresources that stream."""
    asked = call.asked
    return asked is not None and (asked.verb == "watch" or asked.subresource in STREAMS)
