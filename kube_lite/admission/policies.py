"""One policy and its bindings: what stands against a request, and what is made of that.

A policy is compiled when the first request comes that it is about, and once for each of its versions.

Source: ``apiserver/pkg/admission/plugin/policy/validating`` (``dispatcher.go``, ``validator.go``).
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from functools import cached_property, partial
from typing import Any, NamedTuple

from kube_lite.api.cel.types import BOOL, STRING
from kube_lite.api.identity import Json
from kube_lite.api.policies import PolicyCompiler, of_json
from kube_lite.api.resource import Resource

from .chain import Attempt
from .expressions import (
    Budget,
    Compiled,
    Conditions,
    Failed,
    Inputs,
    OutOfBudget,
    Variables,
    compiled,
    evaluate,
    inputs_of,
)
from .matching import Match
from .parameters import Misconfigured, parameters, row_of_params

MAX_MESSAGE_BYTES = 5 * 1024  # of a message that was worked out


class Finding(NamedTuple):
    """Something that stands against a request; ``reason`` is a ``StatusReason``."""

    message: str
    reason: str = "Invalid"


class Validation(NamedTuple):
    """One expression, and what is said when it does not hold."""

    expression: Compiled
    message_expression: Compiled | None
    message: str
    reason: str


class Programs(NamedTuple):
    """The expressions of a policy."""

    conditions: Conditions
    variables: dict[str, Compiled]
    validations: Sequence[Validation]


class Policy:
    """One version of a policy."""

    def __init__(self, policy: Json) -> None:
        spec = policy["spec"]
        constraints = spec.get("matchConstraints") or {}
        self.name: str = policy["metadata"]["name"]
        self.param_kind: Json | None = spec.get("paramKind")
        self.ignores_failures: bool = spec.get("failurePolicy") == "Ignore"
        self.match = Match(constraints, constraints.get("resourceRules") or (), everything=True)
        self._spec: Json = spec

    @cached_property
    def programs(self) -> Programs:
        """Compiled when first needed."""
        spec, has_params = self._spec, self.param_kind is not None
        conditions = Conditions(
            spec.get("matchConditions") or (), ignores=self.ignores_failures, has_params=has_params
        )
        declared = spec.get("variables") or ()
        compiler = PolicyCompiler(has_params=has_params, has_variables=bool(declared))
        variables = {}
        for variable in declared:
            name = variable["name"]
            variables[name] = compiled(variable["expression"], partial(compiler.add_variable, name))
        return Programs(
            conditions, variables, [_validation(compiler, told) for told in spec.get("validations") or ()]
        )

    def findings(self, inputs: Inputs) -> Iterator[Finding]:
        """What stands against a request. What fails counts, unless the policy ignores that."""
        programs = self.programs
        try:
            if programs.conditions and not programs.conditions.hold(inputs):
                return
            found = list(self._weigh(programs, inputs))
        except (Failed, OutOfBudget) as error:
            found = [] if self.ignores_failures else [Finding(str(error))]
        yield from found

    def _weigh(self, programs: Programs, inputs: Inputs) -> Iterator[Finding]:
        has_params, budget = self.param_kind is not None, Budget()
        values = inputs.values(has_params=has_params)
        bare = inputs.values(has_params=has_params, has_authorizer=False)
        if programs.variables:
            variables = Variables(programs.variables, values, budget)
            values, bare = [*values, variables], [*bare, variables]
        for validation in programs.validations:
            try:
                if evaluate(validation.expression, values, budget) is True:
                    continue
            except Failed as error:
                if not self.ignores_failures:
                    yield Finding(str(error))
                continue
            yield Finding(_message(validation, bare, budget), validation.reason)


def _validation(compiler: PolicyCompiler, told: Json) -> Validation:
    text = told.get("messageExpression")
    return Validation(
        compiled(told["expression"], lambda text: compiler.compile(text, BOOL)),
        compiled(text, lambda text: compiler.compile(text, STRING, has_authorizer=False)) if text else None,
        (told.get("message") or "").strip(),
        told.get("reason") or "Invalid",
    )


def _message(validation: Validation, values: Sequence[Any], budget: Budget) -> str:
    """What is said: worked out, else as written, else the expression itself."""
    message = ""
    if validation.message_expression is not None:
        try:
            worked_out = evaluate(validation.message_expression, values, budget)
        except Failed:  # what was written is said instead
            worked_out = ""
        except OutOfBudget as error:
            return f"failed messageExpression: {error}"
        message = worked_out.strip() if isinstance(worked_out, str) else ""
        if "\n" in message or len(message.encode(errors="surrogatepass")) > MAX_MESSAGE_BYTES:
            message = ""
    return message or validation.message or f"failed expression: {validation.expression.text.strip()}"


class Binding:
    """Where a policy applies, and what becomes of what it finds."""

    def __init__(self, binding: Json) -> None:
        spec = binding["spec"]
        told = spec.get("matchResources")
        self.name: str = binding["metadata"]["name"]
        self.actions: Sequence[str] = spec.get("validationActions") or ()
        self.parameters: Json | None = spec.get("paramRef")
        self.match = None if told is None else Match(told, told.get("resourceRules") or (), everything=True)


async def apply(
    attempt: Attempt, policy: Policy, bindings: Sequence[Binding], row: Resource
) -> list[tuple[str, Finding]]:
    """Add warnings to a request; what denies it, each with who says so.

    Args:
        row: as which the policy means it.
    """
    says = f"ValidatingAdmissionPolicy '{policy.name}'"
    try:
        params = None if policy.param_kind is None else row_of_params(attempt, policy.param_kind)
    except Misconfigured as error:
        found = Finding(f"failed to configure policy: {error}")
        return [] if policy.ignores_failures else [(says, found)]
    inputs: Inputs | None = None
    denied: list[tuple[str, Finding]] = []
    for binding in bindings:
        if binding.match is not None and binding.match.row_of(attempt) is None:
            continue
        who = f"{says} with binding '{binding.name}'"
        try:
            given = await parameters(attempt, params, binding.parameters)
        except Misconfigured as error:
            if not policy.ignores_failures:
                denied.append((who, Finding(f"failed to configure binding: {error}")))
            continue
        inputs = inputs or await inputs_of(attempt, row)
        for param in given:
            denied += _act(attempt, who, binding, policy.findings(replace(inputs, params=of_json(param))))
    return denied


def _act(
    attempt: Attempt, who: str, binding: Binding, findings: Iterable[Finding]
) -> Iterator[tuple[str, Finding]]:
    for finding in findings:
        if "Warn" in binding.actions:
            attempt.warnings.append(f"Validation failed for {who}: {finding.message}")
        if "Deny" in binding.actions:
            yield who, finding
