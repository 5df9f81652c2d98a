"""Roles and their bindings."""

from kube_lite.api.identity import Json
from kube_lite.api.strategy import AGE, NAME, Column

from .base import Kind, Row, age_of


class RoleStrategy(Kind):
    """What may be done."""

    create_on_update = True


def _columns(kind: str, role: str) -> tuple[Column, ...]:
    return (
        NAME,
        Column("Role", description=role),
        AGE,
        Column("Users", description=f"Users in the {kind}", priority=1),
        Column("Groups", description=f"Groups in the {kind}", priority=1),
        Column("ServiceAccounts", description=f"ServiceAccounts in the {kind}", priority=1),
    )


UNRESOLVED = "If the RoleRef cannot be resolved, the Authorizer must return an error."


class RoleBindingStrategy(Kind):
    """Who may do it."""

    create_on_update = True
    table = _columns(
        "roleBinding",
        "RoleRef can reference a Role in the current namespace or a ClusterRole in the global namespace. "
        + UNRESOLVED,
    )

    def cells(self, obj: Json, now: float) -> list[object]:
        """Which role, and who has it."""
        role = obj["roleRef"]
        users, groups, accounts = [], [], []
        for subject in obj.get("subjects") or ():
            name = subject["name"]
            if subject["kind"] == "ServiceAccount":
                accounts.append(f"{subject['namespace']}/{name}" if subject.get("namespace") else name)
            elif subject["kind"] == "User":
                users.append(name)
            elif subject["kind"] == "Group":
                groups.append(name)
        told = (", ".join(names) for names in (users, groups, accounts))
        return [obj["metadata"]["name"], f"{role['kind']}/{role['name']}", age_of(obj, now), *told]


class ClusterRoleBindingStrategy(RoleBindingStrategy):
    """Who may do it everywhere."""

    table = _columns(
        "clusterRoleBinding",
        "RoleRef can only reference a ClusterRole in the global namespace. " + UNRESOLVED,
    )


RBAC = (
    Row("ClusterRoleBinding", "clusterrolebindings", ClusterRoleBindingStrategy, namespaced=False),
    Row("ClusterRole", "clusterroles", RoleStrategy, namespaced=False),
    Row("RoleBinding", "rolebindings", RoleBindingStrategy),
    Row("Role", "roles", RoleStrategy),
)
