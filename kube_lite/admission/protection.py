"""What must not go while it is in use is held by a finalizer from the start.

The finalizer is taken off by the controllers of ``controllers/volume_protection.py`` once the object is on
its way out and nobody uses it any more.
Source: ``plugin/pkg/admission/storage/storageobjectinuseprotection``.
"""

from kube_lite.api.identity import GroupResource
from kube_lite.api.meta import add_finalizer

from .chain import CREATE, Attempt, Rule

FINALIZERS = {
    GroupResource("", "persistentvolumeclaims"): "kubernetes.io/pvc-protection",
    GroupResource("", "persistentvolumes"): "kubernetes.io/pv-protection",
    GroupResource("storage.k8s.io", "volumeattributesclasses"): "kubernetes.io/vac-protection",
}


class StorageProtection(Rule):
    """Adds the finalizer."""

    def handles(self, operation: str, resource: GroupResource, subresource: str) -> bool:
        """New claims, volumes and classes of attributes."""
        return operation == CREATE and resource in FINALIZERS and not subresource

    async def mutate(self, attempt: Attempt) -> None:
        """Behind those that are there."""
        add_finalizer(attempt.obj, FINALIZERS[attempt.resource.group_resource])
