"""ValidatingAdmissionPolicies: expressions that a request must satisfy, where bindings say so.

A server without policies does not even import what works them out, see ``policies.py``.

Source: ``apiserver/pkg/admission/plugin/policy/validating/dispatcher.go``.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from kube_lite.api.errors import REASONS, ApiError, Invalid
from kube_lite.api.identity import GroupResource
from kube_lite.registry.objects import Objects, Survey

from .chain import Attempt, Rule
from .matching import EXEMPT, GROUP

if TYPE_CHECKING:
    from .policies import Binding, Finding, Policy

POLICIES = GroupResource(GROUP, "validatingadmissionpolicies")
BINDINGS = GroupResource(GROUP, "validatingadmissionpolicybindings")


@dataclass(frozen=True, slots=True)
class Known:
    """The policies that bindings make count, as of two surveys."""

    policies: Survey
    bindings: Survey
    bound: Sequence[tuple["Policy", Sequence["Binding"]]]

    @property
    def is_current(self) -> bool:
        """Whether nobody has written one since."""
        return self.policies.is_current and self.bindings.is_current


class ValidatingPolicies(Rule):
    """Holds requests against the policies."""

    def __init__(self) -> None:
        self._known: Known | None = None
        self._compiled: dict[tuple[str, str], Policy] = {}

    def handles(self, operation: str, resource: GroupResource, subresource: str) -> bool:
        """Everything but policies and webhooks themselves."""
        return resource not in EXEMPT

    async def validate(self, attempt: Attempt) -> None:
        """Ask every policy that is about it; the first that denies is told, after all have warned."""
        known = self._known
        if known is None or not known.is_current:
            known = self._known = self._learn(attempt.objects)
        if not known.bound:
            return
        from .policies import apply

        denied: list[tuple[str, Finding]] = []
        for policy, bindings in known.bound:
            row = policy.match.row_of(attempt)
            if row is not None:
                denied += await apply(attempt, policy, bindings, row)
        if denied:
            raise _refusal(attempt, *denied[0])

    def _learn(self, objects: Objects) -> Known:
        policies, bindings = objects.survey(POLICIES), objects.survey(BINDINGS)
        if not policies.objects or not bindings.objects:
            return Known(policies, bindings, ())
        from .policies import Binding, Policy

        bound: dict[str, list[Binding]] = {}
        for binding in bindings.objects:
            bound.setdefault(binding["spec"]["policyName"], []).append(Binding(binding))
        compiled = {}
        for policy in policies.objects:
            metadata = policy["metadata"]
            version = (metadata["uid"], metadata["resourceVersion"])
            compiled[version] = self._compiled.get(version) or Policy(policy)
        self._compiled = compiled
        counting = [(policy, bound[policy.name]) for policy in compiled.values() if policy.name in bound]
        return Known(policies, bindings, counting)


def _refusal(attempt: Attempt, who: str, finding: "Finding") -> ApiError:
    message = f"{who} denied request: {finding.message}"
    told = attempt.refuse(message)
    kind = REASONS.get(finding.reason, Invalid)
    error = kind(told.message, details={**(told.details or {}), "causes": [{"message": message}]})
    error.warnings = tuple(attempt.warnings)
    return error
