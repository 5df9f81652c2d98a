"""Claims and Ingresses that name no class get the default one; claims grow only where their class allows it.

Source: ``plugin/pkg/admission/storage/storageclass/setdefault``, ``storage/persistentvolume/resize`` and
``network/defaultingressclass``.
"""

from kube_lite.api import meta
from kube_lite.api.identity import GroupResource, Json, ObjectKey
from kube_lite.api.quantity import Quantity, parse_quantity
from kube_lite.api.storage import class_of, default_class

from .chain import CREATE, UPDATE, Attempt, Rule

CLAIMS = GroupResource("", "persistentvolumeclaims")
STORAGE_CLASSES = GroupResource("storage.k8s.io", "storageclasses")
INGRESSES = GroupResource("networking.k8s.io", "ingresses")
INGRESS_CLASSES = GroupResource("networking.k8s.io", "ingressclasses")
INGRESS_DEFAULT = ("ingressclass.kubernetes.io/is-default-class",)
INGRESS_ANNOTATION = "kubernetes.io/ingress.class"
FIXED = (
    "only dynamically provisioned pvc can be resized and the storageclass that provisions the pvc must "
    "support resize"
)


class DefaultStorageClass(Rule):
    """Names the class of a claim."""

    def handles(self, operation: str, resource: GroupResource, subresource: str) -> bool:
        """New claims."""
        return operation == CREATE and resource == CLAIMS and not subresource

    async def mutate(self, attempt: Attempt) -> None:
        """An empty name is a choice: no class at all."""
        spec = attempt.obj.get("spec")
        if spec is None or spec.get("storageClassName") is not None:
            return
        name = default_class(attempt.objects.all(STORAGE_CLASSES))
        if name:
            spec["storageClassName"] = name


class DefaultIngressClass(Rule):
    """Names the class of an Ingress."""

    def handles(self, operation: str, resource: GroupResource, subresource: str) -> bool:
        """New Ingresses."""
        return operation == CREATE and resource == INGRESSES and not subresource

    async def mutate(self, attempt: Attempt) -> None:
        """The annotation of old is a choice as well."""
        spec = attempt.obj.get("spec")
        if spec is None or spec.get("ingressClassName") is not None:
            return
        if INGRESS_ANNOTATION in meta.annotations_of(attempt.obj):
            return
        name = default_class(attempt.objects.all(INGRESS_CLASSES), INGRESS_DEFAULT)
        if name:
            spec["ingressClassName"] = name


class ClaimResize(Rule):
    """Refuses that a claim grows whose class does not say that its volumes can."""

    def handles(self, operation: str, resource: GroupResource, subresource: str) -> bool:
        """Changes of claims."""
        return operation == UPDATE and resource == CLAIMS and not subresource

    async def validate(self, attempt: Attempt) -> None:
        """A claim that is not bound may still change its mind."""
        old = attempt.old
        if old is None or _size(attempt.obj) <= _size(old):
            return
        if (old.get("status") or {}).get("phase") != "Bound":
            return
        found = attempt.objects.peek(STORAGE_CLASSES, ObjectKey("", class_of(old)))
        if found is None or not found.get("allowVolumeExpansion"):
            raise attempt.refuse(FIXED)


def _size(claim: Json) -> Quantity:
    requests = (claim["spec"].get("resources") or {}).get("requests") or {}
    return parse_quantity(requests.get("storage", "0"))
