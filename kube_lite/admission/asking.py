"""What a policy or a webhook is told of a request, in the words of an AdmissionReview.

Source: ``apiserver/pkg/admission/plugin/webhook/request/admissionreview.go``, ``plugin/cel/condition.go``.
"""

from kube_lite.api.identity import GroupVersionKind, Json
from kube_lite.api.resource import Resource
from kube_lite.auth.user import User

from .chain import CREATE, DELETE, UPDATE, Attempt
from .matching import kind_of, namespace_of

OPTIONS = {CREATE: "CreateOptions", UPDATE: "UpdateOptions", DELETE: "DeleteOptions"}


def request_of(attempt: Attempt, row: Resource) -> Json:
    """The request without its objects.

    Args:
        row: as which it is meant; the request's own, or another of the same resource.
    """
    asked = attempt.resource
    told: Json = {
        "kind": _kind(kind_of(row, attempt.subresource)),
        "resource": {"group": row.group, "version": row.version, "resource": row.plural},
        "requestKind": _kind(kind_of(asked, attempt.subresource)),
        "requestResource": {"group": asked.group, "version": asked.version, "resource": asked.plural},
    }
    if attempt.subresource:
        told["subResource"] = told["requestSubResource"] = attempt.subresource
    for field, value in (("name", attempt.name), ("namespace", namespace_of(attempt))):
        if value:
            told[field] = value
    told["operation"] = attempt.operation
    told["userInfo"] = _user(attempt.user)
    told["dryRun"] = attempt.dry_run
    told["options"] = {
        "kind": OPTIONS.get(attempt.operation, "ConnectOptions"),
        "apiVersion": "meta.k8s.io/v1",
        **({"dryRun": ["All"]} if attempt.dry_run else {}),
        **attempt.options(),
    }
    return told


def _kind(kind: GroupVersionKind) -> Json:
    return {"group": kind.group, "version": kind.version, "kind": kind.kind}


def _user(user: User) -> Json:
    told: Json = {"username": user.name}
    if user.uid:
        told["uid"] = user.uid
    if user.groups:
        told["groups"] = list(user.groups)
    if user.extra:
        told["extra"] = {name: list(values) for name, values in user.extra.items()}
    return told
