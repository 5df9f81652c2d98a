"""Pods stay five minutes on a node that is not ready or cannot be reached, unless they say otherwise.

Source: ``plugin/pkg/admission/defaulttolerationseconds``.
"""

from kube_lite.api.identity import GroupResource, Json

from .chain import CREATE, PODS, UPDATE, Attempt, Rule

SECONDS = 300
TAINTS = ("node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable")


class DefaultTolerations(Rule):
    """Adds the tolerations."""

    def handles(self, operation: str, resource: GroupResource, subresource: str) -> bool:
        """New and changed Pods."""
        return resource == PODS and not subresource and operation in (CREATE, UPDATE)

    async def mutate(self, attempt: Attempt) -> None:
        """Add what is missing."""
        spec = attempt.obj.get("spec")
        if spec is not None:
            tolerations = spec.get("tolerations") or []
            missing = [default_toleration(key) for key in TAINTS if not _tolerates(tolerations, key)]
            if missing:
                spec["tolerations"] = [*tolerations, *missing]


def default_toleration(key: str) -> Json:
    """Five minutes of one taint."""
    return {"key": key, "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": SECONDS}


def _tolerates(tolerations: list[Json], key: str) -> bool:
    return any(
        (entry.get("key") or key) == key and (entry.get("effect") or "NoExecute") == "NoExecute"
        for entry in tolerations
    )
