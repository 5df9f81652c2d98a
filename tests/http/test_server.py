"""Requests and answers over TLS, down to a real store."""

import asyncio
import gzip
import json
from io import BytesIO
from pathlib import Path

import pytest
import yaml

from kube_lite.api.identity import GroupVersionResource
from kube_lite.http.app import ApiServer
from kube_lite.http.listener import CannotListen
from kube_lite.kit.service import running
from kube_lite.verbs.request import Answer, Request

from .site import Site, config_map, site_in

CONFIG_MAPS = GroupVersionResource("", "v1", "configmaps")
PATH = "/api/v1/namespaces/default/configmaps"
TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io"


async def test_what_is_created_is_read_back_byte_for_byte_as_it_is_stored(site: Site) -> None:
    http = await site.session()
    async with http.post(PATH, json=config_map("a", k="v")) as response:
        assert response.status == 201
        created = await response.read()
    async with http.get(f"{PATH}/a") as response:
        assert (response.status, await response.read()) == (200, created)
        assert response.headers["Content-Type"] == "application/json"
        assert response.headers["Cache-Control"] == "no-cache, private"


@pytest.mark.parametrize(
    "path", [f"{PATH}/a", f"{PATH}/b", PATH, f"{PATH}?watch=1&timeoutSeconds=1", "/version"]
)
async def test_answers_do_not_tell_what_the_server_is_made_of(site: Site, path: str) -> None:
    await site.client.create(CONFIG_MAPS, config_map("a", k="v" * 200_000), namespace="default")
    http = await site.session()
    async with http.get(path) as response:
        assert "Server" not in response.headers
        assert {"Audit-Id", "Cache-Control", "Content-Type", "Date"} <= set(response.headers)


async def test_what_fails_on_the_short_way_is_done_on_the_long_one(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    await site.client.create(CONFIG_MAPS, config_map("a"), namespace="default")
    http = await site.session()

    def fail(_request: Request) -> Answer:
        raise RuntimeError

    monkeypatch.setattr(site.server._pipeline, "get", fail)
    async with http.get(f"{PATH}/a") as response:
        assert (response.status, (await response.json())["metadata"]["name"]) == (200, "a")


async def test_items_of_a_list_do_not_repeat_their_kind(site: Site) -> None:
    for name in "ab":
        await site.client.create(CONFIG_MAPS, config_map(name), namespace="default")
    http = await site.session()
    async with http.get(PATH) as response:
        answer = await response.json()
    assert (answer["kind"], answer["apiVersion"]) == ("ConfigMapList", "v1")
    assert [item["metadata"]["name"] for item in answer["items"]] == ["a", "b"]
    assert all("kind" not in item and "apiVersion" not in item for item in answer["items"])
    assert int(answer["metadata"]["resourceVersion"]) == site.store.revision


async def test_an_empty_list_has_items_all_the_same(site: Site) -> None:
    http = await site.session()
    async with http.get(PATH) as response:
        assert (await response.json())["items"] == []


async def test_a_table_has_the_columns_of_its_kind(site: Site) -> None:
    await site.client.create(CONFIG_MAPS, config_map("a", k="v"), namespace="default")
    http = await site.session(headers={"Accept": TABLE})
    async with http.get(PATH) as response:
        table = await response.json()
    assert [column["name"] for column in table["columnDefinitions"]] == ["Name", "Data", "Age"]
    assert table["rows"][0]["cells"][:2] == ["a", 1]
    assert table["rows"][0]["object"]["kind"] == "PartialObjectMetadata"
    async with http.get(f"{PATH}/a", params={"includeObject": "Object"}) as response:
        assert (await response.json())["rows"][0]["object"]["data"] == {"k": "v"}
    async with http.get(PATH, params={"includeObject": "Some"}) as response:
        assert response.status == 400


async def test_yaml_comes_back_as_yaml_and_is_taken_as_yaml(site: Site) -> None:
    http = await site.session()
    headers = {"Content-Type": "application/yaml", "Accept": "application/yaml"}
    async with http.post(PATH, data=yaml.safe_dump(config_map("a", k="v")), headers=headers) as response:
        assert response.headers["Content-Type"] == "application/yaml"
        assert yaml.safe_load(await response.text())["data"] == {"k": "v"}


async def test_indentation_changes_nothing_but_the_look(site: Site) -> None:
    await site.client.create(CONFIG_MAPS, config_map("a"), namespace="default")
    http = await site.session()
    async with http.get(f"{PATH}/a") as plain, http.get(f"{PATH}/a", params={"pretty": "true"}) as pretty:
        assert (await pretty.text()).startswith('{\n  "kind": "ConfigMap"')
        assert await pretty.json() == await plain.json()


async def test_a_large_list_is_compressed_for_those_who_ask(site: Site) -> None:
    for number in range(3):
        await site.client.create(CONFIG_MAPS, config_map(f"c{number}", k="x" * 300_000), namespace="default")
    http = await site.session(auto_decompress=False)
    async with http.get(PATH, headers={"Accept-Encoding": "identity"}) as response:
        plain = await response.read()
        assert "Content-Encoding" not in response.headers
    async with http.get(PATH, headers={"Accept-Encoding": "gzip"}) as response:
        packed = await response.read()
        assert response.headers["Content-Encoding"] == "gzip"
    assert gzip.decompress(packed) == plain
    assert len(plain) > 900_000 > 50_000 > len(packed)


async def test_a_body_above_the_limit_is_refused_with_its_size(site: Site) -> None:
    http = await site.session()
    body = BytesIO(json.dumps(config_map("a", k="x" * 3_200_000)).encode())
    async with http.post(PATH, data=body, headers={"Content-Type": "application/json"}) as response:
        status = await response.json()
    assert (response.status, status["reason"]) == (413, "RequestEntityTooLarge")
    assert status["message"] == "Request entity too large: limit is 3145728"


async def test_who_shows_nothing_is_anonymous_and_sees_only_health_and_version(site: Site) -> None:
    http = await site.stranger()
    for path in ("/version", "/healthz", "/livez", "/readyz"):
        async with http.get(path) as response:
            assert response.status == 200, path
    async with http.get(PATH) as response:
        status = await response.json()
    assert response.status == 403
    assert status["message"] == (
        'configmaps is forbidden: User "system:anonymous" cannot list resource "configmaps" '
        'in API group "" in the namespace "default"'
    )
    for path in ("/nothing", "/metrics", "/apis"):
        async with http.get(path) as response:
            message = (await response.json())["message"]
        assert message == f'forbidden: User "system:anonymous" cannot get path "{path}"'


async def test_who_shows_a_wrong_token_is_refused_everywhere(site: Site) -> None:
    http = await site.stranger(headers={"Authorization": "Bearer wrong"})
    for path in ("/healthz", PATH):
        async with http.get(path) as response:
            assert (response.status, (await response.json())["message"]) == (401, "Unauthorized")


async def test_other_schemes_than_bearer_are_as_good_as_nothing(site: Site) -> None:
    http = await site.stranger(headers={"Authorization": "Basic YTpi"})
    async with http.get("/healthz") as response:
        assert response.status == 200


@pytest.mark.parametrize("path", ["/nothing", "/apis/nothing.example.test", "/apis/nothing.example.test/v1"])
async def test_outside_every_group_a_path_is_not_found_in_plain_text(site: Site, path: str) -> None:
    http = await site.session()
    async with http.get(path) as response:
        assert (response.status, await response.text()) == (404, "404 page not found\n")
        assert response.headers["Content-Type"] == "text/plain; charset=utf-8"


async def test_errors_are_statuses_with_the_name_of_what_is_missing(site: Site) -> None:
    http = await site.session()
    async with http.get(f"{PATH}/none") as response:
        assert await response.json() == {
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": {},
            "status": "Failure",
            "message": 'configmaps "none" not found',
            "reason": "NotFound",
            "details": {"name": "none", "kind": "configmaps"},
            "code": 404,
        }


async def test_a_client_may_name_its_request(site: Site) -> None:
    http = await site.session()
    async with http.get("/version", headers={"Audit-Id": "mine"}) as named, http.get("/version") as unnamed:
        assert named.headers["Audit-Id"] == "mine"
        assert unnamed.headers["Audit-Id"]


async def test_a_bug_is_told_as_an_internal_error_and_logged_with_its_request(
    site: Site, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(site.server._documents, "find", lambda call: 1 // 0)
    http = await site.session()
    async with http.get("/version") as response:
        assert (response.status, (await response.json())["reason"]) == (500, "InternalError")
    assert "ZeroDivisionError" in caplog.text


async def test_a_request_that_takes_too_long_is_ended(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    async def never(request: object) -> None:
        await asyncio.get_running_loop().create_future()

    monkeypatch.setattr(site.server._pipeline, "handle", never)
    http = await site.session()
    async with http.delete(f"{PATH}/a", params={"timeout": "20ms"}) as response:
        assert (response.status, (await response.json())["reason"]) == (504, "Timeout")


async def test_a_port_that_is_taken_is_said_to_be(site: Site, tmp_path: Path) -> None:
    other = ApiServer(
        site.server._pipeline,
        site.server._registry,
        site.server._documents._definitions,
        None,  # type: ignore[arg-type]  # nobody gets as far as being asked who they are
        site.server._authorizer,
        tls=None,
        host="127.0.0.1",
        port=site.server.port,
        version="1.36",
        clock=site.server._clock,
        node_credentials=site.server._node_credentials,
    )
    with pytest.raises(CannotListen, match=f"127.0.0.1:{site.server.port}: the port is taken"):
        async with running(other):
            pass


@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_stopping_waits_for_requests_in_flight(tmp_path: Path, method: str) -> None:
    arrived, may_go = asyncio.Event(), asyncio.Event()
    node = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": "a"}}
    async with asyncio.TaskGroup() as group:
        async with site_in(tmp_path) as site:
            http = await site.session()
            handle = site.server._pipeline.handle

            async def slow(request):  # type: ignore[no-untyped-def]
                arrived.set()
                await may_go.wait()
                return await handle(request)

            site.server._pipeline.handle = slow  # type: ignore[method-assign]
            asked = group.create_task(http.request(method, "/api/v1/nodes", json=node).__aenter__())
            await arrived.wait()
            asyncio.get_running_loop().call_later(0.05, may_go.set)
            site.stack.pop_all()  # the session outlives the server here
        response = await asked
        assert response.status == {"GET": 200, "POST": 201}[method]
        response.release()
        await http.close()


async def test_an_administrator_may_act_as_somebody_else_and_then_has_only_their_rights(site: Site) -> None:
    http = await site.session(headers={"Impersonate-User": "jane"})
    async with http.get(PATH) as response:
        status = await response.json()
    assert response.status == 403
    assert status["message"].startswith('configmaps is forbidden: User "jane" cannot list')
    masters = await site.session(headers={"Impersonate-User": "root", "Impersonate-Group": "system:masters"})
    async with masters.get(PATH) as response:
        assert response.status == 200


async def test_a_namespace_lies_in_itself_when_asked_for_permission(site: Site) -> None:
    http = await site.stranger()
    for path in ("/api/v1/namespaces/default", "/api/v1/namespaces/default/nothings"):
        async with http.get(path) as response:
            assert (await response.json())["message"].endswith('in the namespace "default"'), path


async def test_nobody_may_not_act_as_somebody(site: Site) -> None:
    http = await site.stranger(headers={"Impersonate-User": "root", "Impersonate-Group": "system:masters"})
    async with http.get("/version") as response:
        assert response.status == 403


async def test_a_group_without_a_name_is_refused_rather_than_ignored(site: Site) -> None:
    http = await site.session(headers={"Impersonate-Group": "team"})
    async with http.get(PATH) as response:
        assert response.status == 400
        assert (await response.json())["message"].endswith("without impersonating a user name")
