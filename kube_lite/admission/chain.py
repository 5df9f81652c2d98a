"""What may change or refuse a write once it was understood: first all mutate, then all validate.

A plugin says once which requests it handles, so a request meets only its own plugins. Plugins look things
up in the store directly (``attempt.objects``), as of now.
"""

import random
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol

from kube_lite.api.errors import ApiError, Cause, Forbidden, details_of, forbidden
from kube_lite.api.identity import GroupResource, Json
from kube_lite.api.resource import Registry, Resource
from kube_lite.api.schema.load import Definitions
from kube_lite.auth.authorize import Authorizer
from kube_lite.auth.user import User
from kube_lite.kit.metrics import Shown
from kube_lite.registry.objects import Objects

from .figures import ADMIT, VALIDATE, StepFigures

CREATE, UPDATE, DELETE, CONNECT = "CREATE", "UPDATE", "DELETE", "CONNECT"
PODS = GroupResource("", "pods")


Caller = tuple[object, ...]
"""Tells those who may be asked again from each other."""


class Turn:
    """What a plugin that asks others who change an object knows of its turn.

    Attributes:
        earlier: those who were asked and want to know what changed since.
        due: those of them who are to be asked in the second round.
        output: what they left in the first.
    """

    __slots__ = ("due", "earlier", "output")

    def __init__(self) -> None:
        self.earlier: set[Caller] = set()
        self.due: set[Caller] = set()
        self.output: Json | None = None

    def call_again(self) -> None:
        """Let everybody who was asked before hear of a change."""
        self.due |= self.earlier
        self.earlier.clear()


class Rounds:
    """Mutating plugins look again at what policies and webhooks have changed.

    Attributes:
        is_second: they look again, for the last time.
        is_second_wanted: something was changed.
    """

    __slots__ = ("is_second", "is_second_wanted", "turns")

    def __init__(self) -> None:
        self.is_second = False
        self.is_second_wanted = False
        self.turns: dict[GroupResource, Turn] = {}

    def turn(self, whose: GroupResource) -> Turn:
        """Of the plugin that has its rules from these objects."""
        return self.turns.setdefault(whose, Turn())


@dataclass(slots=True)
class Attempt:
    """A write that somebody attempts.

    Attributes:
        operation: ``CREATE UPDATE DELETE CONNECT``.
        obj: what is to be written, a private copy that mutating plugins may change in place; for DELETE
            what goes.
        old: what is there now, shared; None for CREATE.
        source: randomness.
        registry: every row there is.
        definitions: what their objects look like.
        authorizer: who may do what.
        options: what the request says besides, as its options have it: ``{"fieldManager": "kubectl"}``; only
            asked for when somebody wants to know.
        warnings: texts that the answer will carry.
    """

    operation: str
    resource: Resource
    subresource: str
    namespace: str
    name: str
    obj: Json
    old: Json | None
    user: User
    objects: Objects
    source: random.Random
    registry: Registry
    definitions: Definitions
    authorizer: Authorizer
    dry_run: bool = False
    options: Callable[[], Mapping[str, Any]] = dict
    warnings: list[str] = field(default_factory=list)
    rounds_known: Rounds | None = None

    @property
    def rounds(self) -> Rounds:
        """For those who change an object as others want it; nearly no request meets any."""
        if self.rounds_known is None:
            self.rounds_known = Rounds()
        return self.rounds_known

    def refuse(self, why: str, causes: Sequence[Cause] = ()) -> Forbidden:
        """The error to raise: ``pods "web" is forbidden: <why>``; an unfinished name shows as its prefix."""
        metadata = self.obj.get("metadata") or {}
        name = self.name or metadata.get("name") or metadata.get("generateName") or "Unknown"
        error = forbidden(self.resource.group_resource, name, why)
        if causes:
            error.details = details_of(self.resource.group_resource, name, causes)
        return error


class Plugin(Protocol):
    """One rule."""

    def handles(self, operation: str, resource: GroupResource, subresource: str) -> bool:
        """Whether requests of this sort concern it; asked once for each sort."""
        ...

    async def mutate(self, attempt: Attempt) -> None:
        """Change ``attempt.obj`` in place, or raise an ``ApiError``."""
        ...

    async def validate(self, attempt: Attempt) -> None:
        """Raise an ``ApiError``, or let it pass."""
        ...


class Rule:
    """A plugin that does nothing, to be built upon."""

    def handles(self, operation: str, resource: GroupResource, subresource: str) -> bool:
        """Nothing."""
        return False

    async def mutate(self, attempt: Attempt) -> None:
        """Change nothing."""

    async def validate(self, attempt: Attempt) -> None:
        """Let everything pass."""


class Chain:
    """Plugins in order.

    Args:
        figures: what they count, to be shown by the server.
    """

    def __init__(self, plugins: Sequence[Plugin] = (), figures: Sequence[Shown] = ()) -> None:
        self._plugins = tuple(plugins)
        self._steps = StepFigures()
        self.figures = (*self._steps.shown(), *figures)
        self._concerned: dict[tuple[str, GroupResource, str], Concerned] = {}

    def concerned(self, operation: str, resource: GroupResource, subresource: str = "") -> "Concerned":
        """The plugins that handle requests of this sort."""
        key = (operation, resource, subresource)
        found = self._concerned.get(key)
        if found is None:
            plugins = [plugin for plugin in self._plugins if plugin.handles(*key)]
            found = self._concerned[key] = Concerned(
                tuple(plugin for plugin in plugins if type(plugin).mutate is not Rule.mutate),
                tuple(plugin for plugin in plugins if type(plugin).validate is not Rule.validate),
            )
        return found

    async def mutate(self, attempt: Attempt) -> None:
        """Let every concerned plugin change what is to be written; twice where others have."""
        began = time.monotonic()
        try:
            await self._mutate(attempt)
        except ApiError:
            self._steps.note(attempt.operation, ADMIT, began, rejected="true")
            raise
        self._steps.note(attempt.operation, ADMIT, began)

    async def validate(self, attempt: Attempt) -> None:
        """Let every concerned plugin refuse it."""
        began = time.monotonic()
        try:
            for plugin in self._of(attempt).validating:
                await plugin.validate(attempt)
        except ApiError:
            self._steps.note(attempt.operation, VALIDATE, began, rejected="true")
            raise
        self._steps.note(attempt.operation, VALIDATE, began)

    async def _mutate(self, attempt: Attempt) -> None:
        for plugin in self._of(attempt).mutating:
            await plugin.mutate(attempt)
        rounds = attempt.rounds_known
        if rounds is None or not rounds.is_second_wanted:
            return
        rounds.is_second = True
        for plugin in self._of(attempt).mutating:
            await plugin.mutate(attempt)

    def _of(self, attempt: Attempt) -> "Concerned":
        return self.concerned(attempt.operation, attempt.resource.home, attempt.subresource)


class Concerned(NamedTuple):
    """The plugins that requests of one sort meet, without those that do nothing in that turn."""

    mutating: tuple[Plugin, ...]
    validating: tuple[Plugin, ...]


def all_containers(spec: Json) -> Iterator[Json]:
    """The init and ordinary containers of a Pod spec, in this order; malformed entries are left out."""
    for name in ("initContainers", "containers"):
        entries = spec.get(name)
        if isinstance(entries, list):
            yield from (entry for entry in entries if isinstance(entry, dict))
