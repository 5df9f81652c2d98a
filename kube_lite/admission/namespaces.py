"""A namespace must exist before something is put into it, and takes in nothing new once it is going away.

Source: ``apiserver/pkg/admission/plugin/namespace/lifecycle``.
"""

from kube_lite.api.errors import Cause, not_found
from kube_lite.api.identity import GroupResource, ObjectKey

from .chain import CREATE, DELETE, UPDATE, Attempt, Rule

NAMESPACES = GroupResource("", "namespaces")
IMMORTAL = frozenset({"default", "kube-system", "kube-public"})
REVIEWS = frozenset({GroupResource("authorization.k8s.io", "localsubjectaccessreviews")})


class NamespaceLifecycle(Rule):
    """Watches over what happens to namespaces and in them."""

    def handles(self, operation: str, resource: GroupResource, subresource: str) -> bool:
        """Deletions of namespaces; creations and updates of everything else."""
        if resource == NAMESPACES:
            return operation == DELETE
        return operation in (CREATE, UPDATE) and resource not in REVIEWS

    async def mutate(self, attempt: Attempt) -> None:
        """Refuse before anything else is done."""
        if attempt.resource.group_resource == NAMESPACES:
            if attempt.name in IMMORTAL:
                raise attempt.refuse("this namespace may not be deleted")
            return
        if not attempt.namespace:
            return
        namespace = attempt.objects.peek(NAMESPACES, ObjectKey("", attempt.namespace))
        if namespace is None:
            raise not_found(NAMESPACES, attempt.namespace)
        if attempt.operation != CREATE or (namespace.get("status") or {}).get("phase") != "Terminating":
            return
        raise attempt.refuse(
            f"unable to create new content in namespace {attempt.namespace} because it is being terminated",
            [
                Cause(
                    "NamespaceTerminating",
                    f"namespace {attempt.namespace} is being terminated",
                    "metadata.namespace",
                )
            ],
        )
