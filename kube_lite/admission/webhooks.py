"""Webhooks: servers of others who change a request, or refuse it.

Mutating webhooks are asked one after the other, as each sees what those before it have changed; validating
ones at once. A server without configurations does not even import what calls them, see ``hooks.py``.

Source: ``apiserver/pkg/admission/plugin/webhook`` (``mutating/dispatcher.go``, ``reinvocationcontext.go``).
"""

import asyncio
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from kube_lite.api.errors import ApiError, BadRequest, Invalid
from kube_lite.api.identity import GroupResource
from kube_lite.api.meta import copy
from kube_lite.api.resource import Resource
from kube_lite.registry.objects import Objects, Survey

from .chain import DELETE, Attempt, Rule
from .figures import ADMIT, WebhookFigures
from .figures import VALIDATING as ASKED_TO_VALIDATE
from .matching import EXEMPT, GROUP, as_row_has_it, spoken_back
from .patched import typed

if TYPE_CHECKING:
    from .hooks import Webhook
    from .reviews import Verdict

MUTATING = GroupResource(GROUP, "mutatingwebhookconfigurations")
VALIDATING = GroupResource(GROUP, "validatingwebhookconfigurations")


class Known(NamedTuple):
    """The webhooks of all configurations, in the order of their names, as of a survey."""

    survey: Survey
    webhooks: Sequence["Webhook"]


class Hooks(Rule):
    """What both sorts have in common."""

    resource: GroupResource

    def __init__(self, figures: WebhookFigures) -> None:
        self._figures = figures
        self._known: Known | None = None
        self._read: dict[tuple[str, str], Sequence[Webhook]] = {}

    def handles(self, operation: str, resource: GroupResource, subresource: str) -> bool:
        """Everything but policies and webhooks themselves."""
        return resource not in EXEMPT

    def webhooks(self, objects: Objects) -> Sequence["Webhook"]:
        """All there are."""
        known = self._known
        if known is None or not known.survey.is_current:
            known = self._known = self._learn(objects)
        return known.webhooks

    def _learn(self, objects: Objects) -> Known:
        survey = objects.survey(self.resource)
        if not survey.objects:
            return Known(survey, ())
        from .hooks import webhooks_of

        read = {}
        for configuration in survey.objects:
            metadata = configuration["metadata"]
            version = (metadata["uid"], metadata["resourceVersion"])
            read[version] = self._read.get(version) or tuple(webhooks_of(configuration))
        self._read = read
        return Known(survey, [webhook for webhooks in read.values() for webhook in webhooks])


class ValidatingWebhooks(Hooks):
    """Asks who may refuse."""

    resource = VALIDATING

    async def validate(self, attempt: Attempt) -> None:
        """Ask all whom it concerns; of several refusals the first is told."""
        webhooks = self.webhooks(attempt.objects)
        if not webhooks:
            return
        concerned = []
        for webhook in webhooks:
            row = await webhook.row_of(attempt)
            if row is not None:
                concerned.append((webhook, row))
        refusals: dict[int, ApiError] = {}

        async def ask(place: int, webhook: "Webhook", row: Resource) -> None:
            try:
                with self._figures.asking(webhook.name, attempt.operation, ASKED_TO_VALIDATE):
                    await webhook.ask(attempt, row, may_patch=False)
            except ApiError as error:
                refusals[place] = error

        async with asyncio.TaskGroup() as group:
            for place, (webhook, row) in enumerate(concerned):
                group.create_task(ask(place, webhook, row), name=f"webhook {webhook.name}")
        if refusals:
            error = refusals[min(refusals)]
            error.warnings = tuple(attempt.warnings)
            raise error


class MutatingWebhooks(Hooks):
    """Asks who may change a request."""

    resource = MUTATING

    async def mutate(self, attempt: Attempt) -> None:
        """Ask one after the other. In a second round only those who want to see what came after them."""
        webhooks = self.webhooks(attempt.objects)
        if not webhooks:
            return
        rounds = attempt.rounds
        turn = rounds.turn(MUTATING)
        if rounds.is_second and turn.output != attempt.obj:
            turn.call_again()
        try:
            for webhook in webhooks:
                if not rounds.is_second or webhook.id in turn.due:
                    await self._ask(attempt, webhook)
        except ApiError as error:
            error.warnings = tuple(attempt.warnings)
            raise
        turn.output = copy(attempt.obj)

    async def _ask(self, attempt: Attempt, webhook: "Webhook") -> None:
        row = await webhook.row_of(attempt)
        if row is None:
            return
        turn = attempt.rounds.turn(MUTATING)
        with self._figures.asking(webhook.name, attempt.operation, ADMIT):
            verdict = await webhook.ask(attempt, row, may_patch=True)
        if verdict is None:
            return
        if verdict.patch and await _apply(attempt, webhook, row, verdict):
            turn.call_again()
            attempt.rounds.is_second_wanted = True
        if webhook.is_called_again:
            turn.earlier.add(webhook.id)


async def _apply(attempt: Attempt, webhook: "Webhook", row: Resource, verdict: "Verdict") -> bool:
    """Change a request's object as a webhook wants it; whether that makes a difference."""
    from kube_lite.api.gotext import go_quote
    from kube_lite.api.patch import jsonpatch

    from .hooks import internal
    from .reviews import JSON_PATCH

    name = go_quote(webhook.name)
    try:
        operations = jsonpatch.parse(verdict.patch, is_checked=False)
    except ApiError as error:
        raise internal(error.message) from error
    if not operations:
        return False
    if attempt.operation == DELETE:
        why = "attempted to modify the object, which is not supported for this operation"
        raise internal(f"admission webhook {name} {why}")
    if verdict.patch_type != JSON_PATCH:
        why = f"unsupported patch type {go_quote(verdict.patch_type)}"
        raise internal(f"failed calling webhook {name}: {why}")
    before = await as_row_has_it(attempt, row, attempt.obj)
    assert before is not None  # only what is deleted has no object
    try:
        after = typed(attempt, row, jsonpatch.apply(before, operations))
    except (Invalid, BadRequest) as error:
        raise internal(error.message) from error
    changed = after != before
    if changed:
        attempt.obj = await spoken_back(attempt, row, after)
    return changed
