"""Static bearer tokens, given when the server starts."""

import hmac
from collections.abc import Mapping

from .authenticate import Credentials
from .user import User


class StaticTokens:
    """A fixed list of tokens and their users."""

    def __init__(self, tokens: Mapping[str, User]) -> None:
        self._tokens = [(token.encode(), user) for token, user in tokens.items()]

    def authenticate(self, credentials: Credentials) -> User | None:
        """The token's user, or None. Every token is compared whole, so that time tells nothing."""
        if credentials.bearer_token is None:
            return None
        presented = credentials.bearer_token.encode()
        found: User | None = None
        for token, user in self._tokens:
            if hmac.compare_digest(token, presented):
                found = user
        return found
