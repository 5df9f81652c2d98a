"""The policies of a sort that bindings make count, read once for each of their versions."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import TYPE_CHECKING, Generic, TypeVar

from kube_lite.api.identity import GroupResource, Json
from kube_lite.registry.objects import Objects, Survey

from .chain import Rule
from .matching import EXEMPT

if TYPE_CHECKING:
    from .policies import Binding, Policy

Sort = TypeVar("Sort", bound="Policy")


class Known(Generic[Sort]):
    """Policies with their bindings, as of two surveys."""

    def __init__(
        self, policies: Survey, bindings: Survey, bound: Sequence[tuple[Sort, Sequence["Binding"]]]
    ) -> None:
        self.policies = policies
        self.bindings = bindings
        self.bound = bound

    @property
    def is_current(self) -> bool:
        """Whether nobody has written one since."""
        return self.policies.is_current and self.bindings.is_current


class BoundPolicies(Rule, ABC, Generic[Sort]):
    """A plugin that has its rules from policies."""

    policies: GroupResource
    bindings: GroupResource

    def __init__(self) -> None:
        self._known: Known[Sort] | None = None
        self._versions: dict[tuple[str, str], Sort] = {}

    def handles(self, operation: str, resource: GroupResource, subresource: str) -> bool:
        """Everything but policies and webhooks themselves."""
        return resource not in EXEMPT

    @abstractmethod
    def read(self, policy: Json) -> Sort:
        """One version of a policy."""

    def bound(self, objects: Objects) -> Sequence[tuple[Sort, Sequence["Binding"]]]:
        """All that count, in the order of their names."""
        known = self._known
        if known is None or not known.is_current:
            known = self._known = self._learn(objects)
        return known.bound

    def _learn(self, objects: Objects) -> Known[Sort]:
        policies, bindings = objects.survey(self.policies), objects.survey(self.bindings)
        if not policies.objects or not bindings.objects:
            return Known(policies, bindings, ())
        from .policies import Binding

        bound: dict[str, list[Binding]] = {}
        for binding in bindings.objects:
            name = (binding.get("spec") or {}).get("policyName") or ""  # older releases checked less
            bound.setdefault(name, []).append(Binding(binding))
        versions = {}
        for policy in policies.objects:
            metadata = policy["metadata"]
            version = (metadata["uid"], metadata["resourceVersion"])
            versions[version] = self._versions.get(version) or self.read(policy)
        self._versions = versions
        counting = [(policy, bound[policy.name]) for policy in versions.values() if policy.name in bound]
        return Known(policies, bindings, counting)
