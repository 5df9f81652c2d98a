"""Roles that take in the rules of others: ``aggregationRule`` says of which labels.

Source: ``pkg/controller/clusterroleaggregation``.
"""

from collections.abc import Iterable, Sequence

from kube_lite.api.identity import GroupVersionResource, Json, ObjectKey, key_of
from kube_lite.api.meta import labels_of
from kube_lite.api.selectors import label_selector
from kube_lite.client.controller import Controller, RequeueAfter
from kube_lite.client.informers import Informers
from kube_lite.client.protocol import Client, EventType, PatchType
from kube_lite.kit.clock import Clock

CLUSTER_ROLES = GroupVersionResource("rbac.authorization.k8s.io", "v1", "clusterroles")
NAME = "clusterrole-aggregation-controller"
TAKES = "takes in others"


def plan_rules(role: Json, roles: Iterable[Json]) -> list[Json]:
    """The rules of every other role that is selected, each once, in the order of the roles' names."""
    rules: list[Json] = []
    ordered = sorted(roles, key=lambda other: str(other["metadata"]["name"]))
    for form in role["aggregationRule"].get("clusterRoleSelectors") or ():
        selector = label_selector(form)
        for other in ordered:
            if other["metadata"]["name"] == role["metadata"]["name"] or not selector.matches(
                labels_of(other)
            ):
                continue
            rules += [rule for rule in other.get("rules") or () if rule not in rules]
    return rules


class RoleAggregation(Controller):
    """Keeps the rules of roles that take in others."""

    def __init__(self, client: Client, informers: Informers, clock: Clock) -> None:
        super().__init__(NAME, clock, workers=1)
        self._client = client
        self._roles = informers.informer(CLUSTER_ROLES)
        self._roles.add_index(TAKES, lambda role: [TAKES] if role.get("aggregationRule") else [])
        self.watch(self._roles, self._concerned)

    async def reconcile(self, key: ObjectKey) -> RequeueAfter | None:
        """Write the rules where they are others than those it has."""
        role = self._roles.get(key)
        if role is None or not role.get("aggregationRule"):
            return None
        rules = plan_rules(role, self._roles.list())
        if rules != (role.get("rules") or []):
            patch = {
                "kind": "ClusterRole",
                "apiVersion": CLUSTER_ROLES.api_version,
                "metadata": {"name": key.name},
                "rules": rules,
            }
            await self._client.patch(
                CLUSTER_ROLES, key.name, patch, patch_type=PatchType.APPLY, field_manager=NAME, force=True
            )
        return None

    def _concerned(self, event: EventType, old: Json | None, new: Json | None) -> Sequence[ObjectKey]:
        """A role may feed any that takes in others; there are few of those."""
        return [key_of(role) for role in self._roles.by_index(TAKES, TAKES)]
