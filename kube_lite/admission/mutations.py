"""MutatingAdmissionPolicies at work: expressions that come to patches of an object.

Source: ``apiserver/pkg/admission/plugin/policy/mutating`` (``dispatcher.go``, ``patch``).
"""

from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property
from typing import NamedTuple

from kube_lite.api.cel.as_json import NoJson, as_json
from kube_lite.api.cel.types import list_of
from kube_lite.api.errors import BadRequest, Invalid
from kube_lite.api.identity import Json
from kube_lite.api.patch import jsonpatch
from kube_lite.api.policies import JSON_PATCH, OBJECT, of_json
from kube_lite.api.resource import Resource

from .chain import DELETE, Attempt, Caller
from .expressions import Budget, Compiled, Failed, OutOfBudget, compiled, evaluate, inputs_of
from .hooks import internal
from .matching import as_row_has_it, spoken_back
from .patched import typed
from .policies import Invocation, Policy


class Mutation(NamedTuple):
    """One expression; it comes to operations, or to a part of the object."""

    expression: Compiled
    has_operations: bool


class MutatingPolicy(Policy):
    """One that changes."""

    patches = True

    @cached_property
    def mutations(self) -> Sequence[Mutation]:
        """Compiled when first needed."""
        return [self._mutation(told) for told in self._spec.get("mutations") or ()]

    def _mutation(self, told: Json) -> Mutation:
        compiler, _ = self._compiled
        has_operations = told.get("patchType") == "JSONPatch"
        returns = list_of(JSON_PATCH) if has_operations else OBJECT
        text = (told.get("jsonPatch" if has_operations else "applyConfiguration") or {}).get("expression")
        return Mutation(compiled(text or "", lambda text: compiler.compile(text, returns)), has_operations)


def caller_of(invocation: Invocation) -> Caller:
    """Tells it from others."""
    metadata = (invocation.param or {}).get("metadata") or {}
    return (
        invocation.policy.name, invocation.binding.name, metadata.get("namespace"), metadata.get("name"),
    )  # fmt: skip


async def perform(attempt: Attempt, invocation: Invocation) -> list[str]:
    """Change the object of a request as a policy wants it; what failed, unless that is to be ignored.

    Raises:
        InternalError: what comes of it is no object of the kind.
    """
    policy = invocation.policy
    assert isinstance(policy, MutatingPolicy)  # only such are bound here
    inputs = replace(await inputs_of(attempt, invocation.row), params=of_json(invocation.param))
    failures: list[str] = []
    try:
        if policy.conditions and not policy.conditions.hold(inputs):
            return []
    except Failed as error:
        return [str(error)]
    for mutation in policy.mutations:
        if attempt.operation == DELETE:
            break
        try:
            await _mutate(attempt, invocation.row, policy, mutation, invocation.param)
        except (Failed, OutOfBudget, NoJson) as error:
            failures.append(str(error))
    return [] if policy.ignores_failures else failures


async def _mutate(
    attempt: Attempt, row: Resource, policy: MutatingPolicy, mutation: Mutation, param: Json | None
) -> None:
    inputs, budget = replace(await inputs_of(attempt, row), params=of_json(param)), Budget()
    patch = as_json(evaluate(mutation.expression, policy.values(inputs, budget), budget))
    before = await as_row_has_it(attempt, row, attempt.obj)
    assert before is not None  # only what is deleted has no object
    try:
        after = typed(attempt, row, _patched(attempt, row, before, patch, mutation))
    except BadRequest as error:
        raise internal(error.message) from error
    attempt.obj = await spoken_back(attempt, row, after)


def _patched(
    attempt: Attempt, row: Resource, before: Json, patch: list[Json] | Json, mutation: Mutation
) -> Json:
    if mutation.has_operations:
        assert isinstance(patch, list)  # as the compiler has made sure
        try:
            return jsonpatch.apply(before, patch)
        except jsonpatch.TestFailed:
            return jsonpatch.apply(before, [])
        except Invalid as error:
            raise Failed(f"JSONPath: {error.message}") from error
    from kube_lite.api.patch.merging import merge
    from kube_lite.api.patch.typed import type_of

    schema = attempt.definitions.schema(row.schema) if row.schema in attempt.definitions else None
    merged: Json = merge(before, patch, type_of(schema))
    return merged
