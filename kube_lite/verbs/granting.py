"""Nobody grants what they do not have: roles and bindings are written by those who have their rules.

Who may ``escalate`` a role, or ``bind`` one, is let through; so are changes that grant nothing new to anybody
because they only concern deletion.
Source: ``pkg/registry/rbac`` (``policybased/storage.go`` of each kind, ``escalation_check.go``).
"""

from collections.abc import Sequence

from kube_lite.admission.chain import Attempt
from kube_lite.api.errors import forbidden, not_found
from kube_lite.api.identity import GroupResource, Json
from kube_lite.auth import rbac
from kube_lite.auth.authorize import Attributes, Authorizer
from kube_lite.auth.rules import EVERYTHING, describe_rules, missing_rules, quoted, quoted_list
from kube_lite.auth.user import MASTERS

ROLES = (rbac.ROLES, rbac.CLUSTER_ROLES)
BINDINGS = (rbac.ROLE_BINDINGS, rbac.CLUSTER_ROLE_BINDINGS)
DELETION = ("ownerReferences", "finalizers")
STAMPS = ("managedFields", "resourceVersion")


def check_grants(authorizer: Authorizer, attempt: Attempt, name: str) -> None:
    """Refuse a role or binding that grants more than its writer has.

    Args:
        attempt: as admission left it.
        name: of the request; a creation has none.

    Raises:
        Forbidden: with the rules that are missing.
        NotFound: a binding refers to a role that is not there.
    """
    resource = attempt.resource.group_resource
    if resource.group != rbac.GROUP or MASTERS in attempt.user.groups:
        return
    if attempt.old is not None and _only_concerns_deletion(attempt.obj, attempt.old):
        return
    if resource in ROLES:
        _check_role(authorizer, attempt, resource, name)
    elif resource in BINDINGS:
        _check_binding(authorizer, attempt, resource)


def _check_role(authorizer: Authorizer, attempt: Attempt, resource: GroupResource, name: str) -> None:
    wish = Attributes(
        attempt.user, "escalate", resource.group, "*", resource.resource, "", attempt.namespace, name
    )
    if authorizer.authorize(wish).allowed:
        return
    _confirm(authorizer, attempt, attempt.obj.get("rules") or ())
    takes = any(role is not None and role.get("aggregationRule") for role in (attempt.obj, attempt.old))
    if takes and _missing(authorizer, attempt, EVERYTHING)[0]:
        why = "must have cluster-admin privileges to use the aggregationRule"
        raise forbidden(resource, attempt.obj["metadata"].get("name", ""), why)


def _check_binding(authorizer: Authorizer, attempt: Attempt, resource: GroupResource) -> None:
    reference = attempt.obj.get("roleRef") or {}
    kind, role, namespace = reference.get("kind"), reference.get("name", ""), attempt.namespace
    plural = {"ClusterRole": "clusterroles", "Role": "roles"}.get(kind or "", "")
    wish = Attributes(attempt.user, "bind", reference.get("apiGroup", ""), "*", plural, "", namespace, role)
    if plural and authorizer.authorize(wish).allowed:
        return
    try:
        rules = rbac.Policy(attempt.objects).rules_of({"kind": kind, "name": role}, namespace)
    except rbac.RoleMissing as missing:
        raise not_found(resource, missing.name) from missing
    _confirm(authorizer, attempt, rules)


def _confirm(authorizer: Authorizer, attempt: Attempt, rules: Sequence[Json]) -> None:
    missing, error = _missing(authorizer, attempt, rules)
    if missing:
        user = attempt.user
        why = f"user {quoted(user.name)} (groups={quoted_list(user.groups)}) is attempting to grant RBAC "
        why += "permissions not currently held:\n" + "\n".join(describe_rules(missing))
        if error:
            why += f"; resolution errors: [{error}]"
        raise forbidden(attempt.resource.group_resource, attempt.obj["metadata"].get("name", ""), why)


def _missing(authorizer: Authorizer, attempt: Attempt, rules: Sequence[Json]) -> tuple[list[Json], str]:
    owned = authorizer.grants(attempt.user, attempt.namespace)
    return missing_rules(owned.rules, rules), owned.error


def _only_concerns_deletion(new: Json, old: Json) -> bool:
    """Whether nothing differs but owners and finalizers, which the garbage collector has to change."""
    return new != old and _without(new, (*DELETION, *STAMPS)) == _without(old, (*DELETION, *STAMPS))


def _without(obj: Json, fields: Sequence[str]) -> Json:
    metadata = {name: value for name, value in obj["metadata"].items() if name not in fields and value}
    return {**obj, "metadata": metadata}
