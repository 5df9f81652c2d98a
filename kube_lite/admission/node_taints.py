"""A new node takes no Pods before somebody has seen that it is ready.

The taint is taken off by ``controllers/node_lifecycle.py``.
Source: ``plugin/pkg/admission/nodetaint``.
"""

from kube_lite.api.identity import GroupResource, Json

from .chain import CREATE, Attempt, Rule

NODES = GroupResource("", "nodes")
NOT_READY: Json = {"key": "node.kubernetes.io/not-ready", "effect": "NoSchedule"}


class NewNodeTaint(Rule):
    """Adds the taint."""

    def handles(self, operation: str, resource: GroupResource, subresource: str) -> bool:
        """New nodes."""
        return operation == CREATE and resource == NODES and not subresource

    async def mutate(self, attempt: Attempt) -> None:
        """Behind those that are there."""
        spec = attempt.obj.setdefault("spec", {})
        taints = spec.get("taints") or []
        if not any(_is_not_ready(taint) for taint in taints):
            spec["taints"] = [*taints, dict(NOT_READY)]


def _is_not_ready(taint: Json) -> bool:
    return all(taint.get(field) == value for field, value in NOT_READY.items())
