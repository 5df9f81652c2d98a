"""Who may do what, over HTTP, by roles in the store."""

import asyncio
import json
from pathlib import Path

import pytest

from kube_lite.api.identity import GroupVersionResource, Json

from .site import Site, config_map, site_in

RBAC = "rbac.authorization.k8s.io"
ROLES = GroupVersionResource(RBAC, "v1", "roles")
BINDINGS = GroupVersionResource(RBAC, "v1", "rolebindings")
NAMESPACES = GroupVersionResource("", "v1", "namespaces")
CONFIG_MAPS = GroupVersionResource("", "v1", "configmaps")
HERE = "/api/v1/namespaces/default"
JANE = {"Impersonate-User": "jane"}


async def grant(site: Site, resources: list[str], verbs: list[str], names: list[str] | None = None) -> None:
    """Let jane do that in ``default``."""
    rule: Json = {"verbs": verbs, "apiGroups": [""], "resources": resources, "resourceNames": names or []}
    role = {"metadata": {"name": "r"}, "rules": [rule]}
    await site.client.create(ROLES, role, namespace="default")
    reference = {"apiGroup": RBAC, "kind": "Role", "name": "r"}
    subject = {"apiGroup": RBAC, "kind": "User", "name": "jane"}
    binding = {"metadata": {"name": "b"}, "roleRef": reference, "subjects": [subject]}
    await site.client.create(BINDINGS, binding, namespace="default")


async def ask(site: Site, path: str) -> tuple[int, str]:
    http = await site.session(headers=JANE)
    async with asyncio.timeout(10), http.get(path) as response:
        return response.status, json.loads(await response.text()).get("message", "")


async def test_a_name_that_a_list_selects_counts_as_its_name(site: Site) -> None:
    await grant(site, ["configmaps"], ["get", "list"], ["one"])
    await site.client.create(CONFIG_MAPS, config_map("one"), namespace="default")
    assert (await ask(site, f"{HERE}/configmaps/one"))[0] == 200
    assert (await ask(site, f"{HERE}/configmaps?fieldSelector=metadata.name%3Done"))[0] == 200
    assert await ask(site, f"{HERE}/configmaps?fieldSelector=metadata.name%3Dtwo") == (
        403,
        'configmaps "two" is forbidden: User "jane" cannot list resource "configmaps" in API group "" '
        'in the namespace "default"',
    )
    assert (await ask(site, f"{HERE}/configmaps?fieldSelector=metadata.name%21%3Done"))[0] == 403


@pytest.mark.parametrize(
    ("version", "verb"),
    [
        pytest.param("1.36", "create", id="as something made"),
        pytest.param("1.34", "", id="as something read"),
    ],
)
async def test_a_session_in_a_pod_is_granted(version: str, verb: str, tmp_path: Path) -> None:
    async with site_in(tmp_path, version=version) as site:
        await site.client.create(NAMESPACES, {"metadata": {"name": "default"}})
        await grant(site, ["pods/exec"], ["get"])
        code, message = await ask(site, f"{HERE}/pods/web/exec?command=sh&stdout=true")
        if verb:
            assert (code, verb in message) == (403, True)
        else:
            assert (code, message) == (404, 'pods "web" not found')


async def test_what_somebody_may_not_see_is_not_there_for_them_either(site: Site) -> None:
    assert (await ask(site, f"{HERE}/nonsense"))[0] == 403
    assert (await ask(site, "/apis/none.example.test/v1/things"))[0] == 403
    assert (await ask(site, "/apis/apps"))[0] == 200
