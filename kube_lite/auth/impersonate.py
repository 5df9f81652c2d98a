"""Acting as another: the ``Impersonate-*`` headers, and whether who sends them may.

Somebody who may act as a user must be allowed so for each thing that is claimed: the name, every group, the
uid, every extra value. A claim of a ServiceAccount's name brings its groups with it, as logging in would.
Source: ``apiserver/pkg/endpoints/filters/impersonation``.
"""

from collections.abc import Iterable, Iterator
from urllib.parse import unquote

from kube_lite.api.errors import BadRequest

from .authorize import Attributes, Authorizer, refusal
from .service_accounts import account_groups
from .user import ANONYMOUS, AUTHENTICATED, UNAUTHENTICATED, User

PREFIX = "impersonate-"
EXTRA = "impersonate-extra-"
ACCOUNT = "system:serviceaccount:"
IDENTITY_GROUP = "authentication.k8s.io"


def wish_of(headers: Iterable[tuple[str, str]]) -> User | None:
    """Whom the headers claim to be; None when they claim nothing.

    Raises:
        BadRequest: groups, a uid or extras without a name.
    """
    name, uid, groups, extra = "", "", [], dict[str, tuple[str, ...]]()
    for header, value in headers:
        word = header.lower()
        if word == "impersonate-user":
            name = value
        elif word == "impersonate-uid":
            uid = value
        elif word == "impersonate-group":
            groups.append(value)
        elif word.startswith(EXTRA):
            key = unquote(word.removeprefix(EXTRA))
            extra[key] = (*extra.get(key, ()), value)
    wish = User(name, uid, tuple(groups), extra)
    if name:
        return wish
    if uid or groups or extra:
        raise BadRequest(f"requested {_as_go(wish)} without impersonating a user name")
    return None


def act_as(wish: User, attributes: Attributes, authorizer: Authorizer) -> User:
    """The user that the request goes on as.

    Args:
        attributes: the request as the one who really asks.

    Raises:
        Forbidden: they may not be that user.
    """
    for claim in _claims(wish, attributes):
        if not authorizer.authorize(claim).allowed:
            mode = "serviceaccount" if wish.name.startswith(ACCOUNT) else "user-info"
            raise refusal(attributes._replace(verb=f"impersonate-on:{mode}:{attributes.verb}"))
    if wish.name == ANONYMOUS.name:
        return ANONYMOUS
    groups = wish.groups
    account = _account(wish.name)
    if account is not None and not groups:
        groups = account_groups(account[0])
    if not {AUTHENTICATED, UNAUTHENTICATED}.intersection(groups):
        groups = (*groups, AUTHENTICATED)
    return User(wish.name, wish.uid, groups, wish.extra)


def _claims(wish: User, attributes: Attributes) -> Iterator[Attributes]:
    asks = Attributes(attributes.user, "impersonate", version="v1")
    account = _account(wish.name)
    if account is not None:
        yield asks._replace(resource="serviceaccounts", namespace=account[0], name=account[1])
    else:
        yield asks._replace(resource="users", name=wish.name)
    for group in wish.groups:
        yield asks._replace(resource="groups", name=group)
    if wish.uid:
        yield asks._replace(group=IDENTITY_GROUP, resource="uids", name=wish.uid)
    for key, values in wish.extra.items():
        for value in values:
            yield asks._replace(group=IDENTITY_GROUP, resource="userextras", subresource=key, name=value)


def _account(name: str) -> tuple[str, str] | None:
    """The namespace and name of a ServiceAccount's user name."""
    namespace, colon, account = name.removeprefix(ACCOUNT).partition(":")
    return (namespace, account) if name.startswith(ACCOUNT) and colon and namespace and account else None


def _as_go(user: User) -> str:
    """A user as Go prints one in full."""
    groups = "[]string" + (_list(user.groups) if user.groups else "(nil)")
    pairs = ", ".join(f'"{key}":[]string{_list(values)}' for key, values in sorted(user.extra.items()))
    extra = "map[string][]string" + (f"{{{pairs}}}" if pairs else "(nil)")
    return f'&user.DefaultInfo{{Name:"{user.name}", UID:"{user.uid}", Groups:{groups}, Extra:{extra}}}'


def _list(values: Iterable[str]) -> str:
    return "{" + ", ".join(f'"{value}"' for value in values) + "}"
