"""MutatingAdmissionPolicies: patches by expressions, where bindings say so.

A server without policies does not even import what works them out, see ``mutations.py``.

Source: ``apiserver/pkg/admission/plugin/policy/generic/policy_dispatcher.go``.
"""

from typing import TYPE_CHECKING

from kube_lite.api.errors import ApiError
from kube_lite.api.identity import GroupResource, Json
from kube_lite.api.meta import copy

from .bound_policies import BoundPolicies
from .chain import Attempt
from .matching import GROUP

if TYPE_CHECKING:
    from .policies import Binding, Invocation, Policy, Unusable

POLICIES = GroupResource(GROUP, "mutatingadmissionpolicies")
BINDINGS = GroupResource(GROUP, "mutatingadmissionpolicybindings")


class MutatingPolicies(BoundPolicies["Policy"]):
    """Changes requests."""

    policies, bindings = POLICIES, BINDINGS

    def read(self, policy: Json) -> "Policy":
        """One version of a policy."""
        from .mutations import MutatingPolicy

        return MutatingPolicy(policy)

    async def mutate(self, attempt: Attempt) -> None:
        """Let each that is about it patch the object, in order."""
        bound = self.bound(attempt.objects)
        if not bound:
            return
        from .policies import invocations

        steps: list[Invocation | Unusable] = []
        for policy, bindings in bound:
            row = policy.match.row_of(attempt)
            if row is not None:
                steps += await invocations(attempt, policy, bindings, row)
        if steps:
            await _perform_all(attempt, steps)


async def _perform_all(attempt: Attempt, steps: "list[Invocation | Unusable]") -> None:
    from .mutations import caller_of, perform
    from .policies import Unusable

    rounds = attempt.rounds
    turn = rounds.turn(POLICIES)
    if rounds.is_second and turn.output != attempt.obj:
        turn.call_again()
    refused = [
        (_said(step.policy, step.binding, step.why), "") for step in steps if isinstance(step, Unusable)
    ]
    for step in steps:
        if isinstance(step, Unusable):
            continue
        caller = caller_of(step)
        if rounds.is_second and caller not in turn.due:
            continue
        before = copy(attempt.obj)
        refused += [
            (_said(step.policy, step.binding, why), "Invalid") for why in await perform(attempt, step)
        ]
        if attempt.obj != before:
            turn.call_again()
            rounds.is_second_wanted = True
        if step.policy.is_called_again:
            turn.earlier.add(caller)
    turn.output = copy(attempt.obj)
    if refused:
        raise _refusal(attempt, refused)


def _said(policy: "Policy", binding: "Binding | None", why: str) -> str:
    who = f"policy '{policy.name}'" + (f" with binding '{binding.name}'" if binding is not None else "")
    return f"{who} denied request: {why}"


def _refusal(attempt: Attempt, refused: list[tuple[str, str]]) -> ApiError:
    """Told in the words of the first; a real server's code is always that of what is forbidden."""
    error = attempt.refuse("")
    message, reason = refused[0]
    error.message = message
    error.reason = reason or error.reason
    error.details = {**(error.details or {}), "causes": [{"message": text} for text, _ in refused]}
    error.warnings = tuple(attempt.warnings)
    return error
