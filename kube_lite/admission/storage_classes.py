"""A claim that names no storage class gets the default one.

Source: ``plugin/pkg/admission/storage/storageclass/setdefault``.
"""

from kube_lite.api.identity import GroupResource, Json

from .chain import CREATE, Attempt, Rule

CLAIMS = GroupResource("", "persistentvolumeclaims")
CLASSES = GroupResource("storage.k8s.io", "storageclasses")
IS_DEFAULT = (
    "storageclass.kubernetes.io/is-default-class",
    "storageclass.beta.kubernetes.io/is-default-class",
)


class DefaultStorageClass(Rule):
    """Names the class."""

    def handles(self, operation: str, resource: GroupResource, subresource: str) -> bool:
        """New claims."""
        return operation == CREATE and resource == CLAIMS and not subresource

    async def mutate(self, attempt: Attempt) -> None:
        """An empty name is a choice: no class at all."""
        spec = attempt.obj.get("spec")
        if spec is None or spec.get("storageClassName") is not None:
            return
        defaults = [entry for entry in attempt.objects.all(CLASSES) if _is_default(entry)]
        if defaults:
            # The newest wins, so that a new default takes over while the old one is still marked.
            newest = max(defaults, key=lambda entry: str(entry["metadata"]["creationTimestamp"]))
            spec["storageClassName"] = newest["metadata"]["name"]


def _is_default(entry: Json) -> bool:
    annotations = entry["metadata"].get("annotations") or {}
    return any(annotations.get(name) == "true" for name in IS_DEFAULT)
