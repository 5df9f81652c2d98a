"""What the API says about itself."""

from typing import Any

import jwt
import pytest
import yaml
from jwt import PyJWKSet

from kube_lite.api.identity import GroupVersionResource
from kube_lite.api.resource import Resource

from .site import Site

ACCOUNTS = GroupVersionResource("", "v1", "serviceaccounts")
AGGREGATED = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"


async def get(site: Site, path: str, **headers: str) -> tuple[Any, str]:
    http = await site.session()
    async with http.get(path, headers=headers) as response:
        assert response.status == 200, path
        return await response.json(content_type=None), response.headers["Content-Type"]


async def test_kubectl_finds_every_group_in_the_aggregated_form(site: Site) -> None:
    older = AGGREGATED.replace("v=v2", "v=v2beta1")
    accept = f"{AGGREGATED},{older},application/json"
    document, content_type = await get(site, "/apis", Accept=accept)
    assert content_type == AGGREGATED
    assert "apps" in [item["metadata"]["name"] for item in document["items"]]


async def test_clients_of_old_get_the_old_form(site: Site) -> None:
    core, _ = await get(site, "/api")
    assert core["versions"] == ["v1"]
    assert core["serverAddressByClientCIDRs"][0]["serverAddress"] == f"127.0.0.1:{site.server.port}"
    groups, _ = await get(site, "/apis")
    assert groups["kind"] == "APIGroupList"
    apps, _ = await get(site, "/apis/apps/v1")
    assert "deployments/scale" in [entry["name"] for entry in apps["resources"]]


async def test_a_row_that_is_added_is_discovered_at_once(site: Site) -> None:
    await get(site, "/apis")
    site.server._registry.add(Resource("example.test", "v1", "widgets", "widget", "Widget", namespaced=True))
    groups, _ = await get(site, "/apis")
    assert groups["groups"][-1]["name"] == "example.test"
    site.server._registry.remove(GroupVersionResource("example.test", "v1", "widgets"))


async def test_an_openapi_document_is_found_by_its_hash_and_not_sent_twice(site: Site) -> None:
    index, content_type = await get(site, "/openapi/v3")
    assert content_type == "text/plain; charset=utf-8"  # so says the real server of this JSON
    http = await site.session()
    url = index["paths"]["apis/apps/v1"]["serverRelativeURL"]
    async with http.get(url) as response:
        assert "/apis/apps/v1/namespaces/{namespace}/deployments" in (await response.json())["paths"]
        assert "max-age" in response.headers["Cache-Control"]
        tag = response.headers["Etag"]
    async with http.get(url, headers={"If-None-Match": tag}) as response:
        assert (response.status, await response.read()) == (304, b"")


async def test_the_version_is_the_one_that_was_chosen(site: Site) -> None:
    version, _ = await get(site, "/version")
    assert (version["major"], version["minor"]) == ("1", "36")
    assert version["gitVersion"] == site.server.git_version
    assert version["gitVersion"].startswith("v1.36.")


ROUTED = "406: Not Acceptable\n\nAvailable representations: "
SPOKEN = "application/json, application/yaml, application/vnd.kubernetes.protobuf"
TABLE = "application/json;as=Table;g=meta.k8s.io;v=v1"
CONFIG_MAPS = "/api/v1/namespaces/default/configmaps"


@pytest.mark.parametrize(
    ("path", "accept", "message"),
    [
        ("/api/v1", "application/*", ROUTED + SPOKEN),
        ("/api/v1", TABLE, f"only the following media types are accepted: {SPOKEN}"),
        ("/apis", "text/html", f"only the following media types are accepted: {SPOKEN}"),
        ("/apis/apps", TABLE, f"only the following media types are accepted: {SPOKEN}"),
        ("/version", "application/yaml", f"{ROUTED}application/json"),
        ("/.well-known/openid-configuration", "text/html", f"{ROUTED}application/json"),
        ("/openid/v1/jwks", "application/json", f"{ROUTED}application/jwk-set+json"),
        (f"{CONFIG_MAPS}/a", "text/html", ROUTED + SPOKEN),
        (
            CONFIG_MAPS,
            "text/html",
            f"{ROUTED}{SPOKEN}, application/json;stream=watch, "
            "application/vnd.kubernetes.protobuf;stream=watch",
        ),
        ("/api/v1/namespaces/default/pods/a/log", "text/html", f"{ROUTED}text/plain, {SPOKEN}"),
    ],
)
async def test_who_takes_none_of_a_paths_forms_is_told_which_there_are(
    site: Site, path: str, accept: str, message: str
) -> None:
    http = await site.session()
    async with http.get(path, headers={"Accept": accept}) as response:
        assert response.status == 406
        text = await response.text()
    told = yaml.safe_load(text)  # also if it is JSON
    assert told["message"].strip() == message


@pytest.mark.parametrize(
    ("path", "accept", "code"),
    [
        ("/apis", "application/*", 200),
        ("/version", TABLE, 200),
        ("/", "text/html", 200),
        ("/openapi/v2", "text/html", 406),
        ("/openapi/v3/apis/apps/v1", "application/yaml", 406),
        ("/openapi/v3", "application/yaml", 200),
    ],
)
async def test_some_documents_are_less_particular(site: Site, path: str, accept: str, code: int) -> None:
    http = await site.session()
    async with http.get(path, headers={"Accept": accept}) as response:
        assert (response.status, bool(await response.read())) == (code, code == 200)


async def test_nobody_makes_a_table_of_what_is_never_stored(site: Site) -> None:
    http = await site.session()
    review = {"spec": {"nonResourceAttributes": {"path": "/", "verb": "get"}}}
    path = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
    async with http.post(path, json=review, headers={"Accept": TABLE}) as response:
        told = (await response.json())["message"]
        assert (response.status, told) == (406, f"only the following media types are accepted: {SPOKEN}")
    async with http.post(path, json=review, headers={"Accept": f"{TABLE},application/json"}) as response:
        assert (await response.json())["status"] == {"allowed": True}


async def test_components_say_how_they_are(site: Site) -> None:
    listed, _ = await get(site, "/api/v1/componentstatuses")
    health = {item["metadata"]["name"]: item["conditions"][0]["status"] for item in listed["items"]}
    assert health == {"controller-manager": "False", "scheduler": "False", "etcd-0": "True"}
    selected, _ = await get(site, "/api/v1/componentstatuses?fieldSelector=metadata.name%3Detcd-0")
    assert [item["metadata"] for item in selected["items"]] == [{"name": "etcd-0"}]
    one, _ = await get(site, "/api/v1/componentstatuses/etcd-0")
    assert one["conditions"] == [{"type": "Healthy", "status": "True", "message": "ok"}]
    http = await site.session()
    async with http.get("/api/v1/componentstatuses/etcd-1") as response:
        assert (await response.json())["message"] == 'componentstatus "etcd-1" not found'


@pytest.mark.parametrize("path", ["/apis", "/apis/apps", "/openapi/v3"])
async def test_some_documents_do_not_look_at_the_method(site: Site, path: str) -> None:
    http = await site.session()
    async with http.post(path) as response:
        assert response.status == 200


@pytest.mark.parametrize("path", ["/apis/unknown", "/apis/apps/v9", "/openapi"])
async def test_what_is_not_there_is_told_before_what_may_not_be_done(site: Site, path: str) -> None:
    http = await site.session()
    async with http.post(path) as response:
        assert response.status == 404


@pytest.mark.parametrize("path", ["/api", "/api/v1", "/apis/apps/v1", "/version"])
async def test_documents_can_only_be_read(site: Site, path: str) -> None:
    http = await site.session()
    async with http.delete(path) as response:
        assert (response.status, (await response.json())["reason"]) == (405, "MethodNotAllowed")


async def test_metrics_count_requests_by_what_they_were_for(site: Site) -> None:
    http = await site.session()
    async with http.get("/api/v1/nodes"):
        pass
    async with http.get("/metrics") as response:
        text = await response.text()
    labels = 'verb="LIST",dry_run="",group="",version="v1",resource="nodes",subresource="",scope="cluster"'
    assert f'apiserver_request_total{{{labels},component="apiserver",code="200"}} 1\n' in text
    assert f'apiserver_request_duration_seconds_count{{{labels},component="apiserver"}} 1\n' in text


async def test_metrics_tell_of_plain_reads_and_their_bytes(site: Site) -> None:
    http = await site.session()
    async with http.get("/api/v1/namespaces/default") as response:
        size = len(await response.read())
    async with http.get("/metrics") as response:
        text = await response.text()
    what = 'group="",version="v1",resource="namespaces",subresource="",scope="resource",component="apiserver"'
    assert f'apiserver_request_total{{verb="GET",dry_run="",{what},code="200"}} 1\n' in text
    assert f'apiserver_response_sizes_sum{{verb="GET",{what}}} {size}\n' in text
    assert f'apiserver_response_sizes_bucket{{verb="GET",{what},le="1000"}} 1\n' in text


async def test_metrics_tell_of_deprecated_versions_that_are_used(site: Site) -> None:
    http = await site.session()
    async with http.get("/api/v1/endpoints") as response:
        assert "deprecated" in response.headers["Warning"]
    async with http.get("/metrics") as response:
        text = await response.text()
    what = 'group="",version="v1",resource="endpoints",subresource="",removed_release=""'
    assert f"apiserver_requested_deprecated_apis{{{what}}} 1\n" in text


async def test_metrics_tell_what_is_stored_and_what_the_process_uses(site: Site) -> None:
    http = await site.session()
    async with http.get("/metrics") as response:
        text = await response.text()
    values = dict(line.rsplit(" ", 1) for line in text.splitlines() if not line.startswith("#"))
    assert values['apiserver_storage_objects{resource="namespaces"}'] == "1"
    assert values['apiserver_resource_objects{group="apps",resource="deployments"}'] == "0"
    assert values['apiserver_current_inflight_requests{request_kind="readOnly"}'] == "1"
    assert float(values['apiserver_storage_size_bytes{storage_cluster_id="kube-lite"}']) > 0
    assert float(values["process_resident_memory_bytes"]) > 1_000_000
    assert 0 < float(values["process_open_fds"]) <= float(values["process_max_fds"])
    assert any(name.startswith('kubernetes_build_info{major="1",minor="36"') for name in values)


async def test_words_that_lead_nowhere_are_not_counted_by_what_they_say(site: Site) -> None:
    http = await site.session()
    async with http.get("/api/v1/nothings"), http.get("/metrics") as response:
        assert "nothings" not in await response.text()


async def test_others_find_the_keys_by_which_to_verify_tokens(site: Site) -> None:
    about, _ = await get(site, "/.well-known/openid-configuration")
    assert about["jwks_uri"] == f"https://127.0.0.1:{site.server.port}/openid/v1/jwks"
    keys, content_type = await get(site, "/openid/v1/jwks")
    assert content_type == "application/jwk-set+json"
    account = {"metadata": {"name": "a"}}
    await site.client.create(ACCOUNTS, account, namespace="default")
    made = await site.client.create(
        ACCOUNTS, {"metadata": {"name": "a"}}, namespace="default", name="a", subresource="token"
    )
    token = made["status"]["token"]
    key = PyJWKSet.from_dict(keys)[jwt.get_unverified_header(token)["kid"]]
    claims = jwt.decode(token, key, ["RS256"], issuer=about["issuer"], options={"verify_aud": False})
    assert claims["sub"] == "system:serviceaccount:default:a"
