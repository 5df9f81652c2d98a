"""What the targets of request lines lead to, kept: clients ask for the same things again and again.

Only for requests that are answered the short way (``quick.py``, ``quick_writes.py``); whatever leads
elsewhere, or nowhere, is left to the long one.
"""

from collections.abc import Mapping
from typing import NamedTuple

from kube_lite.api.errors import ApiError
from kube_lite.api.resource import Registry, Resource
from kube_lite.kit.metrics import Labels

from .counting import route_of
from .parse import KEPT_LENGTH, STREAMS, Asked, UnknownPath, find_target, parse_request

KEPT_PATHS = 1024
VERBS = ("get", "create", "update", "patch", "delete")


class Path(NamedTuple):
    """What the target of a request line leads to; ``route`` is by what it is counted."""

    asked: Asked
    resource: Resource
    query: Mapping[str, str]
    route: Labels


class Paths:
    """The objects and collections that targets lead to, of requests that need nothing unusual."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry
        self._paths: dict[tuple[str, str], Path | None] = {}
        self._generation = registry.generation

    def find(self, method: str, raw: str) -> Path | None:
        """Where a request of ours leads; None for all others."""
        paths, line = self._paths, (method, raw)
        if self._generation != self._registry.generation:
            paths.clear()
            self._generation = self._registry.generation
        try:
            return paths[line]
        except KeyError:
            found = self._find(method, raw)
        if len(raw) <= KEPT_LENGTH:
            paths[line] = found
            if len(paths) > KEPT_PATHS:
                del paths[next(iter(paths))]
        return found

    def _find(self, method: str, raw: str) -> Path | None:
        address, asked = parse_request(method, raw)
        if asked is None or asked.verb not in VERBS or "timeout" in address.query:
            return None
        if asked.subresource in STREAMS or (asked.subresource and asked.verb == "get"):
            return None
        if (asked.group, asked.version) in self._registry.elsewhere:
            return None
        try:
            target = find_target(asked, method, self._registry)
        except (ApiError, UnknownPath):
            return None
        if target.resource.strategy.deprecation():  # of which the answer warns
            return None
        return Path(asked, target.resource, address.query, route_of(asked, address.query))
