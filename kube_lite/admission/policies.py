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


class Policy:
    """One version of a policy of either sort."""

    patches = False
    """Whether its expressions come to patches."""

    def __init__(self, policy: Json) -> None:
        spec = policy.get("spec") or {}
        constraints = spec.get("matchConstraints") or {}
        self.name: str = policy["metadata"]["name"]
        self.param_kind: Json | None = spec.get("paramKind")
        self.is_called_again: bool = spec.get("reinvocationPolicy") == "IfNeeded"
        self.ignores_failures: bool = spec.get("failurePolicy") == "Ignore"
        self.match = Match(constraints, constraints.get("resourceRules") or (), everything=True)
        self._spec: Json = spec

    @cached_property
    def conditions(self) -> Conditions:
        """Compiled when first needed, like all of it."""
        has_params = self.param_kind is not None
        return Conditions(
            self._spec.get("matchConditions") or (), ignores=self.ignores_failures, has_params=has_params
        )

    @cached_property
    def _compiled(self) -> tuple[PolicyCompiler, dict[str, Compiled]]:
        """The variables, and what compiles expressions that see them."""
        declared = self._spec.get("variables") or ()
        compiler = PolicyCompiler(
            has_params=self.param_kind is not None, has_variables=bool(declared), has_patches=self.patches
        )
        variables = {}
        for variable in declared:
            name = variable["name"]
            variables[name] = compiled(variable["expression"], partial(compiler.add_variable, name))
        return compiler, variables

    def values(self, inputs: Inputs, budget: Budget, *, has_authorizer: bool = True) -> list[Any]:
        """What the expressions see."""
        has_params = self.param_kind is not None
        values = inputs.values(has_params=has_params, has_authorizer=has_authorizer)
        _, variables = self._compiled
        if variables:
            all_values = inputs.values(has_params=has_params)
            values.append(Variables(variables, all_values, budget))
        return values


class ValidatingPolicy(Policy):
    """One that refuses."""

    @cached_property
    def _validations(self) -> Sequence[Validation]:
        compiler, _ = self._compiled
        return [_validation(compiler, told) for told in self._spec.get("validations") or ()]

    def findings(self, inputs: Inputs) -> Iterator[Finding]:
        """What stands against a request. What fails counts, unless the policy ignores that."""
        try:
            if self.conditions and not self.conditions.hold(inputs):
                return
            found = list(self._weigh(inputs))
        except (Failed, OutOfBudget) as error:
            found = [] if self.ignores_failures else [Finding(str(error))]
        yield from found

    def _weigh(self, inputs: Inputs) -> Iterator[Finding]:
        budget = Budget()
        values = self.values(inputs, budget)
        bare = self.values(inputs, budget, has_authorizer=False)
        for validation in self._validations:
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
        spec = binding.get("spec") or {}
        told = spec.get("matchResources")
        self.name: str = binding["metadata"]["name"]
        self.actions: Sequence[str] = spec.get("validationActions") or ()
        self.parameters: Json | None = spec.get("paramRef")
        self.match = None if told is None else Match(told, told.get("resourceRules") or (), everything=True)


class Invocation(NamedTuple):
    """A policy that is to be worked out for a request, once for each of its parameters."""

    policy: Policy
    binding: Binding
    row: Resource
    param: Json | None


class Unusable(NamedTuple):
    """A policy, or its binding, that is not to be ignored and cannot be worked out."""

    policy: Policy
    binding: Binding | None
    why: str


async def invocations(
    attempt: Attempt, policy: Policy, bindings: Sequence[Binding], row: Resource
) -> list[Invocation | Unusable]:
    """What a policy that is about a request comes to, in order.

    Args:
        row: as which the policy means it.
    """
    found: list[Invocation | Unusable] = []
    try:
        params = None if policy.param_kind is None else row_of_params(attempt, policy.param_kind)
    except Misconfigured as error:
        why = f"failed to configure policy: {error}"
        return [] if policy.ignores_failures else [Unusable(policy, None, why)]
    for binding in bindings:
        if binding.match is not None and binding.match.row_of(attempt) is None:
            continue
        try:
            given = await parameters(attempt, params, binding.parameters)
        except Misconfigured as error:
            if not policy.ignores_failures:
                found.append(Unusable(policy, binding, f"failed to configure binding: {error}"))
            continue
        found += [Invocation(policy, binding, row, param) for param in given]
    return found


async def apply(
    attempt: Attempt, policy: ValidatingPolicy, bindings: Sequence[Binding], row: Resource
) -> list[tuple[str, Finding]]:
    """Add warnings to a request; what denies it, each with who says so."""
    denied: list[tuple[str, Finding]] = []
    inputs: Inputs | None = None
    for step in await invocations(attempt, policy, bindings, row):
        who = f"ValidatingAdmissionPolicy '{policy.name}'"
        if step.binding is not None:
            who += f" with binding '{step.binding.name}'"
        if isinstance(step, Unusable):
            denied.append((who, Finding(step.why)))
            continue
        inputs = inputs or await inputs_of(attempt, row)
        findings = policy.findings(replace(inputs, params=of_json(step.param)))
        denied += _act(attempt, who, step.binding, findings)
    return denied


def _act(
    attempt: Attempt, who: str, binding: Binding, findings: Iterable[Finding]
) -> Iterator[tuple[str, Finding]]:
    for finding in findings:
        if "Warn" in binding.actions:
            attempt.warnings.append(f"Validation failed for {who}: {finding.message}")
        if "Deny" in binding.actions:
            yield who, finding
