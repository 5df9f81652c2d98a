"""What the server says it can do."""

import pytest

from conformance.http import Api, Json

AGGREGATED = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"

UPDATES = ("patch", "update")


def test_the_core_group_is_one_version(api: Api) -> None:
    found = api.get("/api").body
    assert (found["kind"], found["versions"]) == ("APIVersions", ["v1"])


def test_every_group_says_its_versions_and_every_version_its_resources(api: Api) -> None:
    groups = api.get("/apis").body["groups"]
    assert {"apps", "batch", "rbac.authorization.k8s.io", "coordination.k8s.io"} <= {
        group["name"] for group in groups
    }
    for group in groups:
        alone = api.get(f"/apis/{group['name']}").body
        assert alone["versions"] == group["versions"]
        assert alone["preferredVersion"] in alone["versions"]
        for version in group["versions"]:
            listed = api.get(f"/apis/{version['groupVersion']}").body
            assert (listed["kind"], listed["groupVersion"]) == ("APIResourceList", version["groupVersion"])


def test_a_resource_says_its_names_scope_and_verbs(api: Api) -> None:
    resources = {each["name"]: each for each in api.get("/api/v1").body["resources"]}
    pods = resources["pods"]
    assert (pods["kind"], pods["singularName"], pods["namespaced"]) == ("Pod", "pod", True)
    assert pods["shortNames"] == ["po"]
    assert set(pods["verbs"]) == {
        *("create", "delete", "deletecollection"),
        *("get", "list", "watch"),
        *UPDATES,
    }
    assert {"pods/status", "pods/log", "pods/exec", "pods/eviction"} <= set(resources)
    assert resources["namespaces"]["namespaced"] is False


def test_what_is_listed_is_there(api: Api) -> None:
    for path in _versions(api):
        for resource in api.get(path).body["resources"]:
            if "list" in resource["verbs"]:
                listed = api.get(f"{path}/{resource['name']}", query={"limit": 1})
                assert listed.status == 200, (path, resource["name"], listed)
                assert listed.body["kind"] == f"{resource['kind']}List"


def _versions(api: Api) -> list[str]:
    groups = api.get("/apis").body["groups"]
    return ["/api/v1"] + [f"/apis/{each['groupVersion']}" for group in groups for each in group["versions"]]


def test_the_aggregated_document_says_the_same(api: Api) -> None:
    whole = api.get("/apis", headers={"Accept": AGGREGATED})
    assert whole.status == 200
    assert "as=APIGroupDiscoveryList" in whole.media_type
    told = {
        (group["metadata"]["name"], version["version"], resource["resource"])
        for group in whole.body["items"]
        for version in group["versions"]
        for resource in version["resources"]
    }
    assert told == set(_one_by_one(api))


def _one_by_one(api: Api) -> list[tuple[str, str, str]]:
    return [
        (path.split("/")[2], path.split("/")[3], each["name"])
        for path in _versions(api)
        if path.startswith("/apis/")
        for each in api.get(path).body["resources"]
        if "/" not in each["name"]
    ]


def test_discovery_is_not_sent_again_to_those_who_have_it(api: Api) -> None:
    first = api.get("/apis", headers={"Accept": AGGREGATED})
    tag = first.headers["ETag"]
    again = api.get("/apis", headers={"Accept": AGGREGATED, "If-None-Match": tag})
    assert (again.status, again.content) == (304, b"")


def test_openapi_has_a_document_for_each_version(api: Api) -> None:
    index = api.get("/openapi/v3").body["paths"]
    assert {"api/v1", "apis/apps/v1"} <= set(index)
    url = index["apis/apps/v1"]["serverRelativeURL"]
    path, _, query = url.partition("?")
    document = api.get(path, query=[tuple(query.split("=", 1))])
    assert document.status == 200
    described = document.body
    assert described["openapi"].startswith("3.")
    assert "/apis/apps/v1/namespaces/{namespace}/deployments" in described["paths"]
    schema = described["components"]["schemas"]["io.k8s.api.apps.v1.Deployment"]
    assert schema["x-kubernetes-group-version-kind"] == [
        {"group": "apps", "version": "v1", "kind": "Deployment"}
    ]
    tag = document.headers["ETag"]
    assert api.get(path, headers={"If-None-Match": tag}).status == 304


def test_references_of_the_schemas_lead_somewhere(api: Api) -> None:
    document = api.get("/openapi/v3/api/v1").body
    schemas = document["components"]["schemas"]
    wanted = {reference.rpartition("/")[2] for reference in _references(document)}
    assert wanted <= set(schemas)


def _references(node: Json) -> set[str]:
    if isinstance(node, list):
        return {found for each in node for found in _references(each)}
    if not isinstance(node, dict):
        return set()
    own = node.get("$ref")
    below = {found for each in node.values() for found in _references(each)}
    return below | {own} if isinstance(own, str) and own.startswith("#/components/schemas/") else below


def test_the_old_document_describes_everything(api: Api) -> None:
    document = api.get("/openapi/v2").body
    assert document["swagger"] == "2.0"
    assert "io.k8s.api.core.v1.Pod" in document["definitions"]


@pytest.mark.parametrize("path", ["/healthz", "/livez", "/readyz", "/livez/ping"])
def test_it_says_that_it_is_well(api: Api, path: str) -> None:
    assert (api.get(path).status, api.get(path).text) == (200, "ok")


def test_it_says_how_it_knows(api: Api) -> None:
    lines = api.get("/readyz", query={"verbose": ""}).text.splitlines()
    assert lines[0] == "[+]ping ok"
    assert lines[-1] == "readyz check passed"


def test_it_says_which_release_it_is(api: Api) -> None:
    version = api.get("/version").body
    assert (version["major"], version["gitVersion"].split(".")[0]) == ("1", "v1")
    assert version["gitVersion"].startswith(f"v1.{version['minor'].rstrip('+')}.")


def test_it_counts_its_requests(api: Api, namespace: str) -> None:
    api.get(f"/api/v1/namespaces/{namespace}")
    lines = api.get("/metrics", headers={"Accept": "text/plain"}).text.splitlines()
    counted = [line for line in lines if line.startswith("apiserver_request_total{")]
    assert any('resource="namespaces"' in line and 'verb="GET"' in line for line in counted)
