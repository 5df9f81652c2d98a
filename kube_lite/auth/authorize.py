"""May they: allow, deny, or no opinion; and the union of several authorizers.

The first authorizer with an opinion decides. When nobody has one the answer is no.
"""

from collections.abc import Sequence
from typing import NamedTuple, Protocol

from kube_lite.api.errors import Forbidden, details_of
from kube_lite.api.identity import GroupResource, Json

from .rules import quoted
from .user import MASTERS, User


class Attributes(NamedTuple):
    """What somebody wants. ``path`` is set, and everything about resources empty, for paths that are none.

    ``field_selector`` is what a list or watch is limited to, as the request has it.
    """

    user: User
    verb: str
    group: str = ""
    version: str = ""
    resource: str = ""
    subresource: str = ""
    namespace: str = ""
    name: str = ""
    path: str = ""
    field_selector: str = ""


class Decision(NamedTuple):
    """``allowed`` is None for no opinion; ``reason`` is for the one who asks."""

    allowed: bool | None
    reason: str = ""


NO_OPINION = Decision(None)


class Grants(NamedTuple):
    """Policy rules that somebody has; not all of them unless ``is_complete``. ``error``: what was missing."""

    rules: Sequence[Json]
    is_complete: bool = True
    error: str = ""


class Authorizer(Protocol):
    """One set of rules."""

    def authorize(self, attributes: Attributes) -> Decision:
        """Whether this is allowed by these rules."""
        ...

    def grants(self, user: User, namespace: str) -> Grants:
        """What a user may do in a namespace, told as policy rules."""
        ...


class MastersAuthorizer:
    """Members of ``system:masters`` may do everything; of others it has no opinion."""

    def authorize(self, attributes: Attributes) -> Decision:
        """Look at the groups only."""
        return Decision(True) if MASTERS in attributes.user.groups else NO_OPINION

    def grants(self, user: User, namespace: str) -> Grants:
        """Nothing: the role that is bound to the group says it, as upstream."""
        return Grants(())


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
        return Decision(None, "\n".join(reasons)) if reasons else NO_OPINION

    def grants(self, user: User, namespace: str) -> Grants:
        """Those of all of them."""
        told = [authorizer.grants(user, namespace) for authorizer in self._authorizers]
        errors = [grants.error for grants in told if grants.error]
        return Grants(
            [rule for grants in told for rule in grants.rules],
            all(grants.is_complete for grants in told),
            errors[0] if len(errors) == 1 else f"[{', '.join(errors)}]" if errors else "",
        )


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
