from pathlib import Path
from typing import Any

from kube_lite.api.identity import Json
from kube_lite.controllers.role_aggregation import CLUSTER_ROLES, NAME, plan_rules

from .harness import world


def role(name: str, *resources: str, feeds: str = "", takes: str = "") -> Json:
    made: dict[str, Any] = {"metadata": {"name": name}, "rules": []}
    made["rules"] = [{"verbs": ["get"], "apiGroups": [""], "resources": [each]} for each in resources]
    if feeds:
        made["metadata"]["labels"] = {f"to-{feeds}": "true"}
    if takes:
        made["aggregationRule"] = {"clusterRoleSelectors": [{"matchLabels": {f"to-{takes}": "true"}}]}
    return made


def test_rules_come_in_the_order_of_names_and_each_once() -> None:
    roles = [role("c", "pods", "nodes", feeds="all"), role("b", "pods", feeds="all"), role("a", "secrets")]
    all_of_them = role("all", "old", feeds="all", takes="all")
    rules = plan_rules(all_of_them, [*roles, all_of_them])
    assert [rule["resources"] for rule in rules] == [["pods"], ["nodes"]]


async def test_a_role_follows_those_it_takes_in_through_others(tmp_path: Path) -> None:
    async with world(tmp_path, only=[NAME]) as it:

        async def resources(name: str) -> list[str]:
            rules = (await it.get(CLUSTER_ROLES, name, ""))["rules"] or []
            return [each for rule in rules for each in rule["resources"]]

        await it.create(CLUSTER_ROLES, role("edit", takes="edit"), "")
        await it.create(CLUSTER_ROLES, role("view", takes="view", feeds="edit"), "")
        await it.create(CLUSTER_ROLES, role("part", "pods", feeds="view"), "")

        async def has_pods() -> bool:
            return await resources("edit") == ["pods"]

        await it.until(has_pods)
        await it.client.delete(CLUSTER_ROLES, "part")

        async def has_nothing() -> bool:
            return await resources("edit") == []

        await it.until(has_nothing)
