"""``serviceaccounts/token``: tokens of an account, asked for.

Source: ``pkg/registry/core/serviceaccount/storage/token.go``, ``pkg/apis/authentication/validation``.
"""

from kube_lite.admission.chain import CREATE
from kube_lite.api import fielderrors as field_errors
from kube_lite.api.errors import BadRequest, Cause, conflict, invalid, not_found
from kube_lite.api.identity import GroupResource, GroupVersionKind, Json, ObjectKey
from kube_lite.api.meta import gvk_of
from kube_lite.api.times import format_time
from kube_lite.auth.service_accounts import Bound

from . import metadata as meta
from .decoding import read_body
from .options import parse_write_options
from .parts import Parts
from .request import Answer, Request

TOKEN_REQUEST = GroupVersionKind("authentication.k8s.io", "v1", "TokenRequest")
SCHEMA = "io.k8s.api.authentication.v1.TokenRequest"
DEFAULT_SECONDS, SHORTEST_SECONDS, LONGEST_SECONDS = 3600, 600, 1 << 32
MAY_BIND = {("", "Pod"): "pods", ("", "Secret"): "secrets", ("", "Node"): "nodes"}


class Tokens:
    """Issues tokens."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    async def request(self, request: Request) -> Answer:
        """POST of a TokenRequest below an account."""
        parts = self._parts
        if parts.tokens is None:
            raise BadRequest("this server issues no tokens")
        options = parse_write_options("CreateOptions", request.query, user_agent=request.user_agent)
        schema = parts.definitions.schema(SCHEMA)
        body, warnings = read_body(parts, TOKEN_REQUEST, schema, request.body, request.content_type, options)
        meta.place(request.resource, body, request.namespace)
        key = ObjectKey(request.namespace, request.name)
        account = parts.objects.get(request.resource, key).object
        check_name(body["metadata"].get("name") or request.name, request.name)
        attempt = parts.attempt(
            CREATE, request.resource, key, body, None, request.user,
            subresource=request.subresource, dry_run=options.dry_run, options=options.told,
        )  # fmt: skip
        await parts.admission.mutate(attempt)
        await parts.admission.validate(attempt)
        spec = body.get("spec") or {}
        told = spec.get("expirationSeconds")
        seconds = DEFAULT_SECONDS if told is None else told
        check_seconds(seconds)
        bound = self._bound(request.namespace, spec.get("boundObjectRef"))
        audiences = spec.get("audiences") or list(parts.tokens.audiences)
        await parts.tokens.prepare()
        issued = parts.tokens.issue(account, audiences, seconds, [bound] if bound else [])
        metadata = account["metadata"]
        reference = spec.get("boundObjectRef")
        answer: Json = {
            "kind": TOKEN_REQUEST.kind,
            "apiVersion": TOKEN_REQUEST.api_version,
            "metadata": body["metadata"]
            | {field: metadata[field] for field in ("name", "namespace", "uid", "creationTimestamp")},
            "spec": {"audiences": audiences, "expirationSeconds": seconds, "boundObjectRef": reference},
            "status": {"token": issued.token, "expirationTimestamp": format_time(issued.expires)},
        }
        return Answer(201, object=answer, warnings=warnings)

    def _bound(self, namespace: str, reference: Json | None) -> Bound | None:
        if reference is None:
            return None
        kind = gvk_of(reference)
        plural = MAY_BIND.get((kind.group, kind.kind))
        if plural is None:
            raise BadRequest(f"cannot bind token to object of type {_go_kind(kind)}")
        name, uid = reference.get("name", ""), reference.get("uid")
        if not name:
            raise BadRequest("Name parameter required.")
        obj = self._parts.lookup(plural, ObjectKey("" if plural == "nodes" else namespace, name))
        if obj is None:
            raise not_found(GroupResource("", plural), name)
        if uid and uid != obj["metadata"]["uid"]:
            why = f"the UID in the bound object reference ({uid}) does not match the UID in record. "
            why += "The object might have been deleted and then recreated"
            raise conflict(GroupResource("", kind.kind), name, why)
        return Bound(kind.kind.lower(), name, obj["metadata"]["uid"])


def check_name(name: str, account: str) -> None:
    """Refuse a request in the name of another account. Raises ``Invalid``."""
    if name != account:
        cause = field_errors.invalid(
            "metadata.name", name, "must match the service account name if specified"
        )
        raise invalid(TOKEN_REQUEST.group, TOKEN_REQUEST.kind, account, [cause])


def check_seconds(seconds: int) -> None:
    """Refuse tokens that live too short or too long. Raises ``Invalid``."""
    if SHORTEST_SECONDS <= seconds <= LONGEST_SECONDS:
        return
    why = "may not specify a duration less than 10 minutes"
    if seconds > LONGEST_SECONDS:
        why = "may not specify a duration larger than 2^32 seconds"
    cause = Cause("FieldValueInvalid", f"Invalid value: {seconds}: {why}", "spec.expirationSeconds")
    raise invalid(TOKEN_REQUEST.group, TOKEN_REQUEST.kind, "", [cause])


def _go_kind(kind: GroupVersionKind) -> str:
    return f"{kind.group}/{kind.version}, Kind={kind.kind}"
