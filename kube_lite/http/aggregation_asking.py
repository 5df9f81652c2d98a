"""Questions of this process's own components to the servers of other groups, in those components' names."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import NamedTuple
from urllib.parse import quote

import orjson
from aiohttp import ClientError

from kube_lite.api.errors import ServiceUnavailable, from_status
from kube_lite.api.identity import Json
from kube_lite.api.service_addresses import Address
from kube_lite.auth.authorize import Attributes, Authorizer, refusal
from kube_lite.verbs.elsewhere import Wish

from .aggregation_link import Link, answer_of, parsed
from .aggregation_plan import query_of
from .entrance import LONGEST_SECONDS

METHODS = {
    "get": "GET",
    "list": "GET",
    "watch": "GET",
    "create": "POST",
    "update": "PUT",
    "patch": "PATCH",
    "delete": "DELETE",
    "deletecollection": "DELETE",
}


class Question(NamedTuple):
    """A wish in the words of HTTP."""

    method: str
    path: str
    body: bytes | None
    headers: dict[str, str]


def authorize(authorizer: Authorizer, wish: Wish) -> None:
    """Let pass who may. Raises ``Forbidden``."""
    group, version, resource = wish.resource
    attributes = Attributes(
        wish.user,
        wish.verb,
        group=group,
        version=version,
        resource=resource,
        subresource=wish.subresource,
        namespace=wish.namespace,
        name=wish.name,
    )
    decision = authorizer.authorize(attributes)
    if not decision.allowed:
        raise refusal(attributes, decision.reason)


def unavailable() -> ServiceUnavailable:
    """What clients say when they are told so."""
    return ServiceUnavailable("the server is currently unable to handle the request")


def plan_question(prefix: str, wish: Wish) -> Question:
    """The wish as a request below ``prefix``, which is the group and version's path."""
    words = [wish.resource.resource]
    if wish.namespace:
        words = ["namespaces", wish.namespace, *words]
    words += [word for word in (wish.name, wish.subresource) if word]
    path = prefix + "".join(f"/{quote(word, safe='*:')}" for word in words)
    query = {**wish.query, "watch": "true"} if wish.verb == "watch" else wish.query
    body = None if wish.body is None else orjson.dumps(wish.body)
    headers = {} if body is None else {"Content-Type": wish.content_type}
    return Question(METHODS[wish.verb], path + query_of(query), body, headers)


async def ask(link: Link, address: Address, prefix: str, wish: Wish) -> Json:
    """The answer. Raises the ``ApiError`` that it tells of."""
    question = plan_question(prefix, wish)
    try:
        found = await link.ask(
            address,
            question.method,
            question.path,
            user=wish.user,
            body=question.body,
            headers=question.headers,
            seconds=LONGEST_SECONDS,
        )
    except (ClientError, TimeoutError, ValueError) as error:
        raise unavailable() from error
    return answer_of(found)


@asynccontextmanager
async def watch(link: Link, address: Address, prefix: str, wish: Wish) -> AsyncIterator[AsyncIterator[Json]]:
    """The events, with ``type`` and ``object``. Raises the ``ApiError`` that the server tells of."""
    question = plan_question(prefix, wish)
    try:
        async with link.lines(address, question.path, wish.user) as lines:
            yield _events(lines)
    except (ClientError, TimeoutError, ValueError) as error:
        raise unavailable() from error


async def _events(lines: AsyncIterator[bytes]) -> AsyncIterator[Json]:
    async for line in lines:
        event = parsed(line)
        if not isinstance(event, dict) or not isinstance(event.get("object"), dict):
            return  # cut short
        if event.get("type") == "ERROR":
            raise from_status(event["object"])
        yield event
