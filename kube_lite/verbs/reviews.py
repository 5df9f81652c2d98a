"""Questions about access: who am I, may I, may they, whose token is this. Answered, never stored.

Source: ``pkg/registry/authentication``, ``pkg/registry/authorization``.
"""

from collections.abc import Awaitable, Callable, Iterator, Sequence

import orjson

from kube_lite.api.errors import BadRequest, Cause, invalid
from kube_lite.api.fielderrors import Shown, required
from kube_lite.api.fielderrors import invalid as invalid_value
from kube_lite.api.gotext import go_quote
from kube_lite.api.identity import Json
from kube_lite.api.times import format_time
from kube_lite.auth.authorize import Attributes, Decision
from kube_lite.auth.service_accounts import InvalidToken
from kube_lite.auth.user import AUTHENTICATED, User
from kube_lite.registry.converting import as_stored_version

from .decoding import read_body
from .options import WriteOptions, parse_write_options
from .owning import record
from .parts import Parts
from .request import Answer, Request

Answerer = Callable[[Request, Json], Json]
RESOURCE_FIELDS = ("verbs", "apiGroups", "resources", "resourceNames")
PATH_FIELDS = ("verbs", "nonResourceURLs")


class Reviews:
    """Answers the review kinds of ``authentication.k8s.io`` and ``authorization.k8s.io``."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._answerers: dict[tuple[str, str], Answerer] = {
            ("authentication.k8s.io", "SelfSubjectReview"): self._who_am_i,
            ("authentication.k8s.io", "TokenReview"): self._whose_token,
            ("authorization.k8s.io", "SelfSubjectAccessReview"): self._may_i,
            ("authorization.k8s.io", "SubjectAccessReview"): self._may_they,
            ("authorization.k8s.io", "LocalSubjectAccessReview"): self._may_they,
            ("authorization.k8s.io", "SelfSubjectRulesReview"): self._what_may_i,
        }

    def answer(self, request: Request) -> Awaitable[Answer] | None:
        """The answer to a review; None for everything else."""
        answerer = self._answerers.get((request.resource.group, request.resource.kind))
        return None if answerer is None else self._answer(request, answerer)

    async def _answer(self, request: Request, answerer: Answerer) -> Answer:
        resource, parts = request.resource, self._parts
        options = parse_write_options("CreateOptions", request.query, user_agent=request.user_agent)
        body = read_body(
            parts, resource.gvk, parts.schema(resource), request.body, request.content_type, options
        )
        review = body.obj
        review.pop("status", None)
        if resource.namespaced:
            review["metadata"].setdefault("namespace", request.namespace)
        spec = as_stored_version(resource, review).get("spec") or {}
        status = answerer(request, spec)
        if resource.kind.endswith("AccessReview"):
            self._check_nameless(request, review, options)
        review["status"] = status
        if answerer == self._who_am_i:
            review.pop("spec", None)
            review["metadata"]["creationTimestamp"] = format_time(parts.clock.now())
        elif answerer == self._what_may_i:
            review["spec"] = {}
        return Answer(201, object=review, warnings=body.warnings)

    def _check_nameless(self, request: Request, review: Json, options: WriteOptions) -> None:
        """A question about access has no name and no labels. Raises ``Invalid``, which shows what it has."""
        given = {field: value for field, value in review["metadata"].items() if value}
        if request.resource.namespaced:
            given.pop("namespace", None)
        if given:
            owners = record(self._parts, request, review, None, options)
            shown = Shown(orjson.dumps({**given, "managedFields": owners}).decode())
            cause = invalid_value("metadata", shown, "must be empty")
            raise invalid(request.resource.group, "", "", [cause])

    def _who_am_i(self, request: Request, spec: Json) -> Json:
        return {"userInfo": as_user_info(request.user)}

    def _whose_token(self, request: Request, spec: Json) -> Json:
        token = spec.get("token")
        if not token:
            raise BadRequest("token is required for TokenReview in authentication")
        tokens = self._parts.tokens
        audiences = spec.get("audiences") or []
        if tokens is None:
            return {"user": {}, "error": "invalid bearer token"}
        try:
            verified = tokens.verify(token, audiences or tokens.audiences)
        except InvalidToken as error:
            why = str(error)
            told = why if why == "invalid bearer token" else f"[invalid bearer token, {why}]"
            return {"user": {}, "error": told}
        user = tokens.user_of(verified)
        known = User(user.name, user.uid, (*user.groups, AUTHENTICATED), user.extra)
        shared = [audience for audience in (audiences or tokens.audiences) if audience in verified.audiences]
        return {"authenticated": True, "user": as_user_info(known), "audiences": shared}

    def _may_i(self, request: Request, spec: Json) -> Json:
        return self._decide(request, spec, request.user)

    def _may_they(self, request: Request, spec: Json) -> Json:
        extra = {key: tuple(values or ()) for key, values in (spec.get("extra") or {}).items()}
        user = User(spec.get("user", ""), spec.get("uid", ""), tuple(spec.get("groups") or ()), extra)
        causes = []
        if not user.name and not user.groups:
            why = 'Invalid value: "": at least one of user or group must be specified'
            causes.append(Cause("FieldValueInvalid", why, "spec.user"))
        return self._decide(request, spec, user, causes)

    def _decide(self, request: Request, spec: Json, user: User, causes: Sequence[Cause] = ()) -> Json:
        resource, path = spec.get("resourceAttributes"), spec.get("nonResourceAttributes")
        found = [*causes, *_check_attributes(resource, path)]
        if request.resource.namespaced:
            found += _check_place(resource, path, request.namespace)
        if found:
            raise invalid(request.resource.group, "", "", found)
        return as_status(self._parts.authorizer.authorize(attributes_of(user, resource, path)))

    def _what_may_i(self, request: Request, spec: Json) -> Json:
        if not spec.get("namespace"):
            raise BadRequest("no namespace on request")
        grants = self._parts.authorizer.grants(request.user, spec["namespace"])
        status: Json = {
            "resourceRules": [_only(rule, RESOURCE_FIELDS) for rule in grants.rules if rule.get("resources")],
            "nonResourceRules": [
                _only(rule, PATH_FIELDS) for rule in grants.rules if rule.get("nonResourceURLs")
            ],
            "incomplete": not grants.is_complete,
        }
        if grants.error:
            status["evaluationError"] = grants.error
        return status


def _only(rule: Json, fields: Sequence[str]) -> Json:
    return {field: rule[field] for field in fields if rule.get(field)}


def _check_attributes(resource: Json | None, path: Json | None) -> Iterator[Cause]:
    """A review asks about a resource or about a path."""
    if resource is not None and path is not None:
        why = "cannot be specified in combination with resourceAttributes"
        yield invalid_value("spec.nonResourceAttributes", _as_go(path), why)
    if resource is None and path is None:
        why = "exactly one of nonResourceAttributes or resourceAttributes must be specified"
        yield invalid_value("spec.resourceAttributes", Shown("null"), why)
    for field in ("fieldSelector", "labelSelector"):
        yield from _check_selector(f"spec.resourceAttributes.{field}", (resource or {}).get(field))


def _check_place(resource: Json | None, path: Json | None, namespace: str) -> Iterator[Cause]:
    """Where it may only ask about its own namespace."""
    given = (resource or {}).get("namespace", "")
    if resource is not None and given != namespace:
        yield invalid_value("spec.resourceAttributes.namespace", given, "must match metadata.namespace")
    if path is not None:
        yield invalid_value("spec.nonResourceAttributes", _as_go(path), "disallowed on this kind of request")


def _as_go(path: Json) -> Shown:
    """A path and verb as the reference prints them."""
    return Shown(f'{{"Path":{go_quote(path.get("path", ""))},"Verb":{go_quote(path.get("verb", ""))}}}')


def attributes_of(user: User, resource: Json | None, path: Json | None) -> Attributes:
    """What a review asks about."""
    if resource is None:
        path = path or {}
        return Attributes(user, path.get("verb", ""), path=path.get("path", "") or "/")
    return Attributes(
        user,
        resource.get("verb", ""),
        group=resource.get("group", ""),
        version=resource.get("version", ""),
        resource=resource.get("resource", ""),
        subresource=resource.get("subresource", ""),
        namespace=resource.get("namespace", ""),
        name=resource.get("name", ""),
        field_selector=fields_of(resource.get("fieldSelector") or {}),
    )


def fields_of(selector: Json) -> str:
    """A review's field selector as a request would have it; requirements it cannot have are left out."""
    if selector.get("rawSelector"):
        return str(selector["rawSelector"])
    told = []
    for entry in selector.get("requirements") or ():
        values = list(entry.get("values") or ())
        operator = {"In": "=", "NotIn": "!="}.get(entry.get("operator") or "")
        if operator and len(values) == 1:
            told.append(f"{entry.get('key', '')}{operator}{values[0]}")
    return ",".join(told)


def _check_selector(path: str, selector: Json | None) -> Iterator[Cause]:
    """A selector comes as text or as requirements, not as both."""
    if selector is None:
        return
    raw, requirements = selector.get("rawSelector"), selector.get("requirements")
    if raw and requirements:
        yield invalid_value(f"{path}.rawSelector", raw, "may not specified at the same time as requirements")
    if not raw and not requirements:
        why = f"when {path} is specified, requirements or rawSelector is required"
        yield required(f"{path}.requirements", why)


def as_status(decision: Decision) -> Json:
    """The ``status`` of an access review."""
    status: Json = {"allowed": bool(decision.allowed)}
    if decision.allowed is False:
        status["denied"] = True
    if decision.reason:
        status["reason"] = decision.reason
    return status


def as_user_info(user: User) -> Json:
    """A user as reviews show it."""
    shown: Json = {"username": user.name, "uid": user.uid, "groups": list(user.groups)}
    if user.extra:
        shown["extra"] = {key: list(values) for key, values in user.extra.items()}
    return {field: value for field, value in shown.items() if value}
