from pathlib import Path
from random import Random

import pytest
from kube_lite_storage import Store

from kube_lite.admission.plugins import default_chain
from kube_lite.api.identity import GroupVersionResource, Json
from kube_lite.auth.rules import missing_rules
from kube_lite.auth.user import MASTERS, User
from kube_lite.cluster.bootstrap import found_release
from kube_lite.cluster.policy import CLUSTER_ROLE_BINDINGS, CLUSTER_ROLES, ROLES, plan_policy, plan_reconciled
from kube_lite.kinds import builtin
from kube_lite.kinds.schemas import definitions
from kube_lite.kit.clock import ManualClock
from kube_lite.verbs.local import LocalClient
from kube_lite.verbs.pipeline import Pipeline

NAMESPACES = GroupVersionResource("", "v1", "namespaces")


def planned(resource: GroupVersionResource, name: str, version: str = "1.36") -> Json:
    found = [
        obj for place, obj in plan_policy(version) if place == resource and obj["metadata"]["name"] == name
    ]
    assert len(found) == 1
    return found[0]


def test_a_release_has_the_roles_and_rules_it_had() -> None:
    names = {obj["metadata"]["name"] for place, obj in plan_policy("1.28") if place == CLUSTER_ROLES}
    assert "system:controller:job-controller" in names
    assert "system:controller:service-cidrs-controller" not in names
    old, new = (planned(CLUSTER_ROLES, "system:kubelet-api-admin", version) for version in ("1.32", "1.33"))
    assert "nodes/configz" not in old["rules"][-1]["resources"]
    assert "nodes/configz" in new["rules"][-1]["resources"]
    assert len(old["rules"]) == len(new["rules"])


def test_controllers_have_their_role_through_an_account() -> None:
    name = "system:controller:job-controller"
    binding = planned(CLUSTER_ROLE_BINDINGS, name)
    assert binding["roleRef"] == {
        "apiGroup": "rbac.authorization.k8s.io",
        "kind": "ClusterRole",
        "name": name,
    }
    assert binding["subjects"] == [
        {"kind": "ServiceAccount", "name": "job-controller", "namespace": "kube-system"}
    ]


def test_all_that_is_planned_follows_the_rules_of_its_kind() -> None:
    registry = builtin("1.36")
    for resource, obj in plan_policy("1.36"):
        row = registry.by_gvr(resource)
        assert row is not None
        assert not row.strategy.validate(obj), obj["metadata"]["name"]


@pytest.mark.parametrize(
    ("change", "restored"),
    [
        pytest.param({}, False, id="nothing is missing"),
        pytest.param({"rules": []}, True, id="rules are gone"),
        pytest.param({"metadata": {"name": "x"}}, True, id="labels are gone"),
        pytest.param(
            {"rules": [{"verbs": ["*"], "nonResourceURLs": ["*"]}]}, False, id="other rules cover them"
        ),
        pytest.param(
            {
                "rules": [],
                "metadata": {"annotations": {"rbac.authorization.kubernetes.io/autoupdate": "false"}},
            },
            False,
            id="it wants to be left alone",
        ),
    ],
)
def test_a_later_start_gives_back_what_was_lost(change: Json, restored: bool) -> None:
    wanted = planned(CLUSTER_ROLES, "system:public-info-viewer")
    reconciled = plan_reconciled(wanted, {**wanted, **change})
    assert (reconciled is not None) is restored
    if reconciled is not None:
        assert not missing_rules(reconciled["rules"], wanted["rules"])
        assert reconciled["metadata"]["labels"] == wanted["metadata"]["labels"]


async def test_a_second_start_writes_nothing_and_a_lost_role_comes_back(tmp_path: Path) -> None:
    async with Store.open(tmp_path / "store", durable=False) as store:
        pipeline = Pipeline(
            store=store,
            registry=builtin("1.36"),
            definitions=definitions("1.36"),
            clock=ManualClock(),
            admission=default_chain(),
            source=Random(1),
        )
        client = LocalClient(pipeline, User("test", groups=(MASTERS,)))
        await client.create(NAMESPACES, {"metadata": {"name": "kube-system"}})
        await found_release(pipeline, client, "1.36", 0.0)
        revision = store.revision
        await found_release(pipeline, client, "1.36", 0.0)
        assert store.revision == revision
        before = await client.get(CLUSTER_ROLES, "view")
        await client.delete(CLUSTER_ROLES, "view")
        name = "extension-apiserver-authentication-reader"
        role = await client.get(ROLES, name, namespace="kube-system")
        added = {"verbs": ["get"], "apiGroups": [""], "resources": ["pods"]}
        await client.update(ROLES, {**role, "rules": [added]}, namespace="kube-system")
        await found_release(pipeline, client, "1.36", 0.0)
        after = await client.get(CLUSTER_ROLES, "view")
        assert after["aggregationRule"] == before["aggregationRule"]
        rules = (await client.get(ROLES, name, namespace="kube-system"))["rules"]
        assert rules[0] == added
        assert not missing_rules(rules, role["rules"])
