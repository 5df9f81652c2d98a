"""Role-based access: what the roles grant that a user is bound to.

Everything is read from the store and kept until a role or binding is written: the subjects' shares, and for
each user who asks tables of what they may, one for the whole cluster and one for each namespace that a
binding names. A question is then a few look-ups, and one that was asked before is a single one.

    verb, group, resource  →  the grants, in the order of the bindings, each for all names or for a few

Source: ``plugin/pkg/auth/authorizer/rbac/rbac.go``, ``pkg/registry/rbac/validation/rule.go``.
"""

from collections import OrderedDict
from collections.abc import Iterable, Iterator, Sequence
from itertools import count, product
from typing import NamedTuple

from kube_lite.api.identity import GroupResource, Json
from kube_lite.registry.objects import Objects

from .authorize import NO_OPINION, Attributes, Decision, Grants
from .rules import ANY, covers_path, quoted
from .service_accounts import user_name
from .user import User

GROUP = "rbac.authorization.k8s.io"
ROLES = GroupResource(GROUP, "roles")
CLUSTER_ROLES = GroupResource(GROUP, "clusterroles")
ROLE_BINDINGS = GroupResource(GROUP, "rolebindings")
CLUSTER_ROLE_BINDINGS = GroupResource(GROUP, "clusterrolebindings")
USERS = 256  # whose tables are kept
ANSWERS = 512  # kept of each user, a tenth of a megabyte
KEPT_LENGTH = 256  # of the words of a question; longer ones are rare, and what is kept for them could add up


class Share(NamedTuple):
    """One subject's part in a binding. ``namespace`` is empty where it holds everywhere."""

    order: int
    namespace: str
    role: Json
    source: str


class Grant(NamedTuple):
    """Of a verb on a resource. ``names`` is None for all of them."""

    order: int
    names: frozenset[str] | None
    source: str


class PathGrant(NamedTuple):
    """Of verbs on paths."""

    verbs: Sequence[str]
    paths: Sequence[str]
    source: str


class RoleMissing(Exception):
    """A binding refers to a role that is not there; ``str()`` is upstream's text."""

    def __init__(self, kind: str, name: str) -> None:
        super().__init__(f"{kind.lower()}.{GROUP} {quoted(name)} not found")
        self.name = name


class Table:
    """What some shares grant, for looking up."""

    def __init__(self, shares: Iterable[Share], policy: "Policy") -> None:
        self.rules: list[Json] = []
        self.errors: list[str] = []
        self._resources: dict[tuple[str, str, str], list[Grant]] = {}
        self._paths: list[PathGrant] = []
        for share in shares:
            try:
                rules = policy.rules_of(share.role, share.namespace)
            except RoleMissing as missing:
                self.errors.append(str(missing))
                continue
            for rule in rules:
                self.rules.append(rule)
                self._add(rule, share)

    def _add(self, rule: Json, share: Share) -> None:
        verbs, names = rule.get("verbs") or (), rule.get("resourceNames")
        if rule.get("nonResourceURLs"):
            self._paths.append(PathGrant(verbs, rule["nonResourceURLs"], share.source))
        grant = Grant(share.order, frozenset(names) if names else None, share.source)
        for key in product(verbs, rule.get("apiGroups") or (), rule.get("resources") or ()):
            self._resources.setdefault(key, []).append(grant)

    def find(self, asked: Attributes) -> str | None:
        """Whose grant allows it, the first in the order of the bindings; None for nobody's."""
        resource, found = asked.resource, self._resources
        if asked.subresource:
            resources: tuple[str, ...] = (f"{resource}/{asked.subresource}", ANY, f"*/{asked.subresource}")
        else:
            resources = (resource, ANY)
        name, first = asked.name, None
        for key in product((asked.verb, ANY), (asked.group, ANY), resources):
            for grant in found.get(key, ()):
                if grant.names is None or name in grant.names:
                    if first is None or grant.order < first.order:
                        first = grant
                    break
        return first.source if first is not None else None

    def find_path(self, verb: str, path: str) -> str | None:
        """The same for a path that is no resource's."""
        for grant in self._paths:
            if (verb in grant.verbs or ANY in grant.verbs) and covers_path(grant.paths, path):
                return grant.source
        return None


class Rights:
    """What one user may."""

    def __init__(self, shares: Sequence[Share], policy: "Policy") -> None:
        self._policy = policy
        self._shares: dict[str, list[Share]] = {}
        for share in shares:
            self._shares.setdefault(share.namespace, []).append(share)
        self._tables: dict[str, Table] = {}
        self._named = frozenset(name for share in shares for name in policy.named_of(share))
        self._answers: dict[tuple[str, ...], Decision] = {}

    def decide(self, asked: Attributes) -> Decision:
        """Allowed, or no opinion. Of objects that no rule names, one answer is the answer for all."""
        _, verb, group, _, resource, subresource, namespace, name, path, _ = asked
        if name and resource not in self._named and ANY not in self._named:
            name = ""
        key = (verb, group, resource, subresource, namespace, name, path)
        answer = self._answers.get(key)
        if answer is None:
            answer = self._decide(asked)
            if sum(map(len, key)) <= KEPT_LENGTH:
                if len(self._answers) >= ANSWERS:
                    self._answers.clear()
                self._answers[key] = answer
        return answer

    def tables(self, namespace: str) -> Iterator[Table]:
        """Those that count in a namespace; for none, only what holds everywhere."""
        for place in ("", namespace) if namespace else ("",):
            if place in self._shares:
                table = self._tables.get(place)
                if table is None:
                    table = self._tables[place] = Table(self._shares[place], self._policy)
                yield table

    def _decide(self, asked: Attributes) -> Decision:
        errors: list[str] = []
        for table in self.tables(asked.namespace):
            source = table.find_path(asked.verb, asked.path) if asked.path else table.find(asked)
            if source is not None:
                return Decision(True, f"RBAC: allowed by {source}")
            errors += table.errors
        return Decision(None, f"RBAC: {_aggregate(errors)}") if errors else NO_OPINION


class Policy:
    """The roles and bindings as of one moment."""

    def __init__(self, objects: Objects) -> None:
        self._surveys = bindings_everywhere, bindings, cluster_roles, roles = tuple(
            objects.survey(resource)
            for resource in (CLUSTER_ROLE_BINDINGS, ROLE_BINDINGS, CLUSTER_ROLES, ROLES)
        )
        self._roles = {
            (role["metadata"].get("namespace", ""), role["metadata"]["name"]): role
            for role in (*cluster_roles.objects, *roles.objects)
        }
        self._shares: dict[str, list[Share]] = {}
        self._rights: OrderedDict[tuple[str, tuple[str, ...]], Rights] = OrderedDict()
        order = count()
        for binding in (*bindings_everywhere.objects, *bindings.objects):
            for subject in binding.get("subjects") or ():
                self._share(binding, subject, next(order))

    def _share(self, binding: Json, subject: Json, order: int) -> None:
        metadata, role = binding["metadata"], binding["roleRef"]
        kind, name, namespace = subject.get("kind"), subject.get("name", ""), metadata.get("namespace", "")
        shown, place = name, metadata["name"]
        if kind == "ServiceAccount":
            lies_in = subject.get("namespace") or namespace
            if not lies_in:
                return
            shown, holder = f"{name}/{lies_in}", user_name(lies_in, name)
        elif kind in ("User", "Group"):
            holder = name
        else:
            return
        if namespace:
            place = f"{place}/{namespace}"
        source = (
            f"{'RoleBinding' if namespace else 'ClusterRoleBinding'} {quoted(place)} of {role['kind']} "
            f"{quoted(role['name'])} to {kind} {quoted(shown)}"
        )
        holder = ("group " if kind == "Group" else "user ") + holder
        self._shares.setdefault(holder, []).append(Share(order, namespace, role, source))

    @property
    def is_current(self) -> bool:
        """Whether nothing of it has been written since."""
        one, two, three, four = self._surveys  # asked with every decision, so not in a loop
        return one.is_current and two.is_current and three.is_current and four.is_current

    def rules_of(self, role: Json, namespace: str) -> Sequence[Json]:
        """The rules of the role that a binding in ``namespace`` (or everywhere) refers to.

        Raises:
            RoleMissing: there is no such role.
        """
        found = self._roles.get((namespace if role["kind"] == "Role" else "", role["name"]))
        if found is None:
            raise RoleMissing(role["kind"], role["name"])
        return found.get("rules") or ()

    def named_of(self, share: Share) -> Iterator[str]:
        """The resources, without their subresources, of which a share grants some names only."""
        try:
            rules = self.rules_of(share.role, share.namespace)
        except RoleMissing:
            return
        for rule in rules:
            if rule.get("resourceNames"):
                yield from (resource.partition("/")[0] for resource in rule.get("resources") or ())

    def rights_of(self, user: User) -> Rights:
        """What a user may."""
        key = (user.name, user.groups)
        rights = self._rights.get(key)
        if rights is None:
            holders = (f"user {user.name}", *(f"group {group}" for group in dict.fromkeys(user.groups)))
            shares = sorted(share for holder in holders for share in self._shares.get(holder, ()))
            rights = self._rights[key] = Rights(shares, self)
            if len(self._rights) > USERS:
                self._rights.popitem(last=False)
        return rights


class RoleAuthorizer:
    """Allows what roles grant; of everything else it has no opinion."""

    def __init__(self, objects: Objects) -> None:
        self._objects = objects
        self._policy: Policy | None = None

    @property
    def policy(self) -> Policy:
        """The roles and bindings as they are now."""
        policy = self._policy
        if policy is None or not policy.is_current:
            policy = self._policy = Policy(self._objects)
        return policy

    def authorize(self, attributes: Attributes) -> Decision:
        """Look at every binding of the user and their groups, everywhere and in the namespace."""
        return self.policy.rights_of(attributes.user).decide(attributes)

    def grants(self, user: User, namespace: str) -> Grants:
        """The rules themselves."""
        tables = list(self.policy.rights_of(user).tables(namespace))
        rules = [rule for table in tables for rule in table.rules]
        return Grants(rules, error=_aggregate([error for table in tables for error in table.errors]))


def _aggregate(errors: Iterable[str]) -> str:
    """As Go prints several errors, each once."""
    told = list(dict.fromkeys(errors))
    return told[0] if len(told) == 1 else f"[{', '.join(told)}]" if told else ""
