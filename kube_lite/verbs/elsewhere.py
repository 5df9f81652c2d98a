"""Groups and versions that another server serves, as components of this process ask for them."""

from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager
from typing import NamedTuple, Protocol

from kube_lite.api.identity import GroupVersion, GroupVersionResource, Json
from kube_lite.auth.user import User


class Wish(NamedTuple):
    """What somebody wants of another server; as ``Request``, where there is no row."""

    verb: str
    resource: GroupVersionResource
    user: User
    namespace: str = ""
    name: str = ""
    subresource: str = ""
    query: Mapping[str, str] = {}
    body: object = None
    content_type: str = "application/json"


class Elsewhere(Protocol):
    """Whoever passes requests on."""

    def serves(self, group_version: GroupVersion) -> bool:
        """Whether another server serves these, in our place or alone."""
        ...

    async def ask(self, wish: Wish) -> Json:
        """The answer. Raises the ``ApiError`` that it tells of, and ``Forbidden``."""
        ...

    def watch(self, wish: Wish) -> AbstractAsyncContextManager[AsyncIterator[Json]]:
        """The events of a watch, with ``type`` and ``object``. Raises ``ApiError``."""
        ...
