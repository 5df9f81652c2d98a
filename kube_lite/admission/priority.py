"""The name of a priority class → the number that scheduling uses.

Source: ``plugin/pkg/admission/priority/admission.go``.
"""

from typing import NamedTuple

from kube_lite.api.identity import GroupResource, Json, ObjectKey

from .chain import CREATE, PODS, UPDATE, Attempt, Rule

CLASSES = GroupResource("scheduling.k8s.io", "priorityclasses")
SYSTEM_CLASSES = {"system-cluster-critical": 2_000_000_000, "system-node-critical": 2_000_001_000}
DEFAULT_POLICY = "PreemptLowerPriority"


class Computed(NamedTuple):
    """What a Pod's class says."""

    class_name: str
    value: int
    policy: str


NOTHING = Computed("", 0, DEFAULT_POLICY)


class Priority(Rule):
    """Resolves classes, and keeps the default class the only one."""

    def handles(self, operation: str, resource: GroupResource, subresource: str) -> bool:
        """New Pods; new and changed classes."""
        if subresource:
            return False
        if resource == PODS:
            return operation == CREATE
        return resource == CLASSES and operation in (CREATE, UPDATE)

    async def mutate(self, attempt: Attempt) -> None:
        """Fill in what the class says; what the Pod says itself must be the same."""
        if attempt.resource.group_resource != PODS:
            return
        spec = attempt.obj.get("spec") or {}
        computed = self._compute(attempt, spec.get("priorityClassName") or "")
        given = spec.get("priority")
        if given is not None and given != computed.value:
            raise attempt.refuse(
                f"the integer value of priority ({given}) must not be provided in pod spec; "
                f"priority admission controller computed {computed.value} from the given PriorityClass name"
            )
        policy = spec.get("preemptionPolicy")
        if policy is not None and policy != computed.policy:
            raise attempt.refuse(
                f"the string value of PreemptionPolicy ({policy}) must not be provided in pod spec; "
                f"priority admission controller computed {computed.policy} from the given PriorityClass name"
            )
        if computed.class_name:
            spec["priorityClassName"] = computed.class_name
        spec["priority"], spec["preemptionPolicy"] = computed.value, computed.policy

    async def validate(self, attempt: Attempt) -> None:
        """Refuse a second default class."""
        if attempt.resource.group_resource != CLASSES or not attempt.obj.get("globalDefault"):
            return
        default = _default_class(attempt)
        if default is not None and default["metadata"]["name"] != attempt.obj["metadata"].get("name"):
            raise attempt.refuse(
                f"PriorityClass {default['metadata']['name']} is already marked as default. "
                "Only one default can exist"
            )

    def _compute(self, attempt: Attempt, name: str) -> Computed:
        found = attempt.objects.peek(CLASSES, ObjectKey("", name)) if name else _default_class(attempt)
        if found is not None:
            policy = found.get("preemptionPolicy") or DEFAULT_POLICY
            return Computed(found["metadata"]["name"], found.get("value", 0), policy)
        if name in SYSTEM_CLASSES:
            return Computed(name, SYSTEM_CLASSES[name], DEFAULT_POLICY)
        if name:
            raise attempt.refuse(f"no PriorityClass with name {name} was found")
        return NOTHING


def _default_class(attempt: Attempt) -> Json | None:
    """The class for Pods that name none: of several the lowest."""
    defaults = [entry for entry in attempt.objects.all(CLASSES) if entry.get("globalDefault")]
    if not defaults:
        return None
    return min(defaults, key=lambda entry: int(entry.get("value", 0)))
