"""One webhook of a configuration: whether a request concerns it, and asking it.

Source: ``apiserver/pkg/admission/plugin/webhook`` (``generic/webhook.go``, ``mutating`` and ``validating``).
"""

from collections.abc import Iterator
from functools import cached_property
from typing import TYPE_CHECKING
from uuid import uuid4

from kube_lite.api.errors import BadRequest, InternalError, forbidden
from kube_lite.api.gotext import go_quote
from kube_lite.api.identity import Json
from kube_lite.api.resource import Resource
from kube_lite.registry.webhooks import CallFailed, hook_of
from kube_lite.registry.webhooks import Hook as Place

from .asking import request_of
from .chain import Attempt, Caller
from .matching import Match, as_row_has_it, sides
from .reviews import NotCalled, Refused, Verdict, choose_version, read_verdict, write_review

if TYPE_CHECKING:
    from .expressions import Conditions

SECONDS = 10  # for which a webhook may think that says nothing of it
HARMLESS = ("None", "NoneOnDryRun")


class Webhook:
    """A webhook as one version of its configuration has it.

    Attributes:
        id: tells it from all others.
    """

    def __init__(self, configuration: Json, position: int, told: Json) -> None:
        self.id: Caller = (configuration["metadata"]["uid"], position)
        self.name: str = told["name"]
        self.ignores_failures: bool = told.get("failurePolicy") == "Ignore"
        self.is_called_again: bool = told.get("reinvocationPolicy") == "IfNeeded"
        self._match = Match(told, told.get("rules") or ())
        self._told = told

    @cached_property
    def _conditions(self) -> "Conditions | None":
        conditions = self._told.get("matchConditions")
        if not conditions:
            return None
        from .expressions import Conditions  # which few webhooks have

        return Conditions(conditions, ignores=self.ignores_failures)

    @cached_property
    def _place(self) -> Place:
        return hook_of(self._told["clientConfig"])

    async def row_of(self, attempt: Attempt) -> Resource | None:
        """The row as which a request concerns it; None when it does not.

        Raises:
            Forbidden: nobody can say.
        """
        row = self._match.row_of(attempt)
        if row is None or self._conditions is None:
            return row
        from .expressions import Failed, inputs_of

        try:
            return row if self._conditions.hold(await inputs_of(attempt, row)) else None
        except Failed as error:
            raise forbidden(attempt.resource.group_resource, attempt.name, str(error)) from error

    async def ask(self, attempt: Attempt, row: Resource, *, may_patch: bool) -> Verdict | None:
        """What it says of a request; None when it says nothing and that is to be ignored.

        Warnings are added to the request's.

        Raises:
            Refused: it denies the request.
            InternalError: it says nothing.
            BadRequest: it cannot be asked about dry runs.
        """
        if attempt.dry_run and self._told.get("sideEffects") not in HARMLESS:
            raise BadRequest(f"admission webhook {go_quote(self.name)} does not support dry run")
        try:
            verdict = await self._call(attempt, row, may_patch=may_patch)
        except NotCalled as error:
            if self.ignores_failures:
                return None
            raise internal(f"failed calling webhook {go_quote(self.name)}: {error}") from error
        attempt.warnings.extend(verdict.warnings)
        if not verdict.is_allowed:
            raise Refused(self.name, verdict.status)
        return verdict

    async def _call(self, attempt: Attempt, row: Resource, *, may_patch: bool) -> Verdict:
        version, uid = choose_version(self._told["admissionReviewVersions"]), str(uuid4())
        new, old = [await as_row_has_it(attempt, row, side) for side in sides(attempt)]
        body = write_review(version, uid, request_of(attempt, row), new, old)
        seconds = self._told.get("timeoutSeconds") or SECONDS
        try:
            answer = await attempt.objects.webhooks.post(self._place, body, seconds)
        except CallFailed as error:
            raise NotCalled(f"failed to call webhook: {error}") from error
        return read_verdict(answer, version, uid, may_patch=may_patch)


def webhooks_of(configuration: Json) -> Iterator[Webhook]:
    """Those of a configuration, in order."""
    for position, told in enumerate(configuration.get("webhooks") or ()):
        yield Webhook(configuration, position, told)


def internal(why: str) -> InternalError:
    """A failure that the one who asks can do nothing about."""
    return InternalError(f"Internal error occurred: {why}", details={"causes": [{"message": why}]})
