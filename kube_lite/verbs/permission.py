"""Whether the one who asks may do what a request wants."""

from kube_lite.auth.authorize import Attributes, Authorizer, refusal
from kube_lite.auth.user import MASTERS

from .request import Request


def check_permission(authorizer: Authorizer, request: Request) -> None:
    """Let pass who may. Raises ``Forbidden``."""
    user = request.user
    if MASTERS in user.groups:  # the parts of the cluster itself, and its owner: most requests
        return
    resource = request.resource
    is_namespace = resource.plural == "namespaces" and not resource.group  # which lies in itself
    namespace = request.name if is_namespace else request.namespace
    attributes = Attributes(
        user, request.verb, resource.group, resource.version, resource.plural,
        request.subresource, namespace, request.name,
    )  # fmt: skip
    decision = authorizer.authorize(attributes)
    if not decision.allowed:
        raise refusal(attributes, decision.reason)
