"""Decisions by roles that lie in a real store."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from kube_lite.api.identity import GroupVersionResource, Json
from kube_lite.auth.authorize import Attributes, Decision
from kube_lite.auth.user import AUTHENTICATED, User
from tests.serving import Api, serving

RBAC = "rbac.authorization.k8s.io"
ROLES = GroupVersionResource(RBAC, "v1", "roles")
CLUSTER_ROLES = GroupVersionResource(RBAC, "v1", "clusterroles")
BINDINGS = GroupVersionResource(RBAC, "v1", "rolebindings")
CLUSTER_BINDINGS = GroupVersionResource(RBAC, "v1", "clusterrolebindings")
JANE = User("jane", groups=("team", AUTHENTICATED))
ROBOT = User("system:serviceaccount:default:robot", groups=("system:serviceaccounts",))
GET_PODS = Attributes(JANE, "get", "", "v1", "pods", "", "default", "a")
USER = {"kind": "User", "name": "jane", "apiGroup": RBAC}
TEAM = {"kind": "Group", "name": "team", "apiGroup": RBAC}
ACCOUNT = {"kind": "ServiceAccount", "name": "robot"}


@pytest.fixture
async def api(tmp_path: Path) -> AsyncIterator[Api]:
    async with serving(tmp_path) as api:
        yield api


async def grant(api: Api, *rules: Json, to: Json = USER, everywhere: bool = False, name: str = "r") -> None:
    """Make a role and bind it, in the namespace ``default`` or everywhere."""
    role = {"metadata": {"name": name}, "rules": list(rules)}
    kind = "ClusterRole" if everywhere else "Role"
    reference = {"apiGroup": RBAC, "kind": kind, "name": name}
    binding = {"metadata": {"name": name}, "roleRef": reference, "subjects": [to]}
    namespace = "" if everywhere else "default"
    await api.client.create(CLUSTER_ROLES if everywhere else ROLES, role, namespace=namespace)
    await api.client.create(CLUSTER_BINDINGS if everywhere else BINDINGS, binding, namespace=namespace)


def rule(verbs: str, resources: str, groups: str = "", names: str = "") -> Json:
    return {
        "verbs": verbs.split(),
        "apiGroups": [groups],
        "resources": resources.split(),
        "resourceNames": names.split(),
    }


def may(api: Api, attributes: Attributes) -> bool:
    return bool(api.pipeline.authorizer.authorize(attributes).allowed)


@pytest.mark.parametrize(
    ("granted", "asked", "allowed"),
    [
        pytest.param(rule("get", "pods"), GET_PODS, True, id="what is granted"),
        pytest.param(rule("get", "pods"), GET_PODS._replace(verb="list"), False, id="another verb"),
        pytest.param(rule("get", "pods"), GET_PODS._replace(group="apps"), False, id="another group"),
        pytest.param(rule("get", "pods"), GET_PODS._replace(namespace="b"), False, id="another namespace"),
        pytest.param(rule("get", "pods"), GET_PODS._replace(namespace=""), False, id="everywhere"),
        pytest.param(rule("get", "pods"), GET_PODS._replace(subresource="log"), False, id="a subresource"),
        pytest.param(
            rule("get", "pods/log"), GET_PODS._replace(subresource="log"), True, id="that subresource"
        ),
        pytest.param(rule("get", "*/log"), GET_PODS._replace(subresource="log"), True, id="it of everything"),
        pytest.param(rule("get", "pods/log"), GET_PODS, False, id="but not the object"),
        pytest.param(rule("get", "pods", names="a b"), GET_PODS, True, id="a name"),
        pytest.param(rule("get", "pods", names="b"), GET_PODS, False, id="another name"),
        pytest.param(rule("get", "pods", names="a"), GET_PODS._replace(name=""), False, id="all names"),
        pytest.param(rule("*", "*", "*"), GET_PODS._replace(subresource="exec"), True, id="everything"),
    ],
)
async def test_a_role_grants_what_it_says_where_it_is_bound(
    api: Api, granted: Json, asked: Attributes, allowed: bool
) -> None:
    await grant(api, granted)
    assert may(api, asked) is allowed


@pytest.mark.parametrize(
    ("subject", "user", "source"),
    [
        pytest.param(USER, JANE, 'User "jane"', id="a user"),
        pytest.param(TEAM, JANE, 'Group "team"', id="a group"),
        pytest.param(ACCOUNT, ROBOT, 'ServiceAccount "robot/default"', id="an account of the namespace"),
    ],
)
async def test_a_decision_says_whose_binding_allowed_it(
    api: Api, subject: Json, user: User, source: str
) -> None:
    await grant(api, rule("get", "pods"), to=subject)
    decision = api.pipeline.authorizer.authorize(GET_PODS._replace(user=user))
    assert decision == Decision(True, f'RBAC: allowed by RoleBinding "r/default" of Role "r" to {source}')


async def test_a_change_of_a_role_or_binding_counts_at_once(api: Api) -> None:
    assert not may(api, GET_PODS)
    await grant(api, rule("get", "pods"))
    assert may(api, GET_PODS)
    role = await api.client.get(ROLES, "r", namespace="default")
    await api.client.update(ROLES, {**role, "rules": []}, namespace="default")
    assert not may(api, GET_PODS)
    await api.client.update(ROLES, {**role, "metadata": {"name": "r"}}, namespace="default")
    assert may(api, GET_PODS)
    await api.client.delete(BINDINGS, "r", namespace="default")
    assert not may(api, GET_PODS)


async def test_a_cluster_binding_holds_everywhere_and_for_paths(api: Api) -> None:
    await grant(
        api, rule("get", "pods nodes"), {"verbs": ["get"], "nonResourceURLs": ["/logs/*"]}, everywhere=True
    )
    assert may(api, GET_PODS._replace(namespace="elsewhere"))
    assert may(api, Attributes(JANE, "get", resource="nodes", name="n"))
    assert may(api, Attributes(JANE, "get", path="/logs/x"))
    assert not may(api, Attributes(JANE, "post", path="/logs/x"))
    assert not may(api, Attributes(JANE, "get", path="/metrics"))


async def test_a_refusal_names_the_roles_that_are_missing(api: Api) -> None:
    for name, kind in (("a", "Role"), ("b", "ClusterRole")):
        reference = {"apiGroup": RBAC, "kind": kind, "name": f"none-{name}"}
        binding = {"metadata": {"name": name}, "roleRef": reference, "subjects": [USER]}
        await api.client.create(BINDINGS, binding, namespace="default")
    decision = api.pipeline.authorizer.authorize(GET_PODS)
    told = f'[role.{RBAC} "none-a" not found, clusterrole.{RBAC} "none-b" not found]'
    assert decision == Decision(None, f"RBAC: {told}")
    assert api.pipeline.authorizer.grants(JANE, "default").error == told
    assert api.pipeline.authorizer.authorize(GET_PODS._replace(namespace="elsewhere")) == Decision(None)


async def test_users_are_not_mistaken_for_groups_of_the_same_name(api: Api) -> None:
    await grant(api, rule("get", "pods"), to=TEAM)
    assert not may(api, GET_PODS._replace(user=User("team")))


async def test_names_are_told_apart_where_a_rule_names_some(api: Api) -> None:
    await grant(
        api, rule("get", "pods", names="a"), rule("get", "secrets"), rule("get", "pods/log", names="b")
    )
    asked = {
        (name, sub): may(api, GET_PODS._replace(name=name, subresource=sub))
        for name in "ab"
        for sub in ("", "log")
    }
    assert asked == {("a", ""): True, ("a", "log"): False, ("b", ""): False, ("b", "log"): True}
    assert all(may(api, GET_PODS._replace(resource="secrets", name=name)) for name in ("a", "b", ""))
