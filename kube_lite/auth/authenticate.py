"""Who is asking: the first authenticator that knows the credentials says so.

An authenticator answers a user, or None when the credentials are not its own, or raises ``Unauthorized``
when they are its own and no good. Nobody at all who presents a bearer token is refused; who presents
nothing is anonymous, which is for the caller to decide.
"""

from collections.abc import Sequence
from typing import NamedTuple, Protocol

from kube_lite.api.errors import Unauthorized

from .user import AUTHENTICATED, User


class Credentials(NamedTuple):
    """What came with a connection or request."""

    certificate_der: bytes | None = None
    bearer_token: str | None = None


class Authenticator(Protocol):
    """One way to know who somebody is."""

    def authenticate(self, credentials: Credentials) -> User | None:
        """The user, or None where these credentials say nothing to this authenticator.

        Raises:
            Unauthorized: they do, and are no good.
        """
        ...


class Union:
    """Several authenticators, asked in order."""

    def __init__(self, authenticators: Sequence[Authenticator]) -> None:
        self._authenticators = tuple(authenticators)

    def authenticate(self, credentials: Credentials) -> User | None:
        """The first answer; a bearer token that nobody knows is refused.

        Raises:
            Unauthorized: the credentials are no good.
        """
        refusal: Unauthorized | None = None
        for authenticator in self._authenticators:
            try:
                user = authenticator.authenticate(credentials)
            except Unauthorized as error:
                refusal = error
                continue
            if user is not None:
                return with_group(user, AUTHENTICATED)
        if refusal is not None or credentials.bearer_token is not None:
            raise Unauthorized("Unauthorized") from refusal
        return None


def with_group(user: User, group: str) -> User:
    """The user as a member of one more group."""
    if group in user.groups:
        return user
    return User(user.name, user.uid, (*user.groups, group), user.extra)
