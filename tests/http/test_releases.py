"""Each release answers as what it is: its kinds, its versions, its documents, with objects in them."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from kube_lite.cluster.config import RELEASES
from kube_lite.kinds import builtin

from .site import Site, site_in

FLOW_CONTROL = "flowcontrol.apiserver.k8s.io"
FORMS = {"v2beta1": range(27, 33), "v2": range(30, 100)}
WORKLOAD: dict[str, Any] = {
    "metadata": {"name": "web"},
    "spec": {
        "selector": {"matchLabels": {"app": "web"}},
        "template": {
            "metadata": {"labels": {"app": "web"}},
            "spec": {"containers": [{"name": "web", "image": "web"}]},
        },
    },
}


@pytest.fixture(params=RELEASES)
async def site(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Site]:
    async with site_in(tmp_path, version=request.param) as made:
        yield made


async def test_a_release_serves_its_documents_and_the_usual_objects(site: Site) -> None:
    http = await site.session()

    async def ask(method: str, path: str, code: int = 200, body: Any = None) -> Any:
        async with http.request(method, path, json=body) as response:
            assert response.status == code, (path, await response.text())
            return await response.json(content_type=None)

    release = site.server.git_version.removeprefix("v").rpartition(".")[0]
    version = await ask("GET", "/version")
    assert f"{version['major']}.{version['minor']}" == release
    assert ("emulationMajor" in version) == (release >= "1.33")
    groups = [group["name"] for group in (await ask("GET", "/apis"))["groups"]]
    assert "apps" in groups
    minor = int(version["minor"])
    assert await aggregated_forms(site) == {form for form, served in FORMS.items() if minor in served}
    assert await ask("GET", "/openapi/v2")
    paths = (await ask("GET", "/openapi/v3"))["paths"]
    served = await ask("GET", f"{paths['apis/apps/v1']['serverRelativeURL']}")
    assert "io.k8s.api.apps.v1.Deployment" in served["components"]["schemas"]
    await ask("POST", "/api/v1/namespaces", 201, {"metadata": {"name": "x"}})
    await ask("POST", "/api/v1/namespaces/x/serviceaccounts", 201, {"metadata": {"name": "default"}})
    await ask("POST", "/apis/apps/v1/namespaces/x/deployments", 201, WORKLOAD)
    pod = {**WORKLOAD, "spec": WORKLOAD["spec"]["template"]["spec"]}
    await ask("POST", "/api/v1/namespaces/x/pods", 201, pod)
    assert (await ask("GET", "/apis/apps/v1/namespaces/x/deployments/web"))["spec"]["replicas"] == 1
    assert (await ask("GET", "/api/v1/namespaces/x/pods/web"))["spec"]["schedulerName"] == "default-scheduler"


async def aggregated_forms(site: Site) -> set[str]:
    """In which versions discovery comes as a whole, in JSON as well as in protobuf."""
    http = await site.session()
    found = set()
    for form in ("v2", "v2beta1"):
        for media_type in ("application/json", "application/vnd.kubernetes.protobuf"):
            wanted = f"{media_type};g=apidiscovery.k8s.io;v={form};as=APIGroupDiscoveryList"
            async with http.get("/apis", headers={"Accept": f"{wanted},application/json"}) as response:
                body = await response.read()
                assert response.status == 200
                if response.headers["Content-Type"] == wanted:
                    assert b"APIGroupDiscoveryList" in body
                    assert f"apidiscovery.k8s.io/{form}".encode() in body
                    found.add(form)
                else:
                    assert form not in found, "in JSON, but not in protobuf"
    return found


@pytest.mark.parametrize(
    ("group", "version", "first", "last"),
    [
        pytest.param("autoscaling", "v2beta2", 25, 25),
        pytest.param("storage.k8s.io", "v1beta1", 25, 26),
        pytest.param(FLOW_CONTROL, "v1beta1", 25, 25),
        pytest.param(FLOW_CONTROL, "v1beta2", 25, 28),
        pytest.param(FLOW_CONTROL, "v1beta3", 26, 31),
        pytest.param(FLOW_CONTROL, "v1", 29, 37),
        pytest.param("resource.k8s.io", "v1", 34, 37),
        pytest.param("resource.k8s.io", "v1beta1", 0, 0, id="a beta that has to be enabled"),
    ],
)
def test_a_version_is_served_from_its_first_to_its_last_release(
    group: str, version: str, first: int, last: int
) -> None:
    serving = [
        release
        for release in RELEASES
        if any((row.group, row.version) == (group, version) for row in builtin(release))
    ]
    assert serving == [f"1.{minor}" for minor in range(first, last + 1) if minor]


def test_pods_can_be_resized_since_1_33() -> None:
    pods = {release: next(row for row in builtin(release) if row.kind == "Pod") for release in RELEASES}
    assert [release for release, row in pods.items() if row.subresource("resize")] == list(RELEASES[8:])


async def test_a_priority_level_has_the_fields_of_the_version_that_is_asked(tmp_path: Path) -> None:
    path = f"/apis/{FLOW_CONTROL}/%s/prioritylevelconfigurations"
    limited = {"assuredConcurrencyShares": 7, "limitResponse": {"type": "Reject"}}
    level = {"metadata": {"name": "a"}, "spec": {"type": "Limited", "limited": limited}}
    async with site_in(tmp_path, version="1.26") as site:
        http = await site.session()
        async with http.post(path % "v1beta2", json=level) as response:
            assert response.status == 201, await response.text()
            assert response.headers["Warning"] == (
                f'299 - "{FLOW_CONTROL}/v1beta2 PriorityLevelConfiguration is deprecated in v1.26+, '
                f'unavailable in v1.29+; use {FLOW_CONTROL}/v1beta3 PriorityLevelConfiguration"'
            )
        async with http.get(f"{path % 'v1beta3'}/a") as response:
            newer = await response.json()
        assert "Warning" not in response.headers
        assert (newer["apiVersion"], newer["spec"]["limited"]["nominalConcurrencyShares"]) == (
            f"{FLOW_CONTROL}/v1beta3",
            7,
        )
        newer["spec"]["limited"]["nominalConcurrencyShares"] = 9
        async with http.put(f"{path % 'v1beta3'}/a", json=newer) as response:
            assert response.status == 200
        async with http.get(path % "v1beta2") as response:
            [older] = (await response.json())["items"]
    assert older["spec"]["limited"]["assuredConcurrencyShares"] == 9
    assert "nominalConcurrencyShares" not in older["spec"]["limited"]
