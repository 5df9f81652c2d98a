"""Who is asking."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple

AUTHENTICATED = "system:authenticated"
UNAUTHENTICATED = "system:unauthenticated"
MASTERS = "system:masters"


class User(NamedTuple):
    """A person or program, as an authenticator knows it."""

    name: str
    uid: str = ""
    groups: tuple[str, ...] = ()
    extra: Mapping[str, tuple[str, ...]] = MappingProxyType({})


ANONYMOUS = User("system:anonymous", groups=(UNAUTHENTICATED,))
