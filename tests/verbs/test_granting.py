"""Nobody grants what they do not have."""

import pytest

from kube_lite.api.errors import Forbidden, NotFound
from kube_lite.api.identity import GroupVersionResource, Json
from kube_lite.auth.user import AUTHENTICATED, User
from kube_lite.client.protocol import PatchType
from kube_lite.verbs.local import LocalClient
from tests.serving import Api

RBAC = "rbac.authorization.k8s.io"
ROLES = GroupVersionResource(RBAC, "v1", "roles")
CLUSTER_ROLES = GroupVersionResource(RBAC, "v1", "clusterroles")
BINDINGS = GroupVersionResource(RBAC, "v1", "rolebindings")
JANE = {"kind": "User", "name": "jane", "apiGroup": RBAC}
WRITE = {
    "verbs": ["create", "update", "patch", "get"],
    "apiGroups": [RBAC],
    "resources": ["roles", "rolebindings"],
}
PODS = {"verbs": ["get"], "apiGroups": [""], "resources": ["pods"]}
SECRETS = {"verbs": ["get"], "apiGroups": [""], "resources": ["secrets"]}
HELD = 'user "jane" \\(groups=\\["system:authenticated"\\]\\) is attempting to grant RBAC permissions'


async def jane_with(api: Api, *rules: Json) -> LocalClient:
    """Somebody who has these rules in ``default`` and may write roles there."""
    await make_role(api.client, "hers", WRITE, *rules)
    await bind(api.client, "hers", "Role", "hers")
    return api.client_of(User("jane", groups=(AUTHENTICATED,)))


async def make_role(client: LocalClient, name: str, *rules: Json) -> Json:
    return await client.create(ROLES, {"metadata": {"name": name}, "rules": list(rules)}, namespace="default")


async def bind(client: LocalClient, name: str, kind: str, role: str) -> Json:
    reference = {"apiGroup": RBAC, "kind": kind, "name": role}
    binding = {"metadata": {"name": name}, "roleRef": reference, "subjects": [JANE]}
    return await client.create(BINDINGS, binding, namespace="default")


async def test_a_role_has_no_more_than_its_writer(api: Api) -> None:
    jane = await jane_with(api, PODS)
    await make_role(jane, "fine", PODS)
    with pytest.raises(Forbidden, match=f'roles.{RBAC} "more" is forbidden: {HELD}') as refused:
        await make_role(jane, "more", PODS, SECRETS)
    assert refused.value.message.endswith('\n{APIGroups:[""], Resources:["secrets"], Verbs:["get"]}')


async def test_a_role_that_has_more_cannot_be_touched_but_to_let_it_be_collected(api: Api) -> None:
    jane = await jane_with(api, PODS)
    await make_role(api.client, "more", SECRETS)

    async def patch(metadata: Json) -> None:
        change = {"metadata": metadata}
        await jane.patch(ROLES, "more", change, namespace="default", patch_type=PatchType.MERGE)

    with pytest.raises(Forbidden, match=HELD):
        await patch({"labels": {"a": "b"}})
    await patch({"finalizers": ["example.test/keep"]})


async def test_a_binding_gives_no_more_than_its_writer_has(api: Api) -> None:
    jane = await jane_with(api, PODS)
    await make_role(api.client, "less", PODS)
    await make_role(api.client, "more", SECRETS)
    await bind(jane, "fine", "Role", "less")
    with pytest.raises(Forbidden, match=f'rolebindings.{RBAC} "wrong" is forbidden: {HELD}'):
        await bind(jane, "wrong", "Role", "more")
    with pytest.raises(NotFound, match=f'rolebindings.{RBAC} "none" not found'):
        await bind(jane, "nothing", "ClusterRole", "none")


async def test_who_may_bind_or_escalate_grants_what_they_like(api: Api) -> None:
    may_bind = {"verbs": ["bind"], "apiGroups": [RBAC], "resources": ["roles"], "resourceNames": ["more"]}
    may_escalate = {"verbs": ["escalate"], "apiGroups": [RBAC], "resources": ["roles"]}
    jane = await jane_with(api, may_bind, may_escalate)
    await make_role(jane, "more", SECRETS)
    await make_role(jane, "other", SECRETS)
    await bind(jane, "allowed", "Role", "more")
    await bind(api.client, "given", "Role", "other")  # so that she has it now
    await bind(jane, "hers-now", "Role", "other")


async def test_only_who_has_everything_lets_a_role_take_in_others(api: Api) -> None:
    rules = [{"verbs": ["create"], "apiGroups": [RBAC], "resources": ["clusterroles"]}]
    await api.client.create(CLUSTER_ROLES, {"metadata": {"name": "makers"}, "rules": rules})
    reference = {"apiGroup": RBAC, "kind": "ClusterRole", "name": "makers"}
    binding = {"metadata": {"name": "makers"}, "roleRef": reference, "subjects": [JANE]}
    await api.client.create(GroupVersionResource(RBAC, "v1", "clusterrolebindings"), binding)
    takes = {"aggregationRule": {"clusterRoleSelectors": [{"matchLabels": {"a": "b"}}]}}
    jane = api.client_of(User("jane"))
    with pytest.raises(Forbidden, match="must have cluster-admin privileges to use the aggregationRule"):
        await jane.create(CLUSTER_ROLES, {"metadata": {"name": "all"}, "rules": [], **takes})
