"""May they: allow, deny, or no opinion; and the union of several authorizers.

The first authorizer with an opinion decides. When nobody has one the answer is no.
"""

from collections.abc import Sequence
from typing import NamedTuple, Protocol

from kube_lite.api.errors import Forbidden, details_of
from kube_lite.api.identity import GroupResource

from .user import AUTHENTICATED, MASTERS, User


class Attributes(NamedTuple):
    """What somebody wants. ``path`` is set, and everything about resources empty, for paths that are none."""

    user: User
    verb: str
    group: str = ""
    version: str = ""
    resource: str = ""
    subresource: str = ""
    namespace: str = ""
    name: str = ""
    path: str = ""


class Decision(NamedTuple):
    """``allowed`` is None for no opinion; ``reason`` is for the one who asks."""

    allowed: bool | None
    reason: str = ""


NO_OPINION = Decision(None)


class Authorizer(Protocol):
    """One set of rules."""

    def authorize(self, attributes: Attributes) -> Decision:
        """Whether this is allowed by these rules."""
        ...


class MastersAuthorizer:
    """Members of ``system:masters`` may do everything; of others it has no opinion."""

    def authorize(self, attributes: Attributes) -> Decision:
        """Look at the groups only."""
        return Decision(True) if MASTERS in attributes.user.groups else NO_OPINION


PUBLIC_PATHS = frozenset({"/healthz", "/livez", "/readyz", "/version", "/version/"})


class PublicPaths:
    """Health and version may be read by anybody (``system:public-info-viewer``)."""

    def authorize(self, attributes: Attributes) -> Decision:
        """Look at the path only."""
        if attributes.verb != "get" or attributes.path.partition("?")[0] not in PUBLIC_PATHS:
            return NO_OPINION
        return Decision(True)


SELF_REVIEWS = frozenset({"selfsubjectaccessreviews", "selfsubjectreviews", "selfsubjectrulesreviews"})
DISCOVERY = ("/api", "/apis", "/openapi")


class BasicUsers:
    """Who is known may ask about themselves and what there is: upstream's basic-user and discovery roles."""

    def authorize(self, attributes: Attributes) -> Decision:
        """Look at group, resource and path."""
        if AUTHENTICATED not in attributes.user.groups:
            return NO_OPINION
        if attributes.path:
            first = "/" + attributes.path.lstrip("/").partition("/")[0]
            return Decision(True) if attributes.verb == "get" and first in DISCOVERY else NO_OPINION
        asks = attributes.verb == "create" and attributes.resource in SELF_REVIEWS
        return Decision(True) if asks else NO_OPINION


class AuthorizerUnion:
    """Several authorizers, asked in order until one has an opinion."""

    def __init__(self, authorizers: Sequence[Authorizer]) -> None:
        self._authorizers = tuple(authorizers)

    def authorize(self, attributes: Attributes) -> Decision:
        """The first opinion; none at all is no."""
        reasons = []
        for authorizer in self._authorizers:
            decision = authorizer.authorize(attributes)
            if decision.allowed is not None:
                return decision
            if decision.reason:
                reasons.append(decision.reason)
        return Decision(None, ", ".join(reasons))


def default_authorizer() -> AuthorizerUnion:
    """``system:masters`` may do everything; others may look at health, and known ones at what there is."""
    return AuthorizerUnion([MastersAuthorizer(), PublicPaths(), BasicUsers()])


def refusal(attributes: Attributes, reason: str = "") -> Forbidden:
    """The answer to somebody who may not.

    Source: ``forbiddenMessage`` in ``apiserver/pkg/endpoints/handlers/responsewriters/errors.go``.
    """
    user, suffix = quoted(attributes.user.name), f": {reason}" if reason else ""
    if attributes.path:
        message = f"User {user} cannot {attributes.verb} path {quoted(attributes.path)}"
        return Forbidden(f"forbidden: {message}{suffix}", details={})
    resource = GroupResource(attributes.group, attributes.resource)
    what = f"{resource.resource}/{attributes.subresource}" if attributes.subresource else resource.resource
    message = f"User {user} cannot {attributes.verb} resource {quoted(what)}"
    message += f" in API group {quoted(attributes.group)}"
    message += (
        f" in the namespace {quoted(attributes.namespace)}"
        if attributes.namespace
        else " at the cluster scope"
    )
    subject = f"{resource} {quoted(attributes.name)}" if attributes.name else f"{resource}"
    details = details_of(resource, attributes.name)
    return Forbidden(f"{subject} is forbidden: {message}{suffix}", details=details)


def quoted(text: str) -> str:
    """In Go's double quotes."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
