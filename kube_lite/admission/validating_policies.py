"""ValidatingAdmissionPolicies: expressions that a request must satisfy, where bindings say so.

A server without policies does not even import what works them out, see ``policies.py``.

Source: ``apiserver/pkg/admission/plugin/policy/validating/dispatcher.go``.
"""

from typing import TYPE_CHECKING

from kube_lite.api.errors import REASONS, ApiError, Invalid
from kube_lite.api.identity import GroupResource, Json

from .bound_policies import BoundPolicies
from .chain import Attempt
from .matching import GROUP

if TYPE_CHECKING:
    from .policies import Finding, ValidatingPolicy


class ValidatingPolicies(BoundPolicies["ValidatingPolicy"]):
    """Holds requests against the policies."""

    policies = GroupResource(GROUP, "validatingadmissionpolicies")
    bindings = GroupResource(GROUP, "validatingadmissionpolicybindings")

    def read(self, policy: Json) -> "ValidatingPolicy":
        """One version of a policy."""
        from .policies import ValidatingPolicy

        return ValidatingPolicy(policy)

    async def validate(self, attempt: Attempt) -> None:
        """Ask every policy that is about it; the first that denies is told, after all have warned."""
        bound = self.bound(attempt.objects)
        if not bound:
            return
        from .policies import apply

        denied: list[tuple[str, Finding]] = []
        for policy, bindings in bound:
            row = policy.match.row_of(attempt)
            if row is not None:
                denied += await apply(attempt, policy, bindings, row)
        if denied:
            raise _refusal(attempt, *denied[0])


def _refusal(attempt: Attempt, who: str, finding: "Finding") -> ApiError:
    message = f"{who} denied request: {finding.message}"
    told = attempt.refuse(message)
    kind = REASONS.get(finding.reason, Invalid)
    error = kind(told.message, details={**(told.details or {}), "causes": [{"message": message}]})
    error.warnings = tuple(attempt.warnings)
    return error
