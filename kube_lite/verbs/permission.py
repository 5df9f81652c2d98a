"""Whether the one who asks may do what a request wants."""

from kube_lite.api.errors import BadRequest
from kube_lite.api.selectors import parse_field_selector
from kube_lite.auth.authorize import Attributes, Authorizer, refusal
from kube_lite.auth.user import MASTERS

from .request import Request
from .selecting import NAME


def check_permission(authorizer: Authorizer, request: Request) -> None:
    """Let pass who may. Raises ``Forbidden``."""
    if MASTERS in request.user.groups:  # the parts of the cluster itself, and its owner: most requests
        return
    attributes = attributes_of(request)
    decision = authorizer.authorize(attributes)
    if not decision.allowed:
        raise refusal(attributes, decision.reason)


def attributes_of(request: Request) -> Attributes:
    """What authorization is asked about a request."""
    resource, name = request.resource, request.name
    is_namespace = resource.plural == "namespaces" and not resource.group  # which lies in itself
    namespace = name if is_namespace else request.namespace
    fields = ""
    if not name and request.query and request.verb in ("list", "watch", "deletecollection"):
        fields = request.query.get("fieldSelector", "")
        name = "" if request.verb == "deletecollection" else selected_name(fields)
    return Attributes(
        request.user, request.verb, resource.group, resource.version, resource.plural,
        request.subresource, namespace, name, field_selector=fields,
    )  # fmt: skip


def selected_name(field_selector: str) -> str:
    """The one name that a list or watch is about, which counts as the request's; empty for any.

    Source: ``NewRequestInfo`` in ``apiserver/pkg/endpoints/request/requestinfo.go``.
    """
    if NAME not in field_selector:
        return ""
    try:
        name = parse_field_selector(field_selector).exact(NAME) or ""
    except BadRequest:
        return ""
    return "" if name in (".", "..") or "/" in name or "%" in name else name
