"""What goes wrong because a test wants it to: requests that fail or take long, answers that are lost, watches
that end early.

A fault meets requests after it is clear who asks and that they may, whether they come over HTTP or from a
client in this process. The cluster's own parts are spared unless a fault names them, since most tests are of
somebody else's program. Where there are no faults, a request pays for a look at an empty list.
"""

import random
from collections.abc import AsyncIterator, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from copy import copy
from dataclasses import dataclass
from fnmatch import fnmatchcase

from kube_lite.api import errors
from kube_lite.api.errors import ApiError
from kube_lite.kit.clock import Clock
from kube_lite.registry.watching import Change

from .request import Request

OWN_PARTS = ("system:apiserver", "system:kube-controller-manager", "system:kube-scheduler", "system:node:*")
_ERRORS: dict[int, tuple[type[ApiError], str]] = {
    409: (errors.Conflict, "the object has been modified; please apply your changes to the latest version"),
    410: (errors.Expired, "too old resource version"),
    429: (errors.TooManyRequests, "too many requests, please try again later"),
    500: (errors.InternalError, "Internal error occurred: injected"),
    503: (errors.ServiceUnavailable, "the server is currently unable to handle the request"),
    504: (errors.Timeout, "the server was unable to return a response in the time allotted"),
}


@dataclass(eq=False)
class Fault:
    """One thing that goes wrong; see ``Faults.inject``. ``hits`` is how often it has."""

    verb: str
    resource: str
    namespace: str
    name: str
    user: str
    error: ApiError | None
    delay_seconds: float
    is_done: bool
    drop_after: int | None
    times: int | None
    share: float
    hits: int = 0

    def meets(self, request: Request) -> bool:
        """Whether a request is one of those that it is for, luck apart."""
        resource = request.resource.plural
        if request.subresource:
            resource += f"/{request.subresource}"
        said = (
            (request.verb, self.verb),
            (resource, self.resource),
            (request.namespace, self.namespace),
            (request.name, self.name),
        )
        if self.times is not None and self.hits >= self.times:
            return False
        return all(fnmatchcase(*pair) for pair in said) and self._is_meant(request.user.name)

    def _is_meant(self, user: str) -> bool:
        if not self.user:
            return not any(fnmatchcase(user, part) for part in OWN_PARTS)
        return fnmatchcase(user, self.user)


class Faults:
    """Everything that is to go wrong. True while there is anything."""

    def __init__(self, clock: Clock, source: random.Random) -> None:
        self._clock = clock
        self._source = source
        self._faults: list[Fault] = []

    def __bool__(self) -> bool:
        """Whether there is anything."""
        return bool(self._faults)

    @contextmanager
    def inject(
        self,
        error: ApiError | int | None = None,
        *,
        verb: str = "*",
        resource: str = "*",
        namespace: str = "*",
        name: str = "*",
        user: str = "",
        delay_seconds: float = 0.0,
        is_done: bool = False,
        drop_after: int | None = None,
        times: int | None = None,
        share: float = 1.0,
    ) -> Iterator[Fault]:
        """Have something go wrong, for the length of the block. May be called from any thread.

            with cluster.faults.inject(429, verb="create", resource="pods", times=2) as fault:
                ...
            assert fault.hits == 2

        Args:
            error: the answer; a number of 409, 410, 429, 500, 503 and 504 is answered as a real server does.
            verb: a pattern of ``get list watch create update patch delete deletecollection``.
            resource: a pattern of plural names, subresources behind a slash: ``pods``, ``*/status``.
            namespace: a pattern, as ``name`` and ``user`` are; ``*`` is also for what has none.
            user: without it everybody but the cluster's own parts.
            delay_seconds: how long requests wait, by the cluster's clock, before they are looked at.
            is_done: the request is done all the same, and only its answer is lost.
            drop_after: watches end after so many events, with ``error`` or without.
            times: how often, at most.
            share: of the requests that are met, between 0 and 1.

        Raises:
            ValueError: no such error is known.
        """
        fault = Fault(
            verb,
            resource,
            namespace,
            name,
            user,
            _error(error),
            delay_seconds,
            is_done,
            drop_after,
            times,
            share,
        )
        self._faults.append(fault)
        try:
            yield fault
        finally:
            if fault in self._faults:
                self._faults.remove(fault)

    def clear(self) -> None:
        """Nothing goes wrong any more, whoever wanted it."""
        self._faults.clear()

    async def before(self, request: Request) -> ApiError | None:
        """Wait and fail as is wished; an error that is returned is for after the request.

        Raises:
            ApiError: the one that is wished.
        """
        late: ApiError | None = None
        for fault in list(self._faults):
            if fault.drop_after is not None or not self._strikes(fault, request):
                continue
            if fault.delay_seconds:
                await self._clock.sleep(fault.delay_seconds)
            if fault.error is not None and not fault.is_done:
                raise copy(fault.error)
            late = copy(fault.error) or late
        return late

    def watch(
        self, request: Request, changes: AbstractAsyncContextManager[AsyncIterator[Change]]
    ) -> AbstractAsyncContextManager[AsyncIterator[Change]]:
        """The same changes, as far as they are to be told."""
        return self._watch(request, changes)

    @asynccontextmanager
    async def _watch(
        self, request: Request, changes: AbstractAsyncContextManager[AsyncIterator[Change]]
    ) -> AsyncIterator[AsyncIterator[Change]]:
        await self.before(request)
        async with changes as stream:
            yield self._dropped(request, stream)

    async def _dropped(self, request: Request, stream: AsyncIterator[Change]) -> AsyncIterator[Change]:
        told = 0
        async for change in stream:
            yield change
            told += 1
            for fault in list(self._faults):
                if (
                    fault.drop_after is not None
                    and told >= fault.drop_after
                    and self._strikes(fault, request)
                ):
                    if fault.error is not None:
                        raise copy(fault.error)
                    return

    def _strikes(self, fault: Fault, request: Request) -> bool:
        if not fault.meets(request) or (fault.share < 1 and self._source.random() >= fault.share):
            return False
        fault.hits += 1
        return True


def _error(wanted: ApiError | int | None) -> ApiError | None:
    if not isinstance(wanted, int):
        return wanted
    if wanted not in _ERRORS:
        raise ValueError(f"error {wanted}: known are {', '.join(map(str, _ERRORS))}, or give an ApiError")
    kind, message = _ERRORS[wanted]
    return kind(message, retry_after=1 if wanted in (429, 503, 504) else None)
