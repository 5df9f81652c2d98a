"""Acting as another: the ``Impersonate-*`` headers, and whether who sends them may.

There are several ways in which somebody may act as a user, and the first that is granted is taken. The older
one asks for the verb ``impersonate`` on each thing that is claimed: the name, every group, the uid, every
extra value. The others bind it to what is done as that user, and exclude one another by whom is claimed:

    impersonate-on:user-info:list on pods        and  impersonate:user-info on users/jane, groups/team, …
    impersonate-on:serviceaccount:… on the same  and  impersonate:serviceaccount on serviceaccounts/robot
    impersonate-on:arbitrary-node:… on the same  and  impersonate:arbitrary-node on nodes/a
    impersonate-on:associated-node:…, for an account whose token is bound to that very node

A claim of a ServiceAccount's name brings its groups with it, as logging in would.
Source: ``apiserver/pkg/endpoints/filters/impersonation``.
"""

from collections.abc import Iterable, Iterator
from typing import NamedTuple
from urllib.parse import unquote

from kube_lite.api.errors import BadRequest, Forbidden
from kube_lite.api.names import check_subdomain

from .authorize import Attributes, Authorizer, refusal
from .service_accounts import account_groups
from .user import ANONYMOUS, AUTHENTICATED, MASTERS, UNAUTHENTICATED, User

PREFIX = "impersonate-"
EXTRA = "impersonate-extra-"
ACCOUNT = "system:serviceaccount:"
NODE = "system:node:"
NODES_GROUP = "system:nodes"
NODE_NAME = "authentication.kubernetes.io/node-name"
IDENTITY_GROUP = "authentication.k8s.io"
MANY = 4  # claims of one sort, from which on a grant of all of them is looked for first


class Mode(NamedTuple):
    """A way to act as another. ``name`` is empty for the older one, which does not look at the request."""

    name: str = ""

    @property
    def verb(self) -> str:
        """What is asked about each claim."""
        return f"impersonate:{self.name}" if self.name else "impersonate"

    @property
    def group(self) -> str:
        """The API group of names and groups."""
        return IDENTITY_GROUP if self.name else ""


OLDER = Mode()


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


def act_as(
    wish: User, attributes: Attributes, authorizer: Authorizer, *, is_constrained: bool = True
) -> User:
    """The user that the request goes on as.

    Args:
        attributes: the request as the one who really asks.
        is_constrained: there are other ways than the older one; releases before 1.36 have only that.

    Raises:
        Forbidden: they may not be that user; it says what the first way would have needed.
    """
    first: Forbidden | None = None
    for mode in (*(_modes(wish, attributes.user) if is_constrained else ()), OLDER):
        try:
            _check(mode, wish, attributes, authorizer)
        except Forbidden as error:
            first = first or error
        else:
            return _become(wish, mode)
    assert first is not None  # the last way was refused as well
    raise first


def _modes(wish: User, asks: User) -> Iterator[Mode]:
    """The ways that there are for whom is claimed, the narrowest first."""
    is_bare = not (wish.uid or wish.groups or wish.extra)
    node = _node(wish.name)
    if node:
        if is_bare and _account(asks.name) is not None and asks.extra.get(NODE_NAME) == (node,):
            yield Mode("associated-node")
        if is_bare:
            yield Mode("arbitrary-node")
    elif _account(wish.name) is not None:
        if is_bare:
            yield Mode("serviceaccount")
    else:
        yield Mode("user-info")


def _check(mode: Mode, wish: User, attributes: Attributes, authorizer: Authorizer) -> None:
    """Raise ``Forbidden`` for the first thing that is not granted."""

    def demand(asked: Attributes) -> None:
        decision = authorizer.authorize(asked)
        if not decision.allowed:
            raise refusal(asked, decision.reason)

    if mode.name:
        demand(attributes._replace(verb=f"impersonate-on:{mode.name}:{attributes.verb}"))
    asks = Attributes(attributes.user, mode.verb, version="v1")
    demand(_claim_of_name(mode, wish, asks))
    if wish.uid:
        demand(asks._replace(group=IDENTITY_GROUP, resource="uids", name=wish.uid))
    groups = asks._replace(group=mode.group, resource="groups")
    extra = asks._replace(group=IDENTITY_GROUP, resource="userextras")
    extras = [extra._replace(subresource=key, name=value) for key in wish.extra for value in wish.extra[key]]
    if mode.name:
        _refuse_odd(wish, groups, extra)
    for claims, all_of_them in (
        ([groups._replace(name=group) for group in wish.groups], groups._replace(name="*")),
        (extras, extra._replace(subresource="*", name="*")),
    ):
        if mode.name and len(claims) >= MANY and authorizer.authorize(all_of_them).allowed:
            continue
        for claim in claims:
            demand(claim)


def _claim_of_name(mode: Mode, wish: User, asks: Attributes) -> Attributes:
    account, node = _account(wish.name), _node(wish.name)
    if account is not None:
        return asks._replace(
            group=mode.group, resource="serviceaccounts", namespace=account[0], name=account[1]
        )
    if node and mode.name:
        # An account acts as whichever node its Pod is on, so it is granted for all of them or not at all.
        name = "*" if mode.name == "associated-node" else node
        return asks._replace(group=mode.group, resource="nodes", name=name)
    return asks._replace(group=mode.group, resource="users", name=wish.name)


def _refuse_odd(wish: User, groups: Attributes, extra: Attributes) -> None:
    """What only the older way allows to be claimed. Raises ``Forbidden``."""
    if "" in wish.groups:
        raise refusal(groups, "impersonating the empty string group is not allowed")
    if MASTERS in wish.groups:
        why = "impersonating the system:masters group is not allowed"
        raise refusal(groups._replace(name=MASTERS), why)
    for key, values in wish.extra.items():
        if not key:
            raise refusal(extra, "impersonating the empty string key in extra is not allowed")
        if "" in values:
            raise refusal(extra, "impersonating the empty string value in extra is not allowed")


def _become(wish: User, mode: Mode) -> User:
    groups, account = wish.groups, _account(wish.name)
    if wish.name == ANONYMOUS.name and UNAUTHENTICATED not in groups:
        groups = (*groups, UNAUTHENTICATED)
    if account is not None and not groups:
        groups = account_groups(account[0])
    elif mode.name.endswith("-node"):
        groups = (NODES_GROUP,)
    if not {AUTHENTICATED, UNAUTHENTICATED}.intersection(groups):
        groups = (*groups, AUTHENTICATED)
    return User(wish.name, wish.uid, groups, wish.extra)


def _node(name: str) -> str:
    """The name of a node's user name; empty for others."""
    node = name.removeprefix(NODE)
    return node if name.startswith(NODE) and not check_subdomain(node) else ""


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
