"""A claim that names no storage class gets the default one.

Source: ``plugin/pkg/admission/storage/storageclass/setdefault``.
"""

from kube_lite.api.identity import GroupResource
from kube_lite.api.storage import default_class

from .chain import CREATE, Attempt, Rule

CLAIMS = GroupResource("", "persistentvolumeclaims")
CLASSES = GroupResource("storage.k8s.io", "storageclasses")


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
        name = default_class(attempt.objects.all(CLASSES))
        if name:
            spec["storageClassName"] = name
